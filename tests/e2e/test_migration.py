"""A vEth moves from one host to the other: what follows it, and what the network sees in which order.

The VM is played by a namespace with a NIC on either host, both with the same MAC; its address goes from the one to the
other, which is what a hypervisor does at the end of a live migration.  Both have a carrier all the time.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from dvswitch.v1.manager_pb2 import AttachReply, MigrateRequest, VethInfo
from dvswitch.v1.types_pb2 import Counters
from tests.e2e.scenes import WEB, NamespaceScene, Stack, namespace_scene
from tests.support.fabric import Host, veth
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE, wait_until

pytestmark = [pytest.mark.kernel, pytest.mark.slow]
RARP = b"\x80\x35"


@dataclass
class Move:
    """A scene in which `vm` lives on alpha and has a second NIC, still without an address, on beta."""

    scene: NamespaceScene
    vm: Stack
    peer: Stack
    """On alpha, too, so that after the move it reaches the VM through the trunk."""

    @property
    def info(self) -> VethInfo:
        return self.scene.fabric.veths()[self.vm.veth]

    def prepare(self) -> None:
        """The target's NIC is there, silent."""
        fabric, beta = self.scene.fabric, self.scene.beta
        reply = fabric.attach(beta, self.vm.name, mac=self.vm.mac, profile=WEB, plug=veth("vm-b"), prepare=True)
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
        """State of the vEth's port on a host; "" when it has none."""
        ports = {port.name: port.state for port in self.scene.fabric.status(host).ports}
        return ports.get(f"Veth{self.vm.veth}", "")


@pytest.fixture(params=["kernel", "user"])
def move(request: pytest.FixtureRequest) -> Iterator[Move]:
    with namespace_scene(request.param) as scene:
        vm, peer = scene.guest(scene.alpha, "vm"), scene.guest(scene.alpha, "peer")
        assert scene.beta.where is not None
        scene.lab.veth(scene.beta.where, "vm-b", vm.space, "eth1", peer_mac=vm.mac)
        yield Move(scene, vm, peer)


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
    assert move.on(move.scene.beta) == "FWD"
    assert move.on(move.scene.alpha) != "FWD"


def test_the_source_lets_go_before_the_target_announces(move: Move) -> None:
    """While the source has not answered, no RARP leaves the target; the first one finds the source's entries gone."""
    assert move.scene.alpha.where is not None
    move.prepare()
    move.pause()
    with FrameSocket(move.scene.alpha.where, "up0") as trunk, ThreadPoolExecutor(1) as pool:
        signal_process(move.scene.alpha, signal.SIGSTOP)
        try:
            committed = pool.submit(move.commit)
            mac = bytes.fromhex(move.vm.mac.replace(":", ""))
            assert rarps(trunk, mac, seconds=1.0) == []
        finally:
            signal_process(move.scene.alpha, signal.SIGCONT)
        assert rarps(trunk, mac, seconds=PATIENCE, enough=1)
        assert move.on(move.scene.alpha) != "FWD"
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


def signal_process(host: Host, number: signal.Signals) -> None:
    os.kill(host.process.pid, number)


def rarps(trunk: FrameSocket, mac: bytes, seconds: float, enough: int | None = None) -> list[bytes]:
    """RARPs of this MAC that come over the trunk."""
    end = time.monotonic() + seconds
    found: list[bytes] = []
    while (left := end - time.monotonic()) > 0 and (enough is None or len(found) < enough):
        found += [frame for frame in trunk.collect(mac, min(left, 0.1)) if RARP in frame[12:18]]
    return found
