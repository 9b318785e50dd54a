"""The Image of a VIS: its plain ports and all cards' Images in one.  Pure.

Cards are told apart by their numbers (numbers.py); here every Image speaks the engine's.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from dvswitch.mac import MacAddress
from vem.agent.compile import restrict
from vem.datapath.image import Group, Image, Policy, Port

K = TypeVar("K")
Lists = Mapping[K, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a NIC is."""

    link: int
    """The port where its host is; 0: nowhere."""
    vif: int


class Outward:
    """One card's way into the engine's numbers.  What did not change since the last time is the very same object, and
    so cheap to compare from here on."""

    def __init__(self, lport: Callable[[int], int], policy: Callable[[int], int]) -> None:
        """Both give the engine's number for the card's."""
        self._lport, self._policy = lport, policy
        self._places: dict[int, Place] = {}
        self._ports: dict[int, tuple[Port, Port]] = {}
        self._policies: dict[int, tuple[Policy, Policy]] = {}
        self._lists: dict[str, tuple[Mapping[Any, tuple[int, ...]], Any]] = {}
        self._last: tuple[Image, Image] | None = None

    def of(self, image: Image, places: Mapping[int, Place]) -> Image:
        """A card's Image.  Teams stay behind: behind a VIS there are no uplinks.

        A NIC that is nowhere receives nothing, and its MAC is nobody's: it may be behind a plain port by now.  Only of
        one that has moved away it is remembered, as what still comes for it may have to be passed on (`mobility
        forward`), by a port of the VIS's own.
        """
        if places != self._places:
            self._places, self._ports, self._lists, self._last = dict(places), {}, {}, None
        if self._last is None or self._last[0] is not image:
            self._last = image, self._made(image)
        return self._last[1]

    def _made(self, image: Image) -> Image:
        numbers = {local: self._lport(local) for local, port in image.ports.items() if not port.tunnel}
        self._ports = {local: self._port(local, image.ports[local]) for local in numbers}
        self._policies = {index: self._entry(index, policy) for index, policy in image.policies.items()}
        return Image(
            control=image.control,
            ports={numbers[local]: placed for local, (_, placed) in self._ports.items()},
            policies={self._policy(index): policy for index, (_, policy) in self._policies.items()},
            static_macs={
                mac: numbers[local]
                for mac, local in image.static_macs.items()
                if local in self._places or image.ports[local].moved
            },
            members=self._receivers("all", image.members, numbers),
            unknown_members=self._receivers("unknown", image.unknown_members, numbers),
            promiscuous_members=self._receivers("promiscuous", image.promiscuous_members, numbers),
            groups=self._receivers("groups", image.groups, numbers),
        )

    def _port(self, local: int, port: Port) -> tuple[Port, Port]:
        found = self._ports.get(local)
        return found if found and found[0] is port else (port, _placed(port, self._policy, self._places.get(local)))

    def _entry(self, index: int, policy: Policy) -> tuple[Policy, Policy]:
        found = self._policies.get(index)
        return found if found and found[0] is policy else (policy, replace(policy, team=0))

    def _receivers(self, name: str, lists: Lists[K], numbers: Mapping[int, int]) -> dict[K, tuple[int, ...]]:
        found = self._lists.get(name)
        if found is None or found[0] is not lists:
            made: dict[int, tuple[int, ...]] = {}
            for lports in lists.values():
                if id(lports) not in made:
                    made[id(lports)] = tuple(sorted(numbers[n] for n in lports if n in self._places))
            found = self._lists[name] = lists, {key: made[id(lports)] for key, lports in lists.items()}
        return cast("dict[K, tuple[int, ...]]", found[1])


def outward(
    image: Image, lport: Callable[[int], int], policy: Callable[[int], int], places: Mapping[int, Place]
) -> Image:
    """Once."""
    return Outward(lport, policy).of(image, places)


