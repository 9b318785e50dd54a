"""The one thread that talks to the engine: table edits may wait for the kernel, the session's heartbeats must not.

To hand a call over and have its result back costs as much as a small edit of an engine in this very process, so such
edits are made in place: brief() does that while the thread has nothing to do, and while they are as quick as expected.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from vem.datapath.engine import Engine

P = ParamSpec("P")
R = TypeVar("R")
QUICK = 0.001
"""Seconds that a call may usually take in place of the event loop's other work."""


class EngineThread:
    """Runs functions, in order, on a thread of its own."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._engine: Engine | None = None
        self._under_way: set[Future[Any]] = set()
        self._usual = 2 * QUICK
        """Seconds that the last brief() calls took, the latest counting most."""

    async def open(self, factory: Callable[[], Engine]) -> Engine:
        """Make the engine on the thread that will use it."""
        self._engine = await self.call(factory)
        return self._engine

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``function`` there and wait for it; its errors come back."""
        future = self._executor.submit(function, *args, **kwargs)
        self._under_way.add(future)  # until it is over, whether or not somebody still waits for it
        future.add_done_callback(self._under_way.discard)
        return await asyncio.wrap_future(future)

    async def brief(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As call(), for what waits for nothing: here and now if the last ones were QUICK and no call is under way."""
        if self._under_way or self._usual > QUICK:
            return await self.call(lambda: self._timed(function, *args, **kwargs))
        return self._timed(function, *args, **kwargs)

    def _timed(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        began = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            self._usual = (self._usual + time.perf_counter() - began) / 2

    async def close(self, keep: bool) -> None:
        """Close the engine (see Engine.close) and end the thread."""
        if self._engine is not None:
            await self.call(self._engine.close, keep)
            self._engine = None
        self._executor.shutdown(wait=False)
