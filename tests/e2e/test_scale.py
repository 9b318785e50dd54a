"""A big host: 1,000 ports, 250 of them in one VLAN; one of their two uplinks is lost; a guest floods the MAC table."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.agent.supervisor import PATIENCE, until
from tests.agent.supervisor import mac as station
from tests.e2e.scenes import acquaint, namespace_scene
from tests.rows.world import BROADCAST, OUTSIDE, access, frame, mac, tag, uplink, vnic, world
from tests.support.fabric import home
from tests.support.packets import FrameSocket
from tests.support.thousand import IN_VLAN, PORTS, BigHost, MemoryPorts, Ports, TapPorts, big_host
from tests.support.traffic import Receiver, Sender
from vem.agent.announce import rarp
from vem.agent.announcer import PER_TICK, TICK
from vem.datapath.apply import apply_image
from vem.datapath.image import Image

RARP = b"\x80\x35"
BIG = 100
"""The VLAN that the 250 are in; the others are in ten other VLANs."""
FLOODS = 20
SOURCES, FLOOD_SECONDS = 20_000, 5.0
ANSWER_SECONDS, SLOWER, ANSWERS = 4.0, 4, 8
"""A busy machine takes its time; an agent that answers only when the flood is over takes longer."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def big_world() -> Image:
    others = (vnic(lport, access(200 + lport % 10)) for lport in range(IN_VLAN + 1, PORTS + 1))
    return world(*(vnic(lport, access(BIG)) for lport in range(1, IN_VLAN + 1)), *others, uplink(PORTS + 1))


@pytest.fixture(
    scope="module", params=[pytest.param(TapPorts, id="kernel-taps", marks=pytest.mark.kernel), MemoryPorts]
)
def big(request: pytest.FixtureRequest) -> Iterator[Ports]:
    """Made once: a thousand taps take their time.  The last test to use them hands them over to an agent."""
    with ExitStack() as stack:
        yield request.param(stack)


@pytest.mark.rules("S-083", "S-084")
def test_a_broadcast_reaches_250_of_1000_ports_exactly_once(big: Ports) -> None:
    """In order, none twice, none to another VLAN; and the accounts say the same."""
    apply_image(big.engine, Image(), big_world())
    sent = [frame(BROADCAST, mac(1), body=number.to_bytes(50, "big")) for number in range(FLOODS)]
    for data in sent:
        big.send(1, data)
    for lport in range(2, IN_VLAN + 1):
        assert big.take(lport) == sent, f"port {lport}"
    assert [lport for lport in (1, *range(IN_VLAN + 1, PORTS + 1)) if big.take(lport)] == []
    assert len(big.take(PORTS + 1)) == FLOODS
    counters = big.engine.counters()
    assert counters[1].rx_copies == FLOODS * IN_VLAN
    assert sum(port.tx_frames for port in counters.values()) == FLOODS * IN_VLAN
    assert not any(port.drops_out or port.drops_in for port in counters.values())


