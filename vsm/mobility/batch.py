"""Many changes, one transaction: what is asked for in the same moment becomes durable together.

Each change stands or falls by itself, as if it had had a transaction of its own; they only share the wait for the disk.
Fifty vEths that move at once would otherwise wait for a hundred and fifty writes, one after the other.
"""

from __future__ import annotations

import asyncio

from dvswitch.errors import DvsError, StorageError
from vsm.model.state import State
from vsm.supervisor import Change, Supervisor

QUIET, LIKELY, CROWD = 0.0003, 0.002, 0.004
"""Seconds without another change after which one is stored, one that others are likely to follow, or several.  A write
to the disk takes about as long, and what comes while it lasts needs another one."""
LONGEST = 0.03
"""Seconds that the first of them waits at most."""
RECENT = 2.0
"""Seconds for which it is remembered that several came together: who prepares many at once moves them at once."""


class Batch:
    """Collects changes for as long as more come, then transacts them in the order they came."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._pending: list[tuple[Change, asyncio.Future[State]]] = []
        self._timer: asyncio.Handle | None = None
        self._stored = self._crowd = float("-inf")
        """When something was stored last, and several things together."""

    async def transact(self, change: Change, expected: int = 0) -> State:
        """As Supervisor.transact, a little later: the State in force after all that was changed together.

        ``expected``: no more than so many changes may come together with this one; 0: nobody can say.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[State] = loop.create_future()
        self._pending.append((change, done))
        if len(self._pending) == expected:
            # Not in place: what has happened in this very moment goes along.
            self._plan(loop.call_soon(self._flush))
        elif len(self._pending) == 1 and loop.time() < self._stored + CROWD:
            # Nobody comes so soon after another by himself.
            self._plan(loop.call_later(CROWD, self._look, 1, loop.time() + LONGEST))
        elif len(self._pending) == 1 and expected:
            likely = loop.time() < self._crowd + RECENT
            self._plan(loop.call_later(LIKELY if likely else 0.0, self._look, 1, loop.time() + LONGEST))
        elif len(self._pending) == 1:
            self._plan(loop.call_soon(self._linger, loop.time()))
        return await done

    def _plan(self, handle: asyncio.Handle) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = handle

    def _linger(self, since: float) -> None:
        """See what comes in the first instants.  (The event loop's timers know whole milliseconds only.)"""
        loop = asyncio.get_running_loop()
        if len(self._pending) == 1 and loop.time() < since + QUIET:
            self._plan(loop.call_soon(self._linger, since))
        else:
            self._look(1, since + LONGEST)

    def _look(self, before: int, latest: float) -> None:
        """Store now, unless more have come since there were ``before``: then there may be more to come."""
        loop = asyncio.get_running_loop()
        if len(self._pending) > before and loop.time() < latest:
            self._plan(loop.call_later(CROWD, self._look, len(self._pending), latest))
        else:
            self._flush()

    def _flush(self) -> None:
        self._timer = None
        pending, self._pending = self._pending, []
        errors: list[DvsError | None] = []
        try:
            state = self._supervisor.transact(lambda state: _all(state, [change for change, _ in pending], errors))
        except StorageError as error:
            errors = [error] * len(pending)
            state = self._supervisor.state
        self._stored = asyncio.get_running_loop().time()
        if len(pending) > 1:
            self._crowd = self._stored
        for (_, done), failed in zip(pending, errors, strict=True):
            if done.done():
                continue
            if failed is None:
                done.set_result(state)
            else:
                done.set_exception(failed)


def _all(state: State, changes: list[Change], errors: list[DvsError | None]) -> State:
    """``state`` after those changes that it could take; ``errors`` gets one entry for each."""
    for change in changes:
        try:
            state = change(state)
            errors.append(None)
        except DvsError as error:
            errors.append(error)
    return state
