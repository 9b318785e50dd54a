"""The operator's side of the CLI: a prompt, or lines from the command line, sent to the supervisor.

Nothing is interpreted here; parsing, help and completion are the supervisor's (operator.proto).
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import CompleteStyle

from dvswitch.client import interruptible, operator_stub
from dvswitch.errors import Unavailable
from dvswitch.v1 import operator_pb2

_TIMEOUT = 30.0
"""Seconds for one line."""


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

    def complete(self, line: str) -> list[tuple[str, str]]:
        """(word, help) of what may come next."""
        request = operator_pb2.CompleteRequest(session=self._session, line=line)
        reply = self._call(self._stub.Complete, request)
        return [(candidate.word, candidate.help) for candidate in reply.candidates]

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
            detail = error.details() if isinstance(error, grpc.Call) else str(error)
            raise Unavailable(
                f"supervisor at {self._address}", str(detail), "is it running, with this --connect address?"
            ) from error


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
    prompt = remote.execute("").prompt
    session: PromptSession[str] = PromptSession(
        completer=_Words(remote),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        key_bindings=_help_key(remote, lambda: prompt),
    )
    try:
        while True:
            try:
                line = session.prompt(prompt)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return 0
            try:
                reply = remote.execute(line)
            except KeyboardInterrupt:
                continue
            sys.stdout.write(reply.output)
            if reply.closed:
                return 0
            prompt = reply.prompt
    finally:
        remote.close()


class _Words(Completer):
    """Tab: the supervisor's candidates for the word at the cursor."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Keywords that go on with what is typed; placeholders can't be completed."""
        line = document.text_before_cursor
        begun = (len(line) - len(line.rstrip()) == 0 and line.split()[-1:]) or [""]
        for word, text in self._remote.complete(line):
            if not word.startswith("<") and word.startswith(begun[0]):
                yield Completion(word + " ", start_position=-len(begun[0]), display=word, display_meta=text)


def _help_key(remote: Remote, prompt: Callable[[], str]) -> KeyBindings:
    """`?` shows help at once and leaves the line as it is."""
    bindings = KeyBindings()

    @bindings.add("?")
    def show(event: KeyPressEvent) -> None:
        line = event.current_buffer.document.text_before_cursor

        def write() -> None:
            print(f"{prompt()}{line}?")
            print(help_text(remote.complete(line)))

        run_in_terminal(write)

    return bindings


def help_text(candidates: Iterable[tuple[str, str]]) -> str:
    """Candidates as two columns."""
    rows = list(candidates)
    width = max((len(word) for word, _ in rows), default=0)
    return "\n".join(f"  {word.ljust(width)}  {text}".rstrip() for word, text in rows)
