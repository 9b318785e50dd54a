"""Golden scenarios G2 and G3 with two real bridging guests in a row.

                     u1 u2
                      | |
    station A, VM D - switch 1 - [guest 1] - switch 2 - [guest 2] - switch 3 - station B

Both guests are real ones, each with Linux's bridge between two NICs, and hear everything that their switches let them:
what guest 1 is shown on switch 1 comes out at station B, as often as it was shown.  The test itself is the stations,
the VM and the network at the uplinks, so that single frames can be followed, and reflected as a physical switch would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.test_guest_bridge import bridging_guest, drained, octets, port_states
from tests.rows.world import At, access, frame, uplink, vnic, world
from tests.support.fabric import home
from tests.support.processes import wait_until
from tests.vm.guest_image import GuestUnavailable
from tests.vm.qemu import Guest, TapNic, WireNic
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine, Plug
from vem.datapath.image import Counters, Image

STATION, NEAR, FAR, VM, U1, U2 = 1, 2, 3, 4, 10, 11
"""Lports: NEAR is the NIC of a guest towards station A's side of it, FAR the one towards station B's."""
A, B, D = (bytes.fromhex(f"02000000{number}") for number in ("a001", "b001", "d001"))
ELSEWHERE, ELSEWHERE2 = bytes.fromhex("0200000000ee"), bytes.fromhex("0200000000ef")
BROADCAST = b"\xff" * 6
MACS = (("52:54:00:00:01:01", "52:54:00:00:01:02"), ("52:54:00:00:02:01", "52:54:00:00:02:02"))
OPEN = access(0, promiscuous=True, forged_ok=True)

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Switch:
    """One switch, and what the test plays on it, by lport."""

    engine: Engine
    send: dict[int, Callable[[bytes], None]] = field(default_factory=dict)
    receive: dict[int, Callable[[], list[bytes]]] = field(default_factory=dict)
    image: Image = field(default_factory=Image)

    def apply(self, *ports: At, **control: object) -> None:
        """Its ports and their policies."""
        new = world(*ports, **control)  # type: ignore[arg-type]
        apply_image(self.engine, self.image, new)
        self.image = new

    def counters(self, lport: int) -> Counters:
        return self.engine.counters([lport])[lport]

    def entered(self, lport: int) -> int:
        """Frames that the switch took from a port, and decided on."""
        counters = self.counters(lport)
        return counters.rx_forwarded + sum(counters.drops_in.values())


@dataclass
class Scene:
    """Three switches and the guests between them."""

    switches: list[Switch]
    guests: list[Guest]
    seen: int = 0
    """Frames that station B's port has been given."""

    def arrange(self, **first: object) -> None:
        """Everything is allowed, and nothing waits to be read; ``first``: the first switch's control."""
        one, two, three = self.switches
        ups = uplink(U1), uplink(U2)
        # port ids make A use u2, guest 1 u1, the VM u2
        guest = vnic(FAR, OPEN, own=octets(MACS[0][0]), port_id=0)
        one.apply(
            vnic(STATION, access(0), own=A, port_id=1), guest, vnic(VM, access(0), own=D, port_id=1), *ups, **first
        )
        two.apply(vnic(NEAR, OPEN, own=octets(MACS[0][1])), vnic(FAR, OPEN, own=octets(MACS[1][0])))
        three.apply(vnic(NEAR, OPEN, own=octets(MACS[1][1])), vnic(STATION, OPEN, own=B))
        for switch in self.switches:
            for receive in switch.receive.values():
                receive()

    def settle(self) -> None:
        """Nothing is on its way any more: what one switch gave a guest, the next has taken from it."""
        for before, after in zip(self.switches, self.switches[1:], strict=False):
            wait_until(lambda b=before, a=after: b.counters(FAR).tx_frames == a.entered(NEAR), "guests passed all on")

    def passes(self, lport: int, data: bytes) -> int:
        """Send a frame into the first switch; how many copies reach station B."""
        return self.passes_all([(lport, data)])

    def passes_all(self, frames: list[tuple[int, bytes]]) -> int:
        """How many copies of these, which are one frame by several ways, reach station B."""
        first, last = self.switches[0], self.switches[-1]
        last.receive[STATION]()
        for lport, data in frames:
            entered = first.entered(lport)
            first.send[lport](data)
            wait_until(lambda port=lport, n=entered: first.entered(port) > n, "the switch has the frame")
        self.settle()
        given = last.counters(STATION).tx_frames
        expected, self.seen = given - self.seen, given
        arrived: list[bytes] = []

        def all_arrived() -> bool:
            arrived.extend(last.receive[STATION]())
            return len(arrived) >= expected

        wait_until(all_arrived, "station B has what its port was given")
        assert arrived == [frames[0][1]] * expected
        return expected


