"""Captures on both engines: the points of a frame's way, filters, tags, and that nothing dropped goes unseen."""

from __future__ import annotations

import select
from collections import Counter
from collections.abc import Iterator

import pytest

from dvswitch.mac import MacAddress
from tests.rows.world import BROADCAST, OUTSIDE, access, frame, mac, tag, trunk, uplink, vnic, world
from tests.support.engines import KINDS, engine_of
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine, EngineError
from vem.datapath.image import Image
from vem.datapath.watch import Capture, CapturedFrame, Point

ICMP_BODY = bytes.fromhex("4500005415e5000040011b5cc0a8640bc0a8640c0000b9f40d1d019f") + bytes(56)
ICMP, TCP = 1, 6
P, Q = 1, 2
VMNIC2, VMNIC3 = 10, 11
WORLD = world(
    vnic(P, access(100), port_id=0),
    vnic(Q, access(100), port_id=1),
    vnic(3, trunk("100,200")),
    uplink(VMNIC2),
    uplink(VMNIC3),
)
REPLY = frame(mac(P), OUTSIDE, tag(100), ethertype=0x0800, body=ICMP_BODY)
"""What the network brings, on both uplinks."""


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_of(request.param) as found:
        apply_image(found, Image(), WORLD)
        yield found


def seen(engine: Engine, *frames: tuple[int, bytes], **wanted: object) -> list[CapturedFrame]:
    engine.capture(Capture(**wanted))  # type: ignore[arg-type]
    for lport, sent in frames:
        engine.test(lport, sent)
    return engine.captured()


def points(events: list[CapturedFrame]) -> list[tuple[str, int]]:
    return [(event.point.label, event.lport) for event in events]


def test_reply_on_two_uplinks_is_seen_as_the_hypervisor_showed_it(engine: Engine) -> None:
    """S-245: both uplinks dispatch it, the port's output sees it twice, its guest once, and one drop says why."""
    events = seen(engine, (VMNIC2, REPLY), (VMNIC3, REPLY), protocol=ICMP)
    assert Counter(points(events)) == {
        ("UplinkRcv", VMNIC2): 1,
        ("UplinkRcv", VMNIC3): 1,
        ("PortInput", VMNIC2): 1,
        ("PortInput", VMNIC3): 1,
        ("EtherswitchDispatch", VMNIC2): 1,
        ("EtherswitchDispatch", VMNIC3): 1,
        ("PortOutput", P): 2,
        ("VnicRx", P): 1,
        ("Drop", P): 1,
    }
    (drop,) = [event for event in events if event.point is Point.DROP]
    assert (drop.reason, drop.came_by, drop.frame) == ("REVERSE_TEAMING", VMNIC3, REPLY)
    assert all(event.reason == "" for event in events if event is not drop)
    assert [event.time for event in events] == sorted(event.time for event in events)


def test_the_vlan_is_shown_up_to_the_port_and_not_to_the_guest(engine: Engine) -> None:
    """S-245a, S-245f"""
    events = seen(engine, (VMNIC2, REPLY))
    by_point = {event.point: event for event in events}
    for point in (Point.UPLINK_RCV, Point.DISPATCH, Point.PORT_OUTPUT):
        assert (by_point[point].tci, by_point[point].frame) == (100, REPLY)
        assert by_point[point].length == len(REPLY)
    untagged = REPLY[:12] + REPLY[16:]
    assert (by_point[Point.VNIC_RX].tci, by_point[Point.VNIC_RX].frame) == (None, untagged)
    assert by_point[Point.VNIC_RX].length == len(untagged)
    assert len({event.packet for event in events}) == 1


def test_transmit_path_is_seen_in_its_order(engine: Engine) -> None:
    """S-245b"""
    sent = frame(BROADCAST, mac(P), ethertype=0x0800, body=ICMP_BODY)
    events = seen(engine, (P, sent), uplink=VMNIC2)
    events += seen(engine, (P, sent), points=frozenset({Point.VNIC_TX, Point.PORT_INPUT, Point.DISPATCH}))
    order = [point for point, _ in points(events[2:] + events[:2])]
    assert order == ["VnicTx", "PortInput", "EtherswitchDispatch", "PortOutput", "UplinkSnd"]
    assert events[1].frame == sent[:12] + tag(100) + sent[12:]


