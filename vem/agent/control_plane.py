"""The protocols that the agent speaks itself: LACP, LLDP, CDP, VIF control, beacon probes, IGMP and MLD snooping.

Frames come from the datapath as punts and leave by Engine.emit.  What the protocols find out (members of a LAG, uplinks
that reach nothing, groups) goes to Teaming, and a pass brings it into the datapath.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog

from dvswitch.mac import MacAddress
from vem.agent.announce import Frame, leaves_tagged
from vem.agent.announcer import Announcer
from vem.agent.compile import Compiled
from vem.agent.datapath_side import Datapath
from vem.agent.discovery_side import DiscoverySide, HostFacts
from vem.agent.holdings import Holdings
from vem.agent.lacp_side import LacpSide
from vem.datapath.engine import EngineError
from vem.datapath.image import Punt, PuntedFrame
from vem.niv.side import NivSide
from vem.snooping.groups import Snooper
from vem.snooping.messages import SOON, igmp_query, mld_query
from vem.teaming import beacon

TICK = 1.0
"""Seconds between looks at timers that nobody announces (groups)."""
RETRY = 0.2
ECHO = 2.0
"""Seconds after an announcement of ours in which its echo proves nothing (S-269)."""
REFLECTED = 0.05
"""Likewise, where a VM that moves on at once is not to wait for the network's word; targets repeat theirs."""
DUPLICATE_QUIET = 60.0
"""Seconds between two warnings about one MAC."""
MAX_VLANS = 100
log = structlog.get_logger(__name__)


