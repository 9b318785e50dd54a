"""show startup-config, checkpoint, diff, file; dir: configurations beside the one in force, and files."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dvswitch.errors import NotFound
from vsm.cli.command import Call, View
from vsm.cli.report import RULE, Report, Table, lines
from vsm.config.archive import the_checkpoint
from vsm.config.parse import Loaded, replace_with
from vsm.config.patch import patch
from vsm.config.render import TIME_FORMAT, config_text
from vsm.model.archive import Saved
from vsm.store.bootflash import QUOTA


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file in bootflash."""

    fsize: int
    timestring: str
    fname: str


@dataclass(frozen=True, slots=True)
class UsageRow:
    """How full bootflash is."""

    usage: str
    bytesused: int
    bytesfree: int
    bytestotal: int


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint."""

    name: str
    user: str
    time: str
    size: int
    description: str


def show_startup_config(view: View, _call: Call) -> Report:
    """The saved configuration, with the time of saving."""
    startup = view.state.archive.startup
    if startup is None or not startup.text:
        return Report(lines("No startup configuration"))
    head = ("!Command: show startup-config", f"!Time: {view.now.strftime(TIME_FORMAT)}")
    return Report(lines(*head, f"!Startup config saved at: {_time(startup.time)}", "") + startup.text)


def show_difference(view: View, _call: Call) -> Report:
    """The running configuration against the saved one, in the manner of NX-OS: a context difference."""
    startup = view.state.archive.startup
    saved = startup.text.splitlines() if startup else []
    running = config_text(view.state).splitlines()
    found = difflib.context_diff(saved, running, "Startup-config", "Running-config", n=3, lineterm="")
    return Report("".join(f"{line}\n" for line in found))


def show_checkpoints(view: View, call: Call) -> Report:
    """The text of all checkpoints, or of one."""
    names = [call["name"]] if call.get("name") else list(view.state.archive.checkpoints)
    parts = [RULE + f"\nName: {name}\n\n" + the_checkpoint(view.state, name).text for name in names]
    return Report(
        "".join(parts), (Table("checkpoint", [_row(name, the_checkpoint(view.state, name)) for name in names]),)
    )


def show_checkpoint_summary(view: View, _call: Call) -> Report:
    """Who made which checkpoint when."""
    rows = [_row(name, saved) for name, saved in view.state.archive.checkpoints.items()]
    return Report(summary_text(rows), (Table("checkpoint", rows),))


def summary_text(rows: list[CheckpointRow]) -> str:
    """A block per checkpoint."""
    text = lines("User Checkpoint Summary", RULE)
    for number, row in enumerate(rows, start=1):
        text += lines(
            f"{number}) {row.name}:",
            f"Created by {row.user}",
            f"Created at {row.time}",
            f"Size is {row.size:,} bytes",
            f"Description: {row.description or 'None'}",
            "",
        )
    return text


def show_rollback_patch(view: View, call: Call) -> Report:
    """The lines that turn the first configuration into the second."""
    first, second = (_source(view, call, number) for number in (0, 1))
    found = patch(first.state, second.state)
    told = [f"! {remark}" for remark in (*first.remarks, *second.remarks)]
    body = ["!!", *found, "!"] if found else ["Rollback Patch is Empty"]
    return Report(lines("Collecting Running-Config", "#Generating Rollback Patch", *told, *body))


def _source(view: View, call: Call, number: int) -> Loaded:
    """The configuration named first or second, as it would be if it were put into force now."""
    kinds = [word for word in call.words[_WORDS_BEFORE:] if word in _KINDS]
    kind = kinds[number]
    if kind == "running-config":
        return Loaded(view.state)
    name = call.get(f"{kind}{number}", "")
    if kind == "file":
        text = view.files.text(name)
    elif kind == "checkpoint":
        text = the_checkpoint(view.state, name).text
    else:
        startup = view.state.archive.startup
        if startup is None or not startup.text:
            raise NotFound("startup-config", "nothing was saved", "save it with 'copy running-config startup-config'")
        text = startup.text
    return replace_with(text, view.state, best_effort=True)


_KINDS = ("running-config", "startup-config", "checkpoint", "file")
_WORDS_BEFORE = 3
"""show diff rollback-patch."""


def show_file(view: View, call: Call) -> Report:
    """A file's text, or its MD5 sum."""
    content = view.files.read(call["file"])
    if call.has("md5sum"):
        return Report(lines(hashlib.md5(content, usedforsecurity=False).hexdigest()))
    text = content.decode(errors="replace")
    return Report(text if not text or text.endswith("\n") else f"{text}\n")


def directory(view: View, call: Call) -> Report:
    """The files, or one, and the room that is left."""
    files = view.files.files()
    if call.get("file"):
        files = [info for info in files if info.name == call["file"]]
        if not files:
            raise NotFound(f"bootflash:{call['file']}", "No such file or directory")
    rows = [
        FileRow(info.size, f"{datetime.fromtimestamp(info.time, UTC):%b %d %H:%M:%S %Y}", info.name) for info in files
    ]
    used = view.files.used()
    usage = UsageRow("bootflash://sup-local", used, QUOTA - used, QUOTA)
    return Report("".join(_directory_text(rows, usage)), (Table("dir", rows),), usage)


def _directory_text(rows: list[FileRow], usage: UsageRow) -> Iterator[str]:
    yield from (lines(f"{row.fsize:>11}    {row.timestring}  {row.fname}") for row in rows)
    yield lines(
        "",
        f"Usage for {usage.usage}",
        f"{usage.bytesused:>11} bytes used",
        f"{usage.bytesfree:>11} bytes free",
        f"{usage.bytestotal:>11} bytes total",
    )


def _row(name: str, saved: Saved) -> CheckpointRow:
    made = f"{datetime.fromtimestamp(saved.time, UTC):%a, %H:%M:%S %d %b %Y}"
    return CheckpointRow(name, saved.user, made, len(saved.text), saved.description)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(TIME_FORMAT)
