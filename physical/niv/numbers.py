"""Numbers that the parts of a VIS have in its one engine: lports and policies of cards.

The switch's own ports and policies keep their numbers, which are below FIRST (switch_config.py).  A card's numbers are
its own affair (vem/agent/lports.py); here each gets one that no other card has, and keeps it over restarts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vem.agent.lports import LAST_LPORT, LAST_POLICY, Numbers

PLAIN = ""
"""Key of the part that is the switch itself."""
TUNNEL = "(mobility)"
"""Owner of the port that leads to the mobility program; no part."""
FIRST = 100
"""The first number of a card's lport or policy."""
FOREIGN = 1 << 16
"""A part sees a port of another part as FOREIGN + its lport in the engine."""
Owner = tuple[str, int]
"""Key of the part (host UUID) and its own number."""


class Numbering:
    """Who has which."""

    def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
        """``saved``: from saved(); KeyError, TypeError or ValueError if it is not."""
        lports, policies = (_read(saved[name]) if saved else {} for name in ("lports", "policies"))
        self._lports = Numbers[Owner](FIRST, LAST_LPORT, "switch ports of this VIS", lports)
        self._policies = Numbers[Owner](FIRST, LAST_POLICY, "policies of this VIS", policies)
        self._owners = {number: owner for owner, number in lports.items()}

    def saved(self) -> dict[str, Any]:
        """As JSON."""
        tables = {"lports": self._lports, "policies": self._policies}
        return {name: [[*owner, number] for owner, number in table.owned().items()] for name, table in tables.items()}

    def lport(self, part: str, local: int) -> int:
        """The engine's lport; Unavailable when all are taken."""
        if part == PLAIN:
            return local
        number = self._lports.assign((part, local))
        self._owners[number] = part, local
        return number

    def policy(self, part: str, local: int) -> int:
        """The engine's index; Unavailable when all are taken.  0, which blocks, is everybody's."""
        return self._policies.assign((part, local)) if part != PLAIN and local else local

    def known(self, part: str, local: int) -> int | None:
        """The engine's lport if it has one."""
        return self._lports.get((part, local)) if part != PLAIN else local

    def owner(self, number: int) -> Owner | None:
        """Whose lport of the engine this is; None: nobody's."""
        if number < FIRST:
            return PLAIN, number
        return self._owners.get(number)

    def lports(self, part: str) -> dict[int, int]:
        """The card's lports, by the engine's."""
        return {number: local for (owner, local), number in self._lports.owned().items() if owner == part}

    def policies(self, part: str) -> dict[int, int]:
        """The card's policy indexes, by the engine's."""
        return {0: 0} | {number: local for (owner, local), number in self._policies.owned().items() if owner == part}

    def keep_only(self, part: str, lports: Iterable[int], policies: Iterable[int]) -> None:
        """Release what the card uses no more."""
        for table, kept in ((self._lports, set(lports)), (self._policies, set(policies))):
            for owner in table.owned():
                if owner[0] == part and owner[1] not in kept:
                    table.release(owner)
        self._owners = {number: owner for owner, number in self._lports.owned().items()}

    def parts(self) -> set[str]:
        """Keys of cards that have numbers."""
        return {part for part, _ in self._lports.owned()}


def _read(rows: Iterable[tuple[str, int, int]]) -> dict[Owner, int]:
    return {(str(part), int(local)): int(number) for part, local, number in rows}
