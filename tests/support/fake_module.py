"""A module that speaks the fabric protocol truly, without a datapath: what tests and the benchmark use for a host.

It keeps the wanted state it was told, acknowledges, drains, answers heartbeats and reports what the test tells it to.
Everything it received stays in ``received`` for the test to look at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dvswitch.client import fabric_stub, open_aio_channel
from dvswitch.digest import wanted_digest
from dvswitch.v1 import fabric_pb2 as pb
from dvswitch.v1 import types_pb2

PATIENCE = 120.0
"""Seconds until something counts as not happening; a test that passes never waits so long."""


@dataclass
class Holding:
    """The wanted state a module holds."""

    revision: int = 0
    switch: types_pb2.Switch | None = None
    policies: dict[int, types_pb2.Policy] = field(default_factory=dict)
    ports: dict[int, types_pb2.Port] = field(default_factory=dict)
    uplinks: dict[int, types_pb2.Uplink] = field(default_factory=dict)
    mode: types_pb2.Mode = field(default_factory=types_pb2.Mode)

    @property
    def digest(self) -> str:
        """As Hello tells it."""
        return wanted_digest(self.switch, self.policies.values(), self.ports.values(), self.uplinks.values(), self.mode)

    def apply(self, change: pb.Change) -> None:
        """Take one change; KeyError when something is removed that is not there."""
        match change.WhichOneof("change"):
            case "set_switch":
                self.switch = change.set_switch
            case "set_policy":
                self.policies[change.set_policy.id] = change.set_policy
            case "set_port":
                port = change.set_port
                assert not port.policy or port.policy in self.policies, "a port refers to a policy that is not there"
                self.ports[port.veth] = port
            case "set_uplink":
                self.uplinks[change.set_uplink.number] = change.set_uplink
            case "set_mode":
                self.mode = change.set_mode
            case "remove_port":
                del self.ports[change.remove_port]
            case "remove_policy":
                used = {port.policy for port in self.ports.values()}
                assert change.remove_policy not in used, "a policy in use is removed"
                del self.policies[change.remove_policy]
            case "remove_uplink":
                del self.uplinks[change.remove_uplink]


class FakeModule:
    """One host.  ``async with`` keeps a session open; what it holds survives from session to session."""

    def __init__(self, address: str, host_uuid: str, host_name: str = "", domain: int = 1, tls: Any = None) -> None:
        self.address, self.tls = address, tls
        self.hello = pb.Hello(
            protocol=1, domain=domain, host_uuid=host_uuid, host_name=host_name or f"host-{host_uuid[-2:]}",
            engine="user", version="0.1.0", incarnation="1", modes=[types_pb2.Mode.NIV, types_pb2.Mode.VEPA],
        )  # fmt: skip
        self.holding = Holding()
        self.received: list[pb.SupervisorMessage] = []
        self.welcome: pb.Welcome | None = None
        self.in_sync = asyncio.Event()
        self.ended: Exception | None = None
        """Why the session ended, once it has."""
        self.acks = True
        """Acknowledge Updates."""
        self.drains = True
        """Answer DRAINING with PortDrained."""
        self.refuses: dict[str, str] = {}
        """Answer the next Updates with Refuse for these objects."""
        self.heartbeat: float | None = None
        """Seconds; None = as Welcome says, 0 = never."""
        self.last: dict[int, types_pb2.Counters] = {}
        """Final counters to tell in PortDrained."""
        self._staged: list[pb.Change] | None = None
        self._fresh = False
        self._changed = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._writing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    # ---- life

    async def __aenter__(self) -> FakeModule:
        """Open, and wait for the first answer: who is entered first has the lower slot.

        A refusal is not raised here but by whoever waits for more, so that tests can judge it.
        """
        await self.open()
        async with asyncio.timeout(PATIENCE):
            while self.welcome is None and self.ended is None:
                self._changed.clear()
                await self._changed.wait()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open a session and say hello with what is held."""
        self.in_sync.clear()
        self.ended = self.welcome = None
        self.hello.revision = self.holding.revision
        self.hello.digest = self.holding.digest if self.holding.revision else ""
        self._channel = open_aio_channel(self.address, self.tls)
        self._call = fabric_stub(self._channel).Session()
        await self._send(hello=self.hello)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._beat())]

    async def close(self) -> None:
        """Drop the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._call.cancel()
        await self._channel.close()

    async def synced(self) -> None:
        """Wait for InSync; the session's end is raised."""
        await self.until(lambda: self.in_sync.is_set())

    async def until(self, ready: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait until ``ready()`` after some message; TimeoutError, or what ended the session."""
        async with asyncio.timeout(patience):
            while not ready():
                if self.ended is not None:
                    raise self.ended
                self._changed.clear()
                await self._changed.wait()

    async def finished(self) -> Exception:
        """Wait for the supervisor to end the session; why."""
        async with asyncio.timeout(PATIENCE):
            while self.ended is None:
                self._changed.clear()
                await self._changed.wait()
        return self.ended

    def read(self, reads: bool) -> None:
        """Whether to take messages from the stream."""
        (self._reading.set if reads else self._reading.clear)()

    # ---- what it says

    async def attach(self, vm: str, mac: str, profile: str, index: int = 0, **more: Any) -> None:
        """A NIC is plugged in."""
        nic = types_pb2.Nic(vm=vm, index=index, adapter="tap0")
        await self._send(attached=pb.PortAttached(nic=nic, mac=mac, profile=profile, **more))

    async def detach(self, veth: int, last: types_pb2.Counters | None = None) -> None:
        """A NIC is unplugged."""
        port = self.holding.ports[veth]
        await self._send(detached=pb.PortDetached(veth=veth, nic=port.nic, generation=port.generation, last=last))

    async def count(self, veth: int, incarnation: str | None = None, **counters: int) -> None:
        """Report a vEth's counters."""
        generation = self.holding.ports[veth].generation
        row = pb.PortCounters(veth=veth, generation=generation, counters=types_pb2.Counters(**counters))
        await self._send(counters=pb.CounterReport(incarnation=incarnation or self.hello.incarnation, ports=[row]))

    async def say(self, **message: Any) -> None:
        """Send any message: the name of ModuleMessage's field and its value."""
        await self._send(**message)

    async def port_of(self, vm: str) -> types_pb2.Port:
        """Wait for the port of a VM's NIC."""
        await self.until(lambda: any(port.nic.vm == vm for port in self.holding.ports.values()))
        return next(port for port in self.holding.ports.values() if port.nic.vm == vm)

    async def refused(self, request: str = "") -> pb.AttachRefused:
        """Wait for the latest refusal of an attach, whatever else comes beside it, e.g. heartbeats."""

        def found() -> list[pb.AttachRefused]:
            told = [message.attach_refused for message in self.received if message.HasField("attach_refused")]
            return [one for one in told if one.request == request or not request]

        await self.until(lambda: bool(found()))
        return found()[-1]

    def updates(self) -> list[pb.Update]:
        """The Updates received, in order."""
        return [message.update for message in self.received if message.HasField("update")]

    # ---- inside

    async def _send(self, **message: Any) -> None:
        async with self._writing:
            await self._call.write(pb.ModuleMessage(**message))

    async def _read(self) -> None:
        try:
            async for message in self._call:
                self.received.append(message)
                await self._take(message)
                self._changed.set()
                await self._reading.wait()
            raise ConnectionError("the supervisor closed the stream")
        except Exception as error:
            self.ended = error
            self._changed.set()

    async def _take(self, message: pb.SupervisorMessage) -> None:
        match message.WhichOneof("message"):
            case "welcome":
                self.welcome = message.welcome
            case "in_sync":
                self.in_sync.set()
            case "update":
                await self._update(message.update)

    async def _update(self, update: pb.Update) -> None:
        if self._staged is None:
            self._staged, self._fresh = [], update.snapshot
        self._staged += update.changes
        if not update.commit:
            return
        staged, self._staged = self._staged, None
        if self._fresh:
            self.holding = Holding()
        for change in staged:
            self.holding.apply(change)
        self.holding.revision = update.revision
        await self._answer(update.revision)
        for change in staged:
            if change.HasField("set_port"):
                await self._drain(change.set_port)

    async def _answer(self, revision: int) -> None:
        if self.refuses:
            rows = [pb.Refuse.Refusal(object=name, reason=reason) for name, reason in self.refuses.items()]
            await self._send(refuse=pb.Refuse(revision=revision, refusals=rows))
        elif self.acks:
            await self._send(ack=pb.Ack(revision=revision, apply_us=1))

    async def _drain(self, port: types_pb2.Port) -> None:
        if port.phase == types_pb2.Port.DRAINING and self.drains:
            last = self.last.get(port.veth)
            await self._send(drained=pb.PortDrained(veth=port.veth, generation=port.generation, last=last))

    async def _beat(self) -> None:
        sequence = 0
        while True:
            told = self.welcome.heartbeat_ms / 1000 if self.welcome else 0.05
            await asyncio.sleep(told if self.heartbeat is None else self.heartbeat or 3600)
            if self.welcome is None or self.heartbeat == 0:
                continue
            sequence += 1
            beat = pb.Heartbeat(sequence=sequence, revision=self.holding.revision)
            try:
                await self._send(heartbeat=beat)
            except Exception:
                return
