"""Starts, watches and stops the processes of a lab, and makes sure that none outlives it.

Every process gets a log file, dies with the lab (physical/leash.py) and is stopped in reverse order at the end; what a
killed lab leaves behind is cleared by physical/warden.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from dvswitch.errors import DvsError, NotFound
from physical import leash, warden

Found = TypeVar("Found")
PATIENCE = 60.0
"""Seconds to wait for a condition, unless told otherwise; on a busy machine a process takes long to start."""
STOP_PATIENCE = 4.0
"""Seconds a process gets to end by itself."""
_LOG_TAIL = 15
_MAX_DIRECTORY = 60
"""Bytes of the directory's name that leave room for socket names (sun_path is 108 bytes)."""


class LabError(DvsError):
    """The lab can't go on: a process failed, or something did not happen in time."""


class Process:
    """A process of the lab."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self.expected = True
        """It is meant to be running."""
        wrapped = [sys.executable, "-I", leash.__file__, str(os.getpid()), *command]
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                wrapped, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def log_tail(self) -> str:
        """The last lines it wrote."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL:]
            return "\n".join(f"  {self.name}| {line}" for line in lines)
        return ""

    def check(self) -> None:
        """LabError with the end of its log if it should be running and is not."""
        if self.expected and not self.running:
            code = self._popen.returncode
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise LabError(self.name, f"{how}; the end of its log:\n{self.log_tail()}")

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.expected = False
        self._popen.kill()
        self._popen.wait()

    def stop(self) -> None:
        """SIGTERM, and after STOP_PATIENCE SIGKILL; idempotent."""
        self.expected = False
        self._popen.terminate()
        try:
            self._popen.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()


class Processes:
    """All processes of a lab, and its directory (``directory``), which goes with them unless it is to be kept."""

    def __init__(self, keep: Path | None = None) -> None:
        self._keep = keep is not None
        self.directory = _make_directory(keep)
        self._all: dict[str, Process] = {}
        self._warden = subprocess.Popen(
            [sys.executable, "-I", warden.__file__, str(self.directory)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        if self._keep:
            self._tell_warden("keep")

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start(self, name: str, command: Sequence[str]) -> Process:
        """Start ``command`` as ``name``, whose earlier process must have ended."""
        known = self._all.pop(name, None)
        if known is not None and known.running:
            self._all[name] = known
            raise LabError(name, "is running already")
        process = Process(name, command, self.directory / f"{name}.log")
        self._all[name] = process
        self._tell_warden(f"{process.pid} {warden.start_time(process.pid)}")
        return process

    def get(self, name: str) -> Process:
        """The process called ``name``; NotFound otherwise."""
        if name not in self._all:
            raise NotFound(f"process {name}", "does not exist", f"there are {', '.join(self._all)}")
        return self._all[name]

    def all(self) -> list[Process]:
        """In the order they were started."""
        return list(self._all.values())

    def check(self) -> None:
        """LabError if a process that should be running is not."""
        for process in self._all.values():
            process.check()

    def wait(self, what: str, condition: Callable[[], Found | None], patience: float = PATIENCE) -> Found:
        """The first true value of ``condition``; LabError when a process fails meanwhile or it takes too long."""
        deadline = time.monotonic() + patience
        while not (found := condition()):
            self.check()
            if time.monotonic() > deadline:
                raise LabError("lab", f"{what}: did not happen within {patience:g} s\n{self._tails()}")
            time.sleep(0.01)
        return found

    def close(self) -> None:
        """Stop everything, the last started first, and remove the directory unless it is to be kept."""
        with _undisturbed():
            for process in reversed(self._all.values()):
                process.stop()
            if not self._keep:
                shutil.rmtree(self.directory, ignore_errors=True)
            if self._warden.stdin is not None:
                self._warden.stdin.close()
            self._warden.wait()

    def _tails(self) -> str:
        return "\n".join(text for text in (process.log_tail() for process in self._all.values()) if text)

    def _tell_warden(self, line: str) -> None:
        if self._warden.stdin is not None:
            self._warden.stdin.write(f"{line}\n")
            self._warden.stdin.flush()


def _make_directory(keep: Path | None) -> Path:
    """The directory to keep, made if missing, or a new one where sockets' names stay short."""
    if keep is None:
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        usable = len(runtime) <= _MAX_DIRECTORY - 16 and os.access(runtime, os.W_OK | os.X_OK)
        return Path(tempfile.mkdtemp(prefix="dvs-lab-", dir=runtime if usable else "/tmp"))
    directory = keep.absolute()
    if len(os.fsencode(directory)) > _MAX_DIRECTORY:
        raise LabError(f"directory {keep}", f"its name is longer than {_MAX_DIRECTORY} bytes", "choose a shorter one")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise LabError(f"directory {keep}", "is not empty", "choose another one, or remove what is there")
    return directory


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that would end us wait until the block is done."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
