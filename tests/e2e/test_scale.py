"""A big host: 1,000 ports, 250 of them in one VLAN, and a guest that floods the MAC table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.e2e.scenes import acquaint, namespace_scene
from tests.rows.world import BROADCAST, access, frame, mac, uplink, vnic, world
from tests.support.packets import FrameSocket
from tests.support.traffic import Receiver, Sender
from vem.datapath.apply import apply_image
from vem.datapath.engine import Plug
from vem.datapath.image import Image

PORTS, IN_VLAN = 1000, 250
BIG = 100
"""The VLAN that the 250 are in; the others are in ten other VLANs."""
FLOODS = 20
SOURCES, FLOOD_SECONDS = 20_000, 5.0
ANSWER_SECONDS = 4.0
"""A busy machine takes its time; an agent that answers only when the flood is over takes longer."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def big_world() -> Image:
    others = (vnic(lport, access(200 + lport % 10)) for lport in range(IN_VLAN + 1, PORTS + 1))
    return world(*(vnic(lport, access(BIG)) for lport in range(1, IN_VLAN + 1)), *others, uplink(PORTS + 1))


class MemoryPorts:
    """All ports of a user engine, in memory."""

    def __init__(self, stack: ExitStack) -> None:
        from vem.datapath.user import UserEngine

        self.engine = stack.enter_context(closing(UserEngine()))
        for lport in range(1, PORTS + 2):
            self.engine.plug(lport, Plug("memory"))

    def send(self, lport: int, data: bytes) -> None:
        self.engine.inject(lport, data)

    def take(self, lport: int) -> list[bytes]:
        return list(iter(lambda: self.engine.take(lport), None))


class TapPorts:
    """A real tap for every port of a kernel engine."""

    def __init__(self, stack: ExitStack) -> None:
        from tests.kernel.rig import Switch
        from tests.rows.backends_kernel import TapNic
        from tests.support.netns import Lab

        lab = stack.enter_context(Lab())
        where = lab.namespace("big")
        self.engine = stack.enter_context(Switch("big")).open()
        self.taps: dict[int, Any] = {}
        for lport in range(1, PORTS + 2):
            self.taps[lport] = tap = TapNic(where, f"t{lport}")
            stack.callback(tap.close)
            self.engine.plug(lport, Plug("tap", tap.name, where.name))

    def send(self, lport: int, data: bytes) -> None:
        self.taps[lport].write(data)

    def take(self, lport: int) -> list[bytes]:
        return list(iter(self.taps[lport].read, None))


@pytest.fixture(params=[pytest.param(TapPorts, id="kernel-taps", marks=pytest.mark.kernel), MemoryPorts])
def big(request: pytest.FixtureRequest) -> Iterator[MemoryPorts | TapPorts]:
    with ExitStack() as stack:
        yield request.param(stack)


@pytest.mark.rules("S-083", "S-084")
def test_a_broadcast_reaches_250_of_1000_ports_exactly_once(big: MemoryPorts | TapPorts) -> None:
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
                slowest = flood(guest, scene, near.mac)
                sent = sender.finish().sent
            assert receiver.finish().received == sent
        assert slowest < ANSWER_SECONDS, f"the agent needed {slowest:.2f} s to answer"


def flood(guest: FrameSocket, scene: Any, to: str) -> float:
    """Send; ask the agent how it is meanwhile; the longest time that took."""
    slowest, start = 0.0, time.monotonic()
    target = bytes.fromhex(to.replace(":", ""))
    asked = start
    for number in range(SOURCES):
        guest.send(frame(target, b"\x02\xee" + number.to_bytes(4, "big")))
        now = time.monotonic()
        if now - asked > 0.25:
            scene.fabric.status(scene.alpha)
            asked = time.monotonic()
            slowest = max(slowest, asked - now)
        while (early := start + number * FLOOD_SECONDS / SOURCES - time.monotonic()) > 0.01:
            time.sleep(early)
    return slowest
