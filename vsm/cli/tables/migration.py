"""`svs migration`: what an operator does about vEths that move, and what he sees of them.

The supervisor itself is asked as if it were the module in slot 0 (vsm/mobility/console.py answers), as these commands
wait for hosts.
"""

from __future__ import annotations

from vsm.cli.command import Ask, Call, Command, Mode, Run, Show, View
from vsm.cli.report import Report
from vsm.cli.show import migration

SUPERVISOR = 0
"""The slot whose commands the supervisor runs."""
_WORDS = {
    "show": "Show the state of the switch",
    "svs": "Hosts' side of the switch",
    "migration": "Virtual ports that move from host to host",
    "transitions": "The table by which they move",
    "vethernet": "Virtual port",
    "module": "Where it is to go",
    "<slot>": "Slot of the module",
    "check": "Only say whether that host could take it",
    "commit": "It runs there now: hand it over",
    "cancel": "Back to where it came from",
}


async def _begin(_view: View, call: Call, run: Run) -> Report:
    step = "check" if call.has("check") else "begin"
    return await _ask(call, run, step, str(call["slot"]))


async def _commit(_view: View, call: Call, run: Run) -> Report:
    return await _ask(call, run, "commit")


async def _cancel(_view: View, call: Call, run: Run) -> Report:
    return await _ask(call, run, "cancel")


async def _ask(call: Call, run: Run, step: str, *more: str) -> Report:
    (veth,) = call["interfaces"]
    return Report(await run(SUPERVISOR, ["migration", step, str(veth.number), *more]))


def _row(syntax: str, text: str, ask: Ask) -> Command:
    return Command(modes=(Mode.EXEC,), syntax=syntax, help=text, ask=ask, words=_WORDS)


def _show(syntax: str, text: str, show: Show) -> Command:
    return Command(modes=(Mode.EXEC,), syntax=syntax, help=text, show=show, words=_WORDS)


ROWS: tuple[Command, ...] = (
    _show("show svs migration", "Show virtual ports that move, and the last that did", migration.show_migrations),
    _show("show svs migration transitions", "Show the table by which they move", migration.show_transitions),
    _row(
        "svs migration vethernet <interfaces:veth> module <slot:3-66> [check]",
        "Prepare a host for a virtual port whose VM is to move there",
        _begin,
    ),
    _row("svs migration vethernet <interfaces:veth> commit", "Hand a prepared virtual port over", _commit),
    _row("svs migration vethernet <interfaces:veth> cancel", "Take a virtual port's move back", _cancel),
)
"""Rows of the command table."""
