"""A trace says what the pipeline would do, and does nothing: over all packet rows, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.rows.catalogue import ROWS
from tests.rows.row import Row
from tests.rows.world import BROADCAST, access, frame, mac, trunk, uplink, vnic, world
from tests.support.engines import KINDS, engine_of
from vem.capture.explain import Names, explain
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine
from vem.datapath.image import Counters, Image, LearnedMac
from vem.datapath.watch import Capture, LastDrop, Step


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_of(request.param) as found:
        yield found


@dataclass(frozen=True)
class State:
    """Everything that a trace might have changed."""

    counters: dict[int, Counters]
    learned: list[tuple[object, int, int]]
    drops: list[LastDrop]


def state(engine: Engine) -> State:
    def identity(entry: LearnedMac) -> tuple[object, int, int]:
        return entry.mac, entry.vlan, entry.lport

    learned = sorted(map(identity, engine.learned()), key=repr)
    return State(engine.counters(), learned, engine.last_drops())


def check(engine: Engine, row: Row) -> None:
    world, short = row.world, engine.kind == "kernel"
    apply_image(engine, Image(), world)
    image = engine.image()
    try:
        for step in row.steps:
            if step.world is not None:
                assert engine.image() == image
                apply_image(engine, world, step.world)
                world, image = step.world, engine.image()
                continue
            if short and len(step.frame) < 14:
                continue
            before = state(engine)
            trace = engine.trace(step.lport, step.frame, step.gso)
            assert state(engine) == before
            fate = engine.test(step.lport, step.frame, step.gso)
            assert trace.reason == fate.reason
            assert [(copy.lport, copy.reason) for copy in trace.copies] == [
                (copy.lport, copy.reason) for copy in fate.copies
            ]
            assert trace.steps and all(item.reason == "" for item in trace.steps[:-1])
        assert engine.image() == image
    finally:
        engine.forget(engine.learned())
        apply_image(engine, world, Image())


@pytest.mark.parametrize("number", range(8))
def test_rows_traced_are_rows_tested(engine: Engine, number: int) -> None:
    """In eight parts, so that a failure says roughly where."""
    for row in ROWS[number::8]:
        if engine.kind in row.engines:
            try:
                check(engine, row)
            except AssertionError as problem:
                raise AssertionError(f"{row.id}: {problem}") from problem


WORLD = world(vnic(1, access(100)), vnic(2, access(100)), uplink(10))


def test_the_steps_end_with_the_one_that_decided(engine: Engine) -> None:
    apply_image(engine, Image(), WORLD)
    forged = engine.trace(1, frame(mac(2), mac(9)))
    assert [(item.step, item.reason) for item in forged.steps] == [(Step.PARSE, ""), (Step.ADMIT, "FORGED_TX")]
    flooded = engine.trace(1, frame(BROADCAST, mac(1)))
    assert flooded.steps[-1].step is Step.LOOKUP
    assert (flooded.vlan, flooded.flooded, flooded.unknown, flooded.out_uplink) == (100, True, False, 10)
    assert [(copy.lport, copy.tci) for copy in flooded.copies] == [(2, None), (10, 100)]
    apply_image(engine, WORLD, Image())


def test_a_trace_is_not_captured_and_not_shown_to_the_agent(engine: Engine) -> None:
    apply_image(engine, Image(), WORLD)
    engine.capture(Capture())
    engine.punted()
    lacp = engine.trace(10, frame(bytes.fromhex("0180c2000002"), mac(9), ethertype=0x8809))
    assert (lacp.reason, lacp.punt) == ("RESERVED_MCAST", 1)
    assert engine.captured() == [] and engine.punted() == []
    engine.capture(None)
    apply_image(engine, WORLD, Image())


def test_a_reply_in_the_physical_native_vlan_is_explained(engine: Engine) -> None:
    """S-047: it is dropped, and a hint names the native VLAN; not where the native VLANs agree."""
    for native, hinted in ((trunk("1-4094"), True), (trunk("0-4094"), True), (trunk("1,100", native=100), False)):
        made = world(vnic(1, access(100)), uplink(10, native))
        apply_image(engine, Image(), made)
        reply = frame(mac(1) if hinted else mac(7), mac(99))
        names = Names(port=lambda lport: f"lport{lport}")
        text = explain(engine.trace(10, reply), 10, reply, made, names)
        assert ("remedy: it came untagged: if the physical switch's native VLAN" in text) is hinted, text
        assert "Dropped: " in text
        apply_image(engine, made, Image())
