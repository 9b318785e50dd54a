"""A NIV host's agent with a real engine, and at the far end of its uplinks a switch that is VIF control alone
(dvswitch/vif/bridge.py): the test sees every frame on the cable, and decides what the VIS and the supervisor say."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from dvswitch import lldp
from dvswitch.lldp import Advertisement
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from dvswitch.vif import announcement, codec
from dvswitch.vif.bridge import BridgeSide
from dvswitch.vif.messages import Granted, Phase, State
from tests.agent.supervisor import PATIENCE, Bench, bench, until
from tests.kernel.rig import Switch
from tests.support.netns import Lab
from tests.support.packets import FrameSocket
from vem.agent.attaching import AttachRequest
from vem.datapath.engine import Plug
from vem.datapath.user import UserEngine
from vem.niv.stages import Stage

VIS = "00000000-0000-0000-0000-0000000000aa"
NIV = fabric.Change(set_mode=pb.Mode(kind=pb.Mode.NIV, tagging=pb.Mode.VNTAG))
NIV_ETAG = fabric.Change(set_mode=pb.Mode(kind=pb.Mode.NIV, tagging=pb.Mode.ETAG))
DVS = fabric.Change(set_mode=pb.Mode())


class End(Protocol):
    """The far end of a cable; never blocks."""

    def fileno(self) -> int: ...

    def send(self, frame: bytes) -> None: ...

    def receive(self) -> bytes | None: ...

    def close(self) -> None: ...


class WireEnd:
    """Of a datagram wire."""

    def __init__(self, path: Path, name: str, port: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path / name))
        self._socket.setblocking(False)
        self._port = str(path / port)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # nobody is there: as on a cable
            self._socket.sendto(frame, self._port)

    def receive(self) -> bytes | None:
        with contextlib.suppress(BlockingIOError):
            return self._socket.recv(70000)
        return None

    def close(self) -> None:
        self._socket.close()


class Ground:
    """Cables for one host: uplinks by number, NICs by the number of their vEth."""

    def __init__(self, path: Path, kind: str, uplinks: int, nics: tuple[int, ...]) -> None:
        self.path, self.kind = path, kind
        self.uplinks: dict[int, End] = {}
        self.guests: dict[int, End] = {}
        self._stack = contextlib.ExitStack()
        if kind == "user":
            self.uplinks = {n: WireEnd(path, f"n{n}", f"u{n}") for n in range(1, uplinks + 1)}
            self.guests = {n: WireEnd(path, f"g{n}", f"s{n}") for n in nics}
            return
        lab, self._switch = self._stack.enter_context(Lab()), self._stack.enter_context(Switch("niv"))
        self.where, far = lab.namespace("host"), lab.namespace("far")
        for n in range(1, uplinks + 1):
            lab.veth(self.where, f"up{n}", far, f"port{n}", mtu=9000)
            self.uplinks[n] = FrameSocket(far, f"port{n}")
        for n in nics:
            lab.veth(self.where, f"vm{n}", far, f"eth{n}")
            self.guests[n] = FrameSocket(far, f"eth{n}")
        self.far = far

    def engine(self) -> Any:
        """What opens the host's engine."""
        return UserEngine() if self.kind == "user" else self._switch.open()

    def config(self, number: int) -> str:
        """An uplink, for the agent."""
        if self.kind == "user":
            return f"{number},profile=UPLINK,wire=unix:{self.path}/u{number}>unix:{self.path}/n{number}"
        return f"{number},profile=UPLINK,device=up{number},netns={self.where.name}"

    def plug(self, nic: int) -> Plug:
        """A NIC, for the agent."""
        if self.kind == "user":
            return Plug("wire", local=f"unix:{self.path}/s{nic}", remote=f"unix:{self.path}/g{nic}")
        return Plug("veth", f"vm{nic}", self.where.name)

    def close(self) -> None:
        for end in (*self.uplinks.values(), *self.guests.values()):
            end.close()
        self._stack.close()


