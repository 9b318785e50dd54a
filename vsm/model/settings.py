"""What a profile or an interface may say about forwarding: every attribute may be unset (None) and then comes from the
parent (see vsm/policy/inherit.py)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dvswitch.vlan import VlanSet


class PortMode(Enum):
    """`switchport mode`."""

    ACCESS = "access"
    TRUNK = "trunk"


@dataclass(frozen=True, slots=True)
class Settings:
    """Inheritable attributes; None = not said here.  The inheritable set is that of nexus-1000v section 3.2."""

    mode: PortMode | None = None
    access_vlan: int | None = None
    """1-4094."""
    native_vlan: int | None = None
    """1-4094."""
    allowed_vlans: VlanSet | None = None
    shutdown: bool | None = None
    forged_transmits: bool | None = None
    """True: accept (S-008, S-009)."""
    mac_changes: bool | None = None
    """True: accept (S-011)."""
    mac_learning: bool | None = None
    unknown_flood: bool | None = None
    """With mac_learning: receive unknown unicast (S-070)."""
    mac_limit: int | None = None
    """1-4096 (S-065)."""
    mtu: int | None = None
    """Type ethernet only; 1500-9000."""


NOTHING = Settings()
"""Says nothing: everything comes from further up."""

DEFAULTS = Settings(
    mode=PortMode.ACCESS,
    access_vlan=1,
    native_vlan=1,
    allowed_vlans=VlanSet.all(),
    shutdown=True,
    forged_transmits=False,
    mac_changes=False,
    mac_learning=False,
    unknown_flood=True,
    mac_limit=4096,
    mtu=1500,
)
"""What holds when nobody in the chain says otherwise (nexus-1000v section 3.1, S-016)."""
