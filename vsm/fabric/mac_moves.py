"""Learned addresses that turn up on another module than before, as events: pure.

A module tells of moves between its own ports (S-072).  It can't see that an address which it knows behind one of its
ports is learned elsewhere, so the supervisor compares what modules report.
"""

from __future__ import annotations

from collections.abc import Collection

from dvswitch.mac import MacAddress
from vsm.events.bus import News
from vsm.model.interfaces import Vethernet, parse_interface
from vsm.runtime import MacRow

QUIET = 60.0
"""Seconds between two events about one address."""
_FRESH = 5
"""Seconds after which an entry says nothing new: a module that connects again reports old ones."""
_MAX_TOLD = 10
"""Events of one report."""

_Key = tuple[int, MacAddress]


class MacMoves:
    """What each module reported last, and what was told when."""

    def __init__(self) -> None:
        self._places: dict[int, dict[_Key, str]] = {}
        """Interface by address and VLAN, by slot."""
        self._told: dict[_Key, float] = {}

    def reported(self, slot: int, rows: Collection[MacRow], now: float) -> list[News]:
        """A module's complete report; the addresses in it that were learned on another module before."""
        before = self._places.get(slot, {})
        self._places[slot] = {(row.vlan, row.mac): row.interface for row in rows}
        self._told = {key: when for key, when in self._told.items() if now - when < QUIET}
        news: list[News] = []
        for row in rows:
            key = row.vlan, row.mac
            if row.age > _FRESH or key in before or key in self._told or len(news) == _MAX_TOLD:
                continue
            elsewhere = self._elsewhere(slot, key, row.interface)
            if elsewhere:
                self._told[key] = now
                news.append(_news(row, *elsewhere))
        return news

    def gone(self, slot: int) -> None:
        """The module is away: what it knew is not held against others."""
        self._places.pop(slot, None)

    def _elsewhere(self, slot: int, key: _Key, interface: str) -> tuple[int, str] | None:
        """Module and interface that have the address, too.  The same vEth elsewhere has just migrated."""
        for other, places in self._places.items():
            place = places.get(key)
            if other != slot and place is not None and place != interface:
                return other, place
        return None


def _news(row: MacRow, other: int, place: str) -> News:
    interface = parse_interface(row.interface)
    text = f"{row.mac} in vlan {row.vlan} moved from {place} on module {other} to {row.interface} on module {row.slot}."
    veth = interface.number if isinstance(interface, Vethernet) else 0
    return News("host", f"vethernet {veth}" if veth else f"module {row.slot}", "mac_move", text, veth)
