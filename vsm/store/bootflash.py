"""Files of operators: `bootflash:`, one flat directory of the supervisor's data directory.

Names are plain file names, so nothing outside of it can be reached; a link in it is not followed.  A file is replaced
as a whole and is on stable storage when write() returns.  All files together have QUOTA bytes.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dvswitch.errors import InvalidValue, NotFound, StorageError

QUOTA = 64 * 1024 * 1024
"""Bytes of all files together."""
MAX_NAME = 128
_URI = re.compile(r"(?:bootflash:)?(?://+sup-(?:local|active|1)/+|/*)([^/]*)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_.+,=@%-]+")
_TEMPORARY = ".new-"


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file in bootflash."""

    name: str
    size: int
    """Bytes."""
    time: float
    """Unix time of the last change."""


def file_name(uri: str) -> str:
    """The name in ``bootflash:NAME``, ``bootflash:///NAME`` or just ``NAME``; InvalidValue if it is none."""
    found = _URI.fullmatch(uri)
    name = found[1] if found else ""
    if not _NAME.fullmatch(name) or name.startswith(".") or len(name) > MAX_NAME:
        problem = f"is not a file name: at most {MAX_NAME} letters, digits and ._+,=@%-, no directories"
        raise InvalidValue(f"file {uri}", problem, "write bootflash:NAME")
    return name


class Bootflash:
    """The files in ``directory``, which is made with the first of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def files(self) -> list[FileInfo]:
        """All files by name."""
        with suppress(FileNotFoundError):
            return sorted(self._scan(), key=lambda info: info.name)
        return []

    def used(self) -> int:
        """Bytes of all files."""
        return sum(info.size for info in self.files())

    def exists(self, uri: str) -> bool:
        """Whether there is such a file."""
        name = file_name(uri)
        return any(info.name == name for info in self.files())

    def read(self, uri: str) -> bytes:
        """The content; NotFound."""
        name = file_name(uri)
        with _reported(f"bootflash:{name}"):
            descriptor = os.open(self.directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise FileNotFoundError(name)
                return file.read(QUOTA)

    def text(self, uri: str) -> str:
        """The content as text; InvalidValue if it is none."""
        try:
            return self.read(uri).decode()
        except UnicodeDecodeError as error:
            raise InvalidValue(f"file {uri}", "is not text") from error

    def write(self, uri: str, content: bytes) -> None:
        """Make or replace a file; StorageError leaves what was there."""
        name = file_name(uri)
        others = sum(info.size for info in self.files() if info.name != name)
        if others + len(content) > QUOTA:
            raise StorageError(f"file bootflash:{name}", "No space left on device", "delete files that are not needed")
        with _reported(f"bootflash:{name}"):
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=self.directory)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(descriptor)
                os.replace(temporary, self.directory / name)
            except BaseException:
                os.unlink(temporary)
                raise
            self._sync()

    def append(self, uri: str, content: bytes) -> None:
        """Add to a file, or make it."""
        before = self.read(uri) if self.exists(uri) else b""
        self.write(uri, before + content)

    def delete(self, uri: str) -> None:
        """Remove a file; NotFound."""
        name = file_name(uri)
        if not self.exists(name):
            raise _missing(name)
        with _reported(f"bootflash:{name}"):
            os.unlink(self.directory / name)
            self._sync()

    def _scan(self) -> Iterator[FileInfo]:
        with os.scandir(self.directory) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                    status = entry.stat(follow_symlinks=False)
                    yield FileInfo(entry.name, status.st_size, status.st_mtime)

    def _sync(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _missing(name: str) -> NotFound:
    return NotFound(f"bootflash:{name}", "No such file or directory")


@contextmanager
def _reported(subject: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise _missing(subject.removeprefix("bootflash:")) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _missing(subject.removeprefix("bootflash:")) from error
        raise StorageError(subject, f"can't be used: {error.strerror}", "look at the supervisor's disk") from error
