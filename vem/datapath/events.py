"""What the datapath tells of single frames: the structs of src/abi.h <-> values of image.py and watch.py; both engines
use it."""

from __future__ import annotations

from typing import Any

from vem.datapath import abi, tables
from vem.datapath.engine import EngineError
from vem.datapath.image import Punt, PuntedFrame
from vem.datapath.watch import (
    SNAPLEN_MAX,
    Capture,
    CapturedFrame,
    CaptureState,
    LastDrop,
    NivTag,
    Point,
    Step,
    Trace,
    TraceCopy,
    TraceStep,
)

_DATA = abi.ffi.offsetof("struct dvs_event", "data")
_FOREIGN = abi.CONSTANTS["DVS_TAG_FOREIGN"]
_TRACE_COPIES, _TRACE_STEPS = abi.CONSTANTS["DVS_TRACE_COPIES"], abi.CONSTANTS["DVS_TRACE_STEPS"]
_NO_END = (1 << 64) - 1
_TPID = {abi.CONSTANTS["DVS_TAG_OURS"]: b"\x81\x00", _FOREIGN: b"\x88\xa8"}


def _read(data: Any) -> tuple[Any, bytes]:
    """The struct, valid as long as ``data`` is, and a copy of the frame's bytes."""
    event = abi.ffi.from_buffer("struct dvs_event *", data)
    return event, bytes(abi.ffi.buffer(event)[_DATA : _DATA + event.stored])


def punted(data: Any) -> PuntedFrame:
    """A struct dvs_event of a DVS_PUNT_* kind."""
    event, frame = _read(data)
    return PuntedFrame(
        lport=event.lport,
        kind=Punt(event.kind),
        frame=frame,
        vlan=event.vlan,
        tci=event.tci if event.tagged else None,
        time=event.time / 1e9,
    )


def captured(data: Any) -> CapturedFrame:
    """A struct dvs_event of a DVS_AT_* kind; the tag goes back into the frame (S-245f)."""
    event, frame = _read(data)
    length = event.len
    tags = _TPID[event.tagged] + event.tci.to_bytes(2, "big") if event.tagged else b""
    if niv := NivTag.of(event.niv, event.niv_word):
        tags = bytes(niv) + tags
    frame = frame[:12] + tags + frame[12:]
    length += len(tags)
    return CapturedFrame(
        point=Point(event.kind),
        lport=event.lport,
        came_by=event.came_by,
        packet=event.packet,
        time=event.time / 1e9,
        frame=frame,
        length=length,
        vlan=event.vlan,
        tci=event.tci if event.tagged and event.tagged != _FOREIGN else None,
        reason=tables.drop_name(event.reason),
    )


def pack_capture(capture: Capture) -> bytes:
    """struct dvs_capture; EngineError when a filter is out of range."""
    if not 1 <= capture.snaplen <= SNAPLEN_MAX:
        raise EngineError("capture", f"snaplen {capture.snaplen} is out of range 1-{SNAPLEN_MAX}")
    if not capture.points:
        raise EngineError("capture", "has no point to look at")
    flags = {
        "DVS_CAPTURE_MAC": capture.mac is not None,
        "DVS_CAPTURE_VLAN": capture.vlan is not None,
        "DVS_CAPTURE_PROTOCOL": capture.protocol is not None,
    }
    raw = abi.ffi.new("struct dvs_capture *")
    raw.left = capture.count or _NO_END
    raw.points = sum(1 << point.value for point in capture.points)
    raw.snaplen = capture.snaplen
    raw.lport, raw.uplink, raw.ethertype = capture.lport, capture.uplink, capture.ethertype
    raw.vlan, raw.protocol = capture.vlan or 0, capture.protocol or 0
    raw.mac = list(capture.mac.octets) if capture.mac else [0] * 6
    raw.flags = sum(abi.CONSTANTS[name] for name, wanted in flags.items() if wanted)
    return bytes(abi.ffi.buffer(raw))


def capture_state(data: Any) -> CaptureState:
    """struct dvs_capture."""
    raw = abi.ffi.from_buffer("struct dvs_capture *", data)
    return CaptureState(raw.left, raw.lost)


def last_drop(key: int, data: Any) -> LastDrop:
    """A struct dvs_last_drop with its dvs_last_drop_key()."""
    raw = abi.ffi.from_buffer("struct dvs_last_drop *", data)
    return LastDrop(
        lport=key & 0xFFFF,
        reason=tables.drop_name(key >> 16 & 0x7FFF),
        inward=not key >> 31,
        came_by=raw.came_by,
        time=raw.time / 1e9,
        head=bytes(raw.head)[: raw.stored],
        length=raw.len,
        vlan=raw.vlan,
        tci=raw.tci if raw.tagged else None,
    )


def trace(data: Any) -> Trace:
    """A struct dvs_trace that a trace has filled."""
    raw = abi.ffi.from_buffer("struct dvs_trace *", data)
    copies = raw.copy[0 : min(raw.n, _TRACE_COPIES)]
    steps = raw.step[0 : min(raw.n_steps, _TRACE_STEPS)]
    return Trace(
        reason=tables.drop_name(raw.in_reason),
        steps=tuple(TraceStep(Step(step.step), tables.drop_name(step.reason)) for step in steps),
        copies=tuple(
            TraceCopy(
                copy.lport,
                tables.drop_name(copy.reason),
                copy.tci if copy.tagged else None,
                NivTag.of(copy.niv, copy.niv_word),
                copy.link,
                bool(copy.shared),
            )
            for copy in copies
        ),
        vlan=raw.vlan,
        out=raw.out,
        out_uplink=raw.out_uplink,
        flooded=bool(raw.flood),
        unknown=bool(raw.unknown),
        punt=raw.punt,
        niv=NivTag.of(raw.niv, raw.niv_word),
    )
