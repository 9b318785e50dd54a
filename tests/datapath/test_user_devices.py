"""The user engine on netdevices: Linux network stacks talk through raw sockets and taps, offloads on (root).

    g1 eth0 --veth-- vm1 [engine A] ==== trunk ==== [engine B] vm2 --veth-- eth0 g2

The guests' stacks send superframes with unfinished checksums; what the engines copy to a wire must be real frames.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest

from tests.datapath.switches import DEADLINE, check_accounts_when_idle, eventually, user_engine
from tests.rows.world import BROADCAST, OUTSIDE, access, frame, mac, sized, tag, trunk, uplink, vnic
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from vem.datapath.engine import EngineError, Plug
from vem.datapath.user import UserEngine

pytestmark = pytest.mark.kernel

MEGABYTES = 4
V4, V6 = ("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")


@dataclass
class Guests:
    """Two guests, and the namespace where their veths' host ends are."""

    host: Namespace
    first: Namespace
    second: Namespace
    lab: Lab

    def plug(self, number: int) -> Plug:
        return Plug("veth", device=f"vm{number}", netns=self.host.name)


@pytest.fixture
def guests() -> Iterator[Guests]:
    with Lab() as lab:
        host, first, second = (lab.namespace(name) for name in ("host", "g1", "g2"))
        for number, guest in ((1, first), (2, second)):
            lab.veth(
                host, f"vm{number}", guest, "eth0", peer_mac=mac(number).hex(":"), peer_address=f"10.9.0.{number}/24"
            )
            guest.write_sysctl("net.ipv6.conf.eth0.disable_ipv6", "0")
            guest.run(*f"ip -6 address add fd09::{number}/64 dev eth0 nodad".split())
        yield Guests(host, first, second, lab)


# --- talking -----------------------------------------------------------------------------------------------------


def _serve(listener: socket.socket, result: list[str]) -> None:
    listener.settimeout(DEADLINE)
    connection, _ = listener.accept()
    digest = hashlib.sha256()
    with connection:
        connection.settimeout(DEADLINE)
        while data := connection.recv(1 << 18):
            digest.update(data)
    result.append(digest.hexdigest())


