"""CDP: the frames byte by byte, and who is believed how long (S-220, S-224)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch import cdp
from dvswitch.cdp import Ability, Announcement
from dvswitch.errors import InvalidValue
from dvswitch.lldp import Management
from dvswitch.lldp_agent import CDP, CDP_INTERVAL, CDP_TTL, LldpAgent, Mode
from dvswitch.mac import MacAddress
from tests.support import tshark

MAC = MacAddress.parse("00:1b:21:aa:bb:01")
C1 = bytes.fromhex(
    """0100 0ccc cccc 001b 21aa bb01 007e aaaa 0300 000c 2000 02b4 670e 0001 000d 686f
    7374 312e 6c61 6200 0200 1100 0000 0101 01cc 0004 0a00 0001 0003 000a 766d 6e69
    6332 0004 0008 0000 0008 0005 0011 6476 732d 6167 656e 7420 312e 3000 0600 0d4c
    696e 7578 2044 5653 000a 0006 0001 000b 0005 0100 1100 0800 0023 2800 1600 1100
    0000 0101 01cc 0004 0a00 0001"""
)
TOLD = Announcement(
    chassis="host1.lab",
    port="vmnic2",
    system_description="dvs-agent 1.0",
    platform="Linux DVS",
    abilities=Ability.SWITCH,
    management=(Management(IPv4Address("10.0.0.1")),),
    native_vlan=1,
    full_duplex=True,
    mtu=9000,
)


def odd(last: bytes, checksum: int) -> bytes:
    """C2 and C3: C1 with a name of three bytes, and so an odd length."""
    frame = bytearray(C1 + b"\x00\x14\x00\x07sy" + last)
    frame[12:14] = (0x7E + 7).to_bytes(2, "big")
    frame[24:26] = checksum.to_bytes(2, "big")
    return bytes(frame)


class TestFrames:
    @pytest.mark.rules("S-224")
    def test_written_and_read(self) -> None:
        assert cdp.encode(MAC, TOLD) == C1
        assert cdp.decode(C1) == cdp.decode(C1 + b"padding") == TOLD

    @pytest.mark.rules("S-224")
    def test_an_odd_last_byte_is_summed_as_the_first_implementation_did(self) -> None:
        assert cdp.encode(MAC, replace(TOLD, system_name="syA")) == odd(b"A", 0xF338)
        assert cdp.checksum(odd(b"\xc3", 0)[22:]) == 0xF3B6
        assert cdp.decode(odd(b"A", 0xF338)).system_name == "syA"
        assert cdp.decode(odd(b"\xc3", 0xF3B6)).system_name == "sy\N{REPLACEMENT CHARACTER}"
        for wrong in (0xF339, 0):
            with pytest.raises(InvalidValue, match="checksum"):
                cdp.decode(odd(b"A", wrong))

    def test_a_farewell_says_all_again(self) -> None:
        assert cdp.decode(cdp.encode(MAC, replace(TOLD, ttl=0))) == replace(TOLD, ttl=0)

    def test_addresses_of_version_6(self) -> None:
        told = Announcement(
            "a", "b", management=(Management(IPv6Address("fe80::1")), Management(IPv4Address("1.2.3.4")))
        )
        assert cdp.decode(cdp.encode(MAC, told)) == told

    @pytest.mark.parametrize(
        "frame",
        [
            C1[:13],
            C1[:-1],
            C1[:12] + b"\x00\x08" + C1[14:],
            C1[:14] + bytes.fromhex("aaaa0300000c2003") + C1[22:],
            b"\x01\x80\xc2\0\0\x0e" + C1[6:],
        ],
    )
    def test_malformed_is_refused(self, frame: bytes) -> None:
        with pytest.raises(InvalidValue):
            cdp.decode(frame)

    @given(st.binary(max_size=80))
    def test_random_tlvs_are_read_or_refused(self, tail: bytes) -> None:
        tlvs = b"\x00\x01\x00\x05a\x00\x03\x00\x05b" + tail
        total = cdp.checksum(b"\x02\xb4\0\0" + tlvs).to_bytes(2, "big")
        body = cdp.SNAP + b"\x02\xb4" + total + tlvs
        frame = C1[:12] + len(body).to_bytes(2, "big") + body
        try:
            told = cdp.decode(frame)
        except InvalidValue as error:
            assert "CDP frame" in str(error)
        else:
            assert (told.chassis, told.port) == ("a", "b")

    @pytest.mark.parametrize("told", [replace(TOLD, ttl=256), replace(TOLD, port=""), replace(TOLD, chassis="x" * 256)])
    def test_what_does_not_fit_is_refused(self, told: Announcement) -> None:
        with pytest.raises(InvalidValue, match="CDP"):
            cdp.encode(MAC, told)

    def test_wireshark_agrees(self, tmp_path: Path) -> None:
        frames = [cdp.encode(MAC, replace(TOLD, system_name=name)) for name in ("", "syA")]
        names = ("cdp.ttl", "cdp.deviceid", "cdp.portid", "cdp.checksum.status", "_ws.malformed")
        assert tshark.fields(tmp_path, frames, *names) == [["180", "host1.lab", "vmnic2", "1", ""]] * 2


@pytest.mark.rules("S-224")
def test_the_agent_speaks_cdp() -> None:
    agent = LldpAgent(Mode.BOTH, CDP_INTERVAL, CDP)
    agent.set_port(2, MAC, TOLD, 0.0)
    agent.link(2, True, 0.0)
    assert agent.to_send(0.0) == [(2, C1)] and agent.to_send(59.9) == [] and agent.next_timer() == 60.0
    assert agent.to_send(60.0) == [(2, C1)] and CDP_TTL == TOLD.ttl == 180
    agent.receive(2, C1, 60.0)
    agent.receive(2, C1[:-1], 61.0)
    assert [found.told for found in agent.neighbours(239.9)] == [TOLD] and agent.neighbours(240.0) == []
    assert agent.counts()[2].malformed == 1
    agent.shut_down()
    assert [(port, cdp.decode(frame).ttl) for port, frame in agent.to_send(241.0)] == [(2, 0)]
