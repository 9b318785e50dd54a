"""Wires: how one end of a cable of datagrams is written, and the socket for it.

A wire end is "unix:/path" or "udp:address:port"; one datagram is one Ethernet frame without FCS, as QEMU's
`-netdev dgram` sends it.  The switches read wires in C (vem/datapath); this is for the light guests and for the tools.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from dataclasses import dataclass

from dvswitch.errors import InvalidValue, Unavailable

MAX_PATH = 107
"""Bytes of a unix socket's path (sun_path without its final zero)."""
MAX_FRAME = 65_535
_UDP = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})")
_BUFFER = 4 << 20


@dataclass(frozen=True, slots=True)
class WireEnd:
    """One address of a wire: a path, or an IPv4 address and a port."""

    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> WireEnd:
        """Read "unix:/path" or "udp:address:port"; InvalidValue otherwise."""
        kind, _, rest = text.partition(":")
        if kind == "unix" and rest:
            if len(os.fsencode(rest)) > MAX_PATH:
                raise InvalidValue(f"wire {text}", f"path is longer than {MAX_PATH} bytes", "use a shorter directory")
            return cls(path=rest)
        found = _UDP.fullmatch(rest) if kind == "udp" else None
        if found and int(found[2]) < 65536:
            return cls(host=found[1], port=int(found[2]))
        raise InvalidValue(f"wire {text}", "is malformed", "write it as unix:/path or udp:address:port")

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"udp:{self.host}:{self.port}"

    @property
    def address(self) -> str | tuple[str, int]:
        """As the socket module wants it."""
        return self.path or (self.host, self.port)


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire seen from one end."""

    local: WireEnd
    remote: WireEnd

    @classmethod
    def parse(cls, text: str) -> Wire:
        """Read "LOCAL>REMOTE"; InvalidValue otherwise."""
        local, arrow, remote = text.partition(">")
        if not arrow:
            raise InvalidValue(f"wire {text}", "has one end only", "write it as LOCAL>REMOTE")
        wire = cls(WireEnd.parse(local.strip()), WireEnd.parse(remote.strip()))
        if bool(wire.local.path) != bool(wire.remote.path):
            raise InvalidValue(f"wire {text}", "joins a unix and a udp end", "use the same kind on both")
        return wire

    def reversed(self) -> Wire:
        """The same wire seen from the other end."""
        return Wire(self.remote, self.local)

    def __str__(self) -> str:
        return f"{self.local}>{self.remote}"


def open_wire(wire: Wire) -> socket.socket:
    """A non-blocking socket bound to the local end; Unavailable when that is not possible.

    A unix path left behind by a dead process is taken over.
    """
    family = socket.AF_UNIX if wire.local.path else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if wire.local.path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(wire.local.path)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            opened.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        opened.bind(wire.local.address)
    except OSError as error:
        opened.close()
        raise Unavailable(f"wire {wire.local}", f"can't be opened: {error.strerror}") from error
    return opened


def remove_path(wire: Wire) -> None:
    """After closing the socket: remove the path it was bound to."""
    if wire.local.path:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(wire.local.path)
