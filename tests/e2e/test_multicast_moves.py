"""S-156, S-239: a guest that listens to a multicast group goes on hearing it, wherever its frames come from now.

A guest's stack tells what it joined once, and then only when asked.  When its port changes to another uplink, or its VM
to another host, nobody there knows of it; so the switch asks it.  The next regular query would be two minutes away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from dvswitch.v1.manager_pb2 import AttachReply, MigrateRequest
from tests.e2e.scenes import WEB, NamespaceScene, Stack, namespace_scene
from tests.support.fabric import Fabric, Host, home, veth
from tests.support.multicast import Listener, Speaker
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE, wait_until

GROUP = "239.1.2.3"
QUERY = bytes.fromhex("01005e0000010ad500000001")
"""A general query of our switch; the bridge outside has its own."""
SNOOPING = "ip igmp snooping"
SWITCH = ("mcast_snooping 1 mcast_query_response_interval 100", "mcast_startup_query_count 1 mcast_querier 1")
"""The bridge asks once, and is sure of the answers after a second."""
UNTAGGED = """\
port-profile type ethernet UPLINK
  switchport mode trunk
  switchport trunk allowed vlan all
  switchport trunk native vlan untagged
  no shutdown
  state enabled
port-profile type vethernet flat
  switchport mode access
  switchport access vlan untagged
  no shutdown
  state enabled
"""
"""The network outside has no VLANs here: its hosts are plain ones."""

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@dataclass
class Office:
    """A host with two uplinks at a bridge that snoops, and plain machines there."""

    fabric: Fabric
    alpha: Host
    network: Namespace
    guest: Namespace
    nic: FrameSocket
    """The guest's NIC since before it was plugged in."""
    number: int
    listener: Namespace
    speaker: Namespace

    def pinned(self) -> int:
        """Uplink of the guest."""
        return next(p.pinned_uplink for p in self.fabric.status(self.alpha).ports if p.name == f"Veth{self.number}")

    def in_group(self) -> set[str]:
        """Links of the bridge on which it knows of listeners."""
        lines = [line.split() for line in self.network.run("bridge", "mdb", "show").splitlines()]
        return {words[words.index("port") + 1] for words in lines if GROUP in words}


@contextmanager
def office(engine: str) -> Iterator[Office]:
    with Lab() as lab, home() as path, Fabric(path) as fabric:
        space, network, guest, listener, speaker = map(lab.namespace, ("alpha", "net", "guest", "listener", "speaker"))
        for number in (1, 2):
            lab.veth(space, f"up{number}", network, f"a{number}")
        lab.veth(network, "c1", listener, "eth0", peer_address="10.0.0.51/24")
        lab.veth(network, "c2", speaker, "eth0", peer_address="10.0.0.52/24")
        lab.veth(space, "vm1", guest, "eth0", peer_mac="02:00:00:00:10:01", peer_address="10.0.0.1/24")
        lab.bridge(network, "br0", "a1", "a2", "c1", "c2")
        for setting in SWITCH:
            network.run(*f"ip link set br0 type bridge {setting}".split())
        fabric.configure(UNTAGGED, SNOOPING)
        specs = [f"{number},profile=UPLINK,device=up{number}" for number in (1, 2)]
        alpha = fabric.add_host("alpha", engine, where=space, uplinks=specs)
        with FrameSocket(guest, "eth0") as nic:
            number = fabric.attach_forwarding(alpha, "vm", mac="02:00:00:00:10:01", profile="flat", plug=veth("vm1"))
            yield Office(fabric, alpha, network, guest, nic, number, listener, speaker)
        fabric.check_accounts()


