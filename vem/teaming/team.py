"""Which uplinks a profile's ports use now, in order (S-130 ff., S-141 ff.).

Pure.  A profile names uplinks as active, standby or unused; what is usable comes from health.py.  A failed active
uplink's slot is taken by the first usable standby.  pinning.py then places the ports that do not simply follow the
team's method.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum

from vem.datapath.image import Method

MAX_MEMBERS = 16
"""Of a team in the datapath."""


class Balance(Enum):
    """How a profile's ports share uplinks; numbers as Policy.Teaming in types.proto."""

    PORT_ID = 0
    SOURCE_MAC = 1
    IP_HASH = 2
    EXPLICIT = 3
    LOAD = 4


class Channel(Enum):
    """What a host's uplinks of one ethernet profile are together; numbers as ChannelGroup.Mode in types.proto."""

    NONE = 0
    ON = 1
    ACTIVE = 2
    PASSIVE = 3
    MAC_PINNING = 4
    MAC_PINNING_RELATIVE = 5

    @property
    def lag(self) -> bool:
        """One logical link: the physical switch takes its members for one."""
        return self in (Channel.ON, Channel.ACTIVE, Channel.PASSIVE)

    @property
    def lacp(self) -> bool:
        """Members must be agreed on with the physical switch."""
        return self in (Channel.ACTIVE, Channel.PASSIVE)

    @property
    def pinning(self) -> bool:
        """Every uplink is a sub-group of its own, vEths are given to them in turn."""
        return self in (Channel.MAC_PINNING, Channel.MAC_PINNING_RELATIVE)


@dataclass(frozen=True, slots=True)
class Rules:
    """types.proto Team."""

    active: tuple[int, ...] = ()
    """Uplink numbers in order; empty: all that are in neither of the other lists."""
    standby: tuple[int, ...] = ()
    unused: tuple[int, ...] = ()
    failback: bool = True
    notify: bool = True
    beacon: bool = False
    pin: int | None = None
    """Sub-group that the ports prefer: an uplink's number; under relative pinning its place by number (0 = first)."""
    pin_backup: tuple[int, ...] = ()
    balance: Balance = Balance.PORT_ID


@dataclass(frozen=True, slots=True)
class Candidate:
    """An uplink that carries one of the profile's VLANs."""

    number: int
    usable: bool = True
    channel: Channel = Channel.NONE
    profile: int = 0
    """Policy id of its ethernet profile: the uplinks of one LAG have the same."""
    balance: Balance = Balance.PORT_ID
    """What its ethernet profile says; the port's own profile goes first."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The team of a profile."""

    uplinks: tuple[int, ...] = ()
    """In use, in order."""
    method: Method = Method.PORT_ID
    balance: Balance = Balance.PORT_ID
    spare: tuple[int, ...] = ()
    """Usable too, but only for ports that are placed there one by one."""
    groups: tuple[int, ...] = ()
    """MAC pinning: the sub-groups (uplinks, usable or not) that vEths are given to in turn."""
    relative: bool = False
    """Sub-groups are named by their place in ``groups``."""

    @property
    def eligible(self) -> tuple[int, ...]:
        """Where a port of the profile may be."""
        return self.uplinks + self.spare

    @property
    def is_lag(self) -> bool:
        """The physical switch takes the uplinks for one: no pins, no announcements (S-155)."""
        return self.method is Method.IP_HASH


@dataclass(slots=True)
class TeamMemory:
    """What has to be remembered of a profile's team from one choice to the next, for failback=no."""

    configured: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    slots: dict[int, int] = field(default_factory=dict)


