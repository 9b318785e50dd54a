"""How many frames a second storm control lets in: exactly, by a clock that stands still, and within bounds by the real
one on both engines."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.rows.world import BROADCAST, access, frame, mac, vnic, world
from tests.support.engines import KINDS, engine_of
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine
from vem.datapath.image import Image, Storm
from vem.datapath.user import UserEngine

SHOUT = frame(BROADCAST, mac(1))


@pytest.fixture
def user() -> Iterator[UserEngine]:
    engine = UserEngine()
    yield engine
    engine.close()


def limit(engine: Engine, rate: int) -> None:
    image = world(vnic(1, access(100, storm=Storm(broadcast=rate))), vnic(2, access(100)))
    apply_image(engine, Image(), image)


def shout(engine: Engine, times: int) -> int:
    """How many of so many broadcasts are let in."""
    return sum(engine.test(1, SHOUT).reason == "" for _ in range(times))


@pytest.mark.parametrize(
    ("rate", "burst"), [(1, 1), (9, 1), (10, 1), (20, 2), (1000, 100), (5000, 500)], ids=lambda n: str(n)
)
def test_a_tenth_of_a_second_at_once_and_then_the_rate(user: UserEngine, rate: int, burst: int) -> None:
    limit(user, rate)
    user.set_clock(100)
    assert shout(user, burst + 10) == burst
    user.set_clock(100 + 0.999 / rate)
    assert shout(user, 2) == 0
    user.set_clock(100 + 1.001 / rate)
    assert shout(user, 2) == 1
    user.set_clock(200)
    assert shout(user, burst + 10) == burst, "silence earns no more than one burst"


def test_ten_seconds_come_to_ten_times_the_rate(user: UserEngine) -> None:
    limit(user, 200)
    let_in = 0
    for tick in range(10_000):
        user.set_clock(100 + tick / 1000)
        let_in += shout(user, 1)
    assert abs(let_in - (10 * 200 + 20)) <= 1


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_of(request.param) as made:
        yield made


def test_by_the_real_clock_neither_less_nor_more(engine: Engine) -> None:
    limit(engine, 1000)
    begin = time.monotonic()
    let_in = shout(engine, 400)
    passed = time.monotonic() - begin
    assert 100 <= let_in <= 100 + 1000 * (passed + 0.02)
    assert engine.counters()[1].drops_in.get("STORM", 0) == 400 - let_in
