"""The way from one Image to another as an ordered list of engine calls, such that at no instant a frame is wrongly
delivered, or lost on a port that does not change.

Pure: values in, steps out; apply.py carries them out.  The order is

    1. static MACs that leave                          (nobody is sent to a port that is about to go)
    2. lists of VIFs that are new; receiver lists: all that old or new needs, without the vNICs that go; so for groups
       that stay registered; lists of VIFs that change, likewise
    3. vNICs that go; vNICs that close
    4. configuration and the ports that depend on it   (see _ConfigMove)
    5. ports that open, new vNICs
    6. static MACs that come or change
    7. lists of VIFs as new has them; receiver lists and groups: what new needs; lists of VIFs that go
    8. uplinks that go                                 (teams left them in step 4)

A list may hold a port that does not carry the VLAN (its policy decides), so lists that are too long do no harm; one
that is too short loses frames.  But nobody may be on one twice, by himself and by a list of VIFs, or by two of those:
who goes by a list of VIFs that changes is on receiver lists by himself until it has.  What is equal in both Images is
not touched, and costs no more than finding that out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dvswitch.mac import MacAddress
from vem.datapath.image import LIST_RECEIVER, Control, Group, Image, Policy, Port, Team

MAX_POLICIES = 1024
Receivers = tuple[int, ...]
Lists = Mapping[int, Receivers]
ListChanges = Mapping[int, Receivers | None]
Groups = Mapping[Group, Receivers]
VifLists = Mapping[tuple[int, int], tuple[int, ...]]
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class SetConfig:
    """Engine.set_config."""

    control: Control
    policies: Mapping[int, Policy]
    teams: Mapping[int, Team]


@dataclass(frozen=True, slots=True)
class SetPort:
    """Engine.set_port."""

    lport: int
    port: Port | None


@dataclass(frozen=True, slots=True)
class SetStaticMacs:
    """Engine.set_static_macs."""

    entries: Mapping[MacAddress, int | None]


@dataclass(frozen=True, slots=True)
class SetMembers:
    """Engine.set_members."""

    members: ListChanges
    unknown: ListChanges
    promiscuous: ListChanges = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetGroups:
    """Engine.set_groups."""

    groups: Mapping[Group, tuple[int, ...] | None]


@dataclass(frozen=True, slots=True)
class SetVifLists:
    """Engine.set_vif_lists."""

    lists: Mapping[tuple[int, int], tuple[int, ...] | None]


Step = SetConfig | SetPort | SetStaticMacs | SetMembers | SetGroups | SetVifLists


def transition(old: Image, new: Image) -> list[Step]:
    """The steps from ``old`` to ``new``; empty when they are equal."""
    gone = {lport for lport, port in old.ports.items() if not _same_port(port, new.ports.get(lport))}
    late = {lport for lport in gone if old.ports[lport].uplink and lport not in new.ports}
    early = gone - late
    move = _ConfigMove(old, new, gone)
    vifs = _VifMove(old.vif_lists, new.vif_lists, early)
    olds: tuple[Lists, ...] = (old.members, old.unknown_members, old.promiscuous_members)
    news: tuple[Lists, ...] = (new.members, new.unknown_members, new.promiscuous_members)
    grown = [_grown(before, after, vifs) for before, after in zip(olds, news, strict=True)]
    grown_groups = _grown_groups(old.groups, new.groups, vifs)
    first = [*_list_steps(olds, grown), *_group_steps(old.groups, grown_groups)]
    last = [*_list_steps(grown, news), *_group_steps(grown_groups, new.groups)]
    leaving = _leaving_macs(old, new, gone)
    steps: list[Step] = []
    steps += _static_steps(leaving)
    steps += vifs.before(first)
    steps += [SetPort(lport, None) for lport in sorted(early)]
    steps += move.steps()
    steps += _static_steps(_coming_macs(old, new, leaving))
    steps += vifs.after(last)
    steps += [SetPort(lport, None) for lport in sorted(late)]
    return steps


def _same_port(old: Port, new: Port | None) -> bool:
    """Whether the entry goes on belonging to the same vEth or uplink."""
    return new is old or (new is not None and (old.number, old.uplink) == (new.number, new.uplink))


# --- static MACs ------------------------------------------------------------------------------------------------


def _leaving_macs(old: Image, new: Image, gone: set[int]) -> dict[MacAddress, int | None]:
    """Entries to remove first: not wanted any more, or owned by a port that is going."""
    return {
        mac: None
        for mac, lport in old.static_macs.items()
        if mac not in new.static_macs or (lport in gone and (lport in new.ports or new.static_macs[mac] == lport))
    }


def _coming_macs(old: Image, new: Image, removed: Collection[MacAddress]) -> dict[MacAddress, int | None]:
    """Entries to write last: new, moved to another port, or removed first although still wanted."""
    return {mac: lport for mac, lport in new.static_macs.items() if old.static_macs.get(mac) != lport or mac in removed}


def _static_steps(entries: dict[MacAddress, int | None]) -> list[Step]:
    return [SetStaticMacs(entries)] if entries else []


# --- receiver lists ---------------------------------------------------------------------------------------------


def _grown(old: Lists, new: Lists, vifs: _VifMove) -> Lists:
    """What old or new needs, by VLAN."""
    if old == new and not vifs.moved:
        return old
    grown = {}
    for vlan in old.keys() | new.keys():
        if union := vifs.union(old.get(vlan, ()), new.get(vlan, ())):
            grown[vlan] = union
    return grown


def _grown_groups(old: Groups, new: Groups, vifs: _VifMove) -> Groups:
    """Old's groups; those that stay registered with all receivers of old and new.  A group that is new is registered
    last: until then its frames are flooded."""
    return {group: vifs.union(before, new.get(group, ())) for group, before in old.items()}


def _list_steps(old: Iterable[Lists], new: Iterable[Lists]) -> list[Step]:
    members, unknown, promiscuous = (_list_changes(before, after) for before, after in zip(old, new, strict=True))
    return [SetMembers(members, unknown, promiscuous)] if members or unknown or promiscuous else []


def _list_changes(old: Mapping[K, Receivers], new: Mapping[K, Receivers]) -> dict[K, Receivers | None]:
    if old is new or old == new:
        return {}
    changed: dict[K, Receivers | None] = {key: None for key in old if key not in new}
    changed.update((key, lports) for key, lports in new.items() if old.get(key) != lports)
    return changed


def _group_steps(old: Groups, new: Groups) -> list[Step]:
    changed = _list_changes(old, new)
    return [SetGroups(changed)] if changed else []


class _VifMove:
    """From some lists of VIFs to others, and what follows for those who refer to them, without the ports that go.

    To a VIS's receiver lists they are receivers; on an IV nothing refers to them, and who is too much on one has no
    VIF, or takes what is not for it as it takes any flood.
    """

    def __init__(self, old: VifLists, new: VifLists, gone: set[int]) -> None:
        self._old, self._new, self._gone = old, new, gone
        self.moved = {LIST_RECEIVER + key[1] for key, members in new.items() if old.get(key, members) != members}
        """As receivers: lists that do not stay as they are."""
        self._before, self._after = (
            {LIST_RECEIVER + key[1]: members for key, members in v.items()} for v in (old, new)
        )
        self._grown = {key: self._union(key) for key in old.keys() | new.keys()}

    def _union(self, key: tuple[int, int]) -> Receivers:
        before, after = self._old.get(key, ()), self._new.get(key, ())
        return before if before == after else tuple(sorted(set(after).union(set(before) - self._gone)))

    def union(self, before: Receivers, after: Receivers) -> Receivers:
        """A list of who receives by one of these, or by the other, each once and by no list that changes."""
        moved = bool(self.moved) and not self.moved.isdisjoint((*before, *after))
        if before == after and not moved:
            return before
        had, gets = _each(before, self._before) - self._gone, _each(after, self._after)
        return tuple(sorted(had | gets if moved else {*after, *(had - gets)}))

    def before(self, steps: list[Step]) -> list[Step]:
        """``steps`` take receiver lists to what both need; around them come the lists of VIFs, likewise."""
        if not steps:
            return self._steps(self._old, self._grown)
        added = {**self._new, **self._old}
        return [*self._steps(self._old, added), *steps, *self._steps(added, self._grown)]

    def after(self, steps: list[Step]) -> list[Step]:
        """``steps`` take receiver lists to what new needs."""
        if not steps:
            return self._steps(self._grown, self._new)
        kept = {**self._grown, **self._new}
        return [*self._steps(self._grown, kept), *steps, *self._steps(kept, self._new)]

    def _steps(self, old: VifLists, new: VifLists) -> list[Step]:
        changed = _list_changes(old, new)
        return [SetVifLists(changed)] if changed else []


def _each(receivers: Receivers, lists: Mapping[int, Receivers]) -> set[int]:
    """The lports among these, and those of the lists among them."""
    found = {lport for lport in receivers if lport < LIST_RECEIVER}
    return found.union(*(lists.get(lport, ()) for lport in receivers if lport >= LIST_RECEIVER))


# --- configuration and ports ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _ConfigMove:
    """Step 4 and the port writes around it.

    An edited policy takes effect on all of its ports by one set_config (the *flip*).  A port that changes to another
    policy at the same time must see neither its old policy edited nor its new one unedited: it moves before the flip,
    to an index that already holds the policy's new text (its own index if that is new or not edited, else a spare).
    """

    old: Image
    new: Image
    gone: set[int]
    _early: dict[int, Port] = field(default_factory=dict)
    _late: dict[int, Port] = field(default_factory=dict)
    _spare: dict[int, int] = field(default_factory=dict)

    def steps(self) -> list[Step]:
        """Stage, early ports, flip, late ports, tidy up."""
        before = self.old.ports
        changed = {lport: port for lport, port in self.new.ports.items() if before.get(lport) is not port}
        for lport, port in sorted(changed.items()):
            self._place(lport, port)
        current = SetConfig(self.old.control, self.old.policies, self.old.teams)
        final = SetConfig(self.new.control, self.new.policies, self.new.teams)
        if current == final:
            return [SetPort(lport, port) for ports in (self._early, self._late) for lport, port in ports.items()]
        steps: list[Step] = []
        for ports, config in ((self._early, self._staged()), (self._late, self._flipped())):
            if config != current:
                steps.append(config)
                current = config
            if ports is self._early:
                steps += [SetPort(lport, port) for lport, port in ports.items()]
        steps += [SetPort(lport, port) for lport, port in self._late.items()]
        if current != final:
            steps.append(final)
        return steps

    @property
    def _becomes_iv(self) -> bool:
        return self.new.control.niv and not self.old.control.niv

    def _place(self, lport: int, port: Port) -> None:
        """Decide whether, when, and with which policy index the port is written."""
        before = None if lport in self.gone else self.old.ports.get(lport)
        if before is None:
            if port.uplink:
                self._write_early(lport, port)
            else:
                self._late[lport] = port
        elif before.policy != port.policy and self._becomes_iv and (before.link, before.vif) == (port.link, port.vif):
            self._late[lport] = port  # until then it switches by the old one, and from then on nobody asks for one
        elif before.policy != port.policy:
            self._write_early(lport, port)
        elif before != port:
            self._place_changed(lport, before, port)

    def _place_changed(self, lport: int, before: Port, port: Port) -> None:
        """vNICs close before the flip and open after it; uplinks the other way round, as teams rely on them.  A port
        has its VIF before the flip that makes it send by it."""
        opens = _is_open(port) and not _is_open(before)
        closes = _is_open(before) and not _is_open(port)
        tags = port.vif and not before.vif
        if tags or (opens and port.uplink) or (closes and not port.uplink):
            self._early[lport] = port
        else:
            self._late[lport] = port

    def _write_early(self, lport: int, port: Port) -> None:
        index = self._index_before_flip(port.policy)
        self._early[lport] = replace(port, policy=index)
        if index != port.policy:
            self._late[lport] = port

    def _index_before_flip(self, wanted: int) -> int:
        """An index that holds the new text of policy ``wanted`` before and after the flip."""
        old, new = self.old.policies, self.new.policies
        if wanted not in old or old[wanted] == new.get(wanted):
            return wanted
        if wanted not in self._spare:
            taken = old.keys() | new.keys() | set(self._spare.values())
            self._spare[wanted] = next((i for i in range(MAX_POLICIES - 1, -1, -1) if i not in taken), wanted)
        return self._spare[wanted]

    def _spares(self) -> dict[int, Policy]:
        new = self.new.policies
        return {spare: new[index] for index, spare in self._spare.items() if spare != index and index in new}

    def _staged(self) -> SetConfig:
        """Old, and beside it what early ports refer to."""
        if not self._early:
            return SetConfig(self.old.control, self.old.policies, self.old.teams)
        used = {port.policy for port in self._early.values()}
        added = {i: policy for i, policy in (dict(self.new.policies) | self._spares()).items() if i in used}
        teams = dict(self.new.teams) | dict(self.old.teams)
        policies = added | dict(self.old.policies)
        if policies == self.old.policies:
            teams = dict(self.old.teams)
        return SetConfig(self.old.control, policies, teams)

    def _flipped(self) -> SetConfig:
        return SetConfig(self.new.control, dict(self.new.policies) | self._spares(), self.new.teams)


def _is_open(port: Port) -> bool:
    return port.link_up and not port.blocked


__all__ = ["SetConfig", "SetGroups", "SetMembers", "SetPort", "SetStaticMacs", "SetVifLists", "Step", "transition"]
