"""A vEth moves from one host to the other: what follows it, and what the network sees in which order.

The VM is played by a namespace with a NIC on either host, both with the same MAC; its address goes from the one to the
other, which is what a hypervisor does at the end of a live migration.  Both have a carrier all the time.

In mode NIV each host is behind a VIS of its own (two_vises.py), and the ports are there.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from dvswitch.v1.manager_pb2 import AttachReply, MigrateRequest, VethInfo
from dvswitch.v1.types_pb2 import Counters
from tests.e2e.scenes import WEB, NamespaceScene, Stack, namespace_scene
from tests.e2e.two_vises import NivScene, two_vises
from tests.support.fabric import Host, veth
from tests.support.netns import Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE, wait_until

pytestmark = [pytest.mark.kernel, pytest.mark.slow]
RARP = b"\x80\x35"
NUMBERS = itertools.count(1)
"""Of the VMs of a scene."""


@dataclass
class Move:
    """A scene in which `vm` lives on alpha and has a second NIC, ``port``, still without an address, on beta."""

    scene: NamespaceScene
    vm: Stack
    peer: Stack
    """On alpha, too, so that after the move it reaches the VM through the trunk."""
    port: str

    @property
    def info(self) -> VethInfo:
        return self.scene.fabric.veths()[self.vm.veth]

    def prepare(self) -> None:
        """The target's NIC is there, silent."""
        fabric, beta = self.scene.fabric, self.scene.beta
        reply = fabric.attach(beta, self.vm.name, mac=self.vm.mac, profile=WEB, plug=veth(self.port), prepare=True)
        assert (reply.state, reply.veth) == (AttachReply.PREPARED, self.vm.veth)
        assert fabric.migrate(self.vm.veth, MigrateRequest.BEGIN, "beta").state == "prepared"

    def commit(self) -> None:
        assert self.scene.fabric.migrate(self.vm.veth, MigrateRequest.COMMIT).state == "done"

    def pause(self) -> None:
        """The hypervisor stops the VM on the source."""
        self.vm.space.run("ip", "address", "delete", f"{self.vm.address}/24", "dev", "eth0")

    def resume(self) -> None:
        """The hypervisor lets it run on the target."""
        self.vm.space.run("ip", "address", "add", f"{self.vm.address}/24", "dev", "eth1")

    def ping(self, count: int = 3) -> None:
        self.peer.space.run("ping", "-q", f"-c{count}", "-i0.2", "-W20", self.vm.address)

    def on(self, host: Host) -> str:
        """State of the vEth's port on a host, or behind it; "" when it has none."""
        if isinstance(self.scene, NivScene):
            return self.scene.state(host, self.vm.veth)
        ports = {port.name: port.state for port in self.scene.fabric.status(host).ports}
        return ports.get(f"Veth{self.vm.veth}", "")

    @property
    def keeper(self) -> int:
        """Who has the source's ports: process number of its agent, or of its VIS."""
        scene = self.scene
        return (scene.vises[0] if isinstance(scene, NivScene) else scene.alpha).process.pid

    @property
    def trunk(self) -> tuple[Namespace, str]:
        """The source's end."""
        if isinstance(self.scene, NivScene):
            where, link = self.scene.vises[0].where, "p2"
        else:
            where, link = self.scene.alpha.where, "up0"
        assert where is not None
        return where, link

    def has_let_go(self) -> None:
        """The source has, at once; a VIS that answers for it may tell of it later."""
        patience = PATIENCE if isinstance(self.scene, NivScene) else 0.0
        wait_until(lambda: self.on(self.scene.alpha) != "FWD", "the source has let go", patience)


@pytest.fixture(scope="module", params=["kernel", "user", "kernel, niv", "user, niv"])
def scene(request: pytest.FixtureRequest) -> Iterator[NamespaceScene]:
    engine, _, mode = request.param.partition(", ")
    make: Callable[[str], AbstractContextManager[NamespaceScene]] = two_vises if mode else namespace_scene
    with make(engine) as made:
        yield made


