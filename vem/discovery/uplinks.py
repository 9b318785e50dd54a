"""LLDP and CDP on the uplinks of one host (S-220 to S-224): each uplink speaks for itself, whatever team it is in.

The behaviour is dvswitch.lldp_agent, once per protocol; here is what a host says of itself, and which protocol a frame
belongs to.  vem/agent/discovery_side.py ties this to frames, uplinks and configuration.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from dvswitch import cdp, lldp
from dvswitch.cdp import Ability, Announcement
from dvswitch.lldp import Advertisement, Capability, Management
from dvswitch.lldp_agent import CDP, CDP_INTERVAL, CDP_TTL, INTERVAL, TTL, LldpAgent, Mode, Neighbour
from dvswitch.mac import MacAddress

_HEADER_AND_FCS = 18
_MAX_TEXT = 255
"""Bytes of a text in either protocol."""


class Protocol(Enum):
    """By which neighbours find each other; numbers as Neighbor.Protocol in fabric.proto."""

    LLDP = 0
    CDP = 1


@dataclass(frozen=True, slots=True)
class Host:
    """What a host says of itself on every uplink."""

    chassis: MacAddress
    name: str
    description: str
    platform: str
    address: IPv4Address | IPv6Address | None = None
    """To manage it by."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """What a host says of one uplink."""

    number: int
    mac: MacAddress
    adapter: str
    description: str
    up: bool
    native_vlan: int = 0
    """0: it takes no untagged frames."""
    mtu: int = 1500
    lag: int = 0
    """Number by which the LAG that it belongs to is known; 0: none."""
    aggregated: bool = False
    """The LAG uses it."""
    cdp: bool = True
    """False: CDP is neither heard nor said here."""


@dataclass(frozen=True, slots=True)
class Times:
    """Of a protocol, in seconds."""

    interval: float
    """Between two announcements of an uplink."""
    hold: int
    """How long neighbours may believe one."""


LLDP_TIMES, CDP_TIMES = Times(INTERVAL, TTL), Times(CDP_INTERVAL, CDP_TTL)


def advertisement(host: Host, uplink: Uplink, hold: int = TTL) -> Advertisement:
    """What LLDP says."""
    return Advertisement(
        chassis=host.chassis,
        port=_cut(uplink.adapter),
        ttl=hold,
        port_description=_cut(uplink.description),
        system_name=_cut(host.name),
        system_description=_cut(host.description),
        capabilities=Capability.BRIDGE,
        enabled=Capability.BRIDGE,
        management=_management(host),
        native_vlan=uplink.native_vlan,
        aggregation=(3 if uplink.aggregated else 1, uplink.lag) if uplink.lag else None,
        max_frame=uplink.mtu + _HEADER_AND_FCS,
    )


def announcement(host: Host, uplink: Uplink, hold: int = CDP_TTL) -> Announcement:
    """What CDP says."""
    return Announcement(
        chassis=_cut(host.name),
        port=_cut(uplink.adapter),
        ttl=hold,
        system_name=_cut(host.name),
        system_description=_cut(host.description),
        management=_management(host),
        native_vlan=uplink.native_vlan,
        abilities=Ability.SWITCH,
        platform=_cut(host.platform),
        full_duplex=True,
        mtu=uplink.mtu,
    )


def _management(host: Host) -> tuple[Management, ...]:
    return (Management(host.address),) if host.address else ()


def _cut(text: str) -> str:
    """As much of a text as fits."""
    return text.encode()[:_MAX_TEXT].decode(errors="ignore")


class Discovery:
    """Both protocols on all uplinks of a host.  ``now`` is any clock that never goes back."""

    def __init__(self) -> None:
        self._agents = {
            Protocol.LLDP: LldpAgent(Mode.NONE, INTERVAL),
            Protocol.CDP: LldpAgent(Mode.NONE, CDP_INTERVAL, CDP),
        }
        self._known: dict[Protocol, set[int]] = {protocol: set() for protocol in Protocol}

    def configure(
        self,
        modes: Mapping[Protocol, Mode],
        host: Host,
        uplinks: Collection[Uplink],
        now: float,
        times: Mapping[Protocol, Times] | None = None,
    ) -> None:
        """What is wanted, and how the uplinks are now; those that are not named any more say goodbye (S-222)."""
        for protocol, agent in self._agents.items():
            lldp_is_it = protocol is Protocol.LLDP
            usual = LLDP_TIMES if lldp_is_it else CDP_TIMES
            timing = (times or {}).get(protocol, usual)
            concerned = [uplink for uplink in uplinks if lldp_is_it or uplink.cdp]
            numbers = {uplink.number for uplink in concerned}
            agent.set_mode(modes.get(protocol, Mode.NONE), now)
            agent.set_interval(timing.interval, now)
            for gone in self._known[protocol] - numbers:
                agent.remove(gone)
            for uplink in concerned:
                tell = advertisement if lldp_is_it else announcement
                agent.set_port(uplink.number, uplink.mac, tell(host, uplink, timing.hold), now)
                agent.link(uplink.number, uplink.up, now)
            self._known[protocol] = numbers

    def receive(self, uplink: int, frame: bytes, now: float) -> None:
        """A control frame came in by an uplink; what is of neither protocol is passed over."""
        if frame[12:14] == lldp.ETHERTYPE.to_bytes(2, "big"):
            self._agents[Protocol.LLDP].receive(uplink, frame, now)
        elif cdp.is_cdp(frame):
            self._agents[Protocol.CDP].receive(uplink, frame, now)

    def to_send(self, now: float) -> list[tuple[int, bytes]]:
        """Frames that are due, each with the number of its uplink."""
        return [item for agent in self._agents.values() for item in agent.to_send(now)]

    def due(self) -> float | None:
        """When to_send() has to be called next."""
        moments = (agent.next_timer() for agent in self._agents.values())
        return min((moment for moment in moments if moment is not None), default=None)

    def neighbours(self, now: float) -> list[tuple[Protocol, Neighbour]]:
        """Who is there, by protocol and uplink."""
        return [(protocol, found) for protocol, agent in self._agents.items() for found in agent.neighbours(now)]

    def shut_down(self) -> None:
        """The host goes away (S-222)."""
        for agent in self._agents.values():
            agent.shut_down()


__all__ = [
    "CDP_TIMES",
    "LLDP_TIMES",
    "Discovery",
    "Host",
    "Protocol",
    "Times",
    "Uplink",
    "advertisement",
    "announcement",
]
