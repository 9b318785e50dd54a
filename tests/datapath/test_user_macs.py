"""The user engine's MAC table as it grows and shrinks, and what a port remembers of its own entry there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing

import pytest

from dvswitch.mac import MacAddress
from vem.datapath.apply import apply_image
from vem.datapath.engine import Plug
from vem.datapath.image import Image, Policy, Port, Team
from vem.datapath.user import UserEngine

ENTRIES = 5000
A, B = MacAddress.parse("02:00:00:00:00:01"), MacAddress.parse("02:00:00:00:00:02")
BASE = Image(
    ports={1: Port(1, 1, A, port_id=1), 2: Port(1, 2, B, port_id=2)},
    policies={1: Policy(vlan=10, learn=True)},
    teams={0: Team()},
    static_macs={A: 1, B: 2},
)


@pytest.fixture
def engine() -> Iterator[UserEngine]:
    with closing(UserEngine()) as made:
        for lport in BASE.ports:
            made.plug(lport, Plug("memory"))
        apply_image(made, Image(), BASE)
        yield made


def _station(number: int) -> MacAddress:
    return MacAddress(b"\x02\x02" + number.to_bytes(4, "big"))


def _frame(source: MacAddress, destination: MacAddress) -> bytes:
    return (destination.octets + source.octets + b"\x88\xb5").ljust(60, b"\0")


def test_entries_are_found_after_any_number_came_and_went(engine: UserEngine) -> None:
    stations = [_station(number) for number in range(ENTRIES)]
    engine.set_static_macs(dict.fromkeys(stations, 2))
    assert engine.image().static_macs == BASE.static_macs | dict.fromkeys(stations, 2)
    gone = set(random.Random(1).sample(stations, ENTRIES // 2))
    engine.set_static_macs(dict.fromkeys(gone))
    assert engine.image().static_macs == BASE.static_macs | {mac: 2 for mac in stations if mac not in gone}
    for mac in stations[::50]:
        reached = [copy.lport for copy in engine.test(1, _frame(A, mac)).copies]
        assert reached == ([] if mac in gone else [2]), mac


@pytest.mark.rules("S-073")
def test_a_port_whose_entry_went_to_another_is_told_from_one_that_has_it(engine: UserEngine) -> None:
    assert engine.test(1, _frame(A, B)).copies
    engine.set_static_macs({A: 2})
    assert engine.test(1, _frame(A, B)).reason == "PORT_SECURITY"
    engine.set_static_macs({A: 1})
    assert engine.test(1, _frame(A, B)).copies
    engine.set_port(1, Port(1, 1, _station(1), port_id=1))
    engine.set_static_macs({_station(1): 2})
    assert engine.test(1, _frame(_station(1), B)).reason == "PORT_SECURITY"
