"""VIF control on the switch (the Virtual Interface Switch's side), without I/O or clock (docs/vif-control.md).

The shell gives ports and their carriers, the control frames that came, and what became of each NIC's vEth; it gets
frames to send, and hosts() / nics(): which NICs are where and what they want.  All VIFs are allotted here.

What is known of a NIC outlives its host's session, the link and (by saved() and restore()) this process: a VIF goes
only when its host says so in a session, when another host says Hello on the link, or when the NIC moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dvswitch.errors import InvalidValue, Unavailable
from dvswitch.mac import MacAddress
from dvswitch.vif import bridge_link, codec
from dvswitch.vif.announcement import Announcement
from dvswitch.vif.bridge_link import Port, PortState
from dvswitch.vif.messages import (
    LAST_VIF,
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
    Phase,
    Refused,
    Released,
    Reset,
    Seek,
    State,
    Synced,
    Tagging,
    Welcome,
)
from dvswitch.vif.vifs import Vifs

GRACE = 10.0
"""Seconds for which a NIC is kept whose link has another host now: its host may show up elsewhere."""


@dataclass(frozen=True, slots=True)
class BridgeNic:
    """A NIC of a host, and where it is."""

    host: str
    """UUID."""
    attach: Attach
    """As its host told last."""
    port: int
    """0: its link is not its host's any more."""
    vif: int
    """0: none (no link)."""
    state: Granted
    """What the shell told of its vEth last; nic and vif in it mean nothing."""
    link_up: bool
    """Frames can reach it: its link and its own carrier."""
    life: int = 0
    """Another one when it was detached and attached again meanwhile."""
    waits: bool = False
    """The host takes frames without a tag still, and has not said that its tables have the VIF."""

    @property
    def key(self) -> NicKey:
        """The NIC."""
        return self.attach.nic


@dataclass(frozen=True, slots=True)
class SavedNic:
    """What survives a restart of a NIC."""

    host: str
    port: int
    vif: int
    attach: Attach


@dataclass(frozen=True, slots=True)
class SavedPort:
    """What survives a restart of a port."""

    number: int
    host_uuid: str
    host_name: str
    uplink: int
    tagging: Tagging
    final: bool
    held: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortView:
    """A port, for the datapath and for people."""

    number: int
    label: str
    state: PortState
    host_uuid: str
    host_name: str
    uplink: int
    """The host's number of the link."""
    tagging: Tagging | None
    final: bool
    """The host sends tagged frames only."""
    vifs: int
    last_vif: int
    lists: Mapping[int, tuple[int, ...]]
    """As they should be."""
    held: Mapping[int, tuple[int, ...]]
    """As the host says that it goes by them."""


@dataclass(slots=True)
class _Nic:
    host: str
    attach: Attach
    port: int
    vif: int
    instance: int = 0
    """Of the host that told it."""
    told: Granted | None = None
    refused: str | None = None
    """Why; it has no VIF then."""
    gone_at: float | None = None
    """When it is forgotten, as it has no link."""
    was_on: int = 0
    life: int = 0


