"""QEMU's own control socket: commands, and events with the time at which they happened.

with Qmp(path) as control:
    control.command("migrate", uri="unix:/tmp/x")
    stopped = control.wait_event("STOP")
"""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

ANSWER_SECONDS = 60.0
"""Until a command, or an event that must come, counts as missing."""


class QmpFailed(AssertionError):
    """QEMU refused a command, or an event did not come."""


class Qmp:
    """A connection; used by one thread."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._unread = b""
        self._events: deque[tuple[str, float]] = deque()
        self._message(time.monotonic() + ANSWER_SECONDS)  # the greeting
        self.command("qmp_capabilities")

    def __enter__(self) -> Qmp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def command(self, name: str, **arguments: object) -> Any:
        """What QEMU returns.  Raises QmpFailed with what it says against it."""
        self._socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        end = time.monotonic() + ANSWER_SECONDS
        while True:
            message = self._message(end)
            if "error" in message:
                raise QmpFailed(f"{name}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]
            self._note(message)

    def wait_event(self, name: str) -> float:
        """When the next event of this name happened (seconds since 1970); those before it are forgotten."""
        end = time.monotonic() + ANSWER_SECONDS
        while True:
            while self._events:
                found, moment = self._events.popleft()
                if found == name:
                    return moment
                if found == "MIGRATION failed":
                    raise QmpFailed(f"migration: {self.command('query-migrate').get('error-desc')}")
            self._note(self._message(end))

    def _note(self, message: dict[str, Any]) -> None:
        if "event" in message:
            stamp = message["timestamp"]
            name = message["event"]
            if name == "MIGRATION":
                name = f"MIGRATION {message['data']['status']}"
            self._events.append((name, stamp["seconds"] + stamp["microseconds"] / 1e6))

    def _message(self, end: float) -> dict[str, Any]:
        while b"\n" not in self._unread:
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                chunk = self._socket.recv(1 << 16)
            except TimeoutError:
                raise QmpFailed("QEMU does not answer") from None
            if not chunk:
                raise QmpFailed("QEMU ended")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message