def choose(rules: Rules, candidates: Sequence[Candidate], memory: TeamMemory | None = None) -> Choice:
    """The team, from candidates in number order; ``memory`` is brought up to date.

    A LAG counts as one uplink (S-140): where the first usable one belongs to a LAG, all of its members are the team.
    """
    by_number = {candidate.number: candidate for candidate in candidates}
    active, standby = _lists(rules, by_number)
    usable = {number for number, candidate in by_number.items() if candidate.usable}
    first = next((by_number[number] for number in (*active, *standby) if number in usable), None)
    if first is None:
        return Choice(groups=_groups(rules, by_number, active), relative=_relative(by_number))
    if first.channel.lag:
        members = [n for n in (*active, *standby) if n in usable and by_number[n].profile == first.profile]
        return Choice(tuple(members)[:MAX_MEMBERS], Method.IP_HASH, Balance.IP_HASH)
    single = {number for number in usable if not by_number[number].channel.lag}
    balance = rules.balance if rules.balance is not Balance.PORT_ID else first.balance
    uplinks = _fill(rules, balance, (active, standby), single, memory or TeamMemory())
    spare = () if balance is Balance.IP_HASH else tuple(n for n in (*active, *standby) if n in single - set(uplinks))
    groups = _groups(rules, by_number, active)
    return Choice(uplinks, _METHODS[balance], balance, spare, groups, _relative(by_number))


def members(rules: Rules, candidates: Sequence[Candidate]) -> tuple[int, ...]:
    """Every uplink that the team may ever use: active ones, then standby (S-151)."""
    active, standby = _lists(rules, [candidate.number for candidate in candidates])
    return active + standby


_METHODS = {
    Balance.PORT_ID: Method.PORT_ID,
    Balance.SOURCE_MAC: Method.SOURCE_MAC,
    Balance.IP_HASH: Method.IP_HASH,
    Balance.EXPLICIT: Method.EXPLICIT,
    Balance.LOAD: Method.PORT_ID,
}
"""Load-based teaming starts like port id (S-138); then its ports are pinned."""


def _lists(rules: Rules, candidates: Collection[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Active and standby, as far as they can carry the profile at all; unused ones are in neither (S-144, S-151)."""
    listed = {*rules.standby, *rules.unused}
    active = rules.active or tuple(sorted(number for number in candidates if number not in listed))
    in_use = [number for number in dict.fromkeys(active) if number in candidates and number not in rules.unused]
    spare = [n for n in dict.fromkeys(rules.standby) if n in candidates and n not in rules.unused and n not in in_use]
    return tuple(in_use), tuple(spare)


def _fill(
    rules: Rules,
    balance: Balance,
    lists: tuple[tuple[int, ...], tuple[int, ...]],
    usable: Collection[int],
    memory: TeamMemory,
) -> tuple[int, ...]:
    """Who is in each slot: its active uplink, else the first usable standby (S-141).

    With failback=no a team whose frames are spread by source MAC stays as it is until a member fails; ports of other
    teams stay one by one (pinning.py), so that new ones go to the recovered uplink (S-143).
    """
    active, standby = lists
    held = dict(memory.slots) if memory.configured == lists else {}
    sticky = not rules.failback and balance is Balance.SOURCE_MAC and bool(held)
    slots: dict[int, int] = {}
    if sticky:
        slots = {slot: number for slot, number in held.items() if number in usable}
    if not sticky or len(slots) < len(held):
        for slot, number in enumerate(active):
            if slot not in slots and number in usable and number not in slots.values():
                slots[slot] = number
        for slot in range(len(active)):
            free = [number for number in standby if number in usable and number not in slots.values()]
            if slot not in slots and free:
                slots[slot] = free[0]
    if not active and (free := [number for number in standby if number in usable]):
        slots = {0: free[0]}
    memory.configured, memory.slots = lists, slots
    return tuple(slots[slot] for slot in sorted(slots))[:MAX_MEMBERS]


def _groups(rules: Rules, by_number: dict[int, Candidate], active: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(number for number in active if by_number[number].channel.pinning)


def _relative(by_number: dict[int, Candidate]) -> bool:
    return any(candidate.channel is Channel.MAC_PINNING_RELATIVE for candidate in by_number.values())


__all__ = ["MAX_MEMBERS", "Balance", "Candidate", "Channel", "Choice", "Rules", "TeamMemory", "choose", "members"]
