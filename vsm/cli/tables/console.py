"""`line console`: sessions on the supervisor's own socket, which is what a console is to this switch.

Clients that prepare every device they log in to (pyATS) say these lines; vsm/cli/tables/users.py has `line vty`.
"""

from __future__ import annotations

from dataclasses import replace

from vsm.cli.command import Command, Mode, Position
from vsm.model.state import Config, State

HEADER = Command(
    modes=(Mode.CONFIG,),
    syntax="line console",
    help="Configure sessions on the supervisor's own socket",
    enter=lambda _call: Position(Mode.CONSOLE),
    render=lambda _config: ["line console"],
    words={"line": "Terminals", "console": "Sessions on the supervisor's own socket (vsm cli)"},
)

ROWS: tuple[Command, ...] = (
    Command(
        modes=(Mode.CONSOLE,),
        syntax="exec-timeout <minutes:0-525600>",
        help="Set the minutes after which an unused session ends; 0 = never",
        edit=lambda state, call: _timeout(state, call["minutes"]),
        no="exec-timeout [<minutes:0-525600>]",
        undo=lambda state, _call: _timeout(state, Config().console_timeout),
        render=lambda config: (
            [f"exec-timeout {config.console_timeout}"] if config.console_timeout != Config().console_timeout else []
        ),
    ),
)


def _timeout(state: State, minutes: int) -> State:
    return replace(state, config=replace(state.config, console_timeout=minutes))
