"""Who listens to which multicast group (S-232 to S-239): a table kept by what ports report, and by the clock.

Pure; ``now`` is a monotonic time in seconds, ports are lports.  A port is in a group while one host behind it is;
hosts are told apart by MAC, as behind a bridging guest there may be several.  Sources are counted, not filtered: who
wants a group from one source gets it from all (S-234 beyond ten).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from vem.datapath.image import Group
from vem.snooping.messages import Message, Query, Report, Verb, read

QUERY_INTERVAL = 125.0
"""Seconds between the switch's own queries, unless configured (32..3600)."""
ROBUSTNESS, RESPONSE = 2, 10.0
MAX_SOURCES = 10
"""Sources kept of a host's wish; with more it counts as wishing any (S-234)."""
MAX_GROUPS = 1024
"""Per port; what a port asks beyond is not registered, and so flooded."""
NUDGES = (0.0, 1.0)
"""Seconds after a move at which a port is asked what it listens to (S-156)."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one host behind a port wants of one group."""

    until: float
    sources: frozenset[bytes] | None
    """None: any."""


@dataclass(frozen=True, slots=True)
class Membership:
    """What a port's guests told, for the host where the port goes on."""

    vlan: int
    address: bytes
    """Of the group; empty: a router asked there."""
    host: bytes
    """MAC; empty for a router."""
    left: float
    """Seconds for which it still counts."""
    sources: tuple[bytes, ...] | None = None
    """None: any."""


_Key = tuple[Group, int, bytes]
"""Group, lport, the host's MAC."""


