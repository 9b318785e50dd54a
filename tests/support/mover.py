"""A VM that moves between hosts while it sends and is sent to, every frame of which is accounted for (mover.c).

with Mover(rate=20_000, vm=MAC, station=MAC2, at="station:eth0", nics=["vm:eth0", "vm:eth1"]) as mover:
    mover.place(None)
    ... hand over ...
    mover.place(1)
    there, back = mover.finish()
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

SOURCE = Path(__file__).with_name("mover.c")
BUILD = Path(__file__).parents[2] / "build" / "tests"
SECONDS = 120.0
"""Until an answer counts as missing."""


@dataclass(frozen=True)
class Stream:
    """One direction."""

    sent: int
    received: int
    duplicates: int
    reordered: int
    longest: float
    """Seconds of the longest silence."""

    @property
    def lost(self) -> int:
        return self.sent - self.received


@cache
def _program() -> Path:
    built = BUILD / "mover"
    if not built.exists() or built.stat().st_mtime < SOURCE.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            fresh = Path(scratch, "mover")
            subprocess.run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-o", fresh, SOURCE], check=True)
            fresh.rename(built)
    return built


class Mover:
    """Runs from entry to finish(), the VM first on the first of its NICs."""

    def __init__(self, rate: int, vm: str, station: str, at: str, nics: Sequence[str], size: int = 60) -> None:
        command = [str(_program()), str(rate), str(size), vm, station, at, *nics]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Mover:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def place(self, nic: int | None) -> None:
        """The VM sends by that NIC from now on, or not at all; returns when that holds."""
        assert self._process.stdin and self._process.stdout
        line = "-\n" if nic is None else f"{nic}\n"
        self._process.stdin.write(line)
        self._process.stdin.flush()
        assert self._process.stdout.readline() == line

    def finish(self) -> tuple[Stream, Stream]:
        """End both streams; what became of the frames to the VM, and from it."""
        output, _ = self._process.communicate("q\n", timeout=SECONDS)
        found = json.loads(output)
        return Stream(**found["to_vm"]), Stream(**found["from_vm"])
