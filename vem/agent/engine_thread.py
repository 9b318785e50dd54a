"""The one thread that talks to the engine: table edits may wait for the kernel, the session's heartbeats must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from vem.datapath.engine import Engine

P = ParamSpec("P")
R = TypeVar("R")


class EngineThread:
    """Runs functions, in order, on a thread of its own."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._engine: Engine | None = None

    async def open(self, factory: Callable[[], Engine]) -> Engine:
        """Make the engine on the thread that will use it."""
        self._engine = await self.call(factory)
        return self._engine

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``function`` there and wait for it; its errors come back."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: function(*args, **kwargs))

    async def close(self, keep: bool) -> None:
        """Close the engine (see Engine.close) and end the thread."""
        if self._engine is not None:
            await self.call(self._engine.close, keep)
            self._engine = None
        self._executor.shutdown(wait=False)
