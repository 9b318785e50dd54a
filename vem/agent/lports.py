"""Numbers that this host gives out: lports for NICs, indexes for policies and teams.

Pure.  A number is stable for as long as its owner exists and is given to somebody else only after release, the one
released longest ago first, so that a late look at old counters or pinned tables does not meet a new owner.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from dvswitch.errors import Unavailable

K = TypeVar("K", bound=Hashable)

FIRST_LPORT, LAST_LPORT = 1, 1023
LAST_POLICY, LAST_TEAM = 1023, 63


class Numbers(Generic[K]):
    """Numbers ``first``..``last``, each given to at most one owner."""

    def __init__(self, first: int, last: int, subject: str, taken: Mapping[K, int] | None = None) -> None:
        self._subject = subject
        self._owned: dict[K, int] = dict(taken or {})
        used = set(self._owned.values())
        self._free = [number for number in range(first, last + 1) if number not in used]

    def get(self, owner: K) -> int | None:
        """The owner's number, None if it has none."""
        return self._owned.get(owner)

    def assign(self, owner: K) -> int:
        """The owner's number, a free one if it has none yet; Unavailable when all are taken."""
        if owner not in self._owned:
            if not self._free:
                raise Unavailable(self._subject, "all numbers are taken", "detach something first")
            self._owned[owner] = self._free.pop(0)
        return self._owned[owner]

    def reserve(self, owner: K, number: int) -> None:
        """Give ``owner`` exactly ``number`` (adoption of what is already in the datapath)."""
        if number in self._free:
            self._free.remove(number)
        self._owned[owner] = number

    def release(self, owner: K) -> None:
        """Take the number back; unknown owners are ignored."""
        number = self._owned.pop(owner, None)
        if number is not None and number not in self._owned.values():
            self._free.append(number)

    def keep_only(self, owners: Iterable[K]) -> None:
        """Release the numbers of everybody else."""
        for owner in self._owned.keys() - set(owners):
            self.release(owner)

    def owned(self) -> dict[K, int]:
        """A copy of who has what."""
        return dict(self._owned)


def lport_numbers() -> Numbers[str]:
    """Lports 1..1023, by NIC name ("nic web1/0") or uplink name ("uplink 1")."""
    return Numbers(FIRST_LPORT, LAST_LPORT, "switch ports of this host")
