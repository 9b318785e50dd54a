"""Where the MQTT broker is, as one option says it: parsed and checked at the door (the connection: publisher.py).

mqtt://127.0.0.1:1883      loopback only: nothing on such a connection is secret or authentic
mqtts://broker.lan:8883    TLS; the broker's certificate is checked
unix:/run/broker.sock      a unix socket of this machine
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from dvswitch.errors import InvalidValue

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_FORM = "write mqtts://HOST[:PORT], mqtt://127.0.0.1[:PORT] or unix:PATH"


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker's address."""

    host: str
    """Name or address; of a unix socket the path."""
    port: int = 0
    """1-65535; 0 for a unix socket."""
    tls: bool = False
    user: str = ""
    """To log in with; "" = without."""

    @property
    def unix(self) -> bool:
        """Whether it is a unix socket."""
        return not self.port

    def __str__(self) -> str:
        if self.unix:
            return f"unix:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse_broker(text: str) -> Broker:
    """The broker that ``text`` means; InvalidValue says what is wrong, also with clear text to another machine."""
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Broker(text.removeprefix("unix:"))
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidValue(f"MQTT broker '{text}'", "is not understood", _FORM) from None
    extra = parts.path or parts.query or parts.fragment or parts.password is not None
    if parts.scheme not in _PORTS or not host or extra or port == 0:
        raise InvalidValue(f"MQTT broker '{text}'", "is not understood", _FORM)
    found = Broker(host, port or _PORTS[parts.scheme], parts.scheme == "mqtts", parts.username or "")
    if not found.tls and not _is_loopback(host):
        raise InvalidValue(f"MQTT broker '{text}'", "is refused without TLS: it is another machine", "use mqtts://")
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
