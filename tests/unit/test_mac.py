"""MAC addresses as text and as values (S-024, S-025, S-267)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch.errors import InvalidValue
from dvswitch.mac import BROADCAST, MacAddress


@pytest.mark.parametrize("text", ["00-0C-29-4F-2E-05", "00:0c:29:4f:2e:05", "000c.294f.2e05"])
def test_three_notations_one_address(text: str) -> None:
    mac = MacAddress.parse(text)
    assert str(mac) == "00:0c:29:4f:2e:05"
    assert mac.dotted == "000c.294f.2e05"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30:59:b7:00:11::22",
        "001122334455667",
        "001122334455",
        "gg:00:00:00:00:01",
        "00:0c:29:4f:2e",
        "00:0c:29:4f:2e:05:06",
        "00:0c-29:4f-2e:05",
        "000c.294f.2e05\n",
        " 00:0c:29:4f:2e:05",
        "00:0c:29:4f:2e:0\u0665",
    ],
)
def test_malformed_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidValue, match="MAC address"):
        MacAddress.parse(text)


@pytest.mark.parametrize("text", ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
def test_what_no_nic_may_own(text: str) -> None:
    assert MacAddress.parse(text)
    with pytest.raises(InvalidValue, match=text):
        MacAddress.station(text)


def test_length_is_checked() -> None:
    with pytest.raises(InvalidValue):
        MacAddress(b"\0" * 5)


@given(st.binary(min_size=6, max_size=6), st.binary(min_size=6, max_size=6))
def test_text_reads_back_and_order_is_that_of_the_octets(first: bytes, second: bytes) -> None:
    one, two = MacAddress(first), MacAddress(second)
    assert MacAddress.parse(str(one)) == MacAddress.parse(one.dotted) == one
    assert (one < two) == (first < second)
    assert one.is_multicast == bool(first[0] & 1)


def test_broadcast_is_a_group() -> None:
    assert BROADCAST.is_multicast