@pytest.mark.rules("S-156", "S-239")
@pytest.mark.parametrize("engine", ["kernel", "user"])
def test_after_failover_the_new_uplink_brings_the_group(engine: str) -> None:
    with office(engine) as scene, ExitStack() as stack:
        stack.enter_context(Listener(scene.listener, GROUP))
        guest = stack.enter_context(Listener(scene.guest, GROUP))
        first = scene.pinned()
        wait_until(lambda: scene.in_group() == {"c1", f"a{first}"}, "the physical switch knows both listeners")
        stack.enter_context(Speaker(scene.speaker, GROUP, "10.0.0.52"))
        wait_until(guest.heard, "the guest hears the group")
        assert len(scene.nic.collect(QUERY, PATIENCE, enough=2)) >= 2, "asked when it came, too"
        scene.network.run("ip", "link", "set", f"a{first}", "down")
        other = 3 - first
        wait_until(lambda: scene.pinned() == other, "failover")
        wait_until(lambda: scene.in_group() == {"c1", f"a{other}"}, "the guest told again what it joined")
        guest.heard()
        heard = wait_until(guest.heard, "the guest hears the group by its new uplink")
        assert len(set(heard)) == len(heard)
        assert scene.nic.collect(QUERY, PATIENCE, enough=1), "it was the bridge outside that asked"


@dataclass
class Mover:
    """A VM whose NIC, a bridge to its two places, notices nothing of a move."""

    scene: NamespaceScene
    space: Namespace
    number: int

    mac = "02:00:00:00:10:63"

    def move(self) -> None:
        """As a hypervisor does: prepared on beta, stopped on alpha, and on with it."""
        fabric, beta = self.scene.fabric, self.scene.beta
        reply = fabric.attach(beta, "mover", mac=self.mac, profile=WEB, plug=veth("mv-b"), prepare=True)
        assert (reply.state, reply.veth) == (AttachReply.PREPARED, self.number)
        assert fabric.migrate(self.number, MigrateRequest.BEGIN, "beta").state == "prepared"
        self.space.run("ip", "link", "set", "nic-a", "nomaster")
        assert fabric.migrate(self.number, MigrateRequest.COMMIT).state == "done"
        self.space.run("ip", "link", "set", "nic-b", "master", "eth0")


def mover(scene: NamespaceScene) -> Mover:
    space = scene.lab.namespace("mover")
    for host, end, nic in ((scene.alpha, "mv-a", "nic-a"), (scene.beta, "mv-b", "nic-b")):
        assert host.where is not None
        scene.lab.veth(host.where, end, space, nic, peer_mac=Mover.mac)
    space.run(*f"ip link add eth0 address {Mover.mac} type bridge mcast_snooping 0".split())
    space.run("ip", "link", "set", "nic-a", "master", "eth0")
    space.up("eth0", address="10.0.0.99/24")
    number = scene.fabric.attach_forwarding(scene.alpha, "mover", mac=Mover.mac, profile=WEB, plug=veth("mv-a"))
    return Mover(scene, space, number)


@pytest.mark.rules("S-156", "S-239")
@pytest.mark.parametrize("engine", ["kernel", "user"])
def test_after_a_migration_the_new_host_knows_of_the_group(engine: str) -> None:
    """Another guest there has joined already, so that the group's frames go to its members only."""
    with namespace_scene(engine) as scene, ExitStack() as stack:
        scene.fabric.configure(SNOOPING)
        speaker, member = scene.guest(scene.alpha, "speaker"), scene.guest(scene.beta, "member")
        other = scene.guest(scene.beta, "other")
        vm = mover(scene)
        stack.enter_context(Speaker(speaker.space, GROUP, speaker.address))
        listening = [stack.enter_context(Listener(space, GROUP)) for space in (member.space, vm.space)]
        for listener in listening:
            wait_until(listener.heard, "both hear the group")
        wait_until(lambda: not hears(other), "nobody else does")
        with FrameSocket(vm.space, "nic-b") as nic:
            vm.move()
            assert len(nic.collect(QUERY, PATIENCE, enough=2)) >= 2, "its new host asks it"
        listening[1].heard()
        heard = wait_until(listening[1].heard, "the VM hears the group on its new host")
        assert len(set(heard)) == len(heard)
        assert not hears(other), "it was not simply flooded"


def hears(guest: Stack) -> bool:
    """Whether frames of the group reach a guest that did not join it, within a tenth of a second."""
    with FrameSocket(guest.space, "eth0") as nic:
        return bool(nic.collect(bytes.fromhex("01005e010203"), 0.1))
