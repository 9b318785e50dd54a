"""Command lines that a module answers: known by their words before the CLI's grammar sees them, since an answer takes
time and nothing of the supervisor may wait for it.

    module vem <slot> execute vem {capture | trace | drops} ...
    trace interface <name> ...            on whatever module the interface is
    show drops last                       of all connected modules
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable, Sequence

from dvswitch.errors import DvsError, InvalidValue, NotFound, Unavailable
from vsm.model.interfaces import Ethernet, Vethernet, parse_interface
from vsm.model.state import State

Run = Callable[[int, Sequence[str]], Awaitable[tuple[str, bool]]]
"""Has a module (by slot) run a command: FabricService.command."""
_SHOW_DROPS = re.compile(r"\s*sh\w*\s+int\w*\s+([a-z]+\s*[\d/]+)\s+dr\w*\s*", re.IGNORECASE)
VERBS = ("capture", "trace", "drops")


def is_remote(line: str) -> bool:
    """Whether the line is one of these."""
    words = line.lower().split()
    if words[:2] == ["module", "vem"]:
        return words[3:4] == ["execute"]
    return words[:2] == ["trace", "interface"] or words[:3] == ["show", "drops", "last"]


async def execute(state: State, run: Run, line: str) -> tuple[str, bool]:
    """Output, and whether it was done; DvsError when it can't be."""
    words = _words(line)
    if words[0].lower() == "show":
        return await _all_drops(state, run), True
    if words[0].lower() == "trace":
        if len(words) < 3:
            raise InvalidValue("trace interface", "names no interface", "write trace interface vethernet3")
        slot, name = _place(state, words[2])
        return await run(slot, ["trace", "--in", name, *words[3:]])
    return await run(_slot(words[2]), _command(words[4:]))


async def last_drops(state: State, run: Run, line: str) -> str:
    """What `show interface NAME drops` adds to the counters: the last frame for each reason, if the module answers."""
    found = _SHOW_DROPS.fullmatch(line)
    if not found:
        return ""
    try:
        slot, name = _place(state, found[1])
        output, _ = await run(slot, ["drops", name])
    except DvsError:  # the counters stand without it
        return ""
    return output


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InvalidValue("command line", str(error).lower()) from error


def _slot(text: str) -> int:
    if not text.isdecimal() or not 3 <= int(text) <= 66:
        raise InvalidValue(f"module {text}", "is out of range 3-66")
    return int(text)


def _command(words: list[str]) -> list[str]:
    """The words after `execute`, without the name of the program."""
    words = words[1:] if words and words[0].lower() in ("vem", "vemcmd") else words
    if words[:2] == ["show", "drops"]:
        words = words[1:]
    if not words or words[0] not in VERBS:
        raise InvalidValue("execute", "does not name a command of the module", f"choose from {', '.join(VERBS)}")
    return words


def _place(state: State, name: str) -> tuple[int, str]:
    """The module an interface is on, and the interface's name there."""
    interface = parse_interface(name)
    if isinstance(interface, Ethernet):
        return interface.slot, f"Eth{interface.number}"
    assert isinstance(interface, Vethernet)
    veth = state.inventory.veths.get(interface.number)
    if veth is None or veth.slot is None:
        raise NotFound(interface.full, "is on no module")
    return veth.slot, f"Veth{interface.number}"


async def _all_drops(state: State, run: Run) -> str:
    pieces = []
    for slot in sorted(state.inventory.modules):
        try:
            output, _ = await run(slot, ["drops"])
        except Unavailable as problem:
            output = f"{problem}\n"
        pieces.append(f"Module {slot}\n{output}")
    return "".join(pieces)
