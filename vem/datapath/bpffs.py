"""Where the kernel engine keeps what must outlive its agent: a directory of the BPF file system.

  <root>/<name>/                 one switch; locked (flock) by the agent that holds it
  <root>/<name>/v<ABI>/          maps, by their names
                       incarnation, ports/<lport>    notes: symbolic links whose target is the text
                       links/<lport>                 tcx links

bpffs keeps pinned objects, directories and symbolic links, no files; so small texts are told by symbolic links, which
`ls -l` shows.  Names may not contain dots.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
from pathlib import Path

import structlog

from vem.datapath.engine import EngineError

_log = structlog.get_logger(__name__)

_MOUNT_POINT = Path("/sys/fs/bpf")
_BPF_MAGIC = 0xCAFE4A11
_libc = ctypes.CDLL(None, use_errno=True)


def _is_bpffs(path: Path) -> bool:
    buffer = ctypes.create_string_buffer(256)  # struct statfs begins with f_type
    if _libc.statfs(os.fsencode(path), buffer):
        return False
    return int.from_bytes(buffer.raw[:8], "little") == _BPF_MAGIC


def ensure_mounted(root: Path) -> None:
    """Make sure that ``root`` lies in a BPF file system; mounts /sys/fs/bpf if it is not."""
    if not root.is_relative_to(_MOUNT_POINT):
        existing = next(path for path in (root, *root.parents) if path.exists())
        if not _is_bpffs(existing):
            raise EngineError(str(root), "is not in a BPF file system", "mount one there: mount -t bpf bpf DIRECTORY")
        return
    if _is_bpffs(_MOUNT_POINT):
        return
    if _libc.mount(b"bpf", os.fsencode(_MOUNT_POINT), b"bpf", 0, None):
        reason = os.strerror(ctypes.get_errno())
        raise EngineError(str(_MOUNT_POINT), f"mounting a BPF file system: {reason}", "run as root")
    _log.info("mounted the BPF file system, which this system does not do by itself", at=str(_MOUNT_POINT))


def lock(directory: Path) -> int:
    """Hold a switch's directory for this process; the file descriptor is the lock.  EngineError if it is held."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise EngineError(f"kernel engine {directory.name}", "another process holds it", "stop that agent") from error
    return fd


def write_note(path: Path, text: str) -> None:
    """Write or replace a note at once; at most 4095 bytes."""
    aside = path.with_name(f"{path.name}-new")
    aside.unlink(missing_ok=True)
    aside.symlink_to(text)
    aside.replace(path)


def read_note(path: Path) -> str | None:
    """The text, or None."""
    with contextlib.suppress(OSError):
        return os.readlink(path)
    return None


def remove_tree(directory: Path) -> None:
    """Unpin everything below and the directory itself; absent is no error."""
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        raise EngineError(str(directory), "could not be removed from the BPF file system")


def remove_switch(home: Path) -> None:
    """Remove a switch's directory, and the root directory with the last of them."""
    remove_tree(home)
    with contextlib.suppress(OSError):
        home.parent.rmdir()
