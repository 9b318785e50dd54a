"""Numbers for what the tables know by one: multicast groups, and lists of VIFs.  The tables say group -> number of a
receiver list, and lists are replaced whole.

A number that was given back is the last to be given out again: a frame that looked the group up just before finds an
empty list, not another group's receivers.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from vem.datapath.abi import CONSTANTS, MAX_GROUPS
from vem.datapath.engine import EngineError
from vem.datapath.image import LIST_RECEIVER, Group

K = TypeVar("K", bound=Hashable)
MAX_VIF_LISTS = CONSTANTS["DVS_MAX_VIF_LISTS"]
VifList = tuple[int, int]
"""(lport of the link, the list's number there)."""


class Numbers(Generic[K]):
    """Which number, from 0 to below ``limit``, each of these has in one engine."""

    def __init__(self, held: Mapping[K, int], limit: int) -> None:
        self._held = dict(held)
        self._limit = limit
        self._next = 0

    def held(self) -> Mapping[K, int]:
        """All of them."""
        return self._held

    def take(self, key: K) -> int:
        """Its number, a fresh one if it has none; EngineError when all are taken."""
        if key not in self._held:
            self._held[key] = self._fresh(key)
        return self._held[key]

    def _fresh(self, key: K) -> int:
        taken = set(self._held.values())
        if len(taken) >= self._limit:
            raise self._full(key)
        while self._next in taken:
            self._next = (self._next + 1) % self._limit
        number, self._next = self._next, (self._next + 1) % self._limit
        return number

    def _full(self, key: K) -> EngineError:
        return EngineError(str(key), f"at most {self._limit} are possible")

    def give_back(self, key: K) -> int | None:
        """The number that it had."""
        return self._held.pop(key, None)


class GroupNumbers(Numbers[Group]):
    """Of registered multicast groups."""

    def __init__(self, held: Mapping[Group, int]) -> None:
        super().__init__(held, MAX_GROUPS)

    def _full(self, key: Group) -> EngineError:
        return EngineError(f"multicast group in VLAN {key.vlan}", f"at most {self._limit} groups are possible")


class VifListNumbers(Numbers[VifList]):
    """Of lists of VIFs, to which member lists refer: by the list's number on its link in an Image, by ours in the
    tables."""

    def __init__(self, held: Mapping[VifList, int]) -> None:
        super().__init__(held, MAX_VIF_LISTS)

    def _full(self, key: VifList) -> EngineError:
        return EngineError(f"VIF list {key[1]} of lport {key[0]}", f"at most {self._limit} lists are possible")

    def to_table(self, receivers: Iterable[int]) -> tuple[int, ...]:
        """A member list of an Image as the tables have it; EngineError if it refers to a list that there is not."""
        return tuple(lport if lport < LIST_RECEIVER else LIST_RECEIVER + self._number(lport) for lport in receivers)

    def _number(self, receiver: int) -> int:
        found = [number for (_, vif), number in self._held.items() if vif == receiver - LIST_RECEIVER]
        if len(found) != 1:
            problem = "several links have one of that number" if found else "there is none"
            raise EngineError(f"VIF list {receiver - LIST_RECEIVER}", problem)
        return found[0]

    def to_image(self, receivers: Iterable[int]) -> tuple[int, ...]:
        """The inverse; a list that is gone is left out."""
        vifs = {number: vif for (_, vif), number in self._held.items()}
        raw = ((lport, vifs.get(lport - LIST_RECEIVER)) for lport in receivers)
        found = (lport if lport < LIST_RECEIVER else vif and LIST_RECEIVER + vif for lport, vif in raw)
        return tuple(lport for lport in found if lport)


__all__ = ["GroupNumbers", "Numbers", "VifList", "VifListNumbers"]
