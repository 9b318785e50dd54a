"""The Fabric service: accepts modules, keeps one session per host, tells sessions when something concerns them.

This is the thin gRPC shell around vsm/fabric/session.py: it reads, writes, watches the clock, and turns the end of a
session into a gRPC status that says why.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import grpc
import structlog

from dvswitch.errors import Conflict, DvsError, InvalidValue, StorageError, Unavailable
from dvswitch.v1 import fabric_pb2, fabric_pb2_grpc
from vsm.events.bus import Event, EventBus, News
from vsm.fabric import wire
from vsm.fabric.identity import check_certificate
from vsm.fabric.resume import Held, concerned
from vsm.fabric.runtime import FabricRuntime
from vsm.fabric.secret import with_secret
from vsm.fabric.session import ModuleSession, SessionEnded, Timing
from vsm.model import lifecycle
from vsm.model.cards import CARD_WORD, card_of, carded, holder, niv_slots
from vsm.model.niv import Card, Role
from vsm.model.state import State
from vsm.runtime import LogLine
from vsm.supervisor import Supervisor

_NAPS = 12
"""Looks at a silent module before it is called absent."""
_COMMAND_TIMEOUT = 15.0
"""Seconds a module may take to run an operator's command; it ends them itself after ten."""
_HELLO_TIMEOUT = 10.0
"""Seconds a caller may take to say hello."""
_STATUS = {
    "replaced": grpc.StatusCode.ABORTED,
    "absent": grpc.StatusCode.DEADLINE_EXCEEDED,
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "storage": grpc.StatusCode.UNAVAILABLE,
    "stopping": grpc.StatusCode.UNAVAILABLE,
    "left": grpc.StatusCode.OK,
}
_log = structlog.get_logger("vsm.fabric")


