"""Everything the supervisor knows and stores, as immutable values.

Config is the operator's (it is what running-config shows); Inventory is the system's (what hosts and managers reported
and what was allocated for them).  Nothing here does I/O or knows the protocol; a change is a function State -> State
given to vsm.supervisor.Supervisor.transact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from dvswitch.lldp_agent import Mode
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vsm.model.archive import Archive
from vsm.model.migration import Move, PastMove
from vsm.model.niv import DVS, Card, HostMode, ModeKind, Way
from vsm.model.radius import RETRANSMIT, TIMEOUT, LoginBy, RadiusServer
from vsm.model.settings import NOTHING, Settings
from vsm.model.users import Role, User

MAX_CHAIN = 4
"""Levels of profile inheritance, the profile itself included."""
FIRST_SLOT, LAST_SLOT = 3, 66
MAX_VETH = 1048575


class ProfileType(Enum):
    """What a profile is for."""

    VETHERNET = "vethernet"
    ETHERNET = "ethernet"


@dataclass(frozen=True, slots=True)
class PortProfile:
    """A named bundle of interface settings (nexus-1000v section 3)."""

    name: str
    type: ProfileType = ProfileType.VETHERNET
    policy_id: int = 0
    """Allocated when the profile is created; never reused while the VSM's store lives."""
    description: str = ""
    inherit: str = ""
    """Parent's name; "" = none.  Same type, no loops, at most MAX_CHAIN levels."""
    settings: Settings = NOTHING
    enabled: bool = False
    """`state enabled`."""
    port_group: str | None = None
    """Name published to managers; None = not published."""
    max_ports: int = 32
    min_ports: int = 1
    system_vlans: VlanSet = VlanSet()
    """VLANs that edits must not cut off (vsm/policy/guard.py)."""
    l3control: bool = False
    """The ports are on the way between hosts and supervisor."""


@dataclass(frozen=True, slots=True)
class Vlan:
    """A VLAN the operator made; a VLAN that does not exist or is not active carries nothing."""

    id: int
    name: str = ""
    """"" = VLAN0010-style default."""
    active: bool = True
    shutdown: bool = False

    @property
    def title(self) -> str:
        """The name that people see: the operator's, or VLAN0010 when there is none."""
        return self.name or f"VLAN{self.id:04d}"

    @property
    def carries(self) -> bool:
        """Whether frames of this VLAN are forwarded at all."""
        return self.active and not self.shutdown


@dataclass(frozen=True, slots=True)
class VemSlot:
    """A slot bound to a host: sticky by UUID, made by the first Hello or by the operator (`vem 3` / `host id`)."""

    slot: int
    host_uuid: str
    mode: HostMode = DVS


@dataclass(frozen=True, slots=True)
class Connection:
    """What the operator says about a hypervisor manager (`svs connection`).  Managers connect to the supervisor."""

    name: str
    """As the manager calls itself."""
    enabled: bool = False
    """`connect`: it may watch the port groups."""


@dataclass(frozen=True, slots=True)
class Config:
    """The running configuration."""

    hostname: str = "vsm"
    domain: int = 1
    """svs domain id, 1-4095."""
    mtu: int = 1500
    keep_priority_tag: bool = False
    port_defaults: Settings = NOTHING
    """Switch-wide `security` lines: they hold where neither interface nor profile says otherwise (S-017)."""
    mac_aging: int = 0
    """Seconds until a learned address that is not seen is forgotten (S-069); 0 = as each host is configured."""
    snooping: bool = False
    """IGMP and MLD snooping (S-232)."""
    query_interval: int = 125
    """Seconds between general queries where no querier is seen (S-235)."""
    up_delay: int = 100
    """Milliseconds that an uplink must be up before it is used again (S-142)."""
    cdp: Mode = Mode.BOTH
    """What hosts do with CDP on their uplinks (S-220)."""
    lldp: Mode = Mode.NONE
    """Likewise with LLDP."""
    cdp_timer: int = 60
    """Seconds between announcements by CDP, and how long neighbours may believe one; likewise of LLDP."""
    cdp_hold: int = 180
    lldp_timer: int = 30
    lldp_hold: int = 120
    mac_prefix: str = "52:54:00"
    """Beginning of addresses that are made here (S-266)."""
    default_max_ports: int = 32
    vlans: Mapping[int, Vlan] = field(default_factory=lambda: {1: Vlan(1, "default")})
    profiles: Mapping[str, PortProfile] = field(default_factory=dict)
    overrides: Mapping[str, Settings] = field(default_factory=dict)
    """Interface-level settings by full interface name ("Vethernet5", "Ethernet3/2")."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """Operator's interface descriptions, by full interface name."""
    slots: Mapping[int, VemSlot] = field(default_factory=dict)
    connections: Mapping[str, Connection] = field(default_factory=dict)
    """By name.  A manager that is not among them may watch, too."""
    users: Mapping[str, User] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    """Those that the operator made, beside vsm.model.users.BUILT_IN."""
    login_by: LoginBy = LoginBy.LOCAL
    """Who checks passwords of SSH logins."""
    radius: tuple[RadiusServer, ...] = ()
    """In the order in which they are asked; each host once."""
    radius_timeout: int = TIMEOUT
    """Seconds to wait for a server's answer, and how often a question is repeated."""
    radius_retransmit: int = RETRANSMIT
    ssh: bool = True
    """`feature ssh`."""
    banner: str = ""
    """Shown before a login; may have several lines."""
    console_timeout: int = 30
    """Minutes after which an unused local session ends; 0 = never."""
    exec_timeout: int = 30
    """Minutes after which an unused SSH session ends; 0 = never."""
    session_limit: int = 64
    """SSH sessions at a time."""


