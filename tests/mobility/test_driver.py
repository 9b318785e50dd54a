"""Migrations over a real server with scripted modules: what each is told, in which order, and what managers hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from dvswitch.client import manager_stub, open_aio_channel
from dvswitch.errors import StorageError
from dvswitch.v1 import manager_pb2 as pb
from dvswitch.v1 import types_pb2
from tests.support.fabric_rig import Rig, host, mac
from tests.support.fake_module import FakeModule
from vsm.mobility.driver import Patience

BEGIN, COMMIT, CANCEL = pb.MigrateRequest.BEGIN, pb.MigrateRequest.COMMIT, pb.MigrateRequest.CANCEL
ACTIVE, PREPARED, DRAINING = types_pb2.Port.ACTIVE, types_pb2.Port.PREPARED, types_pb2.Port.DRAINING


class Stage:
    """Two hosts, vEth 1 on the first, and a manager."""

    def __init__(self, rig: Rig, source: FakeModule, target: FakeModule, manager: Any) -> None:
        self.rig, self.source, self.target, self.manager = rig, source, target, manager

    async def migrate(self, step: int, target: str = "", timeout_ms: int = 60_000) -> pb.MigrateReply:
        request = pb.MigrateRequest(veth=1, step=step, target_host=target, timeout_ms=timeout_ms)  # type: ignore[arg-type]
        reply: pb.MigrateReply = await self.manager.Migrate(request)
        return reply

    async def prepared(self) -> None:
        """Begin, with the NIC being plugged in meanwhile."""
        begun = asyncio.create_task(self.migrate(BEGIN, "kvm-2"))
        await self.target.until(lambda: 1 in self.target.holding.ports)
        await self.target.attach("web1", mac(1), "web", prepare=True)
        assert (await begun).state == "prepared"

    def phase(self, module: FakeModule) -> int | None:
        port = module.holding.ports.get(1)
        return port.phase if port else None

    def frames(self) -> int:
        return self.rig.runtime.counters("Vethernet1").rx_frames


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Rig(tmp_path) as rig, rig.module(1) as source:
        await source.synced()  # so that its slot is 3
        async with rig.module(2) as target:
            await target.synced()
            await source.attach("web1", mac(1), "web")
            await source.port_of("web1")
            channel = open_aio_channel(rig.address)
            yield Stage(rig, source, target, manager_stub(channel))
            await channel.close()


async def test_a_migration_keeps_number_and_counters(stage: Stage) -> None:
    await stage.source.count(1, rx_frames=100)
    await stage.rig.until(lambda: stage.frames() == 100)
    await stage.prepared()
    assert (stage.phase(stage.source), stage.phase(stage.target)) == (ACTIVE, PREPARED)
    stage.source.last[1] = types_pb2.Counters(rx_frames=123)
    reply = await stage.migrate(COMMIT)
    assert (reply.state, reply.veth, reply.slot, reply.generation) == ("done", 1, 4, 2)
    await stage.source.until(lambda: 1 not in stage.source.holding.ports)
    port = stage.target.holding.ports[1]
    assert (port.phase, port.generation, port.announce, port.mac) == (ACTIVE, 2, True, mac(1))
    assert stage.frames() == 123
    await stage.target.count(1, rx_frames=7)
    await stage.rig.until(lambda: stage.frames() == 130)
    assert (await stage.migrate(COMMIT)).state == "done", "a step may be repeated"
    await stage.rig.until(lambda: not stage.rig.state.inventory.moves)


async def test_the_target_stays_silent_until_the_source_has_drained(stage: Stage) -> None:
    await stage.prepared()
    stage.source.drains = False
    committed = asyncio.create_task(stage.migrate(COMMIT))
    await stage.source.until(lambda: stage.phase(stage.source) == DRAINING)
    assert stage.phase(stage.target) == PREPARED
    port = stage.source.holding.ports[1]
    await stage.source.say(drained={"veth": 1, "generation": port.generation})
    await committed
    assert stage.phase(stage.target) == ACTIVE


async def test_cancel_before_commit_leaves_the_source_as_it_was(stage: Stage) -> None:
    await stage.prepared()
    reply = await stage.migrate(CANCEL)
    assert (reply.state, reply.slot) == ("cancelled", 3)
    await stage.target.until(lambda: 1 not in stage.target.holding.ports)
    assert stage.phase(stage.source) == ACTIVE and not stage.rig.state.inventory.moves


async def test_cancel_while_draining_announces_at_the_source_again(stage: Stage) -> None:
    """S-250."""
    await stage.prepared()
    stage.source.drains = False
    stage.source.last[1] = types_pb2.Counters(rx_frames=5)
    committed = asyncio.create_task(stage.migrate(COMMIT))
    await stage.source.until(lambda: stage.phase(stage.source) == DRAINING)
    assert (await stage.migrate(CANCEL)).state == "cancelled"
    await committed
    port = stage.source.holding.ports[1]
    assert (port.phase, port.generation, port.announce) == (ACTIVE, 3, True)
    assert 1 not in stage.target.holding.ports


async def test_an_absent_source_does_not_stop_a_migration(stage: Stage) -> None:
    await stage.prepared()
    await stage.source.close()
    await stage.rig.until(lambda: not stage.rig.fabric.connected(3))
    stage.rig.mobility.patience = Patience(drain=0.5)
    reply = await stage.migrate(COMMIT)
    assert (reply.state, reply.slot) == ("done", 4)
    # It comes back with what it held, claims the vEth, and is sent away.
    await stage.source.open()
    await stage.source.synced()
    assert 1 not in stage.source.holding.ports
    await stage.source.attach("web1", mac(1), "web", veth=1, generation=1)
    await stage.source.refused()


async def test_a_target_where_the_nic_never_comes_is_given_up(stage: Stage) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stage.migrate(BEGIN, "slot 4", timeout_ms=300)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "not plugged in on module 4" in (raised.value.details() or "")
    await stage.target.until(lambda: 1 not in stage.target.holding.ports)
    assert stage.phase(stage.source) == ACTIVE


async def test_a_target_that_refuses_the_port_is_given_up(stage: Stage) -> None:
    """S-256."""
    stage.target.refuses = {"vethernet 1": "no VLAN 10 on its uplinks"}
    begun = asyncio.create_task(stage.migrate(BEGIN, "kvm-2"))
    await stage.target.until(lambda: 1 in stage.target.holding.ports)
    await stage.target.attach("web1", mac(1), "web", prepare=True)
    with pytest.raises(grpc.aio.AioRpcError, match="no VLAN 10"):
        await begun
    assert stage.rig.state.inventory.veths[1].slot == 3


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("nobody", grpc.StatusCode.NOT_FOUND),
        ("kvm-1", grpc.StatusCode.FAILED_PRECONDITION),
        (host(9), grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_a_target_that_cannot_be_is_refused(stage: Stage, target: str, code: grpc.StatusCode) -> None:
    before = stage.rig.state
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stage.migrate(BEGIN, target)
    assert raised.value.code() is code and stage.rig.state is before


async def test_commit_and_cancel_without_a_migration_are_refused(stage: Stage) -> None:
    for step in (COMMIT, CANCEL):
        with pytest.raises(grpc.aio.AioRpcError, match="not migrating"):
            await stage.migrate(step)


async def test_a_nic_that_turns_up_elsewhere_moves_by_itself(stage: Stage) -> None:
    await stage.target.attach("web1", mac(1), "web")
    await stage.target.until(lambda: stage.phase(stage.target) == ACTIVE)
    await stage.source.until(lambda: 1 not in stage.source.holding.ports)
    phases = [
        change.set_port.phase
        for update in stage.source.updates()
        for change in update.changes
        if change.HasField("set_port")
    ]
    assert phases == [ACTIVE, DRAINING]


async def test_a_restarted_supervisor_goes_on_where_it_was(stage: Stage, tmp_path: Path) -> None:
    await stage.prepared()
    stage.source.drains = False
    committed = asyncio.create_task(stage.migrate(COMMIT))
    await stage.source.until(lambda: stage.phase(stage.source) == DRAINING)
    await stage.rig.close()
    with pytest.raises(grpc.aio.AioRpcError):
        await committed
    await stage.source.close()
    await stage.target.close()
    stage.source.drains = True
    async with Rig(tmp_path, drain_timeout=0.5) as again:
        await stage.source.open()
        await stage.target.open()
        await stage.target.until(lambda: stage.phase(stage.target) == ACTIVE)
        await again.until(lambda: not again.state.inventory.moves)
        assert again.state.inventory.veths[1].slot == 4
        await stage.source.close()
        await stage.target.close()


async def test_managers_attach_list_and_detach(stage: Stage) -> None:
    nic = types_pb2.Nic(vm="db1", index=2)
    made = await stage.manager.Attach(pb.ManagerAttachRequest(nic=nic, mac=mac(2), profile="web"))
    assert (made.veth, made.slot, made.state, made.reason) == (2, 0, "down", "nonParticipating")
    listed = (await stage.manager.ListVeths(pb.ListVethsRequest())).veths
    assert [(info.veth, info.nic.vm, info.host) for info in listed] == [(1, "web1", "kvm-1"), (2, "db1", "")]
    gone = await stage.manager.Detach(pb.DetachRequest(nic=types_pb2.Nic(vm="web1")))
    assert (gone.veth, gone.slot) == (1, 0)
    await stage.source.until(lambda: not stage.source.holding.ports)
    for request, code in (
        (pb.ManagerAttachRequest(nic=nic, mac="x", profile="web"), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.ManagerAttachRequest(nic=types_pb2.Nic(), mac=mac(3), profile="web"), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.ManagerAttachRequest(nic=nic, mac=mac(2), profile="no"), grpc.StatusCode.NOT_FOUND),
        (pb.ManagerAttachRequest(nic=nic, mac=mac(1), profile="web"), grpc.StatusCode.FAILED_PRECONDITION),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stage.manager.Attach(request)
        assert raised.value.code() is code


async def test_a_full_disk_is_told_to_the_manager(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(old: object, new: object) -> None:
        raise StorageError("store", "did not take the change: disk full", "free space")

    monkeypatch.setattr(stage.rig.store, "save", full)
    before = stage.rig.state
    request = pb.ManagerAttachRequest(nic=types_pb2.Nic(vm="db1"), mac=mac(2), profile="web")
    with pytest.raises(grpc.aio.AioRpcError, match="disk full") as raised:
        await stage.manager.Attach(request)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and stage.rig.state is before
