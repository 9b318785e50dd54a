"""The uplinks that a host's configuration names: parsing them, and what is known about each while the agent runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from vem.datapath.engine import Plug

MAX_UPLINKS = 32


@dataclass(frozen=True, slots=True)
class UplinkConfig:
    """One configured uplink."""

    number: int
    """p of Ethernet <slot>/<p>, 1..32."""
    profile: str
    """Ethernet profile asked for."""
    plug: Plug
    adapter: str
    """Name shown to people."""
    speed: int = 0
    """Mbit/s, for load-based teaming; 0 = as the device says."""


@dataclass(slots=True)
class UplinkStatus:
    """An uplink as it is now."""

    config: UplinkConfig
    lport: int
    mac: MacAddress
    present: bool = False
    link_up: bool = False


def parse_uplink(text: str) -> UplinkConfig:
    """Read ``1,profile=UPLINK,device=eth2[,netns=NS]`` or ``1,profile=UPLINK,wire=LOCAL>REMOTE[,adapter=NAME]``,
    and ``,speed=MBITS`` with either."""
    subject = f"uplink '{text}'"
    first, *rest = text.split(",")
    options: dict[str, str] = {}
    for item in rest:
        key, equals, value = item.partition("=")
        if not equals or key not in ("profile", "device", "wire", "netns", "adapter", "speed") or not value:
            raise InvalidValue(subject, f"'{item}' is not understood", "write 1,profile=UPLINK,device=eth2")
        options[key] = value
    number = _number(first, subject)
    if "profile" not in options:
        raise InvalidValue(subject, "names no profile", "add profile=NAME of an ethernet profile")
    plug = _plug(options, subject)
    adapter = options.get("adapter") or plug.device or f"wire{number}"
    return UplinkConfig(number, options["profile"], plug, adapter, _speed(options.get("speed"), subject))


def _number(text: str, subject: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_UPLINKS:
        raise InvalidValue(subject, f"'{text}' is not an uplink number 1-{MAX_UPLINKS}")
    return int(text)


def _speed(text: str | None, subject: str) -> int:
    if text is not None and (not text.isdecimal() or not 1 <= int(text) <= 1_000_000):
        raise InvalidValue(subject, f"speed '{text}' is out of range 1-1000000 Mbit/s")
    return int(text or 0)


def _plug(options: dict[str, str], subject: str) -> Plug:
    if ("device" in options) == ("wire" in options):
        raise InvalidValue(subject, "needs exactly one of device= and wire=")
    if "device" in options:
        return Plug("raw", device=options["device"], netns=options.get("netns", ""))
    return parse_wire(options["wire"], subject)


def parse_wire(text: str, subject: str = "wire") -> Plug:
    """Read ``LOCAL>REMOTE``, each ``unix:/path`` or ``udp:address:port``."""
    local, arrow, remote = text.partition(">")
    for end in (local, remote):
        if not arrow or not end.startswith(("unix:", "udp:")) or len(end) < 6:
            raise InvalidValue(
                subject, f"'{text}' is not a wire", "write unix:/a>unix:/b or udp:ADDR:PORT>udp:ADDR:PORT"
            )
    return Plug("wire", local=local, remote=remote)


def check_numbers(uplinks: list[UplinkConfig]) -> None:
    """InvalidValue if a number is used twice."""
    seen: set[int] = set()
    for uplink in uplinks:
        if uplink.number in seen:
            raise InvalidValue(f"uplink {uplink.number}", "is configured twice")
        seen.add(uplink.number)


def uplink_mac(config: UplinkConfig, host_uuid: str) -> MacAddress:
    """The NIC's own address where it can be read, else one made of host and number (locally administered)."""
    if config.plug.device and not config.plug.netns:
        try:
            return MacAddress.parse(Path(f"/sys/class/net/{config.plug.device}/address").read_text().strip())
        except (OSError, InvalidValue):
            pass
    digest = hashlib.sha256(f"{host_uuid} uplink {config.number}".encode()).digest()
    return MacAddress(bytes([0x02]) + digest[:5])
