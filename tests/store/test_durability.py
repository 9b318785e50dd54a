"""What was acknowledged is there after kill -9 at any instant; what can't be stored is reported and changes nothing."""

from __future__ import annotations

import os
import random
import resource
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dvswitch.errors import StorageError
from vsm.model.state import State, Vlan
from vsm.store.sqlite import SqliteStore
from vsm.supervisor import Supervisor

KILLS = 30


@pytest.mark.slow
def test_every_acknowledged_commit_survives_kill_9(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "vsm.db", 0
    dice = random.Random(7)
    for _ in range(KILLS):
        acknowledged = _commit_and_kill(path, acknowledged, dice.uniform(0.001, 0.05))
        store = SqliteStore(path)
        state = store.load()
        store.close()
        assert state.revision >= acknowledged
        assert state.config.vlans[2].name == f"r{state.revision}", "half of a transaction was stored"
        acknowledged = state.revision
    assert acknowledged > KILLS


def _commit_and_kill(path: Path, before: int, delay: float) -> int:
    """Let a child commit, kill it ``delay`` seconds after its first commit; the last revision it acknowledged."""
    child = subprocess.Popen([sys.executable, "-m", "tests.store.committer", str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        ready, _, _ = select.select([child.stdout], [], [], 30)
        assert ready, "the child committed nothing"
        time.sleep(delay)
    finally:
        child.send_signal(signal.SIGKILL)
        text = child.stdout.read()
        child.stdout.close()
        child.wait()
    whole = text[: text.rfind(b"\n") + 1].split()
    return max([before, *map(int, whole)])


@contextmanager
def _file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: to SQLite that is what a full disk is."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def _with_vlans(state: State, low: int, high: int) -> State:
    more = {number: Vlan(number, f"a name that needs room {number}") for number in range(low, high)}
    return replace(state, config=replace(state.config, vlans={**state.config.vlans, **more}))


def test_a_full_disk_is_reported_and_changes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "vsm.db")
    supervisor = Supervisor(store)
    before = supervisor.transact(lambda state: _with_vlans(state, 2, 10))
    heard: list[int] = []
    supervisor.subscribe(lambda old, new: heard.append(new.revision))
    room = max(file.stat().st_size for file in tmp_path.iterdir()) + 4096
    with _file_size_limit(room), pytest.raises(StorageError) as raised:
        supervisor.transact(lambda state: _with_vlans(state, 10, 4000))
    assert str(tmp_path / "vsm.db") in str(raised.value) and "free space" in str(raised.value)
    assert supervisor.state is before and not heard
    after = supervisor.transact(lambda state: _with_vlans(state, 10, 20))
    store.close()
    again = SqliteStore(tmp_path / "vsm.db")
    assert again.load() == after
    again.close()


@pytest.mark.kernel
def test_a_really_full_file_system_is_reported(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)], check=True)
    try:
        store = SqliteStore(disk / "vsm.db")
        supervisor = Supervisor(store)
        last = supervisor.transact(lambda state: _with_vlans(state, 2, 20))
        (disk / "ballast").write_bytes(b"\0" * 100_000)
        with pytest.raises(StorageError, match="full") as raised:
            for low in range(20, 4000, 100):
                last = supervisor.transact(lambda state, low=low: _with_vlans(state, low, low + 100))
        assert "free space" in str(raised.value)
        (disk / "ballast").unlink()
        assert supervisor.state is last
        last = supervisor.transact(lambda state: _with_vlans(state, 4000, 4002))
        store.close()
        again = SqliteStore(disk / "vsm.db")
        assert again.load() == last
        again.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_failed_write_of_which_traces_remain_is_repaired_by_the_next(tmp_path: Path) -> None:
    """Whatever a failed save left behind, the next one stores exactly the new state."""
    store = SqliteStore(tmp_path / "vsm.db")
    supervisor = Supervisor(store)
    supervisor.transact(lambda state: _with_vlans(state, 2, 5))
    with _file_size_limit(4096), pytest.raises(StorageError):
        supervisor.transact(lambda state: _with_vlans(state, 5, 4000))
    with sqlite3.connect(tmp_path / "vsm.db") as other:
        other.execute("INSERT INTO objects VALUES ('config.vlans', '4000', '{\"id\":4000}')")
    other.close()
    last = supervisor.transact(lambda state: _with_vlans(state, 5, 6))
    store.close()
    again = SqliteStore(tmp_path / "vsm.db")
    assert again.load() == last
    again.close()


