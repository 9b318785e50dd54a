"""Which learned MAC entries have to go: pure decisions over what the engine reports (S-056, S-069, S-074)."""

from __future__ import annotations

from collections.abc import Iterable

from vem.datapath.image import Image, LearnedMac

DEFAULT_AGE = 300.0
"""Seconds without a frame after which a learned entry is removed (S-069)."""


def aged(entries: Iterable[LearnedMac], limit: float) -> list[LearnedMac]:
    """Entries not seen for ``limit`` seconds."""
    return [entry for entry in entries if entry.age >= limit]


def stale(entries: Iterable[LearnedMac], image: Image) -> list[LearnedMac]:
    """Entries of ports that are gone, blocked, moved to another VLAN, or that learn no more.  Those of a vEth that has
    moved away still tell what is for it."""
    return [entry for entry in entries if not _valid(entry, image)]


def _valid(entry: LearnedMac, image: Image) -> bool:
    port = image.ports.get(entry.lport)
    policy = image.policies.get(port.policy) if port else None
    if port is None or policy is None or (port.blocked and not port.moved):
        return False
    return policy.learn and policy.carries(entry.vlan) and entry.mac not in image.static_macs


def may_leave_stale(old: Image, new: Image) -> bool:
    """Whether going from ``old`` to ``new`` can make learned entries stale (saves reading a large table)."""
    if not any(policy.learn for policy in old.policies.values()):
        return False
    same_ports = old.ports.keys() <= new.ports.keys() and old.static_macs == new.static_macs
    return not (same_ports and old.policies == new.policies and _same_placement(old, new))


def _same_placement(old: Image, new: Image) -> bool:
    return all(
        (port.policy, port.blocked) == (new.ports[lport].policy, new.ports[lport].blocked)
        for lport, port in old.ports.items()
    )
