"""A NIV host without a datapath of its own: VIF control, tags, and the host's session with the supervisor, in this
process, on datagram wires to a real VIS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dvswitch import lldp
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as pb
from dvswitch.v1 import types_pb2
from dvswitch.vif import codec
from dvswitch.vif.host import Binding, HostSide, LinkState, Wish
from dvswitch.vif.messages import NicKey, State, Tagging
from tests.support.fake_module import PATIENCE, FakeModule

VNTAG, ETAG = b"\x89\x26", b"\x89\x3f"
STATES = {
    LinkState.DOWN: pb.NivLink.DOWN,
    LinkState.SEARCHING: pb.NivLink.DOWN,
    LinkState.SYNCING: pb.NivLink.UP,
    LinkState.UP: pb.NivLink.UP,
}


@dataclass
class Received:
    """A tagged frame that came down a link, taken apart."""

    link: int
    to: int
    """A VIF or, from 4096 on, a list."""
    source: int
    """VIF of the sender when it is on the same link, else 0."""
    frame: bytes
    """Without the tag."""


@dataclass
class Uplink:
    number: int
    sock: socket.socket
    remote: str
    carrier: bool = True


@dataclass
class NivHost:
    """One host; ``async with`` runs it."""

    uuid: str
    name: str
    vsm: str
    domain: int
    wires: dict[int, tuple[Path, Path]]
    """By uplink: our end, and the VIS's."""
    tagging: Tagging = Tagging.VNTAG
    wishes: dict[str, Wish] = field(default_factory=dict)
    tagged: list[Received] = field(default_factory=list)
    plain: list[bytes] = field(default_factory=list)
    final: bool = False
    slot: int = 0
    applies: bool = True
    """What the VIS grants is at once in the tables (that it has none of)."""

    async def __aenter__(self) -> NivHost:
        self.uplinks = {number: self._open(number, *ends) for number, ends in self.wires.items()}
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self.start_control()
        self.module = FakeModule(self.vsm, self.uuid, self.name, domain=self.domain)
        await self.module.open()
        await self.module.synced()
        self._reported: pb.NivReport | None = None
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.module.close()
        for uplink in self.uplinks.values():
            asyncio.get_running_loop().remove_reader(uplink.sock)
            uplink.sock.close()

    def _open(self, number: int, local: Path, remote: Path) -> Uplink:
        local.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(str(local))
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._wake_up)
        return Uplink(number, sock, str(remote))

    def _wake_up(self) -> None:
        self._wake.set()

    # --- VIF control --------------------------------------------------------------------------------------------

    def start_control(self) -> None:
        """The agent starts, or starts again: what it had before is given back to VIF control."""
        held = self.side.bindings() if hasattr(self, "side") else {}
        now = time.monotonic()
        self.side = HostSide(self.uuid, self.name, int.from_bytes(os.urandom(8), "big"))
        for ident, bound in held.items():
            if ident in self.wishes:
                old = self.wishes[ident]
                self.wishes[ident] = Wish(
                    old.nic, old.mac, old.profile, request="again", held=(bound.uplink, bound.vif)
                )
        for uplink in self.uplinks.values():
            self.side.set_uplink(uplink.number, self.mac(uplink.number), uplink.carrier, now)
        self.side.set_mode(True, self.tagging, self.final, now)
        self.side.set_wishes(self.wishes.values(), now)
        self._wake_up()

    def mac(self, number: int) -> MacAddress:
        return MacAddress(b"\x06" + bytes.fromhex(self.uuid.replace("-", ""))[-4:] + bytes((number,)))

    def set_carrier(self, number: int, up: bool) -> None:
        """Cut the cable (frames of either side are lost), or mend it."""
        self.uplinks[number].carrier = up
        self.side.set_uplink(number, self.mac(number), up, time.monotonic())
        self._wake_up()

    def set_final(self, final: bool) -> None:
        self.final = final
        self.side.set_mode(True, self.tagging, final, time.monotonic())
        self._wake_up()

    def wish(self, vm: str, mac: MacAddress, profile: str, **more: object) -> str:
        """Attach a NIC, or change it; returns its name in bindings."""
        key = NicKey(vm)
        self.wishes[key.ident] = Wish(key, mac, profile, **{"request": "r", **more})  # type: ignore[arg-type]
        self._rewish()
        return key.ident

    def drop(self, ident: str) -> None:
        """Detach a NIC."""
        del self.wishes[ident]
        self._rewish()

    def _rewish(self) -> None:
        self.side.set_wishes(self.wishes.values(), time.monotonic())
        self._wake_up()

    def bound(self, ident: str) -> Binding:
        return self.side.bindings()[ident]

    def _apply(self, now: float) -> None:
        for ident, bound in self.side.bindings().items():
            held = (bound.uplink, bound.vif) if bound.vif else (0, 0)
            self.wishes[ident] = replace(self.wishes[ident], held=held, in_force=bool(bound.vif))
        self.side.set_wishes(self.wishes.values(), now)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            now = time.monotonic()
            for uplink in self.uplinks.values():
                self._read(uplink, now)
            self.side.set_lists(self.side.lists(), now)
            if self.applies:
                self._apply(now)
            for number, frame in self.side.to_send(now):
                self._put(number, frame)
            await self._report()
            due = self.side.next_timer()
            wait = 0.5 if due is None else min(0.5, max(0.0, due - time.monotonic()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):  # (wait_for may lose a cancellation)
                    await self._wake.wait()

    def _put(self, number: int, frame: bytes) -> None:
        uplink = self.uplinks[number]
        if uplink.carrier:
            with contextlib.suppress(OSError):  # the VIS is not there
                uplink.sock.sendto(frame, uplink.remote)

    def _read(self, uplink: Uplink, now: float) -> None:
        while True:
            try:
                frame = uplink.sock.recv(65536)
            except BlockingIOError:
                return
            if uplink.carrier:
                self._take(uplink.number, frame, now)

    def _take(self, number: int, frame: bytes, now: float) -> None:
        if frame[12:14] == lldp.ETHERTYPE.to_bytes(2, "big") or codec.is_control(frame):
            self.side.receive(number, frame, now)
        elif frame[12:14] == VNTAG:
            word = int.from_bytes(frame[14:18], "big")
            assert word >> 31, "a frame from the VIS says that it is from a host"
            listed, to, looped, source = word >> 30 & 1, word >> 16 & 0x3FFF, word >> 15 & 1, word & 0xFFF
            assert bool(listed) == (to >= 4096) and bool(looped) == bool(source)
            self.tagged.append(Received(number, to, source, frame[:12] + frame[18:]))
        elif frame[12:14] == ETAG:
            source = int.from_bytes(frame[14:16], "big") & 0xFFF
            to = int.from_bytes(frame[16:18], "big") & 0x3FFF
            self.tagged.append(Received(number, to, source, frame[:12] + frame[20:]))
        else:
            self.plain.append(frame)

    async def _report(self) -> None:
        """What the host's agent tells the supervisor about its ways to the VIS."""
        links = [
            pb.NivLink(
                uplink=view.uplink,
                vis_uuid=view.vis_uuid,
                vis_name=view.vis_name,
                vis_port=view.vis_port,
                tagging=types_pb2.Mode.Tagging.Name(view.tagging.value if view.tagging else 0),
                state=STATES.get(view.state, pb.NivLink.FOUND),
                vifs=[
                    pb.NivLink.Vif(veth=bound.veth, vif=bound.vif, carries=bound.veth > 0, vm=bound.nic.vm)
                    for bound in self.side.bindings().values()
                    if bound.uplink == view.uplink and bound.vif
                ],
            )
            for view in self.side.links()
            if view.vis_uuid
        ]
        report = pb.NivReport(links=links)
        if report != self._reported:
            self._reported = report
            await self.module.say(niv=report)

    # --- frames -------------------------------------------------------------------------------------------------

    def send(self, ident: str, frame: bytes) -> None:
        """A frame of a guest, tagged with its VIF."""
        bound = self.bound(ident)
        tag = VNTAG + bound.vif.to_bytes(4, "big")
        if self.side.links()[0].tagging is Tagging.ETAG:
            tag = ETAG + bytes(2) + bound.vif.to_bytes(2, "big") + bytes(2)
        self._put(bound.uplink, frame[:12] + tag + frame[12:])

    def deliveries(self, ident: str, marker: bytes) -> int:
        """How many copies of a frame with this marker a NIC got, by tags and lists, as an IV delivers them."""
        bound, lists, count = self.bound(ident), self.side.lists(), 0
        for found in self.tagged:
            vifs = (found.to,) if found.to < 4096 else lists.get((found.link, found.to), ())
            if found.link == bound.uplink and bound.vif in vifs and found.source != bound.vif and marker in found.frame:
                count += 1
        return count

    # --- waiting ------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for something."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, what or "did not happen"
            await asyncio.sleep(0.01)

    async def forwarding(self, ident: str) -> Binding:
        """Wait until the VIS says that the NIC forwards."""
        await self.until(lambda: self.bound(ident).state is State.FORWARDING, f"{ident}: {self.bound(ident)}")
        return self.bound(ident)


__all__ = ["NivHost", "Received"]
