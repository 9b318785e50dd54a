"""How long the supervisor takes from a line of the operator's until every module has confirmed it."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from dvswitch import client
from dvswitch.v1 import operator_pb2
from tests.bench.results import Results
from tests.support.fabric import CALL_SECONDS, DOMAIN, Fabric, access_profile, home
from tests.support.fake_module import FakeModule

MODULES = 20
PORTS, MAX_PORTS = 1000, 1024
PROFILE = "bench"
VLANS = (10, 20)
ALL_IN_SYNC = "All interfaces are in sync."
IN_SYNC = "sync status: in sync"
PATIENCE = 60.0


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill control.*; `seconds` does not matter, an edit takes as long as it takes."""
    with home() as path, Fabric(path) as fabric:
        fabric.configure(f"vlan {VLANS[1]}", access_profile(PROFILE, VLANS[0]) + f"max-ports {MAX_PORTS}")
        asyncio.run(_measure(fabric, results, rounds))


async def _measure(fabric: Fabric, results: Results, rounds: int) -> None:
    async with AsyncExitStack() as stack:
        modules = [await stack.enter_async_context(_module(fabric, number)) for number in range(MODULES)]
        for module in modules:
            await module.synced()
        results.add("control.attach_1000_ms", await _attach_all(modules), "ms")
        channel = client.open_aio_channel(f"unix:{fabric.operator}")
        async with channel:
            operator = Operator(channel)
            await operator.run("configure terminal", f"port-profile type vethernet {PROFILE}")
            for round_number in range(rounds):
                vlan = VLANS[(round_number + 1) % len(VLANS)]
                results.add("control.profile_edit_ms", await _edit(operator, modules, vlan), "ms")
                results.add("control.sync_status_ms", await _show_all(operator), "ms")


class Operator:
    """A CLI session that does not block the modules of this process."""

    def __init__(self, channel: Any) -> None:
        self._stub = client.operator_stub(channel)
        self._session = f"bench-{uuid.uuid4().hex[:8]}"

    async def run(self, *lines: str) -> str:
        """Run lines that must be accepted; the last one's output."""
        output = ""
        for line in lines:
            request = operator_pb2.ExecuteRequest(session=self._session, line=line)
            reply = await self._stub.Execute(request, timeout=CALL_SECONDS)
            assert reply.ok, f"{line}: {reply.output}"
            output = reply.output
        return output


def _module(fabric: Fabric, number: int) -> FakeModule:
    ident = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"bench-{number}"))
    return FakeModule(f"unix:{fabric.socket}", ident, f"host-{number}", domain=DOMAIN)


async def _attach_all(modules: list[FakeModule]) -> float:
    """Every module plugs in its share of the ports; milliseconds until all of them have been told what those are."""
    share = PORTS // len(modules)
    start = time.perf_counter()
    for index, module in enumerate(modules):
        for number in range(share):
            await module.attach(f"vm-{index}-{number}", f"02:00:00:01:{index:02x}:{number:02x}", PROFILE)
    for module in modules:
        await module.until(partial(_has_ports, module, share), PATIENCE)
    return (time.perf_counter() - start) * 1e3


async def _edit(operator: Operator, modules: list[FakeModule], vlan: int) -> float:
    """Milliseconds from the line until the supervisor says of a port of every module that it is in sync with it."""
    start = time.perf_counter()
    await operator.run(f"switchport access vlan {vlan}")
    for module in modules:
        await module.until(partial(_holds, module, vlan))
        port = f"vethernet {next(iter(module.holding.ports))}"
        while IN_SYNC not in await operator.run(f"show port-profile sync-status interface {port}"):
            pass
    return (time.perf_counter() - start) * 1e3


async def _show_all(operator: Operator) -> float:
    """Milliseconds that the supervisor is busy with telling the sync status of all ports."""
    start = time.perf_counter()
    assert ALL_IN_SYNC in await operator.run("show port-profile sync-status")
    return (time.perf_counter() - start) * 1e3


def _has_ports(module: FakeModule, count: int) -> bool:
    return len(module.holding.ports) == count


def _holds(module: FakeModule, vlan: int) -> bool:
    used = {port.policy for port in module.holding.ports.values()}
    return all(module.holding.policies[policy].vlan == vlan for policy in used)
