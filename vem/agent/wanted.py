"""What the supervisor wants this module to be, as values, and how Updates change it.

Pure.  convert.py translates from and to the protocol, compile.py turns a Wanted into a datapath Image, state.py keeps
the last committed one over restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from dvswitch.lldp_agent import Mode
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vem.datapath.image import Storm
from vem.discovery.uplinks import CDP_TIMES, LLDP_TIMES, Times
from vem.teaming.health import UP_DELAY
from vem.teaming.team import Balance, Channel, Rules


class Phase(Enum):
    """Of a vEth on this host; numbers as Port.Phase in types.proto."""

    PREPARED = 0
    ACTIVE = 1
    DRAINING = 2


@dataclass(frozen=True, slots=True)
class Nic:
    """A virtual NIC, wherever it runs."""

    vm: str
    index: int = 0
    vm_uuid: str = ""
    adapter: str = ""

    def same(self, other: Nic) -> bool:
        """Whether both name the same NIC: by the VM's UUID where both know it, else by its name."""
        if self.index != other.index:
            return False
        if self.vm_uuid and other.vm_uuid:
            return self.vm_uuid == other.vm_uuid
        return bool(self.vm) and self.vm == other.vm

    def __str__(self) -> str:
        return f"{self.vm or self.vm_uuid} nic {self.index}"


@dataclass(frozen=True, slots=True)
class Switch:
    """types.proto Switch."""

    name: str = ""
    domain: int = 0
    mtu: int = 1500
    keep_priority_tag: bool = False
    snooping: bool = False
    querier_interval: float = 125.0
    """Seconds."""
    up_delay: float = UP_DELAY
    """Seconds."""
    mac_age: float = 0.0
    """Seconds (S-069); 0 = as the host is configured."""
    cdp: Mode = Mode.NONE
    lldp: Mode = Mode.NONE
    cdp_times: Times = CDP_TIMES
    lldp_times: Times = LLDP_TIMES
    wire: bytes = field(default=b"", repr=False)
    """The message as it came: digest and state file are made of it, so that nothing a newer VSM said is lost."""


@dataclass(frozen=True, slots=True)
class Policy:
    """types.proto Policy."""

    id: int
    profile: str = ""
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
    limit_allow: bool = False
    storm: Storm = Storm()
    team: Rules = Rules()
    bpdu: bool = False
    channel: Channel = Channel.NONE
    balance: Balance = Balance.PORT_ID
    """Of an ethernet profile; see Rules.balance for the ports' own."""
    wire: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"policy {self.id} ({self.profile})"


@dataclass(frozen=True, slots=True)
class Forward:
    """types.proto Forward."""

    id: int
    key: bytes = field(repr=False)
    """16 bytes."""
    seconds: float
    peer: tuple[str, int] | None = None
    """Where the target listens; None: this host is the target."""


@dataclass(frozen=True, slots=True)
class Port:
    """types.proto Port."""

    veth: int
    policy: int
    mac: MacAddress
    nic: Nic
    generation: int = 0
    phase: Phase = Phase.ACTIVE
    shutdown: bool = False
    announce: bool = False
    forward: Forward | None = None
    """Frames for the moving vEth are passed on."""
    wire: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"vethernet {self.veth}"


@dataclass(frozen=True, slots=True)
class Uplink:
    """types.proto Uplink."""

    number: int
    policy: int = 0
    shutdown: bool = False
    no_cdp: bool = False
    wire: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"ethernet {self.number}"


class ModeKind(Enum):
    """Who switches the host's frames; numbers as Mode.Kind in types.proto."""

    DVS = 0
    NIV = 1
    VEPA = 2


class Tagging(Enum):
    """What frames carry between the host and its VIS; numbers as Mode.Tagging in types.proto."""

    NONE = 0
    VNTAG = 1
    ETAG = 2


@dataclass(frozen=True, slots=True)
class HostMode:
    """types.proto Mode."""

    kind: ModeKind = ModeKind.DVS
    tagging: Tagging = Tagging.NONE
    wire: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return f"mode ({self.kind.name.lower()})"


@dataclass(frozen=True, slots=True)
class Remove:
    """One of Change.remove_port, remove_policy, remove_uplink."""

    kind: str
    """"port", "policy" or "uplink"."""
    key: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that can't be done, for fabric.proto Refuse."""

    object: str
    reason: str


Change = Switch | Policy | Port | Uplink | HostMode | Remove | Refusal
"""One change of an Update; a Refusal stands for a change that was malformed."""


