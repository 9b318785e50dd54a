"""Finds what a test run failed to clean up, and clears what one left that was killed.

Every process of a run is marked in its environment, which those that it starts inherit, and every scratch directory
(`tests.support.fabric.home`) in its name: by the process of the run that they belong to.  What belongs to a process
that is no more is nobody's.  Namespaces and the switches of `tests/kernel` are swept where they are made (`netns`,
`kernel.rig`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

PYTHONS_OWN = "multiprocessing.resource_tracker"
MARK = "DVS_TEST_RUN"
"""The environment variable that holds the run's process id."""
SCRATCH = "dvt-"
"""What the names of scratch directories begin with; the run's process id follows, and a dash."""
HOSTS = "hosts"
"""The file in a scratch directory that names the hosts whose datapaths may outlive everything else."""
PINS = Path("/sys/fs/bpf/dvswitch")


def describe_children(pid: int) -> list[str]:
    """Command lines of a process's living children, but for what Python itself keeps."""
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in listing.read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if command and PYTHONS_OWN not in command:
                    found.append(f"{child}: {command.strip()}")
    return found


def mark() -> None:
    """What this process starts from now on belongs to it."""
    os.environ[MARK] = str(os.getpid())


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory with a name short enough for unix sockets, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remember_host(place: Path, ident: str) -> None:
    """Note in a scratch directory that a host with that UUID was started."""
    with (place / HOSTS).open("a") as notes:
        notes.write(f"{ident}\n")


def sweep(base: Path | None = None) -> list[str]:
    """End the processes and remove the datapaths and scratch directories of killed runs; tells what there was."""
    base = base or Path(tempfile.gettempdir())
    homes = [home for home in base.glob(f"{SCRATCH}*-*") if _is_gone(home.name.removeprefix(SCRATCH).split("-")[0])]
    told = [f"process {pid}" for pid in _left_running(homes)]
    for home in homes:
        with contextlib.suppress(OSError):
            for ident in (home / HOSTS).read_text().split():
                shutil.rmtree(PINS / Path(ident).name, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
    return [*told, *map(str, homes)]


def _left_running(homes: list[Path]) -> Iterator[int]:
    """Kill what carries the mark of a process that is gone, and hypervisors with a file in one of these directories:
    libvirt gives them an environment of their own."""
    ours = _namespace("self")
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (place / "environ").read_bytes().split(b"\0")
            owners = [word.partition(b"=")[2].decode() for word in words if word.startswith(MARK.encode() + b"=")]
            command = (place / "cmdline").read_bytes()
            hypervisor = b"qemu-system" in command.split(b"\0")[0]
            named = hypervisor and any(f"{home}/".encode() in command for home in homes)
            orphan = named or any(map(_is_gone, owners))
            if orphan and _namespace(place.name) == ours:  # elsewhere the same number is another process
                os.kill(int(place.name), signal.SIGKILL)
                yield int(place.name)


def _is_gone(owner: str) -> bool:
    return owner.isdigit() and not Path("/proc", owner).exists()


def _namespace(pid: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/pid")