class FarVis:
    """VIF control on the far ends of uplinks; other frames are for the test."""

    def __init__(self, ends: dict[int, End], instance: int = 1) -> None:
        self._ends = ends
        self.seen: dict[int, list[bytes]] = {number: [] for number in ends}
        """Frames that came and were no control frames."""
        self.grants = True
        """Answer attaches as a supervisor would: the last byte of the MAC is the vEth."""
        self.follows = True
        """Say that tagged frames only are taken as soon as the host says so."""
        self.deaf = False
        """It hears and says nothing but LLDP: a VIS that is just being started."""
        self.before_answers: Callable[[], None] = lambda: None
        """Called when control frames were taken, and before any is sent."""
        self._wake = asyncio.Event()
        self._granted: dict[str, Granted] = {}
        self.begin(instance)

    def begin(self, instance: int, remembers: bool = False) -> None:
        """A VIS that has just started, and remembers what it had, or nothing."""
        saved = self.core.saved() if remembers else ([], [])
        self.core = BridgeSide(VIS, "vis1", instance)
        self._granted.clear()
        for number in self._ends:
            self.core.add_port(number, f"0/{number}", _mac(number))
            self.core.set_carrier(number, True, time.monotonic())
        self.core.restore(*saved)
        self._announce = set(self._ends)
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        for end in self._ends.values():
            loop.add_reader(end.fileno(), self._wake.set)
        try:
            while True:
                self._take()
                self._answer()
                self.before_answers()
                for number in self._announce | self.core.take_seekers():
                    self._ends[number].send(self._lldp(number))
                self._announce = set()
                for number, frame in self.core.to_send(time.monotonic()) if not self.deaf else ():
                    self._ends[number].send(frame)
                timer = self.core.next_timer()
                wait = 0.05 if timer is None else min(0.05, max(0.0, timer - time.monotonic()))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            for end in self._ends.values():
                loop.remove_reader(end.fileno())

    def poke(self) -> None:
        """Something was set: act on it."""
        self._wake.set()

    def _take(self) -> None:
        for number, end in self._ends.items():
            while (frame := end.receive()) is not None:
                if codec.is_control(frame) and self.deaf:
                    continue
                if codec.is_control(frame):
                    self.core.receive(number, frame, time.monotonic())
                elif int.from_bytes(frame[12:14], "big") != lldp.ETHERTYPE:
                    self.seen[number].append(frame)

    def _answer(self) -> None:
        for nic in self.core.nics() if self.grants else ():
            veth = nic.attach.mac.octets[5]
            phase = Phase.PREPARED if nic.attach.prepare else Phase.ACTIVE
            state = State.BLOCKED if nic.attach.prepare else State.FORWARDING
            told = Granted(nic.key, 0, veth, max(1, nic.attach.generation), phase, state, request=nic.attach.request)
            if self._granted.get(nic.key.ident) != told:
                self._granted[nic.key.ident] = told
                self.core.set_state(nic.host, nic.key.ident, told)
        for view in self.core.ports() if self.follows else ():
            self.core.set_final(view.number, view.final)

    def _lldp(self, number: int) -> bytes:
        value = announcement.encode(self.core.announcement(number))
        private = ((announcement.ORGANISATION, announcement.SUBTYPE, value),)
        return lldp.encode(_mac(number), Advertisement("vis1", f"0/{number}", private=private))

    # --- what a test asks ---------------------------------------------------------------------------------------

    def places(self) -> dict[int, tuple[int, int]]:
        """Port and VIF by vEth."""
        return {nic.attach.mac.octets[5]: (nic.port, nic.vif) for nic in self.core.nics()}

    async def frame(self, number: int, cookie: bytes, seconds: float = PATIENCE) -> bytes:
        """The first frame that came by a port with that in it."""

        def found() -> bytes | None:
            return next((frame for frame in self.seen[number] if cookie in frame), None)

        got: bytes = await until(found, f"{cookie!r} at port {number}", seconds)
        return got


def _mac(number: int) -> MacAddress:
    return MacAddress(bytes([2, 0xAA, 0, 0, 0, number]))


class NivBench:
    """All of it."""

    def __init__(self, ground: Ground, made: Bench, vis: FarVis) -> None:
        self.ground, self.bench, self.vis = ground, made, vis

    def request(self, veth: int, **more: Any) -> AttachRequest:
        """An attach of NIC "vmN"."""
        return self.bench.request(veth, f"vm{veth}", plug=self.ground.plug(veth), **more)

    async def stage(self, stage: Stage) -> None:
        """Wait for it, and for the pass that brings it into force."""
        await until(lambda: self.bench.agent.niv.stage is stage, f"stage {stage}, not {self.bench.agent.niv.stage}")
        await self.bench.agent.reconcile()

    async def to_niv(self, mode: fabric.Change = NIV) -> None:
        """The supervisor wants it: ports go."""
        gone = [fabric.Change(remove_port=veth) for veth in self.bench.agent.holdings.staging.told.ports]
        await self.bench.supervisor.update(mode, *gone)
        await self.stage(Stage.FINAL)

    def clear(self) -> None:
        """Forget what came so far."""
        for frames in self.vis.seen.values():
            frames.clear()
        for guest in self.ground.guests.values():
            while guest.receive() is not None:
                pass

    async def heard(self, guest: int, cookie: bytes, seconds: float = PATIENCE) -> bytes:
        """The next frame with that in it which a guest gets."""
        end = self.ground.guests[guest]

        def found() -> bytes | None:
            while (frame := end.receive()) is not None:
                if cookie in frame:
                    return frame
            return None

        got: bytes = await until(found, f"{cookie!r} at guest {guest}", seconds)
        return got

    async def silent(self, guest: int, cookie: bytes) -> bool:
        """Nothing like that comes."""
        with contextlib.suppress(AssertionError):
            await self.heard(guest, cookie, 0.15)
            return False
        return True


@asynccontextmanager
async def niv_bench(
    path: Path, kind: str, uplinks: int = 1, nics: tuple[int, ...] = (5, 6), supervisor: bool = True
) -> AsyncIterator[NivBench]:
    """A running host in mode DVS; ended whatever happens."""
    with ground(path, kind, uplinks, nics) as laid:
        vis = FarVis(laid.uplinks)
        running = asyncio.create_task(vis.run())
        try:
            configs = tuple(laid.config(number) for number in laid.uplinks)
            async with bench(path, laid.engine, configs, supervisor) as made:
                yield NivBench(laid, made, vis)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@contextmanager
def ground(path: Path, kind: str, uplinks: int, nics: tuple[int, ...]) -> Iterator[Ground]:
    """Cables that go when they are done with."""
    laid = Ground(path, kind, uplinks, nics)
    try:
        yield laid
    finally:
        laid.close()
