"""Plugging NICs in and out for a local caller (`vem attach`, hooks, plugins), and waiting for what comes of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from dvswitch.errors import Conflict, InvalidValue, NotFound, Unavailable
from dvswitch.mac import MacAddress
from vem.agent.agent import Agent
from vem.agent.attachments import Attachment, Stage
from vem.agent.wanted import Nic, Phase
from vem.datapath.engine import EngineError, Plug

DEFAULT_WAIT = 5.0
"""Seconds to wait for the supervisor."""
AWAY = "the supervisor is away; the port comes up when it is back"


class AttachRefused(Conflict):
    """The supervisor refused the NIC; the text is its own."""

    def __str__(self) -> str:
        return self.problem


class PortState(Enum):
    """Outcome of an attach."""

    PENDING = "pending"
    FORWARDING = "forwarding"
    BLOCKED = "blocked"
    PREPARED = "prepared"


@dataclass(frozen=True, slots=True)
class AttachRequest:
    """What a caller asks for."""

    nic: Nic
    mac: MacAddress
    profile: str
    plug: Plug
    prepare: bool = False
    wait: float = DEFAULT_WAIT


@dataclass(frozen=True, slots=True)
class AttachOutcome:
    """What came of it."""

    veth: int
    state: PortState
    detail: str = ""
    generation: int = 0


class Attaching:
    """The attach and detach operations of one agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def attach(self, request: AttachRequest) -> AttachOutcome:
        """Plug a NIC in; returns when it forwards, or is known to be blocked or silent, or when waiting is no use.

        InvalidValue, Conflict, EngineError: nothing was plugged in.  AttachRefused: it was, and is out again.
        """
        self._check(request)
        end = time.monotonic() + request.wait
        await self._let_go(request.nic, end)
        attachment = await self._plug(request)
        await self._agent.reconcile()
        await self._wait(lambda: self._settled(attachment, request.prepare) or self._nobody_answers(), end)
        if attachment.refused:
            await self._agent.reconcile()
            raise AttachRefused(f"attach {request.nic}", attachment.refused)
        await self._agent.saving.now()  # what the caller is told outlives this process
        return self.outcome(attachment)

    async def detach(self, nic: Nic | None, veth: int) -> bool:
        """Unplug a NIC named by itself or by its vEth; False if it was not there."""
        holdings = self._agent.holdings
        attachment = holdings.attachments.find(nic) if nic else holdings.attachments.by_veth(veth)
        if attachment is None or attachment.stage is Stage.LEAVING:
            return False
        if attachment.stage is Stage.WAITING and self._agent.connected:
            await self._wait(lambda: self._settled(attachment), time.monotonic() + DEFAULT_WAIT)
        if attachment.refused:
            return True
        if patience := self._agent.niv.close(attachment):
            end = time.monotonic() + patience
            await self._agent.reconcile()
            await self._wait(lambda: self._agent.niv.is_closed(attachment), end)
        await self._unplug(attachment)
        return True

    async def set_mac(self, nic: Nic, mac: MacAddress) -> bool:
        """The guest set its MAC address; whether it gets frames with it (S-011 to S-015).  NotFound, InvalidValue."""
        attachment = self._agent.holdings.attachments.find(nic)
        if attachment is None or attachment.stage is Stage.LEAVING:
            raise NotFound(f"nic {nic}", "is not attached here")
        attachment.effective = None if mac == attachment.mac else mac
        await self._agent.reconcile()
        port = self._agent.datapath.image.ports.get(attachment.lport)
        return port is not None and not port.mac_violation

    def outcome(self, attachment: Attachment) -> AttachOutcome:
        """How an attachment stands now."""
        compiled = self._agent.compiled
        port = compiled.wanted.ports.get(attachment.veth)
        state = compiled.veths.get(attachment.veth)
        if attachment.stage is Stage.WAITING or port is None or state is None:
            away = not self._agent.session.connected
            return AttachOutcome(0, PortState.PENDING, AWAY if away else "the supervisor has not answered yet")
        if port.phase is Phase.PREPARED:
            silent = "silent until a migration activates it"
            return AttachOutcome(port.veth, PortState.PREPARED, silent, port.generation)
        if why := self._agent.niv.why_blocked(attachment):
            return AttachOutcome(port.veth, PortState.BLOCKED, why, port.generation)
        if state.enabled:
            detail = "" if state.link_up else "the NIC has no carrier yet"
            return AttachOutcome(port.veth, PortState.FORWARDING, detail, port.generation)
        return AttachOutcome(port.veth, PortState.BLOCKED, self._why_blocked(port.veth), port.generation)

    def _why_blocked(self, veth: int) -> str:
        wanted = self._agent.compiled.wanted
        port = wanted.ports[veth]
        policy = wanted.policies.get(port.policy)
        refusals = [refusal for refusal in self._agent.compiled.refusals if refusal.object == str(port)]
        if refusals:
            return refusals[0].reason
        if port.phase is Phase.DRAINING:
            return f"{port} has moved to another host"
        if port.shutdown:
            return f"{port} is shut down"
        return f"port-profile {policy.profile} is shut down or disabled" if policy else f"{port} has no policy"

    # --- steps --------------------------------------------------------------------------------------------------

    def _check(self, request: AttachRequest) -> None:
        subject = f"attach {request.nic}"
        if not request.nic.vm and not request.nic.vm_uuid:
            raise InvalidValue("attach", "names no VM", "give --vm")
        if not request.profile:
            raise InvalidValue(subject, "names no port profile", "give --profile")
        if request.plug.kind == "wire" and self._agent.datapath.kind != "user":
            raise InvalidValue(subject, "wires need the user engine", "start the agent with --engine user")

    async def _let_go(self, nic: Nic, end: float) -> None:
        """A NIC that is on its way out: let the supervisor take note first, if it is there."""
        old = self._agent.holdings.attachments.find(nic)
        if old is not None and old.stage is Stage.LEAVING and self._agent.connected:
            await self._wait(lambda: self._agent.holdings.attachments.find(nic) is None, end)

    async def _plug(self, request: AttachRequest) -> Attachment:
        agent = self._agent
        async with agent.lock:
            old = agent.holdings.attachments.find(request.nic)
            if old is not None and old.stage is not Stage.LEAVING:
                _check_same(old, request)
                if not request.prepare and (old.prepare or self._has_left(old)):
                    self._go_live(old)
                return old
            agent.holdings.attachments.check_new(request.nic, request.plug)
            attachment = await self._revive(old, request) if old else await self._new(request)
            attachment.request = uuid.uuid4().hex
            agent.send_attached(attachment)
            return attachment

    def _has_left(self, attachment: Attachment) -> bool:
        """Whether its vEth has moved to another host and nobody has unplugged the NIC here; behind a VIS only that
        knows, and is asked."""
        if self._agent.niv.defers:
            return attachment.stage is Stage.KNOWN
        port = self._agent.holdings.staging.committed.ports.get(attachment.veth)
        return attachment.stage is Stage.KNOWN and (port is None or port.phase is Phase.DRAINING)

    def _go_live(self, attachment: Attachment) -> None:
        """The VM of a port that was prepared, or has left, runs here now: told as a new attach, which moves it here."""
        attachment.prepare, attachment.request = False, uuid.uuid4().hex
        self._agent.send_attached(attachment, known=False)

    async def _new(self, request: AttachRequest) -> Attachment:
        holdings, datapath = self._agent.holdings, self._agent.datapath
        lport = holdings.number_for(request.nic)
        await datapath.clear_counters(lport)
        await datapath.plug(lport, request.plug)
        attachment = Attachment(request.nic, request.mac, request.profile, request.plug, lport, request.prepare)
        attachment.life = time.time_ns()
        wanted = holdings.staging.committed
        held = wanted.port_of(request.nic)
        if held and wanted.profile_of(held) != request.profile:
            attachment.held_at_start = held
        holdings.attachments.add(attachment)
        return attachment

    async def _revive(self, old: Attachment, request: AttachRequest) -> Attachment:
        """Back before the supervisor heard that it was gone: the same vEth goes on, counters and all."""
        if (old.mac, old.profile) != (request.mac, request.profile):
            raise Unavailable(
                f"attach {request.nic}",
                f"the supervisor still knows it with MAC {old.mac} and port-profile {old.profile}",
                "try again when the supervisor is back",
            )
        await self._agent.datapath.plug(old.lport, request.plug)
        old.plug, old.prepare, old.stage = request.plug, request.prepare, Stage.KNOWN
        return old

    async def _unplug(self, attachment: Attachment) -> None:
        agent = self._agent
        async with agent.lock:
            if attachment.veth:
                attachment.stage = Stage.LEAVING
            else:
                agent.holdings.attachments.remove(attachment)
        await agent.reconcile()
        with suppress(EngineError, KeyError):
            attachment.last = (await agent.datapath.counters([attachment.lport]))[attachment.lport]
        agent.send_detached(attachment)
        await agent.reconcile()

    def _settled(self, attachment: Attachment, silent_is_fine: bool = True) -> bool:
        """The supervisor has answered, and the answer is in the datapath."""
        port = self._agent.compiled.wanted.ports.get(attachment.veth)
        if attachment.refused or port is None or attachment.veth not in self._agent.compiled.veths:
            return bool(attachment.refused)
        if not self._agent.niv.settled(attachment):
            return False
        return silent_is_fine or port.phase is Phase.ACTIVE

    def _nobody_answers(self) -> bool:
        return self._agent.session.headless and not self._agent.niv.in_touch

    async def _wait(self, condition: Callable[[], bool], end: float) -> None:
        """Return when ``condition`` holds after some pass, or at ``end``."""
        while not condition() and (left := end - time.monotonic()) > 0:
            await self._agent.changed(min(left, 0.5))


def _check_same(old: Attachment, request: AttachRequest) -> None:
    """Attaching again what is attached is no error if nothing differs."""
    differs = [
        f"{what} {is_now}"
        for what, is_now, asked in (
            ("MAC", old.mac, request.mac),
            ("port-profile", old.profile, request.profile),
            ("NIC", old.adapter, request.nic.adapter or request.plug.device or request.plug.local),
        )
        if is_now != asked
    ]
    if differs:
        raise Conflict(f"attach {request.nic}", f"is attached with {', '.join(differs)}", "detach it first")
