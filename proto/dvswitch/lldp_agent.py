"""LLDP's behaviour for all ports of a system, without I/O or clock (S-220 to S-223); and CDP's (S-224), which differs
in its frames and intervals only.

The shell gives received frames, link changes and the time; it sends what to_send() returns and wakes up at
next_timer().  Every physical port speaks for itself, whatever team or LAG it is in (S-221).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from dvswitch import cdp, lldp
from dvswitch.errors import InvalidValue
from dvswitch.lldp import Advertisement
from dvswitch.mac import MacAddress

INTERVAL = 30.0
"""Seconds between two advertisements of a port (S-221)."""
TTL = 120
"""Seconds that neighbours may believe one (S-221)."""
CDP_INTERVAL = 60.0
"""Likewise of CDP (S-224)."""
CDP_TTL = 180
"""Likewise of CDP (S-224)."""
FAST = 1.0
"""Seconds at least between an advertisement and one that goes out early, because somebody new is there (fast start)."""
HURRY = 0.1
"""Likewise when somebody asked for it."""
MAX_NEIGHBOURS = 16
"""Remembered per port; what comes beyond that is counted and ignored."""


class Mode(Enum):
    """What a system does with LLDP (S-220)."""

    NONE = "none"
    LISTEN = "listen"
    ADVERTISE = "advertise"
    BOTH = "both"

    @property
    def speaks(self) -> bool:
        """Whether advertisements go out."""
        return self in (Mode.ADVERTISE, Mode.BOTH)

    @property
    def hears(self) -> bool:
        """Whether neighbours are remembered."""
        return self in (Mode.LISTEN, Mode.BOTH)


@dataclass(frozen=True, slots=True)
class Codec:
    """A protocol's frames."""

    encode: Callable[[MacAddress, Any], bytes]
    decode: Callable[[bytes], Advertisement]
    """InvalidValue: malformed."""


LLDP = Codec(lldp.encode, lldp.decode)
CDP = Codec(cdp.encode, cdp.decode)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Who is at the other end of a port."""

    port: int
    """Ours."""
    source: MacAddress
    told: Advertisement
    heard: float
    """When, by the shell's clock."""

    @property
    def expires(self) -> float:
        """The instant from which it is forgotten (S-223)."""
        return self.heard + self.told.ttl


@dataclass(slots=True)
class Counts:
    """What a port saw of LLDP."""

    sent: int = 0
    received: int = 0
    malformed: int = 0
    expired: int = 0
    ignored: int = 0
    """Neighbours beyond MAX_NEIGHBOURS."""


@dataclass(slots=True)
class _Port:
    source: MacAddress
    told: Advertisement
    counts: Counts
    link_up: bool = False
    next_send: float = math.inf
    last_sent: float = -math.inf


