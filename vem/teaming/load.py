"""Load-based teaming: which port to move away from a busy uplink (S-138, S-139).

Pure: fed with byte counters, answers with moves.  An uplink that was busy to 75 % for 30 s gives one port to the
least busy uplink that stays within 75 % with it; then its 30 s begin anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BUSY = 0.75
PATIENCE = 30.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """Byte counters of an uplink or port, since whenever."""

    rx: int
    tx: int


@dataclass(frozen=True, slots=True)
class UplinkLoad:
    """An uplink as it is now."""

    bytes: Bytes
    speed: float
    """Bits a second, > 0."""


@dataclass(frozen=True, slots=True)
class PortLoad:
    """A port that may be moved."""

    bytes: Bytes
    uplink: int
    choices: tuple[int, ...]
    """Uplinks it may be on."""


@dataclass(frozen=True, slots=True)
class Move:
    """A decision."""

    veth: int
    uplink: int


@dataclass(frozen=True, slots=True)
class _Sample:
    now: float
    uplinks: Mapping[int, UplinkLoad]
    ports: Mapping[int, PortLoad]


class LoadWatch:
    """Remembers the last sample and since when each uplink has been busy."""

    def __init__(self) -> None:
        self._last: _Sample | None = None
        self._busy_since: dict[int, float] = {}

    def observe(self, now: float, uplinks: Mapping[int, UplinkLoad], ports: Mapping[int, PortLoad]) -> list[Move]:
        """Take counters in; the moves that are due.  The caller carries them out before the next sample."""
        last, self._last = self._last, _Sample(now, uplinks, ports)
        if last is None or now <= last.now:
            return []
        seconds = now - last.now
        loads = {
            number: _bits(last.uplinks[number].bytes, uplink.bytes) / seconds / uplink.speed
            for number, uplink in uplinks.items()
            if number in last.uplinks
        }
        rates = {
            veth: _bits(last.ports[veth].bytes, port.bytes) / seconds
            for veth, port in ports.items()
            if veth in last.ports
        }
        return self._moves(now, last.now, loads, rates)

    def _moves(self, now: float, before: float, loads: dict[int, float], rates: dict[int, float]) -> list[Move]:
        self._busy_since = {n: self._busy_since.get(n, before) for n, load in loads.items() if load >= BUSY}
        moves = []
        for number, since in sorted(self._busy_since.items()):
            if now - since >= PATIENCE and (move := self._move_from(number, loads, rates)):
                moves.append(move)
                self._busy_since[number] = now
        return moves

    def _move_from(self, number: int, loads: dict[int, float], rates: dict[int, float]) -> Move | None:
        """The busiest port that fits elsewhere; ``loads`` is brought up to date."""
        assert self._last is not None
        uplinks, ports = self._last.uplinks, self._last.ports
        movable = [veth for veth, port in ports.items() if port.uplink == number and rates.get(veth)]
        for veth in sorted(movable, key=lambda veth: (-rates[veth], veth)):
            others = [n for n in ports[veth].choices if n != number and n in loads]
            target = min(others, key=lambda n: (loads[n], n), default=None)
            if target is not None and loads[target] + rates[veth] / uplinks[target].speed <= BUSY:
                loads[target] += rates[veth] / uplinks[target].speed
                return Move(veth, target)
        return None


def _bits(old: Bytes, new: Bytes) -> float:
    """The busier direction (S-139); counters that restarted count from zero."""
    return 8.0 * max(_grown(old.rx, new.rx), _grown(old.tx, new.tx))


def _grown(old: int, new: int) -> int:
    return new - old if new >= old else new


__all__ = ["BUSY", "PATIENCE", "Bytes", "LoadWatch", "Move", "PortLoad", "UplinkLoad"]