def test_two_supervisors_cannot_open_one_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "vsm.db")
    with pytest.raises(StorageError, match="in use by another supervisor"):
        SqliteStore(tmp_path / "vsm.db")
    store.close()
    SqliteStore(tmp_path / "vsm.db").close()


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be looked at" * 100, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vsm.db"
    path.write_bytes(content)
    with pytest.raises(StorageError) as raised:
        SqliteStore(path)
    assert "backup" in str(raised.value) and path.read_bytes() == content
    # The refusal lets go of the file: once it is gone, a fresh store can be made.
    path.unlink()
    SqliteStore(path).close()


def test_a_damaged_object_is_named_in_the_error(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "vsm.db")
    Supervisor(store).transact(lambda state: _with_vlans(state, 2, 5))
    store.close()
    with sqlite3.connect(tmp_path / "vsm.db") as other:
        other.execute("UPDATE objects SET data = '{\"id\": \"two\"}' WHERE kind = 'config.vlans' AND key = '2'")
    other.close()
    store = SqliteStore(tmp_path / "vsm.db")
    with pytest.raises(StorageError, match="can't be understood"):
        store.load()
    store.close()


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "vsm.db").close()
    with sqlite3.connect(tmp_path / "vsm.db") as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StorageError, match="newer version"):
        SqliteStore(tmp_path / "vsm.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_directory_without_rights_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="rights"):
            SqliteStore(tmp_path / "vsm.db")
    finally:
        tmp_path.chmod(0o700)


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="check the directory"):
        SqliteStore(tmp_path / "nowhere" / "vsm.db")


@pytest.mark.slow
def test_a_killed_supervisor_has_exactly_what_it_answered() -> None:
    """Edits of every kind, whole configurations put in place and timed edits among them, over 200 lives.

    In memory where that is possible: it is the process that dies, not the machine.
    """
    seed = os.environ.get("DVS_SEED") or str(random.randrange(2**32))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as home:
        argv = [sys.executable, "-m", "tests.store.kill_stream", home, "200", seed]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, f"DVS_SEED={seed}\n{done.stderr}"
    found = dict(pair.split("=") for pair in done.stdout.split())
    assert found["kills"] == "200" and int(found["steps"]) >= 200


def test_saves_leave_the_log_to_be_tidied_up_beside_them(tmp_path: Path) -> None:
    """The file alone, as it is without its log: saves do not write to it, tidy() does and takes nothing away."""
    path = tmp_path / "vsm.db"
    store = SqliteStore(path)
    supervisor = Supervisor(store)

    def commit() -> int:
        name = f"r{supervisor.state.revision + 1}"
        vlans = {2: Vlan(2, name)}
        return supervisor.transact(lambda state: replace(state, config=replace(state.config, vlans=vlans))).revision

    def in_the_file() -> int:
        copy = shutil.copy(path, tmp_path / "alone.db")
        with closing(sqlite3.connect(copy)) as alone:
            return int(alone.execute("SELECT value FROM meta").fetchone()[0])

    store.tidy()
    before = in_the_file()
    latest = max(commit() for _ in range(600))
    assert in_the_file() == before < latest, "a save has waited for the log to be brought into the file"
    store.tidy()
    assert in_the_file() == latest
    after = commit()
    store.close()
    again = SqliteStore(path)
    assert again.load().revision == after
    again.close()


def test_saves_write_over_blocks_that_the_log_has_already(tmp_path: Path) -> None:
    """tidy() makes the log longer while saves go on, and those after it don't; what is behind them is no content."""
    path, log = tmp_path / "vsm.db", tmp_path / "vsm.db-wal"
    store = SqliteStore(path)
    supervisor = Supervisor(store)

    def commit() -> int:
        vlans = {2: Vlan(2, f"r{supervisor.state.revision + 1}")}
        return supervisor.transact(lambda state: replace(state, config=replace(state.config, vlans=vlans))).revision

    latest = commit()
    short = log.stat().st_size
    tidying = threading.Thread(target=store.tidy)
    tidying.start()
    while tidying.is_alive():
        latest = commit()
    tidying.join()
    room = log.stat().st_size
    assert room > short + 1000 * 4096
    latest = max(latest, *(commit() for _ in range(100)))
    store.tidy()
    assert log.stat().st_size == room
    for name in ("vsm.db", "vsm.db-wal"):  # as they are after a crash
        shutil.copy(tmp_path / name, tmp_path / name.replace("vsm", "crashed"))
    store.close()
    again = SqliteStore(tmp_path / "crashed.db")
    assert again.load().revision == latest
    again.close()


def test_a_store_that_cannot_be_tidied_up_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "vsm.db")
    store._path = tmp_path
    with pytest.raises(StorageError, match="can't be tidied up"):
        store.tidy()
    store.close()
