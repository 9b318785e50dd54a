"""What a killed test run leaves is cleared by the next one (tests/support/leftovers.py)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support import leftovers
from tests.support.processes import wait_until

RUN = """\
import subprocess, sys, time
from tests.support import leftovers
leftovers.mark()
with leftovers.scratch() as home:
    leftovers.remember_host(home, "no-such-host")
    daemon = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print(home, daemon.pid, flush=True)
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for somebody to ask does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_run_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True, env=environment)
    assert run.stdout
    with run.stdout as output:
        home, daemon = Path((words := output.readline().split())[0]), int(words[1])
    try:
        leftovers.sweep(tmp_path)
        assert home.exists() and alive(daemon), "it is somebody's still"
        run.kill()
        run.wait()
        leftovers.sweep(tmp_path)
        assert not home.exists()
        wait_until(lambda: not alive(daemon), "the daemon is ended")
    finally:
        for pid in filter(alive, (daemon, run.pid)):
            os.kill(pid, signal.SIGKILL)
        run.wait()


def test_what_belongs_to_somebody_or_nobody_stays(tmp_path: Path) -> None:
    for name in (f"{leftovers.SCRATCH}{os.getpid()}-x", f"{leftovers.SCRATCH}abc-x", f"{leftovers.SCRATCH}4711"):
        (tmp_path / name).mkdir()
    before = set(tmp_path.iterdir())
    leftovers.sweep(tmp_path)
    assert set(tmp_path.iterdir()) == before
