"""The mobility program between two switches of either engine: order, what waits, what is dropped, and who may speak.

    station - switch A - program A ==== program B - switch B - the VM's port

The VM has moved from A to B.  Frames are put in and taken out by hand, so that every order is the one of the program.
The user engine's NICs are memory, the kernel engine's are taps, with the frames as a hypervisor would have them.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest

from dvswitch.mac import MacAddress
from tests.kernel import rig
from tests.rows.backends_kernel import TapNic
from tests.rows.row import check_accounts
from tests.rows.world import OUTSIDE, access, frame, mac, switch_port, tag, uplink, vnic, world
from tests.support.netns import Lab
from tests.support.processes import wait_until
from vem.agent.announce import rarp
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine, Plug
from vem.datapath.image import Image, Punt
from vem.datapath.mobility import MobilityProgram, Session
from vem.datapath.user import UserEngine

pytestmark = pytest.mark.rules("S-246", "S-250", "S-252")
VM, PEER, M, UP = 1, 2, 9, 10
IDENT, KEY = 0x1234, bytes(range(16))
LOCALHOST = ("127.0.0.1", 0)
QUIET, LONGEST = 0.05, 1.0
"""As in mobility_frames.h: seconds after which a tunnel counts as quiet, and that a direct frame waits at most."""


@dataclass
class Switch:
    """A running engine, with a program; ``put`` and ``get`` are the guests' and the network's ends of its NICs."""

    engine: Engine
    put: Callable[[int, bytes], object]
    get: Callable[[int], bytes | None]
    where: str = ""
    """Namespace of its NICs."""
    image: Image = field(default_factory=Image)
    program: MobilityProgram = field(init=False)

    def __post_init__(self) -> None:
        self.program = MobilityProgram(self.engine.kind, self.where, LOCALHOST)
        self.engine.plug(M, self.program.plug)

    def become(self, **vm: object) -> None:
        """The VM's port is as told from now on."""
        ports = (vnic(VM, access(100), **vm), vnic(PEER, access(100)), uplink(UP))  # type: ignore[arg-type]
        self.apply(world(*ports, vnic(M, access(0), own=bytes(6), tunnel=True), tunnel=M, moved=True))

    def apply(self, image: Image) -> None:
        """These are the tables."""
        apply_image(self.engine, self.image, image)
        self.image = image

    def taken(self, lport: int = VM) -> list[int]:
        """Numbers of the frames that the NIC was given."""
        found = []
        while (given := self.get(lport)) is not None:
            found.append(number_of(given))
        return found

    def close(self) -> None:
        """The engine is as it was before."""
        self.engine.forget(self.engine.learned())
        self.apply(Image())
        self.engine.unplug(M)
        self.program.close()
        for lport in (VM, PEER, UP, M):
            self.engine.clear_counters(lport)


Maker = Callable[[], Switch]


def user_maker(stack: ExitStack) -> Maker:
    """Makes switches of one user engine."""
    engine = UserEngine()
    stack.callback(engine.close)
    for lport in (VM, PEER, UP):
        engine.plug(lport, Plug("memory"))
    return lambda: Switch(engine, engine.inject, engine.take)


def kernel_maker(stack: ExitStack, label: str) -> Maker:
    """Makes switches of one kernel engine, in a namespace of its own."""
    space, engine = stack.enter_context(Lab()).namespace(label), stack.enter_context(rig.Switch(label)).open()
    stack.callback(engine.close, keep=False)
    taps = {lport: TapNic(space, f"tap{lport}") for lport in (VM, PEER, UP)}
    for lport, tap in taps.items():
        stack.callback(tap.close)
        space.up(tap.name, mtu=9200)
        engine.plug(lport, Plug("tap", tap.name, space.name))
    return lambda: Switch(
        engine, lambda lport, frame: taps[lport].write(frame), lambda lport: taps[lport].read(), space.name
    )


@pytest.fixture(scope="module", params=["user", pytest.param("kernel", marks=pytest.mark.kernel)])
def makers(request: pytest.FixtureRequest) -> Iterator[tuple[Maker, Maker]]:
    """Of A, and of B."""
    with ExitStack() as stack:
        if request.param == "user":
            yield user_maker(stack), user_maker(stack)
        else:
            yield kernel_maker(stack, "mobA"), kernel_maker(stack, "mobB")


