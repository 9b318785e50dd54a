"""Frames of the VIS's own to one VIF: tagged here, as they don't go through the pipeline (wire-formats V2, E2)."""

from __future__ import annotations

from dvswitch.errors import InvalidValue
from vem.datapath.image import Tagging

_ADDRESSES = 12
_VNTAG, _ETAG = b"\x89\x26", b"\x89\x3f"
_FROM_BRIDGE = 1 << 31


def to_vif(frame: bytes, tagging: Tagging, vif: int) -> bytes:
    """The frame as it has to leave for ``vif``; InvalidValue when no tagging is agreed on."""
    if tagging is Tagging.VNTAG:
        tag = _VNTAG + (_FROM_BRIDGE | vif << 16).to_bytes(4, "big")
    elif tagging is Tagging.ETAG:
        tag = _ETAG + vif.to_bytes(4, "big") + bytes(2)
    else:
        raise InvalidValue(f"VIF {vif}", "its link has no tagging yet")
    return frame[:_ADDRESSES] + tag + frame[_ADDRESSES:]
