"""A part of a VIS's engine as an Engine of its own: what an agent, or the switch, holds without knowing of the others.

It speaks the part's numbers (numbers.py) on one side and asks the hub on the other.  Plugs of a card are of kind "vif":
device is "LINK/VIF", the VIS's port and the VIF on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from dvswitch.mac import MacAddress
from physical.niv.hub import Hub
from physical.niv.merge import Place
from physical.niv.numbers import PLAIN
from vem.datapath.engine import NO_LISTS, Engine, EngineError, ListChanges, Plug
from vem.datapath.image import Control, Counters, Fate, Group, Image, LearnedMac, Policy, Port, PuntedFrame, Team
from vem.datapath.watch import Capture, CapturedFrame, CaptureState, LastDrop, Trace

K = TypeVar("K")
V = TypeVar("V")
KIND = "vif"
LOOK = 0.02
"""Seconds for which a look at a link does for all NICs behind it."""


def plug_of(place: Place) -> Plug:
    """Where a NIC is plugged in that is behind a VIF."""
    return Plug(KIND, device=f"{place.link}/{place.vif}")


def place_of(plug: Plug) -> Place:
    """The inverse; EngineError when it is something else."""
    link, slash, vif = plug.device.partition("/")
    if plug.kind != KIND or not slash or not link.isdecimal() or not vif.isdecimal():
        raise EngineError(f"plug {plug.kind} {plug.device}", "is no VIF", "NICs of a card are behind VIFs")
    return Place(int(link), int(vif))


class PartEngine(Engine):
    """One part.  For the switch itself (PLAIN) NICs are the engine's own, for a card they are VIFs."""

    def __init__(self, hub: Hub, part: str = PLAIN) -> None:
        self._hub, self._part = hub, part
        self._fd = hub.join(part)
        self.kind, self.incarnation = hub.engine.kind, hub.engine.incarnation
        self._down: set[int] = set()
        self._carriers: dict[int, bool] = {}
        self._looked = 0.0

    # --- NICs -----------------------------------------------------------------------------------------------
    def plug(self, lport: int, plug: Plug) -> None:
        """A VIF needs no NIC; another one in the same place is a move."""
        if self._part != PLAIN:
            self._hub.set_place(self._part, lport, place_of(plug))
            return
        with self._hub.lock:
            self._hub.engine.plug(lport, plug)

    def unplug(self, lport: int) -> None:
        """See Engine."""
        if self._part != PLAIN:
            self._hub.set_place(self._part, lport, None)
            return
        with self._hub.lock:
            self._hub.engine.unplug(lport)

    def plugged(self) -> Mapping[int, Plug]:
        """See Engine."""
        if self._part != PLAIN:
            return {local: plug_of(place) for local, place in self._hub.places(self._part).items()}
        with self._hub.lock:
            return {lport: plug for lport, plug in self._hub.engine.plugged().items() if self._mine(lport)}

    def link_up(self, lport: int) -> bool:
        """Of a VIF: its link has a carrier, and so has the guest (set_guest_carriers)."""
        if (now := time.monotonic()) - self._looked > LOOK:
            self._looked, self._carriers = now, {}
        return lport not in self._down and self._hub.link_up(self._part, lport, self._carriers)

    def look_anew(self) -> None:
        """Links are looked at when next asked about."""
        self._looked = 0.0

    def set_guest_carriers(self, down: Iterable[int]) -> None:
        """NICs whose host says that the guest has taken the link down."""
        self._down = set(down)

    def set_waiting(self, waiting: frozenset[Place]) -> None:
        """VIFs that are not to be used yet; EngineError: to be called again."""
        self._hub.set_waiting(self._part, waiting)

    def emit(self, lport: int, frame: bytes) -> None:
        """To a VIF with its link's tag."""
        self._hub.emit(self._part, lport, frame)

    # --- tables ---------------------------------------------------------------------------------------------
    def set_image(self, image: Image) -> bool:
        """All tables of this part at once."""
        self._hub.set_image(self._part, image)
        return True

    def set_config(self, control: Control, policies: Mapping[int, Policy], teams: Mapping[int, Team]) -> None:
        """See Engine."""
        self.set_image(replace(self.image(), control=control, policies=dict(policies), teams=dict(teams)))

    def set_port(self, lport: int, port: Port | None) -> None:
        """See Engine."""
        image = self.image()
        self.set_image(replace(image, ports=_edited(image.ports, {lport: port})))

    def set_static_macs(self, entries: Mapping[MacAddress, int | None]) -> None:
        """See Engine."""
        image = self.image()
        self.set_image(replace(image, static_macs=_edited(image.static_macs, entries)))

    def set_members(self, members: ListChanges, unknown: ListChanges, promiscuous: ListChanges = NO_LISTS) -> None:
        """See Engine."""
        image = self.image()
        self.set_image(
            replace(
                image,
                members=_edited(image.members, members),
                unknown_members=_edited(image.unknown_members, unknown),
                promiscuous_members=_edited(image.promiscuous_members, promiscuous),
            )
        )

    def set_groups(self, groups: Mapping[Group, tuple[int, ...] | None]) -> None:
        """See Engine."""
        image = self.image()
        self.set_image(replace(image, groups=_edited(image.groups, groups)))

    def set_vif_lists(self, lists: Mapping[tuple[int, int], tuple[int, ...] | None]) -> None:
        """Lists are the hub's affair."""
        raise EngineError("VIF lists", "follow from the receivers", "set those")

    def image(self) -> Image:
        """The part's own."""
        return self._hub.image_of(self._part)

    # --- what the datapath saw ------------------------------------------------------------------------------
    def _mine(self, number: int) -> bool:
        return self._hub.is_mine(self._part, number)

    def _local(self, number: int) -> int:
        return self._hub.local(self._part, number)

    def _number(self, local: int) -> int:
        return self._hub.number(self._part, local)

    def _numbers(self, lports: Iterable[int] | None) -> list[int]:
        if lports is None:
            lports = [local for local, port in self.image().ports.items() if not port.tunnel]
        return [self._number(local) for local in lports]

    def learned(self) -> list[LearnedMac]:
        """Behind this part's ports."""
        with self._hub.lock:
            return [
                replace(entry, lport=self._local(entry.lport))
                for entry in self._hub.engine.learned()
                if self._mine(entry.lport)
            ]

    def remember(self, macs: Iterable[LearnedMac]) -> None:
        """See Engine; but the VIS may know them already, where their VM came from: behind a port that has let it go, or
        a plain one by which a host is reached that switches by itself."""
        with self._hub.lock:
            engine, ports = self._hub.engine, self._hub.image.ports
            found = {(entry.mac, entry.vlan): replace(entry, lport=self._number(entry.lport)) for entry in macs}
            known = [entry for entry in engine.learned() if (entry.mac, entry.vlan) in found]
            left = [entry for entry in known if not _delivers(ports.get(entry.lport))]
            engine.forget([entry for entry in left if entry.lport != found[entry.mac, entry.vlan].lport])
            engine.remember(found.values())

    def forget(self, macs: Iterable[LearnedMac]) -> None:
        """See Engine."""
        with self._hub.lock:
            self._hub.engine.forget([replace(entry, lport=self._number(entry.lport)) for entry in macs])

    def learned_counts(self) -> dict[int, int]:
        """See Engine."""
        with self._hub.lock:
            counts = self._hub.engine.learned_counts()
            return {self._local(number): count for number, count in counts.items() if self._mine(number)}

    def counters(self, lports: Iterable[int] | None = None) -> dict[int, Counters]:
        """See Engine."""
        with self._hub.lock:
            found = self._hub.engine.counters(self._numbers(lports))
            return {self._local(number): counters for number, counters in found.items()}

    def clear_counters(self, lport: int) -> None:
        """See Engine."""
        with self._hub.lock:
            self._hub.engine.clear_counters(self._number(lport))

    def punted(self) -> list[PuntedFrame]:
        """Of this part's ports."""
        return self._hub.punted(self._part)

    def event_fd(self) -> int:
        """An eventfd that the hub raises."""
        return self._fd

    def punts_lost(self) -> int:
        """Of the whole VIS."""
        with self._hub.lock:
            return self._hub.engine.punts_lost()

    def test(self, lport: int, frame: bytes, gso: int = 0) -> Fate:
        """See Engine; receivers of other parts have numbers above FOREIGN."""
        with self._hub.lock:
            fate = self._hub.engine.test(self._number(lport), frame, gso)
            return replace(fate, copies=tuple(replace(copy, lport=self._local(copy.lport)) for copy in fate.copies))

    def trace(self, lport: int, frame: bytes, gso: int = 0) -> Trace:
        """See Engine; receivers of other parts have numbers above FOREIGN."""
        with self._hub.lock:
            trace = self._hub.engine.trace(self._number(lport), frame, gso)
            copies = tuple(replace(copy, lport=self._local(copy.lport)) for copy in trace.copies)
            return replace(trace, copies=copies, out=self._local(trace.out) if trace.out else 0)

    def capture(self, capture: Capture | None) -> None:
        """One part at a time."""
        if capture is not None:
            lport, uplink = (self._number(local) if local else 0 for local in (capture.lport, capture.uplink))
            capture = replace(capture, lport=lport, uplink=uplink)
        self._hub.capture(self._part, capture)

    def captured(self) -> list[CapturedFrame]:
        """What came by a port of this part, or was seen there."""
        return [
            replace(event, lport=self._local(event.lport), came_by=self._local(event.came_by))
            for event in self._hub.captured(self._part)
            if self._mine(event.lport) or self._mine(event.came_by)
        ]

    def capture_fd(self) -> int:
        """The engine's."""
        return self._hub.engine.capture_fd()

    def capture_state(self) -> CaptureState:
        """See Engine."""
        with self._hub.lock:
            return self._hub.engine.capture_state()

    def last_drops(self, lports: Iterable[int] | None = None) -> list[LastDrop]:
        """See Engine."""
        with self._hub.lock:
            found = self._hub.engine.last_drops(self._numbers(lports))
            return [replace(drop, lport=self._local(drop.lport), came_by=self._local(drop.came_by)) for drop in found]

    # --- life -----------------------------------------------------------------------------------------------
    def tidy(self, now: float) -> None:
        """Once for all parts."""
        if self._part == PLAIN:
            with self._hub.lock:
                self._hub.engine.tidy(now)

    def close(self, keep: bool) -> None:
        """A card goes; the engine goes with the switch itself."""
        self._hub.leave(self._part, keep)
        if self._part == PLAIN:
            with self._hub.lock:
                self._hub.engine.close(keep)


def _delivers(port: Port | None) -> bool:
    """Whether it is a VIF in use."""
    return port is not None and bool(port.link) and not port.blocked


def _edited(entries: Mapping[K, V], changes: Mapping[K, V | None]) -> dict[K, V]:
    found = {key: value for key, value in entries.items() if key not in changes}
    found.update((key, value) for key, value in changes.items() if value is not None)
    return found
