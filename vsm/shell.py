"""The operator's side of the CLI: a prompt, or lines from the command line, sent to the supervisor.

Nothing is interpreted here; parsing, help and completion are the supervisor's (operator.proto), and the terminal is
handled by what SSH sessions use too (vsm/terminal).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import termios
import tty
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

from dvswitch.client import interruptible, operator_stub
from dvswitch.errors import DvsError, Unavailable
from dvswitch.v1 import operator_pb2
from vsm.terminal.conversation import Conversation, Reply, Screen
from vsm.terminal.inbox import Inbox

_TIMEOUT = 30.0
"""Seconds for one line."""
_PLAIN = ("", "dumb", "network", "unknown")


class Remote:
    """One CLI session with a supervisor."""

    def __init__(self, channel: grpc.Channel, address: str) -> None:
        self._stub = operator_stub(channel)
        self._address = address
        self._session = uuid.uuid4().hex

    def execute(self, line: str) -> operator_pb2.ExecuteReply:
        """Run one line; Unavailable if the supervisor can't be reached."""
        request = operator_pb2.ExecuteRequest(session=self._session, line=line)
        return self._call(self._stub.Execute, request)  # type: ignore[no-any-return]

    def begin(self, line: str) -> Any:
        """Run one line without waiting: an iterator of replies; cancelling it ends what a module does for it."""
        request = operator_pb2.ExecuteRequest(session=self._session, line=line)
        return self._stub.ExecuteLive(request, wait_for_ready=False)

    def help(self, line: str) -> operator_pb2.CompleteReply:
        """What may come next."""
        request = operator_pb2.CompleteRequest(session=self._session, line=line)
        return self._call(self._stub.Complete, request)  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the session; a supervisor that is gone is no error."""
        try:
            self._stub.Close(operator_pb2.CloseRequest(session=self._session), timeout=1.0)
        except grpc.RpcError:
            return

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return interruptible(method, request, _TIMEOUT)
        except grpc.RpcError as error:
            raise self.away(error) from error

    def away(self, error: grpc.RpcError) -> Unavailable:
        """What a failed call means to the operator."""
        detail = error.details() if isinstance(error, grpc.Call) else str(error)
        remedy = "is it running, with this --connect address?"
        return Unavailable(f"supervisor at {self._address}", str(detail), remedy)


class _Lines:
    """A Remote as a conversation wants it (vsm.terminal.conversation.Interpreter)."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._prompt = ""

    async def execute(self, line: str) -> Reply:
        """Run a line."""
        return await self._answer(line, lambda _: None)

    async def _answer(self, line: str, part: Callable[[str], None]) -> Reply:
        """Run a line; a supervisor that is away now may be back for the next."""
        loop, call = asyncio.get_running_loop(), self._remote.begin(line)

        def last() -> operator_pb2.ExecuteReply:
            reply: operator_pb2.ExecuteReply
            for reply in call:
                if not reply.part:
                    return reply
                loop.call_soon_threadsafe(part, reply.output)
            raise Unavailable("supervisor", "did not answer")

        try:
            reply = await asyncio.to_thread(last)
        except grpc.RpcError as error:
            problem = self._remote.away(error)
            if not self._prompt:
                raise problem from error
            return Reply(f"ERROR: {problem}\n", self._prompt, False, False)
        finally:
            call.cancel()  # of use when this is cancelled; a call that is over does not mind
        self._prompt = reply.prompt
        return Reply(reply.output, reply.prompt, reply.ok, reply.closed, reply.length, reply.asks)

    async def execute_some(self, lines: Sequence[str], part: Callable[[str], None]) -> Sequence[Reply]:
        """Run the first line: a call takes one."""
        return [await self._answer(lines[0], part)]

    async def help(self, line: str) -> operator_pb2.CompleteReply:
        """What may come next."""
        try:
            return await asyncio.to_thread(self._remote.help, line)
        except DvsError:
            return operator_pb2.CompleteReply()


def run_lines(remote: Remote, lines: Iterable[str]) -> int:
    """Run lines one after the other, stop at the first that is refused; the exit status."""
    try:
        for line in lines:
            reply = remote.execute(line)
            sys.stdout.write(reply.output)
            sys.stdout.flush()
            if not reply.ok:
                return 1
            if reply.closed:
                break
    finally:
        remote.close()
    return 0


def run_prompt(remote: Remote) -> int:
    """Prompt until the operator leaves.  Without a terminal, lines are read from standard input."""
    if not sys.stdin.isatty():
        return run_lines(remote, (line.rstrip("\n") for line in sys.stdin))
    try:
        rows = shutil.get_terminal_size().lines
        remote.execute(f"terminal length {min(rows, 511)}")
        with _raw(sys.stdin.fileno()):
            asyncio.run(_converse(remote))
    finally:
        remote.close()
    return 0


async def _converse(remote: Remote) -> None:
    loop, keyboard = asyncio.get_running_loop(), sys.stdin.fileno()
    screen = Screen(
        _write,
        width=shutil.get_terminal_size().columns,
        movable=os.environ.get("TERM", "").lower() not in _PLAIN,
    )
    inbox = Inbox(loop.time)
    conversation = Conversation(screen, inbox, _Lines(remote))
    loop.add_reader(keyboard, _read, keyboard, inbox)
    loop.add_signal_handler(signal.SIGWINCH, lambda: conversation.resize(shutil.get_terminal_size().columns))
    try:
        await conversation.run()
    finally:
        loop.remove_reader(keyboard)
        loop.remove_signal_handler(signal.SIGWINCH)


def _read(keyboard: int, inbox: Inbox) -> None:
    try:
        data = os.read(keyboard, 4096)
    except OSError:
        data = b""
    if not data:
        inbox.close()
        asyncio.get_running_loop().remove_reader(keyboard)
    inbox.feed(data)


async def _write(text: str) -> None:
    # A terminal that is held up (Ctrl-S) holds up this program alone.
    sys.stdout.write(text.replace("\n", "\r\n"))
    sys.stdout.flush()


@contextmanager
def _raw(keyboard: int) -> Iterator[None]:
    """Have the terminal hand over every key as it is pressed."""
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
