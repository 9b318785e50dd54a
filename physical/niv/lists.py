"""Which VIF lists a VIS has, and which of them it may use (vem/datapath/vif_lists.py says which it needs).

A list is used from when its host has said that it goes by it; until then the one before it is, or every VIF gets a
copy of its own.  The host is told to forget a list only when the datapath has, so an edit at the supervisor waits for
nobody, and no frame goes to a list that its host does not know.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from vem.datapath.image import LIST_RECEIVER, Image
from vem.datapath.vif_lists import Lists, lists_for, lists_of, with_lists

K = TypeVar("K")
Told = Mapping[int, Mapping[int, tuple[int, ...]]]
"""By link: list -> VIFs, sorted."""


class VifLists:
    """Remembers the numbers of lists, and what the hosts go by."""

    def __init__(self, adopted: Image, held: Told) -> None:
        """``adopted``: what the engine holds at the start; ``held``: what the hosts went by when the VIS ended."""
        self._lists = lists_of(adopted)
        self.held = held

    def complete(self, image: Image, before: Image) -> Image:
        """The Image with those lists that may be used; ``before``: what the engine holds now."""
        kept = {number for lists in self.held.values() for number in lists}
        known = Lists({**self._lists.numbers, **lists_of(before).numbers}, self._lists.last)
        lists = self._lists = lists_for(image, known, kept)
        held = {
            found: number
            for found, number in {**known.numbers, **lists.numbers}.items()
            if self.held.get(found.link, {}).get(number) == _vifs(image, found.members)
        }
        return with_lists(image, Lists(held), before)

    def to_tell(self, image: Image) -> dict[int, dict[int, tuple[int, ...]]]:
        """What the hosts are to go by, when the engine holds that."""
        found: dict[int, dict[int, tuple[int, ...]]] = defaultdict(dict)
        for wanted, number in {**lists_of(image).numbers, **self._lists.numbers}.items():
            found[wanted.link][number] = _vifs(image, wanted.members)
        return found


def _vifs(image: Image, lports: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(image.ports[lport].vif for lport in lports if lport in image.ports))


def expanded(image: Image) -> Image:
    """The Image without lists: every receiver by itself."""
    members = {number: lports for (_, number), lports in image.vif_lists.items()}

    def each(lists: Mapping[K, tuple[int, ...]]) -> dict[K, tuple[int, ...]]:
        found: dict[K, tuple[int, ...]] = {}
        for key, lports in lists.items():
            single = {lport for lport in lports if lport < LIST_RECEIVER}
            shared = (members.get(lport - LIST_RECEIVER, ()) for lport in lports if lport >= LIST_RECEIVER)
            found[key] = tuple(sorted(single.union(*shared)))
        return found

    return replace(
        image,
        members=each(image.members),
        unknown_members=each(image.unknown_members),
        promiscuous_members=each(image.promiscuous_members),
        groups=each(image.groups),
        vif_lists={},
    )
