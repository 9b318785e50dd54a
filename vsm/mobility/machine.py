"""The migration of a vEth as one transition table (DESIGN section 6, S-248, S-250).  Pure: State in, State out.

    state      input                                next       effect
    ---------  -----------------------------------  ---------  ----------------------------------------------------
    (none)     BEGIN                                PREPARED   prepare: the target gets a silent port
    (none)     SEEN                                 PAUSED     prepare: the VM runs on the target already
    PREPARED   BEGIN                                PREPARED   -
    PREPARED   COMMIT, SEEN                         PAUSED     keep: the source drains
    PREPARED   SOURCE_GONE                          ACTIVATED  activate
    PREPARED   CANCEL, TARGET_GONE, PREPARE_TIMEOUT CANCELLED  restore: the source goes on (higher generation)
    PAUSED     COMMIT, SEEN, BEGIN                  PAUSED     -
    PAUSED     DRAINED, DRAIN_TIMEOUT, SOURCE_GONE  ACTIVATED  activate: the vEth lives on the target from here on
    PAUSED     CANCEL, TARGET_GONE                  CANCELLED  restore
    ACTIVATED  COMMIT, SEEN, DRAINED, SOURCE_GONE   ACTIVATED  -
    ACTIVATED  APPLIED, APPLY_TIMEOUT               DONE       finish: the source forgets the port
    ACTIVATED  CANCEL                               PAUSED     turn back: target and source change roles
    ACTIVATED  TARGET_GONE                          DONE       unplug: the vEth is plugged in nowhere
    CANCELLED  CANCEL, TARGET_GONE, DRAINED         CANCELLED  -
    CANCELLED  BEGIN                                PREPARED   prepare (a new migration)
    CANCELLED  SEEN                                 PAUSED     prepare (likewise)
    CANCELLED  APPLIED, APPLY_TIMEOUT               DONE       finish
    CANCELLED  SOURCE_GONE                          DONE       unplug

Anything absent is refused.  What a module is told in each state stands in vsm/policy/compile.py (MOVES): the
source loses its MAC entries while PAUSED, and the target announces only once ACTIVATED, so never the other way round.
The state is stored with the inventory: a restarted supervisor goes on where it was (vsm/mobility/driver.py).  Each
change is noted in the move with its time and cause; a move that is over stays in the inventory's history for a while.

A time-out decides for the VM: it runs where its manager or its frames said.  A source that can't be reached is left
behind with a lower generation and sent away when it is back; a target that can't be reached finds its port then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from dvswitch.errors import Conflict
from vsm.model.lifecycle import check_room, stored, with_move, with_past
from vsm.model.migration import Carried, Move, MoveState, MoveStep, PastMove
from vsm.model.state import State, Veth


class Input(Enum):
    """What can happen to a migration."""

    BEGIN = "begin"
    """A manager, or a NIC plugged in to be prepared, asks for it."""
    SEEN = "seen"
    """The NIC was plugged in for good on the target: the VM runs there."""
    COMMIT = "commit"
    """A manager says that the VM is paused on the source."""
    DRAINED = "drained"
    """The source delivers and accepts nothing any more; its last counters are in."""
    DRAIN_TIMEOUT = "drain time-out"
    """The source did not answer in time."""
    APPLIED = "applied"
    """The module where the vEth lives now has it in its datapath."""
    PREPARE_TIMEOUT = "prepare time-out"
    """Neither a manager nor the VM's frames said that it runs on the target."""
    APPLY_TIMEOUT = "apply time-out"
    """The module where the vEth lives now did not confirm in time; it will when it is back."""
    CANCEL = "cancel"
    SOURCE_GONE = "source gone"
    """The NIC was unplugged on the source."""
    TARGET_GONE = "target gone"
    """The NIC was unplugged on the target."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What goes with an input."""

    now: float = 0.0
    """Unix time, seconds."""
    by: str = ""
    """BEGIN, SEEN: who asked, for people."""
    note: str = ""
    """Why, where the input alone does not say: "module 4 refuses it: ..."."""
    carried: tuple[Carried, ...] = ()
    """DRAINED: what the port left behind."""


_NONE = Occasion()
Effect = Callable[[State, Veth, Move], State]


def _keep(state: State, veth: Veth, move: Move) -> State:
    return with_move(state, veth.number, move)


def _prepare(state: State, veth: Veth, move: Move) -> State:
    check_room(state, move.target)
    return with_move(state, veth.number, move)


def _activate(state: State, veth: Veth, move: Move) -> State:
    state = stored(state, replace(veth, slot=move.target, generation=move.generation))
    return with_move(state, veth.number, move)


def _restore(state: State, veth: Veth, move: Move) -> State:
    # Above what the target was promised, so that the target can't claim the vEth later (S-255).
    move = replace(move, generation=move.generation + 1)
    state = stored(state, replace(veth, slot=move.source, generation=move.generation))
    return with_move(state, veth.number, move)


def _turn_back(state: State, veth: Veth, move: Move) -> State:
    back = replace(
        move, source=move.target, target=move.source, generation=move.generation + 1, returning=not move.returning
    )
    return with_move(state, veth.number, back)


def _finish(state: State, veth: Veth, move: Move) -> State:
    return with_move(state, veth.number, None)


def _unplug(state: State, veth: Veth, move: Move) -> State:
    return with_move(stored(state, replace(veth, slot=None)), veth.number, None)


