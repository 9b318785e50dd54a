"""Hostile frames through a switch with everything on, and through tables that make no sense, on both engines: nothing
breaks, nothing is lost from the accounts, and no memory is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.datapath.hostile import POOL, SEEDS, everything, hostile, wild
from tests.rows.row import check_accounts
from tests.support.engines import KINDS, engine_of
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine
from vem.datapath.image import Image
from vem.datapath.native import LIBRARY_VARIABLE
from vem.datapath.watch import Capture

SANITIZED = LIBRARY_VARIABLE in os.environ
FRAMES = 10_000 if SANITIZED else 100_000
WILD_TABLES, WILD_FRAMES = 60, 30
SEED = int(os.environ.get("DVS_SEED", Random().randrange(1 << 32)))
CUT_OFF = {"user": 0.0, "kernel": 0.01}
"""Share of the frames whose tag is cut off, which Linux drops by itself."""
LISTENING = 20
"""Frames between two looks at what was captured and punted."""


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_of(request.param) as made:
        yield made


def put_in(engine: Engine, lport: int, data: bytes, gso: int) -> int:
    """1 if the engine saw the frame: the kernel refuses some by itself, too short or too long for a packet."""
    if engine.kind == "kernel":
        if len(data) < 14 or len(data) > 3000:
            return 0
        gso = 0
    engine.test(lport, data, gso)
    return 1


def attack(engine: Engine, dice: Random, frames: int, lports: tuple[int, ...]) -> int:
    """How many frames the engine saw."""
    seen = 0
    for number in range(frames):
        seen += put_in(engine, dice.choice(lports), hostile(dice), dice.choice((0, 0, 0, 1, 1448, 70000)))
        if number % LISTENING == 0:
            engine.punted()
            engine.captured()
        if number % 1000 == 0:
            engine.forget(engine.learned()[:20])
            engine.last_drops()
    return seen


def compare(engine: Engine, lport: int, data: bytes) -> None:
    """A trace and what then happens; only a storm may be over in between.

    A frame to its own sender is left out: what a port learns from a frame comes before where that frame goes, and a
    trace learns nothing.
    """
    if data[:6] == data[6:12]:
        return
    trace, fate = engine.trace(lport, data), engine.test(lport, data)
    if trace.reason != "STORM":
        assert trace.reason == fate.reason
        assert [(c.lport, c.reason) for c in trace.copies] == [(c.lport, c.reason) for c in fate.copies]


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_everything_on_and_hostile_frames(engine: Engine) -> None:
    """DVS_SEED repeats a run."""
    print(f"DVS_SEED={SEED}")
    image, dice = everything(), Random(SEED)
    apply_image(engine, Image(), image)
    engine.capture(Capture())
    lports = tuple(sorted(image.ports))
    seen = attack(engine, dice, FRAMES // 5, lports)
    before = resident()
    while seen < FRAMES:
        seen += attack(engine, dice, 5000, lports)
    grown = resident() - before
    counters = engine.counters(range(1024))
    check_accounts(counters)
    counted = sum(port.rx_frames for port in counters.values())
    assert seen - CUT_OFF[engine.kind] * seen <= counted <= seen
    fates = {reason for port in counters.values() for reason in (*port.drops_in, *port.drops_out)}
    assert {"STORM", "MAC_LIMIT", "RESERVED_MCAST", "PORT_BLOCKED"} <= fates
    assert engine.image() == image
    assert len(engine.learned()) == sum(engine.learned_counts().values())
    if not SANITIZED:
        assert grown < 5 << 20, f"grew by {grown} bytes"


@pytest.mark.slow
def test_tables_without_sense(engine: Engine) -> None:
    """What comes of them is nobody's business, but each copy ends somewhere, and traces tell the same."""
    print(f"DVS_SEED={SEED}")
    dice, old = Random(SEED), Image()
    engine.capture(Capture())
    for _ in range(WILD_TABLES):
        new = wild(dice)
        apply_image(engine, old, new)
        old = new
        attack(engine, dice, WILD_FRAMES, POOL)
        compare(engine, dice.choice(POOL), dice.choice(SEEDS))
        check_accounts(engine.counters(range(1024)))
    apply_image(engine, old, Image())
    assert engine.image() == Image()
