"""Modules in mode NIV: who may speak for their ports, what host and card are told and believed, and what a change of
mode does to ports, counters and migrations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from dvswitch.errors import Unavailable
from dvswitch.v1 import fabric_pb2 as pb
from dvswitch.v1 import types_pb2
from tests.support.fabric_rig import Rig, host, mac, with_profile
from tests.support.fake_module import FakeModule
from vsm.model.cards import ways_told
from vsm.model.niv import DVS, Card, HostMode, ModeKind, Tagging, Way
from vsm.model.state import ProfileType, State

NIV, VEPA = HostMode(ModeKind.NIV, Tagging.VNTAG), HostMode(ModeKind.VEPA)
HOST, OTHER, VIS = 1, 2, 9
"""Numbers of hosts; they get slots 3, 4 and 5 in that order where all join."""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path) as served:
        yield served


def link(vis: int = VIS, state: pb.NivLink.State = pb.NivLink.UP, *vifs: pb.NivLink.Vif) -> pb.NivLink:
    return pb.NivLink(
        uplink=1, vis_uuid=host(vis), vis_name=f"vis-{vis}", vis_port="p1", tagging=types_pb2.Mode.VNTAG, state=state,
        vifs=vifs,
    )  # fmt: skip


async def tell(module: FakeModule, *links: pb.NivLink) -> None:
    await module.say(niv=pb.NivReport(links=links))


class Niv:
    """A host in slot 3 with NIC "web1" (vEth 1), a VIS in slot 4 that it is connected to, and the host's card."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.stack = rig, AsyncExitStack()
        self.host, self.vis, self.card = rig.module(HOST), rig.vis(VIS), rig.card(HOST, VIS)

    async def __aenter__(self) -> Niv:
        await self.stack.enter_async_context(self.host)
        await self.host.synced()
        await self.stack.enter_async_context(self.vis)
        await self.vis.synced()
        await self.host.attach("web1", mac(1), "web")
        await self.host.port_of("web1")
        await tell(self.host, link())
        await self.rig.until(lambda: self.rig.state.inventory.ways == {3: (Way(1, host(VIS)),)})
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stack.aclose()

    async def to_niv(self) -> None:
        """Change the mode, and have the card take over."""
        self.rig.mode(3, NIV)
        await self.card_comes()
        await self.host.until(lambda: not self.host.holding.ports)

    async def card_comes(self) -> None:
        await self.stack.enter_async_context(self.card)
        await self.card.synced()
        await self.card.attach("web1", mac(1), "web", veth=1, generation=1)
        await self.rig.until(lambda: self.rig.runtime.is_plugged(3, 1))


async def refusal(module: FakeModule) -> str:
    async with module:
        error = await module.finished()
    assert isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.FAILED_PRECONDITION, error
    return str(error.details())


async def test_a_change_of_mode_hands_the_ports_to_the_card_and_back(rig: Rig) -> None:
    async with Niv(rig) as niv:
        before = rig.state.inventory.veths
        assert rig.state.inventory.modules[3].modes == (ModeKind.NIV, ModeKind.VEPA)
        assert niv.host.holding.mode == types_pb2.Mode()
        await niv.host.say(uplink=pb.UplinkState(number=1, adapter="eth1", profile="UP", link_up=True, present=True))
        await niv.host.until(lambda: 1 in niv.host.holding.uplinks)
        await niv.to_niv()
        told = types_pb2.Mode(kind=types_pb2.Mode.NIV, tagging=types_pb2.Mode.VNTAG)
        assert niv.host.holding.mode == niv.card.holding.mode == told
        assert set(niv.host.holding.uplinks) == {1} and not niv.host.holding.policies
        assert set(niv.card.holding.ports) == {1} and not niv.card.holding.uplinks
        assert niv.card.holding.policies[niv.card.holding.ports[1].policy].vlan == 10
        assert rig.state.inventory.veths == before, "the vEth does not change by it"
        rig.mode(3, DVS)
        await niv.host.until(lambda: set(niv.host.holding.ports) == {1} and niv.host.holding.mode == types_pb2.Mode())
        await niv.card.until(lambda: not niv.card.holding.ports and not niv.card.holding.policies)
        assert not niv.vis.holding.ports and niv.vis.welcome is not None and niv.vis.welcome.slot == 4


