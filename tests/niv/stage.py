"""A supervisor, a VIS, NIV hosts on its links and plain stations beside them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from dvswitch.mac import MacAddress
from dvswitch.vif.host import LinkState
from dvswitch.vif.messages import Tagging
from physical import control
from tests.niv.hosts import NivHost
from tests.support.fabric import DOMAIN, Fabric, access_profile
from tests.support.fake_module import PATIENCE

BASICS = access_profile("web", 10) + access_profile("db", 20)
VIS = str(uuid.UUID(int=0x2001))
BROADCAST = MacAddress(b"\xff" * 6)
NIV_PORTS, PLAIN_PORTS = (1, 2, 3, 4), (8, 9)
_markers = itertools.count(1)


def mac(number: int) -> MacAddress:
    return MacAddress(b"\x02\x00\x00\x00\x01" + bytes((number,)))


def frame(source: MacAddress, to: MacAddress) -> tuple[bytes, bytes]:
    """A frame, and what to know it by."""
    marker = b"frame %06d" % next(_markers)
    return to.octets + source.octets + b"\x88\xb6" + marker.ljust(46, b"."), marker


class Station:
    """What is at the other end of a plain port."""

    def __init__(self, path: Path, port: int) -> None:
        self._remote = str(path / f"p{port}")
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        local = path / f"h{port}"
        local.unlink(missing_ok=True)
        self._sock.bind(str(local))
        self._sock.setblocking(False)
        self._heard: list[bytes] = []

    def send(self, sent: bytes) -> None:
        self._sock.sendto(sent, self._remote)

    def heard(self) -> list[bytes]:
        """All so far."""
        while True:
            try:
                self._heard.append(self._sock.recv(65536))
            except BlockingIOError:
                return self._heard

    def copies(self, marker: bytes) -> int:
        return sum(marker in found for found in self.heard())

    def close(self) -> None:
        self._sock.close()


class Stage:
    """NIV ports 1 to 4 and plain ports 8 and 9 in VLAN 10."""

    def __init__(self, path: Path, fabric: Fabric, *options: str) -> None:
        self.path, self.fabric = path, fabric
        self.control = path / "vis.ctl"
        ports = [f"{n},wire=unix:{path}/p{n}>unix:{path}/h{n},mode=niv" for n in NIV_PORTS]
        ports += [f"{n},wire=unix:{path}/p{n}>unix:{path}/h{n},mode=access,vlan=10" for n in PLAIN_PORTS]
        arguments = [word for port in ports for word in ("--port", port)]
        self.stations = {port: Station(path, port) for port in PLAIN_PORTS}
        self.vis = fabric.add_switch(
            "vis1", "--name", "vis1", "--uuid", VIS, "--vsm", f"unix:{fabric.socket}", "--domain", str(DOMAIN),
            "--state-dir", str(path / "vis"), "--socket", str(self.control), *arguments, *options,
        )  # fmt: skip
        self.wait_for_vis()

    def wait_for_vis(self) -> None:
        self.vis.wait_ready(self._answers, "answers")

    def _answers(self) -> bool:
        with contextlib.suppress(Exception):
            return bool(self.show()["connected"])
        return False

    def close(self) -> None:
        for station in self.stations.values():
            station.close()

    def show(self) -> dict[str, Any]:
        with control.Client(str(self.control), "switch") as client:
            return client.call("niv")

    def port_counters(self, port: int) -> dict[str, Any]:
        with control.Client(str(self.control), "switch") as client:
            found: dict[str, Any] = client.call("counters")["counters"][str(port)]
            return found

    def link(self, port: int) -> dict[str, Any]:
        """A row of `vis show niv`."""
        found: dict[str, Any] = next(row for row in self.show()["links"] if row["port"] == port)
        return found

    async def cli(self, line: str) -> str:
        return await asyncio.to_thread(self.fabric.cli, line)

    async def configure(self, *texts: str) -> None:
        await asyncio.to_thread(self.fabric.configure, *texts)

    async def veth(self, number: int) -> Any:
        """What the supervisor says of a vEth."""
        return (await asyncio.to_thread(self.fabric.veths))[number]

    @contextlib.asynccontextmanager
    async def host(self, number: int, *ports: int, tagging: Tagging = Tagging.VNTAG) -> AsyncIterator[NivHost]:
        """A host whose uplinks 1.. are at these ports, in mode NIV."""
        wires = {at: (self.path / f"h{port}", self.path / f"p{port}") for at, port in enumerate(ports, 1)}
        ident = str(uuid.UUID(int=0x1000 + number))
        async with NivHost(ident, f"kvm-{number}", f"unix:{self.fabric.socket}", DOMAIN, wires, tagging) as host:
            await host.until(lambda: {view.state for view in host.side.links()} == {LinkState.UP}, "the links are up")
            assert host.module.welcome
            host.slot = host.module.welcome.slot
            await self.configure(f"vem {host.slot}\nmode niv")
            try:
                yield host
            finally:
                for name in list(host.wishes):
                    host.drop(name)
            await until(lambda: not any(nic["host"] == ident for nic in self.show()["vifs"]), "its NICs are gone")


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"did not happen: {what}"
        await asyncio.sleep(0.02)


async def passed(host: NivHost, nics: dict[str, int], stations: dict[Station, int], marker: bytes) -> None:
    """Every receiver gets exactly so many copies of a frame."""

    def found() -> tuple[list[int], list[int]]:
        return [host.deliveries(nic, marker) for nic in nics], [station.copies(marker) for station in stations]

    wanted = [*nics.values()], [*stations.values()]
    await until(lambda: found() == wanted, f"{wanted}, but {found()}")
    await asyncio.sleep(0.05)  # long enough for a copy too many, which would come with the others
    assert found() == wanted
