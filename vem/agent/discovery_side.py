"""LLDP and CDP on this host's uplinks, as the switch's configuration says (S-220); the cores are vem/discovery/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from dvswitch import __version__
from dvswitch.lldp_agent import Neighbour
from dvswitch.mac import MacAddress
from vem.agent.announce import Frame
from vem.agent.uplinks import UplinkStatus
from vem.agent.wanted import Policy, Wanted
from vem.discovery.uplinks import Discovery, Host, Protocol, Uplink

PLATFORM = "dvswitch"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What is known of the host when the agent starts."""

    name: str
    system: str = ""
    """"Linux 6.1.0-28-amd64"."""
    address: str = ""
    """To reach it by; "" or no IP address: not told."""


class DiscoverySide:
    """The neighbours of one host."""

    def __init__(self, facts: HostFacts, chassis: MacAddress) -> None:
        system = f" on {facts.system}" if facts.system else ""
        description = f"dvswitch {__version__}{system}"
        self._host = Host(chassis, facts.name or str(chassis), description, PLATFORM, _address(facts.address))
        self._core = Discovery()
        self._lports: dict[int, int] = {}

    def configure(
        self, wanted: Wanted, uplinks: Mapping[int, UplinkStatus], lacp_members: frozenset[int], now: float
    ) -> None:
        """What is wanted, and how the uplinks are now.  An uplink that is shut down is silent."""
        switch = wanted.switch
        modes = {Protocol.LLDP: switch.lldp, Protocol.CDP: switch.cdp} if switch else {}
        times = {Protocol.LLDP: switch.lldp_times, Protocol.CDP: switch.cdp_times} if switch else {}
        told = []
        for number, status in uplinks.items():
            self._lports[number] = status.lport
            entry = wanted.uplinks.get(number)
            if status.present and not (entry and entry.shutdown):
                policy = wanted.policies.get(entry.policy) if entry else None
                uplink = _uplink(wanted, status, policy, number in lacp_members)
                told.append(replace(uplink, cdp=not (entry and entry.no_cdp)))
        self._core.configure(modes, self._host, told, now, times)

    def receive(self, uplink: int, frame: bytes, now: float) -> None:
        """A control frame came in by an uplink."""
        self._core.receive(uplink, frame, now)

    def to_send(self, now: float) -> list[Frame]:
        """Frames that are due."""
        return [(self._lports[number], frame) for number, frame in self._core.to_send(now)]

    def due(self) -> float | None:
        """When to_send() has to be called next."""
        return self._core.due()

    def farewells(self, now: float) -> list[Frame]:
        """What the neighbours are to hear when the host's switch goes away (S-222)."""
        self._core.shut_down()
        return self.to_send(now)

    def neighbours(self, now: float) -> list[tuple[Protocol, Neighbour]]:
        """Who is there."""
        return self._core.neighbours(now)


def _uplink(wanted: Wanted, status: UplinkStatus, policy: Policy | None, aggregated: bool) -> Uplink:
    switch, number = wanted.switch, status.config.number
    lag = policy is not None and policy.channel.lag
    return Uplink(
        number,
        status.mac,
        status.config.adapter,
        f"{switch.name if switch else PLATFORM} uplink {number}",
        status.link_up,
        native_vlan=policy.vlan if policy else 0,
        mtu=(policy.mtu if policy else 0) or (switch.mtu if switch else 1500),
        lag=policy.id if policy and lag else 0,
        aggregated=bool(lag and policy and (aggregated or not policy.channel.lacp)),
    )


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


__all__ = ["DiscoverySide", "HostFacts"]
