"""Pure decisions of the fabric: how to open a session, and which modules a change of State concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from vsm.fabric import wire
from vsm.model.state import State, Veth
from vsm.policy.wanted import Wanted

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Held:
    """What a module holds: its wanted state as of the Update with this revision."""

    revision: int
    wanted: Wanted


def opening(revision: int, digest: str, remembered: Held | None, now: Held) -> Held | None:
    """What the module that tells (revision, digest) in its Hello holds: the difference starts there; None: snapshot.

    ``remembered`` is what it acknowledged last in this life of the supervisor, ``now`` what it should have.  A revision
    that this supervisor never gave (its store was set back) calls for a snapshot, so that revisions go on rising.
    """
    if not revision or revision > now.revision:
        return None
    if digest == wire.digest(now.wanted):
        return Held(revision, now.wanted)
    if remembered and revision == remembered.revision and digest == wire.digest(remembered.wanted):
        return remembered
    return None


def concerned(old: State, new: State) -> set[int] | None:
    """Slots whose wanted state may differ between two States; None = all."""
    if old.config is not new.config:
        return None
    before, after = old.inventory, new.inventory
    slots = _changed(before.modules, after.modules)  # they may have other modes now
    for key in _changed(before.uplinks, after.uplinks) | _changed(before.uplink_policies, after.uplink_policies):
        slots.add(key[0])
    for number in _changed(before.veths, after.veths) | _changed(before.moves, after.moves):
        for inventory in (before, after):
            slots |= _slots(inventory.veths.get(number))
            move = inventory.moves.get(number)
            slots |= {move.source, move.target} if move else set()
    return slots


def _slots(veth: Veth | None) -> set[int]:
    return set() if veth is None or veth.slot is None else {veth.slot}


def _changed(old: Mapping[_Key, object], new: Mapping[_Key, object]) -> set[_Key]:
    """Keys of two mappings whose values are not the same."""
    if old is new:
        return set()
    return {key for key in old.keys() | new.keys() if old.get(key) is not new.get(key)}