class LldpAgent:
    """LLDP on the ports of one system, or with ``codec`` CDP (which is told cdp.Announcements).  All methods take
    ``now`` in seconds of any clock that never goes back."""

    def __init__(self, mode: Mode = Mode.BOTH, interval: float = INTERVAL, codec: Codec = LLDP) -> None:
        self._mode = mode
        self._codec = codec
        self._interval = interval
        self._ports: dict[int, _Port] = {}
        self._farewells: list[tuple[int, bytes]] = []
        self._neighbours: dict[tuple[int, object, object], Neighbour] = {}

    def set_mode(self, mode: Mode, now: float) -> None:
        """What the system does from now on; neighbours hear when it falls silent, and are forgotten when it is deaf."""
        if mode is self._mode:
            return
        if not mode.speaks:
            for number, port in self._ports.items():
                self._say_farewell(number, port)
        began = mode.speaks and not self._mode.speaks
        self._mode = mode
        for port in self._ports.values():
            if began or not mode.speaks:
                port.next_send = self._first(port, now)
        if not mode.hears:
            self._neighbours.clear()

    def set_interval(self, interval: float, now: float) -> None:
        """Advertise every ``interval`` seconds from now on."""
        if interval == self._interval:
            return
        self._interval = interval
        for port in self._ports.values():
            if port.next_send != math.inf:
                port.next_send = min(port.next_send, max(now, port.last_sent + interval))

    def set_port(self, port: int, source: MacAddress, told: Advertisement, now: float) -> None:
        """A port, new (its link is down) or with something else to tell, which goes out at once."""
        known = self._ports.get(port)
        if known is None:
            self._ports[port] = _Port(source, told, Counts())
        elif (known.source, known.told) != (source, told):
            if (known.told.chassis, known.told.port) != (told.chassis, told.port):
                self._say_farewell(port, known)
            known.source, known.told = source, told
            known.next_send = self._first(known, now)

    def hurry(self, port: int, now: float) -> None:
        """Somebody asked: advertise on a port at once, but not more often than ten times a second."""
        if (known := self._ports.get(port)) and known.next_send != math.inf:
            known.next_send = min(known.next_send, max(now, known.last_sent + HURRY))

    def remove(self, port: int) -> None:
        """A port goes away: its neighbours hear so (S-222) if the shell sends what to_send() returns; idempotent."""
        known = self._ports.pop(port, None)
        if known is not None:
            self._say_farewell(port, known)
            self._forget(port)

    def shut_down(self) -> None:
        """All ports go away (S-222)."""
        for port in list(self._ports):
            self.remove(port)

    def link(self, port: int, up: bool, now: float) -> None:
        """The port's link came or went; without it nobody is there."""
        known = self._ports[port]
        if known.link_up == up:
            return
        known.link_up = up
        known.next_send = self._first(known, now)
        if not up:
            self._forget(port)

    def receive(self, port: int, frame: bytes, now: float) -> None:
        """A frame to LLDP's address came in by ``port``; malformed ones are discarded and counted (S-223)."""
        known = self._ports.get(port)
        if known is None or not known.link_up or not self._mode.hears:
            return
        try:
            told = self._codec.decode(frame)
        except InvalidValue:
            known.counts.malformed += 1
            return
        known.counts.received += 1
        self._remember(known, Neighbour(port, MacAddress(frame[6:12]), told, now), now)

    def to_send(self, now: float) -> list[tuple[int, bytes]]:
        """Frames that are due, each with the port that must send it."""
        self._expire(now)
        frames, self._farewells = self._farewells, []
        for number, port in sorted(self._ports.items()):
            if now >= port.next_send:
                port.next_send, port.last_sent = now + self._interval, now
                port.counts.sent += 1
                frames.append((number, self._codec.encode(port.source, port.told)))
        return frames

    def next_timer(self) -> float | None:
        """When to call to_send() next at the latest; None: nothing will happen by itself."""
        if self._farewells:
            return -math.inf
        sends = [port.next_send for port in self._ports.values()]
        found = min([*sends, *(neighbour.expires for neighbour in self._neighbours.values())], default=math.inf)
        return None if found == math.inf else found

    def neighbours(self, now: float) -> list[Neighbour]:
        """Who is believed to be there, by port."""
        self._expire(now)
        return sorted(self._neighbours.values(), key=lambda found: (found.port, found.heard))

    def counts(self) -> Mapping[int, Counts]:
        """By port; a port that was removed is not in it."""
        return {number: replace(port.counts) for number, port in sorted(self._ports.items())}

    def _first(self, port: _Port, now: float) -> float:
        return now if port.link_up and self._mode.speaks else math.inf

    def _say_farewell(self, number: int, port: _Port) -> None:
        if port.link_up and self._mode.speaks:
            self._farewells.append((number, self._codec.encode(port.source, replace(port.told, ttl=0))))

    def _remember(self, port: _Port, neighbour: Neighbour, now: float) -> None:
        self._expire(now)
        key = (neighbour.port, neighbour.told.chassis, neighbour.told.port)
        if neighbour.told.ttl == 0:
            self._neighbours.pop(key, None)
        elif key in self._neighbours:
            self._neighbours[key] = neighbour
        elif sum(other[0] == neighbour.port for other in self._neighbours) < MAX_NEIGHBOURS:
            self._neighbours[key] = neighbour
            if self._mode.speaks:
                port.next_send = min(port.next_send, max(now, port.last_sent + FAST))
        else:
            port.counts.ignored += 1

    def _forget(self, port: int) -> None:
        self._neighbours = {key: found for key, found in self._neighbours.items() if found.port != port}

    def _expire(self, now: float) -> None:
        for key, neighbour in list(self._neighbours.items()):
            if now >= neighbour.expires:
                del self._neighbours[key]
                if neighbour.port in self._ports:
                    self._ports[neighbour.port].counts.expired += 1
