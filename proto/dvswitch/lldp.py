"""LLDP on the wire (IEEE 802.1AB): frames to values and back.

Who speaks when, and how long a neighbour is believed, is lldp_agent.py.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntFlag

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress

NEAREST_BRIDGE = MacAddress(bytes.fromhex("0180c200000e"))
"""Where LLDPDUs go; no switch forwards it."""
ETHERTYPE = 0x88CC
_DOT1, _DOT3 = b"\x00\x80\xc2", b"\x00\x12\x0f"
_END, _CHASSIS, _PORT, _TTL, _ORGANISATION = 0, 1, 2, 3, 127
_MAC, _IP = 4, 5
_PORT_MAC, _PORT_NAME = 3, 5
_MAX_VALUE = 511
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class Capability(IntFlag):
    """What a system is."""

    OTHER = 0x01
    REPEATER = 0x02
    BRIDGE = 0x04
    WLAN = 0x08
    ROUTER = 0x10
    TELEPHONE = 0x20
    DOCSIS = 0x40
    STATION = 0x80


NO_CAPABILITY = Capability(0)


@dataclass(frozen=True, slots=True)
class Management:
    """An address to manage the system by."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    ifindex: int = 0
    """0: unknown."""


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What one LLDPDU says.  A chassis or port id is a MAC address if it is one, else a name."""

    chassis: MacAddress | str
    port: MacAddress | str
    ttl: int = 120
    """Seconds, 0-65535; 0: forget me (S-222)."""
    port_description: str = ""
    system_name: str = ""
    system_description: str = ""
    capabilities: Capability = NO_CAPABILITY
    enabled: Capability = NO_CAPABILITY
    management: tuple[Management, ...] = ()
    native_vlan: int = 0
    """0: not told."""
    vlan_names: tuple[tuple[int, str], ...] = ()
    aggregation: tuple[int, int] | None = None
    """Status bits (1 capable, 2 aggregated) and the aggregated port's number; None: not told."""
    mac_phy: tuple[int, int, int] | None = None
    """Autonegotiation status bits, advertised abilities and MAU type (RFC 4836) of the link; None: not told."""
    max_frame: int = 0
    """Bytes, FCS included; 0: not told."""
    private: tuple[tuple[bytes, int, bytes], ...] = ()
    """Other organisations' TLVs: organisation (3 bytes), subtype, value."""


# --- writing ------------------------------------------------------------------------------------------------


def encode(source: MacAddress, told: Advertisement) -> bytes:
    """The frame; one of TTL 0 says who and nothing else.  InvalidValue: a value does not fit into its field."""
    if not 0 <= told.ttl <= 65535:
        raise InvalidValue("LLDP", f"TTL {told.ttl} is out of range 0-65535")
    body = _id(_CHASSIS, told.chassis, _MAC, 7) + _id(_PORT, told.port, _PORT_MAC, _PORT_NAME)
    body += _tlv(_TTL, struct.pack("!H", told.ttl))
    if told.ttl:
        body += b"".join(_optional(told))
    head = NEAREST_BRIDGE.octets + source.octets + ETHERTYPE.to_bytes(2, "big")
    return head + body + _tlv(_END, b"")


def _tlv(kind: int, value: bytes) -> bytes:
    if len(value) > _MAX_VALUE:
        raise InvalidValue("LLDP", f"TLV {kind} has {len(value)} bytes", f"at most {_MAX_VALUE} fit")
    return struct.pack("!H", kind << 9 | len(value)) + value


def _id(kind: int, value: MacAddress | str, mac: int, name: int) -> bytes:
    if isinstance(value, MacAddress):
        return _tlv(kind, bytes((mac,)) + value.octets)
    return _tlv(kind, bytes((name,)) + _text(value))


def _text(value: str) -> bytes:
    found = value.encode()
    if not 1 <= len(found) <= 255:
        raise InvalidValue("LLDP", f"text of {len(found)} bytes", "between 1 and 255 fit")
    return found


def _optional(told: Advertisement) -> Iterator[bytes]:
    for kind, value in ((4, told.port_description), (5, told.system_name), (6, told.system_description)):
        if value:
            yield _tlv(kind, _text(value))
    if told.capabilities:
        yield _tlv(7, struct.pack("!HH", told.capabilities, told.enabled))
    for address in told.management:
        yield _tlv(8, _management(address))
    yield from _organisations(told)


def _management(management: Management) -> bytes:
    packed = management.address.packed
    kind = 1 if management.address.version == 4 else 2
    numbering = 2 if management.ifindex else 1
    return bytes((len(packed) + 1, kind)) + packed + struct.pack("!BIB", numbering, management.ifindex, 0)


def _organisations(told: Advertisement) -> Iterator[bytes]:
    if told.native_vlan:
        yield _tlv(_ORGANISATION, _DOT1 + struct.pack("!BH", 1, told.native_vlan))
    for vlan, name in told.vlan_names:
        value = _text(name)
        yield _tlv(_ORGANISATION, _DOT1 + struct.pack("!BHB", 3, vlan, len(value)) + value)
    if told.aggregation is not None:
        yield _tlv(_ORGANISATION, _DOT1 + struct.pack("!BBI", 7, *told.aggregation))
    if told.mac_phy is not None:
        yield _tlv(_ORGANISATION, _DOT3 + struct.pack("!BBHH", 1, *told.mac_phy))
    if told.max_frame:
        yield _tlv(_ORGANISATION, _DOT3 + struct.pack("!BH", 4, told.max_frame))
    for organisation, subtype, value in told.private:
        yield _tlv(_ORGANISATION, organisation + bytes((subtype,)) + value)


# --- reading ------------------------------------------------------------------------------------------------


