"""What one module should have: the value that vsm/policy/compile.py computes and vsm/fabric pushes by difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dvswitch.lldp_agent import Mode
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vsm.model.niv import DVS, HostMode
from vsm.model.settings import ChannelMode, Settings, TeamMethod
from vsm.model.state import Nic, Phase

ALL_VLANS = VlanSet.all() | VlanSet.of([0])
"""Untagged frames included."""


@dataclass(frozen=True, slots=True)
class StormSpec:
    """Frames a second that a port may send of each kind, 0 = no limit: types.proto Storm."""

    broadcast: int = 0
    multicast: int = 0
    unknown_unicast: int = 0


@dataclass(frozen=True, slots=True)
class TeamSpec:
    """How the ports of a vethernet policy use the host's uplinks: types.proto Team."""

    method: TeamMethod = TeamMethod.PORT_ID
    active: tuple[int, ...] = ()
    standby: tuple[int, ...] = ()
    unused: tuple[int, ...] = ()
    failback: bool = True
    notify: bool = True
    beacon: bool = False
    pin: int | None = None
    """Sub-group."""
    pin_backup: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A profile (or a port with overrides) evaluated: types.proto Policy."""

    id: int
    profile: str
    trunk: bool = False
    vlan: int = 0
    allowed: VlanSet = VlanSet()
    shutdown: bool = False
    forged_transmits: bool = False
    mac_changes: bool = False
    mac_learning: bool = False
    unknown_flood: bool = False
    mac_limit: int = 0
    mtu: int = 0
    promiscuous: bool = False
    mac_limit_allow: bool = False
    bpdu: bool = False
    """Guests may send BPDUs."""
    storm: StormSpec = StormSpec()
    team: TeamSpec = TeamSpec()
    """Type vethernet."""
    channel: ChannelMode = ChannelMode.NONE
    """Type ethernet."""
    layers: tuple[tuple[str, Settings], ...] = ()
    """Who says what, nearest first: ("port-profile WEB", what it says); "" is the switch."""
    blocked: tuple[str, str] = ("", "")
    """What blocks the ports whatever the layers say, as ("port-profile WEB", "no state enabled")."""


@dataclass(frozen=True, slots=True)
class ForwardSpec:
    """types.proto Forward."""

    id: int
    key: bytes = field(repr=False)
    seconds: int
    peer: str = ""
    """To the source: where the target listens."""


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A vEth on this module: types.proto Port."""

    veth: int
    policy: int
    mac: MacAddress
    nic: Nic
    generation: int
    phase: Phase
    shutdown: bool = False
    announce: bool = False
    forward: ForwardSpec | None = None
    """While it moves: how its frames are passed on."""


@dataclass(frozen=True, slots=True)
class UplinkSpec:
    """An uplink of this module: types.proto Uplink."""

    number: int
    policy: int
    shutdown: bool = False
    no_cdp: bool = False


@dataclass(frozen=True, slots=True)
class SwitchSpec:
    """Whole-switch settings: types.proto Switch."""

    name: str
    domain: int
    mtu: int = 1500
    keep_priority_tag: bool = False
    snooping: bool = False
    query_interval: int = 125
    up_delay: int = 100
    mac_aging: int = 0
    cdp: Mode = Mode.NONE
    lldp: Mode = Mode.NONE
    cdp_timer: int = 60
    cdp_hold: int = 180
    lldp_timer: int = 30
    lldp_hold: int = 120


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of it."""

    switch: SwitchSpec
    policies: Mapping[int, PolicySpec] = field(default_factory=dict)
    ports: Mapping[int, PortSpec] = field(default_factory=dict)
    uplinks: Mapping[int, UplinkSpec] = field(default_factory=dict)
    mode: HostMode = DVS
