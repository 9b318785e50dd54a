"""`mode` of a module: who switches its frames (the section `vem N`)."""

from __future__ import annotations

from dataclasses import replace

from dvswitch.errors import Conflict
from vsm.cli.command import Call, Command, Mode
from vsm.model.cards import mode_of
from vsm.model.niv import DVS, HostMode, ModeKind, Tagging
from vsm.model.state import State, VemSlot


def _said(call: Call) -> HostMode:
    kind = next(kind for kind in ModeKind if call.has(kind.value))
    if kind is not ModeKind.NIV:
        return HostMode(kind)
    return HostMode(kind, Tagging.ETAG if call.has("etag") else Tagging.VNTAG)


def _set(state: State, slot: int, mode: HostMode) -> State:
    known = state.config.slots.get(slot)
    if known is None:
        raise Conflict(f"vem {slot}", "is bound to no host", "say 'host id UUID' first")
    if known.mode == mode:
        return state
    _check_can(state, slot, mode.kind)
    slots = {**state.config.slots, slot: replace(known, mode=mode)}
    return replace(state, config=replace(state.config, slots=slots))


def _check_can(state: State, slot: int, kind: ModeKind) -> None:
    """A host that joins only later stays in mode dvs if it can't (vsm/model/cards.py)."""
    module = state.inventory.modules.get(slot)
    if kind is not ModeKind.DVS and module is not None and module.type == "VEM" and kind not in module.modes:
        raise Conflict(f"vem {slot}", f"its host's software has no mode {kind.value}", "install one that has it there")


def _unset(state: State, call: Call) -> State:
    slot = call.position.slot
    return _set(state, slot, DVS) if slot in state.config.slots else state


def _note(state: State, call: Call) -> str:
    slot = call.position.slot
    if not mode_of(state, slot).niv or slot in state.inventory.ways:
        return ""
    return f"Warning: module {slot} has not told of a VIS yet; it goes on as it is until it finds one"


def _line(slot: VemSlot) -> list[str]:
    mode = slot.mode
    return [f"mode {mode.kind.value}{f' tagging {mode.tagging.value}' if mode.niv else ''}"]


MODE = Command(
    modes=(Mode.VEM,),
    syntax="mode {dvs | niv [tagging {vntag | etag}] | vepa}",
    help="Choose who switches the module's frames",
    edit=lambda state, call: _set(state, call.position.slot, _said(call)),
    no="mode [dvs | niv [tagging {vntag | etag}] | vepa]",
    undo=_unset,
    render=lambda slot: [] if slot.mode == DVS else _line(slot),
    always=_line,
    note=_note,
    words={
        "dvs": "The module itself",
        "niv": "A VIS that its uplinks lead to: the module only tags and untags",
        "vepa": "The bridge that its uplinks lead to, by sending back what belongs here",
        "tagging": "What frames carry on the way to the VIS",
        "vntag": "The VN-Tag",
        "etag": "The E-Tag of IEEE 802.1BR",
    },
)
