"""Clears up after a lab that was killed: `python -I warden.py DIRECTORY`, started by physical/processes.py.

It reads lines "PID START" (START: the process's start time, so that a reused PID is left alone) until its standard
input ends, which happens when the lab closes it or dies.  Then it kills those of the processes that still live, the
last one first, and removes the directory unless a line "keep" came.  Run by path, without imports of ours.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

PATIENCE = 10.0
"""Seconds to wait for killed processes to be gone."""


def start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat; "" when there is no such process, or only its remains (a zombie)."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def living(processes: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Those that have not ended."""
    return [(pid, start) for pid, start in processes if start_time(pid) == start]


def main() -> None:
    """Wait for the end, then clear up."""
    directory, keep = sys.argv[1], False
    processes: list[tuple[int, str]] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        pid, _, start = line.strip().partition(" ")
        if pid == "keep":
            keep = True
        else:
            processes.append((int(pid), start))
    for pid, _ in reversed(living(processes)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while living(processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
