"""Ports that stay on one uplink each, whatever their team's method says.

    MAC pinning      given to the sub-groups in turn when attached; back there when a failed sub-group recovers
    pinning id       its sub-group, else the first usable backup, else as the method says
    failback=no      stays where it is while that works; new ports go where the method says (S-143)
    load-based       starts by port id, moved by load.py (S-138)

Pure; the memory is what must survive from one choice to the next (and a restart of the agent).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from vem.teaming.team import Balance, Choice, Rules


@dataclass(frozen=True, slots=True)
class Place:
    """Where a port belongs and where it is: uplink numbers, 0 = nowhere."""

    home: int
    current: int


class Pins:
    """The places of a host's ports, by vEth."""

    def __init__(self, places: dict[int, Place] | None = None) -> None:
        self._places = dict(places or {})

    def places(self) -> dict[int, Place]:
        """A copy, for the state file."""
        return dict(self._places)

    def at(self, veth: int) -> Place | None:
        """Where a port is; None: it follows its team, or was never placed."""
        return self._places.get(veth)

    def move(self, veth: int, uplink: int) -> None:
        """Load-based: the port belongs elsewhere from now on."""
        self._places[veth] = Place(uplink, uplink)

    def keep_only(self, veths: Collection[int]) -> None:
        """Forget ports that were unplugged: one that comes back is a new one."""
        for veth in self._places.keys() - set(veths):
            del self._places[veth]

    def place(self, veth: int, port_id: int, rules: Rules, choice: Choice) -> int:
        """Number of the uplink that the port is pinned to; 0: none, it follows its team."""
        if choice.is_lag or not choice.eligible:
            return 0
        old = self._places.get(veth)
        place = self._new_place(old, port_id, rules, choice)
        if place is None:
            self._places.pop(veth, None)
            return 0
        self._places[veth] = place
        return place.current

    def _new_place(self, old: Place | None, port_id: int, rules: Rules, choice: Choice) -> Place | None:
        usable = choice.eligible
        if rules.pin is not None:
            wished = [n for wish in (rules.pin, *rules.pin_backup) if (n := _group(wish, choice)) in usable]
            target = wished[0] if wished else by_method(port_id, choice)
            return Place(_group(rules.pin, choice), self._settle(old, target, rules, usable))
        if choice.groups:
            home = old.home if old and old.home in choice.groups else self._emptiest(choice.groups, homes=True)
            fallback = old.current if old and old.current in usable else self._emptiest(usable, homes=False)
            target = home if home in usable else fallback
            return Place(home, self._settle(old, target, rules, usable))
        if choice.balance is Balance.LOAD:
            return self._by_load(old, port_id, rules, choice)
        if not rules.failback and choice.balance in (Balance.PORT_ID, Balance.EXPLICIT):
            target = self._settle(old, by_method(port_id, choice), rules, usable)
            return Place(target, target)
        return None

    def _by_load(self, old: Place | None, port_id: int, rules: Rules, choice: Choice) -> Place:
        first = by_method(port_id, choice)
        home = old.home if old and old.home else first
        return Place(home, self._settle(old, home if home in choice.eligible else first, rules, choice.eligible))

    @staticmethod
    def _settle(old: Place | None, target: int, rules: Rules, usable: Collection[int]) -> int:
        """failback=no: where the port is, while that works."""
        return old.current if old and not rules.failback and old.current in usable else target

    def _emptiest(self, uplinks: Collection[int], homes: bool) -> int:
        """The uplink with the fewest ports, the first of several: in turn, as long as none leaves."""
        counts = Counter(place.home if homes else place.current for place in self._places.values())
        return min(uplinks, key=lambda number: counts[number])


def by_method(port_id: int, choice: Choice) -> int:
    """Where the team's method puts a port (dvs_tx_uplink is the C twin): S-130, S-137; 0 = nowhere."""
    if not choice.uplinks:
        return 0
    index = 0 if choice.balance is Balance.EXPLICIT else port_id % len(choice.uplinks)
    return choice.uplinks[index]


def _group(wish: int, choice: Choice) -> int:
    """Uplink number of a sub-group."""
    if not choice.relative:
        return wish
    return sorted(choice.groups)[wish] if wish < len(choice.groups) else 0


__all__ = ["Pins", "Place", "by_method"]
