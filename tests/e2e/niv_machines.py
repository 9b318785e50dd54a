"""Hosts in mode NIV and one that switches, on a VIS with the kernel engine: namespaces, joined by veth pairs.

    near, beside (guests' taps) - host "one" (NIV) == p1 \
    a stack                     - host "two" (NIV) == p2  - vis1
    a stack                     - host "dvs"       == p3 /
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from dvswitch.errors import DvsError
from dvswitch.v1 import types_pb2
from physical import control
from tests.e2e.scenes import BASICS, WEB, Stack
from tests.support.fabric import DOMAIN, HOSTS, Fabric, Host, home, purge, veth
from tests.support.netns import Lab, Namespace
from tests.support.processes import wait_until

NAMES = ("one", "two", "dvs")
NIV = ("one", "two")


@dataclass(frozen=True)
class NivScene:
    """All of it; the uplink of every host is its ``up0``, the VIS's ports are ``p1`` to ``p3``."""

    lab: Lab
    fabric: Fabric
    vis: Host
    hosts: dict[str, Host]

    def space(self, host: str) -> Namespace:
        """Of a host, or the VIS ("vis")."""
        where = (self.vis if host == "vis" else self.hosts[host]).where
        assert where is not None
        return where

    def show(self) -> dict[str, Any]:
        """`vis show niv`."""
        with control.Client(str(self.vis.socket), "switch") as client:
            return client.call("niv")

    def stack(self, host: str, number: int) -> Stack:
        """A guest that is a namespace, plugged in by a veth pair; it forwards."""
        mac, address, name = f"02:00:00:00:20:{number:02x}", f"10.0.0.{number}", f"stack{number}"
        space = self.lab.namespace(name)
        self.lab.veth(self.space(host), f"vm{number}", space, "eth0", peer_mac=mac, peer_address=f"{address}/24")
        ident = self.fabric.attach_forwarding(self.hosts[host], name, mac=mac, profile=WEB, plug=veth(f"vm{number}"))
        return Stack(name, space, mac, address, ident)


@contextlib.contextmanager
def niv_scene(engine: str = "kernel", tagging: str = "vntag") -> Iterator[NivScene]:
    """Everything up, the profiles configured, the hosts in their modes."""
    with Lab() as lab, home() as path, contextlib.ExitStack() as stack:
        spaces = {name: lab.namespace(name) for name in (*NAMES, "vis")}
        for number, name in enumerate(NAMES, 1):
            lab.veth(spaces[name], "up0", spaces["vis"], f"p{number}", mtu=9000)
        fabric = stack.enter_context(Fabric(path))
        fabric.configure(*BASICS)
        vis = _vis(fabric, engine, spaces["vis"])
        stack.callback(purge, vis)
        stack.callback(vis.process.end)
        uplink = ["1,profile=UPLINK,device=up0"]
        hosts = {name: fabric.add_host(name, engine, where=spaces[name], uplinks=uplink) for name in NAMES}
        scene = NivScene(lab, fabric, vis, hosts)
        wait_until(lambda: _connected(scene), "the VIS is a module")
        for name in NIV:
            fabric.configure(f"vem {fabric.status(hosts[name]).slot}\nmode niv tagging {tagging}")
        wait_until(lambda: sum(link["final"] for link in scene.show()["links"]) == len(NIV), "the hosts only tag")
        yield scene
        for name, host in hosts.items():
            wait_until(partial(_accounted, fabric, host), f"{name}: frames accounted for")
        wait_until(lambda: all(_balanced(info.counters) for info in fabric.veths().values()), "vEths accounted for")


def _accounted(fabric: Fabric, host: Host) -> bool:
    """What a host says of its own ports; on a cable that is cut frames are lost that nobody counts."""
    return all(_balanced(port.counters) for port in fabric.status(host).ports)


def _balanced(counters: types_pb2.Counters) -> bool:
    return counters.rx_frames == counters.rx_forwarded + sum(counters.drops_in.values())


def _vis(fabric: Fabric, engine: str, where: Namespace) -> Host:
    ident, socket, state = str(uuid.uuid4()), fabric.path / "vis1.ctl", fabric.path / "vis1.d"
    HOSTS.add(ident)
    ports = [word for number in range(1, len(NAMES) + 1) for word in ("--port", f"{number},device=p{number},mode=niv")]
    process = fabric.add_switch(
        "vis1", "--name", "vis1", "--uuid", ident, "--vsm", f"unix:{fabric.socket}", "--domain", str(DOMAIN),
        "--state-dir", str(state), "--socket", str(socket), "--engine", engine, *ports, where=where,
    )  # fmt: skip
    process.wait_ready(socket.exists, "listens")
    return Host("vis1", engine, process, where, socket, ident, state)


def _connected(scene: NivScene) -> bool:
    with contextlib.suppress(DvsError):
        return bool(scene.show()["connected"])
    return False
