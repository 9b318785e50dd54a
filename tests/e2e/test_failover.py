"""Golden scenario G6 with real guests: an uplink is lost and comes back, and a conversation goes on.

    near guest - host "alpha" == two uplinks == network == host "beta" - far guest
         \\_____________________ a cable of their own ______________________/

The near guest asks the far one every few milliseconds, at the same instants by the switch and by a cable that nothing
happens to; what silences both is the machine's doing, what silences only the first is the switch's.  A TCP stream runs
beside them over all changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.scenes import BASICS, WEB
from tests.support.fabric import Fabric, Host, home, tap, wire
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import wait_until
from tests.support.silence import PORT, UNTOUCHED, Report, ask, parse, program
from tests.vm.guest_image import GuestUnavailable
from tests.vm.qemu import Guest, TapNic, WireNic

NEAR_MAC, FAR_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
BESIDE_NEAR_MAC, BESIDE_FAR_MAC = "52:54:00:00:09:01", "52:54:00:00:09:02"
NEAR, FAR = "10.0.0.1", "10.0.0.2"
BESIDE_NEAR, BESIDE_FAR = "10.9.0.1", "10.9.0.2"
"""On the cable of their own."""
ECHO, ECHO_SECONDS = "/tmp/echo", 6.0
BPDU = bytes.fromhex("0180c2000000")
SILENCE = 0.15
"""Seconds."""
UP_DELAY_MS = 2000
"""The network is a Linux bridge, which may leave a cable that comes up unused for a second."""
TCP_PORT, PIECES = 5000, 300

pytestmark = [pytest.mark.kernel, pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Scene:
    """The hosts, the guests, and the network's ends of alpha's cables."""

    fabric: Fabric
    alpha: Host
    near_veth: int
    near: Guest
    far: Guest
    network: Namespace

    def pinned(self) -> int:
        """Number of the uplink that the near guest uses."""
        ports = self.fabric.status(self.alpha).ports
        return next(port.pinned_uplink for port in ports if port.name == f"Veth{self.near_veth}")

    def cable(self, number: int, state: str) -> None:
        self.network.run("ip", "link", "set", f"a{number}", state)


@contextmanager
def two_uplinks(engine: str) -> Iterator[Scene]:
    with Lab() as lab, home() as path, ExitStack() as guests, Fabric(path) as fabric:
        alpha_space, beta_space, network = (lab.namespace(name) for name in ("alpha", "beta", "network"))
        for number in (1, 2):
            lab.veth(alpha_space, f"up{number}", network, f"a{number}")
        lab.veth(beta_space, "up1", network, "b1")
        lab.bridge(network, "br0", "a1", "a2", "b1")
        fabric.configure(*BASICS, f"teaming up-delay {UP_DELAY_MS}")
        specs = [f"{number},profile=UPLINK,device=up{number}" for number in (1, 2)]
        alpha = fabric.add_host("alpha", engine, where=alpha_space, uplinks=specs)
        beta = fabric.add_host("beta", engine, where=beta_space, uplinks=specs[:1])
        made = []
        cable = {name: beside(path, name) for name in ("near", "far")}
        files = {ECHO: program().read_bytes()}
        for host, name, mac, address in ((alpha, "near", NEAR_MAC, NEAR), (beta, "far", FAR_MAC, FAR)):
            assert host.where is not None
            nic: TapNic | WireNic
            if engine == "kernel":
                lab.tap(host.where, f"tap-{name}")
                plug, nic = tap(f"tap-{name}"), TapNic(mac, f"tap-{name}", f"{address}/24")
            else:
                ours, theirs = path / f"port.{name}", path / f"guest.{name}"
                plug, nic = wire(ours, theirs), WireNic(mac, theirs, ours, f"{address}/24")
            veth = fabric.attach_forwarding(host, name, mac=mac, profile=WEB, plug=plug)
            made.append((veth, guests.enter_context(Guest(name, [nic, cable[name]], where=host.where, files=files))))
        (near_veth, near), (_, far) = made
        for guest in (near, far):
            guest.wait_ready()
            guest.run(f"chmod +x {ECHO}")
        far.run(f"{ECHO} serve {PORT} > /dev/null 2>&1 &")
        yield Scene(fabric, alpha, near_veth, near, far, network)
        fabric.check_accounts()


def beside(path: Path, name: str) -> WireNic:
    """A guest's end of the cable of their own."""
    other = {"near": "far", "far": "near"}[name]
    mac, address = {"near": (BESIDE_NEAR_MAC, BESIDE_NEAR), "far": (BESIDE_FAR_MAC, BESIDE_FAR)}[name]
    return WireNic(mac, path / f"beside.{name}", path / f"beside.{other}", f"{address}/24")


