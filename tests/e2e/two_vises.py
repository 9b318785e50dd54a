"""The namespace scene (scenes.py) in mode NIV: each host is behind a VIS of its own, and the trunk joins the VISes.

near guest - host "alpha" == vis1 ====== trunk ====== vis2 == host "beta" - far guest
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.e2e.scenes import BASICS, NamespaceScene
from tests.support.fabric import Fabric, Host, home
from tests.support.netns import Lab
from tests.support.vis import Vis, set_mode, vis

STATES = {"forwarding": "FWD", "blocked": "BLK", "pending": "-"}
"""A VIF's state at its VIS -> as hosts call it."""


@dataclass
class NivScene(NamespaceScene):
    """Two hosts in mode NIV."""

    vises: list[Vis] = field(default_factory=list)
    """Alpha's and beta's."""

    def state(self, host: Host, veth: int) -> str:
        """Of a vEth's VIF behind a host, as its VIS has it."""
        found = [
            "PRE" if nic["phase"] == "prepared" else STATES[nic["state"]]
            for made in self.vises
            for nic in made.show()["vifs"]
            if (nic["veth"], nic["host"]) == (veth, host.uuid)
        ]
        return found[0] if found else ""


@contextmanager
def two_vises(engine: str) -> Iterator[NivScene]:
    """Everybody up, the profiles configured, the hosts in mode NIV."""
    with Lab() as lab, home() as path, Fabric(path) as fabric, ExitStack() as stack:
        fabric.configure(*BASICS)
        switches = [lab.namespace("vis1"), lab.namespace("vis2")]
        lab.veth(switches[0], "p2", switches[1], "p2", mtu=9000)
        hosts, vises = [], []
        for name, switch in zip(("alpha", "beta"), switches, strict=True):
            where = lab.namespace(name)
            lab.veth(where, "up0", switch, "p1", mtu=9000)
            ports = ["1,device=p1,mode=niv", "2,device=p2,mode=trunk,allowed=1-4094"]
            vises.append(stack.enter_context(vis(fabric, f"vis{len(vises) + 1}", engine, ports, switch)))
            hosts.append(fabric.add_host(name, engine, where=where, uplinks=["1,profile=UPLINK,device=up0"]))
        for host in hosts:
            set_mode(fabric, host, "niv")
        yield NivScene(lab, fabric, *hosts, vises=vises)
        fabric.check_accounts(counted_here=False)


__all__ = ["NivScene", "two_vises"]
