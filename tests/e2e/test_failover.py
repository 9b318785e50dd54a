"""Golden scenario G6 with real guests: an uplink is lost and comes back, and a conversation goes on.

    near guest - host "alpha" == two uplinks == network == host "beta" - far guest

Silence is what a guest sees: it asks every hundredth of a second or so, and some requests in a row stay without an
answer.  A TCP stream runs beside them over both changes.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.e2e.scenes import BASICS, WEB
from tests.support.fabric import Fabric, Host, home, tap, wire
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import wait_until
from tests.vm.guest_image import GuestUnavailable
from tests.vm.qemu import Guest, TapNic, WireNic

NEAR_MAC, FAR_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
NEAR, FAR = "10.0.0.1", "10.0.0.2"
PINGS, INTERVAL = 500, 0.01
BPDU = bytes.fromhex("0180c2000000")
SILENCE = 0.15
"""Seconds."""
ROUNDS = 4
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
            made.append((veth, guests.enter_context(Guest(name, [nic], where=host.where))))
        (near_veth, near), (_, far) = made
        near.wait_ready()
        far.wait_ready()
        yield Scene(fabric, alpha, near_veth, near, far, network)
        fabric.check_accounts()


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
    """At most 150 ms of silence, nothing delivered twice, and TCP's bytes are the bytes that were sent.

    The shortest silence of a few counts: a machine that has other things to do, too, only adds to it.
    """
    start_tcp(scene)
    first = scene.pinned()
    assert first in (1, 2)
    down, up = [], []
    while (not down or min(down) > SILENCE or min(up) > SILENCE) and len(down) < ROUNDS:
        down.append(silence(scene, first, "down", 3 - first))
        up.append(silence(scene, first, "up", first))
    check_tcp(scene)
    assert min(down) <= SILENCE, f"cable down: {down}"
    assert min(up) <= SILENCE, f"cable up: {up}"


def silence(scene: Scene, cable: int, state: str, uplink: int) -> float:
    """Cut or mend a cable while the near guest asks; seconds until it is answered again, by this uplink."""
    start = time.monotonic()
    start_pings(scene.near)
    wait_until(lambda: len(answers(scene.near)) > 50, "answers")
    scene.cable(cable, state)
    wait_until(lambda: scene.pinned() == uplink, f"the near guest uses uplink {uplink}")
    wait_until(lambda: not scene.near.execute("pidof ping")[1].strip(), "the last request", 120)
    interval = (time.monotonic() - start) / PINGS  # a slow guest asks less often
    sequence = answers(scene.near)
    assert len(set(sequence)) == len(sequence), "answers came twice"
    seconds = longest_silence(sequence) * interval
    print(f"cable {state}: {seconds:.3f} s of silence")
    return seconds


def start_pings(guest: Guest) -> None:
    guest.run(f"ping -i {INTERVAL} -c {PINGS} -W 3 {FAR} > /tmp/ping 2>&1 &")


def answers(guest: Guest) -> list[int]:
    """Numbers of the requests that were answered, as the answers came."""
    return [int(number) for number in re.findall(r"seq=(\d+)", guest.run("cat /tmp/ping"))]


def longest_silence(sequence: list[int]) -> int:
    """Requests from one that was answered to the next; the last request must have been answered."""
    assert sequence[-1] == PINGS - 1, f"silent from request {sequence[-1]} on"
    return max(after - before for before, after in itertools.pairwise(sequence))


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
