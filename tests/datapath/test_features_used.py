"""The user engine forwards by code that has what the tables ask for, and by the smallest such build that there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvswitch.mac import MacAddress
from tests.datapath.hostile import everything
from tests.datapath.test_hostile import SEED, compare
from vem.datapath import feature_bits
from vem.datapath.apply import apply_image
from vem.datapath.engine import EngineError
from vem.datapath.feature_bits import ALL, NONE, Asked, bits
from vem.datapath.image import Control, Image, Method, Policy, Port, Storm, Team
from vem.datapath.user import UserEngine
from vem.datapath.watch import Capture

MACS = [MacAddress(bytes([2, 0, 0, 0, 0, number])) for number in range(8)]
POLICIES = (
    Policy(vlan=10),
    Policy(vlan=10, learn=True),
    Policy(vlan=10, storm=Storm(broadcast=1)),
    Policy(vlan=10, promiscuous=True),
    Policy(trunk=True, team=1),
)
PORTS: tuple[Callable[[Port], Port], ...] = (
    lambda port: port,
    lambda port: replace(port, mirror_rx=3),
    lambda port: replace(port, mirror_tx=3),
    lambda port: replace(port, uplink=True),
    lambda port: replace(port, tunnel=True),
    lambda port: replace(port, is_lag=True),
)
USUAL = ALL & ~bits("mirror", "mobility", "niv")
VLAN = 10


@pytest.fixture
def engine() -> Iterator[UserEngine]:
    with closing(UserEngine()) as made:
        yield made


def asked_by(image: Image, capturing: bool) -> int:
    wanted = feature_bits.of_config(image.control, image.policies.values(), image.teams.values())
    for port in image.ports.values():
        wanted |= feature_bits.of_port(port)
    return wanted | (bits("capture") if capturing else NONE)


def smallest(wanted: int) -> int:
    """Of the builds in src/user_choose.h."""
    return next(built for built in (NONE, bits("uplink"), USUAL, ALL) if not wanted & ~built)


def test_the_build_follows_the_tables(engine: UserEngine) -> None:
    built = [engine.built_features()]
    vnic = Port(0, 1, MACS[0])
    for port in (vnic, replace(vnic, mirror_rx=2), vnic, replace(vnic, uplink=True), None):
        engine.set_port(1, port)
        built.append(engine.built_features())
    assert built == [NONE, NONE, ALL, NONE, bits("uplink"), NONE]
    engine.set_config(Control(), {0: POLICIES[1]}, {})
    assert engine.built_features() == USUAL
    engine.set_config(Control(), {0: POLICIES[0]}, {})
    assert engine.built_features() == NONE


def test_a_capture_has_its_part_while_it_lasts(engine: UserEngine) -> None:
    engine.capture(Capture())
    assert engine.built_features() & bits("capture")
    engine.set_config(Control(), {0: POLICIES[0]}, {})
    assert engine.built_features() & bits("capture"), "a configuration does not end it"
    engine.capture(None)
    assert engine.built_features() == NONE


def test_everything_and_nothing(engine: UserEngine) -> None:
    image = everything()
    apply_image(engine, Image(), image)
    assert not asked_by(image, False) & ~engine.built_features()
    apply_image(engine, image, Image())
    assert engine.built_features() == NONE


def test_what_is_refused_takes_nothing_away(engine: UserEngine) -> None:
    engine.set_port(1, Port(0, 1, MACS[0], mirror_rx=2))
    with pytest.raises(EngineError):
        engine.set_config(Control(), {100_000: POLICIES[0]}, {})
    assert engine.built_features() == ALL


def _write(engine: UserEngine, dice: Random) -> bool | None:
    """One table; returns whether a capture is in force from now on, if it was about that."""
    what = dice.randrange(4)
    if what == 0:
        policies = dict(enumerate(dice.sample(POLICIES, dice.randint(1, 3))))
        team = Team(tuple(dice.sample(range(1, 5), dice.randint(0, 2))), dice.choice(list(Method)))
        engine.set_config(Control(snooping=not dice.randrange(4)), policies, {1: team} if dice.randrange(2) else {})
        return None
    if what == 1 and not dice.randrange(3):
        wanted = dice.choice((Capture(), None))
        engine.capture(wanted)
        return wanted is not None
    lport = dice.randrange(1, 6)
    port = dice.choice(PORTS)(Port(dice.randrange(3), lport, MACS[lport], port_id=lport))
    engine.set_port(lport, port if dice.randrange(4) else None)
    return None


def _frame(dice: Random) -> bytes:
    destination = dice.choice((b"\xff" * 6, bytes.fromhex("01005e010203"), dice.choice(MACS).octets))
    return destination + dice.choice(MACS).octets + b"\x08\x00" + bytes(50)


@pytest.mark.parametrize("number", range(20))
def test_programs_of_tables_never_lack_a_feature(engine: UserEngine, number: int) -> None:
    """And the trace, which is built with everything, tells the same as the build that runs.  DVS_SEED repeats a run."""
    print(f"DVS_SEED={SEED}")
    dice, capturing = Random(SEED + number), False
    lists = {VLAN: tuple(range(1, 6))}
    engine.set_members(lists, lists, lists)
    engine.set_static_macs({MACS[lport]: lport for lport in range(1, 4)})
    for _ in range(60):
        changed = _write(engine, dice)
        capturing = capturing if changed is None else changed
        assert engine.built_features() == smallest(asked_by(engine.image(), capturing))
        compare(engine, dice.randrange(1, 6), _frame(dice))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(NONE, ALL), st.booleans()), max_size=20))
@settings(deadline=None)
def test_features_are_there_before_the_table_and_after_it(steps: list[tuple[str, int, bool]]) -> None:
    """The tables in force, old or new, have what they ask for at every instant; what fails may be in force or not."""
    running: list[int] = []
    asked, in_force = Asked(running.append), dict.fromkeys("abc", NONE)
    for who, features, fails in steps:
        try:
            with asked.writing(who, features):
                for wanted in (*in_force.values(), features):
                    assert not wanted & ~running[-1]
                if fails:
                    raise EngineError("table", "is refused")
        except EngineError:
            in_force[who] |= features
        else:
            in_force[who] = features
        assert running[-1] == in_force["a"] | in_force["b"] | in_force["c"]
