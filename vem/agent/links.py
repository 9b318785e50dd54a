"""Notices carriers that come and go: at once where the kernel tells, else within a twentieth of a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from vem.agent.datapath_side import Datapath
from vem.agent.holdings import Holdings
from vem.agent.link_watch import LinkWatch

UPLINK_POLL = 0.05
"""Seconds between looks at the uplinks' carriers; vNICs are looked at every NIC_POLLS-th time."""
NIC_POLLS = 20


class Links:
    """The loop that looks.  ``lock`` is the agent's; ``dirty`` asks for a pass."""

    def __init__(self, datapath: Datapath, holdings: Holdings, lock: asyncio.Lock, dirty: Callable[[], None]) -> None:
        self._datapath = datapath
        self._holdings = holdings
        self._lock = lock
        self._dirty = dirty
        self._watch = LinkWatch(self._link_changed)
        self._stirred: set[str] = set()
        self._stir = asyncio.Event()

    def _link_changed(self, devices: set[str]) -> None:
        self._stirred |= devices
        self._stir.set()

    async def run(self) -> None:
        """Look at the links that the kernel says changed, at once; at the others from time to time."""
        try:
            count = 0
            while True:
                count += 1
                await self._look(count % NIC_POLLS == 0)
                await self._listen(time.monotonic() + UPLINK_POLL)
        finally:
            self._watch.close()

    async def _listen(self, end: float) -> None:
        while (left := end - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._stir.wait()
            self._stir.clear()
            devices, self._stirred = self._stirred, set()
            plugs = dict(self._datapath.plugs)  # the engine's thread may plug meanwhile
            await self._poll({lport for lport, plug in plugs.items() if plug.device in devices})

    async def _look(self, everything: bool) -> None:
        plugs = self._holdings.plugs()
        await self._watch.follow({plug.netns for plug in plugs.values() if plug.device})
        await self._poll(plugs.keys() if everything else {item.lport for item in self._holdings.uplinks.values()})
        if everything and plugs.keys() - self._datapath.plugs.keys():
            self._dirty()

    async def _poll(self, lports: Collection[int]) -> None:
        if not lports:
            return
        async with self._lock:
            changed = await self._datapath.poll_links(lports)
        if changed:
            self._dirty()
