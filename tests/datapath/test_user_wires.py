"""The user engine over real datagram wires: unix and UDP, peers that come and go, full peers, control under traffic."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dvswitch.mac import MacAddress
from tests.datapath.switches import (
    UdpEnd,
    UnixEnd,
    check_accounts_when_idle,
    eventually,
    number_of,
    numbered,
    user_engine,
)
from tests.rows.row import check_accounts
from tests.rows.world import BROADCAST, OUTSIDE, access, frame, mac, sized, tag, trunk, uplink, vnic, world
from vem.datapath.apply import apply_image
from vem.datapath.engine import EngineError, Plug
from vem.datapath.image import Control, Policy, Port
from vem.datapath.user import UserEngine


@pytest.fixture
def room() -> Iterator[Path]:
    """A directory with a short name: socket paths are limited."""
    with TemporaryDirectory(prefix="dvs-", dir="/tmp") as path:
        yield Path(path)


Ends = tuple[UnixEnd | UdpEnd, UnixEnd | UdpEnd]


@pytest.fixture(params=["unix", "udp"])
def ends(request: pytest.FixtureRequest, room: Path) -> Iterator[Ends]:
    """Two far ends of the same kind."""
    pair: Ends = (UnixEnd(room, "a"), UnixEnd(room, "b")) if request.param == "unix" else (UdpEnd(), UdpEnd())
    yield pair
    for end in pair:
        end.socket.close()


def test_frames_travel_between_wires(ends: Ends) -> None:
    first, second = ends
    with user_engine() as engine:
        engine.plug(1, first.plug)
        engine.plug(2, second.plug)
        first.send(frame(mac(2), mac(1)))
        second.send(frame(BROADCAST, mac(2)))
        assert second.receive() == [frame(mac(2), mac(1))]
        assert first.receive() == [frame(BROADCAST, mac(2))]
        check_accounts(engine.counters())


def test_tags_are_put_in_and_taken_out(ends: Ends) -> None:
    access_end, trunk_end = ends
    with user_engine(vnic(1, access(100)), vnic(2, trunk("0,100,200")), uplink(10)) as engine:
        engine.plug(1, access_end.plug)
        engine.plug(2, trunk_end.plug)
        access_end.send(frame(mac(2), mac(1)))
        assert trunk_end.receive() == [frame(mac(2), mac(1), tag(100))]
        trunk_end.send(frame(mac(1), mac(2), tag(100, 5)))
        assert access_end.receive() == [frame(mac(1), mac(2))]


def test_short_frames_leave_by_an_uplink_padded(ends: Ends) -> None:
    guest, network = ends
    with user_engine(vnic(1, access(100)), uplink(10)) as engine:
        engine.plug(1, guest.plug)
        engine.plug(10, network.plug)
        guest.send(sized(30, OUTSIDE, mac(1)))
        assert network.receive() == [sized(60, OUTSIDE, mac(1), tag(100))]
        assert engine.counters()[10].tx_bytes == 60


HELD_SECONDS = 3.0
"""How long the engine keeps what a reader doesn't take."""


def stream(near: UnixEnd, far: UnixEnd, total: int, window: int = 500) -> tuple[list[int], float]:
    """Numbered frames from vNIC 1 to vNIC 2 in bursts that the wire's queue can't take at once.  Also returns how long
    it took at most from a burst's beginning until its last was read: a busy machine may keep this process away."""
    received: list[int] = []
    longest = 0.0
    for start in range(0, total, window):
        begun = time.monotonic()
        for n in range(start, start + window):
            near.send(numbered(2, 1, n))
        for _ in range(window):
            received += map(number_of, found := far.receive())
            if not found:
                break
            longest = max(longest, time.monotonic() - begun)
    return received, longest


def check_complete(received: list[int], total: int, longest: float, engine: UserEngine) -> None:
    """All are there, in order; or they were read so late that the engine had dropped some, and had counted them."""
    dropped = engine.counters()[2].drops_out.get("TX_ERROR", 0) if longest > HELD_SECONDS else 0
    assert received == sorted(set(received)) and len(received) == total - dropped, (len(received), total, longest)


def test_long_bursts_arrive_complete_and_in_order(room: Path) -> None:
    """A unix socket queues few datagrams; the engine holds the rest while the reader catches up."""
    first, second = UnixEnd(room, "a"), UnixEnd(room, "b")
    total = 20000
    with user_engine() as engine:
        engine.plug(1, first.plug)
        engine.plug(2, second.plug)
        received, longest = stream(first, second, total)
        check_complete(received, total, longest, engine)
        counters = engine.counters()
        assert counters[2].tx_frames == len(received)
        check_accounts(counters)
    first.socket.close()
    second.socket.close()


