"""The session with the supervisor: connects, says hello, hands on what comes, sends what the agent has, reconnects.

It knows the protocol's manners (who speaks first, heartbeats, silence) and nothing of ports.  What messages mean is
the business of its owner (agent.py).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import structlog

from dvswitch.client import TlsFiles, check_address, fabric_stub, open_aio_channel
from dvswitch.errors import DvsError, InvalidValue, Unavailable
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent.doubt import LATE, Doubt
from vem.agent.questions import Questions

SILENCE = 6.0
"""Seconds without a word from the supervisor after which the module calls itself headless."""
FIRST_DELAY, MAX_DELAY = 0.1, 3.0
ANSWER_TIMEOUT = 5.0
"""Seconds to wait for Welcome."""
QUEUE_LIMIT = 100_000
"""Messages waiting to be sent at which the session counts as stuck."""
TOGETHER, MAX_TOGETHER = 250, 500_000
"""Messages, and bytes but for the last of them, that are sent as one."""
DEFAULT_HEARTBEAT = 1.0

log = structlog.get_logger(__name__)


class SessionOwner(Protocol):
    """What a session asks of the agent.  The calls must not block for long."""

    def hello(self) -> fabric.Hello:
        """Who we are and what we hold."""

    def applied_revision(self) -> int:
        """For heartbeats."""

    def welcomed(self, welcome: fabric.Welcome) -> None:
        """A session is open."""

    def updated(self, update: fabric.Update) -> None:
        """Desired state changed."""

    def installed(self, message: fabric.InstallState) -> None:
        """What a port goes on with that becomes active here."""

    def in_sync(self, message: fabric.InSync) -> None:
        """All desired state has come."""

    def attach_refused(self, message: fabric.AttachRefused) -> None:
        """An attach can't be done."""

    def commanded(self, command: fabric.Command) -> None:
        """An operator's command; the answer may come later."""
        ...

    def command_cancelled(self, cancel: fabric.CancelCommand) -> None:
        """Nobody waits for that command any more."""
        ...

    def lost(self) -> None:
        """The session is over (only after welcomed)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the supervisor listens, and what to show it."""

    address: str
    """"unix:PATH" or "HOST:PORT"."""
    tls: TlsFiles | None = None

    def __post_init__(self) -> None:
        if not check_address(self.address) and self.tls is None:
            raise InvalidValue(f"vsm {self.address}", "TCP needs certificates", "give --tls-dir, or use unix:PATH")


def reconnect_delay(attempt: int, spread: float) -> float:
    """Seconds before attempt 0, 1, ...: doubling, between half and all of the step as ``spread`` goes from 0 to 1."""
    step = min(MAX_DELAY, FIRST_DELAY * 2.0 ** min(attempt, 16))
    return float(step * (0.5 + spread / 2))


