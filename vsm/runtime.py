"""What is observed, beside the stored State: connections, counters, learned MACs.  It is never configuration.

The fabric (vsm/fabric) implements Runtime; show commands and the manager API read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dvswitch.mac import MacAddress
from vsm.observed import ChannelStatus, ManagerStatus, Neighbor, NivLink, SessionCounts


@dataclass(slots=True)
class Counters:
    """Totals of a port over every place it has been; directions from the switch (rx = from the VM)."""

    rx_frames: int = 0
    rx_bytes: int = 0
    rx_multicast: int = 0
    rx_broadcast: int = 0
    rx_forwarded: int = 0
    rx_copies: int = 0
    tx_frames: int = 0
    tx_bytes: int = 0
    tx_multicast: int = 0
    tx_broadcast: int = 0
    tx_flooded: int = 0
    drops_in: dict[str, int] = field(default_factory=dict)
    """By drop-reason name."""
    drops_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModuleStatus:
    """A module's session as it is now."""

    connected: bool
    since: float
    """Unix time of the last change of ``connected``."""
    sent_revision: int = 0
    acked_revision: int = 0
    refusals: tuple[tuple[str, str], ...] = ()
    """(object, reason) the module could not do at acked_revision."""


@dataclass(frozen=True, slots=True)
class PortStatus:
    """A vEth's link and forwarding state as its module reports it."""

    link_up: bool
    forwarding: bool
    pinned_uplink: int = 0


@dataclass(frozen=True, slots=True)
class MacRow:
    """One line of `show mac address-table`."""

    vlan: int
    mac: MacAddress
    static: bool
    age: int
    """Seconds; 0 for static."""
    interface: str
    """"Vethernet5" or "Ethernet3/1"."""
    slot: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something that happened."""

    time: float
    """Unix time."""
    kind: str
    object: str
    what: str
    text: str


class Runtime(Protocol):
    """Observed state, by slot, vEth number or interface name."""

    def module(self, slot: int) -> ModuleStatus | None:
        """None: never seen since this VSM started."""
        ...

    def card(self, slot: int) -> ModuleStatus | None:
        """The session of the module's card (mode NIV); None: never seen since this VSM started."""
        ...

    def links(self, slot: int) -> tuple[NivLink, ...]:
        """The module's ways to a VIS, as far as it told since this VSM started."""
        ...

    def session_counts(self, slot: int) -> SessionCounts:
        """Zeros if the module has not been seen since this VSM started."""
        ...

    def port(self, veth: int) -> PortStatus | None:
        """None: no module reports it."""
        ...

    def counters(self, interface: str) -> Counters:
        """Of "Vethernet5" or "Ethernet3/1"; zeros if never reported."""
        ...

    def learned_macs(self) -> list[MacRow]:
        """Learned addresses of all connected modules."""
        ...

    def channel(self, slot: int, policy: int) -> ChannelStatus | None:
        """A module's channel by the policy that makes it; None: the module has not told of it."""
        ...

    def neighbors(self) -> list[Neighbor]:
        """Neighbours that uplinks have now."""
        ...

    def managers(self) -> list[ManagerStatus]:
        """Hypervisor managers that watch the port groups now, by name."""
        ...

    def recent(self) -> list[LogLine]:
        """The last events, the latest last."""
        ...

    def patience(self) -> Mapping[str, float]:
        """Seconds that a migration may stay in a state, by the state's name."""
        ...

    def uptime(self) -> float:
        """Seconds since this VSM started."""
        ...
