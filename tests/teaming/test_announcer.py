"""Announcements of a whole host that fails over are spread out."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.agent.supervisor import mac
from vem.agent.announce import Frame, rarp
from vem.agent.announcer import PER_TICK, TICK, Announcer


class Recorder:
    """The only thing the announcer needs of a datapath while it sends."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, int]] = []
        self.some = asyncio.Event()

    async def emit(self, frames: list[Frame]) -> None:
        self.batches.append((time.monotonic(), len(frames)))
        self.some.set()

    @property
    def sent(self) -> int:
        return sum(count for _, count in self.batches)


@pytest.mark.rules("S-153")
async def test_mass_failover_is_rate_limited() -> None:
    """Three ticks' worth and a bit: all are sent, and no tick sees more than 128."""
    count, datapath = 3 * PER_TICK + 10, Recorder()
    announcer = Announcer(datapath)  # type: ignore[arg-type]
    task = asyncio.create_task(announcer.run())
    announcer._add((1, rarp(mac(number % 200 + 1), 10)) for number in range(count))
    async with asyncio.timeout(60):
        while datapath.sent < count:
            await datapath.some.wait()
            datapath.some.clear()
    task.cancel()
    assert datapath.sent == count
    for start, _ in datapath.batches:
        within = sum(size for when, size in datapath.batches if start <= when < start + TICK * 0.9)
        assert within <= PER_TICK
