"""Group membership: what hosts say, and what the table comes to."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from scapy.utils import wrpcap  # type: ignore[import-untyped]

from vem.datapath.image import Group
from vem.snooping.groups import MAX_SOURCES, Snooper
from vem.snooping.messages import Query, Report, Verb, igmp_query, mld_query, read

G4, G6 = bytes([239, 1, 2, 3]), bytes.fromhex("ff1e" + "00" * 12 + "0102")
S4 = bytes([10, 0, 0, 1])
VLAN, PORT = 10, 5
HOST = bytes.fromhex("525400000005")
IS_IN, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK = range(1, 7)


def ipv4(body: bytes, source: bytes = S4) -> bytes:
    head = struct.pack("!BBHHHBBH4s4s", 0x46, 0, 24 + len(body), 0, 0, 1, 2, 0, source, G4) + bytes.fromhex("94040000")
    return bytes.fromhex("01005e010203") + HOST + b"\x08\x00" + head + body


def ipv6(body: bytes) -> bytes:
    payload = bytes.fromhex("3a00050200000000") + body
    head = struct.pack("!IHBB", 0x60000000, len(payload), 0, 1) + bytes.fromhex("fe80" + "00" * 13 + "05") + G6
    return bytes.fromhex("333300000016") + HOST + b"\x86\xdd" + head + payload


def igmp(kind: int, group: bytes = G4) -> bytes:
    return ipv4(bytes([kind, 0, 0, 0]) + group)


def mld(kind: int, group: bytes = G6) -> bytes:
    return ipv6(bytes([kind]) + bytes(7) + group)


def records(*items: tuple[int, bytes, tuple[bytes, ...]]) -> bytes:
    body = b"".join(
        struct.pack("!BBH", kind, 0, len(sources)) + group + b"".join(sources) for kind, group, sources in items
    )
    head = struct.pack("!BBHHH", 0x22 if len(items[0][1]) == 4 else 143, 0, 0, 0, len(items))
    return (ipv4 if len(items[0][1]) == 4 else ipv6)(head + body)


def sources(count: int) -> tuple[bytes, ...]:
    return tuple(bytes([10, 0, 0, n]) for n in range(1, count + 1))


@pytest.mark.parametrize(
    ("frame", "messages"),
    [
        (igmp(0x12), [Report(G4, Verb.JOIN)]),  # S-232: IGMPv1
        (igmp(0x16), [Report(G4, Verb.JOIN)]),  # S-232: IGMPv2
        (igmp(0x17), [Report(G4, Verb.ONLY)]),
        (mld(131), [Report(G6, Verb.JOIN)]),  # S-232: MLDv1
        (mld(132), [Report(G6, Verb.ONLY)]),
        (records((TO_EX, G4, ())), [Report(G4, Verb.JOIN)]),  # S-232: IGMPv3
        (records((TO_IN, G4, (S4,))), [Report(G4, Verb.ONLY, (S4,))]),
        (
            records((ALLOW, G4, (S4,)), (BLOCK, G4, (S4,))),
            [Report(G4, Verb.ALLOW, (S4,)), Report(G4, Verb.BLOCK, (S4,))],
        ),
        (records((IS_EX, G6, ()), (TO_IN, G6, ())), [Report(G6, Verb.JOIN), Report(G6, Verb.ONLY)]),  # S-232: MLDv2
        (ipv4(bytes([0x11, 100]) + bytes(6)), [Query(S4)]),
        (igmp(0x99), []),
        (b"", []),
    ],
)
def test_messages(frame: bytes, messages: list[object]) -> None:
    assert read(frame) == messages


@pytest.mark.parametrize("frame", [records((TO_EX, G4, sources(3))), records((TO_EX, G6, ())), igmp(0x16), mld(131)])
def test_cut_messages_say_nothing_and_hurt_nobody(frame: bytes) -> None:
    for length in range(len(frame)):
        assert read(frame[:length]) == []


@pytest.mark.parametrize("query", [igmp_query(125), mld_query(125), igmp_query(3600)])
def test_own_queries_are_well_formed(query: bytes, tmp_path: Path) -> None:
    found = read(query)
    assert isinstance(found[0], Query)
    assert found[0].source in (bytes(4), bytes.fromhex("fe80000000000000ffffffffffffffff"))  # S-235
    wrpcap(str(tmp_path / "q.pcap"), [query])
    command = ["tshark", "-r", str(tmp_path / "q.pcap"), "-o", "ip.check_checksum:TRUE", "-V"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    except FileNotFoundError:
        pytest.skip("not installed: tshark")
    assert "Membership Query" in text or "Multicast Listener Query" in text
    assert "ncorrect" not in text.replace("[correct]", "") and "Malformed" not in text


def snooper(*frames: bytes, port: int = PORT) -> Snooper:
    made = Snooper()
    for frame in frames:
        made.receive(port, False, VLAN, frame, 0.0)
    return made


@pytest.mark.parametrize(
    ("frames", "member"),
    [
        ([igmp(0x16)], True),  # S-233
        ([igmp(0x16), igmp(0x17)], False),  # S-233: leave
        ([records((TO_EX, G4, ())), records((TO_IN, G4, ()))], False),
        ([records((IS_IN, G4, (S4,)))], True),
        ([records((TO_IN, G4, (S4,))), records((BLOCK, G4, (S4,)))], False),
        ([records((TO_IN, G4, sources(2))), records((BLOCK, G4, (S4,)))], True),
        ([records((TO_IN, G4, sources(MAX_SOURCES))), records((BLOCK, G4, sources(MAX_SOURCES)))], False),  # S-234
        ([records((TO_IN, G4, sources(11))), records((BLOCK, G4, sources(11)))], True),  # S-234: any source
        ([records((ALLOW, G4, (S4,)))], True),
        ([records((BLOCK, G4, (S4,)))], False),
        ([igmp(0x16, bytes([224, 0, 0, 251]))], False),  # S-237
        ([igmp(0x16, bytes([10, 1, 2, 3]))], False),
    ],
)
def test_membership(frames: list[bytes], member: bool) -> None:
    assert snooper(*frames).groups() == ({Group(VLAN, G4): (PORT,)} if member else {})


def test_ipv6_membership_and_groups_that_are_always_flooded() -> None:
    assert snooper(mld(131)).groups() == {Group(VLAN, G6): (PORT,)}
    assert snooper(mld(131), mld(132)).groups() == {}
    assert snooper(mld(131, bytes.fromhex("ff02" + "00" * 13 + "01"))).groups() == {}  # S-237


def test_a_wish_that_is_not_repeated_ends() -> None:
    made = snooper(igmp(0x16))
    made.expire(259.9)
    assert made.groups()
    made.receive(PORT, False, VLAN, igmp(0x16), 259.9)
    made.expire(260.0)
    assert made.groups()
    made.expire(259.9 + 260.0)
    assert made.groups() == {}  # S-233: 2 x 125 + 10 s


def test_a_port_stays_while_one_host_behind_it_listens() -> None:
    other = igmp(0x16)[:6] + bytes.fromhex("525400000006") + igmp(0x16)[12:]
    made = snooper(igmp(0x16), other, igmp(0x17))
    assert made.groups() == {Group(VLAN, G4): (PORT,)}
    made.keep_only([6])
    assert made.groups() == {}  # S-242


def test_reports_by_an_uplink_do_not_count_and_router_ports_get_everything() -> None:
    made = snooper(igmp(0x16))
    made.receive(1, True, VLAN, igmp(0x16), 0.0)
    made.receive(6, False, VLAN, ipv4(bytes([0x11, 100]) + bytes(6)), 0.0)
    assert made.groups() == {Group(VLAN, G4): (PORT, 6)}


def test_queries_of_a_switch_without_querier() -> None:
    made, ports = Snooper(), {5: [10], 6: [10, 20]}
    assert made.to_ask(ports, 0.0) == [(5, 10), (6, 10), (6, 20)]  # S-235
    assert made.to_ask(ports, 124.0) == []
    made.receive(1, True, 10, ipv4(bytes([0x11, 100]) + bytes(6)), 124.0)
    assert made.to_ask(ports, 125.0) == [(6, 20)]  # S-235: VLAN 10 has a querier
    made.expire(124.0 + 260.0)
    assert (5, 10) in made.to_ask(ports, 384.0)


def test_queries_after_a_move() -> None:
    made, ports = snooper(igmp(0x16)), {5: [10], 6: [10], 7: [20]}
    made.nudge(moved=[5, 6], arrived=[7], now=50.0)
    asked = [made.nudged(ports, now) for now in (50.0, 50.5, 51.0, 52.0)]
    assert asked == [[(5, 10), (7, 20)], [], [(5, 10), (7, 20)], []]  # S-156: two, to receivers and to newcomers


def test_a_guest_can_not_fill_the_table() -> None:
    made = Snooper()
    for number in range(2000):
        group = bytes([239, 1, number >> 8, number & 255])
        made.receive(PORT, False, VLAN, igmp(0x16, group), 0.0)
    assert len(made.groups()) == 1024
    made.receive(6, False, VLAN, igmp(0x16), 0.0)
    assert made.groups()[Group(VLAN, G4)] == (6,) or 6 in made.groups()[Group(VLAN, G4)]
