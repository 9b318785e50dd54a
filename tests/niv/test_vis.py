"""A real VIS at a real supervisor, with NIV hosts on its links and plain ports beside them."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dvswitch.mac import MacAddress
from dvswitch.vif.host import LinkState
from physical import control
from tests.niv.hosts import NivHost
from tests.support.fabric import DOMAIN, Fabric, access_profile, home

BASICS = access_profile("web", 10)
HOST, VIS = str(uuid.UUID(int=0x1001)), str(uuid.UUID(int=0x2001))
BROADCAST = b"\xff" * 6


def mac(number: int) -> MacAddress:
    return MacAddress(b"\x02\x00\x00\x00\x01" + bytes((number,)))


class Stage:
    """A supervisor, a VIS with two NIV ports (1, 2) and two plain ports (8, 9) in VLAN 10, and NIV hosts."""

    def __init__(self, path: Path, fabric: Fabric) -> None:
        self.path, self.fabric = path, fabric
        self.control = path / "vis.ctl"
        ports = [f"{n},wire=unix:{path}/p{n}>unix:{path}/h{n},mode=niv" for n in (1, 2)]
        ports += [f"{n},wire=unix:{path}/p{n}>unix:{path}/h{n},mode=access,vlan=10" for n in (8, 9)]
        arguments = [word for port in ports for word in ("--port", port)]
        self.vis = fabric.add_switch(
            "vis1", "--name", "vis1", "--uuid", VIS, "--vsm", f"unix:{fabric.socket}", "--domain", str(DOMAIN),
            "--state-dir", str(path / "vis"), "--socket", str(self.control), *arguments,
        )  # fmt: skip
        self.vis.wait_ready(lambda: self.control.exists(), "listens")

    def show(self) -> dict:
        with control.Client(str(self.control), "switch") as client:
            return client.call("niv")

    async def cli(self, line: str) -> str:
        return await asyncio.to_thread(self.fabric.cli, line)

    @contextlib.asynccontextmanager
    async def host(self, number: int = 1, *ports: int) -> AsyncIterator[NivHost]:
        wires = {at: (self.path / f"h{port}", self.path / f"p{port}") for at, port in enumerate(ports or (1,), 1)}
        ident = str(uuid.UUID(int=0x1000 + number))
        async with NivHost(ident, f"kvm-{number}", f"unix:{self.fabric.socket}", DOMAIN, wires) as host:
            await host.until(lambda: host.side.links()[0].state is LinkState.UP, "the link is up")
            slot = host.module.welcome.slot
            await asyncio.to_thread(self.fabric.configure, f"vem {slot}\nmode niv")
            yield host


@pytest.fixture
def stage() -> Iterator[Stage]:
    with home() as path, Fabric(path) as fabric:
        fabric.configure(BASICS)
        yield Stage(path, fabric)


async def test_a_nic_behind_the_vis_is_a_veth_of_its_hosts_module(stage: Stage) -> None:
    async with stage.host() as host:
        web = host.wish("web1", mac(1), "web")
        bound = await host.forwarding(web)
        assert (bound.uplink, bound.vif, bound.veth) == (1, 1, 1)
        modules = await stage.cli("show module")
        assert "Virtual Interface Switch" in modules
        assert "Veth1        3    1" in await stage.cli("show vif")
        shown = stage.show()
        assert [(row["port"], row["vif"], row["veth"], row["state"]) for row in shown["vifs"]] == [
            (1, 1, 1, "forwarding")
        ]
        assert [(card["name"], card["slot"], card["connected"]) for card in shown["cards"]] == [("kvm-1", 3, True)]
