"""How long a conversation was silent, and how much of that was the network's doing.

A program (echo.c) asks over two flows at the same instants: one by the way that is tested, one by a way of its own that
nothing happens to.  A machine that is busy with something else silences both; the *own share* of a silence is the part
of it in which the other flow had answers.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("echo.c")
BUILD = Path(__file__).parents[2] / "build" / "tests"
PORT = 7007
INTERVAL_US = 5000
TESTED, UNTOUCHED = 0, 1
"""Flows, as they are named to `ask`."""


@dataclass(frozen=True)
class Gap:
    """From one answer to the next, in seconds since the start; only those of more than 20 ms are told."""

    flow: int
    start: float
    end: float


@dataclass(frozen=True)
class Flow:
    """Datagrams: asked, answered, answered more than once."""

    sent: int
    received: int
    doubled: int


@dataclass(frozen=True)
class Report:
    """What `ask` found."""

    gaps: tuple[Gap, ...]
    flows: tuple[Flow, ...]

    def longest(self, flow: int = TESTED) -> float:
        """Seconds."""
        return max((gap.end - gap.start for gap in self.gaps if gap.flow == flow), default=0.0)

    def own_share(self) -> float:
        """Seconds of the worst silence of the tested flow in which the untouched one was not silent."""
        others = [gap for gap in self.gaps if gap.flow == UNTOUCHED]
        return max((_without(gap, others) for gap in self.gaps if gap.flow == TESTED), default=0.0)


def _without(gap: Gap, others: list[Gap]) -> float:
    shared = sum(max(0.0, min(gap.end, other.end) - max(gap.start, other.start)) for other in others)
    return gap.end - gap.start - shared


def parse(text: str) -> Report:
    """Read what `ask` printed when it was over."""
    gaps, flows = [], []
    for kind, *values in map(str.split, text.splitlines()):
        if kind == "gap":
            gaps.append(Gap(int(values[0]), float(values[1]) / 1000, float(values[2]) / 1000))
        elif kind == "flow":
            flows.append(Flow(*map(int, values[1:])))
    return Report(tuple(gaps), tuple(flows))


@cache
def program() -> Path:
    """The static program; skips the test where it can't be built."""
    built = BUILD / "echo"
    if not built.exists() or built.stat().st_mtime < SOURCE.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            fresh = Path(scratch, "echo")
            flags = ["-O2", "-Wall", "-Wextra", "-static"]
            command = [os.environ.get("CC", "cc"), *flags, "-o", str(fresh), str(SOURCE)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"needs a C compiler and a static C library: {done.stderr[-300:]}")
            fresh.rename(built)
    return built


def ask(seconds: float, *addresses: str, program: str) -> str:
    """Command line of the asking side; `program`: where it is."""
    return f"{program} ask {PORT} {int(seconds * 1000)} {INTERVAL_US} {' '.join(addresses)}"


__all__ = ["PORT", "TESTED", "UNTOUCHED", "Flow", "Gap", "Report", "ask", "parse", "program"]
