"""VLAN numbers and sets (S-054)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch.errors import InvalidValue
from dvswitch.vlan import VlanSet, check_vlan

VLANS = st.sets(st.integers(0, 4094), max_size=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10", "10"),
        ("1,10-20", "1,10-20"),
        ("10-20,15-30", "10-30"),
        ("5,4,3", "3-5"),
        ("1-4094", "1-4094"),
        ("7-7", "7"),
        ("", "none"),
        ("none", "none"),
        (" 3 , 5 ", "3,5"),
    ],
)
def test_lists_are_read_and_overlaps_merge(text: str, shown: str) -> None:
    assert str(VlanSet.parse(text)) == shown


@pytest.mark.parametrize("text", ["4096", "4095", "0", "-1", "1-4095", "20-10", "1,,2", "a", "1-2-3", "1-", "9" * 30])
def test_what_is_out_of_range_or_malformed_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="switchport trunk"):
        VlanSet.parse(text, "switchport trunk")


def test_zero_only_where_asked_for() -> None:
    assert 0 in VlanSet.parse("0-3", lowest=0)
    assert check_vlan(0, lowest=0) == 0
    with pytest.raises(InvalidValue, match="out of range 1-4094"):
        check_vlan(0)


@given(VLANS, VLANS)
def test_sets_behave_like_sets(first: set[int], second: set[int]) -> None:
    one, two = VlanSet.of(first), VlanSet.of(second)
    assert set(one) == first and len(one) == len(first)
    assert list(one) == sorted(first)
    assert set(one & two) == first & second
    assert set(one | two) == first | second
    assert set(one - two) == first - second


@given(VLANS)
def test_text_reads_back(vlans: set[int]) -> None:
    value = VlanSet.of(vlans)
    assert VlanSet.parse(str(value), lowest=0) == value


def test_all_leaves_out_untagged() -> None:
    assert str(VlanSet.all()) == "1-4094"
    assert 0 not in VlanSet.all() and 4095 not in VlanSet.all()
