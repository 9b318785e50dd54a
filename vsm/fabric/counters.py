"""Counters that only ever rise, over every place a port has been: values in, values out.

A module reports absolute values since its incarnation (the engine's counters restarted from zero when that changes).
A record holds what was counted in places that are over, and the latest report of each place that may still speak:

    total = base + sum of the latest report of each place

A place is (who reports, incarnation, generation); a module in mode NIV has two reporters, its host and its card.  A
closed place still takes late reports of the same life, so frames counted between the last report and the end are not
lost; a new life on the same slot puts the old one into the base.  Modules say which life of a port's counters a report
is of: a NIC that stays plugged in while its vEth is elsewhere goes on counting where it was.  (Where they do not say, a
higher generation after the end is taken for a new life.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter, lt

from vsm.model.niv import Role
from vsm.runtime import Counters

_MAPS = ("drops_in", "drops_out")
_NUMBERS = tuple(item.name for item in fields(Counters) if item.name not in _MAPS)
_NUMBERS_OF = attrgetter(*_NUMBERS)
_MAX_CLOSED = 4
"""Closed places kept for late reports, per port."""


@dataclass(frozen=True, slots=True)
class Place:
    """What one module reported of a port in one life of it there."""

    slot: int
    """As reporter() tells it."""
    incarnation: str
    generation: int
    latest: Counters
    closed: bool = False
    life: int = 0
    """0: not told."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything counted of one port."""

    base: Counters = field(default_factory=Counters)
    places: tuple[Place, ...] = ()
    """At most one per slot, the one that spoke last at the end."""

    @property
    def total(self) -> Counters:
        """What people are shown."""
        result = self.base
        for place in self.places:
            result = add(result, place.latest)
        return result


def reporter(slot: int, role: Role) -> int:
    """Who reports of a slot, in the place of a slot below: a host is its slot, its card the negative."""
    return -slot if role is Role.CARD else slot


def add(one: Counters, other: Counters) -> Counters:
    """The sum, as a new value."""
    numbers = {name: getattr(one, name) + getattr(other, name) for name in _NUMBERS}
    drops = {name: _add_maps(getattr(one, name), getattr(other, name)) for name in _MAPS}
    return Counters(**numbers, **drops)  # type: ignore[arg-type]


def reported(record: Record, slot: int, incarnation: str, generation: int, counters: Counters, life: int = 0) -> Record:
    """The record after a report of the module in ``slot``; reports of an earlier life there change nothing."""
    old = place_of(record, slot)
    if old is None:
        return _settle(record, Place(slot, incarnation, generation, counters, False, life))
    same_engine, told = incarnation == old.incarnation, bool(life and old.life)
    returned = old.closed and generation > old.generation
    if told and same_engine and life == old.life:
        if _fell(old.latest, counters):
            return record  # a late report: what it tells is known
        latest, still = max(generation, old.generation), old.closed and not returned
        return _settle(record, Place(slot, incarnation, latest, counters, still, life))
    if generation < old.generation and same_engine:
        return record
    restarted = told or returned or not same_engine or _fell(old.latest, counters)
    before = Record(add(record.base, old.latest), record.places) if restarted else record
    return _settle(before, Place(slot, incarnation, generation, counters, old.closed and not returned, life))


def closed(record: Record, slot: int) -> Record:
    """The port has left the module in ``slot``: a later report of a higher generation starts from zero."""
    old = place_of(record, slot)
    return record if old is None or old.closed else _settle(record, replace(old, closed=True))


def opened(record: Record, slot: int) -> Record:
    """The port is held there again after closed(), in the same generation: the life that was goes on, or a new one."""
    old = place_of(record, slot)
    return record if old is None or not old.closed else _settle(record, replace(old, closed=False))


def place_of(record: Record, slot: int) -> Place | None:
    """What the module in ``slot`` reported."""
    return next((place for place in record.places if place.slot == slot), None)


def _settle(record: Record, place: Place) -> Record:
    """Put ``place`` last; fold the oldest closed places into the base when there are too many."""
    places = [other for other in record.places if other.slot != place.slot] + [place]
    base = record.base
    over = [other for other in places if other.closed][:-_MAX_CLOSED] if len(places) > _MAX_CLOSED else ()
    for old in over:
        base = add(base, old.latest)
        places.remove(old)
    return Record(base, tuple(places))


def _fell(before: Counters, after: Counters) -> bool:
    """A counter went down although its engine lives on: the port was made anew."""
    if any(map(lt, _NUMBERS_OF(after), _NUMBERS_OF(before))):
        return True
    return any(
        after_map.get(reason, 0) < count
        for before_map, after_map in ((before.drops_in, after.drops_in), (before.drops_out, after.drops_out))
        for reason, count in before_map.items()
    )


def _add_maps(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one.keys() | other.keys()}


class CounterBook:
    """The records of all ports by full interface name, and which of them changed since they were last stored."""

    def __init__(self, records: Mapping[str, Record] | None = None) -> None:
        self._records: dict[str, Record] = dict(records or {})
        self._changed: set[str] = set()
        self._gone: set[str] = set()
        self._urgent: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def total(self, interface: str) -> Counters:
        """Zeros if nothing was ever reported."""
        return self._records.get(interface, _EMPTY).total

    def knows(self, interface: str, slot: int) -> bool:
        """Whether the module in ``slot`` ever reported this port."""
        return place_of(self._records.get(interface, _EMPTY), slot) is not None

    def report(
        self,
        interface: str,
        slot: int,
        incarnation: str,
        generation: int,
        counters: Counters,
        last: bool = False,
        life: int = 0,
    ) -> None:
        """Take a module's report in; ``last``: no later one would bring the same again, so it is to be stored soon."""
        old = self._records.get(interface, _EMPTY)
        self._put(interface, reported(old, slot, incarnation, generation, counters, life))
        if last and interface in self._changed:
            self._urgent.add(interface)

    def close(self, interface: str, slot: int) -> None:
        """The port has left the module in ``slot``."""
        self._put(interface, closed(self._records.get(interface, _EMPTY), slot))

    def open(self, interface: str, slot: int) -> None:
        """The port is held there again, in the same generation."""
        self._put(interface, opened(self._records.get(interface, _EMPTY), slot))

    def forget(self, interface: str) -> None:
        """The port exists no more."""
        if self._records.pop(interface, None) is not None:
            self._changed.discard(interface)
            self._urgent.discard(interface)
            self._gone.add(interface)

    def unsaved(self) -> tuple[dict[str, Record], set[str]]:
        """Records changed, and interfaces forgotten, since the last saved()."""
        return {name: self._records[name] for name in self._changed}, set(self._gone)

    def urgent(self) -> dict[str, Record]:
        """Those of the changed records that hold last reports."""
        return {name: self._records[name] for name in self._urgent}

    def saved(self) -> None:
        """What unsaved() told is stored now."""
        self._changed.clear()
        self._gone.clear()
        self._urgent.clear()

    def urgent_saved(self) -> None:
        """What urgent() told is stored now."""
        self._changed -= self._urgent
        self._urgent.clear()

    def _put(self, interface: str, record: Record) -> None:
        if record != self._records.get(interface, _EMPTY):
            self._records[interface] = record
            self._changed.add(interface)
            self._gone.discard(interface)


_EMPTY = Record()
