"""One uplink of a host as VIF control sees it: its states as a table, and its session.  host.py has all of them.

    DOWN --carrier--> SEARCHING --a VIS announced itself--> FOUND --chosen--> ASKING --welcomed--> SYNCING --> UP
                                                                                 ^                       |
                                                                                 '-- SILENT <--no word --'

From everywhere a lost carrier leads to DOWN.  What the VIS granted stays in force in every state: frames go on
without anybody's word.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from dvswitch.mac import MacAddress
from dvswitch.vif.announcement import Announcement
from dvswitch.vif.channel import Channel, Ledger
from dvswitch.vif.messages import Frame, Hello, KeepAlive, Message, Mode, Reset, Seek, Synced, Tagging, Welcome

SEEK_WAIT, LONGEST_SEEK = 1.0, 30.0
"""Seconds between two questions for a VIS: doubling."""
HELLO_WAIT, LONGEST_HELLO = 0.25, 8.0
"""Seconds between two Hellos of a session: doubling."""
SILENCE = 4.0
"""Keep-alive times without a word that end a session."""


class LinkState(Enum):
    """Of an uplink."""

    DOWN = "down"
    SEARCHING = "searching"
    FOUND = "found"
    ASKING = "asking"
    SYNCING = "syncing"
    UP = "up"
    SILENT = "silent"

    @property
    def has_session(self) -> bool:
        """The VIS listens."""
        return self in (LinkState.SYNCING, LinkState.UP)


@dataclass(slots=True)
class Link:
    """One uplink."""

    number: int
    mac: MacAddress
    carrier: bool = False
    vis: Announcement | None = None
    vis_port: str = ""
    """The VIS's name of the link, from its LLDPDUs."""
    chosen: bool = False
    """The host wants a session with this VIS by this link."""
    state: LinkState = LinkState.DOWN
    since: float = 0.0
    """When it came into that state."""
    reason: str = ""
    """Why there is no session, for people."""
    session: int = 0
    welcome: Welcome | None = None
    """Of this session."""
    granted_by: Welcome | None = None
    """Of the last session that was welcomed."""
    channel: Channel = field(default_factory=Channel)
    said: Ledger = field(default_factory=Ledger)
    heard: Ledger = field(default_factory=Ledger)
    synced: bool = False
    """The VIS has said everything."""
    told_all: bool = False
    """We have."""
    heard_at: float = 0.0
    """When the VIS last showed that it hears us."""
    begin_again: bool = False
    """The session is over; begin another."""
    final: bool = False
    """The VIS takes tagged frames only, as far as it said."""
    lists: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """As far as known, also from the session before."""
    next_ask: float = math.inf
    """When to seek, or to say Hello, again."""
    wait: float = 0.0
    next_keep_alive: float = math.inf

    @property
    def silent_at(self) -> float:
        """The instant from which a session counts as over."""
        return self.heard_at + SILENCE * (self.welcome.keep_alive if self.welcome else math.inf)


Condition = Callable[[Link, float], bool]


def _no_carrier(link: Link, now: float) -> bool:
    return not link.carrier


def _carrier(link: Link, now: float) -> bool:
    return link.carrier


def _found(link: Link, now: float) -> bool:
    return link.vis is not None


def _unknown(link: Link, now: float) -> bool:
    return link.vis is None


def _chosen(link: Link, now: float) -> bool:
    return link.chosen


def _dismissed(link: Link, now: float) -> bool:
    return not link.chosen


def _finished(link: Link, now: float) -> bool:
    return not link.chosen and not link.said.attaches and link.channel.idle


def _welcomed(link: Link, now: float) -> bool:
    return link.welcome is not None


def _over(link: Link, now: float) -> bool:
    return link.begin_again


def _silent(link: Link, now: float) -> bool:
    return now >= link.silent_at


def _synced(link: Link, now: float) -> bool:
    return link.synced


TABLE: Mapping[LinkState, tuple[tuple[Condition, LinkState], ...]] = {
    LinkState.DOWN: ((_carrier, LinkState.SEARCHING),),
    LinkState.SEARCHING: ((_no_carrier, LinkState.DOWN), (_found, LinkState.FOUND)),
    LinkState.FOUND: (
        (_no_carrier, LinkState.DOWN),
        (_unknown, LinkState.SEARCHING),
        (_chosen, LinkState.ASKING),
    ),
    LinkState.ASKING: (
        (_no_carrier, LinkState.DOWN),
        (_dismissed, LinkState.FOUND),
        (_welcomed, LinkState.SYNCING),
    ),
    LinkState.SYNCING: (
        (_no_carrier, LinkState.DOWN),
        (_finished, LinkState.FOUND),
        (_over, LinkState.ASKING),
        (_silent, LinkState.SILENT),
        (_synced, LinkState.UP),
    ),
    LinkState.UP: (
        (_no_carrier, LinkState.DOWN),
        (_finished, LinkState.FOUND),
        (_over, LinkState.ASKING),
        (_silent, LinkState.SILENT),
    ),
    LinkState.SILENT: (
        (_no_carrier, LinkState.DOWN),
        (_dismissed, LinkState.FOUND),
        (_welcomed, LinkState.SYNCING),
    ),
}
"""The first condition that holds says where to."""


