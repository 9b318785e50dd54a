"""show niv: modules' ways to a VIS; show vif: their NICs as ports of it; and the modes' table of show module."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.model.cards import mode_of, niv_slots
from vsm.model.interfaces import Ethernet, Vethernet
from vsm.model.niv import DVS, LinkState, Tagging
from vsm.model.state import Nic
from vsm.observed import NivLink, Vif

NOT_TOLD = "-"
CONNECTED, ABSENT = "connected", "absent"
_MODES = "{:<3}  {:<4}  {:<7}  {:<9}  {}"
_LINKS = "{:<3}  {:<4}  {:<9}  {:<7}  {:<16}  {:<14}  {:<7}  {:<7}  {:<4}  {}"
_VIFS = "{:<11}  {:<3}  {:<4}  {:<7}  {:<16}  {:<7}  {:<3}  {}"


@dataclass(frozen=True, slots=True)
class ModeRow:
    """A line of the modes' table of show module."""

    mod: int
    mode: str
    tagging: str
    card: str
    vis: str
    """The host's own word for it."""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """An uplink on which a VIS was heard; a module in mode niv that heard of none has a row with "-"."""

    mod: int
    mode: str
    card: str
    uplink: str
    vis: str
    port: str = field(metadata={"key": "vis_port"})
    tagging: str
    state: str
    vifs: int
    reason: str
    uuid: str = field(metadata={"key": "vis_uuid"})


@dataclass(frozen=True, slots=True)
class VifRow:
    """A NIC of a host as a port of a VIS."""

    port: str
    mod: int
    vif: int
    uplink: str
    vis: str
    state: str
    """carries, or ready: the VIS knows it, but its frames do not go this way yet."""
    nic: int
    owner: str


def show_niv(view: View, call: Call) -> Report:
    """Ways to a VIS of all modules that have any, or are in mode niv."""
    rows = [row for slot in _slots(view, call) for row in _link_rows(view, slot)]
    text = lines(
        _LINKS.format("Mod", "Mode", "Card", "Uplink", "VIS", "VIS-Port", "Tagging", "State", "VIFs", "Reason"),
        _LINKS.format(*map("-".__mul__, (3, 4, 9, 7, 16, 14, 7, 7, 4, 6))),
        *(
            _LINKS.format(
                row.mod, row.mode, row.card, row.uplink, row.vis, row.port, row.tagging, row.state, row.vifs, row.reason
            ).rstrip()
            for row in rows
        ),
    )
    return Report(text, (Table("niv", rows),))


def show_vif(view: View, call: Call) -> Report:
    """NICs that are ports of a VIS."""
    rows = [
        _vif_row(view, slot, link, vif)
        for slot in _slots(view, call)
        for link in sorted(view.runtime.links(slot), key=lambda link: link.uplink)
        for vif in sorted(link.vifs, key=lambda vif: vif.vif)
    ]
    text = lines(
        _VIFS.format("Port", "Mod", "VIF", "Uplink", "VIS", "State", "NIC", "Owner"),
        _VIFS.format(*map("-".__mul__, (11, 3, 4, 7, 16, 7, 3, 5))),
        *(
            _VIFS.format(row.port, row.mod, row.vif, row.uplink, row.vis, row.state, row.nic, row.owner).rstrip()
            for row in rows
        ),
    )
    return Report(text, (Table("vif", rows),))


def mode_rows(view: View, slots: Iterable[int]) -> list[ModeRow]:
    """Those of the modules whose mode is not the default."""
    found = []
    for slot in slots:
        mode = mode_of(view.state, slot)
        if mode != DVS:
            card, vis = card_word(view, slot), _word(_vis(view, slot))
            found.append(ModeRow(slot, mode.kind.value, _tagging(mode.tagging), card, vis))
    return found


def _vis(view: View, slot: int) -> str:
    """The VIS that the host was connected to last: its name, or where that is not told its UUID."""
    ways = view.state.inventory.ways.get(slot, ())
    names = {link.vis_uuid: link.vis_name for link in view.runtime.links(slot) if link.vis_name}
    return names.get(ways[0].vis_uuid, ways[0].vis_uuid) if ways else ""


def modes_text(rows: Iterable[ModeRow]) -> str:
    """The table of show module; "" where all modules are in the default mode."""
    told = [_MODES.format(row.mod, row.mode, row.tagging, row.card, row.vis) for row in rows]
    if not told:
        return ""
    rule = _MODES.format(*map("-".__mul__, (3, 4, 7, 9, 36)))
    return lines("", _MODES.format("Mod", "Mode", "Tagging", "Card", "VIS"), rule, *told)


def card_word(view: View, slot: int) -> str:
    """Whether the module's card has a session; "-" where it is to have none."""
    if not mode_of(view.state, slot).niv:
        return NOT_TOLD
    status = view.runtime.card(slot)
    return CONNECTED if status and status.connected else ABSENT


def _slots(view: View, call: Call) -> list[int]:
    state = view.state
    slots = {*niv_slots(state), *(slot for slot in state.inventory.modules if view.runtime.links(slot))}
    return sorted(slot for slot in slots if call.get("slot") in (None, slot))


def _link_rows(view: View, slot: int) -> list[LinkRow]:
    mode, card = mode_of(view.state, slot).kind.value, card_word(view, slot)
    links = sorted(view.runtime.links(slot), key=lambda link: link.uplink)
    if not links:
        links = _untold(view, slot)
    return [
        LinkRow(
            mod=slot,
            mode=mode,
            card=card,
            uplink=Ethernet(slot, link.uplink).short if link.uplink else NOT_TOLD,
            vis=_word(link.vis_name or link.vis_uuid),
            port=_word(link.vis_port),
            tagging=_tagging(link.tagging),
            state=link.state.value,
            vifs=len(link.vifs),
            reason=link.reason,
            uuid=_word(link.vis_uuid),
        )
        for link in links
    ]


def _untold(view: View, slot: int) -> list[NivLink]:
    """In place of what a module has not told since the supervisor started: what it told before."""
    ways = view.state.inventory.ways.get(slot, ())
    why = "the module has not told yet" if ways else "no VIS was heard"
    known = [(way.uplink, way.vis_uuid) for way in ways] or [(0, "")]
    return [NivLink(number, uuid, "", "", Tagging.NONE, LinkState.DOWN, why) for number, uuid in known]


def _vif_row(view: View, slot: int, link: NivLink, vif: Vif) -> VifRow:
    known = view.state.inventory.veths.get(vif.veth)
    nic = known.nic if known else Nic(vif.vm, vif.index)
    return VifRow(
        port=Vethernet(vif.veth).short if vif.veth else NOT_TOLD,
        mod=slot,
        vif=vif.vif,
        uplink=Ethernet(slot, link.uplink).short,
        vis=_word(link.vis_name or link.vis_uuid),
        state="carries" if vif.carries else "ready",
        nic=nic.index,
        owner=nic.vm,
    )


def _tagging(tagging: Tagging) -> str:
    return tagging.value or NOT_TOLD


def _word(text: str) -> str:
    """A stranger's text as one word: a column."""
    return "_".join(text.split()) or NOT_TOLD
