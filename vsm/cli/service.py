"""CLI sessions over the supervisor: a line in, text and a prompt out.

The grammar says what a line means, handlers say what it does; here it is done: edits are checked and go through
Supervisor.transact(), show commands through their filters, and whatever fails becomes the operator's text.  Only what
asks a module (Command.ask) takes time; meanwhile other lines, of this session too, are run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dvswitch.errors import DvsError, StorageError, Unavailable
from vsm.cli import permission, pipe
from vsm.cli.command import Call, Command, Form, Mode, Part, View
from vsm.cli.desk import Desk, Switch
from vsm.cli.grammar import Allowed, Candidate, Failure, Match, Word
from vsm.cli.program import Programs
from vsm.cli.registry import GRAMMAR
from vsm.cli.session import Question, Session
from vsm.cli.tables import files as file_commands
from vsm.cli.together import Together
from vsm.config.parse import chosen_edit
from vsm.machine import Machine
from vsm.model import banner
from vsm.model.state import Config
from vsm.model.users import NETWORK_ADMIN
from vsm.runtime import Runtime
from vsm.store.bootflash import Bootflash
from vsm.supervisor import Supervisor

__all__ = ["Candidate", "CliReply", "CliService", "Help"]


@dataclass(frozen=True, slots=True)
class CliReply:
    """What to print, and the prompt after it."""

    output: str
    prompt: str
    ok: bool
    """False: the line was refused and nothing was changed; the output says why."""
    closed: bool
    """The session has ended."""
    length: int = 0
    """Lines of a page for the output, where there is a terminal; 0 = don't page."""
    asks: bool = False
    """The prompt is a question; the next line is the answer."""


@dataclass(frozen=True, slots=True)
class Help:
    """What `?` shows after a line."""

    candidates: list[Candidate]
    problem: str
    """Where there are none: what the line would be refused with."""
    length: int
    """As CliReply.length, for the list."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A command that asks modules, understood."""

    command: Command
    call: Call
    filters: list[Word]
    offset: int
    unpaged: bool


