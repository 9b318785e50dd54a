"""Which lists of VIFs a VIS needs, so that a flood goes over each link to a NIV host once instead of once per VIF.

Pure.  An Image as it is compiled names VIF ports one by one in its member lists; lists_for() says which of them to
put together, and with_lists() puts them in: ``LIST_RECEIVER`` + number in the member lists, and ``Image.vif_lists``.
The host is told the same lists (number -> its VIFs) by VIF control before the VIS uses them.

Who is put together: ports with a VIF on one link that get the same flood (broadcasts of a VLAN, its unknown unicast, or
the packets of a multicast group) and get it in the same form, tagged or not.  Ports that need a look of their own are
left alone: promiscuous ones, those that a mirror shows, and those that are closed.  The datapath makes single copies
where a list turns out not to be of one mind after all, so nothing is lost when one is out of date.

A list is whom it names: VLANs whose floods go to the same VIFs share one, and a number never changes its meaning.  The
work is that of the VLANs which VIFs are in, and of them only as far as they differ from each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from vem.datapath.image import LIST_RECEIVER, VIF_LIST_MAX, Image, Niv, Port

FIRST = 4096
"""Numbers below are VIFs to E-TAG."""
Receivers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VifList:
    """Whom a list names."""

    link: int
    """lport."""
    members: Receivers
    """lports, sorted."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Which lists there are: the memory from one call to the next."""

    numbers: Mapping[VifList, int] = field(default_factory=dict)
    """No two have the same."""
    last: int = FIRST - 1
    """The number that was given out last."""

    def of_link(self, link: int) -> dict[int, Receivers]:
        """Number -> lports: what the host behind that link is to be told."""
        return {number: found.members for found, number in self.numbers.items() if found.link == link}


def lists_of(image: Image) -> Lists:
    """Those that an Image has."""
    numbers = {VifList(link, members): number for (link, number), members in image.vif_lists.items()}
    return Lists(numbers, max(numbers.values(), default=FIRST - 1))


def lists_for(image: Image, before: Lists | None = None, keep: Iterable[int] = ()) -> Lists:
    """The lists that ``image``, which has none yet, should have.  A list keeps its number; one that has become free is
    the last to be given out again, and those in ``keep`` (hosts may still have them) are not at all.  Lists for which
    no number is left there are not, and their VIFs get single copies."""
    before = before or Lists()
    floods = _Floods(image)
    wanted = {found for receivers, vlan in floods.each() for found in floods.shared(receivers, vlan)}
    numbers = {found: before.numbers[found] for found in wanted if found in before.numbers}
    fresh, last = _fresh({*before.numbers.values(), *keep}, before.last + 1), before.last
    for found in sorted((found for found in wanted if found not in numbers), key=lambda one: (one.link, one.members)):
        number = next(fresh, None)
        if number is None:
            break
        numbers[found] = last = number
    return Lists(numbers, last)


def with_lists(image: Image, lists: Lists, old: Image | None = None) -> Image:
    """``image`` with its member lists and groups going by these lists.

    Where one that it should go by is not among them, it goes on by what ``old`` went by for the same flood, as long as
    that is among them and everybody on it still gets the flood, or is closed.
    """
    floods, before = _Floods(image), old or Image()
    put = _Putting(floods, lists, before).put
    members, unknown = (
        {vlan: put(now[vlan], vlan, was.get(vlan, ())) for vlan in floods.vlans & now.keys()}
        for now, was in ((image.members, before.members), (image.unknown_members, before.unknown_members))
    )
    groups = {
        group: put(lports, group.vlan, before.groups.get(group, ())) if group.vlan in floods.vlans else lports
        for group, lports in image.groups.items()
    }
    every = {*members.values(), *unknown.values(), *groups.values()}
    used = {receiver - LIST_RECEIVER for lports in every for receiver in lports if receiver >= LIST_RECEIVER}
    if not used:
        return image
    return replace(
        image,
        members={**image.members, **members},
        unknown_members={**image.unknown_members, **unknown},
        groups=groups,
        vif_lists={(found.link, number): found.members for found, number in lists.numbers.items() if number in used},
    )


def vif_lists_of(image: Image, before: Lists | None = None, keep: Iterable[int] = ()) -> tuple[Image, Lists]:
    """Both at once."""
    lists = lists_for(image, before, keep)
    return with_lists(image, lists), lists


