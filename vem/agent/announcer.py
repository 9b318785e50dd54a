"""Sends announcements: at once while they are few, never more than 128 a tick (S-153)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from vem.agent.announce import Frame

PER_TICK = 128
TICK = 0.1
"""Seconds."""


class Announcer:
    """A queue of frames; ``emit`` sends a batch."""

    def __init__(self, emit: Callable[[list[Frame]], Awaitable[None]]) -> None:
        self._emit = emit
        self._frames: deque[Frame] = deque()
        self._some = asyncio.Event()

    def add(self, frames: Iterable[Frame]) -> None:
        """Send these soon, in order."""
        self._frames.extend(frames)
        if self._frames:
            self._some.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._some.wait()
            batch = [self._frames.popleft() for _ in range(min(PER_TICK, len(self._frames)))]
            if not self._frames:
                self._some.clear()
            await self._emit(batch)
            await asyncio.sleep(TICK)
