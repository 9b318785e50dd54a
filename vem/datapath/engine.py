"""The one interface in front of both engines.

kernel.py (eBPF in the kernel) and user.py (a thread in this process) implement it; the agent, the modelled physical
switch and the packet rows know nothing else.  All calls are made from one control thread and return quickly; none
disturbs forwarding of what it does not change.  Engines raise EngineError.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dvswitch.errors import DvsError
from dvswitch.mac import MacAddress
from vem.datapath.image import Control, Counters, Fate, Group, Image, LearnedMac, Policy, Port, PuntedFrame, Team
from vem.datapath.watch import Capture, CapturedFrame, CaptureState, LastDrop, Trace

ListChanges = Mapping[int, tuple[int, ...] | None]
"""VLAN -> receivers, or None to remove the list."""
NO_LISTS: ListChanges = MappingProxyType({})


class EngineError(DvsError):
    """The engine could not do it; the subject names the port or table."""


@dataclass(frozen=True, slots=True)
class Plug:
    """Where a NIC is plugged in.  Exactly one of device and wire is used, by ``kind``."""

    kind: str
    """"tap", "veth", "raw" (a netdevice), "wire" (datagrams), "pair" (a socket pair of this process; device is the
    descriptor of one end) or "memory" (tests); the last three: user engine only."""
    device: str = ""
    netns: str = ""
    """Name under /run/netns; "" = the agent's own."""
    local: str = ""
    """wire: "unix:/path" or "udp:address:port" to receive on."""
    remote: str = ""
    """wire: where to send."""


