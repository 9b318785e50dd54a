"""MAC addresses as values (S-024, S-025, S-267)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from dvswitch.errors import InvalidValue

_FORMS = (
    re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}"),
    re.compile(r"[0-9a-fA-F]{2}(-[0-9a-fA-F]{2}){5}"),
    re.compile(r"[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}"),
)


@total_ordering
@dataclass(frozen=True, slots=True)
class MacAddress:
    """A 48-bit MAC address; ``octets`` is always 6 bytes."""

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) != 6:
            raise InvalidValue("MAC address", f"{self.octets.hex()} is not 6 bytes long")

    @classmethod
    def parse(cls, text: str) -> MacAddress:
        """Read ``00:0c:29:4f:2e:05``, ``00-0C-29-4F-2E-05`` or ``000c.294f.2e05``; InvalidValue otherwise."""
        if not any(form.fullmatch(text) for form in _FORMS):
            raise InvalidValue("MAC address", f"'{text}' is malformed", "write it as 00:0c:29:4f:2e:05")
        return cls(bytes.fromhex(re.sub("[:.-]", "", text)))

    @classmethod
    def station(cls, text: str) -> MacAddress:
        """Like parse, but only an address that a NIC may own: not multicast, not all zero (S-267)."""
        mac = cls.parse(text)
        if mac.is_multicast or not any(mac.octets):
            raise InvalidValue(f"MAC address {mac}", "can't be a NIC's own address", "use a unicast address")
        return mac

    @property
    def is_multicast(self) -> bool:
        """The I/G bit is set (broadcast included)."""
        return bool(self.octets[0] & 1)

    @property
    def dotted(self) -> str:
        """As NX-OS shows it: ``000c.294f.2e05``."""
        digits = self.octets.hex()
        return f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"

    def __str__(self) -> str:
        return self.octets.hex(":")

    def __lt__(self, other: MacAddress) -> bool:
        return self.octets < other.octets


BROADCAST = MacAddress(b"\xff" * 6)