@pytest.mark.kernel
@pytest.mark.rules("S-076", "S-115", "S-123", "S-130", "S-141", "S-142", "S-152", "S-153")
async def test_1000_ports_change_to_the_other_uplink_and_back(big: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, each announced once and never more than 128 at a time; then every port has every broadcast once,
    and the physical switch has all their own addresses on the one cable that is left."""
    with home() as path:
        async with big_host(big, path) as host:
            batches = record_batches(host, monkeypatch)
            announcer = host.bench.agent._announcer
            await until(lambda: host.pinned() == by_port_id(1, 2) and not announcer._frames, "all ports on both")
            for cable in host.cables.values():
                list(iter(cable.receive, None))
            await check_talk(host, by_port_id(1, 2))
            for state, places in (("down", by_port_id(2)), ("up", by_port_id(1, 2))):
                batches.clear()
                host.cable(1, state)
                await until(lambda places=places: host.pinned() == places, f"cable {state}: all ports moved")
                await check_announced(host, {veth: places[veth] for veth in places if veth % 2 == 0})
                check_rate(batches)
                await until(lambda state=state: host.forwards(1) == (state == "up"), "the physical switch knows")
                await check_talk(host, places)


def by_port_id(*uplinks: int) -> dict[int, int]:
    """S-130"""
    return {veth: uplinks[veth % len(uplinks)] for veth in range(1, PORTS + 1)}


def record_batches(host: BigHost, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """When the agent sent how many frames of its own, from now on."""
    batches: list[tuple[float, int]] = []
    emit = host.bench.agent.datapath.emit

    async def recorded(frames: Iterable[tuple[int, bytes]]) -> None:
        batch = list(frames)
        if batch:
            batches.append((time.monotonic(), len(batch)))
        await emit(batch)

    monkeypatch.setattr(host.bench.agent.datapath, "emit", recorded)
    return batches


async def check_announced(host: BigHost, moved: dict[int, int]) -> None:
    """One RARP for each that moved, by its new uplink and in its VLAN, and none for anybody else."""
    expected = Counter((number, rarp(station(veth), vlan_of(veth))) for veth, number in moved.items())
    seen: Counter[tuple[int, bytes]] = Counter()

    def collected() -> bool:
        for number, cable in host.cables.items():
            seen.update((number, data) for data in heard_on(cable) if RARP in data[:20])
        return seen.total() >= len(expected)

    await until(collected, "the announcements")
    assert seen == expected


def heard_on(cable: FrameSocket) -> list[bytes]:
    """The frames that wait."""
    with suppress(OSError):  # told once that the link went down
        return list(iter(cable.receive, None))
    return list(iter(cable.receive, None))


def check_rate(batches: list[tuple[float, int]]) -> None:
    """S-153, up to what a loaded machine may hold up the first batch."""
    assert max(size for _, size in batches) <= PER_TICK
    assert batches[-1][0] - batches[0][0] > (len(batches) - 1.5) * TICK


async def check_talk(host: BigHost, places: dict[int, int]) -> None:
    """Every port reaches the network by its uplink, and it by every port: once, with the addresses as they are."""
    for vlan in (10, 20):
        host.outside.send(frame(BROADCAST, OUTSIDE, tag(vlan), body=b"to all".ljust(50)))
    heard: Counter[int] = Counter()

    async def count() -> None:
        for veth, frames in (await host.take()).items():
            heard[veth] += sum(b"to all" in data for data in frames)

    async with asyncio.timeout(PATIENCE):
        while heard.total() < PORTS:
            await count()
    expected: Counter[tuple[int, bytes]] = Counter()
    for veth, number in places.items():
        own = frame(OUTSIDE, station(veth).octets, body=b"from one".ljust(50))
        expected[number, own[:12] + tag(vlan_of(veth)) + own[12:]] += 1
        await host.send(veth, own)
    came: Counter[tuple[int, bytes]] = Counter()
    for number, cable in host.cables.items():
        enough = list(places.values()).count(number)
        frames = await asyncio.to_thread(cable.collect, b"from one", PATIENCE, enough=enough)
        came.update((number, data) for data in frames)
    assert came == expected
    assert host.stations() == {str(station(veth)): f"net{number}" for veth, number in places.items()}  # S-076
    await count()
    assert heard == Counter(places.keys())


def vlan_of(veth: int) -> int:
    return 10 if veth <= IN_VLAN else 20


LEARNING = """\
port-profile type vethernet noisy
  switchport mode access
  switchport access vlan 10
  mac-learning
  security forged-transmits accept
  no shutdown
  state enabled
"""


@pytest.mark.kernel
@pytest.mark.parametrize("engine", ["kernel", "user"])
def test_a_mac_flood_harms_nobody_else(engine: str) -> None:
    """20,000 sources in 5 s: two other guests lose nothing of their stream, and the agent goes on answering."""
    with namespace_scene(engine) as scene:
        scene.fabric.configure(LEARNING)
        near, far = (scene.guest(scene.alpha, name) for name in ("near", "far"))
        noisy = scene.guest(scene.alpha, "noisy", "noisy")
        acquaint(near, far)
        with FrameSocket(noisy.space, "eth0") as guest, Receiver(far.space, far.address) as receiver:
            with Sender(near.space, far.address, rate=2000, seconds=FLOOD_SECONDS) as sender:
                busy, idle = flood(guest, scene, near.mac)
                sent = sender.finish().sent
            assert receiver.finish().received == sent
        told = f"the agent needed {busy} s to answer, one that has nothing to do {idle} s"
        assert second(busy) < ANSWER_SECONDS + SLOWER * second(idle), told


def second(answers: list[float]) -> float:
    """The slowest but one: the whole machine may stand still once."""
    return sorted(answers)[-2]


def flood(guest: FrameSocket, scene: Any, to: str) -> tuple[list[float], list[float]]:
    """Send; ask the agent how it is meanwhile, and one that has nothing to do; the seconds that each answer took."""
    busy: list[float] = []
    idle: list[float] = []
    target, start = bytes.fromhex(to.replace(":", "")), time.monotonic()
    asked, number = start, 0
    while number < SOURCES or len(busy) < ANSWERS:
        guest.send(frame(target, b"\x02\xee" + (number % SOURCES).to_bytes(4, "big")))
        now = time.monotonic()
        if now - asked > 0.25:
            scene.fabric.status(scene.alpha)
            between = time.monotonic()
            scene.fabric.status(scene.beta)
            asked = time.monotonic()
            busy.append(between - now)
            idle.append(asked - between)
        while (early := start + number * FLOOD_SECONDS / SOURCES - time.monotonic()) > 0.01:
            time.sleep(early)
        number += 1
    return busy, idle
