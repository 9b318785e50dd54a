"""How long the network takes to hand a vEth over: from the manager's word that its VM is paused, until the target
forwards.

Real daemons: a supervisor with its store on the disk, two hosts with user engines, NICs on datagram wires.  A hand-over
is one call, so its time holds all of it: the caller's own part, transactions on the disk, both hosts, and the answer.
What it costs the daemons' processors is told beside it, for preparing and handing over together: that depends less on
what else the machine does.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from dvswitch import client
from dvswitch.v1 import manager_pb2 as pb
from tests.bench.results import Results
from tests.support.fabric import CALL_SECONDS, MIGRATE_MS, UPLINK_PROFILE, Fabric, Host, access_profile, home, wire

PROFILE = "bench"
TOGETHER = 50
SINGLE_MOVES = 30
"""Of one vEth, a round."""


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill migration.*; `seconds` does not matter, a move takes as long as it takes."""
    with home() as path, Fabric(path) as fabric:
        fabric.configure(UPLINK_PROFILE, access_profile(PROFILE, 10) + f"max-ports {2 * TOGETHER}")
        ends = {"a": "b", "b": "a"}
        hosts = [
            fabric.add_host(name, "user", uplinks=[f"1,profile=UPLINK,wire=unix:{path}/t{name}>unix:{path}/t{other}"])
            for name, other in ends.items()
        ]
        numbers = [_plug_in(fabric, path, hosts, number) for number in range(1 + TOGETHER)]
        asyncio.run(_measure(fabric, results, rounds, numbers))


def _plug_in(fabric: Fabric, path: Path, hosts: list[Host], number: int) -> int:
    """A NIC on the first host, and its silent twin on the second."""
    mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    first, second = hosts
    plugs = [wire(path / f"n{number}{side}", path / f"g{number}{side}") for side in "ab"]
    found = fabric.attach_forwarding(first, f"vm{number}", mac=mac, profile=PROFILE, plug=plugs[0])
    fabric.attach(second, f"vm{number}", mac=mac, profile=PROFILE, plug=plugs[1], prepare=True)
    return found


async def _measure(fabric: Fabric, results: Results, rounds: int, numbers: list[int]) -> None:
    async with client.open_aio_channel(f"unix:{fabric.operator}") as channel:
        manager = client.manager_stub(channel)
        for key, moving, times in (
            ("one", numbers[:1], rounds * SINGLE_MOVES),
            (f"of_{TOGETHER}", numbers[1:], rounds),
        ):
            before = _processor_seconds(fabric)
            values = [value for turn in range(times) for value in await _move(manager, moving, "ba"[turn % 2])]
            cost = (_processor_seconds(fabric) - before) / len(values)
            values.sort()
            results.add(f"migration.{key}_moves", len(values), "moves")
            results.add(f"migration.{key}_p50_ms", _percentile(values, 50), "ms")
            results.add(f"migration.{key}_p99_ms", _percentile(values, 99), "ms")
            results.add(f"migration.{key}_cpu_ms", cost * 1e3, "ms")


async def _move(manager: Any, numbers: list[int], target: str) -> list[float]:
    """Prepare these vEths on a host, then hand all over at once; milliseconds that each hand-over took."""
    begin, commit = pb.MigrateRequest.BEGIN, pb.MigrateRequest.COMMIT
    await asyncio.gather(*(_step(manager, number, begin, target) for number in numbers))
    return list(await asyncio.gather(*(_step(manager, number, commit) for number in numbers)))


async def _step(manager: Any, number: int, step: Any, target: str = "") -> float:
    start = time.perf_counter()
    request = pb.MigrateRequest(veth=number, step=step, target_host=target, timeout_ms=MIGRATE_MS)
    reply = await manager.Migrate(request, timeout=CALL_SECONDS)
    assert reply.state in ("prepared", "done"), reply
    return (time.perf_counter() - start) * 1e3


def _processor_seconds(fabric: Fabric) -> float:
    """What the supervisor and both hosts have used so far."""
    ticks = 0
    for process in (fabric.vsm, *(host.process for host in fabric.hosts.values())):
        stat = Path(f"/proc/{process.pid}/stat").read_text()
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _percentile(values: list[float], percent: float) -> float:
    """The least value that so many percent of all do not exceed."""
    return values[min(len(values) - 1, max(0, -(-len(values) * int(percent) // 100) - 1))]
