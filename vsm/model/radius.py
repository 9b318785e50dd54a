"""RADIUS servers that check passwords, and whether they are asked at all.  Values only; vsm/ssh/radius.py asks them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PORT = 1812
TIMEOUT, RETRANSMIT = 5, 1
"""Seconds for an answer, and how often a question is repeated, where nothing is configured."""
MAX_SERVERS = 8


class LoginBy(Enum):
    """Who checks passwords; the value is what `aaa authentication login default` says."""

    LOCAL = "local"
    RADIUS = "group radius"
    RADIUS_LOCAL = "group radius local"
    """The users configured here, when no server answers."""


@dataclass(frozen=True, slots=True)
class RadiusServer:
    """One server."""

    host: str
    """IPv4 or IPv6 address, or a name."""
    key: str
    """The secret shared with it, as it is: it can't be hashed, the protocol needs it."""
    port: int = PORT
    timeout: int | None = None
    """Seconds; None = as all servers."""
    retransmit: int | None = None
    """Repetitions; None = as all servers."""