def test_frames_for_a_stalled_reader_are_dropped_and_others_lose_nothing(room: Path) -> None:
    sender, stalled, reader = UnixEnd(room, "a"), UnixEnd(room, "b"), UnixEnd(room, "c")
    with user_engine(*(vnic(n, access(0)) for n in (1, 2, 3))) as engine:
        for lport, end in ((1, sender), (2, stalled), (3, reader)):
            engine.plug(lport, end.plug)
        for n in range(3000):
            sender.send(numbered(2, 1, n))
            sender.send(numbered(3, 1, n))
            assert [number_of(data) for data in reader.receive(1)] == [n]
        eventually(lambda: engine.counters()[2].drops_out.get("TX_ERROR", 0) >= 2900, "drops for the stalled reader")
        check_accounts_when_idle(engine)
    for end in (sender, stalled, reader):
        end.socket.close()


def test_the_tunnel_waits_longer_for_its_reader_than_a_wire_does(room: Path) -> None:
    """The mobility program may be kept from its processor for a while, and stands for many senders (S-252)."""
    sender, program = UnixEnd(room, "a"), UnixEnd(room, "m")
    ports = vnic(1, access(0)), vnic(2, access(0), moved=True, blocked=True, forward=True)
    with user_engine(*ports) as engine:
        image = world(*ports, vnic(9, trunk("0"), own=bytes(6), tunnel=True), moved=True, tunnel=9)
        apply_image(engine, engine.image(), image)
        engine.plug(1, sender.plug)
        engine.plug(9, program.plug)
        begun = time.monotonic()
        for n in range(5000):
            sender.send(numbered(2, 1, n))
        eventually(lambda: engine.counters()[1].rx_frames == 5000, "the engine has them all")
        full, early = engine.counters()[9].drops_out, time.monotonic() - begun < HELD_SECONDS
        assert not (full and early), full
        received = [int.from_bytes(data[18:22], "big") for data in program.receive(5000)]  # behind the service tag
        expired = engine.counters()[9].drops_out.get("TX_ERROR", 0)  # kept from its processor for so long
        assert received == sorted(set(received)) and len(received) == 5000 - expired
    for end in (sender, program):
        end.socket.close()


def test_a_peer_may_be_absent_and_come_later(room: Path) -> None:
    first = UnixEnd(room, "a")
    late = room / "late.guest"
    with user_engine() as engine:
        engine.plug(1, first.plug)
        engine.plug(2, Plug("wire", local=f"unix:{room}/late.switch", remote=f"unix:{late}"))
        first.send(numbered(2, 1, 1))
        eventually(lambda: engine.counters()[2].drops_out == {"TX_ERROR": 1}, "the drop for an absent peer")
        second = UnixEnd(room, "late")
        first.send(numbered(2, 1, 2))
        assert [number_of(data) for data in second.receive()] == [2]
        second.socket.close()
    first.socket.close()


def test_unplugging_removes_the_socket_and_plugging_again_works(room: Path) -> None:
    first, second = UnixEnd(room, "a"), UnixEnd(room, "b")
    with user_engine() as engine:
        engine.plug(1, first.plug)
        engine.plug(2, second.plug)
        engine.plug(1, first.plug)  # adoption: a no-op
        engine.unplug(1)
        engine.unplug(1)
        assert not first.switch.exists()
        second.send(frame(mac(1), mac(2)))
        eventually(lambda: engine.counters()[1].drops_out == {"TX_ERROR": 1}, "the drop for an unplugged NIC")
        engine.plug(1, first.plug)
        second.send(frame(mac(1), mac(2)))
        assert first.receive() == [frame(mac(1), mac(2))]
        assert set(engine.plugged()) == {1, 2}
    assert not second.switch.exists()
    first.socket.close()
    second.socket.close()


def test_a_stale_socket_is_replaced_but_a_live_one_is_not(room: Path) -> None:
    end = UnixEnd(room, "a")
    stale = UnixEnd(room, "b")
    stale.socket.close()
    with user_engine() as engine:
        engine.plug(1, Plug("wire", local=f"unix:{stale.local}", remote=f"unix:{end.local}"))
        with pytest.raises(EngineError, match="in use"):
            engine.plug(2, Plug("wire", local=f"unix:{end.local}", remote=f"unix:{stale.local}"))
    end.socket.close()


