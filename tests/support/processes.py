"""Daemons under test as subprocesses, each with a log and ended by its own pid; conditions awaited with a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.support.netns import Namespace

Found = TypeVar("Found")
PATIENCE = 120.0
"""Seconds until a condition counts as not met; a test that passes never waits so long."""
STOP_SECONDS = 30.0
LOG_TAIL = 4000


class ProcessFailed(AssertionError):
    """A daemon ended when it should not have, or would not end."""


def wait_until(condition: Callable[[], Found | None], what: str, timeout: float = PATIENCE) -> Found:
    """Poll until `condition` gives something true, and return that; AssertionError names `what` did not happen.

    What has taken long already is looked at less often: to ask costs time that what is waited for needs.
    """
    begun = time.monotonic()
    while True:
        if found := condition():
            return found
        waited = time.monotonic() - begun
        if waited > timeout:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(min(max(0.02, waited / 10), 0.2))


class Process:
    """A daemon; `argv` as on the command line, output in `log`."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, where: Namespace | None = None) -> None:
        self.name = name
        self.log = log
        self._command = where.command(*argv) if where else list(argv)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Process:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def start(self) -> None:
        """Start it, or start it again; the log grows on."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def check_running(self) -> None:
        if not self.running():
            raise ProcessFailed(f"{self.name} ended: {self.tail()}")

    def wait_ready(self, condition: Callable[[], Found | None], what: str, timeout: float = PATIENCE) -> Found:
        """As wait_until, and fails at once, with the log, when the process ends."""

        def alive_and_ready() -> Found | None:
            self.check_running()
            return condition()

        try:
            return wait_until(alive_and_ready, f"{self.name}: {what}", timeout)
        except ProcessFailed:
            raise
        except AssertionError as error:
            raise ProcessFailed(f"{error}\n{self.tail()}") from None

    def kill(self) -> None:
        """SIGKILL: as a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def end_cleanly(self) -> None:
        """SIGTERM; a daemon that does not end by itself, with status 0, has failed."""
        self.check_running()
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProcessFailed(f"{self.name} did not end on SIGTERM: {self.tail()}") from None
        if status:
            raise ProcessFailed(f"{self.name} ended with status {status}: {self.tail()}")

    def rss_bytes(self) -> int:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def tail(self) -> str:
        """The end of the log."""
        return self.log.read_text(errors="replace")[-LOG_TAIL:] if self.log.exists() else "(no log)"