class _Floods:
    """Who of an Image's VIFs share copies of a flood."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.able = {lport for lport, port in image.ports.items() if _joins(image, port)}
        policies = {image.ports[lport].policy for lport in self.able}
        self.vlans: set[int] = set()
        """Of VIFs that may be on a list."""
        self._plain: dict[int, set[int]] = defaultdict(set)
        for index in policies:
            policy = image.policies[index]
            self.vlans.update(policy.vlans())
            self._plain[policy.vlan].add(index)
        self._found: dict[tuple[int, frozenset[int]], tuple[VifList, ...]] = {}

    def each(self) -> Iterator[tuple[Receivers, int]]:
        """Receivers and VLANs of floods that VIFs get."""
        image = self.image
        for lists in (image.members, image.unknown_members):
            for vlan in self.vlans & lists.keys():
                yield lists[vlan], vlan
        yield from ((lports, group.vlan) for group, lports in image.groups.items() if group.vlan in self.vlans)

    def form(self, vlan: int) -> frozenset[int]:
        """Policies whose ports get a VLAN's frames without a tag; all that is to know of it beside its receivers."""
        return frozenset(self._plain.get(vlan, ()))

    def tags(self, lport: int, vlan: int) -> bool:
        """Whether the port gets that VLAN's frames with a tag."""
        return self.image.policies[self.image.ports[lport].policy].tags(vlan)

    def shared(self, receivers: Receivers, vlan: int) -> tuple[VifList, ...]:
        """The lists that these receivers of a VLAN's flood make."""
        key = id(receivers), self.form(vlan)
        if key not in self._found:
            together: dict[tuple[int, bool], list[int]] = defaultdict(list)
            for lport in filter(self.able.__contains__, receivers):
                together[self.image.ports[lport].link, self.tags(lport, vlan)].append(lport)
            lists = [VifList(link, tuple(sorted(lports))) for (link, _), lports in together.items() if len(lports) > 1]
            self._found[key] = tuple(lists)
        return self._found[key]

    def still(self, found: VifList, receivers: Receivers, vlan: int) -> bool:
        """Whether a copy for that list goes where it should: everybody on it gets the flood, or is closed, which the
        datapath sees."""
        if not set(receivers).issuperset(found.members):
            return False
        ports = [self.image.ports[lport] for lport in found.members]
        forms = {self.tags(lport, vlan) for lport in found.members if lport in self.able}
        fit = all(lport in self.able or _closed(self.image, self.image.ports[lport]) for lport in found.members)
        return fit and len(forms) < 2 and all(port.link == found.link and port.vif for port in ports)


class _Putting:
    """Puts lists into member lists, once for all that are alike."""

    def __init__(self, floods: _Floods, lists: Lists, before: Image) -> None:
        self._floods, self._lists = floods, lists
        self._old = {
            LIST_RECEIVER + number: VifList(link, lports) for (link, number), lports in before.vif_lists.items()
        }
        self._made: dict[tuple[int, frozenset[int], Receivers], Receivers] = {}

    def put(self, receivers: Receivers, vlan: int, before: Receivers) -> Receivers:
        """The receivers of a VLAN's flood; ``before``: as they were, with lists."""
        key = id(receivers), self._floods.form(vlan), tuple(old for old in before if old >= LIST_RECEIVER)
        if key not in self._made:
            self._made[key] = self._make(receivers, vlan, key[2])
        return self._made[key]

    def _make(self, receivers: Receivers, vlan: int, before: Receivers) -> Receivers:
        numbers = self._lists.numbers
        chosen = [found for found in self._floods.shared(receivers, vlan) if found in numbers]
        together = {lport for found in chosen for lport in found.members}
        for old in (self._old[receiver] for receiver in before if receiver in self._old):
            if old in numbers and together.isdisjoint(old.members) and self._floods.still(old, receivers, vlan):
                chosen.append(old)
                together.update(old.members)
        if not chosen:
            return receivers
        lists = sorted(LIST_RECEIVER + numbers[found] for found in chosen)
        return (*(lport for lport in receivers if lport not in together), *lists)


def _closed(image: Image, port: Port) -> bool:
    """It gets no frame now, whoever sends it one."""
    policy = image.policies.get(port.policy)
    return port.blocked or policy is None or policy.blocked or not port.link_up


def _joins(image: Image, port: Port) -> bool:
    """Whether the port may be on a list."""
    link, policy = image.ports.get(port.link), image.policies.get(port.policy)
    if not port.vif or link is None or link.niv is not Niv.BRIDGE or policy is None:
        return False
    looked_at = policy.promiscuous or port.mac_violation or port.moved or port.mirror_tx or port.held or port.releasing
    return not (_closed(image, port) or looked_at)


def _fresh(taken: set[int], first: int) -> Iterator[int]:
    order = [*range(max(first, FIRST), VIF_LIST_MAX + 1), *range(FIRST, min(first, VIF_LIST_MAX + 1))]
    return (number for number in order if number not in taken)


__all__ = ["FIRST", "Lists", "VifList", "lists_for", "lists_of", "vif_lists_of", "with_lists"]