async def test_other_modes_are_only_told(rig: Rig) -> None:
    async with Niv(rig) as niv:
        rig.mode(3, VEPA)
        await niv.host.until(lambda: niv.host.holding.mode.kind == types_pb2.Mode.VEPA)
        assert set(niv.host.holding.ports) == {1}
        assert "is not in mode niv" in await refusal(rig.card(HOST, VIS))


async def test_an_edit_reaches_the_card_alone_and_it_counts_for_the_module(rig: Rig) -> None:
    async with Niv(rig) as niv:
        await niv.to_niv()
        await rig.until(lambda: rig.fabric.applied(3, rig.state.revision))
        seen, niv.card.acks = len(niv.host.updates()), False
        rig.supervisor.transact(with_profile("web", vlan=20))
        await niv.card.until(lambda: {policy.vlan for policy in niv.card.holding.policies.values()} == {20})
        assert not rig.fabric.applied(3, rig.state.revision)
        await niv.card.say(ack=pb.Ack(revision=niv.card.holding.revision))
        await rig.until(lambda: rig.fabric.applied(3, rig.state.revision))
        assert len(niv.host.updates()) == seen


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("mode", "module 3 is not in mode niv"),
        ("unconnected", "has not said that it is connected to VIS vis-9"),
        ("host as vis", "is no VIS of this switch"),
        ("stranger", "is no VIS of this switch"),
        ("for a vis", "module 4 is not in mode niv"),
        ("unknown host", "the host has not joined"),
        ("domain", "belongs to domain 7"),
    ],
)
async def test_a_card_is_believed_only_where_the_host_said_so(rig: Rig, spoil: str, why: str) -> None:
    async with Niv(rig) as niv:
        if spoil != "mode":
            rig.mode(3, NIV)
        if spoil == "unconnected":
            async with rig.vis(8) as other:
                await other.synced()
                await tell(niv.host, link(8))
                await rig.until(lambda: rig.state.inventory.ways[3] == (Way(1, host(8)),))
        number, through = {"for a vis": (VIS, VIS), "unknown host": (7, VIS), "host as vis": (HOST, HOST)}.get(
            spoil, (HOST, 77 if spoil == "stranger" else VIS)
        )
        card = rig.card(number, through)
        card.hello.domain = 7 if spoil == "domain" else 1
        before = rig.state
        assert why in await refusal(card)
        assert rig.state is before


