"""A card: the part of a VIS that holds one NIV host's NICs, as an agent of the host's slot.

To the supervisor it is a session of the host's module with the role CARD; all that an agent does with a NIC (attach,
policies, counters, moves, learned addresses) it does as on a host.  What differs is here: NICs come and go by the word
of VIF control, not of a local API, and what becomes of them is told the same way.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from dvswitch.errors import DvsError, Unavailable
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.vif.bridge import BridgeNic
from dvswitch.vif.messages import Granted, NicKey, Phase, State
from physical.niv.announcing import Announcing
from physical.niv.hub import Hub
from physical.niv.merge import Place
from physical.niv.mobility import CardMobility
from physical.niv.part import PartEngine, plug_of
from vem.agent.agent import Agent, Identity
from vem.agent.attaching import Attaching, AttachRequest, PortState
from vem.agent.attachments import Attachment, Stage
from vem.agent.control_plane import REFLECTED
from vem.agent.session import Endpoint
from vem.agent.state import StateFile
from vem.agent.wanted import ModeKind, Nic
from vem.datapath.engine import EngineError

RETRY = 0.5
"""Seconds until what could not be done yet is tried again."""
WAIT = 2.0
"""Seconds that an attach waits for the supervisor; what it says later is noticed, too."""
LOOK = 1.0
"""Seconds at most between two looks at what became of the NICs."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What a card has to say of a NIC."""

    ident: str
    state: Granted
    refused: str = ""
    """Why it can't be had."""


class CardAgent(Agent):
    """An agent that says whose card it is."""

    def __init__(
        self,
        identity: Identity,
        endpoint: Endpoint,
        state: StateFile,
        engine: PartEngine,
        vis: str,
        mobility: CardMobility | None,
    ) -> None:
        super().__init__(identity, endpoint, [], state, lambda: engine, mobility=mobility)
        self._vis = vis

    def hello(self) -> fabric.Hello:
        """The host's, with its role."""
        message = super().hello()
        message.role, message.through = fabric.Hello.CARD, self._vis
        return message

    async def count(self) -> None:
        """Report all counters, whether the time for it has come or not."""
        await self._send_counters(full=True)


