"""One end of a TCP transfer: prints how many bytes it moved, and their SHA-256.

serve ADDRESS PORT          takes one connection
send ADDRESS PORT BYTES     sends random bytes
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys

CHUNK = 1 << 18


def serve(address: str, port: int) -> tuple[int, str]:
    digest, total = hashlib.sha256(), 0
    with socket.create_server((address, port)) as listener:
        print("ready", flush=True)
        connection, _ = listener.accept()
        with connection:
            while chunk := connection.recv(CHUNK):
                digest.update(chunk)
                total += len(chunk)
    return total, digest.hexdigest()


def send(address: str, port: int, total: int) -> tuple[int, str]:
    digest = hashlib.sha256()
    with socket.create_connection((address, port), timeout=60) as connection:
        for at in range(0, total, CHUNK):
            chunk = os.urandom(min(CHUNK, total - at))
            digest.update(chunk)
            connection.sendall(chunk)
    return total, digest.hexdigest()


if __name__ == "__main__":
    what, where, number, *size = sys.argv[1:]
    print(*(serve(where, int(number)) if what == "serve" else send(where, int(number), int(size[0]))))
