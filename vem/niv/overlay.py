"""What mode NIV, or mode VEPA, adds to the Image that compile.py made.

Pure.  Uplinks to the VIS become ends of NIV links, NICs get link and VIF, the VIS's lists become lists of lports.  In
the stages in which the host is an IV a NIC is open whatever is wanted of it: the VIS decides, and hears a VM that is
still awaited by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dvswitch.vif.messages import Tagging as VifTagging
from vem.agent.compile import Compiled, VethState
from vem.agent.wanted import ModeKind
from vem.datapath.image import Image, Niv, Port, Tagging
from vem.niv.memory import Bound
from vem.niv.stages import Stage

VifLists = Mapping[tuple[int, int], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is, in the datapath's terms."""

    stage: Stage
    links: Mapping[int, tuple[int, VifTagging | None]]
    """By uplink number: lport, and what was agreed on."""
    nics: Mapping[int, Bound]
    """By lport."""
    lists: VifLists = field(default_factory=dict)
    """(uplink number, list) -> VIFs."""
    before: VifLists = field(default_factory=dict)
    """(lport of the link, list) -> lports: of links on which the VIS has said nothing since the agent started."""


def overlaid(compiled: Compiled, places: Places) -> Compiled:
    """The Image with it; the very same object in mode DVS."""
    image, vepa = compiled.image, compiled.wanted.mode.kind is ModeKind.VEPA
    if places.stage is Stage.LOCAL:
        if not vepa:
            return compiled
        return replace(compiled, image=replace(image, control=replace(image.control, vepa=True)))
    ports, veths = dict(image.ports), dict(compiled.veths)
    for number, (lport, tagging) in places.links.items():
        if lport in ports:
            ports[lport] = _link(ports[lport], tagging, number, places.stage)
    for lport, bound in places.nics.items():
        if lport in ports:
            ports[lport] = _nic(ports[lport], bound, places)
            if (state := veths.get(ports[lport].number)) and state.lport == lport:
                veths[state.veth] = _state(state, ports[lport], bound, places.stage)
    control = replace(image.control, niv=places.stage.extends, vepa=vepa and not places.stage.extends)
    lists = _lists(image, ports, places)
    return replace(compiled, image=replace(image, control=control, ports=ports, vif_lists=lists), veths=veths)


def _link(port: Port, tagging: VifTagging | None, number: int, stage: Stage) -> Port:
    agreed = Tagging(tagging.value) if tagging else Tagging.NONE
    return replace(port, niv=Niv.EXTENDER, tagging=agreed, plain=stage is not Stage.FINAL)


def _nic(port: Port, bound: Bound, places: Places) -> Port:
    link = places.links.get(bound.uplink, (0, None))[0]
    if not link or not bound.vif:
        return port
    if not places.stage.extends:
        return replace(port, link=link, vif=bound.vif)
    return replace(port, link=link, vif=bound.vif, blocked=False, awaited=False, mac_violation=False, pin=0)


def _state(state: VethState, port: Port, bound: Bound, stage: Stage) -> VethState:
    if not stage.extends:
        return state
    return VethState(state.veth, state.lport, state.link_up, bool(port.vif) and state.enabled, bound.uplink)


def _lists(image: Image, ports: Mapping[int, Port], places: Places) -> dict[tuple[int, int], tuple[int, ...]]:
    """Members that are not (or no longer) here are left out, and lists without any."""
    lports = {(port.link, port.vif): lport for lport, port in ports.items() if port.vif}
    found = {key: tuple(lport for lport in old if lport in ports) for key, old in places.before.items()}
    for (number, ident), vifs in places.lists.items():
        link = places.links.get(number, (0, None))[0]
        found[link, ident] = tuple(sorted(lports[link, vif] for vif in vifs if (link, vif) in lports))
    return dict(sorted((key, members) for key, members in found.items() if key[0] in ports and members))


__all__ = ["Places", "VifLists", "overlaid"]
