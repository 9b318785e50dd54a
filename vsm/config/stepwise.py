"""A rollback that goes as far as it can (`stop-at-first-failure`): the patch's lines, object by object, up to the first
that can't be done.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dvswitch.errors import DvsError
from vsm.config.parse import merge
from vsm.model.state import State

Admit = Callable[[State, Callable[[State], State]], State]
"""The state after an edit, if it may be put into force; DvsError."""


@dataclass(frozen=True, slots=True)
class Advance:
    """How far the lines led."""

    state: State
    done: int
    """Lines that are in force."""
    stopped: str = ""
    """The line at which it ended, and why; "" = all are done."""


def advance(state: State, lines: Sequence[str], admit: Admit) -> Advance:
    """Apply ``lines`` of a patch; what belongs to one object is done together or not at all."""
    try:
        return Advance(admit(state, _merging(lines)), len(lines))
    except DvsError:
        pass  # somewhere; and a state in between may be refused although the last one would not be
    done = 0
    for group in _groups(lines):
        try:
            state = admit(state, _merging(group))
        except DvsError as error:
            return Advance(state, done, f"'{group[0]}': {error}")
        done += len(group)
    return Advance(state, done)


def _groups(lines: Sequence[str]) -> list[list[str]]:
    groups: list[list[str]] = []
    for line in lines:
        if groups and line[0].isspace():
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _merging(lines: Sequence[str]) -> Callable[[State], State]:
    text = "".join(f"{line}\n" for line in lines)
    return lambda before: merge(text, before)
