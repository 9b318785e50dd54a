"""How a VIS is discovered: an organisationally specific TLV in its LLDPDUs (docs/vif-control.md).

The organisation's code is one from the locally administered range, as nobody has registered one for this.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from dvswitch.errors import InvalidValue
from dvswitch.vif.messages import Tagging

ORGANISATION = bytes.fromhex("024456")
SUBTYPE = 1
VERSION = 1
MAX_NAME = 64
"""Bytes."""
_HEAD = struct.Struct("!BBQ16s")


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a VIS says of itself on one of its ports."""

    vis_uuid: str
    vis_name: str
    instance: int
    """64 bits; another one when it restarted."""
    taggings: tuple[Tagging, ...] = (Tagging.VNTAG, Tagging.ETAG)
    """That this port can do, by number."""


def encode(told: Announcement) -> bytes:
    """The TLV's value behind organisation and subtype."""
    bits = sum(1 << tagging.value for tagging in told.taggings)
    name = told.vis_name.encode()[:MAX_NAME].decode(errors="ignore").encode()
    return _HEAD.pack(VERSION, bits, told.instance, uuid.UUID(told.vis_uuid).bytes) + name


def decode(value: bytes) -> Announcement:
    """InvalidValue: malformed, or of another version."""
    if len(value) < _HEAD.size or value[0] != VERSION:
        raise InvalidValue("VIS announcement", f"version {value[:1].hex() or '?'} of {len(value)} bytes is not known")
    _, bits, instance, ident = _HEAD.unpack_from(value)
    name = "".join(c if c.isprintable() else "?" for c in value[_HEAD.size :][:MAX_NAME].decode("utf-8", "replace"))
    taggings = tuple(tagging for tagging in Tagging if bits >> tagging.value & 1)
    return Announcement(str(uuid.UUID(bytes=ident)), name, instance, taggings)


def find(private: Iterable[tuple[bytes, int, bytes]]) -> Announcement | None:
    """Of the organisationally specific TLVs of an LLDPDU, what a VIS says; None: it is none, or not understood."""
    for organisation, subtype, value in private:
        if (organisation, subtype) == (ORGANISATION, SUBTYPE):
            try:
                return decode(value)
            except InvalidValue:
                return None
    return None
