"""What ports had counted when they were looked at last: most have counted nothing since, and are not unpacked again.

A port's counters are a kilobyte for each CPU, and all ports' are read every second, by a VIS for each of its cards.
The very same Counters come back for what is the same, so that others (vem/agent/reports.py) see at once that it is.
"""

from __future__ import annotations

from hashlib import blake2b

from vem.datapath.image import Counters
from vem.datapath.tables import Readable, unpack_counters


class Counted:
    """One engine's memory, by lport; of the raw counters a digest is kept, as hosts have many CPUs."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[bytes, Counters]] = {}

    def of(self, lport: int, data: Readable) -> Counters:
        """As unpack_counters()."""
        digest = blake2b(data, digest_size=16).digest()
        known = self._known.get(lport)
        if known is None or known[0] != digest:
            known = self._known[lport] = digest, unpack_counters(data)
        return known[1]


__all__ = ["Counted"]
