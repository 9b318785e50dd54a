"""What the datapath tells of single frames: struct dvs_event of src/abi.h -> values of image.py; for both engines."""

from __future__ import annotations

from typing import Any

from vem.datapath import abi
from vem.datapath.image import Punt, PuntedFrame

_DATA = abi.ffi.offsetof("struct dvs_event", "data")


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
