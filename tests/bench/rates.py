"""Measures one path: TCP throughput with iperf3, small packets with the traffic program.

Sender and receiver are pinned to different CPUs where there are two, for every path alike: where the scheduler happens
to put them would otherwise decide more than the switch does.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath

from tests.bench.paths import Path
from tests.support.netns import CommandFailed
from tests.support.traffic import SMALL, Receiver, send

IPERF_PORT = 5201
START_SECONDS = 5.0
TCP_LISTEN = "0A"


def cpus() -> tuple[int | None, int | None]:
    """CPUs for sender and receiver."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


def small_packets(path: Path, seconds: float) -> float:
    """Frames of 60 bytes, thousands a second that arrive."""
    sender, receiver = cpus()
    with Receiver(path.far, path.to, cpu=receiver) as counting:
        send(path.near, path.to, seconds=seconds, size=SMALL, cpu=sender)
        return counting.finish().rate / 1e3


def tcp(path: Path, seconds: float) -> float:
    """One TCP stream, Gbit/s received."""
    sender, receiver = cpus()
    with _iperf_server(path, receiver):
        command = [
            "iperf3",
            "-J",
            "-c",
            path.to,
            "-p",
            str(IPERF_PORT),
            "-t",
            str(round(seconds)),
        ]  # whole seconds only
        output = path.near.run(*_pinned(sender, *command), timeout=seconds + 30)
    return float(json.loads(output)["end"]["sum_received"]["bits_per_second"]) / 1e9


@contextmanager
def _iperf_server(path: Path, cpu: int | None) -> Iterator[None]:
    command = path.far.command(*_pinned(cpu, "iperf3", "-s", "-1", "-p", str(IPERF_PORT)))
    null = subprocess.DEVNULL
    server = subprocess.Popen(command, stdin=null, stdout=null, stderr=null)
    try:
        _await_listener(server)
        yield
        server.wait(START_SECONDS)  # it serves one client
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def _pinned(cpu: int | None, *argv: str) -> list[str]:
    return ["taskset", "--cpu-list", str(cpu), *argv] if cpu is not None else list(argv)


def _await_listener(server: subprocess.Popen[bytes]) -> None:
    """The server is there when its namespace has the port in LISTEN; connecting to find out would use it up."""
    end = time.monotonic() + START_SECONDS
    while not _listening(server.pid):
        if server.poll() is not None or time.monotonic() > end:
            raise CommandFailed("iperf3 did not start")
        time.sleep(0.01)


def _listening(pid: int) -> bool:
    wanted = f":{IPERF_PORT:04X}"
    for name in ("tcp", "tcp6"):
        for line in FilePath(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(wanted) and fields[3] == TCP_LISTEN:
                return True
    return False
