"""The scene of the libvirt tests: two hosts, each under its own libvirtd, and a guest that is migrated between them.

    guest - host "alpha" == network == host "beta"          outside - network
      \\____ hub (Linux bridges that learn nothing) ____/    outside is on the hub, too

The guest's second NIC is on the hub, where there is nothing to be handed over: what silences both of its NICs is QEMU's
and libvirt's doing, what silences only the first is the switch's.  On beta a member of the guest's multicast group has
been there before it.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dvswitch.v1.manager_pb2 import HostPort, VethInfo
from tests.e2e.scenes import BASICS, WEB, WEB_VLAN
from tests.support.fabric import Fabric, Host, home, veth
from tests.support.libvirt import HUB, NETWORK, Libvirtd, Machine, Refused, domain_xml
from tests.support.netns import Lab, Namespace
from tests.support.processes import wait_until
from tests.support.silence import PORT, program
from tests.vm.cpio import Archive
from tests.vm.guest_image import ROOTFS, guest_image

VM, IDENT, MAC, ADDRESS, OUTSIDE = "vm", str(uuid.uuid4()), "52:54:00:00:00:01", "10.0.0.1", "10.0.0.3"
HUB_MAC, HUB_ADDRESS, HUB_OUTSIDE = "52:54:00:00:09:01", "10.9.0.1", "10.9.0.3"
NESTED, GROUP = "52:54:00:00:00:77", "239.1.2.3"
MEMBER_MAC, MEMBER = "02:00:00:00:10:07", "10.0.0.7"
RESIDENT = Path(__file__).parents[1] / "support" / "resident.c"
SETTINGS = f"""\
ip igmp snooping
port-profile type ethernet FLAT
  switchport mode access
  switchport access vlan {WEB_VLAN}
  no shutdown
  state enabled
port-profile type vethernet {WEB}
  security forged-transmits accept
  mac-learning enable
  mac-learning unknown-flood reject
"""
_INSIDE = f"""\
/echo serve {PORT} &
/resident eth0 {GROUP} {NESTED} &
"""
"""What the guest does once it has its addresses.  Its init goes on to wait for a command agent, which keeps it awake:
an emulated timer that nobody asked for a while may stand still after a migration, and the guest with it."""


@dataclass
class Scene:
    path: Path
    fabric: Fabric
    hosts: dict[str, Host]
    daemons: dict[str, Libvirtd]
    network: Namespace
    outside: Namespace
    member: Namespace
    veth: int = 0

    @property
    def info(self) -> VethInfo:
        return self.fabric.veths()[self.veth]

    def where(self, host: str) -> Namespace:
        found = self.hosts[host].where
        assert found is not None
        return found

    def device(self, host: str) -> str:
        """Of the guest, on a host where it is."""
        return next(port.adapter for port in self._ports(host))

    def states(self, host: str) -> list[str]:
        """Of the guest's port on a host."""
        return [port.state for port in self._ports(host)]

    def _ports(self, host: str) -> list[HostPort]:
        return [port for port in self.fabric.status(self.hosts[host]).ports if port.name == f"Veth{self.veth}"]

    def answers(self) -> bool:
        return " 0% packet loss" in self.outside.run("ping", "-qc1", "-W1", ADDRESS, check=False)

    def migrate_command(self, source: str, target: str, *options: str) -> list[str]:
        channel = self.path / f"{uuid.uuid4().hex[:8]}.mig"
        words = ["migrate", "--live", "--p2p", "--unsafe", *options, VM, self.daemons[target].uri]
        return self.daemons[source].command(*words, "--migrateuri", f"unix://{channel}")

    def migrate(self, source: str, target: str) -> None:
        """Move the guest; Refused with what virsh said."""
        done = subprocess.run(self.migrate_command(source, target), capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise Refused(done.stderr)


@contextmanager
def two_hosts() -> Iterator[Scene]:
    with Lab() as lab, home() as path, Fabric(path) as fabric, ExitStack() as stack:
        names = ("alpha", "beta", "network", "hub", "outside", "member")
        alpha, beta, network, hub, outside, member = map(lab.namespace, names)
        for name, space in (("alpha", alpha), ("beta", beta)):
            lab.veth(space, "up0", network, name)
            lab.veth(space, "hub0", hub, name)
            space.run("ip", "link", "add", "dvs0", "type", "bridge")
            repeater(lab, space, "hub0")
        lab.veth(network, "out", outside, "eth0", peer_address=f"{OUTSIDE}/24")
        lab.veth(hub, "out", outside, "eth1", peer_address=f"{HUB_OUTSIDE}/24")
        lab.veth(beta, "member0", member, "eth0", peer_mac=MEMBER_MAC, peer_address=f"{MEMBER}/24")
        lab.bridge(network, "br0", "alpha", "beta", "out")
        network.run("ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", "0")
        repeater(lab, hub, "alpha", "beta", "out")
        fabric.configure(*BASICS, SETTINGS)
        hosts, daemons = {}, {}
        for name, space in (("alpha", alpha), ("beta", beta)):
            hosts[name] = fabric.add_host(name, "kernel", where=space, uplinks=["1,profile=FLAT,device=up0"])
            daemon = Libvirtd(name, path / f"lv-{name}", space, hosts[name].socket)
            daemons[name] = stack.enter_context(daemon)
            daemon.define_network([WEB], WEB_VLAN)
        scene = Scene(path, fabric, hosts, daemons, network, outside, member)
        start(scene)
        fabric.attach_forwarding(hosts["beta"], "member", mac=MEMBER_MAC, profile=WEB, plug=veth("member0"))
        yield scene


def repeater(lab: Lab, where: Namespace, *members: str) -> None:
    """A Linux bridge that learns nothing."""
    lab.bridge(where, HUB, *members)
    where.run(*f"ip link set {HUB} type bridge ageing_time 0 mcast_snooping 0".split())


def start(scene: Scene) -> None:
    begin, wait, rest = (ROOTFS / "init").read_text().partition("until [ -c /dev/vport")
    assert wait, "the guest's init waits for a command agent"
    own = Archive()
    for name, content in {
        "echo": program().read_bytes(),
        "resident": program(RESIDENT).read_bytes(),
        "init": (begin + _INSIDE + wait + rest).encode(),
    }.items():
        own.add(name, content)
    initrd = scene.path / "initrd.cpio"
    initrd.write_bytes(guest_image().initrd.read_bytes() + own.finish())
    machine = Machine(VM, IDENT, WEB, MAC, f"{ADDRESS}/24", HUB_MAC, f"{HUB_ADDRESS}/24", initrd)
    file = scene.path / "vm.xml"
    file.write_text(domain_xml(machine, NETWORK))
    scene.daemons["alpha"].virsh("create", str(file))
    (scene.veth,) = scene.fabric.veths()
    wait_until(scene.answers, "the guest answers", 240)
