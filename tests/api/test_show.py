"""Operator.Show over gRPC: each show command, those that ask modules too, has the data of `| json` and the text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc.aio
import pytest

from dvswitch.client import Supervisor, rows
from dvswitch.errors import Unavailable
from dvswitch.v1 import operator_pb2_grpc
from tests.cli.test_golden import CHANNELS, SHOWN, TEXT_ONLY, terminal
from tests.support.switches import Terminal, state, veth
from vsm.api.operator import OperatorService
from vsm.cli.registry import COMMANDS
from vsm.cli.tables import show_later
from vsm.events.bus import EventBus

MANY = 4_000
"""vEths whose counters are more than gRPC takes by default."""


@asynccontextmanager
async def served(switch: Terminal, directory: Path) -> AsyncIterator[Supervisor]:
    """The operator API of a sample switch."""
    server, address = grpc.aio.server(), f"unix:{directory}/operator"
    service = OperatorService(switch.supervisor, switch.runtime, switch.service, EventBus(lambda: switch.now))
    operator_pb2_grpc.add_OperatorServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(address)
    await server.start()
    try:
        async with Supervisor(address) as client:
            yield client
    finally:
        await server.stop(None)


@pytest.mark.parametrize("channels", [False, True], ids=["plain", "channels"])
async def test_every_show_command_has_its_data(channels: bool, tmp_path: Path) -> None:
    switch = terminal("show port-channel" if channels else "show version")
    async with served(switch, tmp_path) as client:
        lines = [line for line in SHOWN if line.startswith("show ") and line.startswith(CHANNELS) == channels]
        for line in lines:
            text = await switch.service.run("test", f"{line} | no-more")
            shown = await client.show(line)
            if line not in ("show users", "show cli history", "show terminal", "show privilege"):  # of a session
                assert shown.text == text.output, line
            assert shown.revision == switch.state.revision
            if not line.startswith(TEXT_ONLY):
                told = await switch.service.run("test", f"{line} | json")
                assert shown.data == json.loads(told.output) or line == "show privilege", line


async def test_what_modules_are_asked_is_data_too(tmp_path: Path) -> None:
    switch = Terminal()
    asking = [command.syntax for command in COMMANDS if command.ask and command.syntax.startswith("show")]
    assert len(asking) == 3, "else there is more to try here"
    async with served(switch, tmp_path) as client:
        (last,) = rows(await client.show("show drops last"), "last_drops")
        wanted = {"module": "3", "interface": "Veth1", "reason": "forged-tx", "when": "0.3 s ago", "frame": "ffff ff52"}
        assert wanted.items() <= last.items() and switch.asked == [(3, ["drops", "--last"])]
        both = await client.show("show interface vethernet 1 drops")
        assert rows(both, "last_drops") == [last] and rows(both, "drops")[0]["frames"] == "230"
        groups = rows(await client.show("show ip igmp snooping groups"), "igmp_snooping_groups")
        assert groups[1] == {"vlan": "20", "group": "ff05::99", "module": "3", "ports": "Veth2"}
        switch.answers[3] = Unavailable("module 3", "was lost before it answered")
        alone = await client.show("show interface vethernet 1 drops")
        assert rows(alone, "last_drops") == [] and rows(alone, "drops") == rows(both, "drops")
        host = await client.show("show module vem counters")
        assert rows(host, "vemcounters")[0]["inhbeats"] == "10384"


async def test_what_is_refused_has_its_reason(tmp_path: Path) -> None:
    async with served(Terminal(), tmp_path) as client:
        for command in show_later.ROWS:
            with pytest.raises(Unavailable, match="is not supported yet"):
                await client.show(command.syntax.partition(" [")[0])


async def test_a_large_switch_fits_into_an_answer(tmp_path: Path) -> None:
    start = state()
    veths = {number: veth(number % 250 + 1) for number in range(1, MANY + 1)}
    veths = {number: replace(one, number=number) for number, one in veths.items()}
    switch = Terminal(replace(start, inventory=replace(start.inventory, veths=veths)))
    async with served(switch, tmp_path) as client:
        shown = await client.show("show interface")
        assert len(shown.text) > 3_000_000 and len(rows(shown, "interface")) > MANY
