"""Timed edits and reload in a real supervisor: deadlines outlive it, and it comes back by itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from dvswitch.client import open_aio_channel, operator_stub
from dvswitch.v1 import operator_pb2
from tests.api.test_daemon import Process
from tests.api.test_daemon import home as home
from tests.support.fake_module import PATIENCE


@pytest.fixture
async def vsm(home: Path) -> AsyncIterator[Process]:
    process = Process(home)
    await process.start()
    yield process
    if process.child.returncode is None:
        await process.end()


async def becomes(vsm: Process, name: str) -> None:
    """Wait until the switch has this name."""
    channel = open_aio_channel(vsm.operator)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    request = operator_pb2.ExecuteRequest(session="poll", line="show hostname")
                    if (await operator_stub(channel).Execute(request, timeout=PATIENCE)).output == f"{name}\n":
                        return
                except grpc.aio.AioRpcError:  # it is starting again
                    pass
                await asyncio.sleep(0.05)
    finally:
        await channel.close()


@pytest.fixture
def timed() -> Iterator[tuple[str, ...]]:
    yield ("configure terminal commit-timeout 5", "hostname later", "vlan 77", "end")


@pytest.mark.slow
async def test_a_timed_edit_is_taken_back(vsm: Process, timed: tuple[str, ...]) -> None:
    await vsm.run_lines(*timed)
    await becomes(vsm, "vsm")
    assert "77" not in await vsm.run_lines("show running-config vlan")


@pytest.mark.slow
async def test_its_deadline_outlives_the_supervisor(vsm: Process, timed: tuple[str, ...]) -> None:
    await vsm.run_lines(*timed)
    await vsm.end(signal.SIGKILL)
    await vsm.start()
    await becomes(vsm, "vsm")
    assert "77" not in await vsm.run_lines("show running-config vlan")


@pytest.mark.slow
async def test_a_confirmed_edit_stays(vsm: Process) -> None:
    await vsm.run_lines("configure terminal commit-timeout 60", "hostname later", "end", "configure confirm")
    await vsm.end(signal.SIGKILL)
    await vsm.start()
    with pytest.raises(AssertionError, match="no timed edit is waiting"):
        await vsm.run_lines("configure confirm")
    assert await vsm.run_lines("show hostname") == "later\n"


@pytest.mark.slow
async def test_reload_starts_it_again_with_what_was_saved(vsm: Process) -> None:
    await vsm.run_lines("copy running-config startup-config", "configure terminal", "hostname unsaved", "end")
    await vsm.run_lines("show version > bootflash:version", "terminal dont-ask")
    await vsm.run_lines("reload")
    assert vsm.child.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert (await vsm.child.stdout.readline()).startswith(b"vsm ready")
    assert await vsm.run_lines("show hostname") == "vsm\n"
    assert "Device name: unsaved" in await vsm.run_lines("show file version")
    assert (vsm.data / "bootflash" / "version").stat().st_mode & 0o077 == 0
