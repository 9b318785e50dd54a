"""What modules observe of their uplinks: the state of channels, and who is at the other end; and who manages guests.

Values of vsm/runtime.py; vsm/fabric/wire_observed.py reads them from the protocol, vsm/cli/show renders them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dvswitch.mac import MacAddress
from vsm.model.niv import LinkState, Tagging
from vsm.policy.catalog import Catalog


@dataclass(frozen=True, slots=True)
class ManagerStatus:
    """A hypervisor manager that watches the port groups."""

    name: str
    """Its own word for itself."""
    version: str
    """For people; "" = it did not tell."""
    address: str
    """Where it comes from; "" = a unix socket."""
    told: Catalog | None = None
    """The catalogue as it has it; None = not yet."""


class MemberState(Enum):
    """Of an uplink in its channel: the flag of `show port-channel summary`, in the order of fabric.proto."""

    DOWN = "D"
    SUSPENDED = "s"
    INDIVIDUAL = "I"
    STANDBY = "H"
    UP = "P"


@dataclass(frozen=True, slots=True)
class LacpEnd:
    """One end of a link as LACP describes it."""

    system: MacAddress
    system_priority: int
    key: int
    port_priority: int
    port: int
    state: int
    """The bits of IEEE 802.1AX."""


@dataclass(frozen=True, slots=True)
class LacpMember:
    """LACP on one uplink."""

    actor: LacpEnd
    partner: LacpEnd
    sent: int = 0
    """LACPDUs, likewise the next two."""
    received: int = 0
    malformed: int = 0
    partner_age: int = 0
    """Seconds since this partner was first heard."""

    @property
    def heard(self) -> bool:
        """Whether there is a partner at all."""
        return any(self.partner.system.octets)


@dataclass(frozen=True, slots=True)
class Member:
    """An uplink in its channel."""

    number: int
    state: MemberState
    sub_group: int = 0
    """MAC pinning: of which the uplink is the only member; relative ones count from 0."""
    speed: int = 0
    """Mbit/s; 0 = not known."""
    lacp: LacpMember | None = None


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """A channel of a host as its module reports it."""

    slot: int
    policy: int
    """Id of the policy that makes it."""
    members: tuple[Member, ...] = ()


class Discovery(Enum):
    """Protocols by which neighbours find each other, in the order of fabric.proto."""

    LLDP = "lldp"
    CDP = "cdp"


@dataclass(frozen=True, slots=True)
class Neighbor:
    """Who is at the other end of Ethernet <slot>/<number>.  Texts come from strangers, but are printable."""

    slot: int
    number: int
    protocol: Discovery
    chassis: str
    """LLDP's chassis id, CDP's device id."""
    port: str
    port_description: str = ""
    system_name: str = ""
    system_description: str = ""
    platform: str = ""
    capabilities: int = 0
    """Bits as the protocol has them."""
    enabled: int = 0
    management: tuple[str, ...] = ()
    native_vlan: int = 0
    """0 = not told."""
    hold: int = 0
    """Seconds that it wanted to be believed."""
    left: int = 0
    """Seconds that it still is."""


@dataclass(frozen=True, slots=True)
class Vif:
    """A NIC of a host as a port of the VIS."""

    veth: int
    """0 = not known yet."""
    vif: int
    """1-4095, on its link."""
    carries: bool
    """The NIC's frames go this way."""
    vm: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class NivLink:
    """An uplink on which a VIS was heard, as its host tells.  Texts come from strangers, but are printable."""

    uplink: int
    vis_uuid: str
    vis_name: str
    vis_port: str
    tagging: Tagging
    """NONE = not agreed yet."""
    state: LinkState
    reason: str = ""
    vifs: tuple[Vif, ...] = ()


@dataclass(slots=True)
class SessionCounts:
    """What went between the supervisor and a module since the supervisor started, over all its sessions."""

    inserted: int = 0
    """Sessions that were accepted."""
    removed: int = 0
    """Sessions that ended."""
    in_messages: int = 0
    """Heartbeats included, likewise the other way."""
    out_messages: int = 0
    in_beats: int = 0
    out_beats: int = 0
    refused: int = 0
    """Objects that the module could not do, over all updates."""
