"""When the agent saves what it holds (state.py, phases.py), and who waits for that.

    what changed                          saved                               waited for by
    ------------------------------------  ----------------------------------  ------------------------------------
    the phase of vEths that move          the phase file, before the tables   PortDrained, Ack of that Update
    ... and after that                    the state file, MOVES_LATER         nobody
    anything else                         the state file, after the pass      attach and detach, before they answer

Nothing waits for the disk before the supervisor is told: what an Update brought, the supervisor sends again to an agent
that had not saved it.  That a vEth has gone must hold even before there is a session again, so it is written down
first; phases.py says why it need not be synced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from dvswitch.errors import StorageError
from vem.agent.phases import Moved, moved_between
from vem.agent.state import Saved, StateFile
from vem.agent.wanted import Wanted

MOVES_LATER = 5.0
"""Seconds until the state file follows what only the phase file has: moves come in crowds."""
log = structlog.get_logger(__name__)


class Saving:
    """One agent's files; ``content`` tells what should be in the state file now."""

    def __init__(self, file: StateFile, content: Callable[[], Saved]) -> None:
        self._file, self._content = file, content
        self._lock = asyncio.Lock()
        self._data = b""
        self._noted = content().wanted
        """The wanted state of the last pass."""
        self._moved: dict[int, Moved] = {}
        """By vEth: what the phase file has, or is to have."""
        self._behind = True
        """The phase file does not have all that changed: the state file must follow at once."""
        self._only_moves = False
        """The pass was about nothing but moves."""
        self._later: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, wanted: Wanted) -> None:
        """A pass goes by this wanted state: what it moves outlives this process (if the disk refuses, see the log)."""
        before, self._noted = self._noted, wanted
        if wanted is before:
            return
        moved = moved_between(before, wanted)
        self._only_moves = moved is not None
        if moved is None:
            self._behind = True
        elif moved:
            self._moved.update((item.port.veth, item) for item in moved)
            try:
                self._file.phases.write(tuple(self._moved.values()))
            except StorageError as error:
                log.error("moves not saved; a restart would not know them", reason=str(error))
                self._behind = True

    async def finish(self, waiting: list[asyncio.Future[None]]) -> None:
        """A pass is over: save what it changed, then let those go on who waited for it."""
        only_moves, self._only_moves = self._only_moves, False
        if self._behind or waiting or not only_moves:
            await self.now()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(MOVES_LATER, self._start)
        for done in filter(lambda future: not future.done(), waiting):
            done.set_result(None)

    def _start(self) -> None:
        self._later = None
        task = asyncio.get_running_loop().create_task(self.now())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def now(self) -> None:
        """Wait until what is held now is on the disk; if the disk refuses, that is in the log."""
        async with self._lock:
            self._behind = False
            saved = self._content()
            data = self._file.encoded(saved)
            try:
                if data != self._data:
                    await asyncio.to_thread(self._file.write, data)
                    await asyncio.to_thread(self._file.phases.open)
            except StorageError as error:
                self._behind = True
                log.error("state not saved; a restart would not know the latest attachments", reason=str(error))
                return
            self._data = data
            revision = saved.wanted.revision
            self._moved = {veth: item for veth, item in self._moved.items() if item.revision > revision}

    async def close(self) -> None:
        """Save what is not saved yet."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        await self.now()
        self._file.phases.close()
