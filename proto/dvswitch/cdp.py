"""CDP on the wire (version 2): frames to values and back.

Who speaks when, and how long a neighbour is believed, is lldp_agent.py, as for LLDP: what a CDP frame says is an
Advertisement with more in it.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntFlag

from dvswitch.errors import InvalidValue
from dvswitch.lldp import Advertisement, Management
from dvswitch.mac import MacAddress

GROUP = MacAddress(bytes.fromhex("01000ccccccc"))
"""Where CDP frames go; the switches that know it do not forward it."""
SNAP = bytes.fromhex("aaaa0300000c2000")
"""LLC and SNAP headers: Cisco, CDP."""
HEADER = 14
_VERSION = 2
_DEVICE, _PORT = 1, 3
_MAX_TEXT = 255
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_IPV4 = bytes.fromhex("0101cc")
_IPV6 = bytes.fromhex("0208aaaa0300000086dd")


class Ability(IntFlag):
    """What a system is."""

    ROUTER = 0x01
    TRANSPARENT_BRIDGE = 0x02
    SOURCE_ROUTE_BRIDGE = 0x04
    SWITCH = 0x08
    HOST = 0x10
    IGMP = 0x20
    REPEATER = 0x40
    PHONE = 0x80
    REMOTE = 0x100


NO_ABILITY = Ability(0)


@dataclass(frozen=True, slots=True)
class Announcement(Advertisement):
    """What one CDP frame says.  ``chassis`` is the device id, ``system_description`` the software; LLDP's own fields
    (``capabilities`` and those of IEEE) stay empty."""

    ttl: int = 180
    """Seconds, 0-255."""
    abilities: int = NO_ABILITY
    platform: str = ""
    full_duplex: bool | None = None
    """None: not told."""
    mtu: int = 0
    """0: not told."""


# --- writing ------------------------------------------------------------------------------------------------


def encode(source: MacAddress, told: Announcement) -> bytes:
    """The frame (S-224); one of TTL 0 says the rest too, without which others do not take it.

    InvalidValue: a value does not fit.
    """
    if not 0 <= told.ttl <= 255:
        raise InvalidValue("CDP", f"holdtime {told.ttl} is out of range 0-255")
    addresses = _tlv(2, _addresses(told.management)) if told.management else b""
    tlvs = _text(_DEVICE, str(told.chassis)) + addresses + _text(_PORT, str(told.port)) + b"".join(_optional(told))
    head = struct.pack("!BB", _VERSION, told.ttl)
    body = SNAP + head + struct.pack("!H", checksum(head + b"\0\0" + tlvs)) + tlvs
    return GROUP.octets + source.octets + struct.pack("!H", len(body)) + body


def checksum(data: bytes) -> int:
    """The Internet checksum, but for a last odd byte: it counts as the low half of a word, and one of 0x80 or more as
    a negative number less one, as the first implementation had it."""
    words: int = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1]))
    if len(data) % 2:
        last = data[-1]
        words += last if last < 0x80 else 0xFF00 | (last - 1)
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return ~words & 0xFFFF


def _tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value) + 4) + value


def _text(kind: int, value: str) -> bytes:
    found = value.encode()
    if not 1 <= len(found) <= _MAX_TEXT:
        raise InvalidValue("CDP", f"text of {len(found)} bytes", f"between 1 and {_MAX_TEXT} fit")
    return _tlv(kind, found)


def _optional(told: Announcement) -> Iterator[bytes]:
    yield _tlv(4, struct.pack("!I", told.abilities))
    for kind, value in ((5, told.system_description), (6, told.platform)):
        if value:
            yield _text(kind, value)
    if told.native_vlan:
        yield _tlv(0x0A, struct.pack("!H", told.native_vlan))
    if told.full_duplex is not None:
        yield _tlv(0x0B, bytes((told.full_duplex,)))
    if told.mtu:
        yield _tlv(0x11, struct.pack("!I", told.mtu))
    if told.management:
        yield _tlv(0x16, _addresses(told.management))
    if told.system_name:
        yield _text(0x14, told.system_name)


def _addresses(addresses: tuple[Management, ...]) -> bytes:
    found = struct.pack("!I", len(addresses))
    for management in addresses:
        packed = management.address.packed
        found += (_IPV4 if len(packed) == 4 else _IPV6) + struct.pack("!H", len(packed)) + packed
    return found


# --- reading ------------------------------------------------------------------------------------------------


def is_cdp(frame: bytes) -> bool:
    """Whether this is a CDP frame at all, and not another of the protocols with its address (VTP, UDLD)."""
    length = int.from_bytes(frame[12:14], "big")
    return frame[:6] == GROUP.octets and length <= 1500 and frame[HEADER : HEADER + len(SNAP)] == SNAP


def decode(frame: bytes) -> Announcement:
    """Read a frame; InvalidValue says what is wrong with it.  Unknown TLVs are passed over."""
    if not is_cdp(frame):
        raise InvalidValue("CDP frame", "is none")
    end = HEADER + int.from_bytes(frame[12:14], "big")
    body = frame[HEADER + len(SNAP) : end]
    if end > len(frame) or len(body) < 4:
        raise InvalidValue("CDP frame", "is cut off")
    version, ttl, told_sum = struct.unpack("!BBH", body[:4])
    if version not in (1, 2):
        raise InvalidValue("CDP frame", f"has version {version}", "versions 1 and 2 are known")
    if checksum(body[:2] + b"\0\0" + body[4:]) != told_sum:
        raise InvalidValue("CDP frame", "has a wrong checksum")
    tlvs = list(_split(body[4:]))
    device, port = (next((value for kind, value in tlvs if kind == wanted), b"") for wanted in (_DEVICE, _PORT))
    if not device or not port:
        raise InvalidValue("CDP frame", "does not name device and port")
    told = Announcement(_printable(device), _printable(port), ttl)
    for kind, value in tlvs:
        told = _read_tlv(told, kind, value)
    return told


def _split(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        if at + 4 > len(body):
            raise InvalidValue("CDP frame", "ends within a TLV")
        kind, length = struct.unpack("!HH", body[at : at + 4])
        if length < 4 or at + length > len(body):
            raise InvalidValue("CDP frame", f"TLV {kind} goes beyond the end of the frame")
        yield kind, body[at + 4 : at + length]
        at += length


def _printable(value: bytes) -> str:
    """Text for people's terminals, whoever sent it."""
    return _CONTROLS.sub("?", value.rstrip(b"\0").decode("utf-8", "replace"))


