"""Numbered frames: a sender that keeps a rate, and a receiver that says what was lost, doubled or overtaken.

Used by physical/stack.py as the payload of UDP datagrams.  Pure: time comes in as ``now`` (seconds of the guest's
clock, which stands still while the guest is paused).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from dvswitch.errors import InvalidValue

PORT = 7007
"""UDP port of streams, both ends."""
MAX_RATE = 20_000
"""Frames per second one sender may be asked for."""
_MAGIC = b"dvsS"
_HEAD = struct.Struct("!4sIQ")
_BURST = 4
_LEAP = 1_000_000


@dataclass(frozen=True, slots=True)
class Mark:
    """What a stream's datagram carries."""

    stream: int
    sequence: int

    def build(self, size: int) -> bytes:
        """Payload of at least ``size`` bytes."""
        return _HEAD.pack(_MAGIC, self.stream, self.sequence).ljust(size, b"\0")


def parse_mark(payload: bytes) -> Mark | None:
    """None when it is not from a Sender."""
    if len(payload) < _HEAD.size or payload[:4] != _MAGIC:
        return None
    _, stream, sequence = _HEAD.unpack_from(payload)
    return Mark(stream, sequence)


@dataclass(slots=True)
class Sender:
    """Sends ``rate`` frames a second until ``limit`` frames are sent (0 = until stopped)."""

    stream: int
    rate: float
    limit: int
    next_at: float
    """When the next frame is due."""
    size: int = 64
    sent: int = 0
    stopped: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.rate <= MAX_RATE:
            raise InvalidValue("stream", f"rate {self.rate:g} is out of range 1-{MAX_RATE} frames per second")

    @property
    def done(self) -> bool:
        """Nothing more will be sent."""
        return self.stopped or (self.limit > 0 and self.sent >= self.limit)

    def due(self, now: float) -> list[Mark]:
        """The frames to send now.  A sender that comes late by more than a few frames leaves them out: the rate falls,
        and no burst fills the receivers' queues."""
        marks: list[Mark] = []
        while not self.done and self.next_at <= now and len(marks) < _BURST:
            marks.append(Mark(self.stream, self.sent))
            self.sent += 1
            self.next_at += 1 / self.rate
        if self.next_at <= now:
            self.next_at = now + 1 / self.rate
        return marks


@dataclass(frozen=True, slots=True)
class Report:
    """What a receiver saw of one stream."""

    received: int
    """Different frames."""
    lost: int
    """Numbers below the highest seen (or below ``sent``, when the caller knows it) that never came."""
    duplicates: int
    reordered: int
    """Frames that came after one with a higher number."""
    longest_gap: float
    """Seconds between two frames, at most."""


@dataclass(slots=True)
class Receiver:
    """Counts one stream."""

    received: int = 0
    duplicates: int = 0
    reordered: int = 0
    longest_gap: float = 0.0
    _highest: int = -1
    _last_at: float | None = None
    _seen: bytearray = field(default_factory=bytearray)

    def note(self, sequence: int, now: float) -> bool:
        """Count a frame; False if its number is so far ahead that it can't be of this stream."""
        if sequence > self._highest + _LEAP:
            return False
        if self._mark(sequence):
            self.duplicates += 1
            return True
        self.received += 1
        self.reordered += sequence < self._highest
        self._highest = max(self._highest, sequence)
        if self._last_at is not None:
            self.longest_gap = max(self.longest_gap, now - self._last_at)
        self._last_at = now
        return True

    def report(self, sent: int | None = None) -> Report:
        """``sent``: how many frames the sender sent, so that lost ones at the end are counted too."""
        expected = self._highest + 1 if sent is None else max(sent, self._highest + 1)
        return Report(self.received, expected - self.received, self.duplicates, self.reordered, self.longest_gap)

    def _mark(self, sequence: int) -> bool:
        """Remember the number; True if it was there already."""
        index, bit = sequence >> 3, 1 << (sequence & 7)
        if index >= len(self._seen):
            self._seen.extend(bytes(index + 1 - len(self._seen)))
        known = bool(self._seen[index] & bit)
        self._seen[index] |= bit
        return known
