"""When the agent reads the table of learned addresses to tell of it: not every second whatever its size.

The table holds up to 131,072 entries, and reading all of them takes the engine's thread and the interpreter away from
everything else.  So it is read when the datapath's counts say that somebody learned or lost an address, and the next
time only after REST times as long as reading and telling took.  vem/agent/reports.py and mac_moves.py make messages of
what was read.
"""

from __future__ import annotations

from collections.abc import Mapping

from vem.agent.datapath_side import Datapath
from vem.datapath.image import Counters, LearnedMac

REST = 10
"""Times as long as it took, until the table is read again."""
LONGEST = 5.0
"""Seconds: but not longer than that."""


class LearnedLook:
    """Remembers what the counts were when the table was read last."""

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._seen: object = None
        self._began, self._due = 0.0, 0.0

    async def changed(self, counters: Mapping[int, Counters], full: bool, now: float) -> list[LearnedMac] | None:
        """The table, if it may have changed since the last look; None: it has not, or it is too early.

        ``full``: in any case.  ``now`` is time.monotonic()."""
        learns = any(policy.learn for policy in self._datapath.image.policies.values())
        seen = await self._counts(counters) if learns else None
        if not full and (seen == self._seen or now < self._due):
            return None
        self._seen, self._began = seen, now
        return await self._datapath.learned() if learns else []

    async def _counts(self, counters: Mapping[int, Counters]) -> object:
        moves = sum(count.mac_moves for count in counters.values())
        return await self._datapath.learned_counts(), moves, self._datapath.removals

    def told(self, now: float) -> None:
        """What was read has been told."""
        self._due = now + min(REST * (now - self._began), LONGEST)
