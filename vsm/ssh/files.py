"""SCP and SFTP: `bootflash:` as a flat directory.

Nothing here opens a path that a client names: names are looked up in Bootflash (vsm/store/bootflash.py), which takes
plain file names only.  An upload is collected and takes the place of the file as a whole when it is closed; one that
breaks off changes nothing.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import asyncssh
from asyncssh import constants, sftp

from dvswitch.errors import DvsError, InvalidValue, NotFound
from vsm.store.bootflash import QUOTA, Bootflash, file_name

MAX_OPEN = 4
"""Files that one client may have open: they are held in memory."""
_WRITING = constants.FXF_WRITE | constants.FXF_APPEND | constants.FXF_CREAT | constants.FXF_TRUNC


@dataclass(frozen=True, slots=True)
class Rights:
    """What the user may do with files."""

    read: bool
    write: bool


@dataclass(slots=True, eq=False)
class _OpenFile:
    name: str
    data: bytearray = field(default_factory=bytearray)
    append: bool = False
    changed: bool = False


class BootflashServer(asyncssh.SFTPServer):
    """One client's view of bootflash:."""

    def __init__(self, channel: Any, bootflash: Bootflash, rights: Rights) -> None:
        super().__init__(channel)
        self._bootflash, self._rights = bootflash, rights
        self._open = 0

    # ---- files

    async def open(self, path: bytes, pflags: int, attrs: sftp.SFTPAttrs) -> object:
        """Open a file; for writing, what it holds is kept until it is closed."""
        name = _name(path)
        self._allow(self._rights.write if pflags & _WRITING else self._rights.read)
        if self._open >= MAX_OPEN:
            raise asyncssh.SFTPFailure(f"at most {MAX_OPEN} files may be open")
        try:
            file = await asyncio.to_thread(self._load, name, pflags)
        except DvsError as error:
            raise _told(error) from error
        self._open += 1
        return file

    def _load(self, name: str, pflags: int) -> _OpenFile:
        there = self._bootflash.exists(name)
        if there and pflags & constants.FXF_EXCL:
            raise InvalidValue(f"bootflash:{name}", "exists already")
        if not there and not pflags & constants.FXF_CREAT:
            raise NotFound(f"bootflash:{name}", "No such file or directory")
        truncated = not there or bool(pflags & constants.FXF_TRUNC)
        data = bytearray() if truncated else bytearray(self._bootflash.read(name))
        return _OpenFile(name, data, bool(pflags & constants.FXF_APPEND), bool(truncated and pflags & _WRITING))

    async def close(self, file_obj: object) -> None:
        """Put an upload in place."""
        file = _file(file_obj)
        self._open -= 1
        if not file.changed or self._gone():
            return
        try:
            await asyncio.to_thread(self._bootflash.write, file.name, bytes(file.data))
        except DvsError as error:
            raise _told(error) from error

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """A part of a file."""
        return bytes(_file(file_obj).data[offset : offset + size])

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """A part of an upload."""
        self._allow(self._rights.write)
        file = _file(file_obj)
        offset = len(file.data) if file.append else offset
        if offset + len(data) > QUOTA:
            raise asyncssh.SFTPFailure("No space left on device")
        if offset > len(file.data):
            file.data.extend(bytes(offset - len(file.data)))
        file.data[offset : offset + len(data)] = data
        file.changed = True
        return len(data)

    def remove(self, path: bytes) -> None:
        """Delete a file."""
        self._allow(self._rights.write)
        try:
            self._bootflash.delete(_name(path))
        except DvsError as error:
            raise _told(error) from error

    # ---- attributes

    def stat(self, path: bytes) -> sftp.SFTPAttrs:
        """Size and time of a file, or that it is the directory."""
        self._allow(self._rights.read)
        if _is_root(path):
            return sftp.SFTPAttrs(type=constants.FILEXFER_TYPE_DIRECTORY, permissions=stat.S_IFDIR | 0o700)
        name = _name(path)
        for info in self._bootflash.files():
            if info.name == name:
                return _attributes(info.size, info.time)
        raise asyncssh.SFTPNoSuchFile("No such file or directory")

    def lstat(self, path: bytes) -> sftp.SFTPAttrs:
        """There are no links."""
        return self.stat(path)

    def fstat(self, file_obj: object) -> sftp.SFTPAttrs:
        """Of an open file."""
        return _attributes(len(_file(file_obj).data), 0)

    def setstat(self, path: bytes, attrs: sftp.SFTPAttrs) -> None:
        """Files have no owner, mode or time of their own: clients that ask for them after an upload are let be."""
        self._allow(self._rights.write)
        _name(path)

    lsetstat = setstat

    def fsetstat(self, file_obj: object, attrs: sftp.SFTPAttrs) -> None:
        """Likewise; but the size is set."""
        self._allow(self._rights.write)
        file = _file(file_obj)
        if attrs.size is not None:
            if attrs.size > QUOTA:
                raise asyncssh.SFTPFailure("No space left on device")
            del file.data[attrs.size :]
            file.data.extend(bytes(attrs.size - len(file.data)))
            file.changed = True

    async def scandir(self, path: bytes) -> AsyncIterator[sftp.SFTPName]:
        """All files."""
        self._allow(self._rights.read)
        if not _is_root(path):
            raise asyncssh.SFTPNoSuchFile("No such file or directory")
        for info in self._bootflash.files():
            yield sftp.SFTPName(info.name.encode(), attrs=_attributes(info.size, info.time))

    def realpath(self, path: bytes) -> bytes:
        """Its one name."""
        return b"/" if _is_root(path) else b"/" + _name(path).encode()

    def fsync(self, file_obj: object) -> None:
        """Closing a file makes it durable."""

    def exit(self) -> None:
        """The client is done; scp takes a missing status for a failure."""
        if self.channel.get_subsystem() == "sftp":
            self.channel.exit(0)

    # ---- what there is not

    def _nothing(self, *_arguments: Any, **_more: Any) -> NoReturn:
        raise asyncssh.SFTPOpUnsupported("bootflash: has files only, without links or directories")

    mkdir = rmdir = rename = posix_rename = symlink = link = readlink = _nothing
    statvfs = fstatvfs = lock = unlock = open56 = map_path = reverse_map_path = _nothing

    def _gone(self) -> bool:
        """Whether the client left without closing its files: asyncssh then closes them for it, complete or not.

        asyncssh tells no server of that; a test goes with this.
        """
        lost = getattr(self.channel, "_conn", None) is None
        return lost or getattr(self.channel, "_recv_state", "closed") != "open"

    def _allow(self, allowed: bool) -> None:
        if not allowed:
            raise asyncssh.SFTPPermissionDenied("Permission denied for the role")


def _attributes(size: int, time: float) -> sftp.SFTPAttrs:
    mode = stat.S_IFREG | 0o600
    kind = constants.FILEXFER_TYPE_REGULAR
    return sftp.SFTPAttrs(type=kind, size=size, permissions=mode, atime=int(time), mtime=int(time))


def _file(handle: object) -> _OpenFile:
    assert isinstance(handle, _OpenFile)
    return handle


def _is_root(path: bytes) -> bool:
    return path.removeprefix(b"bootflash:").strip(b"/") in (b"", b".")


def _name(path: bytes) -> str:
    try:
        # Clients put their notion of a directory in front of names.
        return file_name(path.decode().removeprefix("./"))
    except (UnicodeDecodeError, InvalidValue) as error:
        raise asyncssh.SFTPNoSuchFile("bootflash: has plain file names only") from error


def _told(error: DvsError) -> asyncssh.SFTPError:
    kind = asyncssh.SFTPNoSuchFile if isinstance(error, NotFound) else asyncssh.SFTPFailure
    return kind(error.problem)
