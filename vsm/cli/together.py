"""Lines of many sessions run in one go, so that those that change something share one save.

What costs time in a line of configuration is the disk (vsm/store), once for each save.  So lines that have arrived
while the last save was under way, from one session that pastes or from many, are run together; nobody is answered
before their save is done.  A save that fails is tried once more for each line alone, to tell each what became of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from dvswitch.errors import StorageError
from vsm.supervisor import Supervisor

LINES = 64
"""Lines of one session that are run before others have their turn."""
_PERIOD = 0.02
"""Seconds of work after which what has been done is saved."""
T = TypeVar("T")


@dataclass(slots=True)
class Work(Generic[T]):
    """Somebody's lines."""

    run: Callable[[int], T]
    """Run at most so many of them; what they came to."""
    undo: Callable[[], None]
    """Put back what running them changed beside the State."""
    outcome: asyncio.Future[T]
    changed: bool = False


class Together:
    """Runs work in the order of its arrival."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._waiting: deque[Work[object]] = deque()

    async def run(self, run: Callable[[int], T], undo: Callable[[], None]) -> T:
        """Have ``run(LINES)`` called in its turn; what it returns, once that is durable.

        Work whose save failed is undone and called again for one line; StorageError if that fails, too.
        """
        loop = asyncio.get_running_loop()
        work: Work[T] = Work(run, undo, loop.create_future())
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append(work)  # type: ignore[arg-type]
        return await work.outcome

    def _flush(self) -> None:
        """Do what waits, or as much of it as fits into the period."""
        until = time.perf_counter() + _PERIOD
        done: list[tuple[Work[object], object]] = []
        try:
            with self._supervisor.together():
                while self._waiting and (not done or time.perf_counter() < until):
                    work = self._waiting.popleft()
                    if not work.outcome.done():
                        done.append((work, self._tried(work, LINES)))
        except StorageError:
            done = [(work, self._alone(work) if work.changed else found) for work, found in done]
        for work, found in done:
            _answer(work.outcome, found)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)

    def _alone(self, work: Work[object]) -> object:
        work.undo()
        try:
            with self._supervisor.together():
                return self._tried(work, 1)
        except StorageError as error:
            work.undo()
            return error

    def _tried(self, work: Work[object], lines: int) -> object:
        """What the work gives, or the exception that it raises."""
        before = self._supervisor.state
        try:
            return work.run(lines)
        except Exception as error:
            return error
        finally:
            work.changed = work.changed or self._supervisor.state is not before


def _answer(outcome: asyncio.Future[object], found: object) -> None:
    if outcome.done():
        return  # whoever asked has gone
    if isinstance(found, Exception):
        outcome.set_exception(found)
    else:
        outcome.set_result(found)
