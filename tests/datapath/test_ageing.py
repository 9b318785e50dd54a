"""An address is as old as the last frame that it was the source of; what is too old goes (S-069), on both engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rows.world import BROADCAST, access, frame, mac, vnic, world
from tests.support.engines import KINDS, engine_of
from tests.support.processes import wait_until
from vem.agent import ageing
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine
from vem.datapath.image import Image

LEARNS = access(100, learn=True, forged_ok=True)
QUIET, BUSY = mac(98), mac(99)
LIMIT = 1.1
"""Seconds; an entry's time is renewed at most once a second."""


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine_of(request.param) as made:
        apply_image(made, Image(), world(vnic(1, LEARNS), vnic(2, LEARNS)))
        yield made


def ages(engine: Engine) -> dict[bytes, float]:
    return {entry.mac.octets: entry.age for entry in engine.learned()}


@pytest.mark.rules("S-060", "S-069")
def test_only_sources_stay_young(engine: Engine) -> None:
    """Being addressed does not count, and a vNIC's own address is no learned one, however long it is silent."""
    for source in (QUIET, BUSY):
        engine.test(1, frame(BROADCAST, source))
    wait_until(lambda: min(ages(engine).values()) >= LIMIT, "both are old")
    assert ageing.aged(engine.learned(), 3600) == []
    engine.test(1, frame(BROADCAST, BUSY))
    engine.test(2, frame(QUIET, mac(2)))
    found = ages(engine)
    assert found[QUIET] >= LIMIT and found[BUSY] < found[QUIET] - 1.0
    engine.forget(ageing.aged(engine.learned(), found[QUIET]))
    assert ages(engine).keys() == {BUSY}
    assert [copy.lport for copy in engine.test(2, frame(BUSY, mac(2))).copies] == [1]
    assert engine.test(2, frame(QUIET, mac(2))).copies == ()
    assert [copy.lport for copy in engine.test(1, frame(mac(2), mac(1))).copies] == [2]