def numbered(number: int, dst: bytes = mac(VM), src: bytes = OUTSIDE, *tags: bytes) -> bytes:
    return frame(dst, src, *tags, body=struct.pack("!I", number) + bytes(46))


def number_of(given: bytes) -> int:
    at = 18 if given[12:14] == b"\x81\x00" else 14
    return int(struct.unpack_from("!I", given, at)[0])


@pytest.fixture
def switches(makers: tuple[Maker, Maker]) -> Iterator[tuple[Switch, Switch]]:
    """A has let the VM go; B waits for it."""
    source, target = makers[0](), makers[1]()
    peer = target.program.endpoint
    target.program.set(Session(IDENT, KEY, VM, 5.0))
    source.program.set(Session(IDENT, KEY, VM, 5.0, peer))
    source.become(moved=True, blocked=True, forward=True)
    target.become(blocked=True, held=True)
    yield source, target
    for switch in (source, target):
        wait_until(lambda switch=switch: settled(switch), "all frames are accounted for")
        switch.close()


def settled(switch: Switch) -> bool:
    try:
        check_accounts(switch.engine.counters())
    except AssertionError:
        return False
    return switch.program.lost() == 0


def by_network(switch: Switch, numbers: range) -> None:
    """The network delivers frames for the VM here."""
    for number in numbers:
        switch.put(UP, numbered(number, mac(VM), OUTSIDE, tag(100)))


def gather(switch: Switch, count: int, lport: int = VM) -> list[int]:
    found: list[int] = []

    def enough() -> bool:
        found.extend(switch.taken(lport))
        return len(found) >= count

    wait_until(enough, f"{count} frames")
    return found


def activate(target: Switch) -> None:
    """As the agent does it: the port opens, what waits goes, and only then the VM's frames go straight."""
    target.become(held=True)
    target.program.open(IDENT)
    target.become(releasing=True)


def test_what_comes_before_activation_waits_and_stays_in_order(switches: tuple[Switch, Switch]) -> None:
    source, target = switches
    by_network(source, range(500))
    wait_until(lambda: target.program.counts(IDENT).held == 500, "frames wait at the target")
    assert target.taken() == []
    activate(target)
    by_network(source, range(500, 600))
    assert gather(target, 600) == list(range(600))
    counts = source.program.counts(IDENT), target.program.counts(IDENT)
    assert (counts[0].sent, counts[1].received, counts[1].delivered) == (600, 600, 600)


def test_direct_frames_wait_for_those_in_the_tunnel(switches: tuple[Switch, Switch]) -> None:
    """The first direct frames are there before the last that the network had sent to the source."""
    source, target = switches
    activate(target)
    by_network(source, range(100))
    wait_until(lambda: target.program.counts(IDENT).received == 100, "the tunnel is in use")
    start = time.monotonic()
    by_network(target, range(110, 150))
    by_network(source, range(100, 110))
    found = gather(target, 150)
    assert found == list(range(150)) or (sorted(found) == list(range(150)) and time.monotonic() - start > LONGEST)
    by_network(target, range(150, 200))  # the gate is open, or about to be
    assert gather(target, 50) == list(range(150, 200))


def test_guests_of_the_target_do_not_overtake_what_waits(switches: tuple[Switch, Switch]) -> None:
    """They send to the VM in the very instant in which its port is active; what they sent before is in the tunnel.
    (Here a guest of the source with the same address puts it there.)"""
    source, target = switches
    target.program.gate(IDENT)
    for number in range(10):
        source.put(PEER, numbered(number, mac(VM), mac(PEER)))
    wait_until(lambda: target.program.counts(IDENT).held == 10, "they wait at the target")
    target.become(held=True)
    closed = numbered(0, mac(VM), mac(PEER))
    wait_until(lambda: [copy.lport for copy in target.engine.test(PEER, closed).copies] == [M], "the gate is closed")
    for number in range(20, 30):
        target.put(PEER, numbered(number, mac(VM), mac(PEER)))
    for number in range(10, 20):
        source.put(PEER, numbered(number, mac(VM), mac(PEER)))
    wait_until(lambda: target.program.counts(IDENT).held == 20, "more come by the tunnel")
    target.program.open(IDENT)
    target.become(releasing=True)
    assert gather(target, 30) == list(range(30))
    for number in range(30, 40):
        target.put(PEER, numbered(number, mac(VM), mac(PEER)))
    assert gather(target, 10) == list(range(30, 40))


