"""Listens on a cable: every frame that passes is kept, with its direction, and goes on to where it was going.

The cable's links (cable.py) are turned to sockets of the tap's own while it listens, so that neither end notices.
Frames can be saved as a capture file for Wireshark.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dvswitch.errors import Unavailable
from physical.cable import Cable
from physical.wire import MAX_FRAME

_PATIENCE = 20.0
_PCAP = struct.Struct("<IHHiIII")
_PCAP_FRAME = struct.Struct("<IIII")
_ETHERNET = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame on a cable."""

    end: str
    """Of the sender: "a" or "b"."""
    at: float
    """Seconds since 1970."""
    frame: bytes


class Tap:
    """On one cable, from enter to exit."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self._sockets: dict[str, socket.socket] = {}
        self._seen: list[Seen] = []
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name=f"tap on {cable.name}", daemon=True)

    def __enter__(self) -> Tap:
        for sender in ("a", "b"):
            path = self._path(sender)
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            opened.bind(str(path))
            self._sockets[sender] = opened
        self._thread.start()
        for sender in self._sockets:
            self._cable.lead(sender, self._path(sender).name)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for sender in self._sockets:
            self._cable.lead(sender, "")
        self._stop.send(b"x")
        self._thread.join()
        for sender, opened in self._sockets.items():
            opened.close()
            with suppress(FileNotFoundError):
                self._path(sender).unlink()
        self._stop.close()
        self._stopped.close()

    def seen(self) -> list[Seen]:
        """All so far, oldest first."""
        return list(self._seen)

    def wait(self, wanted: Callable[[Seen], bool], what: str) -> Seen:
        """The first frame that is ``wanted``; Unavailable when none passes in time."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if found := next(filter(wanted, self.seen()), None):
                return found
            time.sleep(0.002)
        raise Unavailable(f"cable {self._cable.name}", f"no such frame passed in {_PATIENCE:.0f} s: {what}")

    def _path(self, sender: str) -> Path:
        return self._cable.directory / f"{self._cable.name}.tap-{sender}"

    def _run(self) -> None:
        """Until told to stop, and then for what is still waiting."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._stopped, selectors.EVENT_READ)
            for sender, opened in self._sockets.items():
                selector.register(opened, selectors.EVENT_READ, sender)
            stopping = False
            while True:
                ready = selector.select(0 if stopping else None)
                frames = [key.data for key, _ in ready if key.data]
                if stopping and not frames:
                    return
                for sender in frames:
                    self._take(sender)
                stopping = stopping or len(frames) < len(ready)

    def _take(self, sender: str) -> None:
        frame = self._sockets[sender].recv(MAX_FRAME)
        self._seen.append(Seen(sender, time.time(), frame))
        with suppress(OSError):  # nobody is there, as on a cable without a tap
            self._sockets[sender].sendto(frame, str(self._cable.end("b" if sender == "a" else "a").local.path))


def save(path: Path, frames: Iterable[Seen]) -> None:
    """As a capture file (pcap)."""
    with path.open("wb") as file:
        file.write(_PCAP.pack(0xA1B2C3D4, 2, 4, 0, 0, MAX_FRAME, _ETHERNET))
        for seen in frames:
            second, rest = divmod(seen.at, 1)
            file.write(_PCAP_FRAME.pack(int(second), int(rest * 1e6), len(seen.frame), len(seen.frame)))
            file.write(seen.frame)
