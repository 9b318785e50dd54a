"""Module sessions over a real gRPC server: joining, resuming, edits, refusals, absence, bad input."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from dvswitch.client import open_aio_channel
from dvswitch.v1 import fabric_pb2 as pb
from tests.support.fabric_rig import FAST, Rig, host, mac, with_profile
from tests.support.fake_module import PATIENCE
from vsm.model.state import ProfileType


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path) as served:
        yield served


def code_of(error: Exception) -> grpc.StatusCode:
    assert isinstance(error, grpc.aio.AioRpcError), error
    return error.code()


async def test_a_new_host_gets_the_lowest_slot_and_a_snapshot(rig: Rig) -> None:
    async with rig.module(1) as module:
        await module.synced()
        assert module.welcome is not None and module.welcome.slot == 3
        [update] = module.updates()
        assert update.snapshot and update.commit
        assert module.holding.switch is not None and module.holding.switch.domain == 1
        await rig.until(lambda: rig.fabric.applied(3, rig.state.revision))
        status = rig.runtime.module(3)
        assert status is not None and status.connected and status.acked_revision == update.revision


async def test_slots_are_sticky_by_host_uuid(rig: Rig) -> None:
    async with rig.module(1) as one, rig.module(2) as two:
        await one.synced()
        await two.synced()
    async with rig.module(2) as two:
        await two.synced()
        assert two.welcome is not None and two.welcome.slot == 4


async def test_a_foreign_domain_is_refused_and_changes_nothing(rig: Rig) -> None:
    before = rig.state
    async with rig.module(1, domain=7) as module:
        error = await module.finished()
    assert code_of(error) is grpc.StatusCode.FAILED_PRECONDITION
    assert "kvm-1" in str(error) and "domain 7" in str(error)
    assert rig.state is before


async def test_an_attached_nic_gets_a_port_with_its_policy(rig: Rig) -> None:
    async with rig.module(1) as module:
        await module.synced()
        await module.attach("web1", mac(1), "web")
        port = await module.port_of("web1")
        assert (port.veth, port.generation, port.announce) == (1, 1, False)
        assert module.holding.policies[port.policy].vlan == 10


async def test_a_module_that_holds_the_present_state_gets_no_update(rig: Rig) -> None:
    module = rig.module(1)
    async with module:
        await module.synced()
        await module.attach("web1", mac(1), "web")
        await module.port_of("web1")
        await rig.until(lambda: rig.fabric.applied(3, rig.state.revision))
    module.received.clear()
    async with module:
        await module.synced()
        assert module.updates() == []


async def test_a_module_that_was_away_gets_only_the_difference(rig: Rig) -> None:
    module = rig.module(1)
    async with module:
        await module.synced()
        await module.attach("web1", mac(1), "web")
        await module.port_of("web1")
        await rig.until(lambda: rig.fabric.applied(3, rig.state.revision))
    rig.supervisor.transact(with_profile("web", vlan=20))
    module.received.clear()
    async with module:
        await module.synced()
        [update] = module.updates()
        assert not update.snapshot
        assert [change.WhichOneof("change") for change in update.changes] == ["set_policy"]
        assert module.holding.policies[1].vlan == 20


@pytest.mark.parametrize("spoil", ["digest", "revision"])
async def test_a_module_that_holds_something_else_gets_a_snapshot(rig: Rig, spoil: str) -> None:
    module = rig.module(1)
    async with module:
        await module.synced()
        await rig.until(lambda: rig.fabric.applied(3, rig.state.revision))
    if spoil == "digest":
        assert module.holding.switch is not None
        module.holding.switch.mtu = 9000
    else:
        module.holding.revision = rig.state.revision + 1000
    module.received.clear()
    async with module:
        await module.synced()
        assert module.updates()[0].snapshot


async def test_many_commits_in_one_turn_become_one_update(rig: Rig) -> None:
    async with rig.module(1) as module:
        await module.synced()
        await module.attach("web1", mac(1), "web")
        await module.port_of("web1")
        await rig.until(lambda: rig.fabric.applied(3, rig.state.revision))
        module.received.clear()
        for vlan in range(100, 200):
            rig.supervisor.transact(with_profile("web", vlan=vlan))
        await module.until(lambda: module.holding.policies[1].vlan == 199)
        assert len(module.updates()) == 1


async def test_refusals_are_kept_with_the_module(rig: Rig) -> None:
    async with rig.module(1) as module:
        await module.synced()
        module.refuses = {"policy 1 (web)": "no room"}
        await module.attach("web1", mac(1), "web")
        await module.port_of("web1")
        await rig.until(lambda: bool(rig.runtime.module(3).refusals))  # type: ignore[union-attr]
        assert rig.runtime.module(3).refusals == (("policy 1 (web)", "no room"),)  # type: ignore[union-attr]
        counted = rig.runtime.session_counts(3)
        assert (counted.refused, counted.inserted, counted.removed) == (1, 1, 0)
        assert counted.in_messages >= 2 and counted.out_messages >= 2
    await rig.until(lambda: counted.removed == 1)


@pytest.mark.parametrize(
    ("vm", "address", "profile", "words"),
    [
        ("web1", "01:00:5e:00:00:01", "web", "can't be a NIC's own"),
        ("web1", "rubbish", "web", "malformed"),
        ("web1", mac(1), "nowhere", "port-profile nowhere"),
        ("other", mac(99), "web", "vethernet 1, NIC 0 of VM first"),
    ],
)
async def test_an_attach_that_cannot_be_done_is_refused_by_name(
    rig: Rig, vm: str, address: str, profile: str, words: str
) -> None:
    async with rig.module(1) as module:
        await module.synced()
        await module.attach("first", mac(99), "web")
        await module.port_of("first")
        before = rig.state
        await module.attach(vm, address, profile, request="r1")
        refused = await module.refused("r1")
        assert words in refused.reason
        assert rig.state is before


async def test_a_silent_module_is_absent_and_its_ports_stay(tmp_path: Path) -> None:
    async with Rig(tmp_path, replace(FAST, absent=2.0)) as rig, rig.module(1) as module:
        await module.synced()
        await module.attach("web1", mac(1), "web")
        await module.port_of("web1")
        module.heartbeat = 0
        error = await module.finished()
    assert code_of(error) is grpc.StatusCode.DEADLINE_EXCEEDED and "nothing heard" in str(error)
    status = rig.runtime.module(3)
    assert status is not None and not status.connected
    assert rig.state.inventory.veths[1].slot == 3


async def test_heartbeats_keep_a_quiet_session_alive_both_ways(rig: Rig) -> None:
    async with rig.module(1) as module:
        await module.synced()
        await module.until(lambda: sum(m.HasField("heartbeat") for m in module.received) >= 10)
        assert module.ended is None
        beats = [m.heartbeat for m in module.received if m.HasField("heartbeat")]
        counted = rig.runtime.session_counts(3)
        assert counted.out_beats >= 10 and counted.in_beats > 0
        assert [beat.sequence for beat in beats] == list(range(1, len(beats) + 1))


async def test_a_second_session_of_a_host_replaces_the_first(rig: Rig) -> None:
    async with rig.module(1) as first:
        await first.synced()
        async with rig.module(1) as second:
            await second.synced()
            assert code_of(await first.finished()) is grpc.StatusCode.ABORTED
            status = rig.runtime.module(3)
            assert status is not None and status.connected
            await second.attach("web1", mac(1), "web")
            await second.port_of("web1")


@pytest.mark.parametrize(
    "message",
    [
        {"ack": pb.Ack(revision=12345)},
        {"uplink": pb.UplinkState(number=99, present=True)},
        {"channels": pb.ChannelReport(channels=[pb.Channel(members=[pb.ChannelMember(uplink=99)])])},
        {"neighbors": pb.NeighborReport(neighbors=[pb.Neighbor(uplink=1, management=["x"])])},
        {"port": pb.PortState(veth=0)},
        {"drained": pb.PortDrained(veth=2_000_000)},
        {"macs": pb.MacReport(macs=[pb.LearnedMac(mac="nonsense", vlan=1, veth=1)])},
        {"hello": pb.Hello(protocol=1, domain=1, host_uuid=host(9))},
        {},
    ],
    ids=str,
)
async def test_a_bad_message_ends_only_that_session(rig: Rig, message: dict[str, object]) -> None:
    async with rig.module(1) as bad, rig.module(2) as good:
        await bad.synced()
        await good.synced()
        await bad.say(**message)
        assert code_of(await bad.finished()) is grpc.StatusCode.INVALID_ARGUMENT
        await good.attach("web1", mac(1), "web")
        await good.port_of("web1")


@pytest.mark.parametrize("after_hello", [False, True])
async def test_truncated_protobuf_ends_only_that_call(rig: Rig, after_hello: bool) -> None:
    hello = pb.ModuleMessage(hello=rig.module(1).hello).SerializeToString()
    channel = open_aio_channel(rig.address)
    call = channel.stream_stream("/dvswitch.v1.Fabric/Session")()
    try:
        async with asyncio.timeout(PATIENCE):
            if after_hello:
                await call.write(hello)
                await call.read()
            await call.write(hello[: len(hello) // 2])
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                while await call.read() is not grpc.aio.EOF:
                    pass
        assert raised.value.code() is not grpc.StatusCode.OK
    finally:
        await channel.close()
    async with rig.module(2) as module:
        await module.synced()


async def test_a_module_that_does_not_read_or_acknowledge_delays_nobody(rig: Rig) -> None:
    async with rig.module(1) as stuck, rig.module(2) as good:
        await stuck.synced()
        await good.synced()
        await stuck.attach("slow", mac(1), "web")
        await good.attach("quick", mac(2), "web")
        await stuck.port_of("slow")
        await good.port_of("quick")
        stuck.acks = False
        stuck.read(False)
        for vlan in range(100, 150):
            rig.supervisor.transact(with_profile("web", vlan=vlan))
            await good.until(lambda vlan=vlan: good.holding.policies[1].vlan == vlan)
        assert len(stuck.updates()) <= 12
        stuck.read(True)


async def test_uplinks_come_and_go(rig: Rig) -> None:
    rig.supervisor.transact(with_profile("up", kind=type(rig.state.config.profiles["web"].type).ETHERNET))
    async with rig.module(1) as module:
        await module.synced()
        await module.say(uplink=pb.UplinkState(number=1, adapter="eth1", profile="up", link_up=True, present=True))
        await module.until(lambda: 1 in module.holding.uplinks)
        assert module.holding.uplinks[1].policy == 2
        await module.say(uplink=pb.UplinkState(number=1, present=False))
        await module.until(lambda: 1 not in module.holding.uplinks)
        assert not rig.state.inventory.uplinks


async def test_a_full_disk_refuses_the_attach_and_the_daemon_lives(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvswitch.errors import StorageError

    def full(old: object, new: object) -> None:
        raise StorageError("store", "did not take the change: disk full", "free space")

    async with rig.module(1) as module:
        await module.synced()
        with monkeypatch.context() as patch:
            patch.setattr(rig.store, "save", full)
            await module.attach("web1", mac(1), "web")
            assert "disk full" in (await module.refused()).reason
        await module.attach("web1", mac(1), "web")
        await module.port_of("web1")


async def test_reported_ports_and_addresses_can_be_read(rig: Rig) -> None:
    async with rig.module(1) as module:
        await module.synced()
        await module.attach("web1", mac(1), "web")
        await module.port_of("web1")
        await module.say(port=pb.PortState(veth=1, link_up=True, forwarding=True, pinned_uplink=2))
        learned = pb.LearnedMac(mac="52:54:00:aa:bb:cc", vlan=10, uplink=2, age_s=7)
        await module.say(macs=pb.MacReport(macs=[learned]))
        await rig.until(lambda: bool(rig.runtime.learned_macs()))
        [row] = rig.runtime.learned_macs()
        assert (row.vlan, row.interface, row.slot, row.age, row.static) == (10, "Ethernet3/2", 3, 7, False)
        status = rig.runtime.port(1)
        assert status is not None and status.forwarding and status.pinned_uplink == 2
    await rig.until(lambda: rig.runtime.learned_macs() == [])


@pytest.mark.slow
async def test_an_edit_reaches_a_thousand_ports_on_twenty_modules_as_one_change_each(rig: Rig) -> None:
    # How long it takes is measured by `make bench`.
    rig.supervisor.transact(with_profile("web", max_ports=2000))
    modules = [rig.module(number) for number in range(20)]
    try:
        await asyncio.gather(*(module.open() for module in modules))
        await asyncio.gather(*(module.synced() for module in modules))
        for index in range(1000):
            await modules[index % 20].attach(f"vm{index}", mac(index), "web")
        for module in modules:
            await module.until(lambda module=module: len(module.holding.ports) == 50, 60)
        slots = [module.welcome.slot for module in modules if module.welcome]
        await rig.until(lambda: all(rig.fabric.applied(slot, rig.state.revision) for slot in slots))
        for module in modules:
            module.received.clear()
        edited = rig.supervisor.transact(with_profile("web", vlan=77, max_ports=2000)).revision
        await rig.until(lambda: all(rig.fabric.applied(slot, edited) for slot in slots))
        assert all(module.holding.policies[1].vlan == 77 for module in modules)
        assert all(len(module.updates()[0].changes) == 1 for module in modules)
    finally:
        await asyncio.gather(*(module.close() for module in modules))


async def test_hostname_reaches_the_modules(rig: Rig) -> None:
    async with rig.module(1) as module:
        await module.synced()
        rig.supervisor.transact(lambda state: replace(state, config=replace(state.config, hostname="core")))
        await module.until(lambda: module.holding.switch is not None and module.holding.switch.name == "core")


async def test_events_of_a_module_are_told_and_kept(rig: Rig) -> None:
    """What its frames show comes up as an event, and a guest that provokes many is cut short."""
    told = rig.bus.listen(["host"])
    async with rig.module(1) as module:
        await module.synced()
        text = "02:00:00:00:00:01 of vethernet 1 is used outside."
        await module.say(event=pb.LogEvent(kind="duplicate_mac", object="vethernet 1", text=text, veth=1))
        event = await anext(told)
        assert (event.news.object, event.news.what, event.news.veth) == ("vethernet 1", "duplicate_mac", 1)
        assert event.news.text == f"Module 3: {text}"
        started = time.monotonic()
        for _ in range(200):
            await module.say(event=pb.LogEvent(kind="mac_move", text="x"))
        await module.say(attached=pb.PortAttached(mac="nonsense"))
        await module.refused()
        seconds = int(time.monotonic() - started) + 1
        kept = [line.what for line in rig.runtime.recent()]
        assert kept.count("duplicate_mac") == 1 and 10 < kept.count("mac_move") < 50 * (seconds + 1)


@pytest.mark.parametrize("event", [pb.LogEvent(kind="No Word"), pb.LogEvent(kind="x", text="a\nb"), pb.LogEvent()])
async def test_badly_worded_events_end_the_session(rig: Rig, event: pb.LogEvent) -> None:
    async with rig.module(1) as module:
        await module.synced()
        await module.say(event=event)
        assert code_of(await module.finished()) is grpc.StatusCode.INVALID_ARGUMENT
    assert not [line for line in rig.runtime.recent() if line.kind == "host"]


async def test_channels_get_numbers_that_outlive_the_supervisor(rig: Rig) -> None:
    rig.supervisor.transact(with_profile("up", kind=ProfileType.ETHERNET))
    report = pb.ChannelReport(channels=[pb.Channel(policy=2, members=[pb.ChannelMember(uplink=1)])])
    neighbors = pb.NeighborReport(neighbors=[pb.Neighbor(uplink=1, chassis="leaf", port="1", hold_s=60, left_s=60)])
    async with rig.module(2), rig.module(1) as module:
        await module.synced()
        await module.say(channels=report)
        await module.say(neighbors=neighbors)
        await rig.until(lambda: bool(rig.runtime.neighbors()))
        assert module.welcome is not None
        slot = module.welcome.slot
        assert rig.runtime.channel(slot, 2) is not None and rig.state.inventory.channels == {(slot, 2): 1}
        assert rig.store.load().inventory.channels == {(slot, 2): 1}
    await rig.until(lambda: not rig.runtime.neighbors())


async def test_messages_that_waited_together_count_one_by_one(rig: Rig) -> None:
    async with rig.module(1) as module:
        await module.synced()
        heard = rig.runtime.session_counts(3).in_messages
        two = [pb.UplinkState(number=n, adapter=f"eth{n}", link_up=True, present=True) for n in (1, 2)]
        await module.say(several=pb.Several(messages=[pb.ModuleMessage(uplink=one) for one in two]))
        await rig.until(lambda: rig.state.inventory.uplinks.keys() == {(3, 1), (3, 2)})
        assert rig.runtime.session_counts(3).in_messages >= heard + 2
