"""Writes docs/cli.md from the command table: `python -m vsm.cli.document > docs/cli.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from vsm.cli.arguments import TYPES
from vsm.cli.command import Command, Mode
from vsm.cli.pipe import FILTERS
from vsm.cli.registry import COMMANDS
from vsm.cli.syntax import Argument, compile_syntax

_TITLES: dict[Mode, tuple[str, str]] = {
    Mode.EXEC: ("Exec mode", "`vsm# `. These commands also work in every configuration mode."),
    Mode.CONFIG: ("Configuration mode", "`configure terminal` leads here; its commands also work in the modes below."),
    Mode.PROFILE: ("Port-profile mode", "`port-profile NAME` leads here."),
    Mode.VLAN: ("Vlan mode", "`vlan LIST` leads here; a command applies to every vlan of the list."),
    Mode.INTERFACE: (
        "Interface mode",
        "`interface X` leads here; a range is configured as one. What is said here overrides the port-profile.",
    ),
    Mode.VEM: ("Host slot mode", "`vem SLOT` leads here."),
    Mode.SVS_DOMAIN: ("Domain mode", "`svs-domain` leads here."),
    Mode.SVS_CONNECTION: ("Connection mode", "`svs connection NAME` leads here; it is about a hypervisor manager."),
    Mode.ROLE: ("Role mode", "`role name NAME` leads here."),
    Mode.CONSOLE: (
        "Console mode",
        "`line console` leads here; it is about sessions on the supervisor's own socket, as of `vsm cli`.",
    ),
    Mode.LINE: ("Terminal mode", "`line vty` leads here; it is about sessions over SSH."),
    Mode.SESSION: (
        "Configuration session",
        "`configure session NAME` leads here; commands of all configuration modes are collected, and take effect with "
        "`commit`.",
    ),
}

_INTRODUCTION = """\
# CLI reference

Generated from the command table by `python -m vsm.cli.document`; edit the table (`vsm/cli/tables/`), not this page.

Keywords may be abbreviated to any unique beginning and are not case-sensitive; names are. `{a | b}` is a choice, `[x]`
may be left out, `[a | b]*` are options in any order, `<x>` is a value (types are listed at the end). `?` lists what may
come next, Tab completes. `no` takes a command back, `default` returns a setting to what is inherited. `do` before a
command is accepted in configuration modes; lines beginning with `!` are ignored.
"""


def document() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *(_mode(mode) for mode in Mode), _filters(), _types()])


def _mode(mode: Mode) -> str:
    title, text = _TITLES[mode]
    prompt = f" Prompt: `vsm{mode.value}# `." if mode.value else ""
    rows = [command for command in COMMANDS if mode in command.modes]
    return "\n".join([f"## {title}", "", text + prompt, "", *_table(rows)])


def _table(rows: list[Command]) -> Iterator[str]:
    yield "| Command | What it does | `no` |"
    yield "|---|---|---|"
    for row in rows:
        taken_back = _code(f"no {row.no}") if row.undo and row.no is not None else ""
        yield f"| {_code(row.syntax)} | {row.help} | {taken_back} |"
    yield ""


def _filters() -> str:
    rows = [f"| `{kind.word}{' ' + kind.argument if kind.argument else ''}` | {kind.help} |" for kind in FILTERS]
    head = ["## Filters", "", "Behind any show command, after `|`; several may follow each other."]
    return "\n".join([*head, "", "| Filter | What it does |", "|---|---|", *rows, ""])


def _types() -> str:
    names = {
        element.type.placeholder: element.type.help
        for command in COMMANDS
        for element in compile_syntax(command.syntax).elements
        if isinstance(element, Argument) and element.type in TYPES.values()
    }
    rows = [f"| `{placeholder}` | {text} |" for placeholder, text in sorted(names.items())]
    return "\n".join(["## Values", "", "| Shown as | What it is |", "|---|---|", *rows, ""])


def _code(syntax: str) -> str:
    return "`" + _plain(syntax).replace("|", "\\|") + "`"


def _plain(syntax: str) -> str:
    """The syntax with arguments as people read them: <vlan> for <vlan:vlan-id>."""
    parts = []
    for part in syntax.split("<"):
        name, close, rest = part.partition(">")
        parts.append(f"<{_shown(name)}>{rest}" if close else part)
    return "".join(parts)


def _shown(argument: str) -> str:
    name, _, kind = argument.partition(":")
    return kind if kind and kind[0].isdigit() else name


if __name__ == "__main__":
    sys.stdout.write(document())
