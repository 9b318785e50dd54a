"""The last frame that each port dropped, by reason, on both engines."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.rows.world import BROADCAST, OUTSIDE, access, frame, mac, tag, uplink, vnic, world
from tests.support.engines import KINDS, engine_of
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine
from vem.datapath.image import Image

WORLD = world(vnic(1, access(100), port_id=0), vnic(2, access(100), port_id=1), uplink(10), uplink(11))


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_of(request.param) as found:
        apply_image(found, Image(), WORLD)
        yield found


def test_each_reason_keeps_its_last_frame(engine: Engine) -> None:
    first, last = (frame(mac(2), mac(9), body=bytes([number]) * 100) for number in (1, 2))
    tagged = frame(mac(2), mac(1), tag(5, priority=3))
    before = time.monotonic()
    for sent in (first, last, tagged):
        engine.test(1, sent)
    drops = {drop.reason: drop for drop in engine.last_drops()}
    forged, mismatch = drops.pop("FORGED_TX"), drops.pop("VLAN_MISMATCH")
    assert drops == {}
    assert (forged.lport, forged.came_by, forged.inward) == (1, 1, True)
    assert (forged.head, forged.length, forged.tci) == (last[:64], len(last), None)
    assert (mismatch.head, mismatch.tci) == ((tagged[:12] + tagged[16:])[:64], 3 << 13 | 5)
    assert before - 0.1 <= forged.time <= mismatch.time <= time.monotonic() + 0.1


def test_a_copy_on_its_way_out_is_kept_at_its_receiver(engine: Engine) -> None:
    flood = frame(BROADCAST, OUTSIDE, tag(100))
    assert engine.test(10, flood).reason == ""
    (drop,) = engine.last_drops()
    assert (drop.lport, drop.reason, drop.inward, drop.came_by) == (2, "REVERSE_TEAMING", False, 10)
    assert (drop.vlan, drop.head) == (100, (flood[:12] + flood[16:])[:64])
    assert engine.last_drops([1]) == [] and engine.last_drops([2]) == [drop]


def test_they_go_with_the_counters(engine: Engine) -> None:
    engine.test(1, frame(mac(2), mac(9)))
    engine.test(2, frame(mac(1), mac(9)))
    engine.clear_counters(1)
    assert [drop.lport for drop in engine.last_drops()] == [2]


def test_there_is_one_for_every_drop_counted(engine: Engine) -> None:
    engine.test(1, frame(mac(1), mac(1)))
    engine.test(1, frame(mac(2), BROADCAST))
    engine.test(10, frame(bytes.fromhex("0200000000aa"), OUTSIDE, tag(100)))
    engine.test(10, frame(mac(2), OUTSIDE, tag(100)))
    counted = {
        (lport, reason)
        for lport, counters in engine.counters().items()
        for reason in (*counters.drops_in, *counters.drops_out)
    }
    assert {(drop.lport, drop.reason) for drop in engine.last_drops()} == counted
    assert len(counted) == 4