def kernel_scene(stack: ExitStack, path: Path) -> Scene:
    """Taps, in a namespace for each guest's side of it; S-050: nothing but guests joins the switches."""
    from tests.kernel.rig import Switch as Pins
    from tests.rows.backends_kernel import TapNic as StationNic
    from tests.support.netns import Lab

    where = stack.enter_context(Lab()).namespace("bridges")
    switches = []
    for number, played in enumerate(PLAYED, start=1):
        made = Switch(stack.enter_context(Pins(f"two{number}")).open())
        for lport in played:
            nic = StationNic(where, f"st{number}-{lport}")
            stack.callback(nic.close)
            where.up(nic.name)
            made.engine.plug(lport, Plug("tap", nic.name, where.name))
            made.send[lport], made.receive[lport] = nic.write, lambda nic=nic: drained(nic.read)
        switches.append(made)
    guests = []
    for number, macs in enumerate(MACS):
        nics = []
        for side, mac, lport in zip((number, number + 1), macs, (FAR, NEAR), strict=True):
            device = f"vm{number}-{lport}"
            where.run(*f"ip tuntap add {device} mode tap vnet_hdr".split())
            where.up(device)
            switches[side].engine.plug(lport, Plug("tap", device, where.name))
            nics.append(TapNic(mac, device))
        guests.append(stack.enter_context(bridging_guest(nics, where=where)))
    return Scene(switches, guests)


def user_scene(stack: ExitStack, path: Path) -> Scene:
    """Datagram wires."""
    from tests.datapath.switches import UnixEnd
    from vem.datapath.user import UserEngine

    switches = []
    for number, played in enumerate(PLAYED, start=1):
        made = Switch(UserEngine())
        stack.callback(made.engine.close, keep=False)
        for lport in played:
            end = UnixEnd(path, f"st{number}-{lport}")
            stack.callback(end.socket.close)
            made.engine.plug(lport, end.plug)
            made.send[lport], made.receive[lport] = end.send, lambda end=end: end.receive(100, 0.01)
        switches.append(made)
    guests = []
    for number, macs in enumerate(MACS):
        nics = []
        for side, mac, lport in zip((number, number + 1), macs, (FAR, NEAR), strict=True):
            ours, theirs = path / f"port{number}-{lport}", path / f"guest{number}-{lport}"
            switches[side].engine.plug(lport, Plug("wire", local=f"unix:{ours}", remote=f"unix:{theirs}"))
            nics.append(WireNic(mac, theirs, ours))
        guests.append(stack.enter_context(bridging_guest(nics)))
    return Scene(switches, guests)


PLAYED = ((STATION, VM, U1, U2), (), (STATION,))
"""Lports of each switch that the test plays."""
SET_UP = """
for module in /tmp/*.ko; do insmod $module; done; ip link add br0 type bridge
echo 0 > /sys/class/net/br0/bridge/multicast_snooping; ip link set br0 multicast off
for nic in eth0 eth1; do ip link set $nic master br0 up; echo 0 > /sys/class/net/$nic/brport/learning; done
ip link set br0 up
"""
"""A bridge that does not learn passes on all that it hears, whoever else has heard it."""


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
        for guest in made.guests:
            guest.wait_ready(150)
            guest.run(SET_UP)
        for guest in made.guests:
            wait_until(lambda guest=guest: port_states(guest) == ["3", "3"], "the bridge forwards", 60)
        made.arrange()
        made.settle()
        made.seen = made.switches[-1].counters(STATION).tx_frames
        yield made