class Session:
    """Keeps one session open for as long as run() runs."""

    def __init__(self, endpoint: Endpoint, owner: SessionOwner, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = endpoint
        self._owner = owner
        self._clock = clock
        self._heard = clock()
        self._outbox: asyncio.Queue[fabric.ModuleMessage] | None = None
        self.questions = Questions(lambda message: self.send(message))
        self.doubt = Doubt()
        """Whether what came last may be overtaken: nothing of it is to be carried out before that is over."""
        self._heartbeat = DEFAULT_HEARTBEAT
        self._sequence = 0
        self._stuck = asyncio.Event()

    @property
    def address(self) -> str:
        """Where the supervisor is."""
        return self._endpoint.address

    @property
    def connected(self) -> bool:
        """Welcomed, and not lost since."""
        return self._outbox is not None

    @property
    def headless(self) -> bool:
        """Nothing was heard from the supervisor for SILENCE seconds."""
        return self._clock() - self._heard > SILENCE

    def send(self, *messages: fabric.ModuleMessage) -> bool:
        """Queue messages, in order; False (and nothing queued) without a session."""
        if self._outbox is None:
            return False
        if self._outbox.qsize() + len(messages) > QUEUE_LIMIT:
            self._stuck.set()
            return False
        for message in messages:
            self._outbox.put_nowait(message)
        return True

    async def _limit(self) -> None:
        await self._stuck.wait()
        raise Unavailable("supervisor", f"did not take {QUEUE_LIMIT} messages")

    async def run(self) -> None:
        """Connect, and again whenever the session is lost, until cancelled."""
        attempt = 0
        told = ""
        while True:
            try:
                await self._session()
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, DvsError, TimeoutError) as error:
                reason = _reason(error)
                if self.connected or reason != told:
                    log.warning("no session with the supervisor", vsm=self._endpoint.address, reason=reason)
                told = reason
            if self._hang_up():
                attempt, told = 0, ""
            await asyncio.sleep(reconnect_delay(attempt, random.random()))
            attempt += 1

    def _hang_up(self) -> bool:
        """Whether there was a session at all."""
        was_connected = self.connected
        self._outbox = None
        if was_connected:
            self.questions.lost()
            self._owner.lost()
        return was_connected

    async def _session(self) -> None:
        async with open_aio_channel(self._endpoint.address, self._endpoint.tls) as channel:
            call = fabric_stub(channel).Session()
            await call.write(fabric.ModuleMessage(hello=self._owner.hello()))
            async with asyncio.timeout(ANSWER_TIMEOUT):
                first = await call.read()
            self._welcome(_checked(first, call))
            await _first_to_end(self._read(call), self._write(call), self._beat(), self._watch(), self._limit())

    def _welcome(self, message: fabric.SupervisorMessage) -> None:
        if not message.HasField("welcome"):
            raise Unavailable("supervisor", "did not start the session with Welcome", "compare the versions")
        self._heard = self._clock()
        self._heartbeat = message.welcome.heartbeat_ms / 1000 or DEFAULT_HEARTBEAT
        self._outbox = asyncio.Queue()
        self._stuck.clear()
        log.info("session open", vsm=self._endpoint.address, slot=message.welcome.slot)
        self._owner.welcomed(message.welcome)

    async def _read(self, call: Any) -> None:
        handlers: dict[str, Callable[[Any], None]] = {
            "update": self._owner.updated,
            "install": self._owner.installed,
            "in_sync": self._owner.in_sync,
            "attach_refused": self._owner.attach_refused,
            "command": self._owner.commanded,
            "cancel": self._owner.command_cancelled,
            "may_take": self.questions.answered,
        }
        while True:
            message = _checked(await call.read(), call)
            if self._clock() - self._heard > LATE:
                self._beat_once(ask=True)
                self.doubt.begin(self._sequence)
            self._heard = self._clock()
            kind = message.WhichOneof("message")
            if kind in handlers:
                handlers[kind](getattr(message, kind))
            if kind == "in_sync":
                self.doubt.end()
            elif kind == "heartbeat":
                self.doubt.answered(message.heartbeat.answers)

    async def _write(self, call: Any) -> None:
        outbox = self._outbox
        while outbox is not None:
            await call.write(_next(outbox, await outbox.get()))

    async def _beat(self) -> None:
        while True:
            self._beat_once()
            await asyncio.sleep(self._heartbeat)

    def _beat_once(self, ask: bool = False) -> None:
        self._sequence += 1
        beat = fabric.Heartbeat(sequence=self._sequence, revision=self._owner.applied_revision(), ask=ask)
        self.send(fabric.ModuleMessage(heartbeat=beat))

    async def _watch(self) -> None:
        """Wake up when silence would have lasted too long; go on if something was heard meanwhile."""
        while (left := self._heard + SILENCE - self._clock()) > 0:  # noqa: ASYNC110 - it is a time, no event
            await asyncio.sleep(left)
        raise Unavailable("supervisor", f"was silent for {SILENCE:.0f} s")


def _next(outbox: asyncio.Queue[fabric.ModuleMessage], first: fabric.ModuleMessage) -> fabric.ModuleMessage:
    """One message, or as many of those that wait as may go together: each by itself costs both ends as much again."""
    if outbox.empty():
        return first
    messages, size = [first], first.ByteSize()
    while not outbox.empty() and len(messages) < TOGETHER and size < MAX_TOGETHER:
        messages.append(outbox.get_nowait())
        size += messages[-1].ByteSize()
    return fabric.ModuleMessage(several=fabric.Several(messages=messages))


def _checked(message: Any, call: Any) -> fabric.SupervisorMessage:
    """The message, or Unavailable at the end of the stream."""
    if isinstance(message, fabric.SupervisorMessage):
        return message
    raise Unavailable("supervisor", "ended the session")


def _reason(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return error.details() or error.code().name
    return str(error) or "no answer"


async def _first_to_end(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run the jobs until one ends, end the others, and raise what the first one raised."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await _gather(done)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gather(tasks: Iterable[Awaitable[None]]) -> None:
    for task in tasks:
        await task
