"""Test runs of the kernel engine's program: a frame in, its fate out.

The program (dvs_test in src/kernel.bpf.c) is the loaded pipeline with records in place of sending; what a copy looks
like as it leaves follows from the frame and the recorded tag.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vem.datapath import abi, events, libbpf, tables
from vem.datapath.engine import EngineError
from vem.datapath.image import CopyFate, Fate
from vem.datapath.watch import NivTag, Trace

_SK_BUFF_SIZE = 192  # struct __sk_buff of linux/bpf.h
_CB, _GSO_SIZE = 48, 176
HEAD = 1024  # the kernel takes test frames of less than a page; the pipeline reads headers only
_ETH_HLEN, _ETH_MIN = 14, abi.CONSTANTS["DVS_ETH_MIN"]
_8021Q, _8021AD = b"\x81\x00", b"\x88\xa8"
_IP = (b"\x08\x00", b"\x86\xdd")
_IP_HEAD = 54  # Ethernet and IPv6 header


def given(frame: bytes) -> bytes:
    """What of a frame is given to the kernel: the head of a long one; a cut-off IP header, which newer kernels refuse
    in test runs, is filled up."""
    return frame[:HEAD].ljust(_IP_HEAD, b"\0") if frame[12:14] in _IP else frame[:HEAD]


def context(lport: int, frame: bytes, gso: int) -> bytes:
    """struct __sk_buff for a test run: cb[0] is the port, cb[1] the frame's true length less that of what is given."""
    sk_buff = bytearray(_SK_BUFF_SIZE)
    struct.pack_into("=Ii", sk_buff, _CB, lport, len(frame) - len(given(frame)))
    struct.pack_into("=I", sk_buff, _GSO_SIZE, gso)
    return bytes(sk_buff)


def as_left(frame: bytes, tagged: bool, tci: int) -> bytes:
    """The frame with its outer tag as the record says; a foreign outer tag stays as it is."""
    tpid = frame[12:14]
    if tpid == _8021AD and len(frame) >= _ETH_HLEN + 4:
        return frame
    body = frame[16:] if tpid == _8021Q else frame[12:]
    return frame[:12] + (_8021Q + tci.to_bytes(2, "big") if tagged else b"") + body


class Tracer:
    """Runs frames through the program of one object."""

    def __init__(self, loaded: libbpf.Object) -> None:
        self.program = loaded.program("dvs_test")
        self._trace = loaded.maps["dvs_trace"]

    def test(self, lport: int, frame: bytes, gso: int) -> Fate:
        """What becomes of the frame; EngineError for frames that the kernel does not take."""
        if len(frame) < _ETH_HLEN:
            raise EngineError(f"frame of {len(frame)} bytes", "the kernel takes none without an Ethernet header")
        self.program.test_run(given(frame), context(lport, frame, gso))
        value = self._trace.get(bytes(4))
        assert value is not None
        return decode(frame, value)

    def test_ns(self, lport: int, frame: bytes, repeat: int) -> float:
        """Nanoseconds per run."""
        return float(self.program.test_run(given(frame), context(lport, frame, 0), repeat).duration)


class DryTracer:
    """Runs frames through trace.bpf.o, which changes nothing; loaded at the first use."""

    def __init__(self, program: Path, pins: Path, shared: Sequence[str]) -> None:
        self._source = program, pins, shared
        self._object: libbpf.Object | None = None

    def trace(self, lport: int, frame: bytes, gso: int) -> Trace:
        """See Engine.trace; EngineError for frames that the kernel does not take."""
        if len(frame) < _ETH_HLEN:
            raise EngineError(f"frame of {len(frame)} bytes", "the kernel takes none without an Ethernet header")
        self._object = self._object or libbpf.Object(*self._source)
        self._object.program("dvs_test").test_run(given(frame), context(lport, frame, gso))
        value = self._object.maps["dvs_trace"].get(bytes(4))
        assert value is not None
        return events.trace(value)

    def close(self) -> None:
        """Unload; idempotent."""
        if self._object:
            self._object.close()
            self._object = None


def decode(frame: bytes, trace: bytes) -> Fate:
    """The fate that a struct dvs_trace tells of a frame."""
    record = abi.ffi.from_buffer("struct dvs_trace *", trace)
    came = NivTag.of(record.niv, record.niv_word)
    if came:
        frame = frame[:12] + frame[12 + len(bytes(came)) :]  # it was taken off
    copies = record.copy[0 : min(record.n, abi.CONSTANTS["DVS_TRACE_COPIES"])]
    return Fate(tables.drop_name(record.in_reason), tuple(_copy(frame, copy) for copy in copies))


def _copy(frame: bytes, copy: Any) -> CopyFate:
    left = as_left(frame, bool(copy.tagged), copy.tci)
    if niv := NivTag.of(copy.niv, copy.niv_word):
        left = left[:12] + bytes(niv) + left[12:]
    if copy.padded:
        left = left.ljust(_ETH_MIN, b"\0")  # S-001
    return CopyFate(copy.lport, tables.drop_name(copy.reason), left, link=copy.link, shared=bool(copy.shared))
