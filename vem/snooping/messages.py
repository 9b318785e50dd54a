"""IGMP (v1, v2, v3) and MLD (v1, v2) on the wire: frames to what they say, and the queries a switch asks itself.

Pure.  Every length is checked; a frame that makes no sense says nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from dvswitch.mac import MacAddress

_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_ROUTER_ALERT_V4 = bytes.fromhex("94040000")
_ROUTER_ALERT_V6 = bytes.fromhex("3a00050200000100")
_ALL_HOSTS_V4, _ALL_HOSTS_V6 = bytes([224, 0, 0, 1]), bytes.fromhex("ff02" + "00" * 13 + "01")
_QUERIER_V6 = bytes.fromhex("fe80000000000000ffffffffffffffff")
_SOURCE = MacAddress(bytes.fromhex("0ad500000001"))
"""Of the switch's own queries; locally administered."""
RESPONSE, SOON = 10.0, 1.0
"""Seconds within which hosts answer: in general, and when their group must not stay silent for long."""


class Verb(Enum):
    """What a host says of a group."""

    JOIN = "join"
    """Any source, but for those it excludes (which are not told apart here)."""
    ONLY = "only"
    """From these sources only; none: it leaves."""
    ALLOW = "allow"
    """From these sources too."""
    BLOCK = "block"
    """From these sources no more."""


@dataclass(frozen=True, slots=True)
class Report:
    """One host's word on one group; addresses of 4 or 16 bytes."""

    group: bytes
    verb: Verb
    sources: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """Somebody asks who listens."""

    source: bytes
    """IP address; all zero for a switch that is no router."""


Message = Report | Query
_RECORDS = {1: Verb.ONLY, 2: Verb.JOIN, 3: Verb.ONLY, 4: Verb.JOIN, 5: Verb.ALLOW, 6: Verb.BLOCK}
"""IGMPv3 and MLDv2 record types."""


def read(frame: bytes) -> list[Message]:
    """What an untagged Ethernet frame says."""
    try:
        if frame[12:14] == _IPV4:
            return list(_igmp(frame[14:]))
        return list(_mld(frame[14:])) if frame[12:14] == _IPV6 else []
    except (struct.error, IndexError):
        return []


def _igmp(packet: bytes) -> Iterator[Message]:
    head = (packet[0] & 15) * 4
    total = int.from_bytes(packet[2:4], "big")
    body = packet[head:total]
    if packet[0] >> 4 != 4 or head < 20 or packet[9] != 2 or len(body) < 8 or len(packet) < total:
        return
    group = body[4:8]
    if body[0] == 0x11:
        yield Query(packet[12:16])
    elif body[0] in (0x12, 0x16):
        yield Report(group, Verb.JOIN)
    elif body[0] == 0x17:
        yield Report(group, Verb.ONLY)
    elif body[0] == 0x22:
        yield from _records(body, 4)


def _mld(packet: bytes) -> Iterator[Message]:
    length = int.from_bytes(packet[4:6], "big")
    payload = packet[40 : 40 + length]
    if packet[0] >> 4 != 6 or len(payload) < length or packet[6] != 0:
        return
    start = (payload[1] + 1) * 8
    body = payload[start:]
    if payload[0] != 58 or len(body) < 8:
        return
    if body[0] == 143:
        yield from _records(body, 16)
    elif len(body) >= 24 and body[0] == 130:
        yield Query(packet[8:24])
    elif len(body) >= 24 and body[0] in (131, 132):
        yield Report(body[8:24], Verb.JOIN if body[0] == 131 else Verb.ONLY)


def _records(body: bytes, size: int) -> Iterator[Report]:
    """Group records of IGMPv3 and MLDv2, which differ in the size of addresses."""
    count, at = int.from_bytes(body[6:8], "big"), 8
    for _ in range(count):
        kind, auxiliary, sources = struct.unpack_from("!BBH", body, at)
        group, first = body[at + 4 : at + 4 + size], at + 4 + size
        at = first + sources * size + auxiliary * 4
        if at > len(body):
            return
        found = tuple(body[first + i * size : first + (i + 1) * size] for i in range(sources))
        if kind in _RECORDS:
            yield Report(group, _RECORDS[kind], found)


# --- queries ----------------------------------------------------------------------------------------------------


def igmp_query(interval: float, response: float = RESPONSE) -> bytes:
    """A general query of IGMPv3 from 0.0.0.0 (S-235), 60 bytes; times in seconds."""
    code = struct.pack("!BB", 2, _code(interval))
    body = _summed(struct.pack("!BBH4s", 0x11, _code(response * 10), 0, bytes(4)) + code + bytes(2), 2)
    head = struct.pack("!BBHHHBBH4s4s", 0x46, 0xC0, 24 + len(body), 0, 0, 1, 2, 0, bytes(4), _ALL_HOSTS_V4)
    packet = _summed(head + _ROUTER_ALERT_V4, 10) + body
    return (bytes.fromhex("01005e000001") + _SOURCE.octets + _IPV4 + packet).ljust(60, b"\0")


def mld_query(interval: float, response: float = RESPONSE) -> bytes:
    """A general query of MLDv2 from fe80::ffff:ffff:ffff:ffff (S-235); times in seconds."""
    body = struct.pack("!BBHHH16sBBH", 130, 0, 0, int(response * 1000), 0, bytes(16), 2, _code(interval), 0)
    pseudo = _QUERIER_V6 + _ALL_HOSTS_V6 + struct.pack("!II", len(body), 58)
    checksum = _checksum(pseudo + body)
    body = body[:2] + checksum.to_bytes(2, "big") + body[4:]
    payload = _ROUTER_ALERT_V6 + body
    head = struct.pack("!IHBB", 0x60000000, len(payload), 0, 1) + _QUERIER_V6 + _ALL_HOSTS_V6
    return bytes.fromhex("333300000001") + _SOURCE.octets + _IPV6 + head + payload


def _code(value: float) -> int:
    """A time in one byte: linear below 128, then with exponent and mantissa (RFC 3376 4.1.1)."""
    number = int(value)
    if number < 128:
        return number
    exponent = max(0, min(number.bit_length() - 8, 7))
    return 0x80 | exponent << 4 | (number >> (exponent + 3)) & 15


def _summed(data: bytes, at: int) -> bytes:
    return data[:at] + _checksum(data).to_bytes(2, "big") + data[at + 2 :]


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


__all__ = ["RESPONSE", "SOON", "Message", "Query", "Report", "Verb", "igmp_query", "mld_query", "read"]
