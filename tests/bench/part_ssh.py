"""How long an operator waits for the prompt over SSH while many others work.

The others and the modules live in a process of their own, so that what they cost their clients does not count.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import statistics
import time
import uuid
from contextlib import AsyncExitStack
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from tests.bench.results import Results
from tests.support.fabric import DOMAIN, Fabric, home
from tests.support.fake_module import FakeModule

SESSIONS, MODULES = 50, 60
PROBES = 300
PERIOD = 0.5
"""Seconds between two commands of a busy session."""
PASSWORD = "Bench-w0rd-9"
PATIENCE = 120.0


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill ssh.*; `seconds` does not matter, a fixed number of prompts is waited for."""
    with home() as path:
        (path / "password").write_text(f"{PASSWORD}\n")
        options = ("--ssh", "127.0.0.1:0", "--admin-password-file", str(path / "password"))
        with Fabric(path, options) as fabric:
            port = _port(path / "vsm.log")
            asyncio.run(_probe(results, port, "ssh.prompt_idle", rounds))
            _with_load(fabric, port, lambda: asyncio.run(_probe(results, port, "ssh.prompt", rounds)))


def _port(log: Path) -> int:
    found = re.search(r"ssh:127\.0\.0\.1:(\d+)", log.read_text())
    assert found, "the supervisor says where it listens"
    return int(found[1])


def _with_load(fabric: Fabric, port: int, work: Any) -> None:
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    load = context.Process(target=_load, args=(str(fabric.socket), port, ready, stop), daemon=True)
    load.start()
    try:
        assert ready.wait(PATIENCE), "the load did not come up"
        work()
    finally:
        stop.set()
        load.join(PATIENCE)


def _load(socket: str, port: int, ready: Event, stop: Event) -> None:
    asyncio.run(_busy(socket, port, ready, stop))


async def _busy(socket: str, port: int, ready: Event, stop: Event) -> None:
    async with AsyncExitStack() as stack:
        for number in range(MODULES):
            ident = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"ssh-bench-{number}"))
            module = FakeModule(f"unix:{socket}", ident, f"host-{number}", domain=DOMAIN)
            await stack.enter_async_context(module)
        shells = [await Shell.opened(port) for _ in range(SESSIONS)]
        for shell in shells:
            await shell.says("terminal length 0\r")
        working = [asyncio.create_task(_work(shell, number)) for number, shell in enumerate(shells)]
        ready.set()
        await asyncio.to_thread(stop.wait)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def _work(shell: Shell, number: int) -> None:
    await asyncio.sleep(PERIOD * number / SESSIONS)
    while True:
        began = time.monotonic()
        await shell.says("show version\r")
        await asyncio.sleep(max(0.0, PERIOD - (time.monotonic() - began)))


async def _probe(results: Results, port: int, key: str, rounds: int) -> None:
    for _ in range(rounds):
        began = time.perf_counter()
        shell = await Shell.opened(port)
        login = time.perf_counter() - began
        waits = []
        for _ in range(PROBES):
            began = time.perf_counter()
            await shell.says("\r")
            waits.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(0.01)
        shell.close()
        results.add(f"{key}_median_ms", statistics.median(waits), "ms")
        if key == "ssh.prompt":
            results.add(f"{key}_p99_ms", statistics.quantiles(waits, n=100)[98], "ms")
            results.add("ssh.login_ms", login * 1e3, "ms")


class Shell:
    """A terminal over SSH, as light as the client library allows."""

    def __init__(self, connection: Any, process: Any) -> None:
        self._connection, self._process = connection, process

    @classmethod
    async def opened(cls, port: int) -> Shell:
        """Log in and wait for the prompt."""
        import asyncssh

        connection = await asyncssh.connect(
            "127.0.0.1", port, username="admin", password=PASSWORD, known_hosts=None, config=None, client_keys=None
        )
        shell = cls(connection, await connection.create_process(term_type="vt100"))
        await shell.says("")
        return shell

    async def says(self, text: str) -> None:
        """Type and wait for the prompt."""
        self._process.stdin.write(text)
        async with asyncio.timeout(PATIENCE):
            await self._process.stdout.readuntil("# ")

    def close(self) -> None:
        """Hang up."""
        self._connection.abort()
