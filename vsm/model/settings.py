"""What a profile or an interface may say about forwarding: every attribute may be unset (None) and then comes from the
parent (see vsm/policy/inherit.py)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dvswitch.vlan import VlanSet

UNTAGGED = 0
"""As access VLAN: external switch tagging; as native VLAN: a trunk's untagged frames stay untagged (S-030, S-036)."""
NO_NATIVE = -1
"""As native VLAN: a trunk neither sends nor takes untagged frames (S-039)."""
NO_PIN = -1
"""As sub-group: the ports prefer none."""


class PortMode(Enum):
    """`switchport mode`."""

    ACCESS = "access"
    TRUNK = "trunk"


class TeamMethod(Enum):
    """`teaming method`: how the ports of a vethernet profile choose among a host's uplinks."""

    PORT_ID = "port-id"
    """Originating port id (S-130)."""
    SOURCE_MAC = "source-mac"
    """S-132."""
    IP_HASH = "ip-hash"
    """S-133."""
    EXPLICIT = "explicit"
    """The first usable uplink of the list (S-137)."""
    LOAD = "load"
    """Load-based (S-138)."""


class ChannelMode(Enum):
    """`channel-group auto mode`: what a host makes of the NICs that have an ethernet profile."""

    NONE = "none"
    """Single NICs."""
    ON = "on"
    """A static bundle."""
    ACTIVE = "active"
    """LACP, beginning by itself."""
    PASSIVE = "passive"
    """LACP, waiting for the peer."""
    MAC_PINNING = "on mac-pinning"
    """Each NIC a sub-group of its own; vEths are pinned to one."""
    MAC_PINNING_RELATIVE = "on mac-pinning relative"
    """Likewise, with sub-groups numbered by order."""

    @property
    def bundles(self) -> bool:
        """The upstream switch sees one port-channel (S-158)."""
        return self in (ChannelMode.ON, ChannelMode.ACTIVE, ChannelMode.PASSIVE)


@dataclass(frozen=True, slots=True)
class Settings:
    """Inheritable attributes; None = not said here.  The inheritable set is that of nexus-1000v section 3.2."""

    mode: PortMode | None = None
    access_vlan: int | None = None
    """1-4094, or UNTAGGED."""
    native_vlan: int | None = None
    """1-4094, UNTAGGED or NO_NATIVE."""
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
    promiscuous: bool | None = None
    """True: accept (S-100 ff.)."""
    mac_limit_allow: bool | None = None
    """Said together with mac_limit.  Over it: True forwards without learning (S-067), False drops (S-066, S-068)."""
    bpdu_guard: bool | None = None
    """True: BPDUs of guests are dropped (S-021)."""
    storm_broadcast: int | None = None
    """Frames a second; 0 = no limit.  Likewise the next two."""
    storm_multicast: int | None = None
    storm_unknown: int | None = None
    team_method: TeamMethod | None = None
    team_active: tuple[int, ...] | None = None
    """Numbers of uplinks in order of preference; () = all that carry the port's VLANs, by number."""
    team_standby: tuple[int, ...] | None = None
    team_unused: tuple[int, ...] | None = None
    team_failback: bool | None = None
    """S-142, S-143."""
    team_notify: bool | None = None
    """Tell the physical switches by RARP where a MAC address is (S-152, S-154)."""
    team_beacon: bool | None = None
    """Beacon probing beside link state (S-146)."""
    pin: int | None = None
    """Sub-group that the ports prefer, 0-32: an uplink's number, or with mac-pinning relative its place counted from 0;
    NO_PIN."""
    pin_backup: tuple[int, ...] | None = None
    """Said together with pin."""
    channel: ChannelMode | None = None
    """Type ethernet only."""
    mobility_forward: int | None = None
    """Seconds for which a moving vEth's frames are passed on from its old host, 1-300; 0 = not."""
    cdp: bool | None = None
    """Type ethernet only.  False: CDP is neither heard nor said on the uplink."""


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
    promiscuous=False,
    mac_limit_allow=False,
    bpdu_guard=True,
    storm_broadcast=0,
    storm_multicast=0,
    storm_unknown=0,
    team_method=TeamMethod.PORT_ID,
    team_active=(),
    team_standby=(),
    team_unused=(),
    team_failback=True,
    team_notify=True,
    team_beacon=False,
    pin=NO_PIN,
    pin_backup=(),
    channel=ChannelMode.NONE,
    mobility_forward=0,
    cdp=True,
)
"""What holds when nobody in the chain and no switch-wide line says otherwise (nexus-1000v section 3.1, S-016)."""
