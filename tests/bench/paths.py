"""The ways a packet may take from one guest to another: without a switch, and through each switch that is compared.

Every path has the same outline: two guests, namespaces with an `eth0` of the same addresses, and what lies between
them in namespaces of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.ovs import private_ovs
from tests.support.netns import Lab, Namespace

NEAR_MAC, FAR_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
NEAR, FAR = "10.0.0.1", "10.0.0.2"


@dataclass(frozen=True)
class Path:
    """Two guests that reach each other: `near` sends, `far` receives."""

    name: str
    near: Namespace
    far: Namespace
    to: str = FAR

    def check(self) -> None:
        """Fail at once, and clearly, when nothing gets through; it also fills ARP and MAC tables."""
        self.near.run("ping", "-q", "-c3", "-i0.1", "-W2", self.to)


def guests(lab: Lab, name: str) -> tuple[Namespace, Namespace]:
    """The two namespaces of a path, without links yet."""
    return lab.namespace(f"{name}-near"), lab.namespace(f"{name}-far")


def plug(lab: Lab, switch: Namespace, port: str, guest: Namespace, mac: str, address: str) -> None:
    """Give a guest its eth0, whose other end is a port of the switch."""
    lab.veth(switch, port, guest, "eth0", peer_mac=mac, peer_address=f"{address}/24")


def plug_both(lab: Lab, name: str, near_switch: Namespace, far_switch: Namespace) -> Path:
    """Both guests, plugged in as "near" and "far"."""
    near, far = guests(lab, name)
    plug(lab, near_switch, "near", near, NEAR_MAC, NEAR)
    plug(lab, far_switch, "far", far, FAR_MAC, FAR)
    return Path(name, near, far)


@contextmanager
def direct_veth(lab: Lab) -> Iterator[Path]:
    """No switch at all: the two guests are the ends of one veth pair."""
    near, far = guests(lab, "direct_veth")
    lab.veth(near, "eth0", far, "eth0", peer_mac=FAR_MAC, peer_address=f"{FAR}/24")
    near.up("eth0", address=f"{NEAR}/24")
    yield Path("direct_veth", near, far)


@contextmanager
def linux_bridge(lab: Lab) -> Iterator[Path]:
    """The kernel's own learning bridge, untagged."""
    switch = lab.namespace("linux_bridge")
    path = plug_both(lab, "linux_bridge", switch, switch)
    lab.bridge(switch, "br0", "near", "far")
    yield path


@contextmanager
def ovs_user(lab: Lab) -> Iterator[Path]:
    """Open vSwitch with its user-space datapath, learning; its guests must finish checksums themselves."""
    switch = lab.namespace("ovs_user")
    path = plug_both(lab, "ovs_user", switch, switch)
    for guest in (path.near, path.far):
        guest.run("ethtool", "-K", "eth0", "tx", "off", check=False)
    with private_ovs(switch, "br0", "near", "far"):
        yield path