def _placed(port: Port, policy: Callable[[int], int], place: Place | None) -> Port:
    where = place or Place(0, 0)
    known = where.link and where.vif
    return replace(
        port,
        policy=policy(port.policy),
        pin=0,
        link=where.link if known else 0,
        vif=where.vif if known else 0,
        link_up=port.link_up and bool(known),
    )


def inward(image: Image, lports: Mapping[int, int], policies: Mapping[int, int]) -> tuple[Image, dict[int, Place]]:
    """The inverse: of the engine's Image what belongs to a card, in its numbers (adoption)."""

    def receivers(lists: Lists[K]) -> dict[K, tuple[int, ...]]:
        return {key: tuple(sorted(lports[n] for n in members)) for key, members in lists.items()}

    mine = restrict(image, lports).image
    found = Image(
        control=mine.control,
        ports={
            lports[number]: replace(port, policy=policies.get(port.policy, 0), link=0, vif=0)
            for number, port in mine.ports.items()
        },
        policies={policies[index]: policy for index, policy in mine.policies.items() if index in policies},
        static_macs={mac: lports[number] for mac, number in mine.static_macs.items()},
        members=receivers(mine.members),
        unknown_members=receivers(mine.unknown_members),
        promiscuous_members=receivers(mine.promiscuous_members),
        groups=receivers(mine.groups),
    )
    return found, {lports[number]: Place(port.link, port.vif) for number, port in mine.ports.items()}


class Merge:
    """All in one, again and again: lists that nobody changed since the last time are the very same objects."""

    def __init__(self) -> None:
        self._joined: dict[str, tuple[list[Lists[int]], dict[int, tuple[int, ...]]]] = {}
        self._given: dict[int, tuple[int, int]] = {}
        """Source and target, by vEth, of those that were handed over and are not the target's own yet."""

    def of(self, plain: Image, cards: Iterable[Image], tunnel: int = 0) -> Image:
        """Of two cards that claim a MAC the port with the higher generation has it (S-255).

        ``tunnel``: the port that leads to the mobility program; 0: there is none.
        """
        parts = [plain, *cards]
        ports = {number: port for part in parts for number, port in part.ports.items()}
        if tunnel:
            ports[tunnel] = Port(0, 0, MacAddress(bytes(6)), tunnel=True)
        policies, static = _policies(plain, parts), _static(parts, ports)
        handed = _handed_over(ports, policies)
        for source, target in handed:
            ports[target] = replace(ports[target], blocked=False, moved=False)
            static.update((mac, target) for mac, number in static.items() if number == source)
        for source in self._taken_back(ports, handed):
            ports[source] = replace(ports[source], blocked=False, moved=False)
        return Image(
            control=replace(
                plain.control,
                keep_priority_tag=any(part.control.keep_priority_tag for part in parts[1:]),
                snooping=any(part.control.snooping for part in parts[1:]),
                moved=any(part.control.moved for part in parts),
                tunnel=tunnel,
            ),
            ports=ports,
            policies=policies,
            teams=plain.teams,
            static_macs=static,
            members=self._join("all", [part.members for part in parts]),
            unknown_members=self._join("unknown", [part.unknown_members for part in parts]),
            promiscuous_members=self._join("promiscuous", [part.promiscuous_members for part in parts]),
            groups=_groups(plain, parts[1:]),
        )

    def _taken_back(self, ports: Mapping[int, Port], handed: list[tuple[int, int]]) -> list[int]:
        """Sources of vEths that were handed over, and whose target is not to have them after all: their cards will hear
        of that, too, but each in its own time, and until then nobody would have what comes for the vEth."""
        if not self._given and not handed:
            return []
        known = {port.number for port in ports.values() if port.awaited or (port.vif and not port.blocked)}
        over = {
            veth: (source, target)
            for veth, (source, target) in self._given.items()
            if veth not in known and _left(ports.get(source), veth) and not _left(ports.get(target), veth)
        }
        awaited = {port.number for port in ports.values() if port.awaited}
        waiting = {veth: pair for veth, pair in self._given.items() if veth in awaited}
        self._given = {**over, **waiting, **{ports[target].number: (source, target) for source, target in handed}}
        return [source for source, _ in over.values() if ports[source].vif]

    def _join(self, name: str, parts: list[Lists[int]]) -> dict[int, tuple[int, ...]]:
        found = self._joined.get(name)
        same = found is not None and len(found[0]) == len(parts) and all(map(operator.is_, found[0], parts))
        if found is None or not same:
            found = self._joined[name] = parts, _joined(parts)
        return found[1]


