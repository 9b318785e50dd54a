"""The row of the command table and what a handler is given.

One row per command: where it is legal, its syntax and help, what it does, how `no` (and `default`) undo it, and how it
shows in the running configuration.  Parsing, abbreviation, help, completion, docs/cli.md, the running configuration and
its loading all come from the rows (vsm/cli/tables/).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from dvswitch.errors import Unavailable
from dvswitch.vlan import VlanSet
from vsm.model.state import State
from vsm.runtime import Runtime
from vsm.store.bootflash import Bootflash

if TYPE_CHECKING:
    from vsm.cli.candidate import Candidates
    from vsm.cli.desk import Desk
    from vsm.cli.logins import Logins
    from vsm.cli.report import Report
    from vsm.cli.session import Session
    from vsm.machine import Machine


class Mode(Enum):
    """CLI modes; the value is the prompt's suffix (nexus-1000v section 2.1)."""

    EXEC = ""
    CONFIG = "(config)"
    PROFILE = "(config-port-prof)"
    VLAN = "(config-vlan)"
    INTERFACE = "(config-if)"
    VEM = "(config-vem-slot)"
    SVS_DOMAIN = "(config-svs-domain)"
    SVS_CONNECTION = "(config-svs-conn)"
    ROLE = "(config-role)"
    CONSOLE = "(config-console)"
    LINE = "(config-line)"
    SESSION = "(config-s)"
    """Beside the mode of a line in a configuration session."""


PARENTS: dict[Mode, Mode] = {
    Mode.CONFIG: Mode.EXEC,
    Mode.PROFILE: Mode.CONFIG,
    Mode.VLAN: Mode.CONFIG,
    Mode.INTERFACE: Mode.CONFIG,
    Mode.VEM: Mode.CONFIG,
    Mode.SVS_DOMAIN: Mode.CONFIG,
    Mode.SVS_CONNECTION: Mode.CONFIG,
    Mode.ROLE: Mode.CONFIG,
    Mode.CONSOLE: Mode.CONFIG,
    Mode.LINE: Mode.CONFIG,
}
"""`exit` leads there, and the parent's commands work from the child."""


@dataclass(frozen=True, slots=True)
class Position:
    """A mode and the object that is being configured in it."""

    mode: Mode = Mode.EXEC
    profile: str = ""
    vlans: VlanSet = VlanSet()
    interfaces: tuple[str, ...] = ()
    """Full names."""
    slot: int = 0
    role: str = ""
    connection: str = ""
    candidate: str = ""
    """The configuration session to which lines are added; "" = they take effect at once."""

    @property
    def subject(self) -> str:
        """What is being configured, in the operator's words; "" where it is the switch."""
        if self.profile:
            return f"port-profile {self.profile}"
        if self.interfaces:
            return f"interface {','.join(self.interfaces)}"
        return f"vlan {self.vlans}" if self.vlans else ""

    @property
    def suffix(self) -> str:
        """What the prompt says about the mode."""
        said = "(config-if-range)" if len(self.interfaces) > 1 else self.mode.value
        return said.replace("(config", "(config-s") if self.candidate else said

    @property
    def header(self) -> str:
        """The line that leads here from configuration mode; "" = this is none of its sub-modes."""
        lines = {
            Mode.PROFILE: f"port-profile {self.profile}",
            Mode.VLAN: f"vlan {self.vlans}",
            Mode.INTERFACE: f"interface {','.join(self.interfaces)}",
            Mode.VEM: f"vem {self.slot}",
            Mode.SVS_DOMAIN: "svs-domain",
            Mode.SVS_CONNECTION: f"svs connection {self.connection}",
            Mode.ROLE: f"role name {self.role}",
            Mode.CONSOLE: "line console",
            Mode.LINE: "line vty",
        }
        return lines.get(self.mode, "")


class Form(Enum):
    """How a command was given."""

    SET = ""
    NO = "no"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Call:
    """A command as understood: where, how and with what."""

    position: Position
    form: Form = Form.SET
    words: tuple[str, ...] = ()
    """The keywords, in full."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """Values of the arguments by name, already of their type."""
    runtime: Runtime | None = None
    """Observed state; None when a configuration text is loaded."""
    said: tuple[str, ...] = ()
    """The command in order: keywords in full, values as they were typed."""

    def __getitem__(self, name: str) -> Any:
        return self.args[name]

    def get(self, name: str, otherwise: Any = None) -> Any:
        """The argument, if it was given."""
        return self.args.get(name, otherwise)

    def has(self, keyword: str) -> bool:
        """Whether the keyword was said."""
        return keyword in self.words


@dataclass(frozen=True, slots=True)
class View:
    """What show commands look at."""

    state: State
    runtime: Runtime
    now: datetime
    session: Session
    files: Bootflash
    logins: Logins
    candidates: Candidates
    machine: Machine


Edit = Callable[[State, Call], State]
"""A change of the configuration: pure; DvsError if it can't be done."""
Show = Callable[[View, Call], "Report"]
Part = Callable[[str], None]
"""Takes a part of a command's output as it comes."""
Run = Callable[[int, Sequence[str]], Awaitable[str]]
"""Has the module in a slot run a command (dvswitch.host_commands) and waits for its output; Unavailable if it does not
answer in time, DvsError with its own words if it refuses."""
Ask = Callable[["View", "Call", Run], Awaitable["Report"]]
"""A show command that asks modules and waits for them."""
Act = Callable[["Session", Call], str]
"""Something about the session itself; returns what to print."""
Do = Callable[["Desk", Call], str]
"""Something about whole configurations or files; returns what to print."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One row."""

    modes: tuple[Mode, ...]
    syntax: str
    help: str
    edit: Edit | None = None
    show: Show | None = None
    ask: Ask | None = None
    act: Act | None = None
    do: Do | None = None
    enter: Callable[[Call], Position] | None = None
    """Where the command leads, after ``edit``."""
    no: str | None = None
    """Syntax after `no` and `default`; None = can't be negated."""
    undo: Edit | None = None
    """What `no` does."""
    reset: Edit | None = None
    """What `default` does, where it differs from `no`."""
    render: Callable[[Any], Iterable[str]] | None = None
    """The command's lines in the running configuration, for the object of its mode."""
    always: Callable[[Any], Iterable[str]] | None = None
    """Its lines with `all`, where ``render`` leaves out a default."""
    note: Callable[[State, Call], str] | None = None
    """A warning to print once ``edit`` or ``undo`` has been committed; "" = none."""
    several: bool = False
    """``render`` may give several lines, each with a way back of its own."""
    open: bool = False
    """About the session itself: every role may give it."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Help for words (and "<argument>"s) that mean something special here; the rest is in vsm/cli/words.py."""

    @property
    def reports(self) -> bool:
        """Whether its outcome may be filtered."""
        return self.show is not None or self.ask is not None


def unsupported(what: str) -> Edit:
    """For a command that is understood but whose effect isn't built: refuse it, so that nobody relies on it."""

    def refuse(_state: State, call: Call) -> State:
        raise Unavailable(call.position.subject, f"{what} is not supported yet")

    return refuse
