"""The mobility program of src/mobility.c as Python starts and steers it: frames of moving vEths, from host to host.

It is a thread of C beside either engine; here are its descriptors, its moves and its counts.  Which moves there are,
vem/agent/moves.py decides.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vem.datapath.abi import CONSTANTS, SOURCES, declarations, read_constants
from vem.datapath.engine import EngineError, Plug
from vem.datapath.native import load
from vem.datapath.native_nic import big_buffers, in_netns

_TEXT = (SOURCES / "mobility_api.h").read_text()
_API = read_constants(_TEXT)
_TUNSETIFF, _IFF_TAP_NO_PI = 0x400454CA, 0x1002
_SIOCSIFTXQLEN, _SIOCSIFMTU, _SIOCSIFFLAGS, _IFF_UP = 0x8943, 0x8922, 0x8914, 0x1
_QUEUE = 65536
"""Frames that the switch may be ahead of the program: as many as one move may have waiting (mobility_frames.h)."""
_MTU = 9600
_BACKLOG = 64


@dataclass(frozen=True, slots=True)
class Session:
    """One move of one vEth, as one of its hosts has it (struct dvs_session)."""

    id: int
    """64 bits; the same on both hosts, and of no other move."""
    key: bytes
    """16 bytes that only the two hosts know."""
    lport: int
    window: float
    """Seconds that a frame may wait here."""
    peer: tuple[str, int] | None = None
    """Address and port of the target; None: this host is the target."""


@dataclass(frozen=True, slots=True)
class Counts:
    """struct dvs_session_counts."""

    sent: int = 0
    """Frames that went to the target."""
    received: int = 0
    """Frames that came from the source ..."""
    delivered: int = 0
    """... and that the switch was given for the vEth."""
    held: int = 0
    """Frames for the vEth or from it that had to wait for its activation."""
    overflow: int = 0
    expired: int = 0
    waiting: int = 0
    """Frames that wait now (source: bytes)."""
    kept: int = 0
    """Source: bytes that are sent, and would be delivered here if the vEth came back."""
    ready: int = 0
    """1: the connection is there."""
    ended: int = 0
    """Target: times that the source has said of a VLAN that the network knows the new place."""


@cache
def _library() -> tuple[Any, Any]:
    ffi, library = load()
    ffi.cdef(declarations(_TEXT, {**CONSTANTS, **_API}))
    return ffi, library


class MobilityProgram:
    """Runs from construction to close().  ``plug`` is what the switch is to plug in at the port for it."""

    def __init__(self, kind: str, netns: str = "", listen: tuple[str, int] | None = None) -> None:
        self._ffi, self._lib = _library()
        self._undo = contextlib.ExitStack()
        try:
            self._listener = self._listen(*listen) if listen else None
            self._port = self._tap(netns) if kind == "kernel" else self._pair()
            listener = self._listener.fileno() if self._listener else -1
            self._program = self._lib.dvs_mobility_new(self._port, listener)
            if self._program == self._ffi.NULL:
                raise EngineError("mobility", "out of memory or file descriptors")
        except BaseException:
            self._undo.close()
            raise
        self._thread = threading.Thread(
            target=self._lib.dvs_mobility_run, args=(self._program,), name="dvs-mobility", daemon=True
        )
        self._thread.start()

    plug: Plug
    """Of the port that leads here."""

    @property
    def endpoint(self) -> tuple[str, int] | None:
        """Address and port where targets are reached; None: nothing listens."""
        return self._listener.getsockname()[:2] if self._listener else None

    def _listen(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = self._undo.enter_context(socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen(_BACKLOG)
        except OSError as problem:
            raise EngineError(f"mobility {address} port {port}", f"can't listen: {problem.strerror}") from problem
        return listener

    def _tap(self, netns: str) -> int:
        """The kernel finishes checksums and cuts superframes for a tap without offloads."""
        name = f"dvm{os.urandom(4).hex()}"
        try:
            with in_netns(netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
                self._undo.callback(os.close, fd)
                fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP_NO_PI))
                for request, value in ((_SIOCSIFTXQLEN, _QUEUE), (_SIOCSIFMTU, _MTU)):
                    fcntl.ioctl(control, request, struct.pack("16si20x", name.encode(), value))
                _quiet(name)
                fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), _IFF_UP))
        except OSError as problem:
            raise EngineError(f"mobility: tap {name}", f"can't be made: {problem.strerror}") from problem
        self.plug = Plug("tap", name, netns)
        return fd

    def _pair(self) -> int:
        """Of a kind that keeps the ends of frames, and has room for as many as the buffers hold."""
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        for end in ends:
            self._undo.enter_context(end)
            big_buffers(end)
        self.plug = Plug("pair", str(ends[0].fileno()))
        return ends[1].fileno()

    # --- moves --------------------------------------------------------------------------------------------------

    def set(self, session: Session) -> None:
        """Have this move, or have it with another lport."""
        entry = self._ffi.new("struct dvs_session *")
        entry.id, entry.lport, entry.window = session.id, session.lport, int(session.window * 1e9)
        entry.key = session.key
        entry.role = _API["DVS_MOBILITY_SOURCE" if session.peer else "DVS_MOBILITY_TARGET"]
        if session.peer:
            address = _sockaddr(*session.peer)
            entry.peer_bytes = len(address)
            self._ffi.memmove(entry.peer, address, len(address))
        self._check(self._lib.dvs_mobility_set(self._program, entry))

    def gate(self, ident: int) -> None:
        """Target: the port is there, and not active yet.  What comes directly once it is, from guests of this host at
        once, waits for open()."""
        self._check(self._lib.dvs_mobility_gate(self._program, ident))

    def open(self, ident: int) -> None:
        """Target: the port is active.  When this returns, what waited has been given to the switch."""
        self._check(self._lib.dvs_mobility_open(self._program, ident))

    def remove(self, ident: int, back: bool = False) -> None:
        """End of the move here; what still waits is dropped, and counted.  ``back``: the vEth is active here, its
        source, again, so that what was passed on in vain is delivered here."""
        self._lib.dvs_mobility_remove(self._program, ident, back)

    def end(self, lport: int, vlan: int) -> None:
        """Source: the network has heard of the vEth's new place in this VLAN; what it brought here before that, the
        switch has passed on."""
        self._lib.dvs_mobility_end(self._program, lport, vlan)

    def counts(self, ident: int) -> Counts:
        """Of one move; zeroes if it is not there."""
        entry = self._ffi.new("struct dvs_session_counts *")
        self._lib.dvs_mobility_count(self._program, ident, entry)
        return Counts(*(int(getattr(entry, name)) for name in Counts.__slots__))

    def lost(self) -> int:
        """Frames that the switch did not take back."""
        return int(self._lib.dvs_mobility_lost(self._program))

    def refused(self) -> int:
        """Connections that could not show the key, or broke the rules."""
        return int(self._lib.dvs_mobility_refused(self._program))

    def close(self) -> None:
        """Idempotent."""
        if self._thread.is_alive():
            self._lib.dvs_mobility_stop(self._program)
            self._thread.join()
            self._lib.dvs_mobility_free(self._program)
            self._undo.close()

    def _check(self, result: int) -> None:
        if result < 0:
            raise EngineError("mobility", os.strerror(-result))


def _quiet(name: str) -> None:
    """The host itself is to say nothing on this device."""
    with contextlib.suppress(OSError):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")


def _sockaddr(address: str, port: int) -> bytes:
    """struct sockaddr_in or sockaddr_in6."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    host = socket.inet_pton(family, address)
    if family == socket.AF_INET:
        return struct.pack("=H", family) + struct.pack("!H", port) + host + bytes(8)
    return struct.pack("=H", family) + struct.pack("!HI", port, 0) + host + bytes(4)


__all__ = ["Counts", "MobilityProgram", "Session"]