async def test_a_card_comes_back_while_the_host_is_away_and_after_a_restart(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig, Niv(rig) as niv:
        await niv.to_niv()
        await niv.host.close()
        await rig.until(lambda: rig.runtime.module(3) is not None and not rig.runtime.module(3).connected)
        assert rig.fabric.connected(3), "its ports are the card's"
        await niv.card.close()
        await rig.until(lambda: rig.runtime.card_missing(3))
        assert not rig.fabric.connected(3) and not rig.runtime.is_plugged(3, 1)
        held = niv.card.holding
    async with Rig(tmp_path) as rig:
        card = rig.card(HOST, VIS)
        card.holding = held
        async with card:
            await card.synced()
            assert not card.updates(), "it holds what it should"
            await rig.until(lambda: rig.fabric.applied(3, rig.state.revision))
            module = rig.runtime.module(3)
            assert module is None or not module.connected
            assert rig.state.inventory.cards == {3: Card(host(VIS))}


async def test_a_newer_card_replaces_the_older_and_leaves_the_host_alone(rig: Rig) -> None:
    async with Niv(rig) as niv:
        niv.card.heartbeat = 0  # a write under way when the session ends would hide why it ends
        await niv.to_niv()
        again = rig.card(HOST, VIS)
        async with again:
            await again.synced()
            error = await niv.card.finished()
            assert isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.ABORTED
            assert niv.host.ended is None and rig.fabric.connected(3)
            assert set(again.holding.ports) == {1}


async def test_the_host_is_not_believed_about_ports_that_its_card_holds(rig: Rig) -> None:
    async with Niv(rig) as niv:
        await niv.to_niv()
        before = rig.state
        await niv.host.attach("db1", mac(2), "web", request="r")
        await niv.host.say(port=pb.PortState(veth=1, link_up=True, forwarding=True))
        await niv.host.say(macs=pb.MacReport(macs=[pb.LearnedMac(mac=mac(5), vlan=10, veth=1)]))
        nic = types_pb2.Nic(vm="web1", index=0)
        await niv.host.say(detached=pb.PortDetached(veth=1, nic=nic, generation=1))
        await niv.host.say(event=pb.LogEvent(kind="last_word", object="vethernet 1", text="It is read in order."))
        await rig.until(lambda: any(line.what == "last_word" for line in rig.runtime.recent()))
        assert rig.state is before and rig.runtime.port(1) is None and not rig.runtime.learned_macs()
        assert not [one for one in niv.host.received if one.HasField("attach_refused")], "its NIC must stay plugged in"

        await niv.card.attach("db1", mac(2), "web")
        assert (await niv.card.port_of("db1")).veth == 2
        await niv.card.say(port=pb.PortState(veth=1, link_up=True, forwarding=True))
        await niv.card.say(macs=pb.MacReport(macs=[pb.LearnedMac(mac=mac(5), vlan=10, veth=1)]))
        await niv.card.say(uplink=pb.UplinkState(number=7, adapter="eth7", profile="UP", present=True))
        await rig.until(lambda: bool(rig.runtime.learned_macs()))
        assert rig.runtime.port(1) is not None
        await niv.card.detach(1)
        await rig.until(lambda: rig.state.inventory.veths[1].slot is None)
        assert (3, 7) not in rig.state.inventory.uplinks


async def test_a_nic_that_never_got_to_the_card_is_unplugged_by_its_host(rig: Rig) -> None:
    async with Niv(rig) as niv:
        rig.mode(3, NIV)
        await niv.host.until(lambda: not niv.host.holding.ports)
        await niv.host.say(detached=pb.PortDetached(veth=1, nic=types_pb2.Nic(vm="web1"), generation=1))
        await rig.until(lambda: rig.state.inventory.veths[1].slot is None)


def counted(veth: int, frames: int, life: int) -> pb.CounterReport:
    row = pb.PortCounters(veth=veth, generation=1, counters=types_pb2.Counters(rx_frames=frames, life=life))
    return pb.CounterReport(ports=[row])


async def test_no_frame_is_lost_or_counted_twice_over_changes_of_mode(rig: Rig) -> None:
    def total() -> int:
        return rig.runtime.counters("Vethernet1").rx_frames

    async with Niv(rig) as niv:
        await niv.host.say(counters=counted(1, 100, life=7))
        await rig.until(lambda: total() == 100)
        await niv.to_niv()
        await niv.host.say(counters=counted(1, 110, life=7))  # until it gives the port away it switches
        await rig.until(lambda: total() == 110)
        await tell(niv.host, link(VIS, pb.NivLink.UP, pb.NivLink.Vif(veth=1, vif=1, carries=True)))
        await niv.host.say(counters=counted(1, 500, life=7))
        await niv.card.say(counters=counted(1, 50, life=3))
        await rig.until(lambda: total() == 160)
        await niv.card.close()
        await niv.card.open()
        await niv.card.synced()
        await niv.card.say(counters=counted(1, 60, life=3))
        await rig.until(lambda: total() == 170)
        rig.mode(3, DVS)
        await niv.host.until(lambda: 1 in niv.host.holding.ports)
        await niv.host.say(counters=counted(1, 5, life=8))
        await rig.until(lambda: total() == 175)
        last = types_pb2.Counters(rx_frames=65, life=3)
        nic = types_pb2.Nic(vm="web1")
        await niv.card.say(detached=pb.PortDetached(veth=1, nic=nic, generation=1, last=last))
        await rig.until(lambda: total() == 180)
        assert rig.state.inventory.veths[1].slot == 3, "a card that lets go of a port does not unplug it"
        assert rig.runtime.is_plugged(3, 1), "the host never said that it is not"


async def test_a_restarted_supervisor_does_not_take_a_hosts_counters_for_its_cards(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig, Niv(rig) as niv:
        await niv.to_niv()
    async with Rig(tmp_path) as rig, rig.module(HOST) as again:
        await again.synced()
        assert again.holding.mode.kind == types_pb2.Mode.NIV and not again.holding.ports
        await again.say(counters=counted(1, 500, life=7))
        vif = pb.NivLink.Vif(veth=1, vif=1, carries=True)
        await tell(again, link(VIS, pb.NivLink.UP, vif))
        await again.say(counters=counted(1, 510, life=7))
        await again.say(event=pb.LogEvent(kind="last_word", object="vethernet 1", text="It is read in order."))
        await rig.until(lambda: any(line.what == "last_word" for line in rig.runtime.recent()))
        assert rig.runtime.counters("Vethernet1").rx_frames == 0
        assert [(found.vis_name, found.vifs[0].vif) for found in rig.runtime.links(3)] == [("vis-9", 1)]


async def test_a_migration_goes_by_the_cards_word(rig: Rig) -> None:
    async with Niv(rig) as niv, rig.module(OTHER) as target:
        await niv.to_niv()
        await target.synced()
        with pytest.raises(Unavailable, match="no uplink of module 5 carries vlan 10"):
            await rig.mobility.begin(1, 5, 30.0)
        rig.supervisor.transact(with_profile("up", kind=ProfileType.ETHERNET))
        await target.say(uplink=pb.UplinkState(number=1, adapter="e1", profile="up", link_up=True, present=True))
        await rig.until(lambda: (5, 1) in rig.state.inventory.uplinks)
        begun = asyncio.create_task(rig.mobility.begin(1, 5, 30.0))
        await target.until(lambda: 1 in target.holding.ports)
        await target.attach("web1", mac(1), "web", prepare=True)
        await begun
        niv.card.last[1] = types_pb2.Counters(rx_frames=9)
        outcome = await rig.mobility.commit(1, 30.0)
        assert outcome.slot == 5
        assert types_pb2.Port.DRAINING in {
            change.set_port.phase for one in niv.card.updates() for change in one.changes if change.HasField("set_port")
        }
        assert rig.runtime.counters("Vethernet1").rx_frames == 9

        back = asyncio.create_task(rig.mobility.begin(1, 3, 30.0))
        await niv.card.until(lambda: 1 in niv.card.holding.ports)
        await niv.card.attach("web1", mac(1), "web", prepare=True)
        await back
        assert (await rig.mobility.commit(1, 30.0)).slot == 3
        await niv.card.until(lambda: niv.card.holding.ports[1].phase == types_pb2.Port.ACTIVE)
        assert not niv.host.holding.ports


async def test_no_nic_is_plugged_in_on_a_vis(rig: Rig) -> None:
    async with Niv(rig) as niv:
        await niv.vis.attach("web9", mac(9), "web", request="r")
        assert "is a VIS" in (await niv.vis.refused("r")).reason
        assert rig.state.inventory.modules[4].type == "VIS"


async def test_a_host_with_ports_does_not_become_a_vis(rig: Rig) -> None:
    async with Niv(rig) as niv:
        await niv.host.close()
        assert "says that it is a VIS, but has vEths" in await refusal(rig.vis(HOST))


async def test_whether_a_nic_could_run_there_depends_on_the_card(rig: Rig) -> None:
    async def reason(ident: int) -> str:
        question = pb.MayTake(id=ident, nic=types_pb2.Nic(vm="new"), mac=mac(7), profile="web")
        await niv.host.say(may_take=question)
        found = lambda: [one.may_take for one in niv.host.received if one.may_take.id == ident]  # noqa: E731
        await niv.host.until(lambda: bool(found()))
        return found()[0].reason

    async with Niv(rig) as niv:
        rig.mode(3, NIV)
        assert "its card is not connected" in await reason(1)
        await niv.card_comes()
        assert await reason(2) == ""


@pytest.mark.parametrize(
    "bad",
    [
        pb.NivLink(uplink=99, state=pb.NivLink.UP),
        pb.NivLink(uplink=1, state=9),  # type: ignore[arg-type]
        pb.NivLink(uplink=1, vifs=[pb.NivLink.Vif(vif=4096)]),
        pb.NivLink(uplink=1, vifs=[pb.NivLink.Vif(vif=0)]),
    ],
)
async def test_a_report_of_what_there_cannot_be_ends_the_session(rig: Rig, bad: pb.NivLink) -> None:
    module = rig.module(HOST)
    module.heartbeat = 0  # likewise
    async with module:
        await module.synced()
        await tell(module, bad)
        error = await module.finished()
    assert isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_ways_are_kept_while_none_is_up() -> None:
    one, other = Way(1, "a"), Way(2, "b")
    state = ways_told(State(), 3, [one, other], [one, other])
    assert state.inventory.ways == {3: (one, other)}
    assert ways_told(state, 3, [], [one]).inventory.ways == {3: (one,)}, "the other is known no more"
    assert ways_told(state, 3, [], []) is state, "a link that is down tells of nobody"
    assert ways_told(state, 3, [Way(1, "c")], [Way(1, "c")]).inventory.ways == {3: (Way(1, "c"),)}
    assert ways_told(State(), 3, [], [one]) == State(), "heard is not connected"


async def test_a_host_whose_software_has_no_such_mode_keeps_its_ports(rig: Rig) -> None:
    async with Niv(rig) as niv:
        rig.mode(3, NIV)
        await niv.host.until(lambda: not niv.host.holding.ports)
        await niv.host.close()
        older = rig.module(HOST)
        del older.hello.modes[:]
        async with older:
            await older.synced()
            assert set(older.holding.ports) == {1} and older.holding.mode == types_pb2.Mode()
            assert "is not in mode niv" in await refusal(rig.card(HOST, VIS))


async def test_nothing_moves_to_a_host_whose_card_is_away(rig: Rig) -> None:
    async with rig.module(OTHER) as source:
        await source.synced()
        await source.attach("db1", mac(2), "web")
        await source.port_of("db1")
        async with rig.module(HOST) as target:
            await target.synced()
            rig.mode(4, NIV)
            with pytest.raises(Unavailable, match="module 4: its card is not connected"):
                rig.mobility.check(1, 4)


async def test_commands_go_to_the_session_they_are_for(rig: Rig) -> None:
    async def answered(module: FakeModule, *words: str) -> list[str]:
        asked = asyncio.create_task(rig.fabric.command(3, words))
        found = lambda: [one.command for one in module.received if one.HasField("command")]  # noqa: E731
        await module.until(lambda: bool(found()))
        command = found()[-1]
        await module.say(output=pb.CommandOutput(id=command.id, text="told", ok=True))
        assert await asked == "told"
        return list(command.words)

    async with Niv(rig) as niv:
        with pytest.raises(Unavailable, match="has no card that is connected"):
            await rig.fabric.command(3, ["card", "drops"])
        await niv.to_niv()
        assert await answered(niv.card, "card", "drops", "Veth1") == ["drops", "Veth1"]
        assert await answered(niv.host, "show", "uplinks") == ["show", "uplinks"]


async def test_what_a_card_does_is_told(rig: Rig) -> None:
    async with Niv(rig) as niv:
        await niv.to_niv()
    words = [line.what for line in rig.runtime.recent() if line.kind == "module" and line.object == "module 3"]
    assert "card_connected" in words
    await rig.until(lambda: "card_absent" in [line.what for line in rig.runtime.recent()])
