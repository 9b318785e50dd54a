"""The Image of a VIS: its plain ports and all cards' Images in one.  Pure.

Cards are told apart by their numbers (numbers.py); here every Image speaks the engine's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

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


def outward(
    image: Image, lport: Callable[[int], int], policy: Callable[[int], int], places: Mapping[int, Place]
) -> Image:
    """A card's Image in the engine's numbers.  Teams stay behind: behind a VIS there are no uplinks.

    A NIC that is nowhere receives nothing, and its MAC is nobody's: it may be behind a plain port by now.  Only of one
    that has moved away it is remembered, as what still comes for it may have to be passed on (`mobility forward`), by a
    port of the VIS's own.
    """

    def receivers(lists: Lists[K]) -> dict[K, tuple[int, ...]]:
        return {key: tuple(sorted(numbers[n] for n in lports if n in places)) for key, lports in lists.items()}

    def has_mac(local: int) -> bool:
        return local in places or image.ports[local].moved

    numbers = {local: lport(local) for local, port in image.ports.items() if not port.tunnel}
    return Image(
        control=image.control,
        ports={numbers[local]: _placed(image.ports[local], policy, places.get(local)) for local in numbers},
        policies={policy(index): replace(found, team=0) for index, found in image.policies.items()},
        static_macs={mac: numbers[local] for mac, local in image.static_macs.items() if has_mac(local)},
        members=receivers(image.members),
        unknown_members=receivers(image.unknown_members),
        promiscuous_members=receivers(image.promiscuous_members),
        groups=receivers(image.groups),
    )


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


def merge(plain: Image, cards: Iterable[Image], tunnel: int = 0) -> Image:
    """All in one; of two cards that claim a MAC the port with the higher generation has it (S-255).

    ``tunnel``: the port that leads to the mobility program; 0: there is none.
    """
    parts = [plain, *cards]
    ports = {number: port for part in parts for number, port in part.ports.items()}
    if tunnel:
        ports[tunnel] = Port(0, 0, MacAddress(bytes(6)), tunnel=True)
    policies, static = _policies(plain, parts), _static(parts, ports)
    for source, target in _handed_over(ports, policies):
        ports[target] = replace(ports[target], blocked=False, moved=False)
        static.update((mac, target) for mac, number in static.items() if number == source)
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
        members=_joined(part.members for part in parts),
        unknown_members=_joined(part.unknown_members for part in parts),
        promiscuous_members=_joined(part.promiscuous_members for part in parts),
        groups=_groups(plain, parts[1:]),
    )


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
    """What only one part has stays the very same object: it is most, and cheap to compare then."""
    found: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for lists in parts:
        for vlan, lports in lists.items():
            found[vlan].append(lports)
    return {
        vlan: lists[0] if len(lists) == 1 else tuple(sorted({lport for lports in lists for lport in lports}))
        for vlan, lists in sorted(found.items())
    }


def _groups(plain: Image, cards: Iterable[Image]) -> dict[Group, tuple[int, ...]]:
    """Beyond a plain port there may be listeners that nobody here has heard: all of the VLAN get the group's frames."""
    found: dict[Group, set[int]] = defaultdict(set)
    for card in cards:
        for group, lports in card.groups.items():
            found[group].update(lports, plain.members.get(group.vlan, ()))
    return {group: tuple(sorted(lports)) for group, lports in found.items()}
