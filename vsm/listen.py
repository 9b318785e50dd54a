"""Where the supervisor listens: unix sockets that only their owner can reach, or addresses with mutual TLS.

Nothing else is offered: an address without certificates is refused with the next step named.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import grpc.aio

from dvswitch.client import SERVER_NAME, TlsFiles, check_address
from dvswitch.errors import InvalidValue, Unavailable

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]


def make_server() -> grpc.aio.Server:
    """A server that listens nowhere yet."""
    return grpc.aio.server(options=_OPTIONS)


def bind(server: grpc.aio.Server, address: str, tls_dir: Path | None) -> str:
    """Make ``server`` listen on ``address``; the address with the port that was really taken."""
    if check_address(address):
        _bind_unix(server, Path(address.removeprefix("unix:")))
        return address
    if tls_dir is None:
        raise InvalidValue(
            f"address {address}",
            "is refused without certificates",
            "run 'vsm pki init --tls-dir DIR' and give --tls-dir DIR, or listen on unix:PATH",
        )
    port = _bound(lambda: server.add_secure_port(address, _credentials(tls_dir)), address)
    return f"{address.rpartition(':')[0]}:{port}"


def _bind_unix(server: grpc.aio.Server, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _answers(path):
        raise Unavailable(f"address unix:{path}", "is in use by another process", "stop that one, or choose another")
    with _private():
        _bound(lambda: server.add_insecure_port(f"unix:{path}"), f"unix:{path}")


def _answers(path: Path) -> bool:
    """Whether somebody listens there; a socket that a dead process left behind does not count, and is replaced."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _bound(bind_port: Callable[[], int], address: str) -> int:
    try:
        port = bind_port()
    except RuntimeError as error:
        raise Unavailable(f"address {address}", f"can't be listened on: {error}", "choose another") from error
    if not port:
        raise Unavailable(f"address {address}", "can't be listened on", "choose another")
    return port


@contextmanager
def _private() -> Iterator[None]:
    """Whatever is made inside can be read and written by its owner only."""
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)


def _credentials(directory: Path) -> grpc.ServerCredentials:
    files = TlsFiles.in_directory(directory, SERVER_NAME)
    pair = (files.key.read_bytes(), files.certificate.read_bytes())
    return grpc.ssl_server_credentials([pair], root_certificates=files.ca.read_bytes(), require_client_auth=True)