class Snooper:
    """One host's table."""

    def __init__(self) -> None:
        self.interval = QUERY_INTERVAL
        self._wishes: dict[_Key, _Wish] = {}
        self._counts: dict[int, int] = {}
        self._routers: dict[tuple[int, int], float] = {}
        """(VLAN, vNIC's lport) from where a router asked, until when it counts."""
        self._queriers: dict[int, float] = {}
        """VLAN in which somebody else asks, until when."""
        self._asked: dict[int, float] = {}
        self._nudges: list[tuple[float, int]] = []

    @property
    def lifetime(self) -> float:
        """Seconds after which a wish that is not repeated is over (S-233)."""
        return ROBUSTNESS * self.interval + RESPONSE

    def receive(self, port: int, is_uplink: bool, vlan: int, frame: bytes, now: float) -> None:
        """A frame without tag came in by a port."""
        for message in read(frame):
            self._take(port, is_uplink, vlan, frame[6:12], message, now)

    def _take(self, port: int, is_uplink: bool, vlan: int, host: bytes, message: Message, now: float) -> None:
        match message:
            case Query(source):
                if any(source):
                    self._queriers[vlan] = now + self.lifetime
                    if not is_uplink:
                        self._routers[vlan, port] = now + self.lifetime
            case Report(group, verb, sources):
                if not is_uplink and _is_registrable(group):
                    self._report((Group(vlan, group), port, host), verb, frozenset(sources), now)

    def _report(self, key: _Key, verb: Verb, sources: frozenset[bytes], now: float) -> None:
        old = self._wishes.get(key)
        had = old.sources if old else frozenset[bytes]()
        wanted: frozenset[bytes] | None
        match verb:
            case Verb.JOIN:
                wanted = None
            case Verb.ONLY:
                wanted = sources
            case Verb.ALLOW:
                wanted = None if had is None else had | sources
            case Verb.BLOCK:
                wanted = None if had is None else had - sources
        if wanted is not None and len(wanted) > MAX_SOURCES:
            wanted = None
        if wanted is not None and not wanted:
            self._drop(key)
        elif old or self._counts.get(key[1], 0) < MAX_GROUPS:
            self._counts[key[1]] = self._counts.get(key[1], 0) + (old is None)
            self._wishes[key] = _Wish(now + self.lifetime, wanted)

    def _drop(self, key: _Key) -> None:
        if self._wishes.pop(key, None):
            self._counts[key[1]] -= 1

    def expire(self, now: float) -> None:
        """Forget what was not repeated in time."""
        for key in [key for key, wish in self._wishes.items() if wish.until <= now]:
            self._drop(key)
        self._routers = {key: until for key, until in self._routers.items() if until > now}
        self._queriers = {vlan: until for vlan, until in self._queriers.items() if until > now}

    def keep_only(self, ports: Collection[int]) -> None:
        """Forget ports that are gone (S-242)."""
        for key in [key for key in self._wishes if key[1] not in ports]:
            self._drop(key)
        self._routers = {key: until for key, until in self._routers.items() if key[1] in ports}

    def memberships(self, port: int, now: float) -> list[Membership]:
        """All that is known of one port's guests."""
        found = [
            Membership(group.vlan, group.address, host, wish.until - now, _listed(wish.sources))
            for (group, lport, host), wish in self._wishes.items()
            if lport == port and wish.until > now
        ]
        routers = [(vlan, until) for (vlan, lport), until in self._routers.items() if lport == port and until > now]
        return found + [Membership(vlan, b"", b"", until - now) for vlan, until in routers]

    def take_over(self, port: int, memberships: Iterable[Membership], now: float) -> None:
        """What a port's guests told where they ran before; what they have told here since is newer, and stays."""
        for told in memberships:
            until = now + min(told.left, self.lifetime)
            key = Group(told.vlan, told.address), port, told.host
            if not told.address:
                self._routers.setdefault((told.vlan, port), until)
            elif key not in self._wishes and self._counts.get(port, 0) < MAX_GROUPS:
                self._counts[port] = self._counts.get(port, 0) + 1
                self._wishes[key] = _Wish(until, None if told.sources is None else frozenset(told.sources))

    def groups(self) -> dict[Group, tuple[int, ...]]:
        """Ports by group; routers among the guests hear every group of their VLAN (RFC 4541)."""
        found: dict[Group, set[int]] = {}
        for group, port, _ in self._wishes:
            found.setdefault(group, set()).add(port)
        for vlan, port in self._routers:
            for group, ports in found.items():
                if group.vlan == vlan:
                    ports.add(port)
        return {group: tuple(sorted(ports)) for group, ports in found.items()}

    # --- queries ------------------------------------------------------------------------------------------------

    def nudge(self, moved: Iterable[int], arrived: Iterable[int], now: float) -> None:
        """Ports whose uplink has changed: those in groups are asked to tell again (S-156).  So are ports that are new
        here, as their guests may have joined where they ran before."""
        in_groups = {port for _, port, _ in self._wishes}
        ports = in_groups.intersection(moved).union(arrived)
        self._nudges += [(now + after, port) for port in sorted(ports) for after in NUDGES]

    def nudged(self, ports: Mapping[int, Collection[int]], now: float) -> list[tuple[int, int]]:
        """(lport, VLAN) of the general queries that are due after moves; ``ports``: VLANs of each vNIC."""
        due = [(port, vlan) for moment, port in self._nudges if moment <= now for vlan in ports.get(port, ())]
        self._nudges = [nudge for nudge in self._nudges if nudge[0] > now]
        return list(dict.fromkeys(due))

    def to_ask(self, ports: Mapping[int, Collection[int]], now: float) -> list[tuple[int, int]]:
        """(lport, VLAN) of the general queries that are due in VLANs where nobody else asks (S-235)."""
        due: list[tuple[int, int]] = []
        for vlan in sorted({vlan for vlans in ports.values() for vlan in vlans}):
            if vlan not in self._queriers and now - self._asked.get(vlan, float("-inf")) >= self.interval:
                self._asked[vlan] = now
                due += [(port, vlan) for port, vlans in ports.items() if vlan in vlans]
        return due


def _listed(sources: frozenset[bytes] | None) -> tuple[bytes, ...] | None:
    return None if sources is None else tuple(sorted(sources))


def _is_registrable(group: bytes) -> bool:
    """224.0.0.0/24 and link-local IPv6 groups are flooded always (S-237)."""
    if len(group) == 4:
        return 224 <= group[0] <= 239 and group[:3] != b"\xe0\0\0"
    return group[0] == 0xFF and group[1] & 15 > 2


__all__ = ["MAX_SOURCES", "QUERY_INTERVAL", "Membership", "Snooper"]
