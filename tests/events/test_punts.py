"""Frames that the agent gets to see, on both engines: which, with what beside, and how many."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dvswitch.mac import MacAddress
from tests.rows.world import BROADCAST, OUTSIDE, access, frame, mac, tag, uplink, vnic, world
from tests.support.engines import KINDS, engine_of
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine
from vem.datapath.image import Image, LearnedMac, Punt

SLOW = bytes.fromhex("0180c2000002")
LLDP = bytes.fromhex("0180c200000e")
CDP = bytes.fromhex("01000ccccccc")
ALL_ROUTERS = bytes.fromhex("333300000016")
QUERY = bytes.fromhex("01005e000001")
LACPDU = frame(SLOW, OUTSIDE, ethertype=0x8809, body=bytes(range(110)))
IGMP = bytes.fromhex("46c00024000040000102041300000000e0000001940400001164ec1e00000000027d0000") + bytes(10)
MLD_BODY = bytes.fromhex("6000000000240001") + bytes(32) + bytes.fromhex("3a000502000001008f00000000000001") + bytes(20)
WORLD = world(vnic(1, access(100)), vnic(2, access(100)), uplink(10), uplink(11))
SNOOPING = replace(WORLD, control=replace(WORLD.control, snooping=True))


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_of(request.param) as found:
        apply_image(found, Image(), WORLD)
        yield found


def readable(engine: Engine) -> bool:
    return bool(select.select([engine.event_fd()], [], [], 0)[0])


def arp(src: bytes, sender: bytes, target: bytes) -> bytes:
    body = bytes.fromhex("0001080006040001") + src + sender + bytes(6) + target + bytes(18)
    return frame(BROADCAST, src, tag(100), ethertype=0x0806, body=body)


def test_control_frames_are_shown_and_dropped(engine: Engine) -> None:
    for dst, ethertype, lport in ((SLOW, 0x8809, 10), (LLDP, 0x88CC, 11), (CDP, 0x2000, 10), (LLDP, 0x88CC, 1)):
        assert not readable(engine)
        sent = frame(dst, OUTSIDE if lport > 9 else mac(1), ethertype=ethertype, body=bytes(range(200)))
        before = time.monotonic()
        assert engine.test(lport, sent).reason == "RESERVED_MCAST"
        assert readable(engine)
        (shown,) = engine.punted()
        assert (shown.lport, shown.kind, shown.frame, shown.tci) == (lport, Punt.CONTROL, sent, None)
        assert before - 0.1 <= shown.time <= time.monotonic() + 0.1
    assert engine.punted() == [] and not readable(engine) and engine.punts_lost() == 0


def test_control_frames_are_shown_of_blocked_ports_too(engine: Engine) -> None:
    engine.set_port(10, replace(WORLD.ports[10], blocked=True))
    assert engine.test(10, LACPDU).reason == "PORT_BLOCKED"
    assert [shown.frame for shown in engine.punted()] == [LACPDU]


def test_beacons_are_shown_and_kept_from_guests(engine: Engine) -> None:
    """S-150"""
    beacon = frame(BROADCAST, OUTSIDE, tag(100, priority=3), body=b"DVSB" + bytes(range(40)))
    assert engine.test(10, beacon).reason == "RESERVED_MCAST"
    (shown,) = engine.punted()
    assert (shown.kind, shown.tci, shown.frame) == (Punt.BEACON, 3 << 13 | 100, beacon[:12] + beacon[16:])
    assert engine.test(1, frame(BROADCAST, mac(1), body=b"DVSB" + bytes(40))).reason == ""
    assert engine.test(10, frame(BROADCAST, OUTSIDE, tag(100), body=b"DVS0" + bytes(40))).reason == ""
    assert engine.punted() == []


@pytest.mark.parametrize(("dst", "ethertype", "body"), [(QUERY, 0x0800, IGMP), (ALL_ROUTERS, 0x86DD, MLD_BODY)])
def test_group_messages_are_shown_and_forwarded_when_snooping(
    engine: Engine, dst: bytes, ethertype: int, body: bytes
) -> None:
    report = frame(dst, mac(1), ethertype=ethertype, body=body)
    silent = engine.test(1, report)
    assert engine.punted() == []
    apply_image(engine, WORLD, SNOOPING)
    snooped = engine.test(1, report)  # a report goes to the network and to no other guest (S-236)
    assert [copy for copy in snooped.copies if copy.lport == 10] == [copy for copy in silent.copies if copy.lport == 10]
    assert snooped.reason == silent.reason == ""
    (shown,) = engine.punted()
    assert (shown.kind, shown.vlan, shown.frame) == (Punt.SNOOPED, 100, report)
    assert engine.test(1, frame(dst, mac(1), ethertype=ethertype, body=bytes(64))).reason == ""
    assert engine.punted() == []


def test_announcement_of_a_local_mac_from_outside_is_shown(engine: Engine) -> None:
    """S-089"""
    rarp = frame(BROADCAST, mac(1), tag(100), ethertype=0x8035)
    gratuitous = arp(mac(1), b"\x0a\0\0\1", b"\x0a\0\0\1")
    question = arp(mac(1), b"\x0a\0\0\1", b"\x0a\0\0\2")
    for sent in (rarp, gratuitous, question):
        assert engine.test(10, sent).reason == "RPF_LOCAL_SRC"
    shown = engine.punted()
    assert [(item.kind, item.vlan) for item in shown] == [(Punt.MOVED, 100)] * 2
    assert [item.frame for item in shown] == [rarp[:12] + rarp[16:], gratuitous[:12] + gratuitous[16:]]


def test_a_guest_can_not_flood_the_agent(engine: Engine) -> None:
    flood = frame(SLOW, mac(1), ethertype=0x8809)
    sent = 300
    start = time.monotonic()
    for _ in range(sent):
        engine.test(1, flood)
    allowed = 66 + int((time.monotonic() - start) * 100)
    shown = len(engine.punted())
    assert 60 <= shown <= allowed
    assert engine.punts_lost() == sent - shown
    engine.test(10, LACPDU)
    assert [item.lport for item in engine.punted()] == [10], "others are not affected"


def test_the_first_frame_of_a_prepared_port_is_shown(engine: Engine) -> None:
    """S-246: with the port's own address only, from that port only, and only while it is awaited."""
    for lport, awaited in ((1, True), (2, False)):
        engine.set_port(lport, replace(WORLD.ports[lport], blocked=True, awaited=awaited))
    own, other = frame(BROADCAST, mac(1), ethertype=0x8035, body=bytes(46)), frame(BROADCAST, mac(2), body=bytes(46))
    for lport, sent in ((1, other), (2, own), (2, other)):
        assert engine.test(lport, sent).reason == "PORT_BLOCKED"
    assert (
        engine.test(10, frame(BROADCAST, mac(1), tag(100), ethertype=0x8035, body=bytes(46))).reason != "PORT_BLOCKED"
    )
    assert [shown for shown in engine.punted() if shown.kind is Punt.ARRIVED] == []
    assert engine.test(1, own).reason == "PORT_BLOCKED"
    (shown,) = engine.punted()
    assert (shown.lport, shown.kind, shown.frame) == (1, Punt.ARRIVED, own)
    engine.set_port(1, replace(WORLD.ports[1], blocked=True))
    assert engine.test(1, own).reason == "PORT_BLOCKED" and engine.punted() == []


def test_addresses_that_a_vm_brought_along_are_known(engine: Engine) -> None:
    """S-252: they count for the port's limit, and give way to what is known already."""
    learning = replace(access(100), learn=True, forged_ok=True, mac_limit=3)
    apply_image(engine, WORLD, world(vnic(1, learning), vnic(2, learning), uplink(10), uplink(11)))
    near, far = mac(0x51), mac(0x52)
    engine.test(2, frame(BROADCAST, near))
    brought = [LearnedMac(MacAddress(octets), 100, 1, 5.0) for octets in (near, far)]
    engine.remember(brought)
    engine.remember(brought)
    assert {(entry.mac.octets, entry.lport) for entry in engine.learned()} == {(near, 2), (far, 1)}
    assert engine.learned_counts() == {1: 1, 2: 1}
    assert engine.test(2, frame(far, mac(2))).copies[0].lport == 1, "known at once"
    engine.forget(engine.learned())
    assert engine.learned() == [] and engine.learned_counts() == {}
