"""The demo as people run it: it ends well and soon, tells when something is not as told, and leaves nothing, however
it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
DEMO = (sys.executable, "-m", "physical.dvs", "lab", "--demo")
LIMIT = 30.0
"""Seconds, not counting those in which the machine had more to do than it could."""
# The demo with one thing changed, so that a statement of it is not true.
BROKEN = """
import sys
from physical import demo, dvs
{change}
sys.exit(dvs.main(["lab", "--demo"]))
"""


@pytest.fixture
def runtime() -> Iterator[Path]:
    """Where labs make their directories; by the end they must be gone, and with them everybody who knows the path."""
    with tempfile.TemporaryDirectory(prefix="dvs-", dir="/tmp") as directory:
        path = Path(directory)
        yield path
        assert eventually(lambda: processes_of(path) == []), processes_of(path)
        assert eventually(lambda: os.listdir(path) == []), os.listdir(path)


def eventually(condition: Callable[[], bool], patience: float = 60.0) -> bool:
    deadline = time.monotonic() + patience
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def processes_of(directory: Path) -> list[str]:
    """Command lines that name something in the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(directory) in command:
            found.append(command.replace(b"\0", b" ").decode())
    return found


def stalled() -> float:
    """Seconds in which somebody on this machine waited for a processor, or the machine itself for one of its host's."""
    return _waited() + _stolen()


def _waited() -> float:
    """0 where the kernel does not count them."""
    try:
        counted = Path("/proc/pressure/cpu").read_text()
    except OSError:
        return 0.0
    return int(counted.splitlines()[0].rpartition("total=")[2]) / 1e6


def _stolen() -> float:
    """Of each processor, on the average."""
    row = Path("/proc/stat").read_text().split(maxsplit=9)
    return int(row[8]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)


def environment(runtime: Path) -> dict[str, str]:
    return {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}


def test_it_tells_the_whole_story_in_time(runtime: Path) -> None:
    began, waited = time.monotonic(), stalled()
    done = subprocess.run(DEMO, env=environment(runtime), capture_output=True, text=True, timeout=LIMIT * 8)
    took = time.monotonic() - began - (stalled() - waited)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "statements were checked and hold" in done.stdout
    assert done.stderr == ""
    assert "\x1b" not in done.stdout  # plain when it is not a terminal
    assert took < LIMIT


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("demo.PROFILES = tuple(line.replace('vlan 20', 'vlan 10') for line in demo.PROFILES)", "web1 - web2"),
        ("demo.EDIT_LIMIT = 0.0", "effective"),
        ("demo.MOVE_TO = 'vem1'", "vem1"),
        ("demo.PROFILES = (*demo.PROFILES, 'vlan 4095')", "4095"),
    ],
    ids=["isolated pairs are reachable", "an edit takes too long", "a move to where it is", "a refused line"],
)
def test_what_is_not_as_told_makes_it_fail(runtime: Path, change: str, told: str) -> None:
    script = BROKEN.format(change=change)
    done = subprocess.run(
        (sys.executable, "-c", script), env=environment(runtime), capture_output=True, text=True, timeout=LIMIT * 8
    )
    assert done.returncode == 1
    assert done.stderr.startswith("dvs: ") and told in done.stderr, done.stderr


def test_a_process_that_fails_makes_it_fail_with_its_log(runtime: Path) -> None:
    script = BROKEN.format(change="from physical import lab; lab._DOMAIN = '99999'")
    done = subprocess.run(
        (sys.executable, "-c", script), env=environment(runtime), capture_output=True, text=True, timeout=LIMIT * 8
    )
    assert done.returncode == 1
    assert "ended with code" in done.stderr and "99999" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 130)],
)
def test_nothing_is_left_when_it_is_killed_in_the_middle(runtime: Path, number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        DEMO, env={**environment(runtime), "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert any("web2 to web1" in line or "migrates" in line for line in process.stdout)
        assert processes_of(runtime)
    finally:
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == code
