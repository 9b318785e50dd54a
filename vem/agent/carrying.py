"""When a port's state is captured and installed (vem/agent/carried.py says what): around each pass of the agent.

A port that drains is captured before its entries go.  A port that becomes active here goes on with what the supervisor
handed over for it, or with what it left behind on this very host when its move was cancelled.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent import carried
from vem.agent.attachments import Attachment
from vem.agent.carried import Parcel, Place
from vem.agent.control_plane import ControlPlane
from vem.agent.datapath_side import Datapath
from vem.agent.holdings import Holdings
from vem.agent.wanted import Phase, Port
from vem.datapath.image import LearnedMac

MAX_HELD = 4096
"""Ports that parcels are kept for; nobody moves so many at once."""


class Carrying:
    """One host's parcels."""

    def __init__(
        self,
        datapath: Datapath,
        holdings: Holdings,
        control: ControlPlane,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._datapath, self._holdings, self._control, self._clock = datapath, holdings, control, clock
        self._held: dict[int, tuple[int, list[Parcel]]] = {}
        """By vEth: for which generation, and what the supervisor handed over."""
        self._left: dict[int, tuple[int, list[Parcel]]] = {}
        """By vEth: of which generation, and what it left behind here."""
        self._remember: list[LearnedMac] = []

    def hold(self, message: fabric.InstallState) -> None:
        """Keep it until the port is active."""
        parcels = [Parcel(item.kind, item.version, item.data) for item in message.carried]
        self._held.pop(message.veth, None)
        self._held[message.veth] = message.generation, parcels
        while len(self._held) > MAX_HELD:
            self._held.pop(next(iter(self._held)))

    def left(self, veth: int, generation: int) -> list[fabric.CarriedState]:
        """What a drained port left behind, for the supervisor."""
        found, parcels = self._left.get(veth, (-1, []))
        if found != generation:
            return []
        return [fabric.CarriedState(kind=item.kind, version=item.version, data=item.data) for item in parcels]

    async def before(self) -> None:
        """Before the tables change: capture what drains, and install what compilation must know."""
        await self._capture()
        self._install()

    async def after(self) -> None:
        """The tables have changed: ports that have just become active know the addresses behind them."""
        if not self._remember:
            return
        image, entries = self._datapath.image, self._remember
        self._remember = []
        await self._datapath.remember(
            entry
            for entry in entries
            if entry.mac not in image.static_macs
            and (port := image.ports.get(entry.lport)) is not None
            and not port.blocked
            and image.policies[port.policy].learn
            and image.policies[port.policy].carries(entry.vlan)
        )

    async def _capture(self) -> None:
        # More may be asked to drain while addresses are read, and the tables that are made next will know of it.
        while draining := self._not_captured():
            policies = self._datapath.image.policies.values()
            learned = await self._datapath.learned() if any(policy.learn for policy in policies) else []
            for attachment, port in draining:
                here = [entry for entry in learned if entry.lport == attachment.lport]
                place = Place(attachment, self._clock(), here, self._control.snooper)
                self._left[port.veth] = port.generation, carried.capture(place)

    def _not_captured(self) -> list[tuple[Attachment, Port]]:
        return [
            (attachment, port)
            for attachment, port in self._holdings.draining(self._holdings.staging.committed)
            if self._left.get(port.veth, (-1, []))[0] != port.generation
        ]

    def _install(self) -> None:
        ports = self._holdings.staging.committed.ports
        coming = [
            (attachment, port)
            for attachment in (self._holdings.attachments.plugged() if self._held or self._left else ())
            if (port := ports.get(attachment.veth)) is not None and port.phase is Phase.ACTIVE
        ]
        for attachment, port in coming:
            if parcels := self._parcels(port):
                self._one(attachment, parcels)
        self._left = {veth: left for veth, left in self._left.items() if veth in ports}

    def _parcels(self, port: Port) -> list[Parcel]:
        """What goes on with the port now: once, and not for a later life of it."""
        own, theirs = self._left.pop(port.veth, (0, [])), self._held.get(port.veth, (0, []))
        if theirs[0] > port.generation:
            return []
        self._held.pop(port.veth, None)
        if theirs[0] == port.generation:
            return theirs[1]
        return own[1] if own[0] < port.generation else []

    def _one(self, attachment: Attachment, parcels: list[Parcel]) -> None:
        place = Place(attachment, self._clock(), snooper=self._control.snooper)
        carried.install(place, parcels)
        self._remember += place.remember
        self._control.tell_groups()