class FabricService(fabric_pb2_grpc.FabricServicer):
    """Serves modules; knows the sessions there are."""

    def __init__(
        self,
        supervisor: Supervisor,
        runtime: FabricRuntime,
        bus: EventBus,
        timing: Timing | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._supervisor, self._runtime, self._bus = supervisor, runtime, bus
        bus.subscribe(self._log_event)
        self._timing, self._now = timing or Timing(), now
        self._sessions: dict[tuple[int, Role], ModuleSession] = {}
        self._endings: dict[ModuleSession, asyncio.Future[SessionEnded]] = {}
        self._remembered: dict[tuple[int, Role], Held] = {}
        runtime.niv = niv_slots(supervisor.state)
        self._unsubscribe = supervisor.subscribe(self._changed)

    def applied(self, slot: int, revision: int) -> bool:
        """Whether the module is connected and has all that the State of this revision means for its ports in its
        datapath."""
        session = self._holding(slot)
        return session is not None and session.applied(revision)

    async def command(self, slot: int, words: Sequence[str], part: Callable[[str], None] | None = None) -> str:
        """Have a module run a command: its output.  Unavailable if it does not answer, DvsError if it refuses.

        ``part`` gets what a capture shows as it comes; then it goes on until the caller is cancelled.
        """
        words = list(words)
        role = Role.CARD if words[:1] == [CARD_WORD] else Role.HOST
        session = self._sessions.get((slot, role))
        if session is None:
            problem = "is not connected" if role is Role.HOST else "has no card that is connected"
            raise Unavailable(f"module {slot}", problem, "see `show module`")
        words = words[1:] if role is Role.CARD else words
        try:
            async with asyncio.timeout(None if part and words[:1] == ["capture"] else _COMMAND_TIMEOUT):
                return await session.command(words, part)
        except TimeoutError:
            raise Unavailable(f"module {slot}", f"did not answer within {_COMMAND_TIMEOUT:g} seconds") from None

    def connected(self, slot: int) -> bool:
        """Whether whoever holds the module's ports has a session now: its card in mode NIV, else the module itself."""
        return self._holding(slot) is not None

    def _holding(self, slot: int) -> ModuleSession | None:
        return self._sessions.get((slot, holder(self._supervisor.state, slot)))

    def stop(self) -> None:
        """End all sessions; the modules go on headless."""
        self._unsubscribe()
        for session in tuple(self._endings):
            self._end(session, SessionEnded("stopping", "the supervisor is shutting down"))

    async def Session(self, request_iterator: AsyncIterator[fabric_pb2.ModuleMessage], context: Any) -> None:
        """One module's stream, from Hello to the end."""
        try:
            session = self._accept(await _hello(request_iterator), context)
        except SessionEnded as refused:
            await context.abort(_STATUS[refused.cause], str(refused))
        except DvsError as error:
            _log.warning("module refused", reason=str(error))
            await context.abort(_refusal_status(error), str(error))
        ended = SessionEnded("left", "the connection was lost")
        try:
            ended = await self._serve(session, request_iterator, context)
        finally:
            self._forget(session)
            self._announce(session, ended)
        if ended.cause != "left":
            await context.abort(_STATUS[ended.cause], str(ended))

    # ---- opening and closing

    def _accept(self, hello: fabric_pb2.Hello, context: Any) -> ModuleSession:
        """Give the module its slot and make its session the one that counts; DvsError: it is not wanted here."""
        module, auth = wire.read_module(hello), context.auth_context()
        if wire.role(hello) is Role.CARD:
            return self._open(self._admit_card(hello, auth), hello)
        check_certificate(auth, module, self._supervisor.state)
        state = self._supervisor.transact(lambda state: with_secret(lifecycle.joined(state, hello.domain, module)))
        slot = lifecycle.slot_of_host(state.config, module.host_uuid)
        assert slot is not None, "joined() has just given it one"
        return self._open(slot, hello)

    def _admit_card(self, hello: fabric_pb2.Hello, auth: Any) -> int:
        """The slot of the host that the card is of; the VIS answers for itself by its own certificate."""

        def admit(state: State) -> State:
            slot, vis = card_of(state, hello.domain, hello.host_uuid, hello.through)
            check_certificate(auth, vis, state)
            return carded(state, slot, Card(vis.host_uuid, hello.mobility))

        state = self._supervisor.transact(admit)
        return card_of(state, hello.domain, hello.host_uuid, hello.through)[0]

    def _open(self, slot: int, hello: fabric_pb2.Hello) -> ModuleSession:
        """Make the session the one of that role that counts in the slot."""
        who = slot, wire.role(hello)
        older = self._sessions.get(who)
        if older is not None:
            self._end(older, SessionEnded("replaced", f"host {hello.host_uuid} opened a newer session"))
            self._keep(older)
        session = ModuleSession(
            self._supervisor,
            self._runtime,
            slot,
            hello,
            self._remembered.get(who),
            self._timing,
            self._now,
            self._bus.publish,
        )
        self._sessions[who] = session
        self._endings[session] = asyncio.get_running_loop().create_future()
        self._runtime.connected(*who)
        if session.role is Role.CARD:
            self._tell(slot, "card_connected", f"The card of module {slot} is connected, through VIS {hello.through}.")
        else:
            self._tell(slot, "connected", f"Module {slot} ({hello.host_name}) is connected.")
        return session

    def _keep(self, session: ModuleSession) -> None:
        """Remember what the module holds, for when it comes back."""
        if session.held is not None:
            self._remembered[session.slot, session.role] = session.held

    def _forget(self, session: ModuleSession) -> None:
        self._endings.pop(session)
        session.ended()
        who = session.slot, session.role
        if self._sessions.get(who) is session:
            self._keep(session)
            del self._sessions[who]
            self._runtime.disconnected(*who)

    def _announce(self, session: ModuleSession, ended: SessionEnded) -> None:
        _log.info("session ended", slot=session.slot, cause=ended.cause, text=str(ended))
        if (session.slot, session.role) in self._sessions:
            return
        if session.role is Role.CARD:
            self._tell(session.slot, "card_absent", f"The card of module {session.slot} is absent: {ended}.")
        else:
            self._tell(session.slot, "absent", f"Module {session.slot} is absent: {ended}.")

    def _log_event(self, event: Event) -> None:
        news = event.news
        self._runtime.happened(LogLine(event.time, news.kind, news.object, news.what, news.text))

    def _tell(self, slot: int, what: str, text: str) -> None:
        self._bus.publish(News("module", f"module {slot}", what, text))

    def _end(self, session: ModuleSession, ended: SessionEnded) -> None:
        ending = self._endings.get(session)
        if ending is not None and not ending.done():
            ending.set_result(ended)

    # ---- while it lasts

    async def _serve(
        self, session: ModuleSession, requests: AsyncIterator[fabric_pb2.ModuleMessage], context: Any
    ) -> SessionEnded:
        """Read, write and watch until one of them finds the session over; why it is."""
        tasks = [
            asyncio.create_task(self._read(session, requests)),
            asyncio.create_task(_write(session, context)),
            asyncio.create_task(self._watch(session)),
        ]
        try:
            done, _ = await asyncio.wait([self._endings[session], *tasks], return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            await _cancel(tasks)

    async def _read(self, session: ModuleSession, requests: AsyncIterator[fabric_pb2.ModuleMessage]) -> SessionEnded:
        try:
            async for message in requests:
                if self._endings[session].done():
                    break
                session.receive(message)
        except SessionEnded as ended:
            return ended
        except grpc.RpcError as error:
            return SessionEnded("left", f"the connection broke ({error})")
        except Exception as error:
            # What the bytes on the wire make gRPC or protobuf raise must end this session only.
            _log.exception("session failed", slot=session.slot)
            return SessionEnded("invalid", f"a message can't be understood ({type(error).__name__}: {error})")
        return SessionEnded("left", "it closed its session")

    async def _watch(self, session: ModuleSession) -> SessionEnded:
        """Return once the module has been silent for too long.

        Counted in naps of our own: a supervisor that was busy or suspended for a while blames no module for it.
        """
        heard, naps = session.heard, 0
        while naps < _NAPS:
            await asyncio.sleep(self._timing.absent / _NAPS)
            naps = naps + 1 if session.heard == heard else 0
            heard = session.heard
        return SessionEnded("absent", f"nothing heard for {self._timing.absent:g} seconds")

    def _changed(self, old: State, new: State) -> None:
        """The State moved on: wake the sessions it concerns."""
        self._runtime.changed(old, new)
        slots = concerned(old, new)
        for (slot, _), session in self._sessions.items():
            if slots is None or slot in slots:
                session.poke()
            else:
                session.unconcerned(new.revision)
        self._runtime.notify()


async def _write(session: ModuleSession, context: Any) -> SessionEnded:
    try:
        async for message in session.messages():
            await context.write(message)
    except grpc.RpcError as error:
        return SessionEnded("left", f"the connection broke ({error})")
    return SessionEnded("left", "it closed its session")


async def _cancel(tasks: Iterable[asyncio.Task[SessionEnded]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _hello(requests: AsyncIterator[fabric_pb2.ModuleMessage]) -> fabric_pb2.Hello:
    """The first message; SessionEnded if it is anything else or does not come."""
    try:
        async with asyncio.timeout(_HELLO_TIMEOUT):
            message = await anext(aiter(requests))
    except TimeoutError:
        raise SessionEnded("absent", f"no Hello within {_HELLO_TIMEOUT:g} seconds") from None
    except StopAsyncIteration:
        raise SessionEnded("invalid", "the stream ended before a Hello") from None
    except grpc.RpcError as error:
        raise SessionEnded("invalid", f"no Hello: {error}") from error
    except Exception as error:
        raise SessionEnded("invalid", f"the first message can't be understood ({error})") from error
    if message.WhichOneof("message") != "hello":
        raise SessionEnded("invalid", "the first message must be Hello")
    return message.hello


def _refusal_status(error: DvsError) -> grpc.StatusCode:
    if isinstance(error, InvalidValue):
        return grpc.StatusCode.INVALID_ARGUMENT
    if isinstance(error, StorageError):
        return grpc.StatusCode.UNAVAILABLE
    if isinstance(error, Conflict):
        return grpc.StatusCode.FAILED_PRECONDITION
    return grpc.StatusCode.PERMISSION_DENIED
