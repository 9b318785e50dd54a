"""Two hosts under two real libvirtd: a guest starts on a portgroup and is migrated live with its port, or is not.

    guest - host "alpha" == network == host "beta"          outside - network

Outside asks the guest every 20 ms all the while.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dvswitch.v1.manager_pb2 import VethInfo
from tests.e2e.scenes import BASICS, WEB, WEB_VLAN
from tests.support.fabric import Fabric, Host, home
from tests.support.libvirt import Libvirtd, Refused, domain_xml
from tests.support.netns import Lab, Namespace
from tests.support.processes import wait_until
from vem.libvirt.live import Outcome, go_live

VM, IDENT, MAC, ADDRESS, OUTSIDE = "vm", str(uuid.uuid4()), "52:54:00:00:00:01", "10.0.0.1", "10.0.0.3"
FLAT = """\
port-profile type ethernet FLAT
  switchport mode access
  switchport access vlan 10
  no shutdown
  state enabled
"""
LOST = 250
"""Of requests every 20 ms: five seconds, which no hypervisor's pause takes."""
SLOW = "1"
"""MiB a second: a migration that does not end by itself."""
pytestmark = [pytest.mark.kernel, pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass
class Scene:
    path: Path
    fabric: Fabric
    hosts: dict[str, Host]
    daemons: dict[str, Libvirtd]
    outside: Namespace
    veth: int = 0

    @property
    def info(self) -> VethInfo:
        return self.fabric.veths()[self.veth]

    def states(self, host: str) -> list[str]:
        """Of the guest's port on a host."""
        return [port.state for port in self.fabric.status(self.hosts[host]).ports if port.name == f"Veth{self.veth}"]

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


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with two_hosts() as made:
        yield made
        made.fabric.check_accounts(some_left=True)


@contextmanager
def two_hosts() -> Iterator[Scene]:
    with Lab() as lab, home() as path, Fabric(path) as fabric, ExitStack() as stack:
        alpha, beta, network, outside = (lab.namespace(name) for name in ("alpha", "beta", "network", "outside"))
        for name, space in (("alpha", alpha), ("beta", beta)):
            lab.veth(space, "up0", network, name)
            space.run("ip", "link", "add", "dvs0", "type", "bridge")
        lab.veth(network, "out", outside, "eth0", peer_address=f"{OUTSIDE}/24")
        lab.bridge(network, "br0", "alpha", "beta", "out")
        fabric.configure(*BASICS, FLAT)
        hosts, daemons = {}, {}
        for name, space in (("alpha", alpha), ("beta", beta)):
            hosts[name] = fabric.add_host(name, "kernel", where=space, uplinks=["1,profile=FLAT,device=up0"])
            daemon = Libvirtd(name, path / f"lv-{name}", space, hosts[name].socket)
            daemons[name] = stack.enter_context(daemon)
            daemon.define_network([WEB], WEB_VLAN)
        scene = Scene(path, fabric, hosts, daemons, outside)
        start(scene)
        yield scene


def start(scene: Scene) -> None:
    file = scene.path / "vm.xml"
    file.write_text(domain_xml(VM, IDENT, MAC, WEB, f"{ADDRESS}/24"))
    scene.daemons["alpha"].virsh("create", str(file))
    (scene.veth,) = scene.fabric.veths()
    wait_until(scene.answers, "the guest answers", 240)


def test_a_guest_starts_on_a_portgroup(scene: Scene) -> None:
    info = scene.info
    assert (info.profile, info.mac, info.nic.vm, info.nic.vm_uuid) == (WEB, MAC, VM, IDENT)
    assert (info.nic.index, info.nic.adapter, info.host) == (0, "vnet0", "alpha")
    assert int(scene.daemons["alpha"].virsh("domifstat", VM, "vnet0").split("rx_packets")[1].split()[0]) > 0


def test_the_socket_for_a_guest_that_stands_still(scene: Scene) -> None:
    """Repeating what is done is no error; what is not understood is refused, and disturbs nothing."""
    agent = scene.hosts["alpha"].socket
    assert go_live(agent, "vnet0", 5) == Outcome("forwarding", scene.veth, "")
    for device in ("vnet9", "vnet0 now"):
        refused = go_live(agent, device, 5)
        assert refused and refused.state == "refused" and refused.detail
    assert scene.answers()


def test_there_and_back_under_ping(scene: Scene) -> None:
    """Number, counters and generation go on; the port goes live before the guest does, whatever it announces."""
    before = scene.info
    for source, target in (("alpha", "beta"), ("beta", "alpha")):
        with Pings(scene.outside) as pings:
            scene.migrate(source, target)
            after = scene.info
            assert (after.veth, after.host, after.profile) == (scene.veth, target, WEB)
            assert after.generation > before.generation
            pings.more()
        assert pings.received and not pings.duplicates and pings.sent - pings.received < LOST, pings
        said = scene.daemons[target].said()
        assert "set Interface" in said and "first frame" not in said and "done: 1" not in said, said
        wait_until(lambda name=source: not scene.states(name), f"{source} has let go")
        assert scene.states(target) == ["FWD"]
        wait_until(lambda least=before: grown(least, scene.info), "counters go on from where they were")
        before = scene.info
    assert scene.fabric.cli("show svs migration").count("; done +") == 2


def grown(before: VethInfo, after: VethInfo) -> bool:
    one, other = before.counters, after.counters
    assert other.rx_frames >= one.rx_frames and other.tx_bytes >= one.tx_bytes, "counters went back"
    return other.rx_frames > one.rx_frames and other.tx_frames > one.tx_frames


def test_a_target_that_lacks_the_vlan_vetoes(scene: Scene) -> None:
    before = scene.info
    slot = scene.fabric.status(scene.hosts["beta"]).slot
    uplink = f"interface ethernet {slot}/1\nswitchport access vlan {{}}\n"
    scene.fabric.configure(uplink.format(20))
    with pytest.raises(Refused) as refused:
        scene.migrate("alpha", "beta")
    scene.fabric.configure(uplink.format(10))
    assert f"vethernet {scene.veth} (vm): no uplink of module {slot} carries vlan 10" in str(refused.value)
    check_stayed(scene, before)


def test_a_migration_that_is_aborted(scene: Scene) -> None:
    before = scene.info
    with under_way(scene) as virsh:
        scene.daemons["alpha"].virsh("domjobabort", VM)
        assert virsh.wait(60) != 0
    check_stayed(scene, before)


def test_a_target_that_dies(scene: Scene) -> None:
    """With its guest half copied."""
    before = scene.info
    with under_way(scene) as virsh:
        pid = int((scene.daemons["beta"].home / "run" / "qemu" / f"{VM}.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        assert virsh.wait(60) != 0
    check_stayed(scene, before)


def test_a_target_that_dies_after_the_hand_over(scene: Scene) -> None:
    """libvirt lets the guest go on where it was; so does its port, which had left."""
    before, beta = scene.info, scene.daemons["beta"]
    beta.fail_after_hand_over()
    with pytest.raises(Refused):
        scene.migrate("alpha", "beta")
    (beta.home / "calls.dies").unlink()
    assert scene.info.generation > before.generation + 1, "it had not been handed over"
    check_stayed(scene, before)


def test_agent_and_libvirtd_restarted_in_between(scene: Scene) -> None:
    """The domain runs on, moves on, and what is unplugged in the end was plugged in by another life of both."""
    for name in ("alpha", "beta"):
        scene.daemons[name].process.end()
        scene.hosts[name].process.end()
        scene.fabric.start_host(scene.hosts[name])
        scene.daemons[name].start()
    assert scene.daemons["alpha"].domains() == [VM] and scene.answers()
    scene.migrate("alpha", "beta")
    wait_until(scene.answers, "the guest answers")
    assert (scene.info.host, scene.states("beta")) == ("beta", ["FWD"])
    scene.daemons["beta"].virsh("destroy", VM)
    wait_until(lambda: not scene.states("beta") and not scene.info.slot, "the port is unplugged")
    assert not list((scene.daemons["beta"].home / "notes").glob("*/*.json"))


@contextmanager
def under_way(scene: Scene) -> Iterator[subprocess.Popen[bytes]]:
    """A slow migration to beta whose port is prepared there."""
    words = scene.migrate_command("alpha", "beta", "--bandwidth", SLOW)
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as virsh:
        try:
            wait_until(lambda: scene.states("beta") == ["PRE"], "beta has it prepared")
            wait_until(lambda: "Data processed" in scene.daemons["alpha"].virsh("domjobinfo", VM), "memory is copied")
            yield virsh
        finally:
            virsh.kill()


def check_stayed(scene: Scene, before: VethInfo) -> None:
    """The guest runs where it ran, its port with it."""
    wait_until(lambda: not scene.states("beta"), "nothing is left on the target")
    wait_until(lambda: scene.states("alpha") == ["FWD"], "the source forwards")
    wait_until(scene.answers, "the guest answers")
    assert scene.info.host == "alpha" and scene.daemons["alpha"].domains() == [VM]
    wait_until(lambda: grown(before, scene.info), "counters go on")


class Pings:
    """Echo requests from outside every 20 ms for as long as the context is open."""

    def __init__(self, where: Namespace) -> None:
        self._where = where
        self.sent = self.received = self.duplicates = 0

    def __enter__(self) -> Pings:
        words = self._where.command("ping", "-i", "0.02", "-n", ADDRESS)
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.more()
        return self

    def more(self) -> None:
        """Wait for some answers."""
        assert self._process.stdout is not None
        seen = 0
        while seen < 20:
            seen += self._count(self._process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._count(line)
        self._process.wait()

    def _count(self, line: str) -> bool:
        if found := re.search(r"(\d+) packets transmitted, (\d+) received", line):
            self.sent, self.received = int(found[1]), int(found[2])
        self.duplicates += "DUP!" in line
        return "bytes from" in line

    def __str__(self) -> str:
        return f"{self.received} of {self.sent} answered, {self.duplicates} twice"
