"""Whether an uplink may be used: its link now, how long it has been up, and how often it went down (S-142, S-145).

Pure; ``now`` is a monotonic time in seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

UP_DELAY = 0.1
"""Seconds that a link that came back must be up before it is used again, unless configured (S-142)."""
FLAP_DOWNS, FLAP_WINDOW = 60, 60.0
"""A link that went down more often than so many times in so many seconds is unstable (S-145)."""
_ALWAYS = float("-inf")


@dataclass(slots=True)
class Health:
    """History of one uplink."""

    link_up: bool = False
    missed: bool = False
    """Beacon probing says that the network behind it is gone (S-146)."""
    _up_since: float = _ALWAYS
    _seen: bool = False
    _downs: deque[float] = field(default_factory=lambda: deque(maxlen=FLAP_DOWNS + 1))

    def observe(self, link_up: bool, now: float) -> None:
        """Take note of the carrier.  One that is up when first looked at counts as up for ever: a restart of the agent
        must not move anything."""
        if link_up and not self.link_up and self._seen:
            self._up_since = now
        if self.link_up and not link_up:
            self._downs.append(now)
        self.link_up, self._seen = link_up, True

    def usable(self, now: float, up_delay: float) -> bool:
        """Up, for long enough, not flapping, and reaching the network."""
        return self.standing(now, up_delay) and not self.unstable(now) and not self.missed

    def standing(self, now: float, up_delay: float) -> bool:
        """Up for long enough; all that can be asked of a host's last uplink."""
        return self.link_up and now >= self._up_since + up_delay

    def unstable(self, now: float) -> bool:
        """Went down too often of late (S-145)."""
        return len(self._downs) > FLAP_DOWNS and now - self._downs[0] < FLAP_WINDOW

    def due(self, now: float, up_delay: float) -> float | None:
        """When the answer changes next without an event; None = never."""
        moments = [self._up_since + up_delay] if self.link_up else []
        if self.link_up and self.unstable(now):
            moments.append(self._downs[0] + FLAP_WINDOW)
        return min((moment for moment in moments if moment > now), default=None)


class HealthBook:
    """The uplinks of a host, by number."""

    def __init__(self) -> None:
        self._uplinks: dict[int, Health] = {}

    def of(self, number: int) -> Health:
        """One uplink's history; made when it is first asked for."""
        return self._uplinks.setdefault(number, Health())

    def observe(self, links: Iterable[tuple[int, bool]], now: float) -> None:
        """Take note of all carriers; uplinks that are not named any more are forgotten."""
        named = dict(links)
        for number in self._uplinks.keys() - named.keys():
            del self._uplinks[number]
        for number, link_up in named.items():
            self.of(number).observe(link_up, now)

    def usable(self, now: float, up_delay: float) -> frozenset[int]:
        """Numbers of the uplinks to use; if none is good, those that at least have a link."""
        good = frozenset(n for n, health in self._uplinks.items() if health.usable(now, up_delay))
        return good or frozenset(n for n, health in self._uplinks.items() if health.standing(now, up_delay))

    def due(self, now: float, up_delay: float) -> float | None:
        """When usable() has to be asked again although nothing happened; None = never."""
        moments = (health.due(now, up_delay) for health in self._uplinks.values())
        return min((moment for moment in moments if moment is not None), default=None)


__all__ = ["FLAP_DOWNS", "FLAP_WINDOW", "UP_DELAY", "Health", "HealthBook"]
