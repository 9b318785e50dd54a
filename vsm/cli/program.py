"""The CLI's commands for programs: a show command's data without a session, and configuration lines all or none.

What is understood, permitted and refused is exactly what it is in a session (vsm/cli/service.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dvswitch.errors import InvalidValue
from vsm.cli import permission
from vsm.cli.command import Call, Form, Run
from vsm.cli.desk import Desk, Switch
from vsm.cli.grammar import Failure, Match
from vsm.cli.logins import Logins
from vsm.cli.registry import GRAMMAR
from vsm.cli.report import as_json
from vsm.cli.session import Session
from vsm.config.parse import merge
from vsm.config.patch import patch
from vsm.fabric.identity import NotAllowed
from vsm.model.state import State


@dataclass(frozen=True, slots=True)
class Shown:
    """What a show command gives."""

    text: str
    json: str
    """"" = it has text only."""
    revision: int
    """Of the state that is shown."""


@dataclass(frozen=True, slots=True)
class Configured:
    """What configuration lines came to."""

    revision: int
    changed: bool
    changes: tuple[str, ...]
    """Lines that lead from the configuration before to the one after."""


class Programs:
    """Commands outside of sessions.  ``role`` is the only role that they are run with; "" = they may do everything."""

    def __init__(self, switch: Switch, logins: Logins, run: Run) -> None:
        self._switch, self._logins, self._run = switch, logins, run

    async def show(self, line: str, role: str = "") -> Shown:
        """Run a show command; InvalidValue if it is none, NotAllowed."""
        desk = Desk(self._switch, Session("", role=role))
        match = GRAMMAR.parse(desk.session.position.mode, line)
        if isinstance(match, Failure):
            raise InvalidValue(f"command '{line}'", f"{match.message} at character {match.offset + 1}")
        if not match.command.reports:
            raise InvalidValue(f"command '{line}'", "is no show command", "use Execute or Configure")
        self._check(match, role)
        revision = desk.state.revision
        call = Call(desk.session.position, match.form, match.words, match.args, self._switch.runtime, match.said)
        view = self._switch.view(desk)
        if match.command.ask:
            report = await match.command.ask(view, call, self._run)
        else:
            assert match.command.show is not None
            report = match.command.show(view, call)
        return Shown(report.text, as_json(report) if report.structured else "", revision)

    def configure(
        self, lines: Sequence[str], role: str = "", *, dry_run: bool = False, force: bool = False
    ) -> Configured:
        """Apply lines of configuration mode in one transaction; DvsError names the line at fault, nothing is changed.

        With ``dry_run`` nothing is changed in any case.
        """
        for number, line in enumerate(lines, start=1):
            if len(line.splitlines()) > 1:
                raise InvalidValue(f"line {number}", "has a line break", "give one line each")
        text = "".join(f"{line}\n" for line in lines)
        desk = Desk(self._switch, Session("", role=role))
        before = desk.state

        def edit(state: State) -> State:
            return merge(text, state, self._switch.runtime, lambda match: self._check(match, role))

        after = desk.try_change(edit, force=force) if dry_run else desk.change(edit, force=force)
        changes = tuple(patch(before, after)) if after.config is not before.config else ()
        return Configured(desk.state.revision, after.config != before.config, changes)

    def _check(self, match: Match | Failure, role: str) -> None:
        """NotAllowed if the role does not permit the command."""
        if isinstance(match, Failure):
            return  # told when it is applied
        config = self._switch.supervisor.state.config
        said = match.said if match.form is Form.SET else match.said[1:]
        roles = permission.roles_of(Session("", role=role), config)
        if not permission.permitted(config, roles, match.command, " ".join(said)):
            raise NotAllowed(f"role {role}", f"does not permit '{' '.join(match.said)}'")
