"""One session of a module, or of its card: what it says goes up, what it should have goes down by difference.

    hello -> Welcome -> snapshot or difference -> InSync -> (Updates, Heartbeats, AttachRefused) ...

There is no queue of Updates: the writer works out the difference between what was sent and what is wanted when it gets
round to it, so a burst of commits becomes one Update and a slow module costs nobody anything.  The gRPC side is in
vsm/fabric/service.py; time is passed in.

In mode NIV a module has a second session, its card's: then the card is told of the ports and believed about them, in
the other modes the host is (vsm/model/cards.py).  What the other one says of them is of yesterday and changes nothing;
only its late counters are taken.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from dvswitch.errors import DvsError, InvalidValue, StorageError, Unavailable
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2
from vsm.events.bus import News
from vsm.fabric import wire, wire_observed
from vsm.fabric.beats import Beats
from vsm.fabric.counters import reporter
from vsm.fabric.resume import Held, opening
from vsm.fabric.runtime import FabricRuntime
from vsm.fabric.tally import Tally
from vsm.mobility import reports
from vsm.mobility.admission import check_nic, known_as
from vsm.model import lifecycle
from vsm.model.cards import holder, ways_told
from vsm.model.channels import channels_seen
from vsm.model.interfaces import Vethernet
from vsm.model.niv import LinkState, Role, Way
from vsm.policy.compile import wanted
from vsm.policy.difference import difference
from vsm.runtime import Counters
from vsm.supervisor import Supervisor

_MAX_UNACKED = 8
"""Updates under way to a module; beyond that, changes are folded until it has caught up."""
_MAX_REFUSED = 4096
"""AttachRefused messages waiting for a module that does not read."""
_MAX_COMMANDS = 16
"""Commands of operators that a module runs at a time."""
_MAX_EVENTS = 50
"""Events a second that are taken from a module: guests can provoke them."""
_OF_HOSTS = frozenset({"uplink", "channels", "neighbors", "niv"})
"""Messages in which the host is believed, not its card."""
_OF_HOLDERS = frozenset({"attached", "drained", "seen", "macs", "port"})
"""Those in which whoever holds the ports is."""
_log = structlog.get_logger("vsm.fabric")


class SessionEnded(Exception):
    """The session is over, for a reason that the module is told."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause
        """replaced, absent, invalid, storage, stopping or left."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Rhythm of a session, in seconds."""

    heartbeat: float = 1.0
    absent: float = 6.0
    """Silence after which the module is called absent."""
    counters: float = 1.0
    persist: float = 5.0
    """How often counters are stored."""


