"""Observed state for tests: a Runtime whose answers are set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from vsm.observed import ChannelStatus, ManagerStatus, Neighbor, NivLink, SessionCounts
from vsm.runtime import Counters, LogLine, MacRow, ModuleStatus, PortStatus


@dataclass
class FakeRuntime:
    """Implements vsm.runtime.Runtime."""

    modules: dict[int, ModuleStatus] = field(default_factory=dict)
    ports: dict[int, PortStatus] = field(default_factory=dict)
    totals: dict[str, Counters] = field(default_factory=dict)
    macs: list[MacRow] = field(default_factory=list)
    seconds: float = 0.0
    channels: list[ChannelStatus] = field(default_factory=list)
    neighbours: list[Neighbor] = field(default_factory=list)
    watching: list[ManagerStatus] = field(default_factory=list)
    counted: dict[int, SessionCounts] = field(default_factory=dict)
    log: list[LogLine] = field(default_factory=list)
    cards: dict[int, ModuleStatus] = field(default_factory=dict)
    niv: dict[int, tuple[NivLink, ...]] = field(default_factory=dict)

    def module(self, slot: int) -> ModuleStatus | None:
        return self.modules.get(slot)

    def card(self, slot: int) -> ModuleStatus | None:
        return self.cards.get(slot)

    def links(self, slot: int) -> tuple[NivLink, ...]:
        return self.niv.get(slot, ())

    def session_counts(self, slot: int) -> SessionCounts:
        return self.counted.get(slot, SessionCounts())

    def port(self, veth: int) -> PortStatus | None:
        return self.ports.get(veth)

    def counters(self, interface: str) -> Counters:
        return self.totals.get(interface, Counters())

    def learned_macs(self) -> list[MacRow]:
        return list(self.macs)

    def channel(self, slot: int, policy: int) -> ChannelStatus | None:
        return next((found for found in self.channels if (found.slot, found.policy) == (slot, policy)), None)

    def neighbors(self) -> list[Neighbor]:
        return list(self.neighbours)

    def managers(self) -> list[ManagerStatus]:
        return list(self.watching)

    def recent(self) -> list[LogLine]:
        return list(self.log)

    def patience(self) -> dict[str, float]:
        return {"prepared": 3600.0, "paused": 3.0, "activated": 30.0, "cancelled": 3.0}

    def uptime(self) -> float:
        return self.seconds
