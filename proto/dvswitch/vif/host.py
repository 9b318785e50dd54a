"""VIF control on the host (the Interface Virtualizer's side), without I/O or clock (docs/vif-control.md).

What the host's agent gives in:

    HostSide(host_uuid, host_name, instance)  instance: 64 random bits of this start of the agent
    .set_uplink(number, mac, carrier, now)    an uplink, or its carrier came or went; remove_uplink(number, now)
    .set_mode(enabled, tagging, final, now)   enabled: the host is (becoming) an IV; final: it sends tagged frames only
    .set_wishes(wishes, now)                  all NICs that want a VIF, complete every time (see Wish)
    .set_lists(lists, now)                    which of lists() the datapath goes by now; until the VIS has heard that of
                                              a list it sends single copies
    .receive(uplink, frame, now)              every LLDP frame and every VIF control frame (codec.is_control) that came
    .to_send(now) -> [(uplink, frame)]        to be called after each of these and at next_timer(); lost ones come again
    .next_timer() -> seconds or None

and what it gets, to be looked at after each call (all are complete and cheap):

    .bindings() -> {NicKey.ident: Binding}    uplink, VIF, vEth, generation, phase and state of every wished NIC
    .lists() -> {(uplink, list id): VIFs}     whom to replicate to
    .links() -> [LinkView]                    every uplink: state, VIS, its port, tagging, reason
    .take_refusals() -> [Refusal]             attaches that the VIS (or the supervisor behind it) refused, each once;
                                              likewise .take_events() -> [str], for the log

A NIC stays on its uplink for as long as that has a session or may get it back; when the uplink is lost it moves to
another one of the same VIS (its VIF is then another; its vEth stays).  With Wish.uplink the agent chooses.  All NICs
of a host are on one VIS; uplinks to another are not used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from dvswitch import lldp
from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from dvswitch.vif import announcement, codec, host_link
from dvswitch.vif.announcement import Announcement
from dvswitch.vif.host_link import Link, LinkState
from dvswitch.vif.host_views import Binding, LinkView, Refusal, Wish
from dvswitch.vif.messages import (
    Attach,
    Detach,
    Frame,
    Granted,
    Hello,
    KeepAlive,
    ListTold,
    Message,
    Mode,
    NicKey,
    Refused,
    Released,
    Synced,
    Tagging,
)

PATIENCE = 3.0
"""Seconds that NICs wait for the session of their uplink to come back before they take another uplink's."""


@dataclass(slots=True)
class _Nic:
    wish: Wish
    binding: Binding
    moves: int = 0
    refused: str | None = None
    """The request that was refused."""
    vifs: dict[int, int] = field(default_factory=dict)
    """By uplink: what it had there last."""