class ControlPlane:
    """One host's protocols.  ``dirty`` asks for a pass."""

    def __init__(
        self,
        datapath: Datapath,
        holdings: Holdings,
        announcer: Announcer,
        host_uuid: str,
        dirty: Callable[[], None],
        duplicate: Callable[[MacAddress, int], None],
        facts: HostFacts,
        arrived: Callable[[int, MacAddress], None],
        niv: NivSide,
    ) -> None:
        self.lacp = LacpSide(host_uuid)
        self.discovery = DiscoverySide(facts, self.lacp.system)
        self._host = uuid.UUID(host_uuid).bytes
        self._datapath = datapath
        self._holdings = holdings
        self._announcer = announcer
        self._dirty = dirty
        self._duplicate = duplicate
        self._arrived = arrived
        self._niv = niv
        self.followed: Callable[[MacAddress, int], None] = lambda mac, vlan: None
        """Told of the announcement, in a VLAN, of a MAC that has left (Punt.FOLLOWED)."""
        self._beacons = beacon.Beacons(self._host)
        self._undecided: frozenset[int] = frozenset()
        self._snooper: Snooper | None = None
        self._vlans: dict[int, list[int]] = {}
        self._warned: dict[MacAddress, float] = {}
        self._wake = asyncio.Event()
        niv.wake = self._wake.set

    @property
    def snooper(self) -> Snooper | None:
        """Who listens to which group; None while nobody asks."""
        return self._snooper

    def tell_groups(self) -> None:
        """The groups have changed otherwise than by frames: the next compilation has them."""
        if self._snooper is not None:
            self._holdings.teaming.groups = self._snooper.groups()

    def configure(self, compiled: Compiled, moved: Iterable[int]) -> None:
        """A pass is over; ``moved``: vNICs whose uplink may have changed."""
        now, holdings = time.monotonic(), self._holdings
        self.lacp.configure(compiled.wanted, holdings.uplinks, now)
        self.discovery.configure(compiled.wanted, holdings.uplinks, self.lacp.members(), now)
        up = {number for number, uplink in holdings.uplinks.items() if uplink.link_up}
        probed = holdings.teaming.probed.values()
        self._beacons.configure([beacon.Probed(tuple(n for n in ns if n in up), vlan) for ns, vlan in probed], now)
        switch = compiled.wanted.switch
        if switch is None or not switch.snooping:
            self._snooper, self._vlans = None, {}
        else:
            self._snooper = self._snooper or Snooper()
            self._snooper.interval = switch.querier_interval
            before, self._vlans = self._vlans, _vlans_of(compiled)
            self._snooper.keep_only(self._vlans.keys())
            self._snooper.nudge(moved, self._vlans.keys() - before.keys(), now)
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._sleep()
            try:
                for punt in await self._datapath.punted():
                    self._take(punt)
                now = time.monotonic()
                await self._datapath.emit(self._to_send(now))
            except EngineError as error:
                log.warning("control frames not read", reason=str(error))
                await asyncio.sleep(RETRY)
            self._conclude(time.monotonic())

    async def _sleep(self) -> None:
        """Until a frame waits, something is due, or a pass is over."""
        loop, fd = asyncio.get_running_loop(), self._datapath.event_fd
        timers = (self.lacp.due(), self._beacons.due(), self.discovery.due(), self._niv.due())
        moments = [moment for moment in timers if moment is not None]
        left = min([TICK, *(moment - time.monotonic() for moment in moments)])
        if fd >= 0:
            loop.add_reader(fd, self._wake.set)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, left)):
                    await self._wake.wait()
        finally:
            if fd >= 0:
                loop.remove_reader(fd)
        self._wake.clear()

    # --- what comes in ------------------------------------------------------------------------------------------

    def _take(self, punt: PuntedFrame) -> None:
        uplink = next((number for number, item in self._holdings.uplinks.items() if item.lport == punt.lport), 0)
        match punt.kind:
            case Punt.CONTROL if uplink and punt.tci is None:
                self.lacp.receive(uplink, punt.frame, punt.time)
                self.discovery.receive(uplink, punt.frame, punt.time)
                self._niv.receive(uplink, punt.frame, punt.time)
            case Punt.BEACON if uplink:
                self._beacons.receive(uplink, punt.frame, punt.time)
            case Punt.SNOOPED if self._snooper is not None:
                self._snooper.receive(punt.lport, bool(uplink), punt.vlan, punt.frame, punt.time)
            case Punt.ARRIVED:
                self._arrived(punt.lport, MacAddress(punt.frame[6:12]))
            case Punt.FOLLOWED if uplink:
                mac = MacAddress(punt.frame[6:12])
                if punt.time - self._announcer.last_sent(mac) >= REFLECTED:  # not what this host said when it had it
                    self.followed(mac, punt.vlan)
            case Punt.MOVED if uplink:
                self._suspect(MacAddress(punt.frame[6:12]), uplink, punt.time)

    def _suspect(self, mac: MacAddress, uplink: int, now: float) -> None:
        """Somebody out there says he has a local MAC; not if the network gave back what we said ourselves (S-269)."""
        warned = self._warned.get(mac, -DUPLICATE_QUIET)
        if now - self._announcer.last_sent(mac) < ECHO or now - warned < DUPLICATE_QUIET:
            return
        self._warned = {item: when for item, when in self._warned.items() if now - when < DUPLICATE_QUIET}
        self._warned[mac] = now
        self._duplicate(mac, uplink)

    # --- what goes out ------------------------------------------------------------------------------------------

    def _to_send(self, now: float) -> list[Frame]:
        own = [*self.lacp.to_send(now), *self.discovery.to_send(now), *self._niv.to_send(now)]
        return [*own, *self._probes(now), *self._queries(now)]

    def _probes(self, now: float) -> list[Frame]:
        due, image, uplinks = self._beacons.to_send(now), self._datapath.image, self._holdings.uplinks
        tagged = {}
        for number, vlan, _ in due:
            port = image.ports.get(uplinks[number].lport) if number in uplinks else None
            policy = image.policies.get(port.policy) if port else None
            if policy and policy.carries(vlan):
                tagged[number, vlan] = leaves_tagged(vlan, policy)
        return [(uplinks[number].lport, frame) for number, frame in beacon.frames(self._host, due, tagged, now)]

    def _queries(self, now: float) -> list[Frame]:
        if self._snooper is None:
            return []
        interval = self._snooper.interval
        after_moves = self._snooper.nudged(self._vlans, now)
        frames = self._queried(after_moves, igmp_query(interval, SOON), mld_query(interval, SOON))
        in_turn = [place for place in self._snooper.to_ask(self._vlans, now) if place not in after_moves]
        return frames + self._queried(in_turn, igmp_query(interval), mld_query(interval))

    def _queried(self, places: Iterable[tuple[int, int]], *bodies: bytes) -> list[Frame]:
        """Queries to these (lport, VLAN), tagged where the port is."""
        frames, image = [], self._datapath.image
        for lport, vlan in places:
            if port := image.ports.get(lport):
                tagged = leaves_tagged(vlan, image.policies[port.policy])
                tag = b"\x81\x00" + vlan.to_bytes(2, "big") if tagged else b""
                frames += [(lport, body[:12] + tag + body[12:]) for body in bodies]
        return frames

    # --- what follows -------------------------------------------------------------------------------------------

    def _conclude(self, now: float) -> None:
        """Tell Teaming, and ask for a pass if that changes anything."""
        teaming, before = self._holdings.teaming, self._findings()
        teaming.lacp_members = self.lacp.members()
        failed = self._beacons.failed(now)
        for number in self._holdings.uplinks:
            teaming.health.of(number).missed = number in failed
        if self._snooper is not None:
            self._snooper.expire(now)
        teaming.groups = self._snooper.groups() if self._snooper is not None else {}
        self._tell_undecided(self._beacons.undecided(now))
        if self._findings() != before:
            self._dirty()

    def _findings(self) -> tuple[object, ...]:
        teaming = self._holdings.teaming
        missed = {number for number in self._holdings.uplinks if teaming.health.of(number).missed}
        return teaming.lacp_members, missed, teaming.groups

    def _tell_undecided(self, undecided: frozenset[int]) -> None:
        if new := undecided - self._undecided:
            log.warning("no uplink hears another's beacons; which has failed can't be told", uplinks=sorted(new))
        self._undecided = undecided


def _vlans_of(compiled: Compiled) -> dict[int, list[int]]:
    """VLANs of each vNIC that receives, at most MAX_VLANS."""
    vlans: dict[int, list[int]] = {}
    for vlan, lports in sorted(compiled.image.members.items()):
        for lport in lports:
            if len(found := vlans.setdefault(lport, [])) < MAX_VLANS:
                found.append(vlan)
    return vlans


__all__ = ["ControlPlane"]
