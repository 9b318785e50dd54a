"""Multicast as Linux's own stack does it: somebody who joins, somebody who sends, and when what arrived."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from types import TracebackType

from tests.support.netns import Namespace

PORT = 5353 + 1000
EVERY = 0.02
"""Seconds between two datagrams."""


def joined(where: Namespace, group: str, link: str = "eth0") -> socket.socket:
    """A socket whose stack reports that it listens to the group."""
    with where.enter():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        request = struct.pack("4s4si", socket.inet_aton(group), bytes(4), socket.if_nametoindex(link))
    made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    return made


class Listener:
    """Joined from the beginning to the end of the context."""

    def __init__(self, where: Namespace, group: str, link: str = "eth0") -> None:
        self._socket = joined(where, group, link)
        self._socket.setblocking(False)
        self._socket.bind((group, PORT))

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def heard(self) -> list[int]:
        """Numbers of the datagrams that came since the last call."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(int.from_bytes(self._socket.recv(64), "big"))
        return found


class Speaker:
    """Sends numbered datagrams to a group for as long as the context is open."""

    def __init__(self, where: Namespace, group: str, address: str) -> None:
        with where.enter():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
        self._group = group
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Speaker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        number = 0
        while not self._end.is_set():
            self._socket.sendto(number.to_bytes(8, "big"), (self._group, PORT))
            number += 1
            time.sleep(EVERY)


__all__ = ["EVERY", "Listener", "Speaker", "joined"]