class ModuleSession:
    """The supervisor's end of one module's stream."""

    def __init__(
        self,
        supervisor: Supervisor,
        runtime: FabricRuntime,
        slot: int,
        hello: fabric_pb2.Hello,
        remembered: Held | None,
        timing: Timing,
        now: Callable[[], float],
        publish: Callable[[News], None] = lambda news: None,
    ) -> None:
        self.slot, self.role = slot, Role(hello.role)
        self._place = reporter(slot, self.role)
        self._supervisor, self._runtime, self._timing, self._now = supervisor, runtime, timing, now
        self._hello = hello
        self._counts = runtime.session_counts(slot, self.role)
        self._publish = publish
        self._events: deque[float] = deque(maxlen=_MAX_EVENTS)
        self._incarnation = hello.incarnation
        self._tally = Tally(self._counted)
        self._carried: set[int] | None = set() if self._holds else None
        """Of a host: vEths that it told to have given to its card entirely; None: it has not told yet."""
        self._heard = 0
        self._wake = asyncio.Event()
        self._outbox: deque[fabric_pb2.SupervisorMessage] = deque()
        self._unacked: deque[Held] = deque()
        self.held = remembered
        """What the module acknowledged last; None: not known."""
        self._sent: Held | None = None
        self._considered = 0
        self._installed: set[tuple[int, int]] = set()
        """(vEth, generation) of moves whose carried state the module was sent."""
        self._beats = Beats(now, timing.heartbeat)
        self._commands = 0
        self._asked: dict[int, tuple[asyncio.Future[tuple[str, bool]], Callable[[str], None] | None]] = {}
        self._refusals: tuple[tuple[str, str], ...] = ()
        self._handlers: dict[str, Callable[..., None]] = {
            "ack": self._ack,
            "refuse": self._refuse,
            "heartbeat": self._heartbeat_heard,
            "counters": self._counters,
            "attached": self._attached,
            "detached": self._detached,
            "drained": self._drained,
            "uplink": self._uplink,
            "macs": self._macs,
            "port": self._port,
            "event": self._event,
            "channels": self._channels,
            "neighbors": self._neighbors,
            "niv": self._niv,
            "seen": self._seen,
            "may_take": self._may_take,
            "output": self._output,
        }

    def poke(self) -> None:
        """What the module should have may have changed."""
        self._wake.set()

    def unconcerned(self, revision: int) -> None:
        """The State moved on to this revision without a change for this module."""
        if not self._wake.is_set() and self._considered == revision - 1:
            self._considered = revision

    def applied(self, revision: int) -> bool:
        """Whether the module has in its datapath all that the State of this revision means for it."""
        return self._sent is not None and self._considered >= revision and not self._unacked

    @property
    def heard(self) -> int:
        """Messages received so far."""
        return self._heard

    # ---- down

    async def messages(self) -> AsyncIterator[fabric_pb2.SupervisorMessage]:
        """All that the module is to be sent, for as long as the caller asks."""
        yield self._told(fabric_pb2.SupervisorMessage(welcome=self._welcome()))
        for message in self._open():
            yield self._told(message)
        while True:
            await self._awake(self._beats.left)
            while self._outbox:
                yield self._told(self._outbox.popleft())
            for message in self._difference():
                yield self._told(message)
            if self._beats.left <= 0:
                self._counts.out_beats += 1
                yield self._told(self._beats.next(self._sent.revision if self._sent else 0))

    def _told(self, message: fabric_pb2.SupervisorMessage) -> fabric_pb2.SupervisorMessage:
        """The message, counted."""
        self._counts.out_messages += 1
        return message

    def _welcome(self) -> fabric_pb2.Welcome:
        return fabric_pb2.Welcome(
            slot=self.slot,
            switch_name=self._supervisor.state.config.hostname,
            heartbeat_ms=round(self._timing.heartbeat * 1000),
            counters_ms=round(self._timing.counters * 1000),
        )

    def _open(self) -> list[fabric_pb2.SupervisorMessage]:
        """Bring the module from what it told to hold to what it should hold, and say that this is all."""
        now = self._wanted()
        known = opening(self._hello.revision, self._hello.digest, self.held, now)
        _log.info(
            "session opened",
            slot=self.slot,
            host=self._hello.host_name,
            role=self.role.name.lower(),
            resume="snapshot" if known is None else "same" if known.wanted == now.wanted else "difference",
        )
        self.held = self._sent = known
        self._considered = now.revision
        messages = [] if known and known.wanted == now.wanted else self._send(known, now)
        messages = [*self._installs(), *messages]
        assert self._sent is not None
        self._report_progress()
        in_sync = fabric_pb2.InSync(revision=self._sent.revision)
        return [*messages, fabric_pb2.SupervisorMessage(in_sync=in_sync)]

    def _difference(self) -> list[fabric_pb2.SupervisorMessage]:
        """What changed since the last Update, unless the module has too much under way already."""
        if len(self._unacked) >= _MAX_UNACKED or self._considered == self._supervisor.state.revision:
            return []
        now, sent = self._wanted(), self._sent
        assert sent is not None
        self._considered = now.revision
        messages = [] if sent.wanted == now.wanted else [*self._installs(), *self._send(sent, now)]
        self._report_progress()
        return messages

    def _send(self, known: Held | None, now: Held) -> list[fabric_pb2.SupervisorMessage]:
        changes = difference(known.wanted if known else None, now.wanted)
        self._sent = now
        self._unacked.append(now)
        return list(wire.updates(now.revision, changes, snapshot=known is None))

    def _installs(self) -> list[fabric_pb2.SupervisorMessage]:
        """What ports that become active here left behind elsewhere, as far as the module was not told yet."""
        moves = self._supervisor.state.inventory.moves.values() if self._holds else ()
        coming = [move for move in moves if move.carried and move.lives_on == self.slot]
        fresh = [move for move in coming if (move.veth, move.generation) not in self._installed]
        self._installed = {(move.veth, move.generation) for move in coming}
        return [wire.install(move) for move in fresh]

    def _wanted(self) -> Held:
        state = self._supervisor.state
        return Held(state.revision, wanted(state, self.slot, self.role))

    @property
    def _holds(self) -> bool:
        """Whether the ports of the slot are this one's."""
        return holder(self._supervisor.state, self.slot) is self.role

    async def _awake(self, seconds: float) -> None:
        """Sleep until poked, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._wake.wait()
            self._wake.clear()

    # ---- up

    def receive(self, message: fabric_pb2.ModuleMessage) -> None:
        """Take in what the module says; SessionEnded if that ends the session."""
        for each in message.several.messages if message.HasField("several") else (message,):
            self._receive(each)

    def _receive(self, message: fabric_pb2.ModuleMessage) -> None:
        self._heard += 1
        self._counts.in_messages += 1
        kind = message.WhichOneof("message")
        handler = self._handlers.get(kind or "")
        if handler is None:
            raise SessionEnded("invalid", f"message '{kind or 'unknown'}' is not expected here")
        if not self._believed(str(kind)):
            return
        try:
            handler(getattr(message, str(kind)))
        except StorageError as error:
            raise SessionEnded("storage", str(error)) from error
        except DvsError as error:
            raise SessionEnded("invalid", f"message '{kind}': {error}") from error

    def _believed(self, kind: str) -> bool:
        """Whether such a message is this one's to send now."""
        if kind in _OF_HOSTS:
            return self.role is Role.HOST
        return kind not in _OF_HOLDERS or self._holds

    def _heartbeat_heard(self, message: fabric_pb2.Heartbeat) -> None:
        self._counts.in_beats += 1
        if self._beats.heard(message):
            self.poke()

    def _ack(self, ack: fabric_pb2.Ack) -> None:
        self._settle(ack.revision, ())

    def _refuse(self, refuse: fabric_pb2.Refuse) -> None:
        self._counts.refused += len(refuse.refusals)
        refusals = tuple((refusal.object, refusal.reason) for refusal in refuse.refusals)
        for thing, reason in refusals:
            _log.warning("module refused", slot=self.slot, object=thing, reason=reason, revision=refuse.revision)
        self._settle(refuse.revision, refusals)

    def _settle(self, revision: int, refusals: tuple[tuple[str, str], ...]) -> None:
        """The module is done with the Update of this revision."""
        if not any(update.revision == revision for update in self._unacked):
            raise InvalidValue(f"revision {revision}", "was not sent, or has been acknowledged before")
        while self._unacked[0].revision != revision:
            self._unacked.popleft()
        self.held = self._unacked.popleft()
        self._refusals = refusals
        self._report_progress()
        self.poke()

    def _report_progress(self) -> None:
        sent = self._sent.revision if self._sent else 0
        acked = self.held.revision if self.held else 0
        self._runtime.progress(self.slot, sent, acked, self._refusals, self.role)

    def _attached(self, message: fabric_pb2.PortAttached) -> None:
        try:
            report = wire.read_attached(self.slot, message, time.time())
            over = self._runtime.confirmed
            state = self._supervisor.transact(
                lambda state: reports.attached(reports.ended(state, over, report.time), report, self._runtime.is_away)
            )
        except DvsError as error:
            self._refuse_attach(message, error)
            return
        veth = lifecycle.find_veth(state, report.nic, report.mac)
        assert veth is not None
        self._runtime.plugged(self.slot, veth.number, True, self.role)

    def _refuse_attach(self, message: fabric_pb2.PortAttached, error: DvsError) -> None:
        _log.warning("attach refused", slot=self.slot, vm=message.nic.vm, nic=message.nic.index, reason=str(error))
        if len(self._outbox) >= _MAX_REFUSED:
            raise SessionEnded("invalid", "too many refused attaches are not being read")
        refused = fabric_pb2.AttachRefused(request=message.request, nic=message.nic, mac=message.mac, reason=str(error))
        self._outbox.append(fabric_pb2.SupervisorMessage(attach_refused=refused))
        self.poke()

    def _detached(self, message: fabric_pb2.PortDetached) -> None:
        Vethernet(message.veth)
        self._count_last(message)
        self._runtime.plugged(self.slot, message.veth, False, self.role)
        if not self._holds and (self.role is Role.CARD or self._runtime.is_plugged(self.slot, message.veth)):
            return  # It lets go of what the other one holds now.
        now, veth, generation = time.time(), message.veth, message.generation

        def plugged(slot: int) -> bool:
            return self._runtime.is_plugged(slot, veth)

        self._supervisor.transact(lambda state: reports.detached(state, self.slot, veth, generation, now, plugged))

    def _drained(self, message: fabric_pb2.PortDrained) -> None:
        Vethernet(message.veth)
        carried = wire.read_carried(message)
        self._count_last(message)
        self._runtime.drained(self.slot, message.veth, message.generation, carried)

    def _seen(self, message: fabric_pb2.PortSeen) -> None:
        Vethernet(message.veth)
        now, veth, generation = time.time(), message.veth, message.generation
        absent = self._runtime.has_left
        self._supervisor.transact(lambda state: reports.seen(state, self.slot, veth, generation, now, absent))

    def _may_take(self, message: fabric_pb2.MayTake) -> None:
        """A question; whatever is wrong with the NIC is the answer."""
        if len(self._outbox) >= _MAX_REFUSED:
            raise SessionEnded("invalid", "too many answers are not being read")
        answer = fabric_pb2.MayTakeAnswer(id=message.id)
        try:
            nic, mac = wire.read_nic(message.nic), MacAddress.station(message.mac)
            if known := known_as(self._supervisor.state, nic, mac):
                nic = replace(nic, index=known.nic.index)
                answer.veth, answer.index = known.number, known.nic.index
            if self._runtime.card_missing(self.slot):
                raise Unavailable(f"module {self.slot}", "its card is not connected", "see 'show niv'")
            refusals = self._runtime.refusals(self.slot)
            check_nic(self._supervisor.state, nic, mac, message.profile, self.slot, refusals)
        except DvsError as error:
            answer.reason = str(error)
        self._post(fabric_pb2.SupervisorMessage(may_take=answer))

    def _uplink(self, message: fabric_pb2.UplinkState) -> None:
        uplink = wire.read_uplink(self.slot, message)
        if message.present:
            self._supervisor.transact(lambda state: lifecycle.uplink_seen(state, uplink))
        else:
            self._supervisor.transact(lambda state: lifecycle.uplink_gone(state, self.slot, message.number))

    def _counters(self, report: fabric_pb2.CounterReport) -> None:
        for port in report.ports:
            wire.read_port_name(self.slot, port)  # or what comes of it ends the session
        if report.incarnation not in ("", self._incarnation):
            self._tally.close()
            self._incarnation = report.incarnation
        self._tally.add(report.ports)

    def _counted(self, port: fabric_pb2.PortCounters) -> None:
        counters = wire.read_counters(port.counters)
        if port.WhichOneof("port") == "uplink":
            name = wire.read_port_name(self.slot, port)
            self._runtime.book.report(name, self.slot, self._incarnation, 0, counters)
        else:
            self._count(port.veth, port.generation, counters, port.counters.life)

    def _count_last(self, message: fabric_pb2.PortDetached | fabric_pb2.PortDrained) -> None:
        """The last counters of a port's life here."""
        self._tally.settle(message.veth)
        if message.HasField("last"):
            last = wire.read_counters(message.last)
            self._count(message.veth, message.generation, last, message.last.life, last=True)
            self._runtime.final.set()

    def _count(self, veth: int, generation: int, counters: Counters, life: int, last: bool = False) -> None:
        """Counters of a vEth, if it has anything to do with this module."""
        state, name = self._supervisor.state, Vethernet(veth).full
        record, move = state.inventory.veths.get(veth), state.inventory.moves.get(veth)
        if record is None or not self._counts_still(veth):
            return
        here = record.slot == self.slot or (move is not None and self.slot in (move.source, move.target))
        if (here and self._holds) or self._runtime.book.knows(name, self._place):
            self._runtime.book.report(name, self._place, self._incarnation, generation, counters, last, life)

    def _counts_still(self, veth: int) -> bool:
        """A host whose card holds the ports switches those that it has not given away entirely yet."""
        return self._holds or self.role is Role.CARD or (self._carried is not None and veth not in self._carried)

    def _niv(self, report: fabric_pb2.NivReport) -> None:
        links = wire_observed.read_links(self.slot, report)
        self._tally.close()
        ways = [(Way(link.uplink, link.vis_uuid), link.state) for link in links if link.vis_uuid]
        up = [way for way, state in ways if state is LinkState.UP]
        self._supervisor.transact(lambda state: ways_told(state, self.slot, up, [way for way, _ in ways]))
        self._carried = {vif.veth for link in links for vif in link.vifs if vif.carries}
        self._runtime.links_reported(self.slot, links)

    def _macs(self, report: fabric_pb2.MacReport) -> None:
        rows = wire.read_macs(self.slot, report)
        self._runtime.macs_reported(self.slot, rows, self.role)
        for news in self._runtime.mac_moves.reported(self.slot, rows, self._now()):
            self._publish(news)

    def _channels(self, report: fabric_pb2.ChannelReport) -> None:
        channels = wire_observed.read_channels(self.slot, report)
        self._supervisor.transact(lambda state: channels_seen(state, self.slot, [found.policy for found in channels]))
        self._runtime.channels_reported(self.slot, channels)

    def _neighbors(self, report: fabric_pb2.NeighborReport) -> None:
        self._runtime.neighbors_reported(self.slot, wire_observed.read_neighbors(self.slot, report))

    def _event(self, message: fabric_pb2.LogEvent) -> None:
        news, now = wire.read_event(self.slot, message), self._now()
        if len(self._events) == _MAX_EVENTS and now - self._events[0] < 1.0:
            return
        self._events.append(now)
        self._publish(news)

    async def command(self, words: Sequence[str], part: Callable[[str], None] | None = None) -> str:
        """Have the module run a command, and wait for its output; ``part`` gets what it shows meanwhile.

        DvsError with the module's words if it refuses; Unavailable if the session ends, or too many wait.  When the
        caller gives up (is cancelled), the module is told to end the command.
        """
        if len(self._asked) >= _MAX_COMMANDS:
            raise Unavailable(f"module {self.slot}", f"{_MAX_COMMANDS} commands are under way", "wait until one ends")
        self._commands += 1
        ident = self._commands
        answer: asyncio.Future[tuple[str, bool]] = asyncio.get_running_loop().create_future()
        self._asked[ident] = answer, part
        command = fabric_pb2.Command(id=ident, words=words, live=part is not None)
        self._post(fabric_pb2.SupervisorMessage(command=command))
        try:
            text, ok = await answer
        except asyncio.CancelledError:
            self._post(fabric_pb2.SupervisorMessage(cancel=fabric_pb2.CancelCommand(id=ident)))
            raise
        finally:
            self._asked.pop(ident, None)
        if not ok:
            raise DvsError(f"module {self.slot}", text.rstrip())
        return text

    def ended(self) -> None:
        """The session is over: nobody will answer."""
        self._tally.close()
        for answer, _ in self._asked.values():
            if not answer.done():
                answer.set_exception(Unavailable(f"module {self.slot}", "was lost before it answered"))

    def _post(self, message: fabric_pb2.SupervisorMessage) -> None:
        self._outbox.append(message)
        self.poke()

    def _output(self, message: fabric_pb2.CommandOutput) -> None:
        answer, part = self._asked.get(message.id, (None, None))
        if answer is None or answer.done():
            return
        if not message.more:
            answer.set_result((message.text, message.ok))
        elif part:
            part(message.text)

    def _port(self, message: fabric_pb2.PortState) -> None:
        status = wire.read_port_status(message)
        veth = self._supervisor.state.inventory.veths.get(message.veth)
        if veth is not None and veth.slot == self.slot:
            self._runtime.port_reported(self.slot, message.veth, status)
