"""show svs migration: vEths that move from host to host, those that did lately, and the table by which they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.mobility.machine import TRANSITIONS
from vsm.model.interfaces import Vethernet
from vsm.model.migration import Move, MoveStep, PastMove

_TITLES = "Interface     From  To  Gen  State      Began                    Took       Asked by"
_RULE = "------------  ----  --  ---  ---------  -----------------------  ---------  --------"


@dataclass(frozen=True, slots=True)
class MigrationRow:
    """A move, under way or over."""

    interface: str
    source: int = field(metadata={"key": "from_module"})
    target: int = field(metadata={"key": "to_module"})
    generation: int
    state: str
    """Of one under way; else how it ended."""
    began: str
    took: str
    """Seconds so far, or till it was over."""
    asked_by: str
    steps: str
    """Each state with the seconds since the beginning, and what led there."""


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """A line of the state machine."""

    state: str
    input: str
    next: str
    effect: str


def show_migrations(view: View, _call: Call) -> Report:
    """What moves now, then what did, the latest last."""
    now, inventory = view.now.timestamp(), view.state.inventory
    under_way = [_row(move, move.state.value, now) for _, move in sorted(inventory.moves.items())]
    past = [_row(move, move.outcome, None) for _, move in sorted(inventory.past_moves.items())]
    waits = ", ".join(f"{state} {seconds:g} s" for state, seconds in view.runtime.patience().items())
    text = lines(f"Time-outs: {waits}", "", "Under way:", *_text(under_way), "", "Over, the latest last:", *_text(past))
    return Report(text, (Table("svs_migration", [*under_way, *past]),))


def show_transitions(_view: View, _call: Call) -> Report:
    """The table that every move goes by; what it does not name is refused."""
    rows = [
        TransitionRow(before.value if before else "-", given.value, after.value, effect.__name__.strip("_"))
        for (before, given), (after, effect) in TRANSITIONS.items()
    ]
    text = lines(
        "State      Input             Next       Effect",
        "---------  ----------------  ---------  ---------",
        *(f"{row.state:<9}  {row.input:<16}  {row.next:<9}  {row.effect}" for row in rows),
    )
    return Report(text, (Table("svs_transition", rows),))


def _row(move: Move | PastMove, state: str, now: float | None) -> MigrationRow:
    began = move.steps[0].time if move.steps else 0.0
    end = now if now is not None or not move.steps else move.steps[-1].time
    return MigrationRow(
        interface=Vethernet(move.veth).full,
        source=move.source,
        target=move.target,
        generation=move.generation,
        state=state,
        began=datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        took=f"{max((end or began) - began, 0.0):.3f}",
        asked_by=move.asked_by or "-",
        steps=_steps(move.steps, began),
    )


def _steps(steps: Sequence[MoveStep], began: float) -> str:
    return "; ".join(f"{step.state.value} +{max(step.time - began, 0.0):.3f} ({step.cause})" for step in steps) or "-"


def _text(rows: Sequence[MigrationRow]) -> list[str]:
    if not rows:
        return ["  none"]
    found = [_TITLES, _RULE]
    for row in rows:
        found.append(
            f"{row.interface:<12}  {row.source:<4}  {row.target:<2}  {row.generation:<3}  {row.state:<9}  "
            f"{row.began:<23}  {row.took:<9}  {row.asked_by}"
        )
        found.append(f"  steps: {row.steps}")
    return found
