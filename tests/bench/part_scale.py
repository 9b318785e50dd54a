"""A thousand ports on one host: attaching them one after another, and all of them losing their uplink."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.agent.supervisor import until
from tests.bench.results import Results
from tests.support.fabric import Fabric, access_profile, home, tap, wire
from tests.support.netns import Lab, Namespace
from tests.support.thousand import PORTS, BigHost, MemoryPorts, Ports, TapPorts, big_host
from vem.datapath.choose import why_no_kernel

MAX_PORTS = 1023
PROFILE = "bench"
PATIENCE = 60.0


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill scale.*: one attach round an engine, and as many failovers and failbacks as rounds."""
    _attach_all(results, "user", None)
    if reason := why_no_kernel():
        results.skip("scale.kernel", reason)
        results.skip("scale.user.failover", reason)  # its uplinks are real devices
        return
    with Lab() as lab:
        _attach_all(results, "kernel", lab.namespace("host"))
    kinds: dict[str, Callable[[ExitStack], Ports]] = {"user": MemoryPorts, "kernel": TapPorts}
    for engine, kind in kinds.items():
        with ExitStack() as stack, home() as path:
            asyncio.run(_fail_over(results, engine, kind(stack), path, rounds))


def _attach_all(results: Results, engine: str, where: Namespace | None) -> None:
    """Each attach waits for the one before, over a connection of its own as `vem attach` makes one."""
    with home() as path, Fabric(path) as fabric:
        fabric.configure(access_profile(PROFILE, 10) + f"max-ports {MAX_PORTS}")
        host = fabric.add_host("bench", engine, where=where)
        start = time.perf_counter()
        for number in range(PORTS):
            mac = f"02:00:00:02:{number >> 8:02x}:{number & 255:02x}"
            plug = tap(f"tap{number}") if engine == "kernel" else wire(path / f"p{number}", path / f"g{number}")
            fabric.attach_forwarding(host, f"vm-{number}", mac=mac, profile=PROFILE, plug=plug)
        results.add(f"scale.{engine}.attach_{PORTS}_s", time.perf_counter() - start, "s")


async def _fail_over(results: Results, engine: str, ports: Ports, path: Path, rounds: int) -> None:
    async with big_host(ports, path) as host:
        await until(lambda: _on(host) == {1, 2} and _quiet(host), "all ports on both uplinks", PATIENCE)
        for _ in range(rounds):
            for state, left in (("down", {2}), ("up", {1, 2})):
                start = time.perf_counter()
                await asyncio.to_thread(host.cable, 1, state)
                await until(lambda left=left: _on(host) == left, f"cable {state}", PATIENCE)
                name = {"down": "failover", "up": "failback"}[state]
                results.add(f"scale.{engine}.{name}_{PORTS}_ms", (time.perf_counter() - start) * 1e3, "ms")
                await until(lambda: _quiet(host), "all announced", PATIENCE)
                results.add(f"scale.{engine}.{name}_announced_ms", (time.perf_counter() - start) * 1e3, "ms")


def _on(host: BigHost) -> set[int]:
    """Uplinks in use."""
    return set(host.pinned().values())


def _quiet(host: BigHost) -> bool:
    """Nothing is left to be announced."""
    return not host.bench.agent._announcer._frames
