"""Numbers for multicast groups: the tables say group -> number of a receiver list, and lists are replaced whole.

A number that a group gave back is the last to be given out again: a frame that looked the group up just before finds
an empty list, not another group's receivers.
"""

from __future__ import annotations

from collections.abc import Mapping

from vem.datapath.abi import MAX_GROUPS
from vem.datapath.engine import EngineError
from vem.datapath.image import Group


class GroupNumbers:
    """Which number each registered group of one engine has, 0..MAX_GROUPS-1."""

    def __init__(self, held: Mapping[Group, int]) -> None:
        self._held = dict(held)
        self._next = 0

    def held(self) -> Mapping[Group, int]:
        """All of them."""
        return self._held

    def take(self, group: Group) -> int:
        """The group's number, a fresh one if it has none; EngineError when all are taken."""
        if group not in self._held:
            self._held[group] = self._fresh(group)
        return self._held[group]

    def _fresh(self, group: Group) -> int:
        taken = set(self._held.values())
        if len(taken) >= MAX_GROUPS:
            raise EngineError(f"multicast group in VLAN {group.vlan}", f"at most {MAX_GROUPS} groups are possible")
        while self._next in taken:
            self._next = (self._next + 1) % MAX_GROUPS
        number, self._next = self._next, (self._next + 1) % MAX_GROUPS
        return number

    def give_back(self, group: Group) -> int | None:
        """The number that the group had."""
        return self._held.pop(group, None)


__all__ = ["GroupNumbers"]