def decode(frame: bytes) -> Advertisement:
    """Read a frame; InvalidValue says what is wrong with it (S-223).  Unknown TLVs are passed over."""
    if len(frame) < 14 or int.from_bytes(frame[12:14], "big") != ETHERTYPE:
        raise InvalidValue("LLDPDU", "is no LLDP frame")
    tlvs = list(_split(frame[14:]))
    if [kind for kind, _ in tlvs[:3]] != [_CHASSIS, _PORT, _TTL]:
        raise InvalidValue("LLDPDU", "does not begin with chassis, port and TTL")
    if any(kind in (_CHASSIS, _PORT, _TTL) for kind, _ in tlvs[3:]):
        raise InvalidValue("LLDPDU", "says chassis, port or TTL twice")
    chassis, port, ttl = (value for _, value in tlvs[:3])
    if len(ttl) < 2:
        raise InvalidValue("LLDPDU", "has a TTL of less than 2 bytes")
    told = Advertisement(_read_id(chassis, _MAC, _IP), _read_id(port, _PORT_MAC, 4), int.from_bytes(ttl[:2], "big"))
    for kind, value in tlvs[3:]:
        told = _read_tlv(told, kind, value)
    return told


def _split(body: bytes) -> Iterator[tuple[int, bytes]]:
    """TLVs up to the End TLV, or to the end of the frame."""
    at = 0
    while at + 2 <= len(body):
        head = int.from_bytes(body[at : at + 2], "big")
        kind, length = head >> 9, head & 0x1FF
        if at + 2 + length > len(body):
            raise InvalidValue("LLDPDU", f"TLV {kind} goes beyond the end of the frame")
        if kind == _END:
            return
        yield kind, body[at + 2 : at + 2 + length]
        at += 2 + length


def _read_id(value: bytes, mac: int, address: int) -> MacAddress | str:
    if not 2 <= len(value) <= 256:
        raise InvalidValue("LLDPDU", f"chassis or port id of {len(value)} bytes")
    kind, rest = value[0], value[1:]
    if kind == mac:
        return MacAddress(rest)
    if kind == address and len(rest) in (5, 17):
        return str(ipaddress.ip_address(rest[1:]))
    return _printable(rest)


def _printable(value: bytes) -> str:
    """Text for people's terminals, whoever sent it."""
    return _CONTROLS.sub("?", value.rstrip(b"\0").decode("utf-8", "replace"))


def _read_tlv(told: Advertisement, kind: int, value: bytes) -> Advertisement:
    if kind == _ORGANISATION:
        if len(value) < 4:
            raise InvalidValue("LLDPDU", "organisation's TLV of less than 4 bytes")
        organisation, subtype, value = value[:3], value[3], value[4:]
        reader = _ORGANISATION_READERS.get((organisation, subtype))
        if organisation not in (_DOT1, _DOT3):
            return replace(told, private=(*told.private, (organisation, subtype, value)))
    else:
        reader = _READERS.get(kind)
    if reader is None:
        return told
    try:
        return reader(told, value)
    except (struct.error, IndexError, ValueError) as error:
        raise InvalidValue("LLDPDU", f"TLV {kind} is malformed: {error}") from error


Reader = Callable[[Advertisement, bytes], Advertisement]


def _read_capabilities(told: Advertisement, value: bytes) -> Advertisement:
    capabilities, enabled = struct.unpack("!HH", value[:4])
    return replace(told, capabilities=Capability(capabilities & 0xFF), enabled=Capability(enabled & 0xFF))


def _read_management(told: Advertisement, value: bytes) -> Advertisement:
    length = value[0]
    numbering, ifindex = struct.unpack("!BI", value[1 + length : 6 + length])
    if value[1] not in (1, 2):
        return told  # neither IPv4 nor IPv6
    address = ipaddress.ip_address(value[2 : 1 + length])
    return replace(told, management=(*told.management, Management(address, ifindex if numbering == 2 else 0)))


def _read_native_vlan(told: Advertisement, value: bytes) -> Advertisement:
    (vlan,) = struct.unpack("!H", value[:2])
    return replace(told, native_vlan=vlan)


def _read_vlan_name(told: Advertisement, value: bytes) -> Advertisement:
    vlan, length = struct.unpack("!HB", value[:3])
    if len(value) < 3 + length:
        raise ValueError("VLAN name is cut off")
    return replace(told, vlan_names=(*told.vlan_names, (vlan, _printable(value[3 : 3 + length]))))


def _read_aggregation(told: Advertisement, value: bytes) -> Advertisement:
    status, port = struct.unpack("!BI", value[:5])
    return replace(told, aggregation=(status, port))


def _read_mac_phy(told: Advertisement, value: bytes) -> Advertisement:
    status, abilities, mau = struct.unpack("!BHH", value[:5])
    return replace(told, mac_phy=(status, abilities, mau))


def _read_max_frame(told: Advertisement, value: bytes) -> Advertisement:
    (size,) = struct.unpack("!H", value[:2])
    return replace(told, max_frame=size)


_READERS: Mapping[int, Reader] = {
    4: lambda told, value: replace(told, port_description=_printable(value)),
    5: lambda told, value: replace(told, system_name=_printable(value)),
    6: lambda told, value: replace(told, system_description=_printable(value)),
    7: _read_capabilities,
    8: _read_management,
}
_ORGANISATION_READERS: Mapping[tuple[bytes, int], Reader] = {
    (_DOT1, 1): _read_native_vlan,
    (_DOT1, 3): _read_vlan_name,
    (_DOT1, 7): _read_aggregation,
    (_DOT3, 1): _read_mac_phy,
    (_DOT3, 4): _read_max_frame,
}
