"""Totals never fall: whatever restarts, moves or reports late."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from vsm.fabric.counters import CounterBook, Record, closed, reported
from vsm.runtime import Counters
from vsm.store.codec import decode, encode


def seen(frames: int, **drops: int) -> Counters:
    return Counters(rx_frames=frames, rx_bytes=frames * 100, drops_in=dict(drops))


def test_reports_of_one_life_are_absolute() -> None:
    record = reported(Record(), 3, "i1", 1, seen(10, vlan=1))
    record = reported(record, 3, "i1", 1, seen(25, vlan=2))
    assert record.total == seen(25, vlan=2)


def test_a_new_incarnation_adds_up() -> None:
    record = reported(Record(), 3, "i1", 1, seen(10, vlan=1))
    record = reported(record, 3, "i2", 1, seen(4, forged=1))
    assert record.total == seen(14, vlan=1, forged=1)


def test_a_new_place_adds_up_and_late_reports_of_the_old_one_count() -> None:
    record = closed(reported(Record(), 3, "i1", 1, seen(10)), 3)
    record = reported(record, 4, "j1", 2, seen(5))
    record = reported(record, 3, "i1", 1, seen(12))
    assert record.total.rx_frames == 17


def test_a_new_life_on_the_same_host_starts_from_zero_even_if_it_is_busier() -> None:
    record = closed(reported(Record(), 3, "i1", 1, seen(10)), 3)
    record = reported(record, 3, "i1", 2, seen(50))
    assert record.total.rx_frames == 60


def test_a_cancelled_move_goes_on_counting_where_it_was() -> None:
    record = reported(Record(), 3, "i1", 1, seen(10))
    assert reported(record, 3, "i1", 3, seen(15)).total.rx_frames == 15


def test_reports_of_an_earlier_generation_are_void() -> None:
    record = reported(Record(), 3, "i1", 3, seen(10))
    assert reported(record, 3, "i1", 2, seen(99)) == record


def test_a_counter_that_fell_means_the_port_was_made_anew() -> None:
    record = reported(Record(), 3, "i1", 1, seen(10, vlan=3))
    assert reported(record, 3, "i1", 1, seen(12, vlan=1)).total == seen(22, vlan=4)


LIVES = st.lists(
    st.tuples(st.integers(3, 9), st.integers(1, 4), st.booleans(), st.lists(st.integers(0, 50), max_size=4)),
    max_size=12,
)


@given(LIVES)
def test_the_total_is_what_all_lives_counted(lives: list[tuple[int, int, bool, list[int]]]) -> None:
    record, expected = Record(), 0
    for generation, (slot, incarnation, stored, increments) in enumerate(lives, 1):
        counted = 0
        for increment in increments:
            counted += increment
            before = record.total.rx_frames
            record = reported(record, slot, f"i{incarnation}", generation, seen(counted))
            assert record.total.rx_frames >= before
        expected += counted
        record = closed(record, slot)
        if stored:
            record = decode(Record, json.loads(json.dumps(encode(record))))
    assert record.total == (seen(expected) if expected or record.total.rx_frames == 0 else None)


def test_the_book_knows_what_must_be_stored() -> None:
    book = CounterBook()
    book.report("Vethernet1", 3, "i", 1, seen(1))
    book.report("Vethernet2", 3, "i", 1, seen(1))
    assert set(book.unsaved()[0]) == {"Vethernet1", "Vethernet2"}
    book.saved()
    book.report("Vethernet1", 3, "i", 1, seen(1))
    assert book.unsaved() == ({}, set())
    book.close("Vethernet1", 3)
    book.forget("Vethernet2")
    changed, gone = book.unsaved()
    assert set(changed) == {"Vethernet1"} and gone == {"Vethernet2"}
    assert book.total("Vethernet2") == Counters()


def test_a_nic_that_stayed_plugged_in_counts_on_when_its_port_comes_back() -> None:
    """Counted once, whatever generation the reports are of; a NIC plugged in anew counts from zero."""
    record = closed(reported(Record(), 3, "i1", 1, seen(10), life=7), 3)
    record = closed(reported(record, 4, "j1", 2, seen(5), life=8), 4)
    record = reported(record, 3, "i1", 3, seen(12), life=7)
    assert record.total.rx_frames == 17
    assert reported(record, 3, "i1", 0, seen(14), life=7).total.rx_frames == 19, "dropped while nobody wants the port"
    assert reported(record, 3, "i1", 1, seen(9), life=7) == record, "late"
    assert reported(record, 3, "i1", 4, seen(50), life=9).total.rx_frames == 67
