"""A host with two uplinks that are real devices, its agent, and the network's end of each cable in the test's hands."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from tests.agent.supervisor import BASICS, UPLINK, Bench, bench, mac, uplink
from tests.kernel.rig import Switch
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from vem.agent.attaching import AttachRequest
from vem.agent.wanted import Nic
from vem.datapath.engine import Engine, Plug
from vem.datapath.user import UserEngine

KINDS = [
    pytest.param("user", id="user", marks=pytest.mark.kernel),
    pytest.param("kernel", id="kernel", marks=pytest.mark.kernel),
]
PATIENCE = 120.0
"""Seconds that a NIC is waited for."""


class LiveHost:
    """Namespaces, cables and the bench.  Guest N is vEth N with a NIC "eth0" in a namespace of its own."""

    def __init__(self, lab: Lab, guests: tuple[int, ...], uplinks: int, taps: bool) -> None:
        self.lab = lab
        self.where, self.network = lab.namespace("host"), lab.namespace("net")
        self.guests: dict[int, Namespace] = {}
        self.cables: dict[int, FrameSocket] = {}
        self.bench: Bench
        for number in range(1, uplinks + 1):
            if taps:
                lab.tap(self.where, f"up{number}")
                self.cables[number] = FrameSocket(self.where, f"up{number}")
                continue
            lab.veth(self.where, f"up{number}", self.network, f"net{number}")
            self.cables[number] = FrameSocket(self.network, f"net{number}")
        for veth in guests:
            self.guests[veth] = lab.namespace(f"guest{veth}")
            link = f"vm{veth}"
            lab.veth(
                self.where, link, self.guests[veth], "eth0", peer_mac=str(mac(veth)), peer_address=f"10.0.0.{veth}/24"
            )

    def specs(self) -> tuple[str, ...]:
        """Uplinks as an agent is told of them."""
        return tuple(f"{n},profile=UPLINK,device=up{n},netns={self.where.name}" for n in self.cables)

    def cut(self, number: int) -> None:
        """The cable's far end goes down."""
        self.network.run("ip", "link", "set", f"net{number}", "down")
        with contextlib.suppress(OSError):  # told once that the network is down
            self.cables[number].receive()

    def mend(self, number: int) -> None:
        """And up."""
        self.network.run("ip", "link", "set", f"net{number}", "up")

    async def attach(self, veth: int, profile: str = "web") -> None:
        """Plug a guest in."""
        plug = Plug("veth", f"vm{veth}", self.where.name)
        await self.bench.attaching.attach(AttachRequest(Nic(f"web{veth}"), mac(veth), profile, plug, wait=PATIENCE))

    async def collect(self, number: int, cookie: bytes, seconds: float, enough: int | None = None) -> list[bytes]:
        """Frames with the cookie at the far end of an uplink."""
        return await asyncio.to_thread(self.cables[number].collect, cookie, seconds, enough=enough)

    def pinned(self, veth: int) -> int:
        """Uplink that a vEth uses."""
        state = self.bench.agent.compiled.veths.get(veth)
        return state.pinned_uplink if state else 0


@contextlib.asynccontextmanager
async def live_host(
    kind: str,
    guests: tuple[int, ...],
    uplinks: int = 2,
    basics: tuple[fabric.Change, ...] = BASICS,
    taps: bool = False,
) -> AsyncIterator[LiveHost]:
    """Everything is gone afterwards.  ``taps``: the uplinks are taps, for a machine in QEMU at their other end."""
    path = Path(tempfile.mkdtemp(prefix="dva-"))
    try:
        with Lab() as lab, Switch("teaming") as switch:
            host = LiveHost(lab, guests, uplinks, taps)
            open_engine: Callable[[], Engine] = UserEngine if kind == "user" else switch.open
            async with bench(path, open_engine, host.specs(), supervisor=False) as made:
                host.bench = made
                made.snapshot = (*basics, *(uplink(number) for number in host.cables))
                await made.supervisor.start(made.address)
                await made.in_touch()
                made.grant()
                yield host
            for cable in host.cables.values():
                cable.close()
    finally:
        shutil.rmtree(path)


def team(**more: object) -> pb.Team:
    """A profile's team."""
    return pb.Team(**more)  # type: ignore[arg-type]


__all__ = ["KINDS", "UPLINK", "LiveHost", "live_host", "team"]
