"""What both sides know of `mobility forward`: how an endpoint is written, and how long a key is."""

from __future__ import annotations

from ipaddress import ip_address

from dvswitch.errors import InvalidValue

KEY_BYTES = 16
DEFAULT_PORT = 8474
SECONDS_RANGE = (1, 300)
"""Of `mobility forward SECONDS`."""
DEFAULT_SECONDS = 10


def parse_endpoint(text: str, default_port: int | None = None) -> tuple[str, int]:
    """ADDRESS:PORT, [ADDRESS]:PORT for IPv6, or without the port if there is a default; port 0 is any that is free.

    An address that stands for all of the host's (0.0.0.0, ::) is refused: nobody could connect to it.
    """
    host, colon, port = text.rpartition(":")
    if (text.startswith("[") and text.endswith("]")) or not colon or (":" in host and not host.startswith("[")):
        host, colon, port = text, "", ""
    try:
        address = ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        raise InvalidValue(f"mobility address '{text}'", "is not ADDRESS[:PORT]", "[ADDRESS]:PORT for IPv6") from None
    if address.is_unspecified or address.is_multicast:
        raise InvalidValue(f"mobility address '{text}'", "is not one host's address", "give an address of this host")
    if not colon and default_port is None:
        raise InvalidValue(f"mobility address '{text}'", "has no port")
    if colon and (not port.isdecimal() or int(port) > 65535):
        raise InvalidValue(f"mobility address '{text}'", "its port is out of range 0-65535")
    return str(address), int(port) if colon else default_port or 0


__all__ = ["DEFAULT_PORT", "DEFAULT_SECONDS", "KEY_BYTES", "SECONDS_RANGE", "parse_endpoint"]
