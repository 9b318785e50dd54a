"""Bytes of ARP, ICMP and UDP against scapy, which knows them independently of us."""

from __future__ import annotations

import logging
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch.mac import BROADCAST, MacAddress
from physical import frames

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, UDP  # noqa: E402
from scapy.layers.l2 import ARP, Dot1Q, Ether  # noqa: E402

A_MAC, B_MAC = MacAddress.parse("52:54:00:00:00:0a"), MacAddress.parse("52:54:00:00:00:0b")
A_IP, B_IP = IPv4Address("10.0.0.10"), IPv4Address("10.0.0.11")
ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address)
PAYLOADS = st.binary(max_size=300)


@pytest.mark.parametrize("operation", [frames.ARP_REQUEST, frames.ARP_REPLY])
def test_arp_is_what_scapy_builds(operation: int) -> None:
    target = MacAddress(bytes(6)) if operation == frames.ARP_REQUEST else B_MAC
    ours = frames.Arp(operation, A_MAC, A_IP, target, B_IP).build()
    theirs = ARP(op=operation, hwsrc=str(A_MAC), psrc=str(A_IP), hwdst=str(target), pdst=str(B_IP))
    assert ours == bytes(theirs)


@given(ADDRESSES, ADDRESSES, st.booleans(), st.integers(0, 65535), st.integers(0, 65535), PAYLOADS)
def test_echo_is_what_scapy_builds(
    src: IPv4Address, dst: IPv4Address, request: bool, ident: int, sequence: int, data: bytes
) -> None:
    echo = frames.Echo(request, ident, sequence, data)
    ours = frames.Ipv4(src, dst, frames.PROTO_ICMP, echo.build(), ident=7).build()
    icmp = ICMP(type=8 if request else 0, id=ident, seq=sequence)
    assert ours == bytes(IP(src=str(src), dst=str(dst), id=7, flags="DF") / icmp / data)
    packet = frames.parse_ipv4(ours)
    assert packet is not None and frames.parse_echo(packet.payload) == echo


@given(ADDRESSES, ADDRESSES, st.integers(0, 65535), st.integers(0, 65535), PAYLOADS)
def test_udp_is_what_scapy_builds(
    src: IPv4Address, dst: IPv4Address, src_port: int, dst_port: int, data: bytes
) -> None:
    udp = frames.Udp(src_port, dst_port, data)
    packet = frames.Ipv4(src, dst, frames.PROTO_UDP, udp.build(src, dst))
    theirs = IP(src=str(src), dst=str(dst), id=0, flags="DF") / UDP(sport=src_port, dport=dst_port) / data
    assert packet.build() == bytes(theirs)
    assert frames.parse_udp(packet) == udp


@pytest.mark.parametrize("tci", [None, 0, 10, 0x2FFE, 0xE000])
def test_ethernet_is_what_scapy_builds(tci: int | None) -> None:
    frame = frames.Ethernet(BROADCAST, A_MAC, 0x88B5, b"x" * 50, tci)
    theirs = Ether(dst=str(BROADCAST), src=str(A_MAC), type=0x88B5)
    if tci is not None:
        tag = Dot1Q(prio=tci >> 13, dei=tci >> 12 & 1, vlan=tci & 0xFFF, type=0x88B5)
        theirs = Ether(dst=str(BROADCAST), src=str(A_MAC), type=0x8100) / tag
    assert frame.build() == bytes(theirs) + b"x" * 50
    assert frames.parse_ethernet(frame.build()) == frame


def test_short_frames_are_padded_and_padding_is_not_payload() -> None:
    packet = frames.Ipv4(A_IP, B_IP, 200, b"hi")
    frame = frames.Ethernet(B_MAC, A_MAC, frames.TYPE_IPV4, packet.build()).build()
    assert len(frame) == frames.MIN_FRAME
    ethernet = frames.parse_ethernet(frame)
    assert ethernet is not None and frames.parse_ipv4(ethernet.payload) == packet


@given(st.binary(min_size=20, max_size=200), st.integers(0, 19), st.integers(1, 255))
def test_a_damaged_header_is_refused(payload: bytes, place: int, flip: int) -> None:
    data = bytearray(frames.Ipv4(A_IP, B_IP, 17, payload).build())
    data[place] ^= flip
    assert frames.parse_ipv4(bytes(data)) is None


@given(st.binary(max_size=120))
def test_parsers_take_anything(data: bytes) -> None:
    ethernet = frames.parse_ethernet(data)
    assert (ethernet is None) == (len(data) < 14 or (data[12:14] == b"\x81\x00" and len(data) < 18))
    for parse in (frames.parse_arp, frames.parse_ipv4, frames.parse_echo):
        parse(data)
    frames.parse_udp(frames.Ipv4(A_IP, B_IP, frames.PROTO_UDP, data))
