"""Going back: checkpoints, rollback, configure replace, and edits that are taken back unless they are confirmed.

Every one of them puts a whole configuration into force in one transaction or changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dvswitch.errors import DvsError, Unavailable
from vsm.cli.command import Call, Command, Do, Mode, Position
from vsm.cli.desk import Desk, admitted
from vsm.cli.tables.files import EXEC
from vsm.config import archive
from vsm.config.parse import Loaded, replace_with
from vsm.config.patch import patch
from vsm.config.render import running_config
from vsm.config.stepwise import Advance, advance
from vsm.model.state import State

_TIMEOUT = "commit-timeout <seconds:5-86400>"
_STEPS = ("Collecting Running-Config", "Generating Rollback Patch", "Executing Rollback Patch")


def _checkpoint(desk: Desk, call: Call) -> str:
    name = call.get("name") or archive.automatic_name(desk.state)
    now, user, description = desk.now, desk.session.who, call.get("text", "")
    desk.change(lambda state: archive.add_checkpoint(state, name, now, user, description))
    return "Done\n" if call.get("name") else f"{name} created Successfully\n\nDone\n"


def _checkpoint_file(desk: Desk, call: Call) -> str:
    desk.files.write(call["file"], running_config(desk.state, desk.time).encode())
    return "Done\n"


def _no_checkpoint(desk: Desk, call: Call) -> str:
    desk.change(lambda state: archive.remove_checkpoint(state, call["name"]))
    return "Done\n"


def _clear(desk: Desk, _call: Call) -> str:
    desk.change(archive.clear_checkpoints)
    return "Done\n"


@dataclass(frozen=True, slots=True)
class _Replacement:
    """A configuration to put into the place of the running one."""

    text: str
    best_effort: bool = False
    force: bool = False
    timeout: int = 0
    """Seconds until it is taken back; 0 = it stays."""


def _replace(desk: Desk, wanted: _Replacement) -> tuple[str, ...]:
    """Do it; the remarks."""
    remarks: list[str] = []
    now, user = desk.now, desk.session.who

    def edit(state: State) -> State:
        loaded = replace_with(wanted.text, state, best_effort=wanted.best_effort)
        remarks.extend(loaded.remarks)
        new = loaded.state
        return archive.begin(new, state, wanted.timeout, now, user) if wanted.timeout else new

    desk.change(edit, force=wanted.force)
    return tuple(remarks)


def _rollback(desk: Desk, call: Call) -> str:
    if call.has("stop-at-first-failure"):
        return _rollback_as_far_as_it_goes(desk, source_text(desk, call), call.has("force"))
    wanted = _Replacement(source_text(desk, call), call.has("best-effort"), call.has("force"))
    try:
        remarks = _replace(desk, wanted)
    except DvsError as error:
        raise Unavailable("", f"Rollback failed. {error}") from error
    return _told(_STEPS, remarks) + "\nRollback completed successfully.\n"


def _rollback_as_far_as_it_goes(desk: Desk, text: str, force: bool) -> str:
    """Line by line; what was done before the first failure stays, and is told."""
    found: list[Advance] = []
    remarks: list[str] = []

    def edit(state: State) -> State:
        loaded = replace_with(text, state, best_effort=True, unchecked=True)
        if misread := next((remark for remark in loaded.remarks if remark.startswith("line ")), ""):
            raise Unavailable("", f"Rollback failed. {misread}")
        remarks.extend(loaded.remarks)
        found.append(advance(state, patch(state, loaded.state), lambda at, step: admitted(at, step, force)))
        return found[0].state

    # What is admitted step by step has been guarded; the whole is no more than its steps.
    desk.change(edit, force=True)
    if found[0].stopped and not found[0].done:
        raise Unavailable("", f"Rollback failed. {found[0].stopped}")
    told = _told(_STEPS, tuple(remarks))
    if found[0].stopped:
        return told + f"\nRollback failed. {found[0].done} lines are in force; stopped at {found[0].stopped}\n"
    return told + "\nRollback completed successfully.\n"


def _configure_replace(desk: Desk, call: Call) -> str:
    wanted = _Replacement(
        desk.files.text(call["file"]), call.has("best-effort"), call.has("force"), call.get("seconds", 0)
    )
    try:
        if call.has("verify-only"):
            loaded = replace_with(wanted.text, desk.state, best_effort=wanted.best_effort)
            return _told(_STEPS[:2], loaded.remarks) + "\nVerification is Successful.\n"
        remarks = _replace(desk, wanted)
    except DvsError as error:
        raise Unavailable("", f"Configure replace failed. {error}") from error
    return _told(_STEPS, remarks) + f"\nConfigure replace completed successfully.\n{_timed(wanted.timeout)}"


def _told(steps: tuple[str, ...], remarks: tuple[str, ...]) -> str:
    return "".join(f"{line}\n" for line in (*steps, *(f"Note: {remark}" for remark in remarks)))


def _timed(seconds: int) -> str:
    return f"It is taken back in {seconds} seconds unless 'configure replace commit' confirms it.\n" if seconds else ""


def _confirm(desk: Desk, _call: Call) -> str:
    desk.change(archive.confirm)
    return "Commit completed successfully.\n"


def _configure_timed(desk: Desk, call: Call) -> str:
    seconds, now, user = call["seconds"], desk.now, desk.session.who
    desk.change(lambda state: archive.begin(state, state, seconds, now, user))
    desk.session.position = Position(Mode.CONFIG)
    return "Enter configuration commands, one per line.  End with CNTL/Z.\n" + _timed(seconds)


def source_text(desk: Desk, call: Call) -> str:
    """The configuration that ``checkpoint NAME`` or ``file NAME`` names; NotFound."""
    if call.get("file"):
        return desk.files.text(call["file"])
    return archive.the_checkpoint(desk.state, call["name"]).text


def _row(syntax: str, text: str, do: Do, **words: Any) -> Command:
    return Command(modes=EXEC, syntax=syntax, help=text, do=do, words={"commit-timeout": _TIMED, **words})


_TIMED = "Take it back after so many seconds unless it is confirmed"
_FROM = "{checkpoint <name:checkpoint> | file <file:file>}"

ROWS: tuple[Command, ...] = (
    _row(
        "checkpoint [<name:new-checkpoint>] [description <text:text>]",
        "Keep the configuration to go back to",
        _checkpoint,
    ),
    _row("checkpoint file <file:file>", "Write the configuration to a file to go back to", _checkpoint_file),
    _row("no checkpoint <name:checkpoint>", "Forget a checkpoint", _no_checkpoint, no="Forget or negate"),
    _row("clear checkpoint database", "Forget all checkpoints", _clear),
    _row(
        f"rollback running-config {_FROM} [atomic | best-effort | stop-at-first-failure] [force]",
        "Put a kept configuration into force, whole or not at all unless something else is said",
        _rollback,
    ),
    _row(
        f"configure replace <file:file> [best-effort] [verify-only | {_TIMEOUT}] [force]",
        "Put the configuration of a file into force, whole or not at all",
        _configure_replace,
        replace="With the configuration of a file",
    ),
    _row("configure {replace commit | confirm}", "Let a timed edit stay", _confirm, commit="Let the timed edit stay"),
    _row(
        f"configure [terminal] {_TIMEOUT}",
        "Enter configuration mode; what is changed by anybody is taken back unless it is confirmed in time",
        _configure_timed,
        terminal="From the terminal",
    ),
)

__all__ = ["ROWS", "Loaded", "source_text"]