_TABLE: tuple[tuple[MoveState | None, tuple[Input, ...], MoveState, Effect], ...] = (
    (None, (Input.BEGIN,), MoveState.PREPARED, _prepare),
    (None, (Input.SEEN,), MoveState.PAUSED, _prepare),
    (MoveState.PREPARED, (Input.BEGIN,), MoveState.PREPARED, _keep),
    (MoveState.PREPARED, (Input.COMMIT, Input.SEEN), MoveState.PAUSED, _keep),
    (MoveState.PREPARED, (Input.SOURCE_GONE,), MoveState.ACTIVATED, _activate),
    (MoveState.PREPARED, (Input.CANCEL, Input.TARGET_GONE, Input.PREPARE_TIMEOUT), MoveState.CANCELLED, _restore),
    (MoveState.PAUSED, (Input.COMMIT, Input.SEEN, Input.BEGIN), MoveState.PAUSED, _keep),
    (MoveState.PAUSED, (Input.DRAINED, Input.DRAIN_TIMEOUT, Input.SOURCE_GONE), MoveState.ACTIVATED, _activate),
    (MoveState.PAUSED, (Input.CANCEL, Input.TARGET_GONE), MoveState.CANCELLED, _restore),
    (
        MoveState.ACTIVATED,
        (Input.COMMIT, Input.SEEN, Input.DRAINED, Input.SOURCE_GONE),
        MoveState.ACTIVATED,
        _keep,
    ),
    (MoveState.ACTIVATED, (Input.APPLIED, Input.APPLY_TIMEOUT), MoveState.DONE, _finish),
    (MoveState.ACTIVATED, (Input.CANCEL,), MoveState.PAUSED, _turn_back),
    (MoveState.ACTIVATED, (Input.TARGET_GONE,), MoveState.DONE, _unplug),
    (MoveState.CANCELLED, (Input.CANCEL, Input.TARGET_GONE, Input.DRAINED), MoveState.CANCELLED, _keep),
    (MoveState.CANCELLED, (Input.BEGIN,), MoveState.PREPARED, _prepare),
    (MoveState.CANCELLED, (Input.SEEN,), MoveState.PAUSED, _prepare),
    (MoveState.CANCELLED, (Input.APPLIED, Input.APPLY_TIMEOUT), MoveState.DONE, _finish),
    (MoveState.CANCELLED, (Input.SOURCE_GONE,), MoveState.DONE, _unplug),
)
TRANSITIONS: dict[tuple[MoveState | None, Input], tuple[MoveState, Effect]] = {
    (state, given): (after, effect) for state, inputs, after, effect in _TABLE for given in inputs
}


def step(state: State, number: int, given: Input, occasion: Occasion = _NONE) -> State:
    """Put one input to the migration of vEth ``number``; Conflict if there is none or it can't take that now."""
    veth, move = state.inventory.veths.get(number), state.inventory.moves.get(number)
    if veth is None or move is None:
        raise Conflict(f"vethernet {number}", "is not migrating", "begin a migration first")
    if move.returning and given is Input.CANCEL:
        return state
    if move.returning and given is Input.COMMIT:
        raise Conflict(_subject(veth), f"its migration is being taken back to module {move.target}", "wait, then begin")
    return _apply(state, veth, move, move.state, given, occasion)


def begin(state: State, number: int, target: int, given: Input = Input.BEGIN, occasion: Occasion = _NONE) -> State:
    """Begin a migration to module ``target`` (BEGIN or SEEN), or confirm the one under way to the same target.

    NotFound, Conflict or Unavailable name what is in the way; then nothing has changed.
    """
    veth, move = state.inventory.veths[number], state.inventory.moves.get(number)
    before = move.state if move else None
    if move is not None and before is not MoveState.CANCELLED:
        if move.target != target or move.returning:
            raise Conflict(
                _subject(veth),
                f"a migration from module {move.source} to module {move.target} is '{move.state.value}'",
                "finish or cancel that one first",
            )
        return _apply(state, veth, move, before, given, occasion)
    if veth.slot is None:
        raise Conflict(_subject(veth), "is plugged in nowhere", f"attach it on module {target} instead")
    if veth.slot == target:
        raise Conflict(_subject(veth), f"lives on module {target} already", "choose another target")
    if move is not None:
        state = with_past(state, _past(move, move.generation, MoveState.CANCELLED.value))
    # What an earlier, cancelled move brought to light still holds: the port may have been drained for it.
    carried = move.carried if move else ()
    fresh = Move(number, veth.slot, target, MoveState.PREPARED, veth.generation + 1, carried=carried)
    return _apply(state, veth, replace(fresh, asked_by=occasion.by or given.value), before, given, occasion)


def _apply(
    state: State, veth: Veth, move: Move, before: MoveState | None, given: Input, occasion: Occasion = _NONE
) -> State:
    found = TRANSITIONS.get((before, given))
    if found is None:
        now = before.value if before else "not begun"
        raise Conflict(_subject(veth), f"its migration is '{now}' and can't take '{given.value}'")
    after, effect = found
    if after is before:
        return effect(state, veth, move)
    steps = (*move.steps, MoveStep(after, occasion.now, occasion.note or given.value))
    move = replace(move, state=after, steps=steps, carried=(*move.carried, *occasion.carried))
    state = effect(state, veth, move)
    if after is MoveState.DONE:
        state = with_past(
            state, _past(move, state.inventory.veths[veth.number].generation, _outcome(before, given, move))
        )
    return state


def _past(move: Move, generation: int, outcome: str) -> PastMove:
    return PastMove(move.veth, move.source, move.target, generation, outcome, move.asked_by, move.steps)


def _outcome(before: MoveState | None, given: Input, move: Move) -> str:
    """How a move ended, for people."""
    if given in (Input.SOURCE_GONE, Input.TARGET_GONE):
        return "unplugged"
    taken_back = before is MoveState.CANCELLED or move.returning
    return MoveState.CANCELLED.value if taken_back else MoveState.DONE.value


def _subject(veth: Veth) -> str:
    return f"vethernet {veth.number} ({veth.nic.vm})"
