"""LACP on this host's uplinks: one LAG for each ethernet profile with `channel-group auto mode active|passive`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dvswitch.lacp_machine import Lacp, PortSettings, PortView, Settings
from dvswitch.mac import MacAddress
from vem.agent.announce import Frame
from vem.agent.uplinks import UplinkStatus
from vem.agent.wanted import Policy, Wanted
from vem.teaming.team import Channel


@dataclass(slots=True)
class _Lag:
    machine: Lacp
    settings: Settings
    ports: set[int]


class LacpSide:
    """The LAGs of one host."""

    def __init__(self, host_uuid: str) -> None:
        digest = hashlib.sha256(f"{host_uuid} lacp".encode()).digest()
        self.system = MacAddress(bytes([0x02]) + digest[:5])
        """What the partner sees as our system id."""
        self._lags: dict[int, _Lag] = {}
        self._uplinks: dict[int, UplinkStatus] = {}

    def configure(self, wanted: Wanted, uplinks: Mapping[int, UplinkStatus], now: float) -> None:
        """The LAGs that are wanted, and how the uplinks are now."""
        self._uplinks = dict(uplinks)
        members: dict[int, set[int]] = {}
        for number, entry in wanted.uplinks.items():
            policy = wanted.policies.get(entry.policy)
            if policy and policy.channel.lacp and number in uplinks and not (entry.shutdown or policy.shutdown):
                members.setdefault(policy.id, set()).add(number)
        for ident in self._lags.keys() - members.keys():
            del self._lags[ident]
        for ident, ports in members.items():
            self._configure(wanted.policies[ident], ports, now)

    def _configure(self, policy: Policy, ports: Collection[int], now: float) -> None:
        active = policy.channel is Channel.ACTIVE
        settings = Settings(self.system, (policy.id - 1) % 65535 + 1, active=active, fast=True, max_members=16)
        lag = self._lags.get(policy.id)
        if lag is None or lag.settings != settings:
            lag = self._lags[policy.id] = _Lag(Lacp(settings), settings, set())
        for number in lag.ports - set(ports):
            lag.machine.remove(number, now)
        for number in set(ports) - lag.ports:
            lag.machine.add(PortSettings(number, self._uplinks[number].mac))
        lag.ports = set(ports)
        for number in ports:
            lag.machine.link(number, self._uplinks[number].link_up, now)

    def receive(self, uplink: int, frame: bytes, now: float) -> None:
        """A slow protocol's frame came in by an uplink."""
        for lag in self._lags.values():
            if uplink in lag.ports:
                lag.machine.receive(uplink, frame, now)

    def to_send(self, now: float) -> list[Frame]:
        """Frames that are due."""
        due = [item for lag in self._lags.values() for item in lag.machine.to_send(now)]
        return [(self._uplinks[number].lport, frame) for number, frame in due]

    def due(self) -> float | None:
        """When to_send() has to be called next."""
        moments = (lag.machine.next_timer() for lag in self._lags.values())
        return min((moment for moment in moments if moment is not None), default=None)

    def members(self) -> frozenset[int]:
        """Uplinks that collect and distribute."""
        return frozenset(number for lag in self._lags.values() for number in lag.machine.members())

    def view(self, now: float) -> list[tuple[int, PortView]]:
        """Policy id of the ethernet profile and state, for every port."""
        return [(ident, port) for ident, lag in sorted(self._lags.items()) for port in lag.machine.view(now)]


__all__ = ["LacpSide"]
