"""What commands about whole configurations and files work with: the switch, its files, and the operator to ask.

Every change of the configuration, typed or loaded, goes through Desk.change(): checked, guarded
(vsm/policy/guard.py), durable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vsm.cli.candidate import Candidates
from vsm.cli.command import View
from vsm.cli.logins import Logins
from vsm.cli.session import Question, Session
from vsm.machine import Machine
from vsm.model.state import Config, State
from vsm.policy.check import check
from vsm.policy.guard import guard
from vsm.runtime import Runtime
from vsm.store.bootflash import Bootflash
from vsm.supervisor import Supervisor


@dataclass(slots=True)
class Switch:
    """What all sessions share."""

    supervisor: Supervisor
    runtime: Runtime
    clock: Callable[[], float]
    """Unix time."""
    files: Bootflash
    candidates: Candidates = field(default_factory=Candidates)
    logins: Logins = field(default_factory=Logins)
    restart: Callable[[], None] | None = None
    """Starts the supervisor anew from its store; None = it can't be (it lives in another process than its daemon)."""
    factory: Config = field(default_factory=Config)
    """The configuration of a new switch."""
    machine: Machine = field(default_factory=Machine)
    """That the supervisor runs on."""

    def view(self, desk: Desk) -> View:
        """What a show command of the desk's session looks at."""
        state, time, session = desk.state, desk.time, desk.session
        return View(state, self.runtime, time, session, self.files, self.logins, self.candidates, self.machine)


@dataclass(slots=True)
class Desk:
    """The switch as one session uses it."""

    switch: Switch
    session: Session

    @property
    def state(self) -> State:
        """What is in force."""
        return self.switch.supervisor.state

    @property
    def files(self) -> Bootflash:
        """bootflash:."""
        return self.switch.files

    @property
    def now(self) -> float:
        """Unix time."""
        return self.switch.clock()

    @property
    def time(self) -> datetime:
        """The same, in UTC."""
        return datetime.fromtimestamp(self.now, UTC)

    def change(self, edit: Callable[[State], State], *, force: bool = False, later: bool = False) -> State:
        """Put an edit into force: durable on return.  DvsError leaves everything as it was.

        An edit that would cut the way to a host is refused unless it is forced.  ``later`` is that of
        Supervisor.transact().
        """

        return self.switch.supervisor.transact(lambda before: admitted(before, edit, force), later=later)

    def try_change(self, edit: Callable[[State], State], *, force: bool = False) -> State:
        """What change() would put into force."""
        return admitted(self.state, edit, force)

    def ask(self, text: str, then: Callable[[Desk], str], *, default: bool = False) -> str:
        """Have ``then`` done once the operator agrees, at once if he does not want to be asked; what to print now."""
        if self.session.dont_ask:
            return then(self)
        self.session.question = Question(text, default, then)
        return ""


def admitted(before: State, edit: Callable[[State], State], force: bool = False) -> State:
    """The state after an edit that is sound and, unless it is forced, cuts nothing off; DvsError."""
    after = edit(before)
    if (after.config, after.inventory) != (before.config, before.inventory):
        check(after)
        if not force:
            guard(before, after)
    return after
