"""Both sides of VIF control on cables that lose, double and reorder frames, in a time of their own."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from dvswitch import lldp
from dvswitch.lldp import Advertisement
from dvswitch.mac import MacAddress
from dvswitch.vif import announcement
from dvswitch.vif.bridge import BridgeSide, SavedNic, SavedPort
from dvswitch.vif.host import HostSide, Wish
from dvswitch.vif.messages import LAST_VIF, NicKey, Tagging

VIS = "00000000-0000-0000-0000-0000000000aa"
HOST = "00000000-0000-0000-0000-000000000001"
FASTEST, SLOWEST = 0.0005, 0.05
"""Seconds that a frame takes."""


def mac(number: int) -> MacAddress:
    return MacAddress(b"\x02\x00\x00\x00" + number.to_bytes(2, "big"))


def wish(number: int, **changes: object) -> Wish:
    """NIC ``number`` of this host."""
    values: dict[str, object] = {
        "nic": NicKey(f"vm{number}", 0, f"uuid-{number}"),
        "mac": mac(number),
        "profile": "web",
        "request": "r1",
    }
    return Wish(**{**values, **changes})  # type: ignore[arg-type]


@dataclass
class Cable:
    """Uplink n of the host is cabled to port n of the VIS."""

    up: bool = True
    loss: float = 0.0
    doubled: float = 0.0
    slow: bool = False


@dataclass
class Scene:
    """One host, one VIS, and ``uplinks`` cables."""

    uplinks: int = 1
    seed: int = 0
    last_vif: int = LAST_VIF
    host_uuid: str = HOST
    now: float = 100.0
    taggings: tuple[Tagging, ...] = tuple(Tagging)
    wishes: dict[str, Wish] = field(default_factory=dict)
    sent: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.cables = {number: Cable() for number in range(1, self.uplinks + 1)}
        self._wire: list[tuple[float, int, int, bool, bytes]] = []
        self._order = itertools.count()
        self.mode = (True, Tagging.VNTAG, False)
        self.lists: dict[int, dict[int, tuple[int, ...]]] = {}
        self.start_vis()
        self.start_host()

    # --- either side starts -------------------------------------------------------------------------------------

    def start_vis(self, saved: tuple[list[SavedNic], list[SavedPort]] = ([], [])) -> None:
        """A VIS that knows only what was saved."""
        self.vis = BridgeSide(VIS, "vis1", self.random.getrandbits(64), self.last_vif)
        for number, cable in self.cables.items():
            self.vis.add_port(number, f"0/{number}", mac(1000 + number), self.taggings)
            self.vis.set_carrier(number, cable.up, self.now)
        self.vis.restore(*saved)
        for number in self.cables:
            self.vis.set_lists(number, self.lists.get(number, {}))
            self.announce(number)

    def start_host(self) -> None:
        """A host that knows what its datapath has."""
        held = self.host.bindings() if hasattr(self, "host") else {}
        self.host = HostSide(self.host_uuid, "host1", self.random.getrandbits(64))
        for number, cable in self.cables.items():
            self.host.set_uplink(number, mac(2000 + number), cable.up, self.now)
        self.host.set_mode(*self.mode, self.now)
        for ident, bound in held.items():
            if ident in self.wishes and bound.vif:
                values = {"held": (bound.uplink, bound.vif), "veth": bound.veth, "generation": bound.generation}
                self.wishes[ident] = wish(int(self.wishes[ident].nic.vm[2:]), **values)
        self.host.set_wishes(self.wishes.values(), self.now)

    # --- what people do -----------------------------------------------------------------------------------------

    def set_wishes(self, *wishes: Wish) -> None:
        self.wishes = {item.nic.ident: item for item in wishes}
        self.host.set_wishes(wishes, self.now)

    def set_cable(self, number: int, up: bool) -> None:
        self.cables[number].up = up
        self.vis.set_carrier(number, up, self.now)
        self.host.set_uplink(number, mac(2000 + number), up, self.now)
        if up:
            self.announce(number)

    def set_lists(self, number: int, lists: dict[int, tuple[int, ...]]) -> None:
        self.lists[number] = lists
        self.vis.set_lists(number, lists)

    def set_mode(self, enabled: bool, tagging: Tagging, final: bool) -> None:
        self.mode = (enabled, tagging, final)
        self.host.set_mode(enabled, tagging, final, self.now)

    # --- time ---------------------------------------------------------------------------------------------------

    def announce(self, number: int) -> None:
        """The VIS's LLDPDU."""
        value = announcement.encode(self.vis.announcement(number))
        told = Advertisement("vis1", f"0/{number}", private=((announcement.ORGANISATION, announcement.SUBTYPE, value),))
        self._send(number, False, lldp.encode(mac(1000 + number), told))

    def _send(self, number: int, to_vis: bool, frame: bytes) -> None:
        cable = self.cables[number]
        self.sent += 1
        for _ in range(1 + (self.random.random() < cable.doubled)):
            if cable.up and self.random.random() >= cable.loss:
                took = self.random.uniform(FASTEST, SLOWEST) if cable.slow else FASTEST
                heapq.heappush(self._wire, (self.now + took, next(self._order), number, to_vis, frame))

    def _exchange(self) -> None:
        self.host.set_lists(self.host.lists(), self.now)  # its datapath follows at once
        for number, frame in self.host.to_send(self.now):
            self._send(number, True, frame)
        for number, frame in self.vis.to_send(self.now):
            self._send(number, False, frame)
        for number in self.vis.take_seekers():
            self.announce(number)

    def run(self, seconds: float, watch: Callable[[], None] = lambda: None) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            self._exchange()
            watch()
            timers = [self.host.next_timer(), self.vis.next_timer(), self._wire[0][0] if self._wire else None]
            self.now = max(self.now, min([end, *(timer for timer in timers if timer is not None)]))
            if self.now >= end:
                return
            while self._wire and self._wire[0][0] <= self.now:
                _, _, number, to_vis, frame = heapq.heappop(self._wire)
                if self.cables[number].up:
                    (self.vis if to_vis else self.host).receive(number, frame, self.now)

    # --- what is ------------------------------------------------------------------------------------------------

    def granted(self) -> dict[str, tuple[int, int]]:
        """Port and VIF by NIC, as the VIS has it."""
        return {nic.key.ident: (nic.port, nic.vif) for nic in self.vis.nics()}

    def bound(self) -> dict[str, tuple[int, int]]:
        """Uplink and VIF by NIC, as the host has it."""
        return {ident: (bound.uplink, bound.vif) for ident, bound in self.host.bindings().items()}
