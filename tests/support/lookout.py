"""Who watches a link all the time: when each frame went which way, as the kernel stamped it, and how many there were.

What a busy machine does to guests and to programs that wait for their turn shows nowhere in that: a frame that was lost
is one that went in at one link and came out at none.  Nothing is missed: should the kernel ever have had to throw
frames away before they were read, `close` says so.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from tests.support.netns import Namespace
from tests.support.packets import (
    AUXDATA,
    ETH_P_ALL,
    PACKET_ADD_MEMBERSHIP,
    PACKET_AUXDATA,
    PACKET_MR_PROMISC,
    SO_RCVBUFFORCE,
    SOL_PACKET,
)

PACKET_STATISTICS = 6
SO_TIMESTAMPNS = 35
STAMP = struct.Struct("qq")
BUFFER = 256 << 20
"""Bytes; no more than is needed is taken."""
HEAD = 96
"""Bytes of a frame that are looked at."""
NAP = 0.2
"""Seconds after which the watcher looks whether it is to stop."""
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Sighting:
    """A frame: when (seconds since 1970), whether it left the host, its first bytes, and how many there were."""

    time: float
    leaving: bool
    head: bytes
    octets: int


class Lookout:
    """Watches a link from entry to exit; ``keep`` says which frames (by their first bytes) to remember, while all are
    counted."""

    def __init__(self, where: Namespace, link: str, keep: Callable[[bytes], bool]) -> None:
        self.link, self._keep = link, keep
        with where.enter():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # hears nothing until it is bound
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
            promiscuous = struct.pack("IHH8s", socket.if_nametoindex(link), PACKET_MR_PROMISC, 0, b"")
            self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)
            self._socket.bind((link, ETH_P_ALL))
        self._socket.settimeout(NAP)
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"lookout {link}", daemon=True)
        self.seen: list[Sighting] = []
        self.frames, self.octets = [0, 0], [0, 0]
        """That came, and that left."""

    def __enter__(self) -> Lookout:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self._thread.join(STOP_SECONDS)
        _, dropped = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self._socket.close()
        assert not dropped, f"{self.link}: {dropped} frames were not seen"

    def _watch(self) -> None:
        space = socket.CMSG_SPACE(STAMP.size) + socket.CMSG_SPACE(AUXDATA.size)
        while True:
            try:
                head, told, _, address = self._socket.recvmsg(HEAD, space)
            except TimeoutError:
                if self._enough.is_set():
                    return
                continue
            self._note(head, {kind: data for _, kind, data in told}, address[2] == socket.PACKET_OUTGOING)

    def _note(self, head: bytes, told: dict[int, bytes], leaving: bool) -> None:
        octets = int(AUXDATA.unpack_from(told[PACKET_AUXDATA])[1])
        self.octets[leaving] += octets
        self.frames[leaving] += 1
        if self._keep(head):
            seconds, nanoseconds = STAMP.unpack(told[SO_TIMESTAMPNS])
            self.seen.append(Sighting(seconds + nanoseconds / 1e9, leaving, head, octets))
