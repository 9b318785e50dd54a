"""A CLI session: whose it is, where it is, its terminal settings and its history."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vsm.cli.command import Position
from vsm.model.users import ADMIN

if TYPE_CHECKING:
    from vsm.cli.desk import Desk

MAX_HISTORY = 500
_SECRET = re.compile(r"(\bpassword\s+(?:[05]\s+)?|\brad[\w-]*\s+h\w*\s+\S+\s+k\w*\s+(?:[07]\s+)?)(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """What the operator was asked; the next line is the answer."""

    text: str
    """Shown in the place of the prompt."""
    default: bool
    """The answer of an empty line."""
    then: Callable[[Desk], str]
    """What to do on "yes"; returns what to print."""


@dataclass(slots=True, eq=False)
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
    user: str = ""
    """Who logged in; "" = the system's user that the supervisor runs as, on its own socket."""
    role: str = ""
    """The only role that the session has, whatever its user's are; "" = those of the user."""
    granted: tuple[str, ...] = ()
    """Roles that a server gave with the login; () = those of the user in the configuration."""
    line: str = ""
    """Number of the terminal among SSH sessions, as "pts/0"; "" = not one."""
    origin: str = ""
    """Address that an SSH session comes from."""
    began: float = 0.0
    """Unix time of the login."""
    interactive: bool = False
    """A terminal that messages can be shown on."""
    monitor: bool = False
    """`terminal monitor`."""
    dont_ask: bool = False
    """Do what would be asked about."""
    question: Question | None = None
    unfinished: str = ""
    """Lines of a banner whose end has not come yet."""
    hang_up: Callable[[], None] | None = None
    """Disconnects the client; None = there is none to disconnect."""
    edited: bool = False
    """The last line was one of configuration: it changed the State and the position, if anything."""

    @property
    def who(self) -> str:
        """The user's name, for people: that of the first user on the supervisor's own socket."""
        return self.user or ADMIN

    def remember(self, line: str) -> None:
        """Add a line to the history, without its passwords and keys."""
        self.history.append(_SECRET.sub(r"\1*", line))
        del self.history[:-MAX_HISTORY]