class CliService:
    """All CLI sessions of a supervisor.  Single-threaded, like it; no call blocks on anything but the store.

    run() waits for modules where that is what a command does.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        runtime: Runtime,
        clock: Callable[[], float],
        run: Callable[..., Awaitable[str]] | None = None,
        *,
        files: Bootflash,
        restart: Callable[[], None] | None = None,
        factory: Config | None = None,
        machine: Machine | None = None,
    ) -> None:
        """``clock`` gives Unix time; ``run`` has a module run a command; ``restart``, ``factory`` and ``machine`` are
        those of vsm.cli.desk.Switch."""
        self._run_on_module = run or _nobody
        self._switch = Switch(
            supervisor,
            runtime,
            clock,
            files,
            restart=restart,
            factory=factory or Config(),
            machine=machine or Machine(),
        )
        self._together = Together(supervisor)
        self._sessions: dict[str, Session] = {}
        self.logins = self._switch.logins
        self.programs = Programs(self._switch, self.logins, self._run_on_module)
        """The same commands outside of sessions."""

    async def run(self, session: str | Session, line: str, role: str = "", part: Part | None = None) -> CliReply:
        """Run one line in a session and wait for its outcome; an unknown session begins in exec mode.

        When the caller is cancelled, so is what a module does for it.  A session that has ended runs nothing any more.
        ``role`` is the only role of a session that begins with this; "" = as its user has.  ``part`` gets what a module
        shows while it works (a capture, which goes on until the caller is cancelled); without, all is in the reply.
        """
        (reply,) = await self.run_some(session, [line], role, part)
        return reply

    async def run_some(
        self, session: str | Session, lines: Sequence[str], role: str = "", part: Part | None = None
    ) -> list[CliReply]:
        """As run(), for the first of these lines and any after it that could be run along with it; their replies.

        Only lines of configuration that have nothing to say are gone on from: what is printed may stop at a page, and a
        question takes the next line for its answer.
        """
        here = self._session(session, role)
        before = here.position, len(here.history)

        def read(count: int) -> list[CliReply | _Question]:
            nonlocal before
            before = here.position, len(here.history)
            return self._read_some(here, lines[:count])

        def undo() -> None:
            here.position, said = before
            del here.history[said:]

        try:
            *replies, last = await self._together.run(read, undo)
        except StorageError as error:
            return [self._reply(here, f"ERROR: {error}\n", False)]
        return [*replies, await self._asked(here, last, part) if isinstance(last, _Question) else last]  # type: ignore[list-item]

    def _read_some(self, here: Session, lines: Sequence[str]) -> list[CliReply | _Question]:
        found: list[CliReply | _Question] = []
        for line in lines:
            try:
                todo = self._read(here, line)
            except Exception:
                if not found:
                    raise
                break  # it fails again when it comes first
            found.append(todo)
            if isinstance(todo, _Question) or todo.output or not here.edited:
                break
        return found

    async def _asked(self, here: Session, todo: _Question, part: Part | None) -> CliReply:
        """Have modules answer.  What is to be filtered is waited for."""

        def run(slot: int, words: Sequence[str]) -> Awaitable[str]:
            live = () if part is None or todo.filters else (part,)
            return self._run_on_module(slot, words, *live)

        desk = Desk(self._switch, here)
        try:
            assert todo.command.ask is not None
            report = await todo.command.ask(self._view(desk), todo.call, run)
            output: str | Failure = pipe.apply(report, todo.filters, desk.files)
        except DvsError as error:
            return self._reply(here, f"ERROR: {error}\n", False)
        if isinstance(output, Failure):
            return self._reply(here, self._failed(here, output, todo.offset), False)
        return self._reply(here, output, True, 0 if todo.unpaged else here.length)

    def execute(self, session: str | Session, line: str) -> CliReply:
        """Run one line at once; a command that asks a module is refused."""
        here = self._session(session)
        todo = self._read(here, line)
        if isinstance(todo, _Question):
            return self._reply(here, "ERROR: a command that asks a module can't be run here\n", False)
        return todo

    def _read(self, here: Session, line: str) -> CliReply | _Question:
        """Do what the line says; a question to modules is only understood."""
        here.edited = False
        if here.closed or not permission.roles_of(here, self._switch.supervisor.state.config):
            here.closed = True  # its user has been removed
            return self._reply(here, "", False)
        line = line.replace("\x00", "").rstrip("\r\n").expandtabs(1)
        if here.question:
            return self._answered(here, here.question, line)
        if here.unfinished:
            line, here.unfinished = f"{here.unfinished}\n{line}", ""
        if here.position.mode is not Mode.EXEC and (sign := banner.unfinished(line)):
            return self._more_of_banner(here, line, sign)
        if not line.strip() or line.lstrip().startswith("!"):
            return self._reply(here, "", True)
        here.remember(line.strip())
        text, offset = _without_do(line)
        try:
            outcome = self._run(here, Mode.EXEC if offset else here.position.mode, text, offset)
        except DvsError as error:
            outcome = f"ERROR: {error}\n", False
        if isinstance(outcome, _Question):
            return outcome
        return self._reply(here, *outcome, 0 if pipe.unpaged(line) else here.length)

    def _more_of_banner(self, session: Session, line: str, sign: str) -> CliReply:
        """The banner goes on with the next line."""
        count = line.count("\n") + 1
        if count > banner.MAX_LINES or len(line) > 2 * banner.MAX_LENGTH:
            return self._reply(session, f"ERROR: banner: is longer than {banner.MAX_LINES} lines\n", False)
        session.unfinished = line
        told = f"Enter TEXT message.  End with the character '{sign}'.\n" if count == 1 else ""
        return self._reply(session, told, True)

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

    def complete(self, session: str | Session, line: str) -> list[Candidate]:
        """What may come next after ``line``."""
        here = self._session(session)
        if here.question or here.unfinished:
            return []
        line = line.expandtabs(1)
        text, offset = _without_do(line)
        mode = Mode.EXEC if offset else here.position.mode
        head, filters = pipe.cut(text)
        if filters and _is_show(mode, head):
            return pipe.candidates(text[filters[-1].offset :])
        found = GRAMMAR.candidates(mode, text, self._switch.supervisor.state, _beside(here), self._allowed(here))
        if any(candidate.word == "<CR>" for candidate in found) and _is_show(mode, text):
            found.append(Candidate("|", "Pipe command output to filter"))
        return found

    def help(self, session: str | Session, line: str) -> Help:
        """What `?` shows after ``line``: what may come next, or why nothing can."""
        here = self._session(session)
        found = self.complete(here, line)
        return Help(found, "" if found or here.question else self._doubt(here, line.expandtabs(1)), here.length)

    def _doubt(self, here: Session, line: str) -> str:
        text, offset = _without_do(line)
        mode = Mode.EXEC if offset else here.position.mode
        head, filters = pipe.cut(text)
        if filters and _is_show(mode, head):
            return ""
        match = GRAMMAR.parse(mode, text, _beside(here))
        return self._failed(here, match, offset) if isinstance(match, Failure) else ""

    def close(self, session: str | Session) -> None:
        """End a session and forget it."""
        if isinstance(session, str):
            self._sessions.pop(session, None)
        else:
            self.logins.end(session)

    def expire(self, now: float) -> None:
        """Forget sessions that have been unused for longer than their timeout; ``now`` is Unix time."""
        for session in list(self._sessions.values()):
            if session.timeout and now - session.used > session.timeout * 60:
                self.close(session.name)

    def _session(self, name: str | Session, role: str = "") -> Session:
        now = self._switch.clock()
        if isinstance(name, Session):
            name.used = now
            return name
        # Every use sweeps, so that sessions whose owner has gone don't pile up even if nobody calls expire().
        self.expire(now)
        session = self._sessions.get(name)
        if session is None:
            timeout = self._switch.supervisor.state.config.console_timeout
            session = self._sessions[name] = Session(name, timeout=timeout, role=role)
        session.used = now
        return session

    def _prompt(self, session: Session) -> str:
        if session.question:
            return session.question.text.rpartition("\n")[2]
        if session.unfinished:
            return "> "
        return f"{self._switch.supervisor.state.config.hostname}{session.position.suffix}# "

    def _reply(self, session: Session, output: str, ok: bool, length: int = 0) -> CliReply:
        if session.closed:
            self.close(session if session in self.logins.sessions else session.name)
        if session.question:
            output += session.question.text.removesuffix(self._prompt(session))
        return CliReply(output, self._prompt(session), ok, session.closed, length, session.question is not None)

    def _run(self, session: Session, mode: Mode, text: str, offset: int) -> tuple[str, bool] | _Question:
        head, filters = pipe.cut(text)
        match = GRAMMAR.parse(mode, head, _beside(session))
        if filters and not (isinstance(match, Match) and match.command.reports):
            # A bar means something behind show commands only; elsewhere it is text.
            whole = GRAMMAR.parse(mode, text, _beside(session))
            match, filters, head = (whole, [], text) if isinstance(whole, Match) else (match, filters, head)
        if isinstance(match, Failure):
            return self._failed(session, match, offset), False
        if not self._permits(session, match) or (pipe.writes(filters) and not self._may_write(session)):
            return permission.DENIED, False
        if match.command.ask:
            return _Question(match.command, self._call(session, match), filters, offset, pipe.unpaged(text))
        outcome = self._perform(session, match, filters, head)
        return (outcome, True) if isinstance(outcome, str) else (self._failed(session, outcome, offset), False)

    def _permits(self, session: Session, match: Match) -> bool:
        config = self._switch.supervisor.state.config
        said = match.said if match.form is Form.SET else match.said[1:]
        return permission.permitted(config, permission.roles_of(session, config), match.command, " ".join(said))

    def _allowed(self, session: Session) -> Allowed | None:
        """What help and completion leave out: commands that the session's roles can't permit."""
        config = self._switch.supervisor.state.config
        roles = permission.roles_of(session, config)
        if NETWORK_ADMIN in roles:
            return None
        return lambda command, begun, whole: permission.offered(config, roles, command, begun, whole)

    def _may_write(self, session: Session) -> bool:
        """Output goes to a file for whoever may copy the running configuration to one."""
        config = self._switch.supervisor.state.config
        return permission.permitted(
            config, permission.roles_of(session, config), file_commands.TO_FILE, "copy running-config"
        )

    def _failed(self, session: Session, failure: Failure, offset: int) -> str:
        column = len(self._prompt(session)) + offset + failure.offset
        return f"{' ' * column}^\n% {failure.message} at '^' marker.\n"

    def _call(self, session: Session, match: Match) -> Call:
        return Call(session.position, match.form, match.words, match.args, self._switch.runtime, match.said)

    def _view(self, desk: Desk) -> View:
        return self._switch.view(desk)

    def _perform(self, session: Session, match: Match, filters: list[Word], line: str) -> str | Failure:
        command, desk, call = match.command, Desk(self._switch, session), self._call(session, match)
        if command.show:
            return pipe.apply(command.show(self._view(desk), call), filters, desk.files)
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
            state = desk.change(lambda before: edit(before, call), later=True)
        desk.session.edited = True
        if command.enter and match.form is Form.SET:
            desk.session.position = command.enter(call)
        note = command.note(state, call) if command.note and edit else ""
        return f"{note}\n" if note else ""


async def _nobody(slot: int, _words: Sequence[str], *_part: Part) -> str:
    raise Unavailable(f"module {slot}", "can't be asked here")


def _beside(session: Session) -> Mode | None:
    return Mode.SESSION if session.position.candidate else None


def _is_show(mode: Mode, head: str) -> bool:
    match = GRAMMAR.parse(mode, head) if head.strip() else None
    return isinstance(match, Match) and match.command.reports


def _without_do(line: str) -> tuple[str, int]:
    """The line without a leading `do`, and how many characters that took; what is left is an exec command."""
    if not line.lstrip().lower().startswith("do "):
        return line, 0
    start = len(line) - len(line.lstrip()) + 3
    return line[start:], start
