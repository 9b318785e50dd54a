"""The VIS's own session with the supervisor: a module of type VIS that wants no ports.

Its cards (card.py) have sessions of their own; this one is what `show module` shows, and what a card's claim to speak
through this VIS is checked against.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from dvswitch import __version__
from dvswitch.lldp_agent import Neighbour
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent import observed
from vem.agent.agent import PROTOCOL, Identity
from vem.agent.convert import update_from
from vem.agent.reports import Reports, answer
from vem.agent.session import Endpoint, Session
from vem.agent.wanted import Staging, Wanted
from vem.discovery.uplinks import Protocol

log = structlog.get_logger(__name__)


class Module:
    """Owner of the session (vem.agent.session.SessionOwner)."""

    def __init__(self, identity: Identity, endpoint: Endpoint, engine: str, incarnation: str) -> None:
        """``engine``: its kind."""
        self._identity, self._engine, self._incarnation = identity, engine, incarnation
        self._staging = Staging(Wanted())
        self.session = Session(endpoint, self)
        self._reports, self._synced = Reports(), False
        self.slot = 0
        """0: never welcomed."""

    async def run(self) -> None:
        """For ever."""
        await self.session.run()

    def hello(self) -> fabric.Hello:
        """Who we are; we hold nothing from the time before."""
        return fabric.Hello(
            protocol=PROTOCOL,
            domain=self._identity.domain,
            host_uuid=self._identity.host_uuid,
            host_name=self._identity.name,
            type=fabric.Hello.VIS,
            engine=self._engine,
            version=__version__,
            system=self._identity.system,
            address=self._identity.address,
            max_ports=self._identity.max_ports,
            incarnation=self._incarnation,
        )

    def applied_revision(self) -> int:
        """All that was committed."""
        return self._staging.committed.revision

    def welcomed(self, welcome: fabric.Welcome) -> None:
        """A session is open."""
        self.slot = welcome.slot
        self._reports.reset()
        self._synced = False

    def updated(self, update: fabric.Update) -> None:
        """What is wanted of a VIS itself is in force as soon as it is known."""
        if self._staging.take(update_from(update)):
            self.session.send(answer(update.revision, list(self._staging.committed.refusals), 0.0))

    def installed(self, message: fabric.InstallState) -> None:
        """No vEth is active here: its card has a session of its own."""
        log.warning("state of a vEth for the VIS itself", veth=message.veth)

    def in_sync(self, message: fabric.InSync) -> None:
        """All has come."""
        self._synced = True

    def tell_neighbours(self, found: Sequence[Neighbour], now: float) -> None:
        """Who LLDP has found at the VIS's own ports; told if it is news to the supervisor."""
        if self._synced and self.session.connected:
            heard = [(Protocol.LLDP, neighbour) for neighbour in found]
            if report := self._reports.neighbors(heard, lambda: observed.neighbors(heard, now)):
                self.session.send(fabric.ModuleMessage(neighbors=report))

    def attach_refused(self, message: fabric.AttachRefused) -> None:
        """Nothing was asked for."""

    def commanded(self, command: fabric.Command) -> None:
        """Frames and tables are looked at through the hosts' own slots."""
        text = f"VIS {self._identity.name}: commands about its ports go to the modules whose ports they are"
        self.session.send(fabric.ModuleMessage(output=fabric.CommandOutput(id=command.id, text=text, ok=False)))

    def command_cancelled(self, cancel: fabric.CancelCommand) -> None:
        """It was answered at once."""

    def lost(self) -> None:
        """Nothing changes; the next session begins with everything."""
        self._synced = False
        self._staging = Staging(Wanted())
