"""`svs connection`: which hypervisor managers may watch the port groups (nexus-1000v section 7.1).

Managers connect to the supervisor, not the other way round; so what says where a manager is and how to log in there is
refused (vsm/cli/tables/later.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dvswitch.errors import NotFound
from vsm.cli.command import Call, Command, Mode, Position
from vsm.model.state import Connection, State


def _with(state: State, connections: Mapping[str, Connection]) -> State:
    return replace(state, config=replace(state.config, connections=connections))


def _create(state: State, call: Call) -> State:
    name = call["connection"]
    return _with(state, {name: Connection(name), **state.config.connections})


def _remove(state: State, call: Call) -> State:
    known = state.config.connections
    return _with(state, {name: known[name] for name in known if name != call["connection"]})


def _enable(value: bool) -> Callable[[State, Call], State]:
    def edit(state: State, call: Call) -> State:
        known = state.config.connections
        name = call.position.connection
        if name not in known:
            raise NotFound(f"svs connection {name}", "does not exist")
        return _with(state, {**known, name: replace(known[name], enabled=value)})

    return edit


HEADER = Command(
    modes=(Mode.CONFIG,),
    syntax="svs connection <connection:connection>",
    help="Configure the connection of a hypervisor manager",
    edit=_create,
    enter=lambda call: Position(Mode.SVS_CONNECTION, connection=call["connection"]),
    no="svs connection <connection:connection>",
    undo=_remove,
    render=lambda connection: [f"svs connection {connection.name}"],
    words={"connection": "Of a hypervisor manager"},
)

ROWS: tuple[Command, ...] = (
    Command(
        modes=(Mode.SVS_CONNECTION,),
        syntax="connect",
        help="Let the manager watch the port groups",
        edit=_enable(True),
        no="connect",
        undo=_enable(False),
        render=lambda connection: ["connect"] if connection.enabled else [],
    ),
)