def test_direct_frames_wait_for_the_sources_word(switches: tuple[Switch, Switch]) -> None:
    """However long the last frames take to the source: it says when the network has heard of the VM, and has passed on
    by then what came before."""
    source, target = switches
    meet_in_order(target, lambda numbers: by_network(source, numbers), lambda: source.program.end(VM, 100))
    by_network(target, range(30, 40))
    assert gather(target, 10) == list(range(30, 40))


def meet_in_order(target: Switch, at_source: Callable[[range], None], give_word: Callable[[], None]) -> None:
    """What comes by the source, in two parts, and what comes directly after that, but overtakes the second part."""
    activate(target)
    at_source(range(10))
    assert gather(target, 10) == list(range(10))
    start = time.monotonic()
    by_network(target, range(20, 30))
    time.sleep(4 * QUIET)  # the tunnel alone would not tell
    at_source(range(10, 20))
    give_word()
    found = gather(target, 20)
    assert found == list(range(10, 30)) or time.monotonic() - start > LONGEST


def test_a_switch_hears_the_announcement_by_any_of_its_ports(switches: tuple[Switch, Switch]) -> None:
    """A VIS: its ports have no addresses of their own, and learn.  The way by the tunnel and the direct one meet at the
    target, in order; and once it has heard, the source sends directly what comes for the VM."""
    source, target = switches
    ports = (
        vnic(VM, access(100), moved=True, blocked=True, forward=True),
        *(switch_port(lport, access(100)) for lport in (PEER, UP)),
    )
    source.apply(world(*ports, vnic(M, access(0), own=bytes(6), tunnel=True), tunnel=M, moved=True))

    def announce() -> None:
        source.put(UP, rarp(MacAddress(mac(VM)), 0))
        heard = [(item.lport, item.vlan) for item in source.engine.punted() if item.kind is Punt.FOLLOWED]
        assert heard == [(UP, 100)]
        source.program.end(VM, heard[0][1])

    meet_in_order(target, lambda numbers: by_port(source, numbers), announce)
    assert target.program.counts(IDENT).ended == 1
    by_port(source, range(30, 40))
    assert gather(source, 10, UP) == list(range(30, 40))
    assert target.taken() == []


def by_port(switch: Switch, numbers: range) -> None:
    """A port of a physical switch brings frames for the VM."""
    for number in numbers:
        switch.put(PEER, numbered(number, mac(VM), OUTSIDE))


def test_what_a_port_would_take_back_goes_through_the_tunnel_too(switches: tuple[Switch, Switch]) -> None:
    """A port that learns (of a VIS) has heard already where the VM is; what came before that by the same port is for
    it all the same."""
    source, target = switches
    learning = replace(access(100), learn=True, forged_ok=True)
    port = source.image.ports[PEER]
    image = replace(source.image, policies={**source.image.policies, 9: learning})
    image = replace(image, ports={**image.ports, PEER: replace(port, policy=9)})
    source.apply(image)
    source.put(PEER, numbered(0, b"\xff" * 6, mac(VM)))
    assert any(entry.mac.octets == mac(VM) and entry.lport == PEER for entry in source.engine.learned())
    for number in range(1, 20):
        source.put(PEER, numbered(number, mac(VM), OUTSIDE))
    wait_until(lambda: target.program.counts(IDENT).received == 19, "all have come")
    activate(target)
    assert gather(target, 19) == list(range(1, 20))


def test_the_sources_word_is_about_one_vlan(switches: tuple[Switch, Switch]) -> None:
    source, target = switches
    activate(target)
    by_network(source, range(10))
    assert gather(target, 10) == list(range(10))
    start = time.monotonic()
    source.program.end(VM, 200)
    by_network(target, range(20, 30))
    time.sleep(4 * QUIET)
    by_network(source, range(10, 20))
    assert gather(target, 20) == list(range(10, 30)) or time.monotonic() - start > LONGEST


