"""The guests' stack: two of them back to back, single frames in and out, and random bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvswitch.errors import Conflict, InvalidValue
from dvswitch.mac import BROADCAST, MacAddress
from physical import frames, stack, stream
from tests.support.examples import many

A_MAC, B_MAC, C_MAC = (MacAddress.parse(f"52:54:00:00:00:0{n}") for n in "abc")
A_IP, B_IP, C_IP = (IPv4Address(f"10.0.0.{n}") for n in (10, 11, 12))
NONE = MacAddress(bytes(6))


def make(mac: MacAddress, address: IPv4Address, vlan: int = 0) -> stack.Stack:
    return stack.Stack(stack.Nic(mac, IPv4Interface(f"{address}/24"), vlan))


def ethernet(frame: bytes) -> frames.Ethernet:
    found = frames.parse_ethernet(frame)
    assert found is not None
    return found


def arp_frame(
    operation: int, sender: MacAddress, sender_ip: IPv4Address, dst: MacAddress, target: IPv4Address
) -> bytes:
    arp = frames.Arp(operation, sender, sender_ip, NONE if dst == BROADCAST else dst, target)
    return frames.Ethernet(dst, sender, frames.TYPE_ARP, arp.build()).build()


class Pair:
    """Two stacks on one wire, in one time; frames to anybody else vanish."""

    def __init__(self, a: stack.Stack, b: stack.Stack) -> None:
        self.a, self.b, self.now = a, b, 100.0
        self.cut = False

    def exchange(self, frames_a: Iterable[bytes], frames_b: Iterable[bytes] = ()) -> None:
        to_b, to_a = list(frames_a), list(frames_b)
        while (to_a or to_b) and not self.cut:
            more_a = [out for frame in to_b for out in self.b.receive(frame, self.now)]
            more_b = [out for frame in to_a for out in self.a.receive(frame, self.now)]
            to_a, to_b = more_a, more_b

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.exchange(self.a.poll(self.now), self.b.poll(self.now))
            timers = [t for t in (self.a.timer(), self.b.timer(), end) if t is not None]
            self.now = max(self.now + 1e-6, min(timers))


@pytest.fixture
def pair() -> Pair:
    return Pair(make(A_MAC, A_IP), make(B_MAC, B_IP))


def test_it_answers_arp_for_its_own_address_only() -> None:
    guest = make(B_MAC, B_IP)
    (reply,) = guest.receive(arp_frame(frames.ARP_REQUEST, A_MAC, A_IP, BROADCAST, B_IP), 0.0)
    found = ethernet(reply)
    assert (found.dst, found.src) == (A_MAC, B_MAC)
    assert frames.parse_arp(found.payload) == frames.Arp(frames.ARP_REPLY, B_MAC, B_IP, A_MAC, A_IP)
    assert guest.receive(arp_frame(frames.ARP_REQUEST, A_MAC, A_IP, BROADCAST, C_IP), 0.0) == []


def test_the_announcement_is_a_gratuitous_request() -> None:
    (frame,) = make(A_MAC, A_IP).announce()
    found = ethernet(frame)
    assert (found.dst, found.src) == (BROADCAST, A_MAC)
    assert frames.parse_arp(found.payload) == frames.Arp(frames.ARP_REQUEST, A_MAC, A_IP, NONE, A_IP)


def test_an_announcement_updates_a_known_neighbour_and_makes_no_new_one(pair: Pair) -> None:
    pair.a.start_ping(B_IP, pair.now)
    pair.exchange(pair.a.poll(pair.now))
    for address in (B_IP, C_IP):
        pair.a.receive(arp_frame(frames.ARP_REQUEST, C_MAC, address, BROADCAST, address), pair.now)
    pair.a.start_ping(B_IP, pair.now)
    pair.a.start_ping(C_IP, pair.now)
    to_b, to_c = (ethernet(frame) for frame in pair.a.poll(pair.now))
    assert (to_b.dst, to_b.ethertype) == (C_MAC, frames.TYPE_IPV4)
    assert (to_c.dst, to_c.ethertype) == (BROADCAST, frames.TYPE_ARP)


def test_ping_resolves_first_and_loses_nothing(pair: Pair) -> None:
    ping = pair.a.start_ping(B_IP, pair.now, count=5, interval=0.1)
    pair.run(2.0)
    assert (ping.done, ping.sent, ping.received, ping.duplicates) == (True, 5, 5, 0)
    assert pair.a.timer() is None


def test_ping_without_an_answer_ends_and_says_so(pair: Pair) -> None:
    pair.cut = True
    ping = pair.a.start_ping(B_IP, pair.now, count=3, interval=0.1, timeout=0.5)
    pair.run(10.0)
    assert (ping.done, ping.sent, ping.received) == (True, 3, 0)
    assert pair.a.unresolved == 3
    assert pair.a.counters.tx_frames == stack.ARP_TRIES


def test_a_probe_stops_at_the_first_reply(pair: Pair) -> None:
    pair.cut = True
    ping = pair.a.start_ping(B_IP, pair.now, count=1000, interval=0.01)
    ping.until_reply = True
    pair.run(0.3)
    assert not ping.done
    pair.cut = False
    pair.run(1.0)
    assert ping.done and ping.received >= 1 and ping.first_reply_at is not None
    assert 100.3 <= ping.first_reply_at <= 100.31


def test_late_and_doubled_replies_are_counted_as_such(pair: Pair) -> None:
    ping = pair.a.start_ping(B_IP, pair.now, count=1)
    pair.exchange(pair.a.poll(pair.now))
    echo = frames.Echo(False, ping.ident, 0, b"")
    packet = frames.Ipv4(B_IP, A_IP, frames.PROTO_ICMP, echo.build())
    pair.a.receive(frames.Ethernet(A_MAC, B_MAC, frames.TYPE_IPV4, packet.build()).build(), pair.now)
    assert (ping.received, ping.duplicates) == (1, 1)


def test_a_stream_arrives_whole_and_at_its_rate(pair: Pair) -> None:
    sender = pair.a.start_stream(B_IP, pair.now, 7, rate=200, limit=100)
    pair.run(0.25)
    assert 49 <= sender.sent <= 52
    pair.run(1.0)
    assert sender.done and not pair.a.senders
    report = pair.b.receivers[(A_IP, 7)].report(sender.sent)
    assert (report.received, report.lost, report.duplicates, report.reordered) == (100, 0, 0, 0)
    assert 0.004 < report.longest_gap < 0.006


def test_a_cut_in_a_stream_is_counted(pair: Pair) -> None:
    sender = pair.a.start_stream(B_IP, pair.now, 7, rate=100)
    pair.run(1.0)
    pair.cut = True
    pair.run(0.5)
    pair.cut = False
    pair.run(1.0)
    report = pair.b.receivers[(A_IP, 7)].report(sender.sent)
    assert 49 <= report.lost <= 51
    assert report.received + report.lost == sender.sent
    assert 0.5 <= report.longest_gap <= 0.53


def test_tagged_guests_hear_their_vlan_only() -> None:
    pair = Pair(make(A_MAC, A_IP, vlan=10), make(B_MAC, B_IP, vlan=10))
    ping = pair.a.start_ping(B_IP, pair.now)
    first = pair.a.poll(pair.now)
    assert ethernet(first[0]).tci == 10
    pair.exchange(first)
    pair.run(1.0)
    assert ping.received == 3
    stranger = make(C_MAC, B_IP, vlan=20)
    assert stranger.receive(first[0], 0.0) == []
    assert (stranger.counters.rx_frames, stranger.counters.rx_ignored) == (1, 1)


def test_a_priority_tag_is_untagged() -> None:
    arp = frames.Arp(frames.ARP_REQUEST, A_MAC, A_IP, NONE, B_IP)
    frame = frames.Ethernet(BROADCAST, A_MAC, frames.TYPE_ARP, arp.build(), tci=0xE000).build()
    assert len(make(B_MAC, B_IP).receive(frame, 0.0)) == 1


def test_frames_are_counted(pair: Pair) -> None:
    pair.a.start_ping(B_IP, pair.now, count=1)
    pair.run(1.0)
    assert asdict(pair.b.counters) == {
        "rx_frames": 2,
        "rx_bytes": 60 + 63,
        "rx_broadcast": 1,
        "rx_ignored": 0,
        "tx_frames": 2,
        "tx_bytes": 60 + 63,
    }


@pytest.mark.parametrize("target", ["10.0.0.10", "10.0.1.1", "0.0.0.0"])
def test_unreachable_targets_are_refused(target: str) -> None:
    with pytest.raises(InvalidValue, match=target):
        make(A_MAC, A_IP).start_ping(IPv4Address(target), 0.0)


def test_doubled_streams_and_absurd_rates_are_refused(pair: Pair) -> None:
    pair.a.start_stream(B_IP, 0.0, 1, rate=10)
    with pytest.raises(Conflict, match="stream 1"):
        pair.a.start_stream(B_IP, 0.0, 1, rate=10)
    with pytest.raises(InvalidValue, match="rate"):
        pair.a.start_stream(B_IP, 0.0, 2, rate=1e9)


@pytest.mark.parametrize(
    ("sequences", "sent", "expected"),
    [
        ([0, 1, 2], 3, (3, 0, 0, 0)),
        ([0, 1, 2], 5, (3, 2, 0, 0)),
        ([0, 2, 1], None, (3, 0, 0, 1)),
        ([0, 0, 3, 3], None, (2, 2, 2, 0)),
        ([5], None, (1, 5, 0, 0)),
        ([], 4, (0, 4, 0, 0)),
    ],
)
def test_the_receiver_counts(sequences: list[int], sent: int | None, expected: tuple[int, int, int, int]) -> None:
    receiver = stream.Receiver()
    assert all(receiver.note(sequence, float(n)) for n, sequence in enumerate(sequences))
    report = receiver.report(sent)
    assert (report.received, report.lost, report.duplicates, report.reordered) == expected


def test_a_late_sender_does_not_burst() -> None:
    sender = stream.Sender(1, rate=100, limit=0, next_at=0.0)
    assert len(sender.due(0.0)) == 1
    assert len(sender.due(5.0)) == 4
    assert sender.due(5.005) == []
    assert [mark.sequence for mark in sender.due(5.01)] == [5]


def test_a_number_far_ahead_is_not_believed() -> None:
    receiver = stream.Receiver()
    assert not receiver.note(2**63, 0.0)
    assert receiver.report().received == 0


HEADERS = st.sampled_from(
    [
        B_MAC.octets + A_MAC.octets + frames.TYPE_ARP.to_bytes(2, "big"),
        BROADCAST.octets + A_MAC.octets + frames.TYPE_ARP.to_bytes(2, "big") + bytes.fromhex("0001080006040001"),
        B_MAC.octets + A_MAC.octets + frames.TYPE_IPV4.to_bytes(2, "big"),
        B_MAC.octets + A_MAC.octets + bytes.fromhex("81000000") + frames.TYPE_IPV4.to_bytes(2, "big"),
        b"",
    ]
)
INNER = st.tuples(st.sampled_from([1, 17, 6]), st.binary(max_size=60)).map(
    lambda pair: frames.Ipv4(A_IP, B_IP, pair[0], pair[1]).build()
)


@settings(max_examples=many(300))
@given(st.lists(st.tuples(HEADERS, st.one_of(st.binary(max_size=120), INNER)), max_size=8))
def test_random_bytes_never_crash_it_nor_stop_it(pieces: list[tuple[bytes, bytes]]) -> None:
    pair = Pair(make(A_MAC, A_IP), make(B_MAC, B_IP))
    for header, rest in pieces:
        for answer in pair.b.receive(header + rest, pair.now):
            assert ethernet(answer).src == B_MAC
        pair.b.poll(pair.now)
    ping = pair.a.start_ping(B_IP, pair.now)
    pair.run(2.0)
    assert ping.received == 3
