"""LACP on the wire (IEEE 802.1AX, slow protocol subtypes 1 and 2): frames to values and back.

The protocol's behaviour is lacp_machine.py; both the hosts' teams and the modelled physical switch use the pair.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress

SLOW_PROTOCOLS = MacAddress(bytes.fromhex("0180c2000002"))
"""Where LACPDUs go; no switch forwards it (S-018)."""
ETHERTYPE = 0x8809
FRAME_BYTES = 124
"""An LACPDU's frame without FCS; never VLAN-tagged."""
NO_SYSTEM = MacAddress(bytes(6))
_ETHERNET = struct.Struct("!6s6sH")
_INFO = struct.Struct("!H6sHHHB3x")
_SUBTYPE_LACP, _SUBTYPE_MARKER = 1, 2
_VERSION = 1
_ACTOR, _PARTNER, _COLLECTOR = b"\x01\x14", b"\x02\x14", b"\x03\x10"
_BODY = 110
_MARKER, _MARKER_ANSWER = b"\x01\x10", b"\x02\x10"


class State(IntFlag):
    """A port's state bits as sent."""

    ACTIVE = 0x01
    SHORT_TIMEOUT = 0x02
    AGGREGATABLE = 0x04
    IN_SYNC = 0x08
    COLLECTING = 0x10
    DISTRIBUTING = 0x20
    DEFAULTED = 0x40
    EXPIRED = 0x80


NO_STATE = State(0)


@dataclass(frozen=True, slots=True)
class Info:
    """One side's view of itself, or of the other."""

    system: MacAddress = NO_SYSTEM
    system_priority: int = 0
    """0-65535; lower wins."""
    key: int = 0
    """0-65535; ports of one system with the same key may form one LAG."""
    port: int = 0
    """1-65535; 0 = unknown."""
    port_priority: int = 0
    state: State = NO_STATE

    @property
    def system_id(self) -> tuple[int, MacAddress]:
        """What the systems compare; the lower one says which ports go first."""
        return self.system_priority, self.system


@dataclass(frozen=True, slots=True)
class Pdu:
    """An LACPDU."""

    actor: Info
    """The sender."""
    partner: Info
    """The receiver, as the sender last heard of it."""
    collector_delay: int = 0
    """Units of 10 us."""


def encode(source: MacAddress, pdu: Pdu) -> bytes:
    """The frame of 124 bytes, from the sending port's own MAC."""
    body = b"".join(
        (
            bytes((_SUBTYPE_LACP, _VERSION)),
            _ACTOR,
            _pack(pdu.actor),
            _PARTNER,
            _pack(pdu.partner),
            _COLLECTOR,
            struct.pack("!H12x", pdu.collector_delay),
        )
    )
    return _ETHERNET.pack(SLOW_PROTOCOLS.octets, source.octets, ETHERTYPE) + body.ljust(_BODY, b"\0")


def decode(frame: bytes) -> Pdu:
    """Read a frame; InvalidValue says what is wrong.  Higher versions are read as version 1, as the standard wants."""
    body = _slow_protocol(frame, _SUBTYPE_LACP)
    if len(body) < _BODY:
        raise InvalidValue("LACPDU", f"has {len(body)} bytes instead of {_BODY}")
    if body[1] == 0:
        raise InvalidValue("LACPDU", "version 0 does not exist")
    if (body[2:4], body[22:24], body[42:44]) != (_ACTOR, _PARTNER, _COLLECTOR):
        raise InvalidValue("LACPDU", "does not have actor, partner and collector TLVs in this order")
    return Pdu(_unpack(body[4:22]), _unpack(body[24:42]), int.from_bytes(body[44:46], "big"))


def is_foreign(frame: bytes) -> bool:
    """Whether this is another slow protocol (OAM, ESMC), or none at all."""
    is_slow = frame[:6] == SLOW_PROTOCOLS.octets and frame[12:14] == ETHERTYPE.to_bytes(2, "big")
    return not is_slow or frame[14:15] not in (b"\x01", b"\x02")


def is_marker(frame: bytes) -> bool:
    """Whether the peer wants to hear that all frames before this one have arrived."""
    try:
        body = _slow_protocol(frame, _SUBTYPE_MARKER)
    except InvalidValue:
        return False
    return len(body) >= 34 and body[2:4] == _MARKER


def answer_marker(source: MacAddress, marker: bytes) -> bytes:
    """The response to a marker frame: the same numbers, sent back by the port that got it."""
    body = marker[14:34].ljust(_BODY, b"\0")
    head = _ETHERNET.pack(SLOW_PROTOCOLS.octets, source.octets, ETHERTYPE)
    return head + body[:2] + _MARKER_ANSWER + body[4:]


def _slow_protocol(frame: bytes, subtype: int) -> bytes:
    if len(frame) < 16 or frame[:6] != SLOW_PROTOCOLS.octets or int.from_bytes(frame[12:14], "big") != ETHERTYPE:
        raise InvalidValue("LACPDU", "is no slow protocol frame")
    if frame[14] != subtype:
        raise InvalidValue("LACPDU", f"subtype {frame[14]} is another slow protocol")
    return frame[14:]


def _pack(info: Info) -> bytes:
    return _INFO.pack(
        info.system_priority, info.system.octets, info.key, info.port_priority, info.port, int(info.state)
    )


def _unpack(data: bytes) -> Info:
    priority, system, key, port_priority, port, state = _INFO.unpack(data)
    return Info(MacAddress(system), priority, key, port, port_priority, State(state))