def test_a_move_that_is_cancelled_brings_back_what_waits_at_the_target(switches: tuple[Switch, Switch]) -> None:
    source, target = switches
    by_network(source, range(50))
    wait_until(lambda: target.program.counts(IDENT).held == 50, "frames wait at the target")
    source.become()
    source.program.remove(IDENT, back=True)
    target.program.remove(IDENT)
    assert gather(source, 50) == list(range(50))
    assert target.taken() == []
    assert not target.engine.counters([VM])[VM].drops_out


def test_what_was_delivered_there_does_not_come_back(switches: tuple[Switch, Switch]) -> None:
    source, target = switches
    by_network(source, range(20))
    wait_until(lambda: source.program.counts(IDENT).sent == 20, "the source has sent them")
    assert source.program.counts(IDENT).kept
    activate(target)
    assert gather(target, 20) == list(range(20))
    wait_until(lambda: not source.program.counts(IDENT).kept, "the source knows")
    source.become()
    source.program.remove(IDENT, back=True)
    by_network(source, range(20, 30))
    assert gather(source, 10) == list(range(20, 30))


def test_what_the_vm_says_before_its_activation_leaves_in_order(switches: tuple[Switch, Switch]) -> None:
    _, target = switches
    for number in range(100):
        target.put(VM, numbered(number, mac(PEER), mac(VM)))
    wait_until(lambda: target.program.counts(IDENT).held == 100, "frames wait")
    assert target.taken(PEER) == []
    target.become(held=True)
    target.program.open(IDENT)
    for number in range(100, 200):
        target.put(VM, numbered(number, mac(PEER), mac(VM)))
    target.become(releasing=True)
    for number in range(200, 300):
        target.put(VM, numbered(number, mac(PEER), mac(VM)))
    assert gather(target, 300, PEER) == list(range(300))


def test_frames_of_any_size_cross(switches: tuple[Switch, Switch]) -> None:
    source, target = switches
    activate(target)
    big = numbered(7, mac(VM), OUTSIDE, tag(100)) + bytes(1400)
    source.put(UP, big)
    found: list[bytes] = []

    def arrived() -> bool:
        given = target.get(VM)
        if given is not None:
            found.append(given)
        return bool(found)

    wait_until(arrived, "the frame")
    assert found[0] == big[:12] + big[16:]


def test_what_waits_too_long_is_dropped_for_that_reason(switches: tuple[Switch, Switch]) -> None:
    source, target = switches
    target.program.set(replace(Session(IDENT, KEY, VM, 0.1)))
    by_network(source, range(3))
    target.put(VM, numbered(9, mac(PEER), mac(VM)))

    def counted() -> bool:
        counters = target.engine.counters([VM])[VM]
        return (counters.drops_out.get("MOVE_EXPIRED"), counters.drops_in.get("MOVE_EXPIRED")) == (3, 1)

    wait_until(counted, "the drops are counted at the vEth")
    assert target.program.counts(IDENT).expired == 4


def test_who_can_not_show_the_key_is_refused(switches: tuple[Switch, Switch]) -> None:
    _, target = switches
    assert target.program.endpoint is not None
    for hello in (b"GET / HTTP/1.0\r\n\r\n".ljust(24), b"DVSMOB02" + struct.pack("<Q", IDENT) + bytes(8)):
        before = target.program.refused()
        with socket.create_connection(target.program.endpoint) as stranger:
            stranger.settimeout(30)
            assert stranger.recv(24, socket.MSG_WAITALL)[:8] == b"DVSMOB02"
            stranger.sendall(hello)
            assert stranger.recv(1) == b""
        assert target.program.refused() == before + 1
    assert target.program.counts(IDENT).received == 0


def test_a_connection_that_breaks_is_made_again(switches: tuple[Switch, Switch]) -> None:
    source, target = switches
    activate(target)
    by_network(source, range(10))
    assert gather(target, 10) == list(range(10))
    target.program.remove(IDENT)
    target.program.set(Session(IDENT, KEY, VM, 5.0))
    target.program.open(IDENT)
    wait_until(lambda: source.program.counts(IDENT).ready == 0 or target.program.counts(IDENT).ready == 1, "it broke")
    wait_until(lambda: target.program.counts(IDENT).ready == 1, "it is there again")
    by_network(source, range(10, 20))
    assert gather(target, 10) == list(range(10, 20))