@dataclass(frozen=True, slots=True)
class Nic:
    """A virtual NIC, wherever it runs; (vm_uuid or vm, index) identify it."""

    vm: str
    index: int = 0
    adapter: str = ""
    vm_uuid: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """Identity: survives migration, re-plugging and rename of the adapter."""
        return (self.vm_uuid or self.vm, self.index)


@dataclass(frozen=True, slots=True)
class MacLease:
    """The address of a NIC in the registry (vsm/model/macs.py)."""

    nic: Nic
    mac: MacAddress
    automatic: bool = False
    """Made here: a copy of the VM gets another one.  False: chosen by hand."""
    duplicate: bool = False
    """Kept by a copy although the original has it; the NIC can't be plugged in while that is so (S-270)."""


class Phase(Enum):
    """Of a vEth on one host; numbers as Port.Phase in types.proto."""

    PREPARED = 0
    ACTIVE = 1
    DRAINING = 2


@dataclass(frozen=True, slots=True)
class Veth:
    """A virtual Ethernet port: the identity everything else hangs on."""

    number: int
    nic: Nic
    mac: MacAddress
    profile: str
    slot: int | None = None
    """Where it lives; None = not plugged anywhere."""
    generation: int = 1
    """Rises with every change of place."""
    policy_id: int = 0
    """Own policy, when the interface has overrides; 0 = the profile's."""


@dataclass(frozen=True, slots=True)
class Module:
    """A VEM or VIS as last seen.  Whether it is connected now is run-time knowledge (vsm/fabric)."""

    slot: int
    host_uuid: str
    host_name: str = ""
    type: str = "VEM"
    engine: str = ""
    version: str = ""
    system: str = ""
    address: str = ""
    max_ports: int = 0
    mobility: str = ""
    """Where frames of moving vEths can be passed on to, ADDRESS:PORT; "" = nowhere."""
    modes: tuple[ModeKind, ...] = ()
    """What it can be beside DVS."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """Ethernet <slot>/<number>."""

    slot: int
    number: int
    adapter: str = ""
    profile: str = ""
    link_up: bool = False
    present: bool = True
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What exists beside the configuration."""

    modules: Mapping[int, Module] = field(default_factory=dict)
    uplinks: Mapping[tuple[int, int], Uplink] = field(default_factory=dict)
    veths: Mapping[int, Veth] = field(default_factory=dict)
    moves: Mapping[int, Move] = field(default_factory=dict)
    past_moves: Mapping[int, PastMove] = field(default_factory=dict)
    """The last that are over, by a number that rises."""
    uplink_policies: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """Own policies of uplinks (slot, number) that have overrides; they outlive the host's reports."""
    channels: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """Port-channel numbers, by slot and the id of the policy that makes the channel (vsm/model/channels.py)."""
    mac_leases: Mapping[tuple[str, int], MacLease] = field(default_factory=dict)
    """By Nic.key."""
    ways: Mapping[int, tuple[Way, ...]] = field(default_factory=dict)
    """To a VIS, by slot of the host."""
    cards: Mapping[int, Card] = field(default_factory=dict)
    """Of hosts in mode NIV, as last seen, by the host's slot."""
    next_policy_id: int = 1
    mobility_secret: str = field(default="", repr=False)
    """Hexadecimal; keys of moves are made of it (vsm/policy/forwarding.py)."""


@dataclass(frozen=True, slots=True)
class State:
    """Config and inventory at one revision, and the configurations kept beside."""

    config: Config = Config()
    inventory: Inventory = Inventory()
    revision: int = 0
    """Rises by one with every stored change."""
    archive: Archive = field(default_factory=Archive)
