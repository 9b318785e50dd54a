"""A supervisor for tests of the agent: a real gRPC server whose every word the test decides, and an agent beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import fabric_pb2_grpc as fabric_grpc
from dvswitch.v1 import types_pb2 as pb
from vem.agent.ageing import DEFAULT_AGE
from vem.agent.agent import Agent, Identity
from vem.agent.attaching import Attaching, AttachRequest
from vem.agent.session import Endpoint
from vem.agent.state import StateFile
from vem.agent.uplinks import parse_uplink
from vem.agent.wanted import Nic
from vem.datapath.engine import Engine, Plug

PATIENCE = 120.0
"""Seconds until a condition counts as not met; a test that passes never waits so long."""
WEB, DB, UPLINK = 1, 2, 9


async def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Await a condition, looking often; AssertionError names what did not happen."""
    end = asyncio.get_running_loop().time() + seconds
    while not (found := condition()):
        assert asyncio.get_running_loop().time() < end, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.005)
    return found


class ScriptedSupervisor(fabric_grpc.FabricServicer):
    """Welcomes every module, records what it says, sends what it is told to."""

    def __init__(self) -> None:
        self.heard: list[fabric.ModuleMessage] = []
        self.hellos: list[fabric.Hello] = []
        self.answer_attach: Callable[[fabric.PortAttached], Awaitable[None]] | None = None
        self.opening: Callable[[fabric.Hello], list[fabric.SupervisorMessage]] = lambda hello: []
        self.heartbeat_ms = 200
        self.beats = True
        """Answer heartbeats, so that the module knows that somebody is there."""
        self.revision = 0
        self._call: Any = None
        self._writing = asyncio.Lock()
        self._server: grpc.aio.Server | None = None

    async def Session(self, requests: AsyncIterator[fabric.ModuleMessage], context: Any) -> None:
        """One module at a time."""
        first = await anext(aiter(requests))
        self.hellos.append(first.hello)
        self._call = context
        welcome = fabric.Welcome(slot=3, switch_name="vsm", heartbeat_ms=self.heartbeat_ms, counters_ms=100)
        await self.say(welcome=welcome)
        for opening in self.opening(first.hello):
            await context.write(opening)
        await self.say(in_sync=fabric.InSync(revision=self.revision))
        async for received in requests:
            for message in received.several.messages or (received,):
                self.heard.append(message)
                if message.HasField("heartbeat") and self.beats:
                    await self.say(heartbeat=fabric.Heartbeat(sequence=message.heartbeat.sequence))
                if message.HasField("attached") and self.answer_attach:
                    await self.answer_attach(message.attached)

    async def say(self, **message: Any) -> None:
        """Send a SupervisorMessage made of these fields."""
        async with self._writing:
            await self._call.write(fabric.SupervisorMessage(**message))

    async def update(self, *changes: fabric.Change, commit: bool = True, snapshot: bool = False) -> int:
        """Send an Update; returns its revision."""
        self.revision += 1
        update = fabric.Update(revision=self.revision, commit=commit, snapshot=snapshot, changes=changes)
        await self.say(update=update)
        return self.revision

    async def applied(self, *changes: fabric.Change) -> None:
        """Send an Update and wait for its Ack."""
        revision = await self.update(*changes)
        await until(lambda: revision in [ack.revision for ack in self.all("ack")], f"ack of {revision}")

    def all(self, kind: str) -> list[Any]:
        """Everything of one kind heard so far."""
        return [getattr(message, kind) for message in self.heard if message.HasField(kind)]

    async def start(self, address: str) -> None:
        """Listen."""
        self._server = grpc.aio.server()
        fabric_grpc.add_FabricServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self._server.add_insecure_port(address)
        await self._server.start()

    async def stop(self) -> None:
        """Vanish, as when killed."""
        if self._server:
            await self._server.stop(None)
            self._server = None


def policy(ident: int, name: str, vlan: int, **more: Any) -> fabric.Change:
    """An access policy."""
    return fabric.Change(set_policy=pb.Policy(id=ident, profile=name, vlan=vlan, **more))


def trunk(ident: int, name: str, allowed: str, native: int = 1) -> fabric.Change:
    """A trunk policy."""
    return fabric.Change(
        set_policy=pb.Policy(id=ident, profile=name, mode=pb.Policy.TRUNK, allowed=allowed, vlan=native)
    )