def merge(plain: Image, cards: Iterable[Image], tunnel: int = 0) -> Image:
    """Once."""
    return Merge().of(plain, cards, tunnel)


def _left(port: Port | None, veth: int) -> bool:
    """Whether it is the vEth's, which has moved away from there."""
    return port is not None and port.number == veth and port.moved


def _handed_over(ports: Mapping[int, Port], policies: Mapping[int, Policy]) -> list[tuple[int, int]]:
    """Source and target of vEths that are on their way from a card to another.

    As soon as the source has let go, what comes for the vEth goes to its target: a VIS is one switch for both, so
    nothing gets lost between the supervisor's two words, for which hosts need `mobility forward` (S-246).
    """
    coming = {
        port.number: number
        for number, port in ports.items()
        if port.awaited and port.vif and (policy := policies.get(port.policy)) and not policy.blocked
    }
    gone = [(number, port) for number, port in ports.items() if port.moved]
    return [(number, target) for number, port in gone if (target := coming.get(port.number, number)) != number]


def first(before: Image, after: Image) -> Image:
    """What to apply before ``after``: VIFs whose MACs come to them from other VIFs take frames before those let go."""
    came = {
        mac: number
        for mac, number in after.static_macs.items()
        if (old := before.static_macs.get(mac, number)) != number
        and number in before.ports
        and after.ports[number].number == before.ports[old].number
        and before.policies.get(after.ports[number].policy) == after.policies.get(after.ports[number].policy)
    }
    if not came:
        return before
    ports = {**before.ports, **{number: after.ports[number] for number in came.values()}}
    return replace(before, ports=ports, static_macs={**before.static_macs, **came})


def _policies(plain: Image, parts: list[Image]) -> dict[int, Policy]:
    blocked = {0: Policy(blocked=True)} if len(parts) > 1 else {}
    return blocked | {index: policy for part in parts for index, policy in part.policies.items()} | dict(plain.policies)


def _static(parts: Iterable[Image], ports: Mapping[int, Port]) -> dict[MacAddress, int]:
    found: dict[MacAddress, int] = {}
    for part in parts:
        for mac, number in part.static_macs.items():
            rival = ports.get(found.get(mac, 0))
            if rival is None or rival.generation < ports[number].generation:
                found[mac] = number
    return found


def _joined(parts: Iterable[Lists[int]]) -> dict[int, tuple[int, ...]]:
    """The first part, which is most of it, with what the others have beside it."""
    first, *others = parts
    found, made = dict(first), {}
    for lists in others:
        for vlan, lports in lists.items():
            before = found.get(vlan, ())
            key = id(before), id(lports)
            if key not in made:
                made[key] = before, tuple(sorted({*before, *lports})) if before else lports
            found[vlan] = made[key][1]
    return found


def _groups(plain: Image, cards: Iterable[Image]) -> dict[Group, tuple[int, ...]]:
    """Beyond a plain port there may be listeners that nobody here has heard: all of the VLAN get the group's frames."""
    found: dict[Group, set[int]] = defaultdict(set)
    for card in cards:
        for group, lports in card.groups.items():
            found[group].update(lports, plain.members.get(group.vlan, ()))
    return {group: tuple(sorted(lports)) for group, lports in found.items()}