def _enter_down(link: Link, now: float) -> None:
    _end_session(link)
    link.vis, link.vis_port, link.next_ask = None, "", math.inf


def _enter_searching(link: Link, now: float) -> None:
    link.next_ask, link.wait = now, SEEK_WAIT


def _enter_found(link: Link, now: float) -> None:
    _end_session(link)
    link.next_ask = math.inf


def _enter_asking(link: Link, now: float) -> None:
    _end_session(link)
    link.session += 1
    link.next_ask, link.wait = now, HELLO_WAIT


def _enter_syncing(link: Link, now: float) -> None:
    assert link.welcome is not None
    link.next_ask, link.heard_at, link.reason = math.inf, now, ""
    link.next_keep_alive = now + link.welcome.keep_alive


def _end_session(link: Link) -> None:
    link.welcome, link.begin_again, link.synced, link.told_all = None, False, False, False
    link.channel, link.said, link.heard = Channel(), Ledger(), Ledger()
    link.next_keep_alive = math.inf


ENTRY: Mapping[LinkState, Callable[[Link, float], None]] = {
    LinkState.DOWN: _enter_down,
    LinkState.SEARCHING: _enter_searching,
    LinkState.FOUND: _enter_found,
    LinkState.ASKING: _enter_asking,
    LinkState.SYNCING: _enter_syncing,
    LinkState.SILENT: _enter_asking,
}


def advance(link: Link, now: float) -> bool:
    """Let the link go on as far as it can; whether it moved."""
    moved = False
    while (to := next((to for holds, to in TABLE[link.state] if holds(link, now)), None)) is not None:
        link.state, link.since, moved = to, now, True
        if to in ENTRY:
            ENTRY[to](link, now)
    return moved


# --- talking --------------------------------------------------------------------------------------------------


def say(link: Link, message: Message) -> None:
    """Tell the VIS, within the session."""
    link.said.note(message)
    link.channel.say(message)


def say_mode(link: Link, final: bool) -> None:
    """Tell it once whether untagged frames are at an end."""
    if link.said.final != final:
        say(link, Mode(final))


def say_synced(link: Link) -> None:
    """Tell it once that all was told."""
    if not link.told_all:
        link.told_all = True
        say(link, Synced())


def take_frame(link: Link, frame: Frame, now: float) -> tuple[Message, ...]:
    """What is new in a frame of this link's session; Welcome and Reset are dealt with."""
    match frame.control:
        case Welcome() as welcome if link.welcome is None and link.state in (LinkState.ASKING, LinkState.SILENT):
            link.welcome = link.granted_by = welcome
            return ()
        case Reset(reason):
            link.reason = reason
            link.begin_again = link.state.has_session
            return ()
        case None if link.state.has_session:
            return link.channel.receive(frame)
    return ()


def frames_due(link: Link, instance: int, hello: Hello, now: float) -> Iterator[Frame]:
    """What has to leave by this link now."""
    if now >= link.next_ask:
        seeking = link.state is LinkState.SEARCHING
        link.next_ask = now + link.wait
        link.wait = min(2 * link.wait, LONGEST_SEEK if seeking else LONGEST_HELLO)
        yield Frame(control=Seek()) if seeking else Frame(instance, link.session, control=hello)
    if not link.state.has_session or link.welcome is None:
        return
    if now >= link.next_keep_alive:
        link.next_keep_alive = now + link.welcome.keep_alive
        link.channel.say(KeepAlive(link.said.digest()))
    for frame in link.channel.to_send(now):
        yield Frame(instance, link.session, frame.sequence, frame.acknowledged, frame.messages)


def next_timer(link: Link) -> float:
    """When something is due by itself."""
    if not link.state.has_session:
        return link.next_ask
    return min(link.channel.next_timer(), link.next_keep_alive, link.silent_at)


__all__ = ["Link", "LinkState", "Tagging", "advance"]
