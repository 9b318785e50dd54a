"""How long a conversation was silent, and how much of that was the network's doing.

A program (echo.c) asks over several flows at the same instants: by the way that is tested, and by a way of its own that
nothing happens to.  A machine that is busy with something else silences both; the *own share* of a silence is the part
of it in which the other flow had answers.  While it runs it takes a `note` from outside, which costs the asker nothing:
to mark the moment of a change in its own time, and to end.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from dvswitch.mac import MacAddress
from physical.frames import PROTO_UDP, TYPE_IPV4, Ethernet, Ipv4, Udp
from tests.support.netns import Namespace

SOURCE = Path(__file__).with_name("echo.c")
BUILD = Path(__file__).parents[2] / "build" / "tests"
PORT = 7007
NOTE_PORT = PORT + 1
INTERVAL_US = 5000
TESTED, UNTOUCHED, STREAM = 0, 1, 2
"""Flows, as they are named to `ask`."""
BY_PACKET, BY_STREAM = b"ask-by-packet", b"ask-by-stream"
"""What every question and answer of a flow has in it."""
END = "end"
NEAR = 0.05
"""Seconds between losses that may have the same reason."""
NOBODY = MacAddress.parse("02:00:00:00:0b:e1")


@dataclass(frozen=True)
class Gap:
    """From one answer to the next, in seconds since the start; only those of more than 20 ms are told."""

    flow: int
    start: float
    end: float


@dataclass(frozen=True)
class Lost:
    """Consecutive questions without an answer; when the first and the last were asked, in seconds since the start."""

    flow: int
    start: float
    end: float
    count: int


@dataclass(frozen=True)
class Flow:
    """Questions: asked, answered, answered more than once, answered after a later one."""

    sent: int
    received: int
    doubled: int
    disordered: int = 0


@dataclass(frozen=True)
class Report:
    """What `ask` found."""

    gaps: tuple[Gap, ...]
    flows: tuple[Flow, ...]
    lost: tuple[Lost, ...] = ()
    marks: dict[str, float] = field(default_factory=dict)

    def longest(self, flow: int = TESTED) -> float:
        """Seconds."""
        return max((gap.end - gap.start for gap in self.gaps if gap.flow == flow), default=0.0)

    def own_share(self, flow: int = TESTED) -> float:
        """Seconds of the worst silence of a flow in which the untouched one was not silent."""
        others = [gap for gap in self.gaps if gap.flow == UNTOUCHED]
        return max((_without(gap, others) for gap in self.gaps if gap.flow == flow), default=0.0)

    def missing(self, flow: int = TESTED) -> int:
        """Questions without an answer."""
        return sum(lost.count for lost in self.lost if lost.flow == flow)

    def own_missing(self, flow: int = TESTED) -> int:
        """Those asked while the untouched flow lost none; a guest that gets no turn loses what it can't keep."""
        others = [lost for lost in self.lost if lost.flow == UNTOUCHED]
        return sum(
            lost.count
            for lost in self.lost
            if lost.flow == flow and not any(lost.start - NEAR < o.end and o.start < lost.end + NEAR for o in others)
        )

    def after(self, mark: str) -> Report:
        """What happened between a mark and the next one; the counts of `flows` are those of the whole."""
        start = self.marks[mark]
        end = min((moment for moment in self.marks.values() if moment > start), default=float("inf"))
        gaps = tuple(gap for gap in self.gaps if gap.end > start and gap.start < end)
        lost = tuple(lost for lost in self.lost if lost.end > start - _INTERVAL and lost.start < end)
        return replace(self, gaps=gaps, lost=lost)


_INTERVAL = INTERVAL_US / 1e6
"""What is asked just before a change may be on its way when it happens."""


def _without(gap: Gap, others: list[Gap]) -> float:
    shared = sum(max(0.0, min(gap.end, other.end) - max(gap.start, other.start)) for other in others)
    return gap.end - gap.start - shared


def parse(text: str) -> Report:
    """Read what `ask` printed when it was over."""
    gaps, flows, lost = [], [], []
    marks: dict[str, float] = {}
    for kind, *values in map(str.split, text.splitlines()):
        match kind:
            case "gap":
                gaps.append(Gap(int(values[0]), float(values[1]) / 1000, float(values[2]) / 1000))
            case "lost":
                start, end = float(values[1]) / 1000, float(values[2]) / 1000
                lost.append(Lost(int(values[0]), start, end, int(values[3])))
            case "flow":
                flows.append(Flow(*map(int, values[1:])))
            case "mark":
                marks.setdefault(values[0], float(values[1]) / 1000)
    return Report(tuple(gaps), tuple(flows), tuple(lost), marks)


def slowness() -> float:
    """How many times as long as on a quiet machine a daemon may have to wait for its turn now; at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1) - 0.5)


@cache
def program(source: Path = SOURCE) -> Path:
    """A static program, by default the asking one; skips the test where it can't be built."""
    built = BUILD / source.stem
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            fresh = Path(scratch, source.stem)
            flags = ["-O2", "-Wall", "-Wextra", "-static"]
            command = [os.environ.get("CC", "cc"), *flags, "-o", str(fresh), str(source)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"needs a C compiler and a static C library: {done.stderr[-300:]}")
            fresh.rename(built)
    return built


def ask(seconds: float, *flows: str, program: str, every_us: int = INTERVAL_US) -> str:
    """Command line of the asking side; `program`: where it is.  A flow is an address, or one behind "tcp:"."""
    return f"{program} ask {PORT} {int(seconds * 1000)} {every_us} {' '.join(flows)}"


def note(text: str, wire: Path, mac: str, address: str) -> None:
    """Send a note to the asker: END, or "mark NAME".  ``wire`` is its guest's end of a datagram wire, where a NIC with
    this MAC and address is; nothing answers, and a guest that has no room for it may miss it."""
    target = IPv4Address(address)
    source = target + 100
    datagram = Udp(NOTE_PORT, NOTE_PORT, text.encode()).build(source, target)
    packet = Ipv4(source, target, PROTO_UDP, datagram).build()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(Ethernet(MacAddress.parse(mac), NOBODY, TYPE_IPV4, packet).build(), str(wire))


def note_inside(text: str, where: Namespace) -> None:
    """Send a note to the asker in a namespace."""
    with where.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), ("127.0.0.1", NOTE_PORT))


__all__ = [
    "BY_PACKET",
    "BY_STREAM",
    "END",
    "PORT",
    "STREAM",
    "TESTED",
    "UNTOUCHED",
    "Flow",
    "Gap",
    "Lost",
    "Report",
    "ask",
    "note",
    "note_inside",
    "parse",
    "program",
    "slowness",
]