@pytest.fixture
def move(scene: NamespaceScene) -> Move:
    number = next(NUMBERS)
    vm, peer = scene.guest(scene.alpha, f"vm-{number}"), scene.guest(scene.alpha, f"peer-{number}")
    assert scene.beta.where is not None
    port = f"vm{number}-b"
    scene.lab.veth(scene.beta.where, port, vm.space, "eth1", peer_mac=vm.mac)
    return Move(scene, vm, peer, port)


def not_below(now: Counters, before: Counters) -> bool:
    return all(
        getattr(now, name) >= getattr(before, name) for name in ("rx_frames", "rx_bytes", "tx_frames", "tx_bytes")
    )


def test_what_follows_the_vm(move: Move) -> None:
    """Number, profile and MAC; counters only grow; the peer reaches the VM where it is now."""
    move.ping()
    wait_until(lambda: move.info.counters.rx_frames >= 3, "the supervisor has counters")
    before = move.info
    move.prepare()
    move.ping()
    move.pause()
    move.commit()
    move.resume()
    move.ping()
    after = move.info
    assert (after.veth, after.profile, after.mac) == (before.veth, before.profile, before.mac)
    assert after.host == "beta"
    assert after.generation > before.generation
    assert not_below(after.counters, before.counters)
    wait_until(
        lambda: move.info.counters.rx_frames >= before.counters.rx_frames + 6, "what the target counted is added"
    )
    wait_until(lambda: move.on(move.scene.beta) == "FWD", "the target forwards")
    move.has_let_go()


def test_the_source_lets_go_before_the_target_announces(move: Move) -> None:
    """While the source has not answered, no RARP leaves the target; the first one finds the source's entries gone."""
    move.prepare()
    move.pause()
    with FrameSocket(*move.trunk) as trunk, ThreadPoolExecutor(1) as pool:
        os.kill(move.keeper, signal.SIGSTOP)
        try:
            committed = pool.submit(move.commit)
            mac = bytes.fromhex(move.vm.mac.replace(":", ""))
            assert rarps(trunk, mac, seconds=1.0) == []
        finally:
            os.kill(move.keeper, signal.SIGCONT)
        assert rarps(trunk, mac, seconds=PATIENCE, enough=1)
        move.has_let_go()
        committed.result(PATIENCE)
    move.resume()
    move.ping()


def test_a_cancelled_move_leaves_everything_at_the_source(move: Move) -> None:
    move.ping()
    before = move.info
    move.prepare()
    assert move.scene.fabric.migrate(move.vm.veth, MigrateRequest.CANCEL).state in ("cancelled", "done")
    wait_until(lambda: move.on(move.scene.alpha) == "FWD", "the source forwards")
    move.ping()
    after = move.info
    assert (after.veth, after.host, after.profile, after.mac) == (before.veth, "alpha", before.profile, before.mac)


@pytest.mark.rules("S-246")
def test_the_vm_itself_is_enough(move: Move) -> None:
    """Nobody tells the switch that it runs on the target now; its first frame out of the prepared port does."""
    move.ping()
    move.prepare()
    move.ping()
    assert (move.on(move.scene.alpha), move.on(move.scene.beta)) == ("FWD", "PRE")
    move.pause()
    move.resume()
    move.vm.space.run("ping", "-q", "-c1", "-W1", move.peer.address, check=False)
    wait_until(lambda: move.on(move.scene.beta) == "FWD", "the target forwards")
    wait_until(lambda: move.on(move.scene.alpha) != "FWD", "the source does not")
    move.ping()


def rarps(trunk: FrameSocket, mac: bytes, seconds: float, enough: int | None = None) -> list[bytes]:
    """RARPs of this MAC that come over the trunk."""
    end = time.monotonic() + seconds
    found: list[bytes] = []
    while (left := end - time.monotonic()) > 0 and (enough is None or len(found) < enough):
        found += [frame for frame in trunk.collect(mac, min(left, 0.1)) if RARP in frame[12:18]]
    return found
