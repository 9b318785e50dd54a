"""The supervisor's store in one SQLite file (embedded; implements vsm.supervisor.Store).

Each object of the State is a row (kind, key, JSON); a save writes only what differs between two States, in one
transaction together with the revision, and returns when it is on stable storage (WAL, synchronous=FULL).  What a save
could not write is reported as StorageError and the stored state stays as it was.  Counter records have a table of their
own: they are observations and change often (vsm/fabric/counters.py decides when).

Cost: a save compares the mappings of two States by identity first, so an edit costs what it changed plus one fsync.
What has been saved is brought from the log into the file by tidy(), beside everything else: done by a save, as SQLite
does it by itself, it would make whoever waits for that save wait for several writes more.  tidy() also writes the log's
blocks ahead: a save that makes the log longer changes the file system's own tables, and waits for all that others have
changed there; one that writes over what is there waits for its own few pages only.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_origin

from dvswitch.errors import DvsError, StorageError
from vsm.model.archive import Archive
from vsm.model.state import Config, Inventory, State
from vsm.store.codec import decode, encode, hints

_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE objects (
        kind TEXT NOT NULL, key TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (kind, key)
    ) WITHOUT ROWID;
    CREATE TABLE counters (interface TEXT NOT NULL PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES ('revision', 0);
    """,
)
"""Script n brings schema version n to n + 1; a script that was ever released never changes."""

_LOG_PAGES = 8000
"""Pages in the log (4 KiB each) at which a save brings them into the file after all: nobody has called tidy()."""
_LOG_ROOM = 8 << 20
"""Bytes of the log that are written ahead: some five hundred hand-overs."""
_ROOM_STEP = 1 << 20
"""Bytes of it that are written at a time: a save that comes meanwhile waits for so many."""
Row = tuple[str, str]
"""(kind, key) of a stored object."""
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_PARTS: tuple[tuple[str, type], ...] = (("config", Config), ("inventory", Inventory), ("archive", Archive))


class SqliteStore:
    """Keeps States and counter records in the file ``path``; at most one process holds it open."""

    def __init__(self, path: str | os.PathLike[str], *, busy_ms: int = 1000) -> None:
        self._path = Path(path)
        self._subject = f"store {self._path}"
        self.beside: Callable[[], tuple[Mapping[str, Any], Callable[[], None]]] | None = None
        """Counter records that are to be stored with the next State, and whom to tell that they are: what belongs to a
        step of a port's life must not be lost when the step is not, nor cost another wait for the disk."""
        self._in_doubt = True
        """What is stored may differ from what the caller holds (nothing is stored yet, or a save failed): the next save
        writes everything."""
        self._lock = _take_lock(self._path, self._subject)
        try:
            self._db = self._open(busy_ms)
        except BaseException:
            os.close(self._lock)
            raise

    def load(self) -> State:
        """The last committed state, or a fresh one; StorageError if the file can't be read as one."""
        with self._reported("can't be read"):
            rows = self._db.execute("SELECT kind, key, data FROM objects").fetchall()
            revision = self._db.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone()[0]
        if not revision:
            return State()
        try:
            state = _assemble(rows, int(revision))
        except (DvsError, ValueError, TypeError, KeyError) as error:
            raise StorageError(
                self._subject, f"holds an object that can't be understood: {error}", "restore the file from a backup"
            ) from error
        self._in_doubt = False
        return state

    def save(self, old: State, new: State) -> None:
        """Make ``new`` durable before returning; StorageError leaves what was stored."""
        written, removed = _difference(None if self._in_doubt else old, new)
        counters, stored = self.beside() if self.beside else ({}, None)
        with self._transaction():
            if self._in_doubt:
                self._db.execute("DELETE FROM objects")
            self._db.executemany("DELETE FROM objects WHERE kind = ? AND key = ?", removed)
            self._db.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", written)
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'revision'", (new.revision,))
            self._write_counters(counters)
        self._in_doubt = False
        if stored:
            stored()

    def load_counters(self) -> dict[str, Any]:
        """Counter records by interface name, as plain JSON data."""
        with self._reported("can't be read"):
            rows = self._db.execute("SELECT interface, data FROM counters").fetchall()
        return {interface: json.loads(data) for interface, data in rows}

    def save_counters(self, records: Mapping[str, Any], gone: Iterable[str] = ()) -> None:
        """Write these records, forget those of the interfaces in ``gone``."""
        with self._transaction():
            self._db.executemany("DELETE FROM counters WHERE interface = ?", [(interface,) for interface in gone])
            self._write_counters(records)

    def _write_counters(self, records: Mapping[str, Any]) -> None:
        rows = [(interface, _text(record)) for interface, record in records.items()]
        self._db.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", rows)

    def tidy(self) -> None:
        """Bring the log into the file, as far as nobody reads it; StorageError if the disk refuses, nothing is lost.

        To be called on a thread of its own now and then, saves go on meanwhile.
        """
        with self._reported("can't be tidied up"):
            db = sqlite3.connect(self._path, isolation_level=None)
            try:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._make_room(db)
            finally:
                db.close()

    def _make_room(self, db: sqlite3.Connection) -> None:
        """Append zeros to the log, which end it as well as the end of the file does, until it has room."""
        with open(f"{self._path}-wal", "r+b", buffering=0) as log:
            if log.seek(0, os.SEEK_END) >= _LOG_ROOM:
                return
            size = 0
            while size < _LOG_ROOM:
                db.execute("BEGIN IMMEDIATE")  # nobody else appends to it until
                try:
                    size = log.seek(0, os.SEEK_END) + log.write(bytes(_ROOM_STEP))
                finally:
                    db.execute("ROLLBACK")
            os.fdatasync(log.fileno())

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        if self._lock < 0:
            return
        self._db.close()
        os.close(self._lock)
        self._lock = -1

    def _open(self, busy_ms: int) -> sqlite3.Connection:
        with self._reported("can't be opened"):
            db = sqlite3.connect(self._path, timeout=busy_ms / 1000, isolation_level=None)
            try:
                self._prepare(db)
            except BaseException:
                db.close()
                raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Set the connection up, check the file and bring its schema up to date."""
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(_MIGRATIONS):
            raise StorageError(
                self._subject,
                f"was written by a newer version (schema {version}, this one knows {len(_MIGRATIONS)})",
                "start the newer version",
            )
        for number in range(version, len(_MIGRATIONS)):
            db.executescript(f"BEGIN IMMEDIATE; {_MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT;")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._reported("did not take the change"):
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
        except BaseException:
            self._in_doubt = True
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        """Turn what SQLite or the file system say into a StorageError with the next step."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StorageError(self._subject, f"{what}: {error}", _remedy(error)) from error


