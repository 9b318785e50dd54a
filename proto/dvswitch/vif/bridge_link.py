"""One port of a VIS as VIF control sees it: its states as a table, and its session.  bridge.py has all of them.

    DOWN --carrier--> WAITING --a host said Hello--> SYNCING --it has told all--> UP
                         ^                              ^                          |
                         '-- (never: VIFs stay)         '------- SILENT <--no word-'

The VIFs of a port stay in every state; only what a host says in a whole session takes them away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from dvswitch.mac import MacAddress
from dvswitch.vif.channel import Channel, Ledger
from dvswitch.vif.messages import Frame, Hello, Message, Synced, Tagging, Welcome

SILENCE = 4.0
"""Keep-alive times without a word after which nothing is said to the host until it speaks."""


class PortState(Enum):
    """Of a port where a host may be."""

    DOWN = "down"
    WAITING = "waiting"
    SYNCING = "syncing"
    UP = "up"
    SILENT = "silent"

    @property
    def has_session(self) -> bool:
        """The host listens."""
        return self in (PortState.SYNCING, PortState.UP)


@dataclass(slots=True)
class Port:
    """One port."""

    number: int
    label: str
    """"0/3"."""
    mac: MacAddress
    carrier: bool = False
    state: PortState = PortState.DOWN
    host: Hello | None = None
    """Who said Hello last."""
    instance: int = 0
    session: int = 0
    """0: none."""
    tagging: Tagging | None = None
    final: bool = False
    """The host sends tagged frames only, as far as it said."""
    held: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Lists that the host goes by, as far as it said."""
    channel: Channel = field(default_factory=Channel)
    said: Ledger = field(default_factory=Ledger)
    heard: Ledger = field(default_factory=Ledger)
    synced: bool = False
    """The host has told all."""
    told_all: bool = False
    """We have."""
    heard_at: float = -math.inf
    keep_alive: float = 1.0
    answers: list[Frame] = field(default_factory=list)
    """Welcome, Reset: to be sent at once."""

    @property
    def silent_at(self) -> float:
        """The instant from which the host counts as silent."""
        return self.heard_at + SILENCE * self.keep_alive


Condition = Callable[[Port, float], bool]


def _no_carrier(port: Port, now: float) -> bool:
    return not port.carrier


def _carrier(port: Port, now: float) -> bool:
    return port.carrier


def _greeted(port: Port, now: float) -> bool:
    return port.session > 0 and now < port.silent_at


def _begun_again(port: Port, now: float) -> bool:
    return not port.synced


def _synced(port: Port, now: float) -> bool:
    return port.synced


def _silent(port: Port, now: float) -> bool:
    return now >= port.silent_at


TABLE: Mapping[PortState, tuple[tuple[Condition, PortState], ...]] = {
    PortState.DOWN: ((_carrier, PortState.WAITING),),
    PortState.WAITING: ((_no_carrier, PortState.DOWN), (_greeted, PortState.SYNCING)),
    PortState.SYNCING: (
        (_no_carrier, PortState.DOWN),
        (_silent, PortState.SILENT),
        (_synced, PortState.UP),
    ),
    PortState.UP: (
        (_no_carrier, PortState.DOWN),
        (_silent, PortState.SILENT),
        (_begun_again, PortState.SYNCING),
    ),
    PortState.SILENT: ((_no_carrier, PortState.DOWN), (_greeted, PortState.SYNCING)),
}
"""The first condition that holds says where to."""


def _enter_down(port: Port, now: float) -> None:
    port.session, port.synced, port.told_all = 0, False, False
    port.channel, port.said, port.heard = Channel(), Ledger(), Ledger()
    port.answers = []


ENTRY: Mapping[PortState, Callable[[Port, float], None]] = {PortState.DOWN: _enter_down}


def advance(port: Port, now: float) -> bool:
    """Let the port go on as far as it can; whether it moved."""
    moved = False
    while (to := next((to for holds, to in TABLE[port.state] if holds(port, now)), None)) is not None:
        port.state, moved = to, True
        if to in ENTRY:
            ENTRY[to](port, now)
    return moved


def begin(port: Port, frame: Frame, hello: Hello, now: float) -> None:
    """A host began a session."""
    port.host, port.instance, port.session = hello, frame.instance, frame.session
    port.channel, port.said, port.heard = Channel(), Ledger(), Ledger()
    port.synced, port.told_all = False, False
    port.heard_at = now


def is_stale(port: Port, frame: Frame) -> bool:
    """A Hello of a session that this one has followed."""
    return frame.instance == port.instance and frame.session < port.session


def is_mine(port: Port, frame: Frame) -> bool:
    """The frame belongs to the session."""
    return port.session > 0 and (frame.instance, frame.session) == (port.instance, port.session)


def answer(port: Port, frame: Frame, control: Welcome | None, reset: Frame | None = None) -> None:
    """Have a Welcome (or another frame) sent for a frame that came."""
    found = reset or Frame(frame.instance, frame.session, control=control)
    if found not in port.answers:
        port.answers = [*port.answers, found][-4:]


def say(port: Port, message: Message) -> None:
    """Tell the host, within the session."""
    port.said.note(message)
    port.channel.say(message)


def say_synced(port: Port) -> None:
    """Tell it once that all was told."""
    if not port.told_all:
        port.told_all = True
        say(port, Synced())


def frames_due(port: Port, now: float) -> Iterator[Frame]:
    """What has to leave by this port now."""
    answers, port.answers = port.answers, []
    if not port.carrier:
        return
    yield from answers
    if port.state.has_session:
        for frame in port.channel.to_send(now):
            yield Frame(port.instance, port.session, frame.sequence, frame.acknowledged, frame.messages)


def next_timer(port: Port) -> float:
    """When something is due by itself."""
    if port.answers:
        return -math.inf
    if not port.state.has_session:
        return math.inf
    return min(port.channel.next_timer(), port.silent_at)