@dataclass(frozen=True, slots=True)
class Update:
    """fabric.proto Update."""

    revision: int
    changes: tuple[Change, ...] = ()
    snapshot: bool = False
    commit: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything wanted, at one revision."""

    revision: int = 0
    switch: Switch | None = None
    policies: Mapping[int, Policy] = field(default_factory=dict)
    ports: Mapping[int, Port] = field(default_factory=dict)
    """By vEth number."""
    uplinks: Mapping[int, Uplink] = field(default_factory=dict)
    """By number."""
    mode: HostMode = HostMode()
    refusals: tuple[Refusal, ...] = ()
    """What was malformed since the last snapshot and is therefore missing here."""

    def port_of(self, nic: Nic) -> Port | None:
        """The vEth of a NIC; the one with the highest generation if there are several."""
        found = [port for port in self.ports.values() if port.nic.same(nic)]
        return max(found, key=lambda port: port.generation, default=None)

    def profile_of(self, port: Port) -> str:
        """Name of the profile behind a port's policy; "" if that is not known."""
        policy = self.policies.get(port.policy)
        return policy.profile if policy else ""


class Staging:
    """Holds the committed Wanted and collects Updates until one commits."""

    def __init__(self, committed: Wanted | None = None) -> None:
        self.told = committed or Wanted()
        """What the supervisor said."""
        self.committed = self.told
        """What the agent works with: the same, unless somebody dresses it (vem/niv/dress.py)."""
        self.dress: Callable[[Wanted], Wanted] = lambda told: told
        self._staged: Wanted | None = None

    def refresh(self) -> None:
        """What is told is the same, but would be dressed otherwise."""
        self.committed = self.dress(self.told)

    def take(self, update: Update) -> bool:
        """Apply an Update to what is staged; True when it committed and ``committed`` is new."""
        base = self._staged or self.told
        if update.snapshot:
            base = Wanted()
        staged = apply_update(base, update)
        self._staged = None if update.commit else staged
        if update.commit:
            self.told = staged
            self.refresh()
        return update.commit

    def forget_staged(self) -> None:
        """The session was lost: what was not committed never will be."""
        self._staged = None


def apply_update(wanted: Wanted, update: Update) -> Wanted:
    """``wanted`` with the changes of ``update``, in their order."""
    switch, mode = wanted.switch, wanted.mode
    policies, ports, uplinks = dict(wanted.policies), dict(wanted.ports), dict(wanted.uplinks)
    removable: Mapping[str, dict[int, Policy] | dict[int, Port] | dict[int, Uplink]]
    removable = {"policy": policies, "port": ports, "uplink": uplinks}
    refusals: list[Refusal] = []
    for change in update.changes:
        match change:
            case Switch():
                switch = change
            case Policy():
                policies[change.id] = change
            case Port():
                ports[change.veth] = change
            case Uplink():
                uplinks[change.number] = change
            case HostMode():
                mode = change
            case Remove(kind, key):
                removable[kind].pop(key, None)
            case Refusal():
                refusals.append(change)
    refused = _merge_refusals(wanted.refusals, update.changes, refusals)
    return replace(
        wanted,
        revision=update.revision,
        switch=switch,
        policies=policies,
        ports=ports,
        uplinks=uplinks,
        mode=mode,
        refusals=refused,
    )


def _merge_refusals(
    old: tuple[Refusal, ...], changes: tuple[Change, ...], new: Iterable[Refusal]
) -> tuple[Refusal, ...]:
    """A refusal stands until the same object is set again."""
    settled = {
        str(change).partition(" (")[0] for change in changes if not isinstance(change, Refusal | Remove | Switch)
    }
    settled |= {_removed_name(change) for change in changes if isinstance(change, Remove)}
    merged = {refusal.object: refusal for refusal in old if refusal.object.partition(" (")[0] not in settled}
    merged.update((refusal.object, refusal) for refusal in new)
    return tuple(merged.values())


def _removed_name(change: Remove) -> str:
    return {"port": "vethernet", "policy": "policy", "uplink": "ethernet"}[change.kind] + f" {change.key}"


__all__ = [
    "Change",
    "HostMode",
    "ModeKind",
    "Nic",
    "Phase",
    "Policy",
    "Port",
    "Refusal",
    "Remove",
    "Staging",
    "Switch",
    "Tagging",
    "Update",
    "Uplink",
    "Wanted",
    "apply_update",
]
