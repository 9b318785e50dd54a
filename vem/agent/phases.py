"""Which phase moving vEths are in, written at once: one small record instead of the whole state file (state.py).

A host that told the supervisor that a vEth has drained must know so itself, however its agent ends: otherwise the next
agent would forward for a VM that runs elsewhere by now.  So what a move changes goes into ``moves`` beside the state
file, within blocks that the file has already, and is told after that.  It is with the kernel then, not yet on the disk:
what ends an agent leaves it there, and a host that loses its power loses its VMs, NICs and tables with it, so that no
agent of it could forward for the vEth.  The state file follows in a while (saving.py) and is synced; records that it
has overtaken no longer count.

The file has two slots that are written in turn, each a header and the records, so that a write that is cut short
leaves what was told before.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dvswitch.errors import StorageError
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from vem.agent.convert import change_from
from vem.agent.disk import sync_directory
from vem.agent.wanted import Phase, Port, Update, Wanted, apply_update

SLOT = 65536
"""Bytes of a slot: some six hundred vEths."""
_HEADER = struct.Struct("<8sQII")
"""Magic, sequence number, bytes of records, their checksum."""
_RECORD = struct.Struct("<QI")
"""Revision, bytes of the Port that follows."""
_MAGIC = b"dvmoves1"


@dataclass(frozen=True, slots=True)
class Moved:
    """A vEth and the wanted state since which it is in its phase."""

    revision: int
    port: Port


def moved_between(before: Wanted, after: Wanted) -> list[Moved] | None:
    """vEths that only changed their phase, or are prepared to come; None: something else changed that a restart should
    know.

    A vEth that had drained and is not wanted any more is nothing that needs to be known: it stays drained.
    """
    same = replace(before, revision=0, ports={}) == replace(after, revision=0, ports={})
    gone = [before.ports[veth] for veth in before.ports.keys() - after.ports.keys()]
    if not same or after.refusals or any(port.phase is not Phase.DRAINING for port in gone):
        return None
    moved = []
    for veth, port in after.ports.items():
        old = before.ports.get(veth)
        if old is port or old == port:
            continue
        if old is None:
            if port.phase is not Phase.PREPARED:
                return None
        elif (old.mac, old.nic, old.policy) != (port.mac, port.nic, port.policy) or not _later(old, port):
            return None
        moved.append(Moved(after.revision, port))
    return moved


def _later(old: Port, new: Port) -> bool:
    """Whether ``new`` is a later step in the life of a vEth on this host."""
    return (old.generation, old.phase.value) < (new.generation, new.phase.value)


def overtaken(wanted: Wanted, records: Iterable[Moved]) -> Wanted:
    """What was wanted last, of a state file and the records beside it."""
    newer = {
        item.port.veth: item.port
        for item in records
        if item.revision > wanted.revision
        and (
            (held := wanted.ports.get(item.port.veth)) is None
            or (held.mac == item.port.mac and _later(held, item.port))
        )
    }
    return apply_update(wanted, Update(wanted.revision, tuple(newer.values()))) if newer else wanted


class PhaseFile:
    """``moves`` in the state directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "moves"
        self._sequence = 0
        self._descriptor = -1

    def load(self) -> list[Moved]:
        """The records written last; none if there is nothing readable."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return []
        self._sequence, body = max(_slot(data[:SLOT]), _slot(data[SLOT:]))
        return _records(body)

    def remove(self) -> None:
        """Forget everything; no error if there is nothing."""
        self.path.unlink(missing_ok=True)

    def open(self) -> None:
        """Have the file ready for write(); StorageError if that can't be.  May wait for the disk."""
        try:
            if self._descriptor < 0:
                self._descriptor = _opened(self.path)
        except OSError as error:
            raise StorageError(f"file {self.path}", f"can't be written: {error.strerror}") from error

    def write(self, records: Iterable[Moved]) -> None:
        """Once this returns the records outlive the process; StorageError if they can't, or there are too many.

        Does not wait for the disk once the file is open.
        """
        body = b"".join(_RECORD.pack(item.revision, len(item.port.wire)) + item.port.wire for item in records)
        header = _HEADER.pack(_MAGIC, self._sequence + 1, len(body), zlib.crc32(body))
        if len(header) + len(body) > SLOT:
            raise StorageError(f"file {self.path}", "has no room for so many moving vEths")
        self.open()
        try:
            os.pwrite(self._descriptor, header + body, (self._sequence + 1) % 2 * SLOT)
        except OSError as error:
            raise StorageError(f"file {self.path}", f"can't be written: {error.strerror}") from error
        self._sequence += 1

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _opened(path: Path) -> int:
    """The file with all of its blocks written, so that a record needs no change of the file system's own tables."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if (size := os.fstat(descriptor).st_size) < 2 * SLOT:
            os.pwrite(descriptor, bytes(2 * SLOT - size), size)
            os.fsync(descriptor)
            sync_directory(path.parent)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _slot(data: bytes) -> tuple[int, bytes]:
    """Sequence number and records of a slot; (0, nothing) if it was never written, or not to the end."""
    if len(data) < _HEADER.size:
        return 0, b""
    magic, sequence, length, check = _HEADER.unpack_from(data)
    body = data[_HEADER.size : _HEADER.size + length]
    return (sequence, body) if magic == _MAGIC and len(body) == length and zlib.crc32(body) == check else (0, b"")


def _records(body: bytes) -> list[Moved]:
    found, at = [], 0
    while at < len(body):
        revision, length = _RECORD.unpack_from(body, at)
        at += _RECORD.size
        message = fabric.Change(set_port=pb.Port.FromString(body[at : at + length]))
        at += length
        change = change_from(message)
        if isinstance(change, Port):
            found.append(Moved(revision, change))
    return found


__all__ = ["Moved", "PhaseFile", "moved_between", "overtaken"]
