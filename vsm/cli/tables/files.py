"""Whole configurations and files: copy, delete, write erase, reload.

Every accepted change is durable already; startup-config is a copy that the operator makes and that `reload` puts into
force (docs/architecture.md).
"""

from __future__ import annotations

from itertools import dropwhile
from typing import Any

from vsm.cli.command import Call, Command, Do, Mode, unsupported
from vsm.cli.desk import Desk
from vsm.config import archive
from vsm.config.parse import merge, replace_with
from vsm.config.patch import patch
from vsm.config.render import config_text, running_config
from vsm.model.state import State

EXEC = (Mode.EXEC,)
COPIED = f"[{'#' * 40}] 100%\nCopy complete.\n"
"""What clients wait for."""


def _save(desk: Desk, _call: Call) -> str:
    now, user = desk.now, desk.session.who
    desk.change(lambda state: archive.save_startup(state, config_text(state), now, user))
    return COPIED


def _to_file(desk: Desk, call: Call) -> str:
    if call.has("startup-config"):
        text = startup_text(desk.state)
    elif call.has("running-config"):
        text = running_config(desk.state, desk.time)
    else:
        return _write(desk, call["target"], desk.files.read(call["source"]))
    return _write(desk, call["target"], text.encode())


def _write(desk: Desk, name: str, content: bytes) -> str:
    def write(agreed: Desk) -> str:
        agreed.files.write(name, content)
        return COPIED

    if not desk.files.exists(name):
        return write(desk)
    return desk.ask(
        "Warning: There is already a file existing with this name. Do you want to\noverwrite (y/n)?[n] ", write
    )


def _startup_to_running(desk: Desk, _call: Call) -> str:
    return _merge(desk, startup_text(desk.state))


def _file_to_running(desk: Desk, call: Call) -> str:
    return _merge(desk, desk.files.text(call["source"]))


def _merge(desk: Desk, text: str) -> str:
    desk.change(lambda state: merge(text, state, desk.switch.runtime))
    return COPIED


def _file_to_startup(desk: Desk, call: Call) -> str:
    """The text must be a configuration: what can't be loaded now would be found out at the worst time."""
    text, now, user = desk.files.text(call["source"]), desk.now, desk.session.who
    replace_with(text, desk.state)
    kept = "".join(dropwhile(_is_header, text.splitlines(keepends=True)))
    desk.change(lambda state: archive.save_startup(state, kept, now, user))
    return COPIED


def _is_header(line: str) -> bool:
    return not line.strip() or line.startswith("!")


def startup_text(state: State) -> str:
    """The startup-config; "" when there is none."""
    return state.archive.startup.text if state.archive.startup else ""


def _erase(desk: Desk, _call: Call) -> str:
    def erase(agreed: Desk) -> str:
        now, user = agreed.now, agreed.session.who
        agreed.change(lambda state: archive.erase_startup(state, now, user))
        return ""

    text = "Warning: This command will erase the startup-configuration.\nDo you wish to proceed anyway? (y/n)  [n] "
    return desk.ask(text, erase)


def _reload(desk: Desk, _call: Call) -> str:
    return desk.ask(f"{_unsaved(desk)}This command will reload the supervisor. (y/n)?  [n] ", _do_reload)


def _unsaved(desk: Desk) -> str:
    loaded = archive.reloaded(desk.state, desk.switch.factory)
    lost = patch(loaded.state, desk.state)
    if not lost:
        return ""
    return f"WARNING: the running configuration is not saved; {len(lost)} lines of it change with the reload:\n" + (
        "".join(f"  {line}\n" for line in patch(desk.state, loaded.state)[:_SHOWN])
    )


_SHOWN = 20
"""Lines of a change that are shown with a question."""


def _do_reload(desk: Desk) -> str:
    remarks: list[str] = []

    def edit(state: State) -> State:
        loaded = archive.reloaded(state, desk.switch.factory)
        remarks.extend(loaded.remarks)
        return loaded.state

    desk.change(edit)
    desk.session.closed = True
    if desk.switch.restart:
        desk.switch.restart()
    return "".join(f"Note: {remark}\n" for remark in remarks)


def _delete(desk: Desk, call: Call) -> str:
    name: str = call["file"]
    desk.files.read(name)

    def delete(agreed: Desk) -> str:
        agreed.files.delete(name)
        return ""

    if call.has("no-prompt"):
        return delete(desk)
    return desk.ask(f'Do you want to delete "/{name}" ? (yes/no/abort)   [y] ', delete, default=True)


def _row(syntax: str, text: str, do: Do, **words: Any) -> Command:
    return Command(modes=EXEC, syntax=syntax, help=text, do=do, words=words)


_SOURCE, _TARGET = "<source:flash-file>", "<target:flash-file>"

TO_FILE = _row(f"copy running-config {_TARGET}", "Write the running configuration to a file", _to_file)

ROWS: tuple[Command, ...] = (
    _row(
        "copy running-config startup-config",
        "Save the running configuration for reload (every accepted change is durable already)",
        _save,
    ),
    TO_FILE,
    _row(f"copy startup-config {_TARGET}", "Write the saved configuration to a file", _to_file),
    _row(f"copy {_SOURCE} {_TARGET}", "Copy a file", _to_file),
    _row(f"copy {_SOURCE} running-config", "Add all lines of a file to the configuration, or none", _file_to_running),
    _row("copy startup-config running-config", "Add the saved configuration to the running one", _startup_to_running),
    _row(f"copy {_SOURCE} startup-config", "Save a file as the configuration for reload", _file_to_startup),
    _row("write erase", "Erase the saved configuration: reload begins as a new switch", _erase),
    _row("reload", "Restart the supervisor with the saved configuration; hosts forward meanwhile", _reload),
    _row("delete <file:file> [no-prompt]", "Delete a file", _delete),
)

LATER: tuple[Command, ...] = tuple(
    Command(
        modes=EXEC, syntax=syntax, help="Copy from or to another machine", edit=unsupported("copy over the network")
    )
    for syntax in (
        "copy {running-config | startup-config} <target:network-file>",
        f"copy {_SOURCE} <target:network-file>",
        "copy <source:network-file> <rest:text>",
    )
)