class HostSide:
    """All uplinks and NICs of one host.  ``now``: seconds of any clock that never goes back."""

    def __init__(self, host_uuid: str, host_name: str, instance: int) -> None:
        self._uuid, self._name, self._instance = host_uuid, host_name, instance
        self._links: dict[int, Link] = {}
        self._nics: dict[str, _Nic] = {}
        self._left: dict[str, int] = {}
        """NICs that are not wished any more, and the uplink whose VIS could not be told (NicKey.ident)."""
        self._enabled, self._final = False, False
        self._tagging = Tagging.VNTAG
        self._vis = ""
        self._lists: dict[tuple[int, int], tuple[int, ...]] = {}
        self._refusals: list[Refusal] = []
        self._events: list[str] = []
        self._news = True
        """Something changed since NICs were put on links and the VIS was told."""

    # --- what happens -------------------------------------------------------------------------------------------

    def set_uplink(self, number: int, mac: MacAddress, carrier: bool, now: float) -> None:
        """An uplink (``mac`` is the source of its control frames), new or with another carrier."""
        link = self._links.setdefault(number, Link(number, mac))
        link.mac, link.carrier = mac, carrier
        self._run(now)

    def remove_uplink(self, number: int, now: float) -> None:
        """Forget an uplink; unknown ones are ignored."""
        self._links.pop(number, None)
        self._news = True
        self._run(now)

    def set_mode(self, enabled: bool, tagging: Tagging, final: bool, now: float) -> None:
        """Whether the host wants sessions, which tags, and whether untagged frames are at an end."""
        if tagging is not self._tagging:
            self._tagging = tagging
            for link in self._links.values():
                link.begin_again = link.state.has_session
        self._enabled, self._final, self._news = enabled, final, True
        self._run(now)

    def set_wishes(self, wishes: Iterable[Wish], now: float) -> None:
        """All NICs that want a VIF; those missing are detached."""
        self._news = True
        found = {wish.nic.ident: wish for wish in wishes}
        for ident in self._nics.keys() - found.keys():
            gone = self._nics.pop(ident)
            if gone.binding.vif and self._is_unsure(gone.binding.uplink):
                self._left[ident] = gone.binding.uplink
        self._left = {
            ident: uplink for ident, uplink in self._left.items() if ident not in found and self._is_unsure(uplink)
        }
        for ident, wish in found.items():
            self._wish(ident, wish)
        self._run(now)

    def _wish(self, ident: str, wish: Wish) -> None:
        known = self._nics.get(ident)
        if known is None:
            uplink, vif = wish.held
            binding = Binding(wish.nic, uplink, vif, wish.veth, wish.generation)
            known = self._nics[ident] = _Nic(wish, binding, vifs={uplink: vif} if vif else {})
            self._check(known)
        elif known.wish != wish:
            known.wish = wish
            self._check(known)

    def _check(self, nic: _Nic) -> None:
        """Refuse what no frame can say."""
        try:
            codec.message_to(_attach(nic, 1))
        except InvalidValue as error:
            if nic.refused != nic.wish.request:
                self._refuse(nic, str(error))

    def _refuse(self, nic: _Nic, reason: str) -> None:
        nic.refused = nic.wish.request
        nic.binding = Binding(nic.wish.nic, nic.binding.uplink, detail=reason)
        self._refusals.append(Refusal(nic.wish.nic, nic.wish.request, reason))

    def set_lists(self, lists: Mapping[tuple[int, int], tuple[int, ...]], now: float) -> None:
        """What the datapath has of lists(), complete every time."""
        if lists != self._lists:
            self._lists, self._news = dict(lists), True
            self._run(now)

    def receive(self, uplink: int, frame: bytes, now: float) -> None:
        """A frame came in by an uplink; what is neither LLDP nor VIF control, or malformed, is ignored."""
        link = self._links.get(uplink)
        if link is None or not link.carrier:
            return
        try:
            if int.from_bytes(frame[12:14], "big") == lldp.ETHERTYPE:
                self._hear_neighbour(link, lldp.decode(frame))
            elif codec.is_control(frame):
                self._hear(link, codec.decode(frame), now)
        except InvalidValue as error:
            self._events.append(f"uplink {uplink}: {error}")
            return
        self._run(now)

    def _hear_neighbour(self, link: Link, told: lldp.Advertisement) -> None:
        vis = announcement.find(told.private)
        if vis is None:
            if link.state is LinkState.FOUND and not told.ttl and link.vis_port == str(told.port):
                link.vis = None  # it says goodbye
            return
        if link.vis != vis:
            self._events.append(f"uplink {link.number}: switch {vis.vis_name} ({vis.vis_uuid}), port {told.port}")
        link.vis, link.vis_port = vis, str(told.port)
        by = link.welcome.instance if link.welcome else vis.instance
        if by != vis.instance:
            link.begin_again = link.state.has_session

    def _hear(self, link: Link, frame: Frame, now: float) -> None:
        if (frame.instance, frame.session) != (self._instance, link.session):
            return
        for message in host_link.take_frame(link, frame, now):
            self._news |= not isinstance(message, KeepAlive)
            link.heard.note(message)
            self._take(link, message, now)

    def _take(self, link: Link, message: Message, now: float) -> None:
        match message:
            case Granted(nic):
                self._granted(link, nic, message)
            case Refused(nic):
                self._refused(link, nic, message)
            case Released(nic, reason):
                self._released(link, nic, reason)
            case ListTold(number, ()):
                link.lists.pop(number, None)
            case ListTold(number, vifs):
                link.lists[number] = vifs
            case Mode(final):
                link.final = final
            case Synced():
                link.synced, link.final = True, link.heard.final
                link.lists = dict(link.heard.lists)
            case KeepAlive(digest):
                link.heard_at = now
                if digest != link.heard.digest():
                    self._events.append(f"uplink {link.number}: lost step with the VIS; beginning anew")
                    link.begin_again = True

    def _granted(self, link: Link, nic: NicKey, told: Granted) -> None:
        known = self._nics.get(nic.ident)
        if known is None or known.binding.uplink != link.number:
            return  # the VIS has not heard yet that it is gone, or elsewhere
        for other in self._nics.values():
            if (other.binding.uplink, other.binding.vif) == (link.number, told.vif) and other is not known:
                other.binding = replace(other.binding, vif=0, confirmed=False)  # the VIS forgot whose it was
        known.refused = None
        known.vifs[link.number] = told.vif
        known.binding = Binding(
            known.wish.nic,
            link.number,
            told.vif,
            told.veth,
            told.generation,
            told.phase,
            told.state,
            told.detail,
            told.request,
            confirmed=True,
        )

    def _refused(self, link: Link, nic: NicKey, told: Refused) -> None:
        known = self._nics.get(nic.ident)
        if known and known.binding.uplink == link.number and told.request == known.wish.request:
            self._refuse(known, told.reason)

    def _released(self, link: Link, nic: NicKey, reason: str) -> None:
        known = self._nics.get(nic.ident)
        if known and known.binding.uplink == link.number and nic.ident in link.said.attaches:
            known.vifs.pop(link.number, None)
            known.binding = Binding(known.wish.nic, link.number, detail=reason)

    # --- the machine --------------------------------------------------------------------------------------------

    def _run(self, now: float) -> None:
        """Let links go on, put NICs on links, and tell the VIS what is new to it."""
        self._choose()
        for link in self._links.values():
            self._news |= host_link.advance(link, now)
        if not self._news and not any(self._is_awaited(link) for link in self._links.values()):
            return
        self._news = False
        self._place(now)
        for link in self._links.values():
            if link.state.has_session:
                self._tell(link)
            self._news |= host_link.advance(link, now)

    def _choose(self) -> None:
        """One VIS for all: the one there is, as long as any uplink leads there; else the one of most uplinks."""
        found = Counter(link.vis.vis_uuid for _, link in sorted(self._links.items()) if link.vis and link.carrier)
        if self._vis not in found:
            self._vis = found.most_common(1)[0][0] if found else self._vis
        for link in self._links.values():
            chosen = self._enabled and link.vis is not None and link.vis.vis_uuid == self._vis
            link.chosen, self._news = chosen, self._news or chosen != link.chosen
            if self._enabled and link.vis is not None and not link.chosen:
                link.reason = "leads to another VIS than this host's other uplinks"

    def _place(self, now: float) -> None:
        ready = [number for number, link in sorted(self._links.items()) if link.state.has_session and link.chosen]
        load = Counter(dict.fromkeys(ready, 0))
        load.update(nic.binding.uplink for nic in self._nics.values())
        for nic in self._nics.values():
            uplink = self._where(nic, ready, load, now)
            if uplink != nic.binding.uplink:
                load.subtract([nic.binding.uplink])
                load.update([uplink])
                nic.moves += 1
                nic.binding = replace(nic.binding, uplink=uplink, vif=0, confirmed=False)

    def _where(self, nic: _Nic, ready: Collection[int], load: Mapping[int, int], now: float) -> int:
        """The uplink that a NIC belongs on now."""
        here = nic.binding.uplink
        if nic.wish.uplink in ready:
            return nic.wish.uplink
        if here in ready or not ready:
            return here
        if (link := self._links.get(here)) and link.carrier and now < link.since + PATIENCE:
            return here  # it may come back
        return min(ready, key=lambda number: (load[number], number))

    def _tell(self, link: Link) -> None:
        """Say what the VIS does not know yet."""
        wanted = {
            ident: _attach(nic, link.number)
            for ident, nic in self._nics.items()
            if link.chosen and nic.binding.uplink == link.number and nic.refused != nic.wish.request
        }
        for ident, told in list(link.said.attaches.items()):
            nic = self._nics.get(ident)
            refused = nic is not None and nic.binding.uplink == link.number and nic.refused is not None
            if ident not in wanted and not refused:
                host_link.say(link, Detach(told.nic))
        for ident, attach in sorted(wanted.items(), key=lambda item: not item[1].vif):
            known = link.said.attaches.get(ident)
            if known is None or _differs(known, attach):
                host_link.say(link, attach)
        self._tell_lists(link)
        host_link.say_mode(link, self._final and link.chosen)
        host_link.say_synced(link)

    def _tell_lists(self, link: Link) -> None:
        lists = {key: vifs for (uplink, key), vifs in self._lists.items() if uplink == link.number and vifs}
        for gone in link.said.lists.keys() - lists.keys():
            host_link.say(link, ListTold(gone))
        for number, vifs in lists.items():
            if link.said.lists.get(number) != vifs:
                host_link.say(link, ListTold(number, vifs))

    # --- what follows -------------------------------------------------------------------------------------------

    def to_send(self, now: float) -> list[tuple[int, bytes]]:
        """Frames that are due, each with its uplink."""
        self._run(now)
        frames = []
        for number, link in sorted(self._links.items()):
            hello = Hello(self._uuid, self._name, number, (self._tagging,))
            due = host_link.frames_due(link, self._instance, hello, now)
            frames += [(number, codec.encode(link.mac, frame)) for frame in due]
        return frames

    def next_timer(self) -> float | None:
        """When to call to_send() next at the latest; None: nothing will happen by itself.  May be in the past."""
        if self._news:
            return float("-inf")
        timers = [host_link.next_timer(link) for link in self._links.values()]
        timers += [link.since + PATIENCE for link in self._links.values() if self._is_awaited(link)]
        found = min(timers, default=float("inf"))
        return None if found == float("inf") else found

    def _is_awaited(self, link: Link) -> bool:
        """NICs may leave this link when patience is at an end."""
        if link.state not in (LinkState.ASKING, LinkState.SILENT, LinkState.SEARCHING, LinkState.FOUND):
            return False
        others = any(other.state.has_session and other.chosen for other in self._links.values())
        return others and any(nic.binding.uplink == link.number for nic in self._nics.values())

    @property
    def idle(self) -> bool:
        """Nobody wants a VIS, and none was ever heard."""
        return (
            not self._enabled
            and not self._nics
            and not any(link.vis or link.granted_by or link.state.has_session for link in self._links.values())
        )

    def bindings(self) -> dict[str, Binding]:
        """Where every wished NIC is, by NicKey.ident."""
        return {ident: nic.binding for ident, nic in self._nics.items()}

    def answered(self) -> set[str]:
        """NICs (NicKey.ident) that a VIS may send frames to: what it granted and did not release; while it has not said
        what it has, as it has just started or is away, what it had granted before."""
        found = {ident for link in self._links.values() if link.state.has_session for ident in link.heard.answers}
        found |= {ident for ident, uplink in self._left.items() if self._is_unsure(uplink)}
        had = ((ident, nic.binding) for ident, nic in self._nics.items() if nic.binding.vif)
        return found | {ident for ident, binding in had if self._is_unsure(binding.uplink)}

    def _is_unsure(self, uplink: int) -> bool:
        """Whether there may be a VIS by that uplink, which has not said what it has."""
        link = self._links.get(uplink)
        return link is not None and link.carrier and not link.synced

    @property
    def in_step(self) -> bool:
        """Every uplink with a carrier has a VIS that has said what it has."""
        return all(link.synced for link in self._links.values() if link.carrier)

    def lists(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """VIFs by uplink and list id."""
        return {(number, ident): vifs for number, link in self._links.items() for ident, vifs in link.lists.items()}

    def links(self) -> list[LinkView]:
        """Every uplink, by number."""
        return [_view(link) for _, link in sorted(self._links.items())]

    def take_refusals(self) -> list[Refusal]:
        """What was refused since the last call."""
        found, self._refusals = self._refusals, []
        return found

    def take_events(self) -> list[str]:
        """What people may want to know, since the last call."""
        found, self._events = self._events, []
        return found


def _attach(nic: _Nic, uplink: int) -> Attach:
    wish, bound = nic.wish, nic.binding
    vif, (generation, veth) = nic.vifs.get(uplink, 0), max((wish.generation, wish.veth), (bound.generation, bound.veth))
    return Attach(
        wish.nic,
        wish.mac,
        wish.profile,
        wish.prepare,
        veth,
        generation,
        wish.request,
        vif,
        wish.link_up,
        wish.effective,
        nic.moves,
        wish.in_force and bool(vif) and wish.held == (uplink, vif),
    )


def _differs(said: Attach, attach: Attach) -> bool:
    """Whether the VIS must hear it; what it told us itself it knows."""
    return replace(said, vif=attach.vif, veth=attach.veth, generation=attach.generation) != attach


def _view(link: Link) -> LinkView:
    vis, welcome = link.vis or Announcement("", "", 0), link.welcome or link.granted_by
    return LinkView(
        link.number,
        link.state,
        vis.vis_uuid or (welcome.vis_uuid if welcome else ""),
        vis.vis_name or (welcome.vis_name if welcome else ""),
        (welcome.port if welcome else "") or link.vis_port,
        welcome.tagging if welcome else None,
        link.final,
        link.synced,
        link.reason,
        not link.said.attaches and link.channel.idle,
    )


__all__ = ["Binding", "HostSide", "LinkState", "LinkView", "Refusal", "Wish"]