class Card:
    """One host's.  ``tell`` is called, on the event loop, with what became of its NICs."""

    def __init__(
        self,
        host: Identity,
        vis_uuid: str,
        endpoint: Endpoint,
        directory: Path,
        hub: Hub,
        tell: Callable[[str, list[Told]], None],
        mobility: CardMobility | None = None,
    ) -> None:
        self.host = host.host_uuid
        self._directory = directory / "cards" / self.host
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._state = StateFile(self._directory)
        self._engine = PartEngine(hub, self.host)
        self.agent = CardAgent(host, endpoint, self._state, self._engine, vis_uuid, mobility)
        self._announcing = Announcing(self.agent, hub)
        self._attaching = Attaching(self.agent)
        self._tell = tell
        self._wanted: dict[str, BridgeNic] = {}
        self._known: dict[str, tuple[Attachment, BridgeNic]] = {}
        """By NIC: its attachment, and for what it was made."""
        self._told: dict[str, Told] = {}
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take up what the state file and the datapath hold, and look for the supervisor."""
        await self.agent.start()
        self._tasks = [asyncio.create_task(job) for job in (self._follow(), self._watch(), self._announcing.run())]

    async def run(self) -> None:
        """Until a part of the card fails (a bug): then that error."""
        jobs = [asyncio.ensure_future(self.agent.run()), *self._tasks]
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_EXCEPTION)
        for job in done:
            job.result()

    async def stop(self, keep: bool) -> None:
        """End; without ``keep`` the ports and the memory go, too."""
        left = set(self._tasks)
        while left:  # a wait that ends in the same instant swallows a cancellation (asyncio.wait_for of Python 3.11)
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=RETRY)
        await self.agent.stop(keep)
        if not keep:
            self._state.remove()
            with suppress(OSError):
                self._directory.rmdir()

    @property
    def slot(self) -> int:
        """The host's; 0: not known yet."""
        return self.agent.holdings.slot if hasattr(self.agent, "holdings") else 0

    @property
    def mtu(self) -> int:
        """Bytes of payload that the host's frames may have; 0: the supervisor has not said yet."""
        switch = self.agent.holdings.staging.committed.switch if hasattr(self.agent, "holdings") else None
        return switch.mtu if switch else 0

    @property
    def connected(self) -> bool:
        """The supervisor takes this card."""
        return self.agent.session.connected

    # --- NICs that the host has ---------------------------------------------------------------------------------

    def set_nics(self, nics: Iterable[BridgeNic]) -> None:
        """All NICs of the host, as VIF control has them.  EngineError: to be called again."""
        wanted = {nic.key.ident: nic for nic in nics}
        if wanted == self._wanted:
            return
        self._dirty.set()
        for attachment in [known for ident, (known, nic) in self._known.items() if not _goes_on(nic, wanted)]:
            # At once: the agent takes its time, and from now on the host takes what is for the NIC without a tag.
            self._engine.unplug(attachment.lport)
        self._engine.set_waiting(frozenset(Place(nic.port, nic.vif) for nic in wanted.values() if nic.waits))
        self._wanted = wanted

    async def _follow(self) -> None:
        """Bring the agent's NICs to those wanted, again and again."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            wanted = self._wanted
            over = [item.lport for item, nic in self._known.values() if not _goes_on(nic, wanted)]
            self._known = {ident: known for ident, known in self._known.items() if _goes_on(known[1], wanted)}
            kept = {id(known) for known, _ in self._known.values()}
            nics = [_nic(nic.key) for nic in wanted.values()]
            for attachment in self.agent.holdings.attachments.plugged():
                stays = id(attachment) in kept or any(nic.same(attachment.nic) for nic in nics)
                if attachment.lport in over or not stays:
                    await self._let_go(attachment)
            await asyncio.gather(*(self._try(ident, nic) for ident, nic in wanted.items()))
            await self._look_at_carriers()
            self._report()

    async def _let_go(self, attachment: Attachment) -> None:
        """A NIC left the VIS: its VM is gone from the host, or the host has left the mode and has it as its own now.

        In the second case the supervisor must hear nothing of it, not even later, when the host is back in the mode.
        """
        if self.agent.holdings.staging.committed.mode.kind is ModeKind.NIV:
            await self._attaching.detach(attachment.nic, 0)
            return
        with suppress(EngineError):
            await self.agent.count()  # for the last time here: the host goes on from zero
        async with self.agent.lock:
            self.agent.holdings.attachments.remove(attachment)
        await self.agent.reconcile()

    async def _try(self, ident: str, nic: BridgeNic) -> None:
        try:
            await self._bring(ident, nic)
        except (Unavailable, EngineError) as error:
            log.warning("NIC not attached yet", nic=str(nic.key), reason=str(error))
            asyncio.get_running_loop().call_later(RETRY, self._dirty.set)
        except DvsError as error:
            self._say([Told(ident, nic.state, str(error))])

    async def _bring(self, ident: str, nic: BridgeNic) -> None:
        """One NIC to what its host told of it last."""
        if not nic.port:
            return  # its link has another host now; VIF control decides
        attach, place = nic.attach, Place(nic.port, nic.vif)
        attachment = self._attachment(ident, nic)
        if attachment and (attachment.mac, attachment.profile) != (attach.mac, attach.profile):
            await self._attaching.detach(attachment.nic, 0)
            attachment = None
        known = self._known.get(ident)
        # Its host's agent has forgotten what it asked for last when it was started again: that asks for nothing.
        asked_anew = known is not None and attach.request not in ("", known[1].attach.request)
        if attachment is None or attachment.stage is Stage.LEAVING or asked_anew:
            request = AttachRequest(_nic(nic.key), attach.mac, attach.profile, plug_of(place), attach.prepare, WAIT)
            await self._attaching.attach(request)
            attachment = self.agent.holdings.attachments.find(_nic(nic.key))
        if attachment is None:
            raise Unavailable(str(nic.key), "was refused just now")
        if attachment.prepare and not attach.prepare and not asked_anew:
            request = AttachRequest(attachment.nic, attach.mac, attach.profile, attachment.plug, False, WAIT)
            await self._attaching.attach(request)
        if attachment.plug != plug_of(place):
            async with self.agent.lock:
                attachment.plug = plug_of(place)
            await self.agent.reconcile()
        if (attachment.effective or attachment.mac) != (attach.effective or attach.mac):
            await self._attaching.set_mac(attachment.nic, attach.effective or attach.mac)
        self._known[ident] = attachment, nic

    def _attachment(self, ident: str, nic: BridgeNic) -> Attachment | None:
        attachments, known = self.agent.holdings.attachments, self._known.get(ident)
        return known[0] if known and attachments.holds(known[0]) else attachments.find(_nic(nic.key))

    async def _look_at_carriers(self) -> None:
        """Links of hosts and guests that came or went."""
        agent = self.agent
        down = [item.lport for item, nic in self._known.values() if not nic.attach.link_up]
        self._engine.set_guest_carriers(down)
        async with agent.lock:
            self._engine.look_anew()
            changed = await agent.datapath.poll_links([item.lport for item in agent.holdings.attachments.plugged()])
        if changed:
            await agent.reconcile()

    def links_changed(self) -> None:
        """A link came or went."""
        self._dirty.set()

    def followed(self, mac: MacAddress, vlan: int, heard: float) -> None:
        """A plain port of the VIS brought the announcement of that address; not if it is what this card said itself."""
        if hasattr(self.agent, "mobility") and heard - self._announcing.last_sent(mac) >= REFLECTED:
            self.agent.mobility.announced(mac, vlan)

    # --- what became of them ------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await self.agent.changed(LOOK)
            self._report()

    def _report(self) -> None:
        """Tell what is new."""
        self._say([self._state_of(ident, nic) for ident, (_, nic) in self._known.items()])

    def _say(self, found: Iterable[Told]) -> None:
        news = [told for told in found if self._told.get(told.ident) != told]
        self._told.update((told.ident, told) for told in news)
        self._told = {ident: told for ident, told in self._told.items() if ident in self._wanted}
        if news:
            self._tell(self.host, news)

    def _state_of(self, ident: str, nic: BridgeNic) -> Told:
        attachment = self._known[ident][0]
        if attachment.refused:
            return Told(ident, nic.state, attachment.refused)
        outcome = self._attaching.outcome(attachment)
        port = self.agent.compiled.wanted.ports.get(attachment.veth)
        phase = Phase(port.phase.value) if port else Phase.PREPARED
        state = {PortState.PENDING: State.PENDING, PortState.FORWARDING: State.FORWARDING}.get(
            outcome.state, State.BLOCKED
        )
        generation = port.generation if port else attachment.generation
        if nic.waits:
            state = State.PENDING  # the host is not to leave its switching to us yet
        request = nic.attach.request
        return Told(ident, Granted(nic.key, 0, attachment.veth, generation, phase, state, outcome.detail, request))


def _goes_on(nic: BridgeNic, wanted: Mapping[str, BridgeNic]) -> bool:
    """Whether it is still the NIC that it was, not one that was attached after that had gone."""
    now = wanted.get(nic.key.ident)
    return now is not None and now.life == nic.life


def _nic(key: NicKey) -> Nic:
    return Nic(key.vm, key.index, key.vm_uuid, key.adapter)


def instance() -> int:
    """64 random bits."""
    return uuid.uuid4().int >> 64


__all__ = ["Card", "CardAgent", "Told", "instance"]
