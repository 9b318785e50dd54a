"""How a host gets from switching by itself to being an Interface Virtualizer and back, as a table.

    LOCAL -> JOINING -> SWITCHED -> FINAL -> LEAVING -> RETURNING -> LOCAL

Make before break: in JOINING the NICs get their VIFs while the host still switches; it becomes an IV (SWITCHED) when
all that forwarded before will forward behind the VIS, and frames without a tag are refused (FINAL) when both ends have
said so.  On the way back the link takes frames without a tag first (LEAVING), then the host switches by itself
(RETURNING) and gives its VIFs back.

Pure: side.py gathers the Facts and does what a stage means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """How far a host is."""

    LOCAL = "local"
    """It switches by itself; no VIS has anything of it."""
    JOINING = "joining"
    """It switches by itself and gets VIFs."""
    SWITCHED = "switched"
    """It is an IV; frames without a tag are still let in."""
    FINAL = "final"
    """It is an IV."""
    LEAVING = "leaving"
    """It is an IV; frames without a tag are let in again."""
    RETURNING = "returning"
    """It switches by itself and gives its VIFs back."""

    @property
    def extends(self) -> bool:
        """The host is an IV: nothing is switched here."""
        return self in (Stage.SWITCHED, Stage.FINAL, Stage.LEAVING)

    @property
    def asks(self) -> bool:
        """It wants VIFs."""
        return self in (Stage.JOINING, Stage.SWITCHED, Stage.FINAL, Stage.LEAVING)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table asks."""

    wanted: bool
    """The supervisor wants mode NIV."""
    joined: bool = False
    """Every NIC that forwards by the host's own switching would forward as a VIF."""
    final: bool = False
    """Every VIS link with a session takes tagged frames only, and there is one."""
    plain: bool = False
    """No VIS link with a session takes tagged frames only."""
    released: bool = False
    """The VISes that can be reached have heard that they have nothing of this host any more."""
    overdue: bool = False
    """The stage has lasted longer than PATIENCE."""


PATIENCE = 5.0
"""Seconds that a host waits for its VIS before it switches by itself again; it may be gone."""
Condition = Callable[[Facts], bool]

TABLE: Mapping[Stage, tuple[tuple[Condition, Stage], ...]] = {
    Stage.LOCAL: ((lambda facts: facts.wanted, Stage.JOINING),),
    Stage.JOINING: (
        (lambda facts: not facts.wanted, Stage.RETURNING),
        (lambda facts: facts.joined, Stage.SWITCHED),
    ),
    Stage.SWITCHED: (
        (lambda facts: not facts.wanted, Stage.LEAVING),
        (lambda facts: facts.final, Stage.FINAL),
    ),
    Stage.FINAL: ((lambda facts: not facts.wanted, Stage.LEAVING),),
    Stage.LEAVING: (
        (lambda facts: facts.wanted, Stage.SWITCHED),
        (lambda facts: facts.plain or facts.overdue, Stage.RETURNING),
    ),
    Stage.RETURNING: (
        (lambda facts: facts.wanted, Stage.JOINING),
        (lambda facts: facts.released, Stage.LOCAL),
    ),
}
"""The first condition that holds says where to."""


def following(stage: Stage, facts: Facts) -> Stage:
    """The stage that comes now, or the same one.  One step: what a stage means is done before the next is asked for."""
    return next((to for holds, to in TABLE[stage] if holds(facts)), stage)


__all__ = ["PATIENCE", "TABLE", "Facts", "Stage", "following"]
