"""Bytes of the few protocols a light guest speaks: Ethernet with one 802.1Q tag, ARP, IPv4, ICMP echo, UDP.

Parsers take anything and return None for what they do not understand; builders return exact bytes.  No state and no
I/O: physical/stack.py decides, this file only reads and writes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from dvswitch.mac import MacAddress

TYPE_IPV4, TYPE_ARP, TYPE_8021Q = 0x0800, 0x0806, 0x8100
ARP_REQUEST, ARP_REPLY = 1, 2
PROTO_ICMP, PROTO_UDP = 1, 17
MIN_FRAME = 60
"""Shortest frame a NIC sends, without FCS."""

_ARP_ETHERNET_IPV4 = struct.pack("!HHBB", 1, TYPE_IPV4, 6, 4)
_DONT_FRAGMENT = 0x4000


@dataclass(frozen=True, slots=True)
class Ethernet:
    """A frame taken apart at its first tag."""

    dst: MacAddress
    src: MacAddress
    ethertype: int
    payload: bytes
    tci: int | None = None
    """Of an outer 802.1Q tag; None = untagged."""

    @property
    def vlan(self) -> int:
        """VLAN of the tag; 0 when untagged or priority-tagged."""
        return (self.tci or 0) & 0x0FFF

    def build(self) -> bytes:
        """The frame, padded to MIN_FRAME."""
        tag = b"" if self.tci is None else struct.pack("!HH", TYPE_8021Q, self.tci)
        frame = self.dst.octets + self.src.octets + tag + struct.pack("!H", self.ethertype) + self.payload
        return frame.ljust(MIN_FRAME, b"\0")


def parse_ethernet(frame: bytes) -> Ethernet | None:
    """None when shorter than its headers."""
    if len(frame) < 14:
        return None
    (ethertype,) = struct.unpack_from("!H", frame, 12)
    tci, start = None, 14
    if ethertype == TYPE_8021Q:
        if len(frame) < 18:
            return None
        tci, ethertype = struct.unpack_from("!HH", frame, 14)
        start = 18
    return Ethernet(MacAddress(frame[:6]), MacAddress(frame[6:12]), ethertype, frame[start:], tci)


@dataclass(frozen=True, slots=True)
class Arp:
    """ARP for Ethernet and IPv4 (RFC 826)."""

    operation: int
    sender_mac: MacAddress
    sender: IPv4Address
    target_mac: MacAddress
    target: IPv4Address

    def build(self) -> bytes:
        """28 bytes."""
        return b"".join(
            (
                _ARP_ETHERNET_IPV4,
                struct.pack("!H", self.operation),
                self.sender_mac.octets + self.sender.packed,
                self.target_mac.octets + self.target.packed,
            )
        )


def parse_arp(data: bytes) -> Arp | None:
    """None when it is not ARP for Ethernet and IPv4; padding behind it is ignored."""
    if len(data) < 28 or data[:6] != _ARP_ETHERNET_IPV4:
        return None
    (operation,) = struct.unpack_from("!H", data, 6)
    return Arp(
        operation,
        MacAddress(data[8:14]),
        IPv4Address(data[14:18]),
        MacAddress(data[18:24]),
        IPv4Address(data[24:28]),
    )


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): 0 over data that contains its own correct checksum."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


@dataclass(frozen=True, slots=True)
class Ipv4:
    """An unfragmented IPv4 packet without options."""

    src: IPv4Address
    dst: IPv4Address
    protocol: int
    payload: bytes
    ttl: int = 64
    ident: int = 0

    def build(self) -> bytes:
        """20 bytes of header and the payload."""
        length = 20 + len(self.payload)
        start = struct.pack("!BBHHHBB", 0x45, 0, length, self.ident, _DONT_FRAGMENT, self.ttl, self.protocol)
        addresses = self.src.packed + self.dst.packed
        return start + struct.pack("!H", checksum(start + b"\0\0" + addresses)) + addresses + self.payload


def parse_ipv4(data: bytes) -> Ipv4 | None:
    """None for anything but a whole, correct, unfragmented packet; options are skipped, padding is cut off."""
    if len(data) < 20 or data[0] >> 4 != 4:
        return None
    header, (length, ident, fragment) = (data[0] & 0x0F) * 4, struct.unpack_from("!HHH", data, 2)
    if header < 20 or not header <= length <= len(data) or fragment & ~_DONT_FRAGMENT:
        return None
    if checksum(data[:header]):
        return None
    src, dst = IPv4Address(data[12:16]), IPv4Address(data[16:20])
    return Ipv4(src, dst, data[9], data[header:length], data[8], ident)


@dataclass(frozen=True, slots=True)
class Echo:
    """ICMP echo request or reply."""

    request: bool
    ident: int
    sequence: int
    data: bytes

    def build(self) -> bytes:
        """8 bytes of header and the data."""
        kind = 8 if self.request else 0
        rest = struct.pack("!HH", self.ident, self.sequence) + self.data
        return struct.pack("!BBH", kind, 0, checksum(struct.pack("!BBH", kind, 0, 0) + rest)) + rest


def parse_echo(data: bytes) -> Echo | None:
    """None when it is no echo or its checksum is wrong."""
    if len(data) < 8 or data[0] not in (0, 8) or data[1] or checksum(data):
        return None
    ident, sequence = struct.unpack_from("!HH", data, 4)
    return Echo(data[0] == 8, ident, sequence, data[8:])


@dataclass(frozen=True, slots=True)
class Udp:
    """A UDP datagram."""

    src_port: int
    dst_port: int
    payload: bytes

    def build(self, src: IPv4Address, dst: IPv4Address) -> bytes:
        """8 bytes of header and the payload; the addresses go into the checksum."""
        length = 8 + len(self.payload)
        ports = struct.pack("!HHH", self.src_port, self.dst_port, length)
        found = checksum(_pseudo_header(src, dst, length) + ports + b"\0\0" + self.payload)
        return ports + struct.pack("!H", found or 0xFFFF) + self.payload


def parse_udp(packet: Ipv4) -> Udp | None:
    """None when it is malformed or its checksum is wrong (0 = none was computed)."""
    data = packet.payload
    if packet.protocol != PROTO_UDP or len(data) < 8:
        return None
    src_port, dst_port, length, found = struct.unpack_from("!HHHH", data)
    if not 8 <= length <= len(data):
        return None
    if found and checksum(_pseudo_header(packet.src, packet.dst, length) + data[:length]):
        return None
    return Udp(src_port, dst_port, data[8:length])


def _pseudo_header(src: IPv4Address, dst: IPv4Address, length: int) -> bytes:
    return src.packed + dst.packed + struct.pack("!BBH", 0, PROTO_UDP, length)