@pytest.mark.rules("S-123", "S-141", "S-142", "S-145", "S-152")
@pytest.mark.parametrize("engine", ["kernel", "user"])
def test_guests_talk_on_through_failover_and_failback(engine: str) -> None:
    try:
        with two_uplinks(engine) as scene, FrameSocket(scene.network, "b1") as wire_tap:
            fail_over_and_back(scene)
            assert wire_tap.collect(BPDU, 0.1) == []  # S-022
    except GuestUnavailable as reason:
        pytest.skip(str(reason))


def fail_over_and_back(scene: Scene) -> None:
    """At most 150 ms of silence of the switch's own, nothing delivered twice, and TCP's bytes are those sent."""
    start_tcp(scene)
    first = scene.pinned()
    assert first in (1, 2)
    for state, uplink in (("down", 3 - first), ("up", first)) * 2:
        report = conversation_over_change(scene, first, state, uplink)
        tested, untouched = report.flows
        silence, others = report.longest(), report.longest(UNTOUCHED)
        print(
            f"cable {state}: silent for {silence:.3f} s ({others:.3f} s beside), lost {tested.sent - tested.received}"
        )
        assert tested.doubled == untouched.doubled == 0, "answers came twice"
        assert report.own_share() <= SILENCE, f"cable {state}: {report}"
    check_tcp(scene)


def conversation_over_change(scene: Scene, number: int, state: str, uplink: int) -> Report:
    """Change the state of a cable in the middle of a conversation."""
    scene.near.run(f"{ask(ECHO_SECONDS, FAR, BESIDE_FAR, program=ECHO)} > /tmp/said 2>&1 &")
    wait_until(lambda: "started" in scene.near.execute("grep started /tmp/said")[1], "answers")
    scene.cable(number, state)
    wait_until(lambda: scene.pinned() == uplink, f"the near guest uses uplink {uplink}")
    wait_until(lambda: scene.near.run("cat /tmp/said").count("flow") == 2, "the end of the conversation", 120)
    return parse(scene.near.run("cat /tmp/said"))


def start_tcp(scene: Scene) -> None:
    """A stream of small pieces, for as long as both changes take."""
    scene.far.run(f"sleep 3600 | nc -l -p {TCP_PORT} > /tmp/got &")  # nc ends with its input
    wait_until(lambda: "LISTEN" in scene.far.run("netstat -tln"), "the far guest listens")
    loop = f"i=0; while [ $i -lt {PIECES} ] || [ ! -e /tmp/enough ]; do i=$((i+1)); echo $i; usleep 20000; done"
    scene.near.run(f"({loop}) | tee /tmp/sent | nc {FAR} {TCP_PORT} > /dev/null &")
    wait_until(lambda: len(scene.far.run("cat /tmp/got")) > 20, "the stream runs")


def check_tcp(scene: Scene) -> None:
    scene.near.run("touch /tmp/enough")
    wait_until(lambda: not scene.near.execute("pidof tee")[1].strip(), "the stream's end", 120)
    sent = scene.near.run("sha256sum /tmp/sent").split()[0]
    wait_until(lambda: scene.far.run("sha256sum /tmp/got").split()[0] == sent, "the far guest has every byte")
