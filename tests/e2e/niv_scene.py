"""Two hosts that may be in mode NIV, one that never is, and the VIS that all three are cabled to: real daemons, guests
that are namespaces.

    a, b - alpha ====.
    c    - beta  ==== VIS
    d    - gamma ----'        (always in mode DVS)
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dvswitch import client
from dvswitch.v1 import manager_pb2
from physical import vis as physical_switch
from tests.e2e.scenes import BASICS, WEB, Stack
from tests.support import leftovers
from tests.support.fabric import CALL_SECONDS, DOMAIN, HOSTS, Fabric, Host, home, veth
from tests.support.netns import Lab, Namespace
from tests.support.processes import Process, wait_until

PATIENCE = 120.0
VNTAG = b"\x89\x26"


@dataclass
class NivScene:
    """All of it."""

    lab: Lab
    fabric: Fabric
    vis: Process
    at_vis: Namespace
    hosts: dict[str, Host]
    slots: dict[str, int]
    guests: dict[str, Stack] = field(default_factory=dict)
    _nics: int = 0

    def guest(self, host: str, name: str) -> Stack:
        """Plug a new guest in, by a veth pair, and wait until it forwards."""
        number = len(self.guests) + 1
        mac, address = f"02:00:00:00:20:{number:02x}", f"10.0.0.{number}"
        space = self.lab.namespace(name)
        port = self.nic(host, space, "eth0", mac, f"{address}/24")
        ident = self.fabric.attach_forwarding(self.hosts[host], name, mac=mac, profile=WEB, plug=veth(port))
        made = self.guests[name] = Stack(name, space, mac, address, ident)
        return made

    def nic(self, host: str, space: Namespace, link: str, mac: str, address: str = "") -> str:
        """A veth pair between a host and a guest; returns the host's end."""
        where = self.hosts[host].where
        assert where is not None
        self._nics += 1
        self.lab.veth(where, f"vm{self._nics}", space, link, peer_mac=mac, peer_address=address)
        return f"vm{self._nics}"

    def mode(self, host: str, mode: str) -> None:
        """Say it at the supervisor, and wait until the host is there."""
        self.fabric.configure(f"vem {self.slots[host]}\nmode {mode}")
        stage = "final" if mode.startswith("niv") else "local"
        wait_until(lambda: self.stage(host) == stage, f"{host} is in mode {mode}", PATIENCE)

    def stage(self, host: str) -> str:
        """How far a host is with its mode."""
        return self.show(host, "niv").split(maxsplit=2)[1]

    def show(self, host: str, view: str) -> str:
        """`vem show` there."""
        request = manager_pb2.HostCommand(words=["show", *view.split()])
        with client.open_channel(f"unix:{self.hosts[host].socket}") as channel:
            output = client.host_stub(channel).Execute(request, timeout=CALL_SECONDS)
            return b"".join(piece.data for piece in output).decode()


@contextmanager
def niv_scene(engine: str) -> Iterator[NivScene]:
    """Everybody up, in mode DVS, nobody plugged in."""
    names = ("alpha", "beta", "gamma")
    with Lab() as lab, home() as path, ExitStack() as stack:
        spaces, at_vis = {name: lab.namespace(name) for name in names}, lab.namespace("vis")
        ident = str(uuid.uuid4())
        stack.callback(_purge, engine, ident, at_vis, path)
        for number, name in enumerate(names, 1):
            lab.veth(spaces[name], "up0", at_vis, f"p{number}")
        with Fabric(path) as fabric:
            fabric.configure(*BASICS)
            ports = [f"{number},device=p{number},mode=niv" for number in (1, 2)]
            ports.append("3,device=p3,mode=trunk,allowed=1-4094,native=1")
            arguments = [word for port in ports for word in ("--port", port)]
            HOSTS.add(ident)
            leftovers.remember_host(path, ident)
            vis = fabric.add_switch(
                "vis1", "--name", "vis1", "--uuid", ident, "--vsm", f"unix:{fabric.socket}",
                "--domain", str(DOMAIN), "--state-dir", str(path / "vis"), "--socket", str(path / "vis.ctl"),
                "--engine", engine, "--lldp", "both", "--lldp-interval", "1", *arguments, where=at_vis,
            )  # fmt: skip
            vis.wait_ready((path / "vis.ctl").exists, "listens")
            uplink = ["1,profile=UPLINK,device=up0"]
            hosts = {name: fabric.add_host(name, engine, where=spaces[name], uplinks=uplink) for name in names}
            slots = {name: fabric.status(host).slot for name, host in hosts.items()}
            yield NivScene(lab, fabric, vis, at_vis, hosts, slots)


def _purge(engine: str, ident: str, where: Namespace, path: Path) -> None:
    """The VIS outlives its process, too, whatever became of the test."""
    if engine == "kernel":
        with where.enter():
            physical_switch.main(["purge", "--uuid", ident, "--state-dir", str(path / "vis")])


__all__ = ["PATIENCE", "VNTAG", "NivScene", "niv_scene"]
