"""A CLI session: where it is, its terminal settings and its history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vsm.cli.command import Position

if TYPE_CHECKING:
    from vsm.cli.desk import Desk

MAX_HISTORY = 500


@dataclass(frozen=True, slots=True)
class Question:
    """What the operator was asked; the next line is the answer."""

    text: str
    """Shown in the place of the prompt."""
    default: bool
    """The answer of an empty line."""
    then: Callable[[Desk], str]
    """What to do on "yes"; returns what to print."""


@dataclass(slots=True)
class Session:
    """One operator's or program's conversation."""

    name: str
    position: Position = field(default_factory=Position)
    length: int = 24
    """Lines of the terminal; 0 = don't page.  Whoever shows the output pages it."""
    width: int = 80
    timeout: int = 30
    """Minutes unused after which it ends; 0 = never."""
    history: list[str] = field(default_factory=list)
    used: float = 0.0
    """Unix time of the last line."""
    closed: bool = False
    user: str = "admin"
    """Who is at the other end."""
    dont_ask: bool = False
    """Do what would be asked about."""
    question: Question | None = None

    def remember(self, line: str) -> None:
        """Add a line to the history."""
        self.history.append(line)
        del self.history[:-MAX_HISTORY]
