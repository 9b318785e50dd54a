"""CLI sessions over the supervisor: a line in, text and a prompt out.

The grammar says what a line means, handlers say what it does; here it is done: edits are checked and go through
Supervisor.transact(), show commands through their filters, and whatever fails becomes the operator's text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dvswitch.errors import DvsError
from vsm.cli import pipe
from vsm.cli.command import Call, Command, Form, Mode, View
from vsm.cli.desk import Desk, Switch
from vsm.cli.grammar import Candidate, Failure, Match, Word
from vsm.cli.registry import GRAMMAR
from vsm.cli.session import Question, Session
from vsm.config.parse import chosen_edit
from vsm.model.state import Config
from vsm.runtime import Runtime
from vsm.store.bootflash import Bootflash
from vsm.supervisor import Supervisor

__all__ = ["Candidate", "CliReply", "CliService"]


@dataclass(frozen=True, slots=True)
class CliReply:
    """What to print, and the prompt after it."""

    output: str
    prompt: str
    ok: bool
    """False: the line was refused and nothing was changed; the output says why."""
    closed: bool
    """The session has ended."""


class CliService:
    """All CLI sessions of a supervisor.  Single-threaded, like it; no call blocks on anything but the store."""

    def __init__(
        self,
        supervisor: Supervisor,
        runtime: Runtime,
        clock: Callable[[], float],
        *,
        files: Bootflash,
        restart: Callable[[], None] | None = None,
        factory: Config | None = None,
    ) -> None:
        """``clock`` gives Unix time; ``restart`` and ``factory`` are those of vsm.cli.desk.Switch."""
        self._switch = Switch(supervisor, runtime, clock, files, restart=restart, factory=factory or Config())
        self._sessions: dict[str, Session] = {}

    def execute(self, session: str, line: str) -> CliReply:
        """Run one line in a session; an unknown session begins in exec mode."""
        here = self._session(session)
        line = line.replace("\x00", "").rstrip("\r\n").expandtabs(1)
        if here.question:
            return self._answered(here, here.question, line)
        if not line.strip() or line.lstrip().startswith("!"):
            return self._reply(here, "", True)
        here.remember(line.strip())
        text, offset = _without_do(line)
        try:
            output, ok = self._run(here, Mode.EXEC if offset else here.position.mode, text, offset)
        except DvsError as error:
            output, ok = f"ERROR: {error}\n", False
        return self._reply(here, output, ok)

    def _answered(self, session: Session, question: Question, line: str) -> CliReply:
        """The operator's answer: an empty line is the default, anything but a beginning of "yes" is "no"."""
        session.question = None
        answer = line.strip().lower()
        if not ("yes".startswith(answer) if answer else question.default):
            return self._reply(session, "", True)
        try:
            return self._reply(session, question.then(Desk(self._switch, session)), True)
        except DvsError as error:
            return self._reply(session, f"ERROR: {error}\n", False)

    def complete(self, session: str, line: str) -> list[Candidate]:
        """What may come next after ``line``."""
        here = self._session(session)
        line = line.expandtabs(1)
        text, offset = _without_do(line)
        mode = Mode.EXEC if offset else here.position.mode
        head, filters = pipe.cut(text)
        if filters and _is_show(mode, head):
            return pipe.candidates(text[filters[-1].offset :])
        found = GRAMMAR.candidates(mode, text, self._switch.supervisor.state, _beside(here))
        if any(candidate.word == "<CR>" for candidate in found) and _is_show(mode, text):
            found.append(Candidate("|", "Pipe command output to filter"))
        return found

    def close(self, session: str) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)

    def expire(self, now: float) -> None:
        """Forget sessions that have been unused for longer than their timeout; ``now`` is Unix time."""
        for session in list(self._sessions.values()):
            if session.timeout and now - session.used > session.timeout * 60:
                self.close(session.name)

    def _session(self, name: str) -> Session:
        now = self._switch.clock()
        # Every use sweeps, so that sessions whose owner has gone don't pile up even if nobody calls expire().
        self.expire(now)
        session = self._sessions.setdefault(name, Session(name))
        session.used = now
        return session

    def _prompt(self, session: Session) -> str:
        if session.question:
            return session.question.text.rpartition("\n")[2]
        return f"{self._switch.supervisor.state.config.hostname}{session.position.suffix}# "

    def _reply(self, session: Session, output: str, ok: bool) -> CliReply:
        if session.closed:
            self.close(session.name)
        if session.question:
            output += session.question.text.removesuffix(self._prompt(session))
        return CliReply(output, self._prompt(session), ok, session.closed)

    def _run(self, session: Session, mode: Mode, text: str, offset: int) -> tuple[str, bool]:
        head, filters = pipe.cut(text)
        match = GRAMMAR.parse(mode, head, _beside(session))
        if filters and not (isinstance(match, Match) and match.command.show):
            # A bar means something behind show commands only; elsewhere it is text.
            whole = GRAMMAR.parse(mode, text, _beside(session))
            match, filters, head = (whole, [], text) if isinstance(whole, Match) else (match, filters, head)
        if isinstance(match, Failure):
            return self._failed(session, match, offset), False
        outcome = self._perform(session, match, filters, head)
        return (outcome, True) if isinstance(outcome, str) else (self._failed(session, outcome, offset), False)

    def _failed(self, session: Session, failure: Failure, offset: int) -> str:
        column = len(self._prompt(session)) + offset + failure.offset
        return f"{' ' * column}^\n% {failure.message} at '^' marker.\n"

    def _perform(self, session: Session, match: Match, filters: list[Word], line: str) -> str | Failure:
        command, desk = match.command, Desk(self._switch, session)
        call = Call(session.position, match.form, match.words, match.args, self._switch.runtime)
        if command.show:
            switch = self._switch
            view = View(desk.state, switch.runtime, desk.time, session, desk.files, switch.candidates)
            return pipe.apply(command.show(view, call), filters, desk.files)
        if command.act:
            return command.act(session, call)
        if command.do:
            return command.do(desk, call)
        if session.position.candidate:
            candidate = self._switch.candidates.get(session.position.candidate)
            session.position = candidate.add(session.position, line, desk.state, self._switch.runtime)
            return ""
        return self._edit(desk, command, match, call)

    def _edit(self, desk: Desk, command: Command, match: Match, call: Call) -> str:
        edit, state = chosen_edit(match), desk.state
        if edit:
            state = desk.change(lambda before: edit(before, call))
        if command.enter and match.form is Form.SET:
            desk.session.position = command.enter(call)
        note = command.note(state, call) if command.note and edit else ""
        return f"{note}\n" if note else ""


def _beside(session: Session) -> Mode | None:
    return Mode.SESSION if session.position.candidate else None


def _is_show(mode: Mode, head: str) -> bool:
    match = GRAMMAR.parse(mode, head) if head.strip() else None
    return isinstance(match, Match) and match.command.show is not None


def _without_do(line: str) -> tuple[str, int]:
    """The line without a leading `do`, and how many characters that took; what is left is an exec command."""
    if not line.lstrip().lower().startswith("do "):
        return line, 0
    start = len(line) - len(line.lstrip()) + 3
    return line[start:], start