def _read_tlv(told: Announcement, kind: int, value: bytes) -> Announcement:
    reader = _READERS.get(kind)
    if reader is None:
        return told
    try:
        return reader(told, value)
    except (struct.error, IndexError, ValueError) as error:
        raise InvalidValue("CDP frame", f"TLV {kind} is malformed: {error}") from error


def _read_addresses(told: Announcement, value: bytes) -> Announcement:
    (count,) = struct.unpack("!I", value[:4])
    at, found = 4, list(told.management)
    for _ in range(min(count, 64)):
        protocol_end = at + 2 + value[at + 1]
        (length,) = struct.unpack("!H", value[protocol_end : protocol_end + 2])
        packed = value[protocol_end + 2 : protocol_end + 2 + length]
        if len(packed) < length:
            raise ValueError("an address is cut off")
        if value[at:protocol_end] in (_IPV4, _IPV6):
            management = Management(ipaddress.ip_address(packed))
            found += [management] if management not in found else []
        at = protocol_end + 2 + length
    return replace(told, management=tuple(found))


def _read_number(value: bytes, size: int) -> int:
    if len(value) < size:
        raise ValueError(f"{len(value)} bytes instead of {size}")
    return int.from_bytes(value[:size], "big")


_READERS: Mapping[int, Callable[[Announcement, bytes], Announcement]] = {
    2: _read_addresses,
    4: lambda told, value: replace(told, abilities=_read_number(value, 4)),
    5: lambda told, value: replace(told, system_description=_printable(value)),
    6: lambda told, value: replace(told, platform=_printable(value)),
    0x0A: lambda told, value: replace(told, native_vlan=_read_number(value, 2)),
    0x0B: lambda told, value: replace(told, full_duplex=bool(value[0])),
    0x11: lambda told, value: replace(told, mtu=_read_number(value, 4)),
    0x14: lambda told, value: replace(told, system_name=_printable(value)),
    0x16: _read_addresses,
}
