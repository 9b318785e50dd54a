"""LACP's behaviour (IEEE 802.1AX, clause 6) for the ports of one LAG, without I/O or clock.

The shell gives received frames, link changes and the time; it sends what to_send() returns, wakes up at next_timer(),
and lets the ports in members() carry traffic.  Four machines a port: receive (is the partner's information current?),
periodic (when to repeat), selection (does the partner belong to this LAG?) and mux (may the port carry traffic?),
the first and the last as tables of states, conditions and next states.  Collecting and distributing are switched
together ("coupled control").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

from dvswitch import lacp
from dvswitch.errors import InvalidValue
from dvswitch.lacp import NO_STATE, Info, Pdu, State
from dvswitch.mac import MacAddress

FAST, SLOW = 1.0, 30.0
"""Seconds between two LACPDUs; which of them I use follows the partner's wish."""
SHORT, LONG = 3 * FAST, 3 * SLOW
"""Seconds after which silence makes the partner's information expire; which of them follows my own wish."""
BURST = 3
"""LACPDUs a port may send within FAST seconds."""
CHURN = 60.0
"""Seconds a port may try to join the LAG before it counts as churning: trouble worth telling people."""
NEVER = math.inf
_HEARD_BITS = State.ACTIVE | State.SHORT_TIMEOUT | State.IN_SYNC | State.AGGREGATABLE
_EXPECTED_ROUNDS = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator says about a LAG."""

    system: MacAddress
    """The same on all its ports."""
    key: int
    """1-65535, different for each LAG of a system."""
    system_priority: int = 0x8000
    active: bool = True
    """False: passive, speaks only when spoken to; two passive sides never come up."""
    fast: bool = False
    """Want the partner's LACPDUs every second instead of every 30."""
    max_members: int = 8
    """1-16; matching ports beyond that stand by."""
    wait: float = 2.0
    """Seconds between choosing a port and using it, so that several ports come up together."""

    def __post_init__(self) -> None:
        ranges = (("key", self.key, 1, 65535), ("system priority", self.system_priority, 0, 65535))
        for name, value, low, high in (*ranges, ("max members", self.max_members, 1, 16)):
            if not low <= value <= high:
                raise InvalidValue("LACP", f"{name} {value} is out of range {low}-{high}")


@dataclass(frozen=True, slots=True)
class PortSettings:
    """A port of the LAG."""

    number: int
    """1-65535, as the partner sees it."""
    mac: MacAddress
    """Source of its LACPDUs."""
    priority: int = 0x8000
    """Lower goes first when not all ports can be used."""


class Rx(Enum):
    """Receive machine: what is known of the partner."""

    DISABLED = "disabled"
    EXPIRED = "expired"
    DEFAULTED = "defaulted"
    CURRENT = "current"


class Mux(Enum):
    """Mux machine: does the port carry traffic."""

    DETACHED = "detached"
    WAITING = "waiting"
    ATTACHED = "attached"
    FORWARDING = "forwarding"


class Selection(Enum):
    """Selection: the port's place in the LAG."""

    UNSELECTED = "unselected"
    STANDBY = "standby"
    SELECTED = "selected"


@dataclass(frozen=True, slots=True)
class PortView:
    """A port for `show`."""

    number: int
    link_up: bool
    receive: Rx
    mux: Mux
    selection: Selection
    actor: Info
    partner: Info
    churning: bool
    """Has tried to join for CHURN seconds in vain."""
    sent: int
    received: int
    malformed: int
    partner_since: float
    """When this partner was first heard; math.inf: there is none."""


@dataclass(slots=True)
class _Port:
    settings: PortSettings
    base: State
    """Bits that never change: active, timeout, aggregatable."""
    partner: Info
    link_up: bool = False
    rx: Rx = Rx.DISABLED
    mux: Mux = Mux.DETACHED
    selection: Selection = Selection.UNSELECTED
    ready: bool = False
    must_send: bool = False
    current_until: float = NEVER
    next_periodic: float = NEVER
    wait_until: float = NEVER
    out_of_sync_since: float = NEVER
    sends: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    sent: int = 0
    received: int = 0
    malformed: int = 0
    partner_since: float = NEVER

    @property
    def state(self) -> State:
        return self.base | _RX_BITS[self.rx] | _MUX_BITS[self.mux]

    @property
    def waits(self) -> bool:
        return self.mux is Mux.WAITING and self.selection is Selection.SELECTED and not self.ready

    def may_send_at(self) -> float:
        return self.sends[0] + FAST if len(self.sends) == BURST else -NEVER


