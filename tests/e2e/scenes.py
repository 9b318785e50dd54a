"""The networks that end-to-end tests play in: two hosts, a trunk between them, guests plugged into either.

    near guest - host "alpha" ====== trunk ====== host "beta" - far guest

In a *namespace scene* each host is a network namespace, the trunk a veth pair, and either engine may run.  In a *wire
scene* nothing needs root: user engines, datagram wires, and the modelled physical switch in the middle of the trunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.fabric import UPLINK_PROFILE, Fabric, Host, access_profile, home, veth
from tests.support.netns import Lab, Namespace
from tests.support.processes import wait_until

WEB, WEB_VLAN = "web", 10
DB, DB_VLAN = "db", 20
BASICS = (UPLINK_PROFILE, access_profile(WEB, WEB_VLAN), access_profile(DB, DB_VLAN))


@dataclass(frozen=True)
class Stack:
    """A guest that is just a namespace with Linux's network stack."""

    name: str
    space: Namespace
    mac: str
    address: str
    veth: int
    """vEth number."""


def acquaint(near: Stack, far: Stack) -> None:
    """Let them find each other, so that neither ARP nor an uplink that is not up yet disturbs what follows."""
    wait_until(lambda: reaches(near, far), f"{near.name} reaches {far.name}")


def reaches(near: Stack, far: Stack, count: int = 1, patience: int = 2) -> bool:
    """Whether every one of so many echo requests is answered; ``patience`` in seconds."""
    output = near.space.run("ping", "-q", f"-c{count}", "-i0.2", f"-W{patience}", far.address, check=False)
    return " 0% packet loss" in output


@dataclass
class NamespaceScene:
    """Two hosts in namespaces."""

    lab: Lab
    fabric: Fabric
    alpha: Host
    beta: Host
    _guests: list[Stack] = field(default_factory=list)

    def guest(self, host: Host, name: str, profile: str = WEB) -> Stack:
        """Plug a new guest in, by a veth pair, and wait until it forwards."""
        number = len(self._guests) + 1
        mac, address, port = f"02:00:00:00:10:{number:02x}", f"10.0.0.{number}", f"vm{number}"
        space = self.lab.namespace(name)
        assert host.where is not None
        self.lab.veth(host.where, port, space, "eth0", peer_mac=mac, peer_address=f"{address}/24")
        ident = self.fabric.attach_forwarding(host, name, mac=mac, profile=profile, plug=veth(port))
        stack = Stack(name, space, mac, address, ident)
        self._guests.append(stack)
        return stack


@contextmanager
def namespace_scene(engine: str) -> Iterator[NamespaceScene]:
    """Both hosts up, the profiles configured."""
    with Lab() as lab, home() as path:
        first, second = lab.namespace("alpha"), lab.namespace("beta")
        lab.veth(first, "up0", second, "up0", mtu=9000)
        with Fabric(path) as fabric:
            fabric.configure(*BASICS)
            uplink = ["1,profile=UPLINK,device=up0"]
            alpha = fabric.add_host("alpha", engine, where=first, uplinks=uplink)
            beta = fabric.add_host("beta", engine, where=second, uplinks=uplink)
            yield NamespaceScene(lab, fabric, alpha, beta)
            fabric.check_accounts()


@dataclass(frozen=True)
class WireScene:
    """Two hosts and a physical switch, of datagram wires."""

    path: Path
    fabric: Fabric
    alpha: Host
    beta: Host


@contextmanager
def wire_scene() -> Iterator[WireScene]:
    """Both hosts up, the profiles configured."""
    with home() as path, Fabric(path) as fabric:
        fabric.configure(*BASICS)
        ports = [f"{n},wire=unix:{path}/sw.{n}>unix:{path}/up.{n},mode=trunk,allowed=1-4094" for n in (1, 2)]
        arguments = [word for port in ports for word in ("--port", port)]
        switch = fabric.add_switch("sw1", "--socket", f"{path}/sw.ctl", *arguments)
        switch.wait_ready((path / "sw.ctl").exists, "listens")
        hosts = [
            fabric.add_host(name, "user", uplinks=[f"1,profile=UPLINK,wire=unix:{path}/up.{n}>unix:{path}/sw.{n}"])
            for n, name in ((1, "alpha"), (2, "beta"))
        ]
        yield WireScene(path, fabric, *hosts)
        fabric.check_accounts()
