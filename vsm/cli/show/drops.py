"""show interface X drops and show drops: counts by reason with what each means, and the last frames, which the modules
that dropped them still have."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dvswitch.drops import BY_NAME
from vsm.cli.command import Call, Run, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show import asking
from vsm.cli.show.interfaces import named
from vsm.model.cards import for_holder
from vsm.model.interfaces import Ethernet, parse_interface
from vsm.model.state import State
from vsm.policy.ports import interfaces

_LAST_FRAMES = "last frames"
_HEAD = "{:<14}  {:<3}  {:<16}  {:>12}  {}"
_RULE = _HEAD.format("-" * 14, "-" * 3, "-" * 16, "-" * 12, "-" * 44)


@dataclass(frozen=True, slots=True)
class DropRow:
    """Frames dropped at one interface for one reason."""

    interface: str
    direction: str
    reason: str
    frames: int
    meaning: str


@dataclass(frozen=True, slots=True)
class LastDropRow:
    """The last frame dropped at one port for one reason, as its module tells."""

    module: int
    interface: str
    """As the module calls it: Veth1."""
    direction: str
    reason: str
    when: str
    """How long ago, by which port it came, and its headers."""
    frame: str
    """Its first bytes in hexadecimal."""


_LAST = re.compile(r"(?P<interface>\S+) (?P<direction>in|out) (?P<reason>\S+): (?P<when>.*)")
_BYTES = re.compile(r"\s+((?:[0-9a-f]{2,4} ?)+)")


async def show_interface_drops(view: View, call: Call, run: Run) -> Report:
    """What was dropped on an interface; with `last` only the last frames."""
    (name,) = named(view.state, call)
    place = _place(view.state, name)
    asked = [(place[0], [*place[1], "--last"])] if place else []
    last = await asking.answers(asked, run, _LAST_FRAMES)
    if call.has("last"):
        return Report(_joined(last), (_last_table(last),))
    rows = _rows(view, [name])
    text = drops_text(rows) if rows else lines(f"{name}: no frames dropped")
    return Report(text + _titled(_joined(last)), (Table("drops", rows), _last_table(last)))


async def show_drops(view: View, call: Call, run: Run) -> Report:
    """What was dropped anywhere; with `last` only the last frames, module by module."""
    last = await asking.answers(asking.questions(view, ["drops", "--last"]), run, _LAST_FRAMES)
    if call.has("last"):
        return Report(_joined(last, titles=True), (_last_table(last),))
    rows = _rows(view, interfaces(view.state))
    text = drops_text(rows) if rows else lines("no frames dropped")
    return Report(text + _titled(_joined(last, titles=True)), (Table("drops", rows), _last_table(last)))


def drops_text(rows: Collection[DropRow]) -> str:
    """A line per interface, direction and reason."""
    table = [_HEAD.format(row.interface, row.direction, row.reason, row.frames, row.meaning) for row in rows]
    return lines(_HEAD.format("Interface", "Dir", "Reason", "Frames", "Meaning"), _RULE, *table)


def _titled(last: str) -> str:
    return f"\nLast frames\n{last}" if last else ""


def _rows(view: View, names: Iterable[str]) -> list[DropRow]:
    found = []
    for name in names:
        counters = view.runtime.counters(name)
        found += [*_one_way(name, "in", counters.drops_in), *_one_way(name, "out", counters.drops_out)]
    return found


def _one_way(interface: str, direction: str, counts: Mapping[str, int]) -> list[DropRow]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        DropRow(interface, direction, BY_NAME[name].word, count, BY_NAME[name].sentence)
        if name in BY_NAME
        else DropRow(interface, direction, name.lower().replace("_", "-"), count, "not known to this supervisor")
        for name, count in ordered
        if count
    ]


def _place(state: State, name: str) -> tuple[int, list[str]] | None:
    """The module an interface is on, and the command that asks it or its card; None for one that is nowhere."""
    interface = parse_interface(name)
    words = ["drops", interface.short]
    if isinstance(interface, Ethernet):
        return interface.slot, words
    veth = state.inventory.veths.get(interface.number)
    if veth is None or veth.slot is None:
        return None
    return veth.slot, for_holder(state, veth.slot, words)


def _joined(last: Iterable[tuple[int, str]], titles: bool = False) -> str:
    return "".join((f"Module {slot}\n" if titles else "") + answer for slot, answer in last)


def _last_table(last: Iterable[tuple[int, str]]) -> Table:
    """The answers as rows; what is no drop (that a module did not answer) is in the text only."""
    rows = []
    for slot, answer in last:
        told = answer.splitlines()
        for at, line in enumerate(told):
            if head := _LAST.fullmatch(line):
                rest = itertools.takewhile(lambda other: not _LAST.fullmatch(other), told[at + 1 :])
                frame = next((found[1] for other in rest if (found := _BYTES.fullmatch(other))), "")
                rows.append(LastDropRow(slot, **head.groupdict(), frame=frame))
    return Table("last_drops", rows)
