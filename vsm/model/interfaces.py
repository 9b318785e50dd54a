"""Names of interfaces: "Vethernet5" and "Ethernet3/2" in full, "Veth5" and "Eth3/2" in columns.

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
_VETH = re.compile(r"v(?:e(?:t(?:h(?:e(?:r(?:n(?:et?)?)?)?)?)?)?)? ?(\d{1,9})", re.IGNORECASE)
_ETHERNET = re.compile(r"e(?:t(?:h(?:e(?:r(?:n(?:et?)?)?)?)?)?)? ?(\d{1,4})/(\d{1,4})", re.IGNORECASE)


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


Interface = Vethernet | Ethernet


@lru_cache(maxsize=32768)
def parse_interface(text: str) -> Interface:
    """Read "Vethernet5", "veth 5", "Eth3/1" or any such abbreviation; InvalidValue otherwise."""
    if found := _VETH.fullmatch(text):
        return Vethernet(int(found[1]))
    if found := _ETHERNET.fullmatch(text):
        return Ethernet(int(found[1]), int(found[2]))
    raise InvalidValue(f"interface {text}", "not the name of an interface", "write vethernet 5 or ethernet 3/1")


def short_name(full: str) -> str:
    """The column form of a full name."""
    return parse_interface(full).short
