"""What the hook and the `ovs-vsctl` stand-in tell each other: small JSON files in a run directory, gone with the boot.

DIR/domains/UUID.json: a domain's name, its NICs' numbers, and whether it is on its way here.  DIR/ports/DEVICE.json:
what was plugged in for a device.  Each is replaced as a whole, so that a reader never sees half of one.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dvswitch.errors import InvalidValue, StorageError

INCOMING_SECONDS = 300.0
"""After which a migration that was announced, and whose ports nobody has asked for, is not to be expected any more."""
_SAFE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_Note = TypeVar("_Note", "DomainNote", "PortNote")


@dataclass(frozen=True, slots=True)
class DomainNote:
    """A domain that is here, or about to be."""

    name: str
    uuid: str
    numbers: Mapping[str, int] = field(default_factory=dict)
    """MAC -> number of the NIC."""
    incoming: float = 0.0
    """When its migration to this host was announced, Unix time; 0 = it was started here."""

    def expected(self, now: float) -> bool:
        """Whether the domain still runs elsewhere and is on its way here."""
        return 0 <= now - self.incoming < INCOMING_SECONDS


@dataclass(frozen=True, slots=True)
class PortNote:
    """A device that was plugged in."""

    device: str
    bridge: str
    vm: str
    vm_uuid: str
    index: int
    mac: str
    profile: str
    prepare: bool = False
    veth: int = 0
    """As the agent told; 0 = not yet."""
    generation: int = 0


class Notes:
    """The run directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def domain(self, uuid: str) -> DomainNote | None:
        """What is known of a domain."""
        return self._read(DomainNote, "domains", uuid.lower())

    def port(self, device: str) -> PortNote | None:
        """What was plugged in for a device."""
        return self._read(PortNote, "ports", device)

    def ports_of(self, uuid: str) -> list[PortNote]:
        """What is plugged in for a domain."""
        names = sorted(path.stem for path in (self._directory / "ports").glob("*.json"))
        found = [self.port(name) for name in names]
        return [note for note in found if note is not None and note.vm_uuid == uuid.lower()]

    def keep(self, note: DomainNote | PortNote) -> None:
        """Write it down.  StorageError."""
        kind, name = ("domains", note.uuid) if isinstance(note, DomainNote) else ("ports", note.device)
        path = self._path(kind, name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "w") as file:
                json.dump(asdict(note), file)
            os.replace(temporary, path)
        except OSError as error:
            raise StorageError(f"file {path}", f"can't be written: {error.strerror}") from error

    def forget(self, note: DomainNote | PortNote) -> None:
        """It is gone; forgetting twice is no error."""
        kind, name = ("domains", note.uuid) if isinstance(note, DomainNote) else ("ports", note.device)
        self._path(kind, name).unlink(missing_ok=True)

    def _path(self, kind: str, name: str) -> Path:
        if not _SAFE.fullmatch(name) or name.startswith("."):
            raise InvalidValue(f"name '{name}'", "is neither a UUID nor a device")
        return self._directory / kind / f"{name}.json"

    def _read(self, shape: type[_Note], kind: str, name: str) -> _Note | None:
        """None if there is none, or none that can be read: then the next event writes a better one."""
        with suppress(OSError, ValueError, TypeError):
            values: dict[str, Any] = json.loads(self._path(kind, name).read_text())
            return shape(**values)
        return None


__all__ = ["DomainNote", "Notes", "PortNote"]
