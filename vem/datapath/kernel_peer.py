"""Which veths end in another network namespace: frames for those go straight there (send_straight in kernel.bpf.c).

That must not be believed for longer than it is true: the kernel drops what is sent straight to an end that is in our
own namespace, and a guest's XDP program is passed by.  So link messages are heard, and each veth is asked about from
time to time.  kernel.py calls; the port's flag is written by the function it gives.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ASK_SECONDS = 10.0
"""How often each veth is asked about, whatever is heard: of an XDP program in the guest nothing is."""
SETTLE_SECONDS = 1.0
"""How long frames go the slow way after an address that was flooded became a port's own: those still waiting there must
not be overtaken."""

_HEADER, _LINK, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=HH")
_RTM_NEWLINK, _RTM_GETLINK, _NLM_F_REQUEST, _RTMGRP_LINK = 16, 18, 1, 1
_IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_LINK_NETNSID, _IFLA_MAX_MTU, _IFLA_EXT_MASK = 18, 1, 37, 51, 29
_SKIP_STATS = 8
_NESTED = 0x3FFF
_MAX_MTU = 65535  # what a veth has unless its other end runs XDP
_BUFFER = 1 << 16
_WAIT = 2.0


@dataclass(slots=True)
class _Veth:
    ifindex: int
    elsewhere: bool = False
    asked: float = 0.0
    settled: float = 0.0
    """Not before then."""


class Peers:
    """The veths of one engine, which are all in one network namespace."""

    def __init__(self, tell: Callable[[int, bool], None]) -> None:
        """``tell``: gets an lport, and whether its frames may go straight to the other end from now on."""
        self._tell = tell
        self._veths: dict[int, _Veth] = {}
        self._flooded: set[int] = set()
        self._events: socket.socket | None = None
        self._questions: socket.socket | None = None

    def add(self, lport: int, ifindex: int, now: float) -> None:
        """Follow a veth.  Called inside its namespace; the first one decides where to listen."""
        if self._events is None or self._questions is None:
            self._events, self._questions = _socket(_RTMGRP_LINK), _socket(0)
        self._veths[lport] = _Veth(ifindex)
        self._ask(lport, now)

    def remove(self, lport: int) -> None:
        """Stop; the port gets no frame this way any more."""
        if self._veths.pop(lport, None):
            self._tell(lport, False)
        if not self._veths:
            self.close()

    def look(self, lport: int, now: float) -> None:
        """Take in what was heard of any veth, and ask about this one if it is time to."""
        if self._events is None:
            return
        heard = _heard(self._events)
        if heard is None or heard:
            for other in [n for n, veth in self._veths.items() if heard is None or veth.ifindex in heard]:
                self._ask(other, now)
        mine = self._veths.get(lport)
        if mine and (now - mine.asked > ASK_SECONDS or mine.asked < mine.settled <= now):
            self._ask(lport, now)

    def flooded(self, lports: set[int]) -> None:
        """These ports are on receiver lists: frames for any address may go there."""
        self._flooded |= lports

    def vacated(self, lport: int) -> None:
        """The port has no entry any more."""
        self._flooded.discard(lport)

    def addressed(self, lport: int, now: float) -> None:
        """An address becomes the port's own: frames for it may still be on the slow way."""
        veth = self._veths.get(lport)
        if veth and lport in self._flooded:
            veth.settled = now + SETTLE_SECONDS
            self._decide(lport, veth, now)

    def _ask(self, lport: int, now: float) -> None:
        veth = self._veths[lport]
        assert self._questions is not None
        veth.asked = now
        veth.elsewhere = _ends_elsewhere(self._questions, veth.ifindex)
        self._decide(lport, veth, now)

    def _decide(self, lport: int, veth: _Veth, now: float) -> None:
        self._tell(lport, veth.elsewhere and now >= veth.settled)

    def close(self) -> None:
        """Stop listening; idempotent."""
        for open_socket in (self._events, self._questions):
            if open_socket is not None:
                open_socket.close()
        self._events = self._questions = None


def _socket(groups: int) -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    made.settimeout(0 if groups else _WAIT)
    made.bind((0, groups))
    return made


def _heard(events: socket.socket) -> set[int] | None:
    """Links of which something was said; None when messages were lost."""
    links: set[int] = set()
    while True:
        try:
            data = events.recv(_BUFFER)
        except BlockingIOError:
            return links
        except OSError:  # ENOBUFS
            return None
        links |= {index for _, index, _ in _messages(data)}


def _ends_elsewhere(questions: socket.socket, ifindex: int) -> bool:
    """Whether that link is a veth whose other end is in another namespace and runs no XDP program."""
    body = _LINK.pack(0, 0, ifindex, 0, 0) + _ATTRIBUTE.pack(8, _IFLA_EXT_MASK) + struct.pack("=I", _SKIP_STATS)
    with contextlib.suppress(OSError):
        questions.send(_HEADER.pack(_HEADER.size + len(body), _RTM_GETLINK, _NLM_F_REQUEST, 0, 0) + body)
        for kind, index, attributes in _messages(questions.recv(_BUFFER)):
            if kind == _RTM_NEWLINK and index == ifindex:
                return _says_elsewhere(dict(_attributes(attributes)))
    return False


def _says_elsewhere(link: dict[int, bytes]) -> bool:
    kind = dict(_attributes(link.get(_IFLA_LINKINFO, b""))).get(_IFLA_INFO_KIND, b"").rstrip(b"\0")
    mtu = int.from_bytes(link.get(_IFLA_MAX_MTU, b""), "little")
    return kind == b"veth" and _IFLA_LINK_NETNSID in link and mtu == _MAX_MTU


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, link, attributes) of each message in a datagram."""
    while len(data) >= _HEADER.size + _LINK.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if length < _HEADER.size + _LINK.size:
            return
        yield kind, _LINK.unpack_from(data, _HEADER.size)[2], data[_HEADER.size + _LINK.size : length]
        data = data[(length + 3) & ~3 :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _NESTED, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


__all__ = ["Peers"]
