"""VLANs: one that does not exist, is suspended or shut down carries nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from dvswitch.errors import Conflict, InvalidValue, NotFound
from dvswitch.vlan import VlanSet
from vsm.cli.command import Call, Command, Edit, Mode, Position, unsupported
from vsm.model.state import Config, State, Vlan

VLAN = (Mode.VLAN,)
_DEFAULT_NAME = "default"
"""Of VLAN 1."""


def _put(state: State, vlans: dict[int, Vlan]) -> State:
    return replace(state, config=replace(state.config, vlans=vlans))


def _create(state: State, call: Call) -> State:
    known = state.config.vlans
    return _put(state, {**known, **{vlan: Vlan(vlan) for vlan in call["vlans"] if vlan not in known}})


def _remove(state: State, call: Call) -> State:
    gone: VlanSet = call["vlans"]
    if 1 in gone:
        raise Conflict("Cannot remove vlan 1", "it is the default vlan")
    return _put(state, {vlan.id: vlan for vlan in state.config.vlans.values() if vlan.id not in gone})


def _edit(change: Callable[[Vlan, Call], Vlan]) -> Edit:
    def edit(state: State, call: Call) -> State:
        vlans = dict(state.config.vlans)
        for number in call.position.vlans:
            if number not in vlans:
                raise NotFound(f"vlan {number}", "does not exist")
            vlans[number] = change(vlans[number], call)
        return _put(state, vlans)

    return edit


def _named(vlan: Vlan, call: Call) -> Vlan:
    if len(call.position.vlans) > 1:
        raise InvalidValue(f"vlans {call.position.vlans}", "several vlans can't have one name", "name them one by one")
    return replace(vlan, name="" if call["name"] == Vlan(vlan.id).title else call["name"])


def _unnamed(vlan: Vlan, _call: Call) -> Vlan:
    return replace(vlan, name=_DEFAULT_NAME if vlan.id == 1 else "")


def _all(config: Config) -> Iterator[str]:
    yield f"vlan {VlanSet.of(config.vlans)}"


def _name(vlan: Vlan) -> Iterator[str]:
    if vlan.name != (_DEFAULT_NAME if vlan.id == 1 else ""):
        yield f"name {vlan.title}"


HEADER = Command(
    modes=(Mode.CONFIG,),
    syntax="vlan <vlans:vlan-list>",
    help="Create or configure vlans",
    edit=_create,
    enter=lambda call: Position(Mode.VLAN, vlans=call["vlans"]),
    no="vlan <vlans:vlan-list>",
    undo=_remove,
    render=_all,
)

_PRIVATE = {
    "private-vlan": "Private vlans",
    "primary": "Carries what is for all",
    "community": "Ports that talk to each other",
    "isolated": "Ports that don't",
    "association": "Its secondary vlans",
    "add": "Add to those there are",
    "remove": "Remove from those there are",
}

ROWS: tuple[Command, ...] = (
    Command(
        modes=VLAN,
        syntax="name <name:vlan-name>",
        help="Name the vlan",
        edit=_edit(_named),
        no="name [<name:vlan-name>]",
        undo=_edit(_unnamed),
        render=_name,
        always=lambda vlan: [f"name {vlan.title}"],
    ),
    Command(
        modes=VLAN,
        syntax="state {active | suspend}",
        help="Set whether the vlan is in use on the whole switch",
        edit=_edit(lambda vlan, call: replace(vlan, active=call.has("active"))),
        no="state [active | suspend]",
        undo=_edit(lambda vlan, _call: replace(vlan, active=True)),
        render=lambda vlan: [] if vlan.active else ["state suspend"],
        always=lambda vlan: [f"state {'active' if vlan.active else 'suspend'}"],
        words={"state": "Whether the vlan is in use", "active": "In use", "suspend": "Not in use: carries nothing"},
    ),
    Command(
        modes=VLAN,
        syntax="shutdown",
        help="Stop the vlan carrying frames",
        edit=_edit(lambda vlan, _call: replace(vlan, shutdown=True)),
        no="shutdown",
        undo=_edit(lambda vlan, _call: replace(vlan, shutdown=False)),
        render=lambda vlan: ["shutdown"] if vlan.shutdown else [],
        always=lambda vlan: ["shutdown" if vlan.shutdown else "no shutdown"],
        words={"shutdown": "Stop the vlan carrying frames"},
    ),
)

LATER: tuple[Command, ...] = tuple(
    Command(modes=VLAN, syntax=syntax, help=text, edit=unsupported("private-vlan"), words=_PRIVATE)
    for syntax, text in (
        ("private-vlan {primary | community | isolated}", "Role of the vlan in a private vlan"),
        ("private-vlan association [add | remove] <vlans:vlan-list>", "Secondary vlans of a primary"),
    )
)
"""Understood, and refused until their effect is built."""
