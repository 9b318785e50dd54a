"""How programs reach a dvswitch daemon: channels from an address, with TLS where the address needs it.

An address is "unix:/path" (guarded by the file's rights, no TLS) or "host:port" (mutual TLS, always).  Used by the
command lines and by the host agent; the supervisor's listening side is in vsm/listen.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from dvswitch.errors import InvalidValue, NotFound
from dvswitch.v1 import fabric_pb2_grpc, manager_pb2_grpc, operator_pb2_grpc

SERVER_NAME = "vsm"
"""The name that every supervisor's certificate carries, whatever its address."""
MAX_UNIX_PATH = 107
"""Bytes in the path of a unix socket (Linux)."""
MAX_ANSWER = 64 << 20
"""Bytes: `show interface` of 10,000 vEths, as text and data at once, are 17 MB; gRPC's own limit is 4."""
_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5000),  # this is how long one attempt to connect may take
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", MAX_ANSWER),
]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a party's certificate, its key and the CA that it trusts lie."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def in_directory(cls, directory: str | Path, name: str) -> TlsFiles:
        """``ca.pem``, ``NAME.pem`` and ``NAME.key`` as `vsm pki` makes them; NotFound if one is missing."""
        base = Path(directory)
        files = cls(base / "ca.pem", base / f"{name}.pem", base / f"{name}.key")
        for path in (files.ca, files.certificate, files.key):
            if not path.is_file():
                raise NotFound(f"certificate file {path}", "does not exist", f"make it with 'vsm pki issue {name}'")
        return files


def check_address(address: str) -> bool:
    """Whether ``address`` is a unix socket; InvalidValue if it is no address at all."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        if not path or len(path.encode()) > MAX_UNIX_PATH:
            raise InvalidValue(
                f"address {address}", f"the path must have 1-{MAX_UNIX_PATH} bytes", "choose a shorter directory"
            )
        return True
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise InvalidValue(f"address {address}", "is not understood", "write unix:/path or host:port")
    return False


def open_channel(address: str, tls: TlsFiles | None = None) -> grpc.Channel:
    """A blocking channel; connects when first used."""
    if check_address(address):
        return grpc.insecure_channel(address, options=_OPTIONS)
    return grpc.secure_channel(address, _credentials(address, tls), options=_tls_options())


def open_aio_channel(address: str, tls: TlsFiles | None = None) -> grpc.aio.Channel:
    """An asyncio channel; connects when first used."""
    if check_address(address):
        return grpc.aio.insecure_channel(address, options=_OPTIONS)
    return grpc.aio.secure_channel(address, _credentials(address, tls), options=_tls_options())


def fabric_stub(channel: Any) -> Any:
    """Fabric calls on a channel of either kind."""
    return fabric_pb2_grpc.FabricStub(channel)  # type: ignore[no-untyped-call]


def operator_stub(channel: Any) -> Any:
    """Operator calls on a channel of either kind."""
    return operator_pb2_grpc.OperatorStub(channel)  # type: ignore[no-untyped-call]


def manager_stub(channel: Any) -> Any:
    """Manager calls on a channel of either kind."""
    return manager_pb2_grpc.ManagerStub(channel)  # type: ignore[no-untyped-call]


def host_stub(channel: Any) -> Any:
    """A host agent's local calls on a channel of either kind."""
    return manager_pb2_grpc.HostStub(channel)  # type: ignore[no-untyped-call]


def interruptible(method: Any, request: Any, seconds: float) -> Any:
    """The reply of a unary call (of a channel for threads); Ctrl-C ends it at the server, too."""
    call = method.future(request, timeout=seconds)
    try:
        return call.result()
    except KeyboardInterrupt:
        call.cancel()
        raise


def _tls_options() -> list[tuple[str, int | str]]:
    return [*_OPTIONS, ("grpc.ssl_target_name_override", SERVER_NAME)]


def _credentials(address: str, tls: TlsFiles | None) -> grpc.ChannelCredentials:
    if tls is None:
        raise InvalidValue(
            f"address {address}", "needs certificates", "give --tls-dir, or use a unix socket on the same host"
        )
    return grpc.ssl_channel_credentials(tls.ca.read_bytes(), tls.key.read_bytes(), tls.certificate.read_bytes())