def _take_lock(path: Path, subject: str) -> int:
    """A descriptor that holds the exclusive right to ``path``; the kernel takes it back however the process ends."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(
            subject, f"can't be opened: {error.strerror}", "check the directory and its rights"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StorageError(
            subject, "is in use by another supervisor", "stop that one, or use another --data"
        ) from error
    return descriptor


def _remedy(error: Exception) -> str:
    text = str(error).lower()
    if "full" in text or "no space" in text or "disk i/o" in text:
        return "free space on its disk, then repeat the command"
    if "readonly" in text or "read-only" in text or "permission" in text or "unable to open" in text:
        return "make the file and its directory writable for the supervisor"
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return "move the file away to start afresh, or restore it from a backup"
    return "see the supervisor's log"


def _text(data: Any) -> str:
    return _ENCODER.encode(data)  # (json.dumps would make an encoder each time)


def _is_table(hint: Any) -> bool:
    """A field of mapping type: one row per entry.  All other fields of its class share one row."""
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _difference(old: State | None, new: State) -> tuple[list[tuple[str, str, str]], list[Row]]:
    """Rows to write and rows to remove to come from ``old`` (None: nothing) to ``new``."""
    written: list[tuple[str, str, str]] = []
    removed: list[Row] = []
    for part, kind in _PARTS:
        before, after = old and getattr(old, part), getattr(new, part)
        if before is after:
            continue
        scalars = {name for name, hint in hints(kind).items() if not _is_table(hint)}
        if before is None or any(getattr(before, name) != getattr(after, name) for name in scalars):
            written.append((part, "", _text({name: encode(getattr(after, name)) for name in sorted(scalars)})))
        for name in hints(kind).keys() - scalars:
            table = f"{part}.{name}"
            _compare(table, getattr(before, name) if before else {}, getattr(after, name), written, removed)
    return written, removed


def _compare(
    table: str,
    before: Mapping[Any, Any],
    after: Mapping[Any, Any],
    written: list[tuple[str, str, str]],
    removed: list[Row],
) -> None:
    """Add the row differences of one mapping."""
    if before is after:
        return
    for key, value in after.items():
        known = before.get(key)
        if known is not value and known != value:
            written.append((table, _text(encode(key)), _text(encode(value))))
    removed.extend((table, _text(encode(key))) for key in before.keys() - after.keys())


def _assemble(rows: Iterable[tuple[str, str, str]], revision: int) -> State:
    """The State that these rows describe."""
    tables: dict[str, dict[str, Any]] = {}
    for kind, key, data in rows:
        tables.setdefault(kind, {})[key] = json.loads(data)
    parts = {part: _assemble_part(part, kind, tables) for part, kind in _PARTS}
    return State(**parts, revision=revision)


def _assemble_part(part: str, kind: type, tables: Mapping[str, Mapping[str, Any]]) -> Any:
    values: dict[str, Any] = {}
    scalars = tables.get(part, {}).get("", {})
    for name, hint in hints(kind).items():
        if _is_table(hint):
            rows = tables.get(f"{part}.{name}", {})
            values[name] = decode(hint, [[json.loads(key), data] for key, data in rows.items()])
        elif name in scalars:
            values[name] = decode(hint, scalars[name])
    return kind(**values)
