"""The lab's processes: started, watched, stopped; nothing outlives a lab, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from physical.processes import LabError, Processes
from physical.warden import start_time

SLEEPER = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)",
)
# A lab that tells its directory and its processes, and then hangs.
HANGING = """
import sys, time
from physical.processes import Processes
processes = Processes()
for name in ("one", "two"):
    processes.start(name, [sys.executable, "-c", "import time; time.sleep(60)"])
print(processes.directory, *(p.pid for p in processes.all()), flush=True)
time.sleep(60)
"""


def eventually(condition: Callable[[], bool], patience: float = 60.0) -> bool:
    deadline = time.monotonic() + patience
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_it_stops_everything_and_removes_its_directory() -> None:
    with Processes() as processes:
        directory = processes.directory
        pids = [processes.start(name, SLEEPER).pid for name in ("one", "two")]
        processes.wait("greeting", lambda: "here" in (directory / "two.log").read_text())
        processes.check()
    assert not directory.exists()
    assert not any(start_time(pid) for pid in pids)


def test_a_process_that_dies_is_reported_with_the_end_of_its_log() -> None:
    with Processes() as processes:
        processes.start("vsm", (sys.executable, "-c", "import sys; print('no such store'); sys.exit(3)"))
        with pytest.raises(LabError, match=r"vsm: ended with code 3(?s:.*)vsm\| no such store"):
            processes.wait("the impossible", lambda: None)


def test_what_does_not_happen_is_named() -> None:
    with Processes() as processes:
        processes.start("vsm", SLEEPER)
        with pytest.raises(LabError, match=r"modules joined: did not happen within 0.2 s"):
            processes.wait("modules joined", lambda: None, patience=0.2)


def test_a_killed_process_can_be_started_again_but_not_twice() -> None:
    with Processes() as processes:
        first = processes.start("vsm", SLEEPER)
        with pytest.raises(LabError, match="running already"):
            processes.start("vsm", SLEEPER)
        first.kill()
        processes.check()  # it was meant
        assert processes.start("vsm", SLEEPER).pid != first.pid
        processes.check()


def test_a_process_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physical.processes.STOP_PATIENCE", 0.2)
    with Processes() as processes:
        process = processes.start("vsm", STUBBORN)
        processes.wait("greeting", lambda: "here" in process.log.read_text())
    assert not start_time(process.pid)


def test_a_directory_is_kept_when_asked_and_never_reused(tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = Path(f"/tmp/dvs-keep-{os.getpid()}")
    try:
        with Processes(kept) as processes:
            processes.start("vsm", SLEEPER)
        assert (kept / "vsm.log").exists()
        with pytest.raises(LabError, match="not empty"):
            Processes(kept)
    finally:
        (kept / "vsm.log").unlink()
        kept.rmdir()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_lab(number: signal.Signals) -> None:
    lab = subprocess.Popen((sys.executable, "-c", HANGING), stdout=subprocess.PIPE, text=True)
    try:
        assert lab.stdout is not None
        directory, *pids = lab.stdout.readline().split()
    finally:
        lab.send_signal(number)
        lab.communicate(timeout=60)
    assert eventually(lambda: not any(start_time(int(pid)) for pid in pids))
    assert eventually(lambda: not Path(directory).exists())
