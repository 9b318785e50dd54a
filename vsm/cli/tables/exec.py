"""Commands about the session: modes, terminal, history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dvswitch.errors import Unavailable
from vsm.cli.command import PARENTS, Act, Call, Command, Mode, Position
from vsm.cli.session import Session

EXEC = (Mode.EXEC,)


def _configure(session: Session, _call: Call) -> str:
    session.position = Position(Mode.CONFIG)
    return "Enter configuration commands, one per line.  End with CNTL/Z.\n"


def _exit(session: Session, call: Call) -> str:
    parent = PARENTS.get(call.position.mode)
    if parent is None:
        session.closed = True
    else:
        session.position = Position(parent, candidate="" if parent is Mode.EXEC else call.position.candidate)
    return ""


def _end(session: Session, _call: Call) -> str:
    session.position = Position()
    return ""


def _where(session: Session, call: Call) -> str:
    return "; ".join(_path(call.position)) + f"      {session.name}\n"


def _path(position: Position) -> list[str]:
    if position.mode is Mode.EXEC:
        return ["exec"]
    session = [f"session {position.candidate}"] if position.candidate else []
    return ["conf", *session, *([position.header] if position.header else [])]


def _terminal(attribute: str, argument: str) -> Act:
    def act(session: Session, call: Call) -> str:
        setattr(session, attribute, call[argument])
        return ""

    return act


def _ask(wanted: bool) -> Act:
    def act(session: Session, _call: Call) -> str:
        session.dont_ask = not wanted
        return ""

    return act


def _monitor(wanted: bool) -> Act:
    def act(session: Session, _call: Call) -> str:
        if not session.interactive:
            raise Unavailable("terminal monitor", "shows messages on SSH terminals only", "log in by SSH")
        session.monitor = wanted
        return ""

    return act


def _row(syntax: str, text: str, act: Callable[[Session, Call], str], **words: Any) -> Command:
    return Command(
        modes=EXEC, syntax=syntax, help=text, act=act, words=words.get("words", {}), open=words.get("open", True)
    )


ROWS: tuple[Command, ...] = (
    _row(
        "configure [terminal]",
        "Enter configuration mode",
        _configure,
        words={"terminal": "From the terminal"},
        open=False,
    ),
    _row("exit", "Leave the current mode", _exit),
    _row("end", "Leave configuration mode", _end),
    _row("where", "Show the current mode and the object being configured", _where),
    _row("terminal length <lines:0-511>", "Set the lines of a page; 0 = don't page", _terminal("length", "lines")),
    _row("terminal width <columns:24-511>", "Set the width of the terminal", _terminal("width", "columns")),
    _row(
        "terminal session-timeout <minutes:0-525600>",
        "Set the minutes after which an unused session ends; 0 = never",
        _terminal("timeout", "minutes"),
    ),
    _row("terminal monitor", "Show on this terminal what happens on the switch", _monitor(True)),
    _row("terminal no monitor", "Don't show what happens on the switch", _monitor(False)),
    _row("terminal dont-ask", "Don't ask for confirmation", _ask(False)),
    _row(
        "{no terminal dont-ask | terminal no dont-ask}",
        "Ask for confirmation",
        _ask(True),
        words={"no": "Take a setting back", "terminal": "Settings of this session"},
    ),
)