class Engine(abc.ABC):
    """A running datapath of one switch on one host."""

    kind: str
    """"kernel" or "user"."""
    prompt: bool = False
    """Edits of a few table entries wait for nothing that takes long: not for the kernel, and not for other threads."""
    incarnation: str
    """Changes whenever counters restarted from zero; survives adoption in the kernel engine."""

    # --- NICs -----------------------------------------------------------------------------------------------
    @abc.abstractmethod
    def plug(self, lport: int, plug: Plug) -> None:
        """Start taking frames from the NIC as ``lport``.  The port's table entry decides what happens to them.

        Plugging what is already plugged the same way (adoption) is a no-op that loses no frame.
        """

    @abc.abstractmethod
    def unplug(self, lport: int) -> None:
        """Stop; idempotent.  Leaves the NIC itself as it was found."""

    @abc.abstractmethod
    def plugged(self) -> Mapping[int, Plug]:
        """What is plugged, by lport (after adoption: as far as it can be read back)."""

    @abc.abstractmethod
    def link_up(self, lport: int) -> bool:
        """Carrier of the plugged NIC; wires and memory are always up."""

    @abc.abstractmethod
    def emit(self, lport: int, frame: bytes) -> None:
        """Send a frame of the agent's own (RARP, probe) out of a port, as given, outside the pipeline."""

    # --- tables ---------------------------------------------------------------------------------------------
    def set_image(self, image: Image) -> bool:
        """All tables at once, for an engine that is a part of another and works out the steps by itself.  False: it is
        none, and takes steps (plan.py)."""
        return False

    @abc.abstractmethod
    def set_config(self, control: Control, policies: Mapping[int, Policy], teams: Mapping[int, Team]) -> None:
        """Replace control, all policies and all teams at one instant."""

    @abc.abstractmethod
    def set_port(self, lport: int, port: Port | None) -> None:
        """Write or remove one port entry.  Counters of the lport are kept until clear_counters."""

    @abc.abstractmethod
    def set_static_macs(self, entries: Mapping[MacAddress, int | None]) -> None:
        """Write (lport) or remove (None) static MAC entries."""

    @abc.abstractmethod
    def set_members(self, members: ListChanges, unknown: ListChanges, promiscuous: ListChanges = NO_LISTS) -> None:
        """Replace or remove (None) receiver lists, each list whole, by VLAN."""

    @abc.abstractmethod
    def set_groups(self, groups: Mapping[Group, tuple[int, ...] | None]) -> None:
        """Register multicast groups with their receivers, each list whole, or remove them (None)."""

    @abc.abstractmethod
    def set_vif_lists(self, lists: Mapping[tuple[int, int], tuple[int, ...] | None]) -> None:
        """Replace or remove (None) lists of VIFs, each whole, by (lport of the link, number).  A list must be there
        before a member list refers to it, and then no other link may have one of its number; else EngineError."""

    @abc.abstractmethod
    def image(self) -> Image:
        """Read the tables back (without learned MACs)."""

    # --- what the datapath saw ------------------------------------------------------------------------------
    @abc.abstractmethod
    def learned(self) -> list[LearnedMac]:
        """The learned part of the MAC table."""

    @abc.abstractmethod
    def remember(self, macs: Iterable[LearnedMac]) -> None:
        """Enter learned MACs as if their ports had just sent a frame from them (a VM brought them along); one that is
        known already, or finds no room, is left as it is."""

    @abc.abstractmethod
    def forget(self, macs: Iterable[LearnedMac]) -> None:
        """Remove learned entries (ageing, flush); those already gone are ignored."""

    @abc.abstractmethod
    def learned_counts(self) -> dict[int, int]:
        """How many MACs each port has learned, as the datapath counts them for mac_limit; zeroes left out."""

    @abc.abstractmethod
    def counters(self, lports: Iterable[int] | None = None) -> dict[int, Counters]:
        """Counters of these lports (default: of all ports in use)."""

    @abc.abstractmethod
    def clear_counters(self, lport: int) -> None:
        """Back to zero: the lport gets a new owner."""

    @abc.abstractmethod
    def punted(self) -> list[PuntedFrame]:
        """Take the frames that wait for the agent, oldest first; returns at once.  A port gets so many told a second
        (1000 an uplink, 100 others), in bursts of 64; the rest is counted in punts_lost()."""

    @abc.abstractmethod
    def event_fd(self) -> int:
        """A descriptor that is readable (poll, epoll, asyncio's add_reader) while punted() has something to give.
        Belongs to the engine: don't read from it, don't close it."""

    @abc.abstractmethod
    def punts_lost(self) -> int:
        """Frames that the agent should have seen but did not, since the engine was opened: a port sent too many, or
        nobody took them."""

    @abc.abstractmethod
    def test(self, lport: int, frame: bytes, gso: int = 0) -> Fate:
        """Run one frame through the loaded pipeline as if it came from ``lport``, counting and learning, delivering
        nothing.  ``gso``: segment payload bytes when the frame is a superframe."""

    @abc.abstractmethod
    def trace(self, lport: int, frame: bytes, gso: int = 0) -> Trace:
        """What the loaded pipeline would do with the frame, step by step; changes nothing at all."""

    @abc.abstractmethod
    def capture(self, capture: Capture | None) -> None:
        """Begin to tell of frames, or end it (None).  One capture at a time: a new one replaces the old."""

    @abc.abstractmethod
    def captured(self) -> list[CapturedFrame]:
        """Take what was captured, in the order of time on each CPU; returns at once."""

    @abc.abstractmethod
    def capture_fd(self) -> int:
        """Readable while captured() has something to give; see event_fd()."""

    @abc.abstractmethod
    def capture_state(self) -> CaptureState:
        """How the capture in force stands; (0, 0) when there is none."""

    @abc.abstractmethod
    def last_drops(self, lports: Iterable[int] | None = None) -> list[LastDrop]:
        """The last frame dropped at each port for each reason (default: of all ports); by lport, then newest first.
        Gone with clear_counters."""

    # --- life -----------------------------------------------------------------------------------------------
    def tidy(self, now: float) -> None:  # noqa: B027 - most engines have nothing to tidy
        """Housekeeping that no frame waits for; to be called every few seconds (``now``: time.monotonic())."""

    @abc.abstractmethod
    def close(self, keep: bool) -> None:
        """Let go.  keep: leave the datapath running if it can run without us (kernel engine); else remove it all."""


__all__ = ["NO_LISTS", "Engine", "EngineError", "ListChanges", "Plug"]
