"""What modules report about NICs, judged against where the vEths live: pure, State in, State out.

A NIC plugged in where its vEth is not yet is a first attach, or a migration (announced or merely seen); a reminder of a
place that the vEth has left is told to go away: of two claims the higher generation wins (S-255).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dvswitch.errors import Conflict, NotFound
from dvswitch.mac import MacAddress
from vsm.mobility import machine
from vsm.mobility.machine import Input, Occasion
from vsm.model import lifecycle
from vsm.model.migration import MoveState
from vsm.model.state import Nic, State, Veth

CHANGE_OF_MIND = 30.0
"""Seconds after a move within which its target may let go of the NIC, and that means that the move failed."""


class Stale(Conflict):
    """A host reports a vEth that has moved on since: it is to unplug the NIC."""


@dataclass(frozen=True, slots=True)
class AttachReport:
    """A NIC is plugged in on the module in ``slot``."""

    slot: int
    nic: Nic
    mac: MacAddress
    profile: str
    prepare: bool = False
    """The VM still runs elsewhere; a migration will activate the port."""
    veth: int = 0
    """The number the module knows for it (a reminder after reconnecting); 0 = newly plugged."""
    generation: int = 0
    """Likewise."""
    time: float = 0.0
    """Unix time, seconds."""

    @property
    def occasion(self) -> Occasion:
        """For the machine."""
        return Occasion(self.time, "attach with prepare" if self.prepare else "attach")


def ended(state: State, numbers: Iterable[int], time: float) -> State:
    """Moves whose target has confirmed are over: who attaches a NIC now means another, not to take that one back."""
    moves = state.inventory.moves
    for number in sorted(numbers):
        if number in moves and moves[number].state is MoveState.ACTIVATED:
            state = machine.step(state, number, Input.APPLIED, Occasion(time))
    return state


def attached(state: State, report: AttachReport, absent: Callable[[int], bool] = lambda slot: False) -> State:
    """Give the NIC its vEth there, or begin (or go on with) its move; raises like lifecycle.provisioned(), or Stale.

    ``absent``: whether a module has no session; what one of those has taken over may yet fall back (seen()).
    """
    if report.slot not in state.inventory.modules:
        raise NotFound(f"module {report.slot}", "has not joined")
    veth = lifecycle.find_veth(state, report.nic, report.mac)
    if veth is not None and veth.number == report.veth:
        return _reminded(state, veth, report, absent)
    return _plugged(state, report)


def detached(
    state: State,
    slot: int,
    number: int,
    generation: int,
    time: float = 0.0,
    plugged: Callable[[int], bool] = lambda slot: False,
) -> State:
    """The NIC of vEth ``number`` was unplugged on the module in ``slot``.

    If that was the target of a move that has just been done, and the NIC is still ``plugged`` on the module it came
    from, then the move failed after all: the hypervisor lets the VM go on there.
    """
    after = _unplugged(state, slot, number, generation, time)
    veth = after.inventory.veths.get(number)
    if after is state or veth is None or veth.slot is not None:
        return after
    source = _came_from(state, slot, number, time)
    return lifecycle.placed(after, number, source) if source and plugged(source) else after


def _came_from(state: State, slot: int, number: int, time: float) -> int:
    """The slot that the vEth came to ``slot`` from, less than CHANGE_OF_MIND ago; 0 if from nowhere."""
    move = state.inventory.moves.get(number)
    if move is not None:
        return move.source if move.state is MoveState.ACTIVATED and move.target == slot else 0
    moves = state.inventory.past_moves
    last = next((moves[key] for key in sorted(moves, reverse=True) if moves[key].veth == number), None)
    if last is None or last.target != slot or last.outcome != MoveState.DONE.value or not last.steps:
        return 0
    return last.source if time - last.steps[-1].time < CHANGE_OF_MIND else 0


def _unplugged(state: State, slot: int, number: int, generation: int, time: float) -> State:
    move, occasion = state.inventory.moves.get(number), Occasion(time)
    if move is None:
        return lifecycle.detached(state, slot, number, generation)
    if slot == move.target:
        return machine.step(state, number, Input.TARGET_GONE, occasion)
    return machine.step(state, number, Input.SOURCE_GONE, occasion) if slot == move.source else state


def seen(
    state: State,
    slot: int,
    number: int,
    generation: int,
    time: float = 0.0,
    absent: Callable[[int], bool] = lambda slot: False,
) -> State:
    """A frame of the VM came out of its prepared port on the module in ``slot``: it runs there.

    Believed only of the port that the move prepared, with the generation it was given: whatever else says so (a late
    report, a host that the move is not about) changes nothing.  Of a NIC that the vEth has left, generation 0, it is
    believed if the module that has the vEth is ``absent``: then the hypervisor lets the VM go on where it was.
    """
    move = state.inventory.moves.get(number)
    if not generation:
        veth = state.inventory.veths.get(number)
        if veth is None or move is not None or veth.slot in (None, slot) or not absent(veth.slot):
            return state
        return machine.begin(state, number, slot, Input.SEEN, Occasion(time, "the VM itself"))
    if move is None or move.state is not MoveState.PREPARED or (move.target, move.generation) != (slot, generation):
        return state
    return machine.step(state, number, Input.SEEN, Occasion(time))


def _plugged(state: State, report: AttachReport) -> State:
    """A NIC that the module did not have before."""
    state = lifecycle.provisioned(state, report.nic, report.mac, report.profile)
    veth = lifecycle.find_veth(state, report.nic, report.mac)
    assert veth is not None, "provisioned() has just made or found it"
    move = state.inventory.moves.get(veth.number)
    if move is not None and report.slot == move.source:
        # Back where it came from: once the target is active that is a way back, before it is no news.
        return (
            machine.step(state, veth.number, Input.CANCEL, report.occasion)
            if move.state is MoveState.ACTIVATED
            else state
        )
    if veth.slot == report.slot:
        return state
    if veth.slot is None:
        return lifecycle.placed(state, veth.number, report.slot)
    given = Input.BEGIN if report.prepare else Input.SEEN
    return machine.begin(state, veth.number, report.slot, given, report.occasion)


def _reminded(state: State, veth: Veth, report: AttachReport, absent: Callable[[int], bool]) -> State:
    """A module reports a NIC that it had before: confirm the place, or settle whose claim is newer."""
    move = state.inventory.moves.get(veth.number)
    if veth.slot == report.slot or (move is not None and report.slot in (move.source, move.target)):
        return state
    if report.prepare:
        return state  # the move that it was plugged in for has been cancelled; the NIC stays there, silent
    if move is None and veth.slot is None and report.generation >= veth.generation:
        return lifecycle.placed(state, veth.number, report.slot)
    if move is None and report.generation > veth.generation:
        return lifecycle.stored(state, replace(veth, slot=report.slot, generation=report.generation))
    if move is None and veth.slot is not None and absent(veth.slot):
        return state  # the NIC stays plugged in, silent: if its VM speaks there it has not gone with that module
    now = f"on module {veth.slot}" if veth.slot is not None else "plugged in nowhere"
    raise Stale(
        f"vethernet {veth.number} ({veth.nic.vm})",
        f"is {now} (generation {veth.generation}), module {report.slot} had generation {report.generation}",
        "unplug the NIC there",
    )
