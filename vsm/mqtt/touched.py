"""Which retained documents the step from one State to the next may change: pure (documents: documents.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vsm.model.state import State
from vsm.mqtt.documents import Key


def touches_all(old: State, new: State) -> bool:
    """Whether any object may look different: a line of a profile or VLAN takes up or down any number of ports."""
    return old.config is not new.config and old.config != new.config


def touched(old: State, new: State) -> Iterator[Key]:
    """Objects that were made, changed or removed."""
    before, after = old.inventory, new.inventory
    yield from _keys("veth", before.veths, after.veths)
    yield from _keys("module", before.modules, after.modules)
    yield from _keys("uplink", before.uplinks, after.uplinks)
    yield from _keys("profile", old.config.profiles, new.config.profiles)
    yield from _keys("migration", before.moves, after.moves)


def _keys(kind: str, old: Mapping[Any, object], new: Mapping[Any, object]) -> Iterator[Key]:
    if old is not new:
        for key in old.keys() | new.keys():
            if old.get(key) is not new.get(key):
                yield kind, key
