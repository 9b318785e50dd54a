"""`vem show mobility`: moves whose frames are passed on between hosts."""

from __future__ import annotations

from collections.abc import Iterable

from vem.agent.mobility_side import MoveView
from vem.agent.show import table

_HEADER = (
    "VSM Port",
    "Role",
    "Peer",
    "Link",
    "Sent",
    "Received",
    "Delivered",
    "Held",
    "Waiting",
    "Overflow",
    "Expired",
    "Words",
)


def mobility(moves: Iterable[MoveView]) -> str:
    """A line for each."""
    rows = []
    for move in moves:
        found = move.counts
        numbers = (
            found.sent,
            found.received,
            found.delivered,
            found.held,
            found.waiting,
            found.overflow,
            found.expired,
            found.ended,
        )
        link = "up" if found.ready else "-"
        rows.append((f"Veth{move.veth}" if move.veth else "-", move.role, move.peer or "-", link, *map(str, numbers)))
    return table(_HEADER, rows, right=set(range(4, 12)))


__all__ = ["mobility"]
