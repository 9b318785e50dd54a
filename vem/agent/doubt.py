"""Whether what the supervisor said last still holds.

After a time in which nothing was heard of it (the host was frozen, or the way was), the first word to come may be long
overtaken by others that lie behind it: a port that was activated, and taken back because its host did not answer, would
be active for a moment, be announced, and be given what had waited for it elsewhere.  So nothing of it is carried out
until the supervisor has answered a question that was asked after that (session.py), for its answers come behind all
that it has to say; or until it was not to be had, when what is known is all that there is to go by.
"""

from __future__ import annotations

import asyncio

LATE = 2.0
"""Seconds without a word after which the next is in doubt.  Heartbeats come every second, and the supervisor takes a
port back from a host that does not answer after three."""
PATIENCE = 3.0
"""Seconds that an answer may take."""


class Doubt:
    """Of one session after the other."""

    def __init__(self) -> None:
        self._asked = 0
        self._over = asyncio.Event()
        self._over.set()

    def begin(self, asked: int) -> None:
        """There is doubt until heartbeat number ``asked`` is answered, or a later one."""
        self._asked = asked
        self._over.clear()

    def answered(self, number: int) -> None:
        """The supervisor answers that heartbeat."""
        if number >= self._asked:
            self._over.set()

    def end(self) -> None:
        """All is known anew."""
        self._over.set()

    async def over(self, patience: float = PATIENCE) -> None:
        """Wait until there is none, at most so many seconds; then there is none any more."""
        try:
            async with asyncio.timeout(patience):
                await self._over.wait()
        except TimeoutError:
            self._over.set()


__all__ = ["LATE", "PATIENCE", "Doubt"]
