"""Which lists of VIFs a VIS needs, so that a flood goes over each link to a NIV host once instead of once per VIF.

Pure.  An Image as it is compiled names VIF ports one by one in its member lists; lists_for() says which of them to
put together, and with_lists() puts them in: ``LIST_RECEIVER`` + number in the member lists, and ``Image.vif_lists``.
The host is told the same lists (number -> its VIFs) by VIF control before the VIS uses them.

Who is put together: ports with a VIF on one link that get the same broadcasts of a VLAN (or the same unknown unicast,
or the packets of the same multicast group) and get them in the same form, tagged or not.  Ports that need a look of
their own are left alone: promiscuous ones, those that a mirror shows, and those that are closed.  The datapath makes
single copies where a list turns out not to be of one mind after all, so nothing is lost when one is out of date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from vem.datapath.image import LIST_RECEIVER, VIF_LIST_MAX, Group, Image, Niv, Port

FIRST = 4096
"""Numbers below are VIFs to E-TAG."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a list is for: a flood, in a form, over a link."""

    link: int
    """lport."""
    flood: str | Group
    """"all", "unknown", or a group."""
    vlan: int
    tagged: bool


@dataclass(frozen=True, slots=True)
class Lists:
    """Which uses have a list: the memory from one call to the next."""

    numbers: Mapping[Use, int] = field(default_factory=dict)
    """No two have the same."""
    members: Mapping[Use, tuple[int, ...]] = field(default_factory=dict)
    """lports, sorted; two at least."""

    def of_link(self, link: int) -> dict[int, tuple[int, ...]]:
        """Number -> lports: what the host behind that link is to be told."""
        return {number: self.members[use] for use, number in self.numbers.items() if use.link == link}


def lists_for(image: Image, before: Lists | None = None, keep: Iterable[int] = ()) -> Lists:
    """The lists that ``image``, which has none yet, should have.  A use keeps its number; one that has become free is
    the last to be given out again, and those in ``keep`` (hosts may still have them) are not at all.  Uses for which
    no number is left have no list, and get single copies."""
    before = before or Lists()
    wanted = {use: lports for use, lports in _uses(image) if len(lports) >= 2}
    numbers = {use: before.numbers[use] for use in wanted if use in before.numbers}
    fresh = _fresh({*before.numbers.values(), *keep}, max(before.numbers.values(), default=FIRST - 1) + 1)
    for use in sorted((use for use in wanted if use not in numbers), key=_order):
        number = next(fresh, None)
        if number is None:
            break
        numbers[use] = number
    return Lists(numbers, {use: wanted[use] for use in numbers})


def with_lists(image: Image, lists: Lists) -> Image:
    """``image`` with its member lists and groups going by these lists."""
    used: dict[tuple[str | Group, int], list[tuple[int, set[int]]]] = {}
    for use, number in lists.numbers.items():
        used.setdefault((use.flood, use.vlan), []).append((number, set(lists.members[use])))

    def put(lports: tuple[int, ...], flood: str | Group, vlan: int) -> tuple[int, ...]:
        here = used.get((flood, vlan))
        return _put(lports, here) if here else lports

    return replace(
        image,
        members={vlan: put(lports, "all", vlan) for vlan, lports in image.members.items()},
        unknown_members={vlan: put(lports, "unknown", vlan) for vlan, lports in image.unknown_members.items()},
        groups={group: put(lports, group, group.vlan) for group, lports in image.groups.items()},
        vif_lists={(use.link, number): lists.members[use] for use, number in lists.numbers.items()},
    )


def vif_lists_of(image: Image, before: Lists | None = None, keep: Iterable[int] = ()) -> tuple[Image, Lists]:
    """Both at once."""
    lists = lists_for(image, before, keep)
    return with_lists(image, lists), lists


def _put(lports: tuple[int, ...], used: list[tuple[int, set[int]]]) -> tuple[int, ...]:
    here = [(number, members) for number, members in used if members.issubset(lports)]
    together = set().union(*(members for _, members in here))
    return (
        *(lport for lport in lports if lport not in together),
        *sorted(LIST_RECEIVER + number for number, _ in here),
    )


def _uses(image: Image) -> Iterator[tuple[Use, tuple[int, ...]]]:
    floods: list[tuple[str | Group, int, tuple[int, ...]]] = []
    floods += [("all", vlan, lports) for vlan, lports in image.members.items()]
    floods += [("unknown", vlan, lports) for vlan, lports in image.unknown_members.items()]
    floods += [(group, group.vlan, lports) for group, lports in image.groups.items()]
    able = {lport for lport, port in image.ports.items() if _joins(image, port)}
    for flood, vlan, lports in floods:
        if able.isdisjoint(lports):
            continue  # most VLANs of a switch whose ports carry all
        together: dict[Use, list[int]] = {}
        for lport in filter(able.__contains__, lports):
            port = image.ports[lport]
            use = Use(port.link, flood, vlan, image.policies[port.policy].tags(vlan))
            together.setdefault(use, []).append(lport)
        yield from ((use, tuple(sorted(members))) for use, members in together.items())


def _joins(image: Image, port: Port) -> bool:
    """Whether the port may be on a list."""
    link, policy = image.ports.get(port.link), image.policies.get(port.policy)
    if not port.vif or link is None or link.niv is not Niv.BRIDGE or policy is None:
        return False
    closed = port.blocked or policy.blocked or not port.link_up or port.mac_violation or port.moved
    return not (closed or policy.promiscuous or port.mirror_tx or port.held or port.releasing)


def _fresh(taken: set[int], first: int) -> Iterator[int]:
    order = [*range(max(first, FIRST), VIF_LIST_MAX + 1), *range(FIRST, min(first, VIF_LIST_MAX + 1))]
    return (number for number in order if number not in taken)


def _order(use: Use) -> tuple[int, int, bool, int, bytes, str]:
    group = isinstance(use.flood, Group)
    address, name = (use.flood.address, "") if isinstance(use.flood, Group) else (b"", use.flood)
    return use.link, use.vlan, use.tagged, int(group), address, name


__all__ = ["FIRST", "Lists", "Use", "lists_for", "vif_lists_of", "with_lists"]