_RX_BITS: Mapping[Rx, State] = {
    Rx.DISABLED: State.DEFAULTED,
    Rx.EXPIRED: State.EXPIRED,
    Rx.DEFAULTED: State.DEFAULTED,
    Rx.CURRENT: NO_STATE,
}
_MUX_BITS: Mapping[Mux, State] = {
    Mux.DETACHED: NO_STATE,
    Mux.WAITING: NO_STATE,
    Mux.ATTACHED: State.IN_SYNC,
    Mux.FORWARDING: State.IN_SYNC | State.COLLECTING | State.DISTRIBUTING,
}
_DEFAULT_PARTNER = Info(state=State.SHORT_TIMEOUT)
"""Until the partner is heard; short, so that the first LACPDUs go out fast."""


def _linked(port: _Port, now: float) -> bool:
    return port.link_up


def _timed_out(port: _Port, now: float) -> bool:
    return now >= port.current_until


def _chosen(port: _Port, now: float) -> bool:
    return port.selection is not Selection.UNSELECTED


def _dropped(port: _Port, now: float) -> bool:
    return port.selection is Selection.UNSELECTED


def _not_selected(port: _Port, now: float) -> bool:
    return port.selection is not Selection.SELECTED


def _ready(port: _Port, now: float) -> bool:
    return port.selection is Selection.SELECTED and port.ready


def _partner_in_sync(port: _Port, now: float) -> bool:
    return State.IN_SYNC in port.partner.state


def _partner_lost(port: _Port, now: float) -> bool:
    return _not_selected(port, now) or not _partner_in_sync(port, now)


def _enter_expired(port: _Port, now: float) -> None:
    state = (port.partner.state & ~State.IN_SYNC) | State.SHORT_TIMEOUT
    port.partner = replace(port.partner, state=state)
    port.current_until = now + SHORT


def _enter_defaulted(port: _Port, now: float) -> None:
    port.partner, port.partner_since = _DEFAULT_PARTNER, NEVER
    port.selection = Selection.UNSELECTED
    port.current_until = NEVER


def _enter_waiting(port: _Port, now: float) -> None:
    port.ready = False


def _announce(port: _Port, now: float) -> None:
    port.must_send = True


Condition = Callable[[_Port, float], bool]
Action = Callable[[_Port, float], None]
S = TypeVar("S", bound=Enum)
RX_TABLE: Mapping[Rx, tuple[tuple[Condition, Rx], ...]] = {
    Rx.DISABLED: ((_linked, Rx.EXPIRED),),
    Rx.EXPIRED: ((_timed_out, Rx.DEFAULTED),),
    Rx.DEFAULTED: (),
    Rx.CURRENT: ((_timed_out, Rx.EXPIRED),),
}
"""What silence and the link do; a LACPDU leads from everywhere but DISABLED to CURRENT, a lost link to DISABLED."""
RX_ENTRY: Mapping[Rx, Action] = {Rx.EXPIRED: _enter_expired, Rx.DEFAULTED: _enter_defaulted}
MUX_TABLE: Mapping[Mux, tuple[tuple[Condition, Mux], ...]] = {
    Mux.DETACHED: ((_chosen, Mux.WAITING),),
    Mux.WAITING: ((_dropped, Mux.DETACHED), (_ready, Mux.ATTACHED)),
    Mux.ATTACHED: ((_not_selected, Mux.DETACHED), (_partner_in_sync, Mux.FORWARDING)),
    Mux.FORWARDING: ((_partner_lost, Mux.ATTACHED),),
}
MUX_ENTRY: Mapping[Mux, Action] = {
    Mux.DETACHED: _announce,
    Mux.WAITING: _enter_waiting,
    Mux.ATTACHED: _announce,
    Mux.FORWARDING: _announce,
}