def port(veth: int, vm: str, ident: int = WEB, **more: Any) -> fabric.Change:
    """A vEth of a VM's NIC 0 whose MAC ends in the number."""
    values: dict[str, Any] = {"generation": 1, "phase": pb.Port.ACTIVE, **more}
    nic = pb.Nic(vm=vm, index=0)
    return fabric.Change(set_port=pb.Port(veth=veth, policy=ident, mac=str(mac(veth)), nic=nic, **values))


def uplink(number: int, ident: int = UPLINK) -> fabric.Change:
    """An uplink in use."""
    return fabric.Change(set_uplink=pb.Uplink(number=number, policy=ident))


def mac(number: int) -> MacAddress:
    """52:54:00:00:00:<number>."""
    return MacAddress(bytes([0x52, 0x54, 0, 0, number >> 8, number & 255]))


BASICS = (
    fabric.Change(set_switch=pb.Switch(name="vsm", domain=1, mtu=1500)),
    trunk(UPLINK, "UPLINK", "1,10,20"),
    policy(WEB, "web", 10),
    policy(DB, "db", 20),
    uplink(1),
)


class Bench:
    """An agent with its engine and a scripted supervisor, in this process."""

    def __init__(self, path: Path, open_engine: Callable[[], Engine], uplinks: tuple[str, ...]) -> None:
        self.path = path
        self.supervisor = ScriptedSupervisor()
        self.supervisor.opening = self._opening
        self._open_engine = open_engine
        self._uplinks = uplinks
        self.mac_age = DEFAULT_AGE
        """As the host is configured; for agents started from now on."""
        self.keep = False
        """At the end: leave the datapath as it is."""
        self.snapshot: tuple[fabric.Change, ...] = BASICS

    @property
    def address(self) -> str:
        """Where the supervisor listens."""
        return f"unix:{self.path}/vsm"

    def _opening(self, hello: fabric.Hello) -> list[fabric.SupervisorMessage]:
        """A snapshot for a module that holds nothing, else nothing new."""
        if hello.revision:
            return []
        self.supervisor.revision += 1
        update = fabric.Update(revision=self.supervisor.revision, snapshot=True, commit=True, changes=self.snapshot)
        return [fabric.SupervisorMessage(update=update)]

    async def start_agent(self) -> Agent:
        """A new agent on the same files."""
        identity = Identity("11111111-2222-3333-4444-555555555555", "alpha", 1)
        uplinks = [parse_uplink(text) for text in self._uplinks]
        endpoint, state = Endpoint(self.address), StateFile(self.path)
        self.agent = Agent(identity, endpoint, uplinks, state, self._open_engine, self.mac_age)
        await self.agent.start()
        self.attaching = Attaching(self.agent)
        return self.agent

    async def in_touch(self) -> None:
        """Wait for the session."""
        await until(lambda: self.agent.connected, "session")
        await self.agent.reconcile()

    def request(self, veth: int, vm: str, profile: str = "web", **more: Any) -> AttachRequest:
        """An attach of a wire NIC."""
        values: dict[str, Any] = {
            "plug": Plug("wire", local=f"unix:{self.path}/s{veth}", remote=f"unix:{self.path}/g{veth}"),
            "wait": PATIENCE,
            **more,
        }
        return AttachRequest(Nic(vm), mac(veth), profile, **values)

    def grant(self, ident: int = WEB, **more: Any) -> None:
        """Let the supervisor give every NIC that is attached the vEth of its MAC's last byte."""

        async def answer(attached: fabric.PortAttached) -> None:
            if not attached.veth:
                veth = int(attached.mac[-2:], 16)
                await self.supervisor.update(port(veth, attached.nic.vm, ident, **more))

        self.supervisor.answer_attach = answer


@asynccontextmanager
async def bench(
    path: Path, open_engine: Callable[[], Engine], uplinks: tuple[str, ...] = (), supervisor: bool = True
) -> AsyncIterator[Bench]:
    """A running bench; ended whatever happens."""
    made = Bench(path, open_engine, uplinks)
    try:
        if supervisor:
            await made.supervisor.start(made.address)
        await made.start_agent()
        if supervisor:
            await made.in_touch()
        yield made
    finally:
        try:
            await made.agent.stop(keep=made.keep)
        finally:
            await made.supervisor.stop()
