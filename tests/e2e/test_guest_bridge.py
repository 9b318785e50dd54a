"""Golden scenario G3: a guest that bridges two switches, for every mixture of promiscuous mode and forged transmits.

    station A - switch 1 - eth0 [bridging guest] eth1 - switch 2 - station B

The guest is a real one, with Linux's bridge between two NICs; the stations are the test itself, so that single frames
can be followed.  What crosses follows from the rules alone: a bridge hears unicast for others only where promiscuous
mode is accepted, and may send with others' addresses only where forged transmits are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.rows.world import access, frame, vnic, world
from tests.support.fabric import home
from tests.support.processes import wait_until
from tests.vm.guest_image import GuestUnavailable, extra_modules, guest_image
from tests.vm.qemu import Guest, TapNic, WireNic
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine, Plug
from vem.datapath.image import Image

STATION, BRIDGE = 1, 2
A, B = bytes.fromhex("02000000a001"), bytes.fromhex("02000000b001")
BROADCAST = b"\xff" * 6
PORTS = ("52:54:00:00:01:00", "52:54:00:00:02:00")

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass
class Side:
    """One switch, its station and the bridge's NIC."""

    engine: Engine
    station: bytes
    guest_mac: str
    send: Callable[[bytes], None]
    receive: Callable[[], list[bytes]]
    image: Image = field(default_factory=Image)

    def allow(self, promiscuous: bool, forged: bool) -> None:
        """The policy of the bridge's port."""
        bridge = vnic(BRIDGE, access(0, promiscuous=promiscuous, forged_ok=forged), own=octets(self.guest_mac))
        new = world(vnic(STATION, access(0), own=self.station), bridge)
        apply_image(self.engine, self.image, new)
        self.image = new

    def entered(self) -> int:
        """Frames that the switch took from the station, and decided on."""
        counters = self.engine.counters([STATION])[STATION]
        return counters.rx_forwarded + sum(counters.drops_in.values())

    def refused(self) -> int:
        """Frames of the bridge that were dropped as forged."""
        return self.engine.counters([BRIDGE])[BRIDGE].drops_in.get("FORGED_TX", 0)


def octets(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


@dataclass
class Scene:
    """Both sides and the guest between them."""

    one: Side
    two: Side
    guest: Guest


def kernel_scene(stack: ExitStack, path: Path) -> Scene:
    """Taps, in a namespace for each switch; S-050: nothing but the guest joins them."""
    from tests.kernel.rig import Switch
    from tests.rows.backends_kernel import TapNic as StationNic
    from tests.support.netns import Lab

    lab = stack.enter_context(Lab())
    where, sides = lab.namespace("bridge"), []
    for number, (station, guest_mac) in enumerate(zip((A, B), PORTS, strict=True), start=1):
        engine = stack.enter_context(Switch(f"bridge{number}")).open()
        nic = StationNic(where, f"st{number}")
        stack.callback(nic.close)
        lab.tap(where, f"vm{number}")
        where.up(nic.name)
        for lport, device in ((STATION, nic.name), (BRIDGE, f"vm{number}")):
            engine.plug(lport, Plug("tap", device, where.name))
        sides.append(Side(engine, station, guest_mac, nic.write, lambda nic=nic: drained(nic.read)))
    nics = [TapNic(guest_mac, f"vm{number}") for number, guest_mac in enumerate(PORTS, start=1)]
    return Scene(*sides, stack.enter_context(bridging_guest(nics, where=where)))


def user_scene(stack: ExitStack, path: Path) -> Scene:
    """Datagram wires."""
    from tests.datapath.switches import UnixEnd
    from vem.datapath.user import UserEngine

    sides, nics = [], []
    for number, (station, guest_mac) in enumerate(zip((A, B), PORTS, strict=True), start=1):
        engine = UserEngine()
        stack.callback(engine.close, keep=False)
        end = UnixEnd(path, f"st{number}")
        stack.callback(end.socket.close)
        engine.plug(STATION, end.plug)
        ours, theirs = path / f"port{number}", path / f"guest{number}"
        engine.plug(BRIDGE, Plug("wire", local=f"unix:{ours}", remote=f"unix:{theirs}"))
        sides.append(Side(engine, station, guest_mac, end.send, lambda end=end: end.receive(100, 0.01)))
        nics.append(WireNic(guest_mac, theirs, ours))
    return Scene(*sides, stack.enter_context(bridging_guest(nics)))


def bridging_guest(nics: list[Any], **where: Any) -> Guest:
    modules = extra_modules(guest_image())
    files = {f"tmp/{number:02}-{name}": content for number, (name, content) in enumerate(modules.items())}
    return Guest("bridge", nics, files=files, **where)


def drained(read: Callable[[], bytes | None]) -> list[bytes]:
    return list(iter(read, None))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kernel_scene, id="kernel", marks=pytest.mark.kernel),
        pytest.param(user_scene, id="user"),
    ],
)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with home() as path, ExitStack() as stack:
        try:
            made: Scene = request.param(stack, path)
        except GuestUnavailable as reason:
            pytest.skip(str(reason))
        made.guest.wait_ready()
        made.guest.run("for module in /tmp/*.ko; do insmod $module; done; ip link add br0 type bridge")
        made.guest.run("echo 0 > /sys/class/net/br0/bridge/multicast_snooping; ip link set br0 multicast off")
        made.guest.run("for nic in eth0 eth1; do ip link set $nic master br0 up; done; ip link set br0 up")
        wait_until(lambda: port_states(made.guest) == ["3", "3"], "the bridge forwards")
        yield made


def port_states(guest: Guest) -> list[str]:
    """3 is "forwarding"."""
    return guest.run("cat /sys/class/net/eth0/brport/state /sys/class/net/eth1/brport/state").split()


COMBINATIONS = list(itertools.product([False, True], repeat=4))


@pytest.mark.rules("S-113", "S-114", "S-050", "S-100", "S-101")
@pytest.mark.parametrize(("promiscuous1", "forged1", "promiscuous2", "forged2"), COMBINATIONS)
def test_what_a_bridging_guest_carries(
    scene: Scene, promiscuous1: bool, forged1: bool, promiscuous2: bool, forged2: bool
) -> None:
    """Broadcasts cross where the far side accepts forged transmits; unicast, and so a conversation, needs promiscuous
    mode on the near side too."""
    one, two = scene.one, scene.two
    one.allow(promiscuous1, forged1)
    two.allow(promiscuous2, forged2)
    request, reply = frame(BROADCAST, A), frame(A, B)
    assert crosses(one, two, request) == forged2
    assert crosses(two, one, frame(BROADCAST, B)) == forged1
    assert crosses(two, one, reply) == (promiscuous2 and forged1)
    assert crosses(one, two, frame(B, A)) == (promiscuous1 and forged2)


def crosses(near: Side, far: Side, data: bytes) -> bool:
    """Whether a frame of the near station reaches the far one, exactly once; if not, it must be known why."""
    assert near.receive() == far.receive() == []
    refused, heard, entered = far.refused(), heard_by_bridge(near), near.entered()
    near.send(data)
    wait_until(lambda: near.entered() > entered, "the switch has the frame")
    if heard_by_bridge(near) == heard:
        return False
    arrived: list[bytes] = []

    def settled() -> bool:
        arrived.extend(far.receive())
        return bool(arrived) or far.refused() > refused

    wait_until(settled, "the frame arrived, or was refused")
    assert arrived in ([], [data])
    return bool(arrived)


def heard_by_bridge(side: Side) -> int:
    """Frames that the switch gave to the bridge's NIC."""
    return side.engine.counters([BRIDGE])[BRIDGE].tx_frames
