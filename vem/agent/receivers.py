"""Who receives the floods of which VLAN (compile.py), worked out once for all VLANs that are alike, and once for all
passes in which nothing of it changes: a trunk carries thousands of VLANs, and a pass is mostly about one port.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dvswitch.vlan import VlanSet
from vem.datapath.image import Policy

Lists = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Group:
    """Ports that are alike."""

    vlans: VlanSet
    promiscuous: bool
    unknown: bool
    """They receive unknown unicast, too."""
    lports: tuple[int, ...]

    @classmethod
    def of(cls, policy: Policy, lports: Iterable[int]) -> Group:
        """The ports with that policy."""
        unknown = policy.learn and policy.unknown_flood
        return cls(policy.vlans(), policy.promiscuous, unknown, tuple(sorted(lports)))


@dataclass(frozen=True, slots=True)
class Receivers:
    """By VLAN: lports, sorted; the very same tuple for VLANs that have the same."""

    members: Lists = field(default_factory=dict)
    unknown: Lists = field(default_factory=dict)
    promiscuous: Lists = field(default_factory=dict)


def receivers_of(groups: Iterable[Group]) -> Receivers:
    """All three."""
    every = list(groups)
    return Receivers(
        _lists(every),
        _lists([group for group in every if group.unknown]),
        _lists([group for group in every if group.promiscuous]),
    )


def _lists(groups: list[Group]) -> Lists:
    of_vlan: dict[int, int] = defaultdict(int)
    for bit, group in enumerate(groups):
        for vlan in group.vlans:
            of_vlan[vlan] |= 1 << bit
    made = {chosen: _together(groups, chosen) for chosen in set(of_vlan.values())}
    return {vlan: made[chosen] for vlan, chosen in of_vlan.items()}


def _together(groups: list[Group], chosen: int) -> tuple[int, ...]:
    return tuple(sorted(lport for bit, group in enumerate(groups) if chosen >> bit & 1 for lport in group.lports))


__all__ = ["Group", "Receivers", "receivers_of"]
