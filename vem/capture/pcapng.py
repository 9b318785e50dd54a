"""Writes captured frames as pcapng (wire-formats section 14, S-245f): one interface per (port, point), the packet's
number the same at all points, the direction from the port's view, and of a drop its reason as comment and verdict."""

from __future__ import annotations

import struct
from collections.abc import Callable

from vem.datapath.watch import CapturedFrame, Point

_SHB, _IDB, _EPB = 0x0A0D0D0A, 1, 6
_MAGIC, _ETHERNET = 0x1A2B3C4D, 1
_END, _COMMENT = 0, 1
_SHB_USERAPPL = 4
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL = 2, 3, 9
_EPB_FLAGS, _EPB_PACKETID, _EPB_VERDICT = 2, 5, 7
_NANOSECONDS = 9
_INBOUND, _OUTBOUND = 1, 2
_UNICAST, _MULTICAST, _BROADCAST = 1, 2, 3
_SHOT = bytes([1]) + struct.pack("<Q", 2)
"""Verdict of a drop: type 1 (TC_ACT), 2 (SHOT)."""


class PcapngWriter:
    """Turns frames into blocks; keeps which interfaces have been described."""

    def __init__(self, name_of: Callable[[int], str], epoch: float) -> None:
        """``name_of`` names an lport; ``epoch`` is Unix time less time.monotonic()."""
        self._name_of, self._epoch_ns = name_of, round(epoch * 1e9)
        self._interfaces: dict[tuple[int, Point], int] = {}

    def header(self) -> bytes:
        """The section header, which a file begins with."""
        body = struct.pack("<IHHq", _MAGIC, 1, 0, -1) + _options((_SHB_USERAPPL, b"dvswitch"))
        return _block(_SHB, body)

    def frame(self, event: CapturedFrame) -> bytes:
        """The frame's block, and before it that of its interface if it is new."""
        key = event.lport, event.point
        described = b""
        if key not in self._interfaces:
            self._interfaces[key] = len(self._interfaces)
            described = self._describe(event)
        return described + self._packet(self._interfaces[key], event)

    def _describe(self, event: CapturedFrame) -> bytes:
        port, point = self._name_of(event.lport), event.point.label
        options = _options(
            (_IF_NAME, f"{port}:{point}".encode()),
            (_IF_DESCRIPTION, f"port={port} point={point}".encode()),
            (_IF_TSRESOL, bytes([_NANOSECONDS])),
        )
        return _block(_IDB, struct.pack("<HHI", _ETHERNET, 0, 0) + options)

    def _packet(self, interface: int, event: CapturedFrame) -> bytes:
        moment = self._epoch_ns + round(event.time * 1e9)
        head = struct.pack(
            "<IIIII",
            interface,
            moment >> 32,
            moment & 0xFFFFFFFF,
            len(event.frame),
            max(event.length, len(event.frame)),
        )
        options = [(_EPB_FLAGS, struct.pack("<I", _flags(event))), (_EPB_PACKETID, struct.pack("<Q", event.packet))]
        if event.reason:
            options += [(_COMMENT, self._comment(event).encode()), (_EPB_VERDICT, _SHOT)]
        return _block(_EPB, head + _padded(event.frame) + _options(*options))

    def _comment(self, event: CapturedFrame) -> str:
        rx, tx = self._name_of(event.came_by), self._name_of(event.lport)
        return f"point={event.point.label} reason={event.reason} rx={rx} tx={tx}"


def _flags(event: CapturedFrame) -> int:
    outward = event.point.outward
    if event.point is Point.DROP:
        outward = event.lport != event.came_by
    direction = 0 if outward is None else _OUTBOUND if outward else _INBOUND
    dst = event.frame[:6]
    kind = _BROADCAST if dst == b"\xff" * 6 else _MULTICAST if dst and dst[0] & 1 else _UNICAST
    return direction | kind << 2


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(*options: tuple[int, bytes]) -> bytes:
    coded = (struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return b"".join(coded) + struct.pack("<HH", _END, 0)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)
