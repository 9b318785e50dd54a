"""LLDP: the frames byte by byte, and who is believed how long (S-220 to S-223)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch import lldp
from dvswitch.errors import InvalidValue
from dvswitch.lldp import Advertisement, Capability, Management
from dvswitch.lldp_agent import INTERVAL, MAX_NEIGHBOURS, TTL, LldpAgent, Mode
from dvswitch.mac import MacAddress
from tests.support import tshark

MAC = MacAddress.parse("00:1b:21:aa:bb:01")
L1 = bytes.fromhex(
    """0180 c200 000e 001b 21aa bb01 88cc 0207 0400 1b21 aabb 0004 0705 766d 6e69 6332
    0602 0078 080c 6476 7330 2075 706c 696e 6b32 0a09 686f 7374 312e 6c61 620c 0d64
    7673 2d61 6765 6e74 2031 2e30 0e04 0004 0004 100c 0501 0a00 0001 0200 0000 0300
    fe06 0080 c201 0064 fe0b 0080 c203 0064 0470 726f 64fe 0900 80c2 0703 0000 0065
    fe09 0012 0f01 036c 0100 36fe 0600 120f 0423 3a00 00"""
)
TOLD = Advertisement(
    chassis=MacAddress.parse("00:1b:21:aa:bb:00"),
    port="vmnic2",
    port_description="dvs0 uplink2",
    system_name="host1.lab",
    system_description="dvs-agent 1.0",
    capabilities=Capability.BRIDGE,
    enabled=Capability.BRIDGE,
    management=(Management(IPv4Address("10.0.0.1"), 3),),
    native_vlan=100,
    vlan_names=((100, "prod"),),
    aggregation=(3, 101),
    mac_phy=(3, 0x6C01, 0x0036),
    max_frame=9018,
)
HEAD = L1[:14]
MANDATORY = L1[14:36]


def tlv(kind: int, value: bytes) -> bytes:
    return (kind << 9 | len(value)).to_bytes(2, "big") + value


class TestFrames:
    def test_written_and_read(self) -> None:
        assert lldp.encode(MAC, TOLD) == L1
        assert lldp.decode(L1) == TOLD

    def test_farewell_says_who_and_nothing_else(self) -> None:
        assert lldp.encode(MAC, replace(TOLD, ttl=0)) == L1[:32] + b"\x06\x02\0\0\0\0"

    def test_ids_of_other_kinds(self) -> None:
        told = Advertisement("sw1", MAC, management=(Management(IPv6Address("fe80::1"), 7),))
        assert lldp.decode(lldp.encode(MAC, told)) == told
        by_address = HEAD + tlv(1, b"\x05\x01\x0a\0\0\x09") + tlv(2, b"\x01x\x1b[2Jy") + tlv(3, b"\0\x0a")
        assert lldp.decode(by_address) == Advertisement("10.0.0.9", "x?[2Jy", 10)

    def test_unknown_tlvs_are_passed_over(self) -> None:
        frame = HEAD + MANDATORY + tlv(9, b"?") + tlv(127, b"\x01\x02\x03\x04rest") + tlv(5, b"name") + b"\0\0" + b"pad"
        assert lldp.decode(frame).system_name == "name"

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            MANDATORY[:9],
            MANDATORY[9:],
            MANDATORY + MANDATORY[:9],
            MANDATORY[:-4] + tlv(3, b"\x01"),
            tlv(1, b"\x04\x01\x02") + MANDATORY[9:],
            tlv(1, b"\x07") + MANDATORY[9:],
            MANDATORY + b"\x0a\xff" + b"short",
            MANDATORY + tlv(7, b"\0\x04"),
            MANDATORY + tlv(8, b"\x05\x01\x0a\0"),
            MANDATORY + tlv(8, b""),
            MANDATORY + tlv(127, b"\0\x80"),
            MANDATORY + tlv(127, b"\0\x80\xc2\x01\0"),
            MANDATORY + tlv(127, b"\0\x80\xc2\x03\0\x64\x09abc"),
        ],
    )
    def test_malformed_is_refused(self, body: bytes) -> None:
        with pytest.raises(InvalidValue):
            lldp.decode(HEAD + body)

    @given(st.binary(max_size=120), st.booleans())
    def test_random_bytes_are_read_or_refused(self, tail: bytes, is_late: bool) -> None:
        for frame in (tail, HEAD + tail, HEAD + MANDATORY + tail):
            try:
                lldp.decode(frame)
            except InvalidValue as error:
                assert "LLDPDU" in str(error) or "MAC address" in str(error)

    @pytest.mark.parametrize("told", [replace(TOLD, ttl=70000), replace(TOLD, port=""), replace(TOLD, port="x" * 256)])
    def test_what_does_not_fit_is_refused(self, told: Advertisement) -> None:
        with pytest.raises(InvalidValue, match="LLDP"):
            lldp.encode(MAC, told)

    def test_wireshark_agrees(self, tmp_path: Path) -> None:
        farewell = lldp.encode(MAC, replace(TOLD, ttl=0))
        names = ("lldp.time_to_live", "lldp.tlv.system.name", "lldp.ieee.802_1.port_vlan.id")
        rows = tshark.fields(tmp_path, [lldp.encode(MAC, TOLD), farewell], *names)
        assert rows == [["120", "host1.lab", "100"], ["0", "", ""]]


def agent(mode: Mode = Mode.BOTH) -> LldpAgent:
    made = LldpAgent(mode)
    made.set_port(2, MAC, TOLD, 0)
    made.link(2, True, 0)
    return made


class TestAgent:
    def test_speaks_at_once_and_every_interval(self) -> None:
        """S-221."""
        ours = agent()
        sent = [(now, port) for now in range(100) for port, _ in ours.to_send(now)]
        assert sent == [(0, 2), (30, 2), (60, 2), (90, 2)]
        assert (INTERVAL, TTL) == (30, 120)
        assert ours.next_timer() == 120
        assert ours.counts()[2].sent == 4

    @pytest.mark.parametrize("mode", Mode)
    def test_modes(self, mode: Mode) -> None:
        """S-220."""
        ours = agent(mode)
        ours.receive(2, L1, 1)
        assert bool(ours.to_send(1)) == mode.speaks
        assert bool(ours.neighbours(1)) == mode.hears
        ours.shut_down()
        assert bool(ours.to_send(1)) == mode.speaks

    def test_farewell(self) -> None:
        """S-222."""
        ours = agent()
        ours.to_send(0)
        ours.remove(2)
        assert ours.to_send(1) == [(2, lldp.encode(MAC, replace(TOLD, ttl=0)))]
        assert ours.to_send(2) == []
        assert ours.next_timer() is None

    def test_neighbour_ends_with_its_ttl(self) -> None:
        """S-223."""
        ours = agent(Mode.LISTEN)
        ours.receive(2, L1, 10)
        assert [found.told for found in ours.neighbours(10)] == [TOLD]
        assert ours.next_timer() == 130
        assert ours.neighbours(129.999)
        assert not ours.neighbours(130)
        assert ours.counts()[2].expired == 1

    def test_neighbour_that_says_farewell_is_forgotten(self) -> None:
        ours = agent()
        ours.receive(2, L1, 0)
        ours.receive(2, lldp.encode(MAC, replace(TOLD, ttl=0)), 1)
        assert not ours.neighbours(1)

    def test_malformed_is_counted_and_changes_nothing(self) -> None:
        """S-223."""
        ours = agent()
        ours.receive(2, L1, 0)
        ours.receive(2, L1[:30], 1)
        assert ours.counts()[2].malformed == 1
        assert [found.heard for found in ours.neighbours(1)] == [0]

    def test_lost_link_has_no_neighbours_and_says_nothing(self) -> None:
        ours = agent()
        ours.to_send(0)
        ours.receive(2, L1, 0)
        ours.link(2, False, 5)
        assert not ours.neighbours(5)
        assert ours.next_timer() is None
        ours.receive(2, L1, 6)
        assert not ours.neighbours(6)
        ours.link(2, True, 7)
        assert len(ours.to_send(7)) == 1

    def test_news_go_out_at_once(self) -> None:
        ours = agent()
        ours.to_send(0)
        ours.set_port(2, MAC, replace(TOLD, native_vlan=7), 3)
        assert [lldp.decode(frame).native_vlan for _, frame in ours.to_send(3)] == [7]
        ours.set_port(2, MAC, replace(TOLD, native_vlan=7), 4)
        assert ours.to_send(4) == []
        ours.set_port(2, MAC, replace(TOLD, port="eth9"), 5)
        assert [(lldp.decode(frame).port, lldp.decode(frame).ttl) for _, frame in ours.to_send(5)] == [
            ("vmnic2", 0),
            ("eth9", 120),
        ]

    def test_somebody_new_hears_us_soon(self) -> None:
        """Fast start of IEEE 802.1AB: not only at the next interval, but no more than once a second."""
        made, frame = agent(), lldp.encode(MAC, replace(TOLD, port="new"))
        assert len(made.to_send(0)) == 1
        made.receive(2, frame, 0.5)
        assert made.next_timer() == 1.0 and made.to_send(0.9) == [] and len(made.to_send(1.0)) == 1
        made.receive(2, frame, 5.0)
        assert made.to_send(5.0) == [] and made.next_timer() == 31.0
        made.receive(2, lldp.encode(MAC, replace(TOLD, port="newer")), 7.0)
        assert len(made.to_send(7.0)) == 1

    def test_crowds_are_bounded(self) -> None:
        ours = agent()
        for number in range(MAX_NEIGHBOURS + 5):
            ours.receive(2, lldp.encode(MAC, replace(TOLD, port=f"p{number}")), 1)
        assert len(ours.neighbours(1)) == MAX_NEIGHBOURS
        assert ours.counts()[2].ignored == 5