def transfer(source: Namespace, sink: Namespace, address: str) -> None:
    """A few megabytes over TCP; what arrives is what was sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    payload = random.Random(7).randbytes(MEGABYTES << 20)
    result: list[str] = []
    with sink.enter():
        listener = socket.socket(family, socket.SOCK_STREAM)
    with source.enter():
        client = socket.socket(family, socket.SOCK_STREAM)
    with listener, client:
        listener.bind((address, 5001))
        listener.listen(1)
        server = threading.Thread(target=_serve, args=(listener, result))
        server.start()
        client.settimeout(DEADLINE)
        client.connect((address, 5001))
        client.sendall(payload)
        client.shutdown(socket.SHUT_WR)
        server.join(2 * DEADLINE)
    assert result == [hashlib.sha256(payload).hexdigest()]


@contextlib.contextmanager
def udp(
    source: Namespace, sink: Namespace, to: tuple[str, int], timeout: float
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A sender, and a receiver which waits so many seconds."""
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    with sink.enter():
        receiver = socket.socket(family, socket.SOCK_DGRAM)
    with source.enter():
        sender = socket.socket(family, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind(to)
        receiver.settimeout(timeout)
        sender.connect(to)
        yield sender, receiver


def find(source: Namespace, sink: Namespace, address: str) -> None:
    """Datagrams until one arrives: a stack that is asked for an address too late has given up the first ones."""
    with udp(source, sink, (address, 5003), 0.5) as (sender, receiver):

        def arrives() -> bool:
            with contextlib.suppress(OSError):  # nothing came, or there was no way yet
                sender.send(b"?")
                return bool(receiver.recv(1))
            return False

        eventually(arrives, f"{address} can be reached")


def exchange(source: Namespace, sink: Namespace, address: str) -> None:
    """UDP datagrams of many lengths; the kernel drops those whose checksum is wrong."""
    find(source, sink, address)
    with udp(source, sink, (address, 5002), DEADLINE) as (sender, receiver):
        for length in (0, 1, 2, 3, 17, 18, 19, 999, 1000, 1400):
            data = random.Random(length).randbytes(length)
            sender.send(data)
            assert receiver.recv(2000) == data


def talk(guests: Guests, addresses: tuple[str, str] = V4) -> None:
    """Everything, both ways."""
    exchange(guests.first, guests.second, addresses[1])
    exchange(guests.second, guests.first, addresses[0])
    transfer(guests.first, guests.second, addresses[1])
    transfer(guests.second, guests.first, addresses[0])


def longest(far: FrameSocket) -> int:
    """Bytes of the longest frame that came; how many are long is a matter of how busy the machine is."""
    return max(len(data) for data in iter(far.receive, None))


# --- one host ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("addresses", [V4, V6], ids=["ipv4", "ipv6"])
def test_stacks_talk_through_raw_sockets(guests: Guests, addresses: tuple[str, str]) -> None:
    with user_engine() as engine:
        engine.plug(1, guests.plug(1))
        engine.plug(2, guests.plug(2))
        with FrameSocket(guests.second, "eth0") as far:
            talk(guests, addresses)
            assert longest(far) > 9000, "superframes were cut where both ends can take them"
        check_accounts_when_idle(engine)
        counters = engine.counters()
        assert counters[1].rx_bytes + counters[2].rx_bytes > 2 * MEGABYTES << 20


def test_a_vlan_of_the_guest_is_seen_and_restored(guests: Guests) -> None:
    with user_engine(vnic(1, trunk("0,100")), vnic(2, trunk("0,100")), uplink(10)) as engine:
        engine.plug(1, guests.plug(1))
        engine.plug(2, guests.plug(2))
        with FrameSocket(guests.first, "eth0") as near, FrameSocket(guests.second, "eth0") as far:
            for number, tags in enumerate(([], [tag(100, 5)], [tag(100), tag(7)], [tag(9, tpid=0x88A8)])):
                cookie = b"tags-%d" % number
                sent = frame(mac(2), mac(1), *tags, body=cookie.ljust(46, b"\0"))
                near.send(sent)
                if tags and tags[0][:2] == b"\x88\xa8":
                    assert far.collect(cookie, DEADLINE, enough=1) == [sent]
                else:
                    assert far.collect(cookie, DEADLINE, enough=1) == [sent], tags


def test_link_state_follows_the_device(guests: Guests) -> None:
    with user_engine() as engine:
        engine.plug(1, guests.plug(1))
        assert engine.link_up(1)
        guests.first.run("ip", "link", "set", "eth0", "down")
        eventually(lambda: not engine.link_up(1), "carrier lost")
        guests.first.run("ip", "link", "set", "eth0", "up")
        eventually(lambda: engine.link_up(1), "carrier back")


def test_a_device_that_disappears_disturbs_nobody(guests: Guests) -> None:
    guests.lab.veth(guests.host, "vm3", guests.second, "eth3")
    with user_engine() as engine:
        engine.plug(3, Plug("veth", device="vm3", netns=guests.host.name))
        engine.plug(1, guests.plug(1))
        engine.plug(2, guests.plug(2))
        guests.host.delete_link("vm3")
        exchange(guests.first, guests.second, V4[1])
        assert not engine.link_up(3)
        engine.unplug(3)


def test_what_is_missing_is_named(guests: Guests) -> None:
    with user_engine() as engine:
        with pytest.raises(EngineError, match="raw nosuch"):
            engine.plug(1, Plug("raw", device="nosuch", netns=guests.host.name))
        with pytest.raises(EngineError, match="vm1"):
            engine.plug(1, Plug("veth", device="vm1", netns="no-such-namespace"))
        with guests.host.enter():
            engine.plug(1, Plug("raw", device="vm1"))
        assert engine.link_up(1)


# --- two hosts ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def two_hosts(guests: Guests, near: Plug, far: Plug) -> Iterator[tuple[UserEngine, UserEngine]]:
    """Guest 1 on one engine, guest 2 on the other, VLAN 100 on the trunk between them."""
    with user_engine(vnic(1, access(100)), uplink(10)) as one, user_engine(vnic(2, access(100)), uplink(10)) as other:
        one.plug(1, guests.plug(1))
        one.plug(10, near)
        other.plug(2, guests.plug(2))
        other.plug(10, far)
        yield one, other


@pytest.mark.parametrize("addresses", [V4, V6], ids=["ipv4", "ipv6"])
def test_superframes_are_cut_for_a_wire(guests: Guests, addresses: tuple[str, str]) -> None:
    with TemporaryDirectory(prefix="dvs-", dir="/tmp") as room:
        left, right = f"unix:{room}/l", f"unix:{room}/r"
        with two_hosts(guests, Plug("wire", local=left, remote=right), Plug("wire", local=right, remote=left)) as hosts:
            talk(guests, addresses)
            for engine in hosts:
                eventually(lambda engine=engine: _balanced(engine), "all copies accounted for")  # type: ignore[misc]
                assert not engine.counters()[10].drops_in, "a segment was too long"


def _balanced(engine: UserEngine) -> bool:
    counters = engine.counters().values()
    return sum(port.rx_copies for port in counters) == sum(
        port.tx_frames + sum(port.drops_out.values()) for port in counters
    )


def test_segments_on_a_wire_are_what_a_nic_would_send(guests: Guests) -> None:
    """Every frame on the trunk fits the MTU and carries right checksums, judged by another implementation."""
    scapy = pytest.importorskip("scapy.all")
    with TemporaryDirectory(prefix="dvs-", dir="/tmp") as room:
        tap = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        tap.bind(f"{room}/r")
        tap.settimeout(DEADLINE)
        with tap, user_engine(vnic(1, access(100)), uplink(10)) as engine:
            engine.plug(1, guests.plug(1))
            engine.plug(10, Plug("wire", local=f"unix:{room}/l", remote=f"unix:{room}/r"))
            with FrameSocket(guests.first, "eth0") as sender:
                sender.send(frame(OUTSIDE, mac(1)))
            ours = next(data for data in iter(lambda: tap.recv(70000), b"") if data[:6] == OUTSIDE)
            assert len(ours) == 68
            for family, source in ((socket.AF_INET, "10.9.0.1"), (socket.AF_INET6, "fd09::1")):
                _send_superframe(guests.first, family)
                _check_segments(_datagrams(scapy, tap, 3), source)


def _datagrams(scapy: ModuleType, tap: socket.socket, n: int) -> list[object]:
    """The next n UDP frames; the guest's stack also sends neighbour and group messages of its own."""
    found: list[object] = []
    while len(found) < n:
        packet = scapy.Ether(tap.recv(70000))
        if scapy.UDP in packet:
            found.append(packet)
    return found


def _send_superframe(guest: Namespace, family: int) -> None:
    """3000 bytes of UDP cut by the 'NIC' into 1200-byte datagrams (UDP_SEGMENT), to a neighbour that is set by hand."""
    peer = "10.9.0.77" if family == socket.AF_INET else "fd09::77"
    guest.run(*f"ip neighbour replace {peer} lladdr {OUTSIDE.hex(':')} dev eth0".split())
    with guest.enter():
        sender = socket.socket(family, socket.SOCK_DGRAM)
    with sender:
        sender.setsockopt(socket.IPPROTO_UDP, 103, 1200)
        sender.sendto(bytes(range(250)) * 12, (peer, 9))


def _check_segments(cut: list[object], source: str) -> None:
    payload = b""
    for packet in cut:
        assert packet.vlan == 100 and packet.payload.payload.src == source  # type: ignore[attr-defined]
        ip = packet.payload.payload  # type: ignore[attr-defined]
        again = type(ip)(bytes(ip))
        claimed = again.payload.chksum
        del again.payload.chksum
        if again.version == 4:
            header = again.chksum
            del again.chksum
            assert type(ip)(bytes(again)).chksum == header
        assert type(ip)(bytes(again)).payload.chksum == claimed
        payload += bytes(ip.payload.payload)
    assert payload == bytes(range(250)) * 12


def test_superframes_are_kept_on_a_raw_trunk(guests: Guests) -> None:
    guests.lab.veth(guests.host, "tr1", guests.host, "tr2")
    near, far = (Plug("raw", device=name, netns=guests.host.name) for name in ("tr1", "tr2"))
    with two_hosts(guests, near, far) as (one, other), FrameSocket(guests.host, "tr2") as trunk_end:
        talk(guests)
        assert one.counters()[10].tx_bytes > MEGABYTES << 20
        assert longest(trunk_end) > 9000
        check_accounts_when_idle(other)


# --- taps --------------------------------------------------------------------------------------------------------


def test_a_stack_behind_a_tap_talks_to_one_behind_a_veth(guests: Guests) -> None:
    guests.lab.tap(guests.second, "tap0")
    guests.second.run("ip", "address", "flush", "dev", "eth0")
    guests.second.up("tap0", mac=mac(2).hex(":"), address="10.9.0.2/24")
    with user_engine() as engine:
        engine.plug(1, guests.plug(1))
        engine.plug(2, Plug("tap", device="tap0", netns=guests.second.name))
        eventually(lambda: engine.link_up(2), "carrier of the tap")
        talk(guests)
        check_accounts_when_idle(engine)
    assert "tap0" in guests.second.run("ip", "link", "show", "tap0"), "the tap was there before and must stay"


def test_a_tap_that_another_holds_is_used_by_its_device(guests: Guests) -> None:
    """As with QEMU: the process has the tap's descriptor, the switch has its netdevice."""
    guests.lab.tap(guests.host, "tap0")
    with user_engine() as holder, user_engine() as engine:
        holder.plug(1, Plug("tap", device="tap0", netns=guests.host.name))
        engine.plug(1, Plug("tap", device="tap0", netns=guests.host.name))
        engine.plug(2, guests.plug(2))
        with FrameSocket(guests.second, "eth0") as far:
            holder.emit(1, frame(BROADCAST, mac(1), body=b"from the guest".ljust(46)))
            assert far.collect(b"from the guest", DEADLINE, enough=1)
        eventually(lambda: engine.counters()[1].rx_frames == 1, "the frame was counted")


def test_emit_on_a_device(guests: Guests) -> None:
    with user_engine() as engine:
        engine.plug(2, guests.plug(2))
        with FrameSocket(guests.second, "eth0") as far:
            engine.emit(2, sized(60, BROADCAST, mac(1))[:14] + b"announcement".ljust(46))
            assert len(far.collect(b"announcement", DEADLINE, enough=1)) == 1
