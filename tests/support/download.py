"""A download that goes on, at an even pace, for as long as the test wants, and the checksum of what was sent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
from types import TracebackType

from tests.support.netns import Namespace

PIECE, PAUSE = 32 << 10, 0.025
"""Bytes, and seconds from one to the next: slow enough for a guest without hardware virtualisation."""
HEAD = b"HTTP/1.0 200 OK\r\n\r\n"
STOP_SECONDS = 60.0


class Download:
    """An HTTP server in a namespace that sends one client random bytes until `finish`."""

    def __init__(self, where: Namespace, port: int) -> None:
        with where.enter():
            self._listener = socket.create_server(("0.0.0.0", port))
        self._enough = threading.Event()
        self._sent = hashlib.sha256()
        self.bytes = 0
        self._thread = threading.Thread(target=self._serve, name="download", daemon=True)

    def __enter__(self) -> Download:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(STOP_SECONDS)

    def finish(self) -> str:
        """End the download; the SHA-256 of what was sent, in hexadecimal digits."""
        self._enough.set()
        self._thread.join(STOP_SECONDS)
        assert not self._thread.is_alive(), "the client does not read"
        return self._sent.hexdigest()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            with client:
                client.recv(4096)
                client.sendall(HEAD)
                while not self._enough.wait(PAUSE):
                    piece = os.urandom(PIECE)
                    client.sendall(piece)
                    self._sent.update(piece)
                    self.bytes += PIECE