class BridgeSide:
    """All NIV ports of one VIS.  ``now``: seconds of any clock that never goes back."""

    def __init__(
        self, vis_uuid: str, vis_name: str, instance: int, last_vif: int = LAST_VIF, keep_alive: float = 1.0
    ) -> None:
        """``instance``: 64 random bits of this start."""
        self._uuid, self._name, self._instance = vis_uuid, vis_name, instance
        self._last_vif, self._keep_alive = last_vif, keep_alive
        self._ports: dict[int, Port] = {}
        self._taggings: dict[int, tuple[Tagging, ...]] = {}
        self._vifs: dict[int, Vifs] = {}
        self._lists: dict[int, dict[int, tuple[int, ...]]] = {}
        self._final: dict[int, bool] = {}
        self._nics: dict[tuple[str, str], _Nic] = {}
        self._lives = 0
        self._names: dict[str, str] = {}
        self._seekers: set[int] = set()
        self._events: list[str] = []
        self._news = True
        """Something changed since the hosts were told."""

    # --- what is given ------------------------------------------------------------------------------------------

    def add_port(
        self, number: int, label: str, mac: MacAddress, taggings: tuple[Tagging, ...] = tuple(Tagging)
    ) -> None:
        """A port that may have a NIV host behind it; no carrier yet."""
        self._ports[number] = Port(number, label, mac, keep_alive=self._keep_alive)
        self._taggings[number], self._vifs[number] = taggings, Vifs(label, self._last_vif)

    def set_carrier(self, number: int, carrier: bool, now: float) -> None:
        """The port's link came or went."""
        port = self._ports[number]
        if port.carrier != carrier:
            port.carrier = carrier
            self._run(now)

    def restore(self, nics: Iterable[SavedNic], ports: Iterable[SavedPort]) -> None:
        """What the process before this one knew; add_port() was called.  Entries that clash are left out."""
        for told in ports:
            if port := self._ports.get(told.number):
                port.host = Hello(told.host_uuid, told.host_name, told.uplink, (told.tagging,))
                port.tagging, port.final, port.held = told.tagging, told.final, dict(told.held)
                self._names[told.host_uuid] = told.host_name
        for saved in nics:
            free = saved.port in self._ports and saved.vif not in self._vifs[saved.port].owners
            if free and 1 <= saved.vif <= self._last_vif:
                self._vifs[saved.port].take(saved.attach.nic.ident, saved.vif)
                nic = _Nic(saved.host, saved.attach, saved.port, saved.vif)
                self._nics[saved.host, saved.attach.nic.ident] = nic

    def saved(self) -> tuple[list[SavedNic], list[SavedPort]]:
        """For restore(): NICs with a VIF, and who was where."""
        nics = [SavedNic(nic.host, nic.port, nic.vif, nic.attach) for nic in self._nics.values() if nic.vif]
        ports = [
            SavedPort(
                number,
                port.host.host_uuid,
                port.host.host_name,
                port.host.uplink,
                port.tagging,
                port.final,
                dict(port.held),
            )
            for number, port in sorted(self._ports.items())
            if port.host and port.tagging
        ]
        return nics, ports

    def set_state(self, host: str, ident: str, state: Granted) -> None:
        """What became of a NIC's vEth (``state.nic`` and ``state.vif`` don't matter); unknown NICs are ignored."""
        if nic := self._nics.get((host, ident)):
            self._news = True
            nic.told = replace(state, nic=nic.attach.nic, vif=0, detail=codec.clean(state.detail))

    def refuse(self, host: str, ident: str, reason: str) -> None:
        """The NIC can't be had: its VIF goes, its host hears why.  Unknown NICs are ignored."""
        if nic := self._nics.get((host, ident)):
            self._news = True
            nic.refused = codec.clean(reason)
            self._free(nic)

    def set_lists(self, number: int, lists: Mapping[int, tuple[int, ...]]) -> None:
        """All VIF lists of a port: id -> VIFs, sorted."""
        self._lists[number], self._news = dict(lists), True

    def set_final(self, number: int, final: bool) -> None:
        """Whether the datapath takes tagged frames only on this port now."""
        if self._final.get(number) is not final:
            self._final[number], self._news = final, True

    # --- what comes ---------------------------------------------------------------------------------------------

    def receive(self, number: int, frame: bytes, now: float) -> None:
        """A VIF control frame came in; malformed ones are ignored."""
        port = self._ports.get(number)
        if port is None or not port.carrier:
            return
        try:
            found = codec.decode(frame)
        except InvalidValue as error:
            self._events.append(f"port {port.label}: {error}")
            return
        self._news |= bridge_link.advance(port, now)
        if isinstance(found.control, Hello):
            self._hello(port, found, found.control, now)
        elif isinstance(found.control, Seek):
            self._seekers.add(number)
        elif found.control is None and not bridge_link.is_mine(port, found):
            bridge_link.answer(port, found, None, replace(found, messages=(), control=Reset("session is not known")))
        elif found.control is None:
            self._heard(port, found, now)
        self._run(now)

    def _hello(self, port: Port, frame: Frame, hello: Hello, now: float) -> None:
        if bridge_link.is_stale(port, frame) or not frame.session:
            return
        tagging = next((wish for wish in hello.taggings if wish in self._taggings[port.number]), None)
        if tagging is None:
            offers = ", ".join(found.name.lower() for found in self._taggings[port.number])
            reset = Reset(f"port {port.label} has no tagging in common with the host; it can do {offers or 'none'}")
            bridge_link.answer(port, frame, None, Frame(frame.instance, frame.session, control=reset))
            return
        if not bridge_link.is_mine(port, frame):
            self._events.append(f"port {port.label}: host {hello.host_name} ({hello.host_uuid}), {tagging.name}")
            self._take_over(port, hello.host_uuid, now)
            bridge_link.begin(port, frame, hello, now)
            self._names[hello.host_uuid] = hello.host_name
        port.tagging, port.heard_at = tagging, now
        welcome = Welcome(self._instance, self._uuid, self._name, port.label, tagging, self._last_vif, self._keep_alive)
        bridge_link.answer(port, frame, welcome)

    def _take_over(self, port: Port, host: str, now: float) -> None:
        """The link is this host's now: others' NICs on it have none."""
        for key, nic in list(self._nics.items()):
            if nic.host == host:
                continue
            if nic.port == port.number:
                port.held = {}
                self._free(nic)
                nic.port, nic.gone_at, nic.was_on = 0, now + GRACE, port.number
            elif nic.gone_at is not None and nic.was_on == port.number:
                del self._nics[key]

    def _heard(self, port: Port, frame: Frame, now: float) -> None:
        port.heard_at = now
        for message in port.channel.receive(frame):
            self._news |= not isinstance(message, KeepAlive)
            port.heard.note(message)
            self._take(port, message)

    def _take(self, port: Port, message: Message) -> None:
        match message:
            case Attach():
                self._attach(port, message)
            case Detach(nic):
                self._detach(port, nic)
            case Synced():
                port.synced, port.final, port.held = True, port.heard.final, dict(port.heard.lists)
                self._sweep(port)
            case Mode(final):
                port.final = final
            case ListTold(number, vifs):
                port.held = {key: held for key, held in port.held.items() if key != number}
                port.held |= {number: vifs} if vifs else {}
            case KeepAlive(digest):
                if digest != port.heard.digest():
                    self._events.append(f"port {port.label}: lost step with the host; beginning anew")
                    self._reset(port)
                else:
                    bridge_link.say(port, KeepAlive(port.said.digest()))

    def _reset(self, port: Port) -> None:
        frame = Frame(port.instance, port.session)
        bridge_link.answer(port, frame, None, replace(frame, control=Reset("lost step")))

    def _host(self, port: Port) -> str:
        return port.host.host_uuid if port.host else ""

    def _attach(self, port: Port, attach: Attach) -> None:
        key = (self._host(port), attach.nic.ident)
        nic = self._nics.get(key)
        if nic is None:
            self._lives += 1
            nic = self._nics[key] = _Nic(key[0], attach, 0, 0, life=self._lives)
        elif nic.port != port.number and nic.instance == port.instance and nic.attach.moves > attach.moves:
            return  # said before it moved to where it is now
        if nic.refused is not None and (nic.attach.request != attach.request or nic.port != port.number):
            nic.refused = None
        if nic.port != port.number:
            self._free(nic)
        nic.port, nic.instance, nic.attach, nic.gone_at = port.number, port.instance, attach, None
        if not nic.vif and nic.refused is None:
            self._allot(nic)

    def _allot(self, nic: _Nic) -> None:
        try:
            nic.vif = self._vifs[nic.port].take(nic.attach.nic.ident, nic.attach.vif)
        except Unavailable as error:
            nic.refused = str(error)

    def _free(self, nic: _Nic) -> None:
        if nic.vif:
            self._vifs[nic.port].give_back(nic.vif)
        nic.vif = 0

    def _detach(self, port: Port, key: NicKey) -> None:
        nic = self._nics.get((self._host(port), key.ident))
        if nic is not None and nic.port == port.number:
            self._forget(nic)

    def _forget(self, nic: _Nic) -> None:
        self._news = True
        self._free(nic)
        self._nics.pop((nic.host, nic.attach.nic.ident), None)

    def _sweep(self, port: Port) -> None:
        """The host has told all: what it did not name is no more."""
        for nic in list(self._nics.values()):
            here = nic.host == self._host(port) and nic.port == port.number
            if here and nic.attach.nic.ident not in port.heard.attaches:
                self._forget(nic)

    # --- the machine --------------------------------------------------------------------------------------------

    def _run(self, now: float) -> None:
        for nic in list(self._nics.values()):
            if nic.gone_at is not None and now >= nic.gone_at:
                self._forget(nic)
        for port in self._ports.values():
            self._news |= bridge_link.advance(port, now)
        if self._news:
            self._news = False
            for port in self._ports.values():
                if port.state is PortState.UP:
                    self._tell(port)

    def _tell(self, port: Port) -> None:
        """Say what the host does not know yet."""
        answers = {
            nic.attach.nic.ident: _answer(nic)
            for nic in self._nics.values()
            if nic.port == port.number and nic.host == self._host(port)
        }
        for ident, told in list(port.said.answers.items()):
            if ident not in answers:
                bridge_link.say(port, Released(told.nic, "it is not on this link any more"))
        for ident, answer in answers.items():
            if port.said.answers.get(ident) != answer:
                bridge_link.say(port, answer)
        self._tell_lists(port)
        if port.said.final != self._final.get(port.number, False):
            bridge_link.say(port, Mode(not port.said.final))
        bridge_link.say_synced(port)

    def _tell_lists(self, port: Port) -> None:
        lists = self._lists.get(port.number, {})
        for number in port.said.lists.keys() - lists.keys():
            bridge_link.say(port, ListTold(number))
        for number, vifs in lists.items():
            if vifs and port.said.lists.get(number) != vifs:
                bridge_link.say(port, ListTold(number, vifs))

    # --- what follows -------------------------------------------------------------------------------------------

    def to_send(self, now: float) -> list[tuple[int, bytes]]:
        """Frames that are due, each with its port."""
        self._run(now)
        return [
            (number, codec.encode(port.mac, frame))
            for number, port in sorted(self._ports.items())
            for frame in bridge_link.frames_due(port, now)
        ]

    def next_timer(self) -> float | None:
        """When to call to_send() next at the latest; None: nothing will happen by itself.  May be in the past."""
        if self._news:
            return float("-inf")
        timers = [bridge_link.next_timer(port) for port in self._ports.values()]
        timers += [nic.gone_at for nic in self._nics.values() if nic.gone_at is not None]
        found = min(timers, default=float("inf"))
        return None if found == float("inf") else found

    def announcement(self, number: int) -> Announcement:
        """What the port's LLDPDUs have to say."""
        return Announcement(self._uuid, self._name, self._instance, self._taggings[number])

    def take_seekers(self) -> set[int]:
        """Ports on which a host asked for the LLDPDU since the last call."""
        found, self._seekers = self._seekers, set()
        return found

    def take_events(self) -> list[str]:
        """What people may want to know, since the last call."""
        found, self._events = self._events, []
        return found

    def hosts(self) -> dict[str, str]:
        """Names of the hosts that have a session or a NIC here, by UUID."""
        found = {nic.host for nic in self._nics.values()}
        found |= {self._host(port) for port in self._ports.values() if port.state.has_session}
        return {host: self._names.get(host, "") for host in sorted(found)}

    def nics(self) -> list[BridgeNic]:
        """Every NIC that is not refused, in order of host and name."""
        return [
            BridgeNic(
                nic.host,
                nic.attach,
                nic.port,
                nic.vif,
                nic.told or Granted(nic.attach.nic, nic.vif),
                bool(nic.port) and self._ports[nic.port].carrier and nic.attach.link_up,
                nic.life,
                self._waits(nic),
            )
            for _, nic in sorted(self._nics.items())
            if nic.refused is None
        ]

    def _waits(self, nic: _Nic) -> bool:
        """Until then frames for it go the way they went: what had its tag would be lost at the host."""
        port = self._ports.get(nic.port)
        known = nic.attach.in_force and nic.attach.vif == nic.vif
        return port is not None and not port.final and not known

    def ports(self) -> list[PortView]:
        """Every NIV port, by number."""
        return [self._view(port) for _, port in sorted(self._ports.items())]

    def _view(self, port: Port) -> PortView:
        host = port.host or Hello("", "", 0, ())
        return PortView(
            port.number,
            port.label,
            port.state,
            host.host_uuid,
            host.host_name,
            host.uplink,
            port.tagging,
            port.final,
            len(self._vifs[port.number].owners),
            self._last_vif,
            dict(self._lists.get(port.number, {})),
            port.held,
        )


def _answer(nic: _Nic) -> Granted | Refused:
    if nic.refused is not None:
        return Refused(nic.attach.nic, nic.attach.request, nic.refused)
    told = nic.told or Granted(nic.attach.nic, 0, phase=Phase.PREPARED, state=State.PENDING)
    return replace(told, nic=nic.attach.nic, vif=nic.vif)


__all__ = ["BridgeNic", "BridgeSide", "PortState", "PortView", "SavedNic", "SavedPort"]
