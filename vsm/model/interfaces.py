"""Names of interfaces: "Vethernet5" and "Ethernet3/2" in full, "Veth5" and "Eth3/2" in columns.

Those two are ports of the switch.  Beside them there are two things that the operator may name as interfaces although
no frame comes in by them: a host's port-channel, and mgmt0, which is the supervisor's own.

The full name is the key of Config.overrides and Config.descriptions; everything that reads or prints interface names
goes through here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from dvswitch.errors import InvalidValue
from vsm.model.state import FIRST_SLOT, LAST_SLOT, MAX_VETH

MAX_UPLINK = 32
"""Highest number of an uplink within a host."""
MAX_CHANNEL = 4096
"""Highest number of a port-channel."""
MGMT0 = "mgmt0"
_VETH = re.compile(r"v(?:e(?:t(?:h(?:e(?:r(?:n(?:et?)?)?)?)?)?)?)? ?(\d{1,9})", re.IGNORECASE)
_ETHERNET = re.compile(r"e(?:t(?:h(?:e(?:r(?:n(?:et?)?)?)?)?)?)? ?(\d{1,4})/(\d{1,4})", re.IGNORECASE)
_CHANNEL = re.compile(r"po(?:r(?:t(?:-(?:c(?:h(?:a(?:n(?:n(?:el?)?)?)?)?)?)?)?)?)? ?(\d{1,9})", re.IGNORECASE)
_MGMT = re.compile(r"m(?:g(?:mt?)?)? ?0", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Ethernet:
    """Uplink ``number`` of the host in ``slot``."""

    slot: int
    number: int

    def __post_init__(self) -> None:
        if not (FIRST_SLOT <= self.slot <= LAST_SLOT and 1 <= self.number <= MAX_UPLINK):
            ranges = f"slots are {FIRST_SLOT}-{LAST_SLOT}, ports 1-{MAX_UPLINK}"
            raise InvalidValue(f"interface {self.full}", f"no such port: {ranges}")

    @property
    def full(self) -> str:
        """Ethernet3/2."""
        return f"Ethernet{self.slot}/{self.number}"

    @property
    def short(self) -> str:
        """Eth3/2."""
        return f"Eth{self.slot}/{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class Vethernet:
    """The vEth ``number``."""

    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_VETH:
            raise InvalidValue(f"interface {self.full}", f"no such port: numbers are 1-{MAX_VETH}")

    @property
    def full(self) -> str:
        """Vethernet5."""
        return f"Vethernet{self.number}"

    @property
    def short(self) -> str:
        """Veth5."""
        return f"Veth{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class PortChannel:
    """The bundle ``number``, made by a host of its uplinks (vsm/model/channels.py)."""

    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_CHANNEL:
            raise InvalidValue(f"interface {self.full}", f"no such port-channel: numbers are 1-{MAX_CHANNEL}")

    @property
    def full(self) -> str:
        """port-channel1."""
        return f"port-channel{self.number}"

    @property
    def short(self) -> str:
        """Po1."""
        return f"Po{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class Management:
    """The supervisor's own interface: whatever its host is reached by."""

    @property
    def full(self) -> str:
        """mgmt0."""
        return MGMT0

    @property
    def short(self) -> str:
        """mgmt0."""
        return MGMT0


Interface = Vethernet | Ethernet
"""A port of the switch."""
Named = Interface | PortChannel | Management
"""Whatever `interface` may be said of."""


@lru_cache(maxsize=32768)
def parse_interface(text: str) -> Interface:
    """Read "Vethernet5", "veth 5", "Eth3/1" or any such abbreviation; InvalidValue otherwise."""
    if found := _VETH.fullmatch(text):
        return Vethernet(int(found[1]))
    if found := _ETHERNET.fullmatch(text):
        return Ethernet(int(found[1]), int(found[2]))
    raise InvalidValue(f"interface {text}", "not the name of an interface", "write vethernet 5 or ethernet 3/1")


@lru_cache(maxsize=32768)
def parse_named(text: str) -> Named:
    """Likewise for whatever `interface` may be said of, port-channels and mgmt0 included."""
    if found := _CHANNEL.fullmatch(text):
        return PortChannel(int(found[1]))
    return Management() if _MGMT.fullmatch(text) else parse_interface(text)


def short_name(full: str) -> str:
    """The column form of a full name."""
    return parse_interface(full).short
