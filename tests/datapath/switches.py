"""Small switches on the user engine for the tests of this folder, and far ends of wires."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.rows.row import check_accounts
from tests.rows.world import At, access, frame, mac, vnic, world
from vem.datapath.apply import apply_image
from vem.datapath.engine import Plug
from vem.datapath.image import Image
from vem.datapath.user import UserEngine

DEADLINE = 60.0
"""Seconds until something counts as not happening."""


def eventually(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Wait until it holds; fail naming what did not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.005)


def check_accounts_when_idle(engine: UserEngine) -> None:
    """Held frames are neither sent nor dropped yet, and real stacks go on saying things of their own while ports are
    read one after the other: wait until nothing is under way."""

    def settled() -> bool:
        with contextlib.suppress(AssertionError):
            check_accounts(engine.counters())
            return True
        return False

    eventually(settled, "every frame is accounted for")


@contextlib.contextmanager
def user_engine(*ports: At) -> Iterator[UserEngine]:
    """A running engine with these tables; by default vNICs 1 and 2 in VLAN 0."""
    engine = UserEngine()
    try:
        apply_image(engine, Image(), world(*(ports or (vnic(1, access(0)), vnic(2, access(0))))))
        yield engine
    finally:
        engine.close(keep=False)


class UnixEnd:
    """The far end of a unix wire, where a guest would be."""

    def __init__(self, room: Path, name: str) -> None:
        self.local = room / f"{name}.guest"
        self.switch = room / f"{name}.switch"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.local))

    @property
    def plug(self) -> Plug:
        """What the switch plugs in."""
        return Plug("wire", local=f"unix:{self.switch}", remote=f"unix:{self.local}")

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, str(self.switch))

    def receive(self, count: int = 1, seconds: float = DEADLINE) -> list[bytes]:
        return receive(self.socket, count, seconds)


class UdpEnd:
    """The far end of a UDP wire on loopback."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Loopback has addresses enough for each end to have one that nobody else looks for a port on.
        address = ".".join(["127", *(str(random.randrange(1, 255)) for _ in range(3))])
        self.socket.bind((address, 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            self.switch = probe.getsockname()

    @property
    def plug(self) -> Plug:
        """What the switch plugs in."""
        near, far = self.switch, self.socket.getsockname()
        return Plug("wire", local=f"udp:{near[0]}:{near[1]}", remote=f"udp:{far[0]}:{far[1]}")

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.switch)

    def receive(self, count: int = 1, seconds: float = DEADLINE) -> list[bytes]:
        return receive(self.socket, count, seconds)


def receive(sock: socket.socket, count: int, seconds: float) -> list[bytes]:
    """Up to ``count`` datagrams, as long as they come within the time."""
    found: list[bytes] = []
    end = time.monotonic() + seconds
    while len(found) < count and (left := end - time.monotonic()) > 0:
        if select.select([sock], [], [], left)[0]:
            found.append(sock.recv(70000))
    return found


def numbered(dst: int, src: int, number: int, size: int = 60) -> bytes:
    """A frame that carries a number."""
    return frame(mac(dst), mac(src), body=number.to_bytes(4, "big") + bytes(size - 18))


def number_of(data: bytes) -> int:
    """The number of a numbered frame."""
    return int.from_bytes(data[14:18], "big")