class Lacp:
    """LACP on the ports of one LAG.  All methods take ``now`` in seconds of any clock that never goes back."""

    def __init__(self, settings: Settings, ports: Iterable[PortSettings] = ()) -> None:
        self._settings = settings
        self._ports: dict[int, _Port] = {}
        self._partner: tuple[object, ...] | None = None
        for port in ports:
            self.add(port)

    # --- what happens ---------------------------------------------------------------------------------------
    def add(self, port: PortSettings) -> None:
        """Another port, link down; InvalidValue when its number is taken or out of range."""
        if not 1 <= port.number <= 65535 or port.number in self._ports:
            raise InvalidValue(f"LACP port {port.number}", "is out of range 1-65535 or there already")
        wishes = (self._settings.active, State.ACTIVE), (self._settings.fast, State.SHORT_TIMEOUT)
        base = State.AGGREGATABLE
        for wanted, bit in wishes:
            base |= bit if wanted else NO_STATE
        self._ports[port.number] = _Port(port, base, _DEFAULT_PARTNER)

    def remove(self, port: int, now: float) -> None:
        """Forget a port; unknown ones are ignored."""
        self._ports.pop(port, None)
        self._run(now)

    def link(self, port: int, up: bool, now: float) -> None:
        """The port's link came or went."""
        found = self._ports[port]
        if found.link_up != up:
            found.link_up = up
            if not up:
                self._disable(found)
        self._run(now)

    def receive(self, port: int, frame: bytes, now: float) -> None:
        """A frame to the slow protocols' address came in by ``port``; what is no LACPDU or marker is counted."""
        found = self._ports.get(port)
        if found is None or not found.link_up:
            return
        if lacp.is_foreign(frame):
            return
        if lacp.is_marker(frame):
            found.answers = [*found.answers, lacp.answer_marker(found.settings.mac, frame)][-BURST:]
            return
        try:
            pdu = lacp.decode(frame)
        except InvalidValue:
            found.malformed += 1
            return
        self._run(now)
        found.received += 1
        self._hear(found, pdu, now)
        self._run(now)

    def to_send(self, now: float) -> list[tuple[int, bytes]]:
        """Frames that are due, each with the port that must send it."""
        self._run(now)
        frames = []
        for number, port in sorted(self._ports.items()):
            frames += [(number, answer) for answer in port.answers]
            port.answers = []
            if self._is_due(port, now):
                port.must_send = False
                port.sends = [*port.sends, now][-BURST:]
                port.sent += 1
                frames.append((number, lacp.encode(port.settings.mac, Pdu(self._actor(port), port.partner))))
        return frames

    def next_timer(self) -> float | None:
        """When to call to_send() next at the latest; None: nothing will happen by itself.  May be in the past."""
        found = max((port.wait_until for port in self._waiting()), default=NEVER)
        for port in self._ports.values():
            found = min(found, port.current_until, port.next_periodic)
            if port.answers:
                found = -NEVER
            if port.must_send and self._speaks(port):
                found = min(found, port.may_send_at())
        return None if found == NEVER else found

    # --- what is ----------------------------------------------------------------------------------------------
    def members(self) -> tuple[int, ...]:
        """Ports that collect and distribute, sorted."""
        return tuple(sorted(n for n, port in self._ports.items() if port.mux is Mux.FORWARDING))

    def view(self, now: float) -> list[PortView]:
        """All ports, for people."""
        self._run(now)
        return [
            PortView(
                number=number,
                link_up=port.link_up,
                receive=port.rx,
                mux=port.mux,
                selection=port.selection,
                actor=self._actor(port),
                partner=port.partner,
                churning=now - port.out_of_sync_since >= CHURN,
                sent=port.sent,
                received=port.received,
                malformed=port.malformed,
                partner_since=port.partner_since,
            )
            for number, port in sorted(self._ports.items())
        ]

    # --- receiving --------------------------------------------------------------------------------------------
    def _disable(self, port: _Port) -> None:
        port.rx, port.mux, port.selection = Rx.DISABLED, Mux.DETACHED, Selection.UNSELECTED
        port.partner, port.partner_since, port.must_send = _DEFAULT_PARTNER, NEVER, False
        port.current_until = port.next_periodic = port.out_of_sync_since = NEVER
        port.sends, port.answers = [], []

    def _hear(self, port: _Port, pdu: Pdu, now: float) -> None:
        """The receive machine's CURRENT state: update_Selected, update_NTT, recordPDU."""
        mine, heard = self._actor(port), pdu.partner
        if _lag_of(port.partner) != _lag_of(pdu.actor) or port.partner.port != pdu.actor.port:
            port.selection = Selection.UNSELECTED
        if _identity(heard) != _identity(mine) or (heard.state ^ mine.state) & _HEARD_BITS:
            port.must_send = True
        if _identity(port.partner) != _identity(pdu.actor):
            port.partner_since = now
        port.partner = replace(pdu.actor, state=self._believed(mine, pdu))
        port.rx = Rx.CURRENT
        port.current_until = now + (SHORT if self._settings.fast else LONG)

    def _believed(self, mine: Info, pdu: Pdu) -> State:
        """The partner's state; in sync only if it means this very port, and one of us keeps talking."""
        theirs = pdu.actor.state
        means_me = _identity(pdu.partner) == _identity(mine) and State.AGGREGATABLE in pdu.partner.state
        kept_alive = State.ACTIVE in theirs or State.ACTIVE in mine.state & pdu.partner.state
        if kept_alive and (means_me or State.AGGREGATABLE not in theirs):
            return theirs
        return theirs & ~State.IN_SYNC

    # --- the machines -----------------------------------------------------------------------------------------
    def _run(self, now: float) -> None:
        """Let all machines go on until nothing changes."""
        for port in self._ports.values():
            _advance(RX_TABLE, RX_ENTRY, "rx", port, now)
            self._periodic(port, now)
        for _ in range(_EXPECTED_ROUNDS):
            self._select(now)
            self._set_ready(now)
            changes = [_advance(MUX_TABLE, MUX_ENTRY, "mux", port, now) for port in self._ports.values()]
            if not any(changes):
                break
        for port in self._ports.values():
            in_sync = not port.link_up or port.mux in (Mux.ATTACHED, Mux.FORWARDING)
            port.out_of_sync_since = NEVER if in_sync else min(port.out_of_sync_since, now)

    def _speaks(self, port: _Port) -> bool:
        """Whether LACPDUs go out at all: one of the two sides is active."""
        return port.link_up and State.ACTIVE in port.base | port.partner.state

    def _periodic(self, port: _Port, now: float) -> None:
        if not self._speaks(port):
            port.next_periodic = NEVER
            return
        period = FAST if State.SHORT_TIMEOUT in port.partner.state else SLOW
        if port.next_periodic == NEVER or now >= port.next_periodic:
            port.must_send = True
            port.next_periodic = now + period
        port.next_periodic = min(port.next_periodic, now + period)

    def _is_due(self, port: _Port, now: float) -> bool:
        return port.must_send and self._speaks(port) and now >= port.may_send_at()

    def _select(self, now: float) -> None:
        """Ports with one and the same partner are selected, the best ones first; the others are not."""
        usable = [port for port in self._ports.values() if self._selectable(port)]
        self._choose_partner(usable)
        matching = [port for port in usable if _lag_of(port.partner) == self._partner]
        matching.sort(key=self._rank)
        room = self._settings.max_members if self._partner and self._partner[-1] else 1
        chosen = {port.settings.number: i < room for i, port in enumerate(matching)}
        for number, port in self._ports.items():
            if number not in chosen:
                port.selection = Selection.UNSELECTED
            elif port.selection is not Selection.UNSELECTED or port.mux is Mux.DETACHED:
                self._assign(port, Selection.SELECTED if chosen[number] else Selection.STANDBY, now)

    def _assign(self, port: _Port, selection: Selection, now: float) -> None:
        if port.selection is not Selection.SELECTED and selection is Selection.SELECTED:
            port.wait_until, port.ready = now + self._settings.wait, False
        port.selection = selection

    def _selectable(self, port: _Port) -> bool:
        known = port.rx in (Rx.CURRENT, Rx.EXPIRED) and port.partner.system != lacp.NO_SYSTEM
        return known and port.partner.system != self._settings.system  # a cable between two of my own ports

    def _choose_partner(self, usable: list[_Port]) -> None:
        """Keep the partner as long as one port has it; else take the one on most ports (a tie: on the lowest)."""
        groups: dict[tuple[object, ...], int] = {}
        for port in sorted(usable, key=lambda port: port.settings.number):
            lag = _lag_of(port.partner)
            groups[lag] = groups.get(lag, 0) + 1
        if self._partner not in groups:
            self._partner = max(groups, key=lambda lag: groups[lag], default=None)

    def _rank(self, port: _Port) -> tuple[int, int]:
        """The system with the lower id decides which ports go first."""
        mine = (self._settings.system_priority, self._settings.system)
        if port.partner.system_id < mine:
            return port.partner.port_priority, port.partner.port
        return port.settings.priority, port.settings.number

    def _set_ready(self, now: float) -> None:
        """All ports that wait to join do so together, when the last has waited long enough."""
        waiting = self._waiting()
        if all(now >= port.wait_until for port in waiting):
            for port in waiting:
                port.ready, port.wait_until = True, NEVER

    def _waiting(self) -> list[_Port]:
        return [port for port in self._ports.values() if port.waits]

    def _actor(self, port: _Port) -> Info:
        mine, own = self._settings, port.settings
        return Info(mine.system, mine.system_priority, mine.key, own.number, own.priority, port.state)


def _advance(
    table: Mapping[S, tuple[tuple[Condition, S], ...]],
    entry: Mapping[S, Action],
    machine: str,
    port: _Port,
    now: float,
) -> bool:
    """One machine of one port goes on as far as it can; whether it moved."""
    moved = False
    for _ in range(_EXPECTED_ROUNDS):
        following = (then for condition, then in table[getattr(port, machine)] if condition(port, now))
        state = next(following, None)
        if state is None:
            break
        setattr(port, machine, state)
        moved = True
        if state in entry:
            entry[state](port, now)
    return moved


def _identity(info: Info) -> tuple[object, ...]:
    return info.system_id, info.key, info.port_priority, info.port


def _lag_of(info: Info) -> tuple[object, ...]:
    """Ports whose partners are equal in this may be one LAG; an individual port (last is False) only with itself."""
    aggregatable = State.AGGREGATABLE in info.state
    return info.system_id, info.key, 0 if aggregatable else info.port, aggregatable
