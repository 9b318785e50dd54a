"""Port groups as managers see them: the watch, its resumption, slow watchers, and what operators may not take away."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from dvswitch.client import manager_stub, open_aio_channel, operator_stub
from dvswitch.v1 import manager_pb2 as pb
from dvswitch.v1 import operator_pb2, types_pb2
from tests.api.test_daemon import SETUP, Process, home, vsm  # noqa: F401 - fixtures
from tests.support.fabric_rig import mac
from tests.support.fake_module import PATIENCE

pytestmark = pytest.mark.slow

PUBLISH = ("configure terminal", "port-profile web", "port-group WEB", "end")


@asynccontextmanager
async def watching(address: str, manager: str = "KVM") -> AsyncIterator[Any]:
    """A watch of the port groups."""
    channel = open_aio_channel(address)
    call = manager_stub(channel).WatchPortGroups(pb.WatchPortGroupsRequest(manager=manager, version="libvirt 10"))
    try:
        yield call
    finally:
        call.cancel()
        await channel.close()


async def told(watch: Any) -> tuple[bool, list[str], list[str], list[str]]:
    """(snapshot, added, changed, removed) of the next message."""
    async with asyncio.timeout(PATIENCE):
        update = await watch.read()
    return (
        update.snapshot,
        *([group.name for group in groups] for groups in (update.added, update.changed, update.removed)),
    )  # type: ignore[return-value]


async def refused(call: Any, code: grpc.StatusCode, words: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async with asyncio.timeout(PATIENCE):
            await call
    assert raised.value.code() is code and words in str(raised.value.details())


async def test_the_catalogue_and_its_changes(vsm: Process) -> None:  # noqa: F811
    await vsm.run_lines(*SETUP)
    async with watching(vsm.operator) as watch:
        assert await told(watch) == (True, [], [], [])
        await vsm.run_lines(*PUBLISH)
        assert await told(watch) == (False, ["WEB"], [], [])
        await vsm.run_lines("configure terminal", "port-profile web", "description for the shop", "max-ports 7")
        changed: list[Any] = []
        while not changed or changed[-1].max_ports != 7:  # two edits may come as one message
            changed += (await watch.read()).changed
        group = changed[-1]
        assert (group.profile, group.type, group.description, group.min_ports) == ("web", 0, "for the shop", 1)
        await vsm.run_lines("configure terminal", "port-profile web", "port-group SHOP")
        assert await told(watch) == (False, [], ["SHOP"], [])
        await vsm.run_lines("configure terminal", "port-profile web", "switchport access vlan 1")
        await vsm.run_lines("configure terminal", "no port-profile web")
        assert await told(watch) == (False, [], [], ["SHOP"]), "vlans are not the managers' business"


async def test_a_watcher_begins_anew_after_kill_9(vsm: Process) -> None:  # noqa: F811
    await vsm.run_lines(*SETUP, *PUBLISH)
    async with watching(vsm.operator) as watch:
        first = await watch.read()
        await vsm.end(signal.SIGKILL)
        await refused(watch.read(), grpc.StatusCode.UNAVAILABLE, "")
    await vsm.start()
    async with watching(vsm.operator) as watch:
        second = await watch.read()
    assert second.snapshot and list(second.added) == list(first.added) and second.revision == first.revision


async def test_a_watcher_that_does_not_read_stalls_nobody(vsm: Process) -> None:  # noqa: F811
    """It gets few large messages in the place of many, and nothing is lost."""
    await vsm.run_lines(*SETUP, *PUBLISH)
    profiles = [f"p{number}" for number in range(200)]
    text = [line for name in profiles for line in (f"port-profile {name}", "port-group", "state enabled")]
    edits = 3000
    async with watching(vsm.operator) as lazy, watching(vsm.operator, "keen") as keen:
        await lazy.read()
        await keen.read()
        channel = open_aio_channel(vsm.operator)
        await operator_stub(channel).Configure(operator_pb2.ConfigureRequest(lines=text), timeout=PATIENCE)
        for number in range(0, edits, 200):
            lines = [
                line for name in profiles for line in (f"port-profile {name}", f"description {number} {'x' * 200}")
            ]
            await operator_stub(channel).Configure(operator_pb2.ConfigureRequest(lines=lines), timeout=PATIENCE)
        await vsm.run_lines("configure terminal", "port-profile web", "description the end")
        catalogues = []
        for watch in (keen, lazy):
            known: dict[int, Any] = {}
            async with asyncio.timeout(PATIENCE):
                while not any(group.description == "the end" for group in known.values()):
                    update = await watch.read()
                    known |= {group.id: group for group in (*update.added, *update.changed)}
            catalogues.append(known)
        await channel.close()
    assert catalogues[0] == {**catalogues[0], **catalogues[1]}
    assert len(catalogues[1]) == 201
    assert all("2800 xx" in group.description for key, group in catalogues[1].items() if group.name != "WEB")


async def test_nics_are_attached_by_port_group_up_to_max_ports(vsm: Process) -> None:  # noqa: F811
    await vsm.run_lines(*SETUP, *PUBLISH)
    await vsm.run_lines("configure terminal", "port-profile web", "max-ports 2")
    channel = open_aio_channel(vsm.operator)
    manager = manager_stub(channel)

    def attach(number: int, **where: str) -> Any:
        nic = types_pb2.Nic(vm=f"vm{number}")
        return manager.Attach(pb.ManagerAttachRequest(nic=nic, mac=mac(number), **where), timeout=PATIENCE)

    assert (await attach(1, port_group="WEB")).profile == "web"
    assert (await attach(2, profile="web")).profile == "web"
    assert (await attach(2, port_group="WEB")).veth == 2, "it has its port already"
    precondition, missing = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND
    await refused(attach(3, port_group="WEB"), precondition, "port-profile web: all 2 ports are in use; raise its max-")
    await refused(attach(3, port_group="DB"), missing, "port-group DB: does not exist")
    await refused(attach(3, port_group="WEB", profile="web"), grpc.StatusCode.INVALID_ARGUMENT, "either")
    await refused(attach(3), grpc.StatusCode.INVALID_ARGUMENT, "either")
    for line in ("no port-group", "no state enabled", "port-group OTHER"):
        with pytest.raises(AssertionError, match=r"while used by 2 interfaces \(Vethernet1, ...\): move or remove"):
            await vsm.run_lines("configure terminal", "port-profile web", line)
    with pytest.raises(AssertionError, match="in use by interface Vethernet1 and 1 more"):
        await vsm.run_lines("configure terminal", "no port-profile web")
    await channel.close()


async def test_connections_are_shown_and_can_be_closed(vsm: Process) -> None:  # noqa: F811
    await vsm.run_lines(*SETUP, *PUBLISH)
    assert "Status: Config not pushed to VC." in await vsm.run_lines("show svs domain")
    async with watching(vsm.operator) as watch:
        await watch.read()
        shown = json.loads(await vsm.run_lines("show svs connections KVM | json"))
        row = shown["TABLE_svs_connections"]["ROW_svs_connections"]
        assert (row["config_status"], row["oper_status"]) == ("Not configured", "Connected")
        assert (row["version"], row["remote_ip"]) == ("libvirt 10", "local")
        await vsm.run_lines("configure terminal", "svs connection KVM")
        await refused(watch.read(), grpc.StatusCode.FAILED_PRECONDITION, "svs connection KVM: is not enabled; say 'con")
    disabled = await vsm.run_lines("show svs connections")
    assert "config status: Disabled" in disabled and "operational status: Disconnected" in disabled
    async with watching(vsm.operator) as watch:
        await refused(watch.read(), grpc.StatusCode.FAILED_PRECONDITION, "not enabled")
    await vsm.run_lines("configure terminal", "svs connection KVM", "connect")
    async with watching(vsm.operator) as watch:
        assert await told(watch) == (True, ["WEB"], [], [])
        assert "connection KVM:" in await vsm.run_lines("show svs connections")
    async with watching(vsm.operator, "") as watch:
        await refused(watch.read(), grpc.StatusCode.INVALID_ARGUMENT, "tells no name")
