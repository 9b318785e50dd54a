"""How the machine room's processes are asked to do things: JSON lines over a unix stream socket.

A request is one line, `{"command": "ping", "to": "10.0.0.2"}`; the answer is one line, `{"ok": true, …}` or
`{"ok": false, "error": "sentence for people"}`.  A connection carries any number of requests, answered in order.
Light guests and the physical switch serve it (docs/lab.md lists their commands); the lab and `dvs guest call` ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, cast

from dvswitch import logs
from dvswitch.errors import DvsError, InvalidValue, Unavailable

LINE_LIMIT = 4 << 20
"""Bytes of a request or an answer."""
Reply = Mapping[str, Any]
PATIENCE = 30.0
"""Seconds until there is no answer, unless told otherwise: on a busy machine a switch loads its programs for long."""
log = logs.get_logger()


class Arguments:
    """A request's arguments, read by name and type; what was not read in the end is an error."""

    def __init__(self, command: str, values: Mapping[str, Any]) -> None:
        self._command = command
        self._values = dict(values)

    def text(self, name: str, default: str | None = None) -> str:
        """A string; InvalidValue when missing (and no default) or of another type."""
        return str(self._take(name, (str,), default))

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number; InvalidValue as with text()."""
        return int(self._take(name, (int,), default))

    def number(self, name: str, default: float | None = None) -> float:
        """A number; InvalidValue as with text()."""
        return float(self._take(name, (int, float), default))

    def flag(self, name: str) -> bool:
        """True or false; false when missing."""
        return bool(self._take(name, (bool,), False))

    def end(self) -> None:
        """InvalidValue if the request has arguments that this command does not know."""
        if self._values:
            raise InvalidValue(self._command, f"unknown argument '{next(iter(self._values))}'")

    def _take(self, name: str, types: tuple[type, ...], default: Any) -> Any:
        value = self._values.pop(name, default)
        if value is None:
            raise InvalidValue(self._command, f"argument '{name}' is missing")
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise InvalidValue(self._command, f"argument '{name}' can't be {value!r}")
        return value


Handler = Callable[[Arguments], Awaitable[Reply]]


class Server:
    """Serves a table of commands on a unix socket."""

    def __init__(self, path: str, commands: Mapping[str, Handler]) -> None:
        self._path = path
        self._commands = commands
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listen; a path left behind by a dead process is taken over."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        try:
            self._server = await asyncio.start_unix_server(self._client, self._path, limit=LINE_LIMIT)
        except OSError as error:
            raise Unavailable(f"control socket {self._path}", f"can't be opened: {error}") from error

    async def stop(self) -> None:
        """Stop listening, hang up on everybody, remove the path."""
        if self._server is None:
            return
        self._server.close()
        for writer in self._clients.values():
            writer.close()
        if self._clients:
            await asyncio.wait(self._clients, timeout=1.0)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._clients[task] = writer
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # hung up, or a line longer than LINE_LIMIT
        finally:
            del self._clients[task]
            writer.close()

    async def _answer(self, line: bytes) -> Reply:
        try:
            return {"ok": True, **await self._run(line)}
        except DvsError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:
            log.exception("request failed", line=line[:200])
            return {"ok": False, "error": f"internal error: {error!r}"}

    async def _run(self, line: bytes) -> Reply:
        try:
            request = json.loads(line)
            name = request.pop("command")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InvalidValue("request", 'is not a line like {"command": "counters"}') from None
        handler = self._commands.get(name) if isinstance(name, str) else None
        if handler is None:
            raise InvalidValue(f"command {name!r}", "is unknown", f"choose one of {', '.join(sorted(self._commands))}")
        return await handler(Arguments(name, request))


class Client:
    """Asks a Server; blocking, one request at a time."""

    def __init__(self, path: str, name: str = "") -> None:
        self._path = path
        self._name = name or path
        self._socket: socket.socket | None = None
        self._rest = b""

    def call(self, command: str, patience: float = PATIENCE, **arguments: Any) -> dict[str, Any]:
        """The answer; Unavailable when nobody answers within ``patience`` s, DvsError when the request is refused."""
        try:
            answer = json.loads(
                self._exchange(json.dumps({"command": command, **arguments}).encode() + b"\n", patience)
            )
        except (OSError, ValueError) as error:
            self.close()
            raise Unavailable(self._name, f"does not answer '{command}': {error}", "is the process running?") from error
        if not answer.get("ok"):
            raise DvsError(self._name, str(answer.get("error")))
        return dict(answer)

    def close(self) -> None:
        """Hang up; the next call connects again."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, line: bytes, patience: float) -> bytes:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(patience)
            self._socket.connect(self._path)
        self._socket.settimeout(patience)
        self._socket.sendall(line)
        while b"\n" not in self._rest:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("hung up")
            self._rest += data
        answer, _, self._rest = self._rest.partition(b"\n")
        return answer