@pytest.mark.parametrize(
    ("plug", "complaint"),
    [
        (Plug("wire", local="unix:/tmp/a", remote="udp:127.0.0.1:1"), "both ends"),
        (Plug("wire", local="udp:127.0.0.1", remote="udp:127.0.0.1:1"), "malformed"),
        (Plug("wire", local="udp:127.0.0.1:0", remote="udp:127.0.0.1:99999"), "malformed"),
        (Plug("wire", local=f"unix:/tmp/{'x' * 120}", remote="unix:/tmp/b"), "107"),
        (Plug("wire", local="unix:/nonexistent-folder/a", remote="unix:/tmp/b"), "unix:/nonexistent-folder/a"),
        (Plug("carrier-pigeon"), "unknown"),
        (Plug("raw", device=""), "name"),
        (Plug("tap", device="much-too-long-a-name"), "name"),
    ],
)
def test_what_can_not_be_plugged_is_named(plug: Plug, complaint: str) -> None:
    with user_engine() as engine:
        with pytest.raises(EngineError, match=complaint):
            engine.plug(1, plug)
        assert not engine.plugged()


def test_emitted_frames_go_out_as_given_and_are_not_counted(ends: Ends) -> None:
    with user_engine(vnic(1, access(100)), uplink(10)) as engine:
        engine.plug(10, ends[0].plug)
        rarp = frame(BROADCAST, mac(1), tag(100), ethertype=0x8035, body=bytes(46))
        engine.emit(10, rarp)
        assert ends[0].receive() == [rarp]
        assert engine.counters()[10].tx_frames == 0
        with pytest.raises(EngineError, match="lport 1"):
            engine.emit(1, rarp)


def test_a_frame_longer_than_any_buffer_is_oversize(room: Path) -> None:
    end = UnixEnd(room, "a")
    with user_engine() as engine:
        engine.plug(1, end.plug)
        end.send(sized(66000, mac(2), mac(1)))
        eventually(lambda: engine.counters()[1].drops_in == {"OVERSIZE": 1}, "the drop of an enormous frame")
        assert engine.counters()[1].rx_bytes == 66000
    end.socket.close()


def _flip_tables(engine: UserEngine, stop: threading.Event, done: list[int]) -> None:
    """Control calls of every kind that change nothing for ports 1 and 2."""
    address = MacAddress(mac(50))
    number = 0
    while not stop.is_set():
        number += 1
        engine.set_config(Control(), {0: Policy(), 1: Policy(vlan=number % 4094)}, {})
        engine.set_port(50, Port(1, 50, address) if number % 2 else None)
        engine.set_static_macs({address: 50 if number % 2 else None})
        engine.set_members({0: (1, 2), 7: (50,)}, {0: None})
        engine.clear_counters(50)
        assert len(engine.image().ports) in (2, 3)
    done.append(number)


@pytest.mark.slow
def test_control_calls_under_traffic_lose_nothing_and_are_not_starved(room: Path) -> None:
    first, second = UnixEnd(room, "a"), UnixEnd(room, "b")
    total = 8000
    with user_engine() as engine:
        engine.plug(1, first.plug)
        engine.plug(2, second.plug)
        stop, done = threading.Event(), list[int]()
        control = threading.Thread(target=_flip_tables, args=(engine, stop, done))
        control.start()
        received, longest = stream(first, second, total)
        stop.set()
        control.join()
        check_complete(received, total, longest, engine)
        assert done[0] > 20
        check_accounts(engine.counters())
    first.socket.close()
    second.socket.close()


def test_several_engines_in_one_process_do_not_mix(room: Path) -> None:
    first, second = UnixEnd(room, "a"), UnixEnd(room, "b")
    with user_engine() as one, user_engine(vnic(1, access(5)), uplink(10)) as other:
        one.plug(1, first.plug)
        one.plug(2, Plug("wire", local=f"unix:{room}/x", remote=f"unix:{room}/y"))
        other.plug(1, Plug("wire", local=f"unix:{room}/y", remote=f"unix:{room}/x"))
        other.plug(10, second.plug)
        one.set_static_macs({MacAddress(OUTSIDE): 2})
        other.set_config(
            Control(), {0: Policy(vlan=5, forged_ok=True), 1: Policy(trunk=True, allowed=trunk("5").allowed)}, {}
        )
        other.set_port(10, Port(1, 1, MacAddress(mac(10)), uplink=True))
        other.set_static_macs({MacAddress(OUTSIDE): 10})
        first.send(frame(OUTSIDE, mac(1)))
        assert second.receive() == [frame(OUTSIDE, mac(1), tag(5))]
        assert one.incarnation != other.incarnation
    first.socket.close()
    second.socket.close()
