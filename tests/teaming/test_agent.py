"""Teams and pins in the agent: what is in the tables after each event (on an engine that only remembers)."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dvswitch.errors import InvalidValue
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from tests.agent.supervisor import UPLINK, WEB, Bench, bench, mac, policy, until, uplink
from tests.support.recording_engine import RecordingEngine
from vem.agent import announce
from vem.agent.agent import Agent, Identity
from vem.agent.announcer import PER_TICK, TICK
from vem.agent.balancer import speed
from vem.agent.session import Endpoint
from vem.agent.state import StateFile
from vem.agent.uplinks import UplinkStatus, parse_uplink
from vem.datapath.image import Counters, LearnedMac, Method, Punt, PuntedFrame
from vem.teaming.load import Move

MBITS = 100


@pytest.fixture
def path() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="dva-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def host(path: Path) -> AsyncIterator[tuple[Bench, RecordingEngine]]:
    """Two uplinks on lports 1 and 2; vEths follow from 3."""
    engine = RecordingEngine()
    specs = tuple(f"{n},profile=UPLINK,wire=unix:{path}/u{n}>unix:{path}/n{n},speed={MBITS}" for n in (1, 2))
    async with bench(path, lambda: engine, specs) as made:
        await made.supervisor.applied(uplink(2))
        made.grant()
        yield made, engine


def channel(mode: Any) -> fabric.Change:
    return fabric.Change(
        set_policy=pb.Policy(
            id=UPLINK,
            profile="UPLINK",
            mode=pb.Policy.TRUNK,
            allowed="1,10,20",
            vlan=1,
            channel=pb.ChannelGroup(mode=mode),
        )
    )


def pins(engine: RecordingEngine) -> list[int]:
    return [port.pin for _, port in sorted(engine.image().ports.items()) if not port.uplink]


async def attach(made: Bench, *veths: int) -> None:
    for veth in veths:
        await made.attaching.attach(made.request(veth, f"web{veth}"))


async def test_mac_pinning_and_a_restart(host: tuple[Bench, RecordingEngine], path: Path) -> None:
    made, engine = host
    await made.supervisor.applied(channel(pb.ChannelGroup.MAC_PINNING))
    await attach(made, 5, 7, 9)
    assert pins(engine) == [1, 2, 1]
    engine.down.add(1)
    await until(lambda: pins(engine) == [2, 2, 2], "failover")
    await made.agent.stop(keep=False)
    fresh = RecordingEngine()
    async with bench(path, lambda: fresh, made._uplinks, supervisor=False):
        assert pins(fresh) == [1, 2, 1]  # where they belong is remembered


async def test_failback_no_keeps_ports_but_not_new_ones(host: tuple[Bench, RecordingEngine]) -> None:
    made, engine = host
    await made.supervisor.applied(policy(WEB, "web", 10, team=pb.Team(no_failback=True)))
    await attach(made, 4, 5)
    assert pins(engine) == [1, 2]
    engine.down.add(1)
    await until(lambda: pins(engine) == [2, 2], "failover")
    engine.down.clear()
    await until(lambda: made.agent.compiled.image.ports[1].link_up, "the link is back")
    await until(lambda: any(team.uplinks == (1, 2) for team in engine.image().teams.values()), "usable again")
    await attach(made, 6)
    assert pins(engine) == [2, 2, 1]  # S-143


@pytest.mark.parametrize(
    ("team", "members", "method"),
    [
        (pb.Team(active=[2], standby=[1]), (2,), Method.PORT_ID),
        (pb.Team(unused=[2]), (1,), Method.PORT_ID),  # S-144
        (pb.Team(method=pb.Policy.SOURCE_MAC), (1, 2), Method.SOURCE_MAC),  # S-132
        (pb.Team(method=pb.Policy.EXPLICIT, active=[2, 1]), (2, 1), Method.EXPLICIT),  # S-137
        (pb.Team(method=pb.Policy.IP_HASH), (1, 2), Method.IP_HASH),  # S-133
    ],
)
async def test_teams_reach_the_tables(
    host: tuple[Bench, RecordingEngine], team: pb.Team, members: tuple[int, ...], method: Method
) -> None:
    made, engine = host
    await made.supervisor.applied(policy(WEB, "web", 10, team=team))
    index = made.agent.holdings.indexes.policies.get(WEB)
    assert index is not None
    found = engine.image().teams[engine.image().policies[index].team]
    assert (found.uplinks, found.method) == (members, method)


async def test_beacons_with_ip_hash_are_refused(host: tuple[Bench, RecordingEngine]) -> None:
    made, _ = host
    await made.supervisor.update(policy(WEB, "web", 10, team=pb.Team(beacon=True, method=pb.Policy.IP_HASH)))
    refuse = (await until(lambda: made.supervisor.all("refuse"), "refusal"))[0]
    assert "beacon probing can't go with IP hash" in refuse.refusals[0].reason  # S-148


async def test_a_busy_uplink_gives_a_port_away(
    host: tuple[Bench, RecordingEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, engine = host
    look = made.agent._balancer.look
    monkeypatch.setattr(made.agent._balancer, "look", nobody_looks)  # only this test does, by its own clock
    await made.supervisor.applied(policy(WEB, "web", 10, team=pb.Team(method=pb.Policy.LOAD)))
    await attach(made, 4, 6, 5)
    assert pins(engine) == [1, 1, 2]  # S-138: at first by port id
    for second in range(0, 36, 5):
        sent = MBITS * 1_000_000 // 8 * second
        engine.counted = {
            1: Counters(tx_bytes=sent * 8 // 10),
            3: Counters(rx_bytes=sent // 2),
            4: Counters(rx_bytes=sent * 3 // 10),
        }
        moves = await look(float(second))
        assert bool(moves) is (second == 30)  # S-138
    await until(lambda: pins(engine) == [2, 1, 2], "the move")
    await until(lambda: (2, announce.rarp(mac(4), 10)) in engine.emitted, "S-138, S-152: followed by RARP")


async def test_learned_addresses_are_announced_too(host: tuple[Bench, RecordingEngine]) -> None:
    made, engine = host
    await made.supervisor.applied(policy(WEB, "web", 10, mac_learning=True, forged_transmits=True))
    await attach(made, 5)
    await until(lambda: len(engine.emitted) == 1, "announcement of the vNIC")
    engine.learned_macs = [LearnedMac(mac(0x99), 10, 3, 1.0)]
    engine.emitted.clear()
    engine.down.add(2)
    await until(lambda: len(engine.emitted) == 2, "announcements")
    assert engine.emitted == [(1, announce.rarp(mac(5), 10)), (1, announce.rarp(mac(0x99), 10))]  # S-152


async def test_a_mass_failover_is_announced_bit_by_bit(
    host: tuple[Bench, RecordingEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, engine = host
    await made.supervisor.applied(policy(WEB, "web", 10, mac_learning=True, forged_transmits=True))
    await attach(made, 5)
    await until(lambda: len(engine.emitted) == 1, "announcement of the vNIC")
    engine.learned_macs = [LearnedMac(mac(0x1000 + n), 10, 3, 1.0) for n in range(300)]
    batches: list[tuple[float, int]] = []
    emit = made.agent.datapath.emit

    async def noted(frames: Iterable[tuple[int, bytes]]) -> None:
        batch = list(frames)
        if batch:
            batches.append((time.monotonic(), len(batch)))
        await emit(batch)

    monkeypatch.setattr(made.agent.datapath, "emit", noted)
    engine.down.add(2)
    await until(lambda: len(engine.emitted) == 302, "all announcements")
    assert max(size for _, size in batches) <= PER_TICK  # S-153
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(batches)]
    assert len(gaps) == 2 and gaps[1] > 0.9 * TICK  # the first tick may have begun with the vNIC's own announcement


async def test_somebody_elses_use_of_a_local_mac_is_told(host: tuple[Bench, RecordingEngine]) -> None:
    made, _ = host
    await attach(made, 5)
    now = asyncio.get_running_loop().time()
    with capture_logs() as lines:
        for moment in (now + 0.1, now + 60.0, now + 61.0):
            frame = announce.rarp(mac(5))
            made.agent.control._take(PuntedFrame(2, Punt.MOVED, frame, 10, None, moment))
    told = [line for line in lines if "duplicate MAC" in line["event"]]
    assert len(told) == 1  # S-269: not our own echo, not twice


async def nobody_looks(now: float) -> list[Move]:
    return []


def test_uplink_speeds() -> None:
    spec = "1,profile=UP,wire=unix:/a>unix:/b"
    status = [UplinkStatus(parse_uplink(text), 1, mac(1)) for text in (spec, spec + ",speed=2500")]
    assert [speed(item) for item in status] == [10e9, 2.5e9]
    with pytest.raises(InvalidValue, match="out of range 1-1000000"):
        parse_uplink(spec + ",speed=0")


@pytest.mark.parametrize(("reverse", "rpf"), [(True, True), (False, True), (True, False)])
async def test_the_filters_can_be_switched_off(path: Path, reverse: bool, rpf: bool) -> None:
    engine = RecordingEngine()
    made = Bench(path, lambda: engine, ())
    await made.supervisor.start(made.address)
    identity = Identity("11111111-2222-3333-4444-555555555555", "alpha", 1)
    options = {"reverse_teaming": reverse, "rpf_promiscuous": rpf}
    made.agent = Agent(identity, Endpoint(made.address), [], StateFile(path), lambda: engine, **options)
    with capture_logs() as lines:
        await made.agent.start()
    try:
        await made.in_touch()
        control = engine.image().control
        assert (control.reverse_teaming, control.rpf_promiscuous) == (reverse, rpf)  # S-128, S-111
        assert any("reverse teaming is off" in line["event"] for line in lines) is not reverse
    finally:
        await made.agent.stop(keep=False)
        await made.supervisor.stop()
