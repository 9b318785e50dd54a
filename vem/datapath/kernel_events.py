"""What the kernel engine's program tells of single frames, through BPF ring buffers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from vem.datapath import abi, events, libbpf
from vem.datapath.image import PuntedFrame
from vem.datapath.watch import Capture, CapturedFrame, CaptureState

_RATE = "struct dvs_punt_rate"


class Ring:
    """The reading end of a ring buffer map.  There must be one reader at a time."""

    def __init__(self, source: libbpf.Map, take: Callable[[Any], None]) -> None:
        """``take`` gets each record as a buffer that is valid during the call."""
        self._library = libbpf.library()
        ffi = self._library.ffi

        def callback(_context: Any, data: Any, size: int) -> int:
            take(ffi.buffer(data, size))
            return 0

        self._callback = ffi.callback("int(void *, void *, size_t)", callback)  # kept: C holds it too
        self._map = os.dup(source.fd)  # the object that the map came with may be replaced by another
        self._ring = self._library.lib.ring_buffer__new(self._map, self._callback, ffi.NULL, ffi.NULL)
        if self._ring == ffi.NULL:
            os.close(self._map)
            raise self._library.error(f"map {source.name}", "mapping", ffi.errno)
        self.fd = int(self._library.lib.ring_buffer__epoll_fd(self._ring))
        """Readable while records wait."""

    def consume(self) -> None:
        """Take all records that wait."""
        self._library.check(self._library.lib.ring_buffer__consume(self._ring), "ring buffer", "reading")

    def close(self) -> None:
        """Unmap; idempotent."""
        if self._ring is not None:
            self._library.lib.ring_buffer__free(self._ring)
            self._ring = None
            os.close(self._map)


class Punts:
    """Frames for the agent."""

    def __init__(self, maps: Mapping[str, libbpf.Map]) -> None:
        self._found: list[PuntedFrame] = []
        self._rates = libbpf.Map("dvs_punt_rates", os.dup(maps["dvs_punt_rates"].fd))
        self._ring = Ring(maps["dvs_punts"], lambda record: self._found.append(events.punted(record)))
        self._lost_before = self._count_lost()
        self.fd = self._ring.fd

    def take(self) -> list[PuntedFrame]:
        """See Engine.punted."""
        self._ring.consume()
        found, self._found = self._found, []
        return found

    def lost(self) -> int:
        """See Engine.punts_lost."""
        return self._count_lost() - self._lost_before

    def _count_lost(self) -> int:
        return sum(abi.ffi.from_buffer(f"{_RATE} *", value).lost for _, value in self._rates.items())

    def close(self) -> None:
        """The frames that nobody took stay for the next agent."""
        self._ring.close()
        os.close(self._rates.fd)


class Captures:
    """Frames for an operator."""

    def __init__(self, maps: Mapping[str, libbpf.Map]) -> None:
        self._found: list[CapturedFrame] = []
        self._capture = maps["dvs_capture"]
        self._ring = Ring(maps["dvs_captures"], lambda record: self._found.append(events.captured(record)))
        self.fd = self._ring.fd

    def begin(self, capture: Capture | None) -> None:
        """Set the filter, or clear it; forgets what was not taken."""
        empty = bytes(self._capture.value_bytes)
        packed = events.pack_capture(capture) if capture else empty
        self._capture.update(bytes(4), empty)
        self.take()
        self._capture.update(bytes(4), packed)

    def take(self) -> list[CapturedFrame]:
        """See Engine.captured."""
        self._ring.consume()
        found, self._found = self._found, []
        return found

    def state(self) -> CaptureState:
        """See Engine.capture_state."""
        value = self._capture.get(bytes(4))
        assert value is not None
        return events.capture_state(value)

    def close(self) -> None:
        """Forget what was not taken."""
        self._ring.close()
