"""One SSH session: a shell on a terminal or a pipe, or a command to run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import asyncssh
import structlog

import dvswitch
from vsm.cli.service import CliReply, Help
from vsm.cli.session import Session
from vsm.terminal.conversation import Conversation, Reply, Screen, clean
from vsm.terminal.inbox import Inbox
from vsm.terminal.pager import pieces

GREETING = f"dvswitch supervisor {dvswitch.__version__}\nCommands as on a Nexus 1000V\n\n"
"""Has no prompt character: clients wait for one."""
_PLAIN = ("", "dumb", "network", "unknown")
"""Values of TERM for terminals that don't understand cursor movements."""
_FAILED = "ERROR: this line has failed inside the supervisor; its log says why\n"
_READ = 4096
_log = structlog.get_logger("vsm.ssh")
_BETWEEN = re.compile(r"\s+;\s+|\n")
"""Separates commands of an exec request."""


class Lines(Protocol):
    """The command line interpreter (vsm/cli/service.py)."""

    async def run(self, session: Session, line: str) -> CliReply:
        """Run a line."""
        ...

    async def run_some(
        self, session: Session, lines: Sequence[str], role: str = "", part: Callable[[str], None] | None = None
    ) -> list[CliReply]:
        """Run a line and those after it that need nobody to look between; ``part`` gets output that comes before."""
        ...

    def help(self, session: Session, line: str) -> Help:
        """What may come next."""
        ...


class Login:
    """The session's end of the command line interpreter (implements vsm.terminal.conversation.Interpreter)."""

    def __init__(self, lines: Lines, session: Session) -> None:
        self._lines, self.session = lines, session

    async def execute(self, line: str) -> Reply:
        """Run a line."""
        return (await self.execute_some([line]))[0]

    async def execute_some(self, lines: Sequence[str], part: Callable[[str], None] | None = None) -> Sequence[Reply]:
        """Run a line and those after it that can share its save.  A bug of ours costs the line, not the session."""
        try:
            replies = await self._lines.run_some(self.session, lines, part=part)
        except Exception as error:
            _log.error("line failed", user=self.session.user, error=repr(error), exc_info=True)
            here = await self._lines.run(self.session, "")
            return [Reply(_FAILED, here.prompt, False, here.closed)]
        return [Reply(one.output, one.prompt, one.ok, one.closed, one.length, one.asks) for one in replies]

    async def help(self, line: str) -> Help:
        """What may come next."""
        return self._lines.help(self.session, line)


class Shell:
    """A conversation over an SSH channel."""

    def __init__(self, process: asyncssh.SSHServerProcess[bytes], login: Login) -> None:
        self._process, self._login = process, login
        terminal = process.term_type
        width, height = process.term_size[:2]
        self._rows = 0
        screen = Screen(
            writer(process, "\r\n" if terminal else "\n", login.session),
            echo=terminal is not None,
            width=width or 80,
            movable=(terminal or "").lower() not in _PLAIN,
        )
        self._inbox = Inbox(asyncio.get_running_loop().time)
        session = login.session
        session.interactive = terminal is not None
        session.width = min(max(width or 80, 24), 511)
        self._set_rows(height or 24)
        self._conversation = Conversation(screen, self._inbox, login, lambda: session.timeout * 60.0)

    def announce(self, text: str) -> None:
        """Show a message, if the session asked for them."""
        if self._login.session.monitor:
            self._conversation.announce(text)

    async def run(self) -> None:
        """Until the session ends or the client is gone."""
        listener = asyncio.create_task(self._listen())
        talk = asyncio.create_task(self._conversation.run(GREETING if self._login.session.interactive else ""))
        gone = asyncio.create_task(self._process.wait_closed())
        try:
            await asyncio.wait({talk, gone}, return_when=asyncio.FIRST_COMPLETED)
            if talk.done():
                talk.result()
        finally:
            for task in (listener, talk, gone):
                task.cancel()
            await asyncio.gather(listener, talk, gone, return_exceptions=True)

    async def _listen(self) -> None:
        """Feed the inbox; when it is full the client is kept waiting."""
        while not self._inbox.closed:
            try:
                data = await self._process.stdin.read(_READ)
            except (asyncssh.BreakReceived, asyncssh.SignalReceived):
                self._inbox.interrupt()
            except asyncssh.TerminalSizeChanged as size:
                self._conversation.resize(size.width or 80)
                self._set_rows(size.height or 24)
            except (asyncssh.Error, OSError):
                self._inbox.close()
            else:
                if not data:
                    self._inbox.close()
                self._inbox.feed(data)
                await self._inbox.room()

    def _set_rows(self, rows: int) -> None:
        """Pages follow the window, unless `terminal length` has said something else."""
        session = self._login.session
        if self._rows in (0, session.length):
            self._rows = session.length = min(rows, 511)


async def run_command(process: asyncssh.SSHServerProcess[bytes], login: Login, text: str) -> int:
    """Run the commands of an exec request, up to the first that is refused; the exit status."""
    write = writer(process, "\r\n" if process.term_type else "\n", login.session)
    for line in _BETWEEN.split(text.replace("\x00", "")):
        reply = await login.execute(line)
        for piece in pieces(clean(reply.output)):
            await write(piece)
        if reply.asks:
            await write("\nERROR: nobody can answer here; put 'terminal dont-ask ; ' before the command\n")
        if reply.asks or not reply.ok:
            return 1
        if reply.closed:
            break
    return 0


def writer(process: asyncssh.SSHServerProcess[bytes], newline: str, session: Session) -> Callable[[str], Any]:
    """A function that writes text and waits while the client takes none; TimeoutError when that lasts too long."""

    async def write(text: str) -> None:
        process.stdout.write(text.replace("\n", newline).encode("utf-8", "replace"))
        async with asyncio.timeout(session.timeout * 60 or None):
            await process.stdout.drain()

    return write
