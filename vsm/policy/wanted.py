"""What one module should have: the value that vsm/policy/compile.py computes and vsm/fabric pushes by difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vsm.model.state import Nic, Phase


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


@dataclass(frozen=True, slots=True)
class UplinkSpec:
    """An uplink of this module: types.proto Uplink."""

    number: int
    policy: int
    shutdown: bool = False


@dataclass(frozen=True, slots=True)
class SwitchSpec:
    """Whole-switch settings: types.proto Switch."""

    name: str
    domain: int
    mtu: int = 1500
    keep_priority_tag: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of it."""

    switch: SwitchSpec
    policies: Mapping[int, PolicySpec] = field(default_factory=dict)
    ports: Mapping[int, PortSpec] = field(default_factory=dict)
    uplinks: Mapping[int, UplinkSpec] = field(default_factory=dict)
