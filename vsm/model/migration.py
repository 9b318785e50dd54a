"""A migration as the State keeps it: where it is, how it got there, what it carries, and what is remembered of it.

Values only; how they change is one table (vsm/mobility/machine.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MAX_HISTORY = 50
"""Moves that are over and still remembered."""


class MoveState(Enum):
    """Of a migration (DESIGN section 6)."""

    PREPARED = "prepared"
    PAUSED = "paused"
    ACTIVATED = "activated"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Carried:
    """A part of a port's life that follows it; fabric.proto CarriedState.  Nobody here reads it."""

    kind: str
    version: int
    data: str
    """In base64."""


@dataclass(frozen=True, slots=True)
class MoveStep:
    """A change of a migration's state."""

    state: MoveState
    time: float
    """Unix time, seconds."""
    cause: str = ""
    """The input that led here, in the words of vsm/mobility/machine.py."""


@dataclass(frozen=True, slots=True)
class Move:
    """A migration under way: one per vEth at most; removed when done or cancelled."""

    veth: int
    source: int
    target: int
    state: MoveState
    generation: int
    """The vEth's generation once activated."""
    returning: bool = False
    """The target had been activated already and the move was cancelled: source and target have changed roles."""
    asked_by: str = ""
    """For people: "manager", "libvirt on kvm-1", "admin", "seen"."""
    steps: tuple[MoveStep, ...] = ()
    """The states it was in, first to present."""
    carried: tuple[Carried, ...] = ()
    """What the port left behind where it was, oldest first."""

    @property
    def since(self) -> float:
        """When it came into its present state, Unix time."""
        return self.steps[-1].time if self.steps else 0.0

    @property
    def lives_on(self) -> int:
        """The slot where the port forwards, or is to, now; 0 while it forwards nowhere or where it always did."""
        return {MoveState.ACTIVATED: self.target, MoveState.CANCELLED: self.source}.get(self.state, 0)


@dataclass(frozen=True, slots=True)
class PastMove:
    """A migration that is over."""

    veth: int
    source: int
    target: int
    generation: int
    """The vEth's at the end."""
    outcome: str
    """For people: "done", "cancelled", "unplugged"."""
    asked_by: str = ""
    steps: tuple[MoveStep, ...] = ()
    """Up to the end; the last is MoveState.DONE."""
