"""What modules report about NICs, judged against where the vEths live: pure, State in, State out.

A NIC plugged in where its vEth is not yet is a first attach, or a migration (announced or merely seen); a reminder of a
place that the vEth has left is told to go away: of two claims the higher generation wins (S-255).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dvswitch.errors import Conflict, NotFound
from dvswitch.mac import MacAddress
from vsm.mobility import machine
from vsm.mobility.machine import Input
from vsm.model import lifecycle
from vsm.model.state import MoveState, Nic, State, Veth


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


def attached(state: State, report: AttachReport) -> State:
    """Give the NIC its vEth there, or begin (or go on with) its move; raises like lifecycle.provisioned(), or Stale."""
    if report.slot not in state.inventory.modules:
        raise NotFound(f"module {report.slot}", "has not joined")
    veth = lifecycle.find_veth(state, report.nic, report.mac)
    if veth is not None and veth.number == report.veth:
        return _reminded(state, veth, report)
    return _plugged(state, report)


def detached(state: State, slot: int, number: int, generation: int) -> State:
    """The NIC of vEth ``number`` was unplugged on the module in ``slot``."""
    move = state.inventory.moves.get(number)
    if move is None:
        return lifecycle.detached(state, slot, number, generation)
    if slot == move.target:
        return machine.step(state, number, Input.TARGET_GONE)
    return machine.step(state, number, Input.SOURCE_GONE) if slot == move.source else state


def _plugged(state: State, report: AttachReport) -> State:
    """A NIC that the module did not have before."""
    state = lifecycle.provisioned(state, report.nic, report.mac, report.profile)
    veth = lifecycle.find_veth(state, report.nic, report.mac)
    assert veth is not None, "provisioned() has just made or found it"
    move = state.inventory.moves.get(veth.number)
    if move is not None and report.slot == move.source:
        # Back where it came from: once the target is active that is a way back, before it is no news.
        return machine.step(state, veth.number, Input.CANCEL) if move.state is MoveState.ACTIVATED else state
    if veth.slot == report.slot:
        return state
    if veth.slot is None:
        return lifecycle.placed(state, veth.number, report.slot)
    return machine.begin(state, veth.number, report.slot, Input.BEGIN if report.prepare else Input.SEEN)


def _reminded(state: State, veth: Veth, report: AttachReport) -> State:
    """A module reports a NIC that it had before: confirm the place, or settle whose claim is newer."""
    move = state.inventory.moves.get(veth.number)
    if veth.slot == report.slot or (move is not None and report.slot in (move.source, move.target)):
        return state
    if report.prepare:
        return _plugged(state, report)
    if move is None and veth.slot is None and report.generation >= veth.generation:
        return lifecycle.placed(state, veth.number, report.slot)
    if move is None and report.generation > veth.generation:
        return lifecycle.stored(state, replace(veth, slot=report.slot, generation=report.generation))
    now = f"on module {veth.slot}" if veth.slot is not None else "plugged in nowhere"
    raise Stale(
        f"vethernet {veth.number} ({veth.nic.vm})",
        f"is {now} (generation {veth.generation}), module {report.slot} had generation {report.generation}",
        "unplug the NIC there",
    )
