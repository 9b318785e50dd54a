"""Commands that come from the supervisor: each runs as a task of its own, answers when it is done, and ends when nobody
waits any more.  What they do is console.py's business."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from dvswitch.errors import DvsError
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent.console import Console

OUTPUT_LIMIT = 1_000_000
"""Characters of one answer; more is cut off, and says so."""


class RemoteCommands:
    """Those under way."""

    def __init__(self, console: Console, send: Callable[[fabric.ModuleMessage], object]) -> None:
        self._console = console
        self._send = send
        self._running: dict[int, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """To be waited for when the agent ends."""
        return list(self._running.values())

    def begin(self, command: fabric.Command) -> None:
        """Run it, beside everything else."""
        task = asyncio.create_task(self._answer(command))
        self._running[command.id] = task
        task.add_done_callback(lambda ended: self._ended(command.id, ended))

    def cancel(self, ident: int) -> None:
        """End one; it is no error if it has ended."""
        if task := self._running.get(ident):
            task.cancel()

    def cancel_all(self) -> None:
        """The session is lost: nobody would hear the answers."""
        for task in self.tasks:
            task.cancel()

    def _ended(self, ident: int, task: asyncio.Task[None]) -> None:
        if self._running.get(ident) is task:  # a new session counts from one again
            del self._running[ident]

    async def _run(self, command: fabric.Command) -> str:
        """The whole output; that of a live capture is sent as it comes."""
        words = list(command.words)
        if not command.live or words[:1] != ["capture"]:
            return await self._console.run_bounded(words)
        async with aclosing(self._console.run_live(words)) as parts:
            async for text in parts:
                self._send(fabric.ModuleMessage(output=fabric.CommandOutput(id=command.id, text=text, more=True)))
        return ""

    async def _answer(self, command: fabric.Command) -> None:
        try:
            text, ok = await self._run(command), True
        except DvsError as error:
            text, ok = str(error), False
        if len(text) > OUTPUT_LIMIT:
            text = text[:OUTPUT_LIMIT] + "\n(cut off here: more than the supervisor takes)\n"
        self._send(fabric.ModuleMessage(output=fabric.CommandOutput(id=command.id, text=text, ok=ok)))
