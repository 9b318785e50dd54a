"""Beacon probing: uplinks of one team listen for each other through the network (S-146 to S-151).

Pure; ``now`` is a monotonic time in seconds.  A probe says which host and uplink sent it.  An uplink that heard none
of its peers for three intervals has failed, though its link is up, provided others of its team do hear each other:
of two uplinks that lost each other nobody can tell which one is bad (S-147).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dvswitch.mac import BROADCAST, MacAddress

INTERVAL = 1.0
"""Seconds between two probes of an uplink in a VLAN."""
MISSED = 3.0
"""Seconds of silence that fail an uplink; half an interval is added for delays."""
MAX_PROBES = 100
"""Per interval and host; the lowest VLANs go first."""
ETHERTYPE = 0x88B5
_BODY = struct.Struct("!4sBBHI16sIHHQ")
_MAGIC, _VERSION, _PROBE = b"DVSB", 1, 1
_MIN_FRAME = 60


@dataclass(frozen=True, slots=True)
class Probe:
    """What a beacon says."""

    host: bytes
    """16 bytes: UUID of the sending host."""
    uplink: int
    vlan: int
    sequence: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Probed:
    """A team that wants probing."""

    uplinks: tuple[int, ...]
    """Active and standby uplinks with link, by number; unused ones take no part (S-151)."""
    vlan: int


def encode(source: MacAddress, probe: Probe, tagged: bool) -> bytes:
    """The frame (wire-formats B1)."""
    tag = b"\x81\x00" + probe.vlan.to_bytes(2, "big") if tagged else b""
    body = _BODY.pack(
        _MAGIC, _VERSION, _PROBE, 0, probe.sequence & 0xFFFFFFFF, probe.host, probe.uplink, probe.vlan, 0, probe.time_ms
    )
    frame = BROADCAST.octets + source.octets + tag + ETHERTYPE.to_bytes(2, "big") + body
    return frame.ljust(_MIN_FRAME + len(tag), b"\0")


def decode(frame: bytes) -> Probe | None:
    """Read an untagged frame (a tag is known from beside it); None if it is no probe."""
    if len(frame) < 14 + _BODY.size or frame[12:14] != ETHERTYPE.to_bytes(2, "big"):
        return None
    magic, version, kind, _, sequence, host, uplink, vlan, _, time_ms = _BODY.unpack_from(frame, 14)
    if (magic, version, kind) != (_MAGIC, _VERSION, _PROBE):
        return None
    return Probe(host, uplink, vlan, sequence, time_ms)


def source_mac(host: bytes, uplink: int) -> MacAddress:
    """Locally administered, one for each uplink: the NIC's own might be a local port's."""
    digest = hashlib.sha256(host + b" beacon %d" % uplink).digest()
    return MacAddress(bytes([0x0A]) + digest[:5])


class Beacons:
    """One host's probing."""

    def __init__(self, host: bytes) -> None:
        self._host = host
        self._teams: tuple[Probed, ...] = ()
        self._heard: dict[tuple[int, int], float] = {}
        self._since: dict[int, float] = {}
        self._next = 0.0
        self._sequence = 0

    def configure(self, teams: Iterable[Probed], now: float) -> None:
        """The teams to probe from now on."""
        self._teams = tuple(sorted(set(teams), key=lambda team: (team.vlan, team.uplinks)))
        present = {uplink for team in self._teams for uplink in team.uplinks}
        self._since = {uplink: self._since.get(uplink, now) for uplink in present}
        self._heard = {pair: when for pair, when in self._heard.items() if present.issuperset(pair)}

    def receive(self, uplink: int, frame: bytes, now: float) -> None:
        """A probe came in by ``uplink``; those of other hosts, and one's own echo, say nothing."""
        probe = decode(frame)
        if probe and probe.host == self._host and probe.uplink != uplink and uplink in self._since:
            self._heard[uplink, probe.uplink] = now

    def to_send(self, now: float) -> list[tuple[int, int, int]]:
        """(uplink, VLAN, sequence) of the probes that are due."""
        if not self._teams or now < self._next:
            return []
        self._next = now + INTERVAL
        self._sequence += 1
        due = dict.fromkeys((uplink, team.vlan) for team in self._teams for uplink in team.uplinks)
        return [(uplink, vlan, self._sequence) for uplink, vlan in list(due)[:MAX_PROBES]]

    def due(self) -> float | None:
        """When to_send() and verdicts have to be asked again."""
        return self._next if self._teams else None

    def failed(self, now: float) -> frozenset[int]:
        """Uplinks that don't reach the network (S-146)."""
        return frozenset(uplink for team in self._teams for uplink in self._failed(team, now))

    def undecided(self, now: float) -> frozenset[int]:
        """Uplinks none of which hears another: which are bad can't be told, so all are used (S-147)."""
        lost = [team for team in self._teams if len(team.uplinks) > 1 and self._settled(team, now)]
        return frozenset(n for team in lost if not self._hearing(team, now) for n in team.uplinks)

    def _failed(self, team: Probed, now: float) -> Collection[int]:
        hearing = self._hearing(team, now)
        if not hearing or not self._settled(team, now):
            return ()
        return [uplink for uplink in team.uplinks if uplink not in hearing]

    def _hearing(self, team: Probed, now: float) -> set[int]:
        """Uplinks of the team that heard a peer, or were heard by one, of late."""
        limit = now - MISSED - INTERVAL / 2
        fresh = [pair for pair, when in self._heard.items() if when >= limit and set(pair) <= set(team.uplinks)]
        return {uplink for pair in fresh for uplink in pair}

    def _settled(self, team: Probed, now: float) -> bool:
        """All have had the time to be heard."""
        return all(now - self._since[uplink] >= MISSED + INTERVAL / 2 for uplink in team.uplinks)


def frames(
    host: bytes, due: Iterable[tuple[int, int, int]], tagged: Mapping[tuple[int, int], bool], now: float
) -> list[tuple[int, bytes]]:
    """The frames of to_send(), each with its uplink; ``tagged``: by uplink and VLAN, how it leaves."""
    milliseconds = int(now * 1000)
    return [
        (
            uplink,
            encode(source_mac(host, uplink), Probe(host, uplink, vlan, sequence, milliseconds), tagged[uplink, vlan]),
        )
        for uplink, vlan, sequence in due
        if (uplink, vlan) in tagged
    ]


__all__ = ["INTERVAL", "MISSED", "Beacons", "Probe", "Probed", "decode", "encode", "frames", "source_mac"]
