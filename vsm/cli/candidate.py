"""Configuration sessions: lines that are collected, looked at and then put into force together (`configure session`).

A line is tried when it is typed, on the configuration as it would be, so mistakes are told at once.  Nothing is in
force before the commit, which applies all lines to the configuration as it is then.  Sessions are not stored: they end
with the supervisor's process.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dvswitch.errors import Conflict, DvsError, InvalidValue, NotFound
from vsm.cli.command import Mode, Position
from vsm.config.parse import apply_line
from vsm.model.state import State
from vsm.runtime import Runtime

MAX_SESSIONS = 32
MAX_LINES = 20000
"""Of one session."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line and where it was typed."""

    position: Position
    line: str
    leads: Position

    @property
    def line_is_inside(self) -> bool:
        """Whether the line says something about the object it was typed at: it does not lead to another one."""
        return bool(self.position.header) and self.leads == self.position


@dataclass(slots=True)
class Candidate:
    """One configuration session."""

    name: str
    user: str
    entries: list[Entry] = field(default_factory=list)
    _base: State | None = None
    """The state in force for which ``_state`` was made."""
    _state: State | None = None

    def state(self, base: State, runtime: Runtime | None) -> State:
        """``base`` with all lines applied, unchecked; InvalidValue naming the first that can't be any more."""
        if self._base is not base or self._state is None:
            state = base
            for number, entry in enumerate(self.entries, start=1):
                try:
                    state, _ = apply_line(state, replace(entry.position, candidate=""), entry.line, runtime)
                except DvsError as error:
                    raise InvalidValue(f"line {number} ('{entry.line}')", str(error)) from error
            self._base, self._state = base, state
        return self._state

    def add(self, position: Position, line: str, base: State, runtime: Runtime | None) -> Position:
        """Try and keep a line; where it leads.  DvsError: it was not kept."""
        if len(self.entries) >= MAX_LINES:
            raise Conflict(f"configuration session {self.name}", f"has {MAX_LINES} lines already")
        where = replace(position, candidate="")
        state, leads = apply_line(self.state(base, runtime), where, line, runtime)
        self.entries.append(Entry(where, line, leads))
        self._state = state
        return replace(leads, candidate=self.name)

    def lines(self) -> list[str]:
        """The lines with the headers that they stand under."""
        found: list[str] = []
        position = Position(Mode.CONFIG)
        for entry in self.entries:
            if entry.position.header and entry.position != position:
                found.append(entry.position.header)
            found.append(f"{'  ' if entry.line_is_inside else ''}{entry.line.strip()}")
            position = entry.leads
        return found


class Candidates:
    """All configuration sessions of a supervisor."""

    def __init__(self) -> None:
        self._known: dict[str, Candidate] = {}

    def open(self, name: str, user: str) -> Candidate:
        """The session ``name``, new if there is none; Conflict when there are too many."""
        if name not in self._known:
            if len(self._known) >= MAX_SESSIONS:
                raise Conflict(f"configuration session {name}", f"there are {MAX_SESSIONS} already", "abort one")
            self._known[name] = Candidate(name, user)
        return self._known[name]

    def get(self, name: str) -> Candidate:
        """The session ``name``; NotFound."""
        if name not in self._known:
            raise NotFound(f"configuration session {name}", "does not exist")
        return self._known[name]

    def close(self, name: str) -> None:
        """Forget it."""
        self._known.pop(name, None)

    def all(self) -> list[Candidate]:
        """By name."""
        return [self._known[name] for name in sorted(self._known)]
