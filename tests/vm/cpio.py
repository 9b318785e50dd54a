"""Writes cpio archives in the "newc" form that the kernel takes as an initramfs.

The kernel unpacks several archives that follow each other, so a test may append one with files of its own.
"""

from __future__ import annotations

import io
import stat

FILE = stat.S_IFREG | 0o644
PROGRAM = stat.S_IFREG | 0o755
DIRECTORY = stat.S_IFDIR | 0o755
SYMLINK = stat.S_IFLNK | 0o777


class Archive:
    """An archive in the making; `finish` closes it."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._inode = 0

    def add(self, name: str, data: bytes = b"", mode: int = PROGRAM, device: tuple[int, int] = (0, 0)) -> None:
        """Append one entry; a symlink's data is its target."""
        self._inode += 1
        path = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        self._out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + path)
        self._pad(4)
        self._out.write(data)
        self._pad(4)

    def finish(self) -> bytes:
        """The whole archive; nothing may be added afterwards."""
        self.add("TRAILER!!!", mode=0)
        self._pad(512)
        return self._out.getvalue()

    def _pad(self, boundary: int) -> None:
        self._out.write(b"\0" * (-self._out.tell() % boundary))