def test_a_packet_keeps_its_number_and_another_has_another(engine: Engine) -> None:
    """S-245f"""
    events = seen(engine, (VMNIC2, REPLY), (VMNIC3, REPLY))
    numbers = {event.came_by: {other.packet for other in events if other.came_by == event.came_by} for event in events}
    assert len(numbers[VMNIC2]) == len(numbers[VMNIC3]) == 1
    assert numbers[VMNIC2] != numbers[VMNIC3] and 0 not in numbers[VMNIC2]


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({"protocol": ICMP}, True),
        ({"protocol": TCP}, False),
        ({"ethertype": 0x0800}, True),
        ({"ethertype": 0x0806}, False),
        ({"vlan": 100}, True),
        ({"vlan": 200}, False),
        ({"mac": MacAddress(mac(P))}, True),
        ({"mac": MacAddress(OUTSIDE)}, True),
        ({"mac": MacAddress(mac(Q))}, False),
        ({"uplink": VMNIC2}, True),
        ({"uplink": VMNIC3}, False),
    ],
)
def test_filters(engine: Engine, wanted: dict[str, object], matches: bool) -> None:
    """S-245d"""
    assert bool(seen(engine, (VMNIC2, REPLY), **wanted)) is matches


def test_port_point_count_and_length(engine: Engine) -> None:
    """S-245d"""
    frames = [(VMNIC2, REPLY), (VMNIC3, REPLY)]
    assert points(seen(engine, *frames, lport=P)) == [
        ("PortOutput", P),
        ("VnicRx", P),
        ("PortOutput", P),
        ("Drop", P),
    ]
    events = seen(engine, *frames, points=frozenset({Point.PORT_OUTPUT}), count=1, snaplen=20)
    assert points(events) == [("PortOutput", P)]
    assert (events[0].frame, events[0].length) == (REPLY[:24], len(REPLY)), "20 bytes and the tag"
    assert engine.capture_state().left == 0


@pytest.mark.parametrize("snaplen", [0, 1601])
def test_an_impossible_capture_is_refused(engine: Engine, snaplen: int) -> None:
    with pytest.raises(EngineError, match="snaplen"):
        engine.capture(Capture(snaplen=snaplen))


def test_every_dropped_copy_is_seen_with_reason_and_place(engine: Engine) -> None:
    """S-245e: the frame that nobody gets, and the copy that one of several receivers does not get."""
    forged = frame(mac(Q), mac(9))
    events = seen(engine, (P, forged), points=frozenset({Point.DROP}))
    assert [(event.lport, event.reason, event.frame) for event in events] == [(P, "FORGED_TX", forged)]
    flood = frame(BROADCAST, OUTSIDE, tag(100))
    events = seen(engine, (VMNIC2, flood), points=frozenset({Point.DROP, Point.VNIC_RX}))
    assert sorted(points(events)) == [("Drop", Q), ("VnicRx", P), ("VnicRx", 3)]
    stranger = frame(bytes.fromhex("0200000000aa"), OUTSIDE, tag(100))
    events = seen(engine, (VMNIC2, stranger), points=frozenset({Point.DROP, Point.DISPATCH}))
    assert [(event.point, event.reason) for event in events] == [(Point.DISPATCH, ""), (Point.DROP, "UNKNOWN_UNICAST")]


def test_nothing_is_told_before_and_after(engine: Engine) -> None:
    engine.test(VMNIC2, REPLY)
    assert engine.captured() == []
    assert seen(engine, (VMNIC2, REPLY)) != []
    engine.capture(None)
    engine.test(VMNIC2, REPLY)
    assert engine.captured() == []
    assert not select.select([engine.capture_fd()], [], [], 0)[0]


def test_a_capture_survives_a_new_configuration_and_is_no_part_of_it(engine: Engine) -> None:
    engine.capture(Capture())
    assert engine.image().control == WORLD.control
    changed = world(vnic(P, access(100), port_id=0), uplink(VMNIC2), uplink(VMNIC3), mtu=9000)
    apply_image(engine, WORLD, changed)
    engine.test(VMNIC2, REPLY)
    assert select.select([engine.capture_fd()], [], [], 0)[0]
    assert len(engine.captured()) == 5


def test_a_capture_that_nobody_reads_loses_frames_and_says_so(engine: Engine) -> None:
    engine.capture(Capture())
    for _ in range(1000):
        engine.test(VMNIC2, REPLY)
    lost = engine.capture_state().lost
    assert lost > 0
    assert len(engine.captured()) + lost == 5 * 1000
