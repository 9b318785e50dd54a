"""Learned addresses that move between this host's ports (S-072), as events for the supervisor's log.

Pure.  One address is told of at most once a minute, and a flood of them by a few lines: guests can provoke it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from vem.datapath.image import Counters, LearnedMac, Port

QUIET = 60.0
"""Seconds between two events about one address."""
MAX_TOLD = 5
"""Addresses told of at one look; the others are counted."""

_Key = tuple[MacAddress, int]


class MacMoves:
    """Memory of one host: where each address was at the last look, and what was told when."""

    def __init__(self, name_of: Callable[[int], str]) -> None:
        """``name_of`` names an lport."""
        self._name_of = name_of
        self._places: dict[_Key, int] = {}
        self._moves: dict[int, int] = {}
        self._told: dict[_Key | int, float] = {}

    def look(
        self, ports: Mapping[int, Port], learned: Iterable[LearnedMac], counters: Mapping[int, Counters], now: float
    ) -> list[fabric.LogEvent]:
        """What moved since the last look; ``now`` is time.monotonic()."""
        places = {(entry.mac, entry.vlan): entry.lport for entry in learned}
        moved = [key for key, lport in places.items() if self._places.get(key, lport) != lport]
        risen = {
            lport: counts.mac_moves - self._moves.get(lport, 0)
            for lport, counts in counters.items()
            if counts.mac_moves > self._moves.get(lport, counts.mac_moves)
        }
        events = [self._one(key, places[key], ports, risen) for key in moved if self._due(key, now)]
        # An address that came back before this look has left no other trace than the counters.
        seen = {places[key] for key in moved}
        for lport in risen:
            if lport not in seen and self._due(lport, now):
                text = f"{risen[lport]} times a learned address came to {self._name_of(lport)} from another port."
                events.append(_event(ports.get(lport), text))
        self._told = {key: when for key, when in self._told.items() if now - when < QUIET}
        self._places = places
        self._moves = {lport: counts.mac_moves for lport, counts in counters.items()}
        return _shortened(events)

    def _due(self, key: _Key | int, now: float) -> bool:
        """Whether it was not told of for a while; it is now."""
        due = now - self._told.get(key, -QUIET) >= QUIET
        if due:
            self._told[key] = now
        return due

    def _one(self, key: _Key, lport: int, ports: Mapping[int, Port], risen: Mapping[int, int]) -> fabric.LogEvent:
        mac, vlan = key
        before = self._name_of(self._places[key])
        place = f"in vlan {vlan}" if vlan else "untagged"
        times = f" ({risen[lport]} moves to that port)" if risen.get(lport, 0) > 1 else ""
        return _event(ports.get(lport), f"{mac} {place} moved from {before} to {self._name_of(lport)}{times}.")


def _event(port: Port | None, text: str) -> fabric.LogEvent:
    number = port.number if port and not port.uplink else 0
    return fabric.LogEvent(kind="mac_move", object=f"vethernet {number}" if number else "", text=text, veth=number)


def _shortened(events: list[fabric.LogEvent]) -> list[fabric.LogEvent]:
    if len(events) <= MAX_TOLD:
        return events
    rest = len(events) - MAX_TOLD
    return [*events[:MAX_TOLD], fabric.LogEvent(kind="mac_move", text=f"{rest} more addresses moved between ports.")]
