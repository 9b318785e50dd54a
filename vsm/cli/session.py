"""A CLI session: where it is, its terminal settings and its history."""

from __future__ import annotations

from dataclasses import dataclass, field

from vsm.cli.command import Position

MAX_HISTORY = 500


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

    def remember(self, line: str) -> None:
        """Add a line to the history."""
        self.history.append(line)
        del self.history[:-MAX_HISTORY]
