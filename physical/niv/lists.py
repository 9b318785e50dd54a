"""Which VIF lists a VIS has, and which of them it may use (vem/datapath/vif_lists.py says which it needs).

A list is used from when its host has said that it goes by it, exactly as it is: until then, and again as soon as it
changes, every VIF gets a copy of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from vem.datapath.image import LIST_RECEIVER, Group, Image
from vem.datapath.vif_lists import Lists, Use, lists_for, with_lists

K = TypeVar("K")
Told = Mapping[int, Mapping[int, tuple[int, ...]]]
"""By link: list -> VIFs, sorted."""


class VifLists:
    """Remembers the numbers of lists, and what the hosts go by."""

    def __init__(self, adopted: Image, held: Told) -> None:
        """``adopted``: what the engine holds at the start; ``held``: what the hosts went by when the VIS ended."""
        self._lists = _read(adopted)
        self.held = held

    def complete(self, image: Image) -> Image:
        """The Image with those lists that may be used."""
        kept = {number for lists in self.held.values() for number in lists}
        lists = self._lists = lists_for(image, self._lists, kept)
        ready = {
            use: number
            for use, number in lists.numbers.items()
            if self.held.get(use.link, {}).get(number) == _vifs(image, lists.members[use])
        }
        return with_lists(image, Lists(ready, {use: lists.members[use] for use in ready}))

    def to_tell(self, image: Image) -> dict[int, dict[int, tuple[int, ...]]]:
        """What the hosts are to go by."""
        found: dict[int, dict[int, tuple[int, ...]]] = defaultdict(dict)
        for use, number in self._lists.numbers.items():
            found[use.link][number] = _vifs(image, self._lists.members[use])
        return found


def _vifs(image: Image, lports: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(image.ports[lport].vif for lport in lports))


def _read(image: Image) -> Lists:
    """The lists of an Image that has some."""
    links = {number: (link, lports) for (link, number), lports in image.vif_lists.items()}
    floods: list[tuple[str | Group, int, tuple[int, ...]]] = []
    floods += [("all", vlan, lports) for vlan, lports in image.members.items()]
    floods += [("unknown", vlan, lports) for vlan, lports in image.unknown_members.items()]
    floods += [(group, group.vlan, lports) for group, lports in image.groups.items()]
    numbers: dict[Use, int] = {}
    for flood, vlan, receivers in floods:
        for number in (receiver - LIST_RECEIVER for receiver in receivers if receiver >= LIST_RECEIVER):
            link, lports = links.get(number, (0, ()))
            port = image.ports.get(lports[0]) if lports else None
            if port is not None and port.policy in image.policies:
                numbers[Use(link, flood, vlan, image.policies[port.policy].tags(vlan))] = number
    return Lists(numbers, {use: links[number][1] for use, number in numbers.items()})


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