@pytest.mark.rules("S-113", "S-114", "S-050", "S-008", "S-009")
@pytest.mark.parametrize("forged", [False, True])
@pytest.mark.parametrize("promiscuous", [False, True])
def test_g3_the_switch_between_two_bridges_decides(scene: Scene, promiscuous: bool, forged: bool) -> None:
    """Guest 1 may send with A's address, guest 2 hears what is not for it: as switch 2 allows either."""
    scene.arrange()
    two = scene.switches[1]
    policy = access(0, promiscuous=promiscuous, forged_ok=forged)
    two.apply(vnic(NEAR, policy, own=octets(MACS[0][1])), vnic(FAR, policy, own=octets(MACS[1][0])))
    refused = two.counters(NEAR).drops_in.get("FORGED_TX", 0)
    assert scene.passes(STATION, frame(BROADCAST, A)) == forged
    assert scene.passes(STATION, frame(B, A)) == (promiscuous and forged)
    assert two.counters(NEAR).drops_in.get("FORGED_TX", 0) - refused == (0 if forged else 2)


@pytest.mark.rules("S-102", "S-105", "S-106", "S-107", "S-108", "S-109", "S-110", "S-119", "G2")
def test_g2_the_four_rows_as_a_real_promiscuous_guest_sees_them(scene: Scene) -> None:
    """Guest 1 uses u1, the VM u2, and so does A."""
    scene.arrange()
    one = scene.switches[0]
    assert scene.passes(STATION, frame(D, A)) == 1  # row 1
    assert one.receive[VM]() == [frame(D, A)]
    assert scene.passes(STATION, frame(ELSEWHERE, A)) == 1  # row 2, although A uses the other uplink
    assert (one.receive[U1](), one.receive[U2]()) == ([], [frame(ELSEWHERE, A)])
    assert scene.passes(U1, frame(D, ELSEWHERE)) == 1  # row 3, by guest 1's uplink: it sees what the VM does not get
    assert one.receive[VM]() == []
    assert scene.passes(U2, frame(D, ELSEWHERE)) == 0  # row 3, by the VM's
    assert one.receive[VM]() == [frame(D, ELSEWHERE)]
    assert scene.passes(U1, frame(ELSEWHERE2, ELSEWHERE)) == 1  # row 4: the network flooded it
    assert scene.passes(U2, frame(ELSEWHERE2, ELSEWHERE)) == 0


@pytest.mark.rules("S-085", "S-087", "S-111", "S-117")
@pytest.mark.parametrize(("checked", "copies"), [(True, 1), (False, 2)])
def test_what_the_network_gives_back_reaches_a_bridge_as_the_check_says(
    scene: Scene, checked: bool, copies: int
) -> None:
    """A's broadcast leaves by u2, and the physical switch floods it to u1, which guest 1 listens to.  Without the check
    for promiscuous ports (ESXi's default) everybody behind the bridges has it twice; others never have."""
    scene.arrange(rpf_promiscuous=checked)
    one, sent = scene.switches[0], frame(BROADCAST, A)
    dropped = one.counters(U1).drops_in.get("RPF_LOCAL_SRC", 0)
    assert scene.passes_all([(STATION, sent), (U1, sent)]) == copies
    assert (one.receive[U1](), one.receive[U2]()) == ([], [sent])
    assert one.receive[VM]() == [sent] and one.receive[STATION]() == []
    assert one.counters(U1).drops_in.get("RPF_LOCAL_SRC", 0) - dropped == (1 if checked else 0)


@pytest.mark.rules("S-117", "S-118")
def test_a_broadcast_on_both_uplinks_passes_the_bridges_once(scene: Scene) -> None:
    """S2's duplicate: the network delivers it twice, each receiver has it by its own uplink."""
    scene.arrange()
    one, sent = scene.switches[0], frame(BROADCAST, ELSEWHERE)
    assert scene.passes_all([(U1, sent), (U2, sent)]) == 1
    assert (one.receive[VM](), one.receive[STATION]()) == ([sent], [sent])
