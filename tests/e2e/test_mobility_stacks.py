"""`mobility forward` with what real guests send and with trunks; and a move that is given up after the pause.

The networks are those of test_mobility_forward.py.  Behind a VIS there is nothing to be forwarded: it takes to the
target what is for the VM.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from dvswitch.mac import MacAddress
from dvswitch.v1.manager_pb2 import MigrateRequest
from tests.e2e.scenes import WEB
from tests.e2e.test_mobility_forward import V4, VM, Scene, scene
from tests.support.fabric import veth
from tests.support.netns import Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE, wait_until

pytestmark = [pytest.mark.kernel, pytest.mark.slow]
ENGINES = [("kernel", "kernel"), ("user", "user")]
NIV = pytest.mark.parametrize("niv", [False, True], ids=["dvs", "niv"])
BOTH = pytest.mark.parametrize("engines", ENGINES, ids=[pair[0] for pair in ENGINES])
PEER, PORT = "02:00:00:00:20:03", 8001
TRUNK = """\
port-profile type vethernet trunk
  switchport mode trunk
  switchport trunk allowed vlan 10,20
  mobility forward 5
  no shutdown
  state enabled
"""
SIZE, ENOUGH = 64 << 10, 1 << 20
"""Bytes that are written at once, and after which a stream is under way."""
OCTETS = MacAddress.parse(VM).octets


class Upload:
    """A TCP stream from a namespace to another for as long as the context is open: SIZE bytes at a time, which a stack
    hands its NIC as superframes without checksums."""

    def __init__(self, source: Namespace, target: Namespace, address: str) -> None:
        with target.enter():
            self._listener = socket.create_server((address, PORT))
        with source.enter():
            self._client = socket.socket()
        self._address, self._over = address, threading.Event()
        self._sent, self._heard, self.bytes = hashlib.sha256(), hashlib.sha256(), 0
        self._pool = ThreadPoolExecutor(2)

    def __enter__(self) -> Upload:
        self._client.settimeout(PATIENCE)
        self._client.connect((self._address, PORT))
        self._work = [self._pool.submit(self._send), self._pool.submit(self._receive)]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_WR)
        self._pool.shutdown()
        self._client.close()
        self._listener.close()

    def finish(self) -> tuple[str, str]:
        """End it; checksums of what was sent and what came."""
        self._over.set()
        for work in self._work:
            work.result(PATIENCE)
        return self._sent.hexdigest(), self._heard.hexdigest()

    def _send(self) -> None:
        while not self._over.wait(0.005):
            piece = os.urandom(SIZE)
            self._client.sendall(piece)
            self._sent.update(piece)
        self._client.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        self._listener.settimeout(PATIENCE)
        stream, _ = self._listener.accept()
        with stream:
            stream.settimeout(PATIENCE)
            while piece := stream.recv(SIZE):
                self._heard.update(piece)
                self.bytes += len(piece)


@NIV
@BOTH
def test_a_stacks_superframes_follow_the_vm(engines: tuple[str, str], niv: bool) -> None:
    """A guest of the source writes to the VM by TCP; while the window is open, all of that goes through the tunnel."""
    with scene(engines, V4, niv=niv) as made:
        first = made.hosts[0].where
        assert first is not None
        peer = made.lab.namespace("peer")
        made.lab.veth(first, "peer0", peer, "eth0", peer_mac=PEER, peer_address="10.0.0.9/24")
        made.fabric.attach_forwarding(made.hosts[0], "peer", mac=PEER, profile=WEB, plug=veth("peer0"))
        made.vm.run(*f"ip link add br0 address {VM} type bridge mcast_snooping 0".split())
        made.vm.run("ip", "link", "set", "eth0", "master", "br0")
        made.vm.up("br0", address="10.0.0.1/24")
        wait_until(lambda: " 0% packet loss" in peer.run("ping", "-qc1", "-W1", "10.0.0.1", check=False), "a way")
        with Upload(peer, made.vm, "10.0.0.1") as upload:
            wait_until(lambda: upload.bytes > ENOUGH, "it is under way")
            assert made.fabric.migrate(made.veth, MigrateRequest.BEGIN, made.hosts[1].name).state == "prepared"
            made.vm.run("ip", "link", "set", "eth0", "nomaster")
            assert made.fabric.migrate(made.veth, MigrateRequest.COMMIT).state == "done"
            made.vm.run("ip", "link", "set", "eth1", "master", "br0")
            before = upload.bytes
            wait_until(lambda: upload.bytes > before + ENOUGH, "it goes on")
            delivered = 0 if niv else _delivered(made)
            sent, heard = upload.finish()
        assert sent == heard
        assert niv or delivered > ENOUGH // 9000, "it went another way than by the tunnel"


def _delivered(made: Scene) -> int:
    """Frames that came to the target by the tunnel."""
    slot = made.fabric.status(made.hosts[1]).slot
    line = next(
        line.split()
        for line in made.fabric.cli(f"module vem {slot} execute show mobility").splitlines()
        if "Veth" in line
    )
    return int(line[line.index("target") + 5])


@NIV
@BOTH
def test_a_trunks_tags_and_priorities_cross_and_each_vlan_is_announced(engines: tuple[str, str], niv: bool) -> None:
    """What the network still brings to the source, or a station says to the VIS."""
    port = "mode=trunk,allowed=1-4094"
    with (
        scene(engines, V4, forward=False, profile="trunk", settings=TRUNK, niv=niv, station_port=port) as made,
        FrameSocket(made.station if niv else made.switch, "eth0" if niv else "p1") as at_source,
        FrameSocket(made.station if niv else made.switch, "eth0" if niv else "p2") as at_target,
        FrameSocket(made.vm, "eth1") as nic,
    ):
        assert made.fabric.migrate(made.veth, MigrateRequest.BEGIN, made.hosts[1].name).state == "prepared"
        assert made.fabric.migrate(made.veth, MigrateRequest.COMMIT).state == "done"
        for vlan, priority in ((10, 5), (20, 3)):
            tci = (priority << 13 | vlan).to_bytes(2, "big")
            content = os.urandom(50)
            at_source.send(OCTETS + MacAddress.parse(PEER).octets + b"\x81\x00" + tci + b"\x88\xb5" + content)
            (found,) = nic.collect(content, PATIENCE, enough=1)
            assert found[12:16] == b"\x81\x00" + tci, f"VLAN {vlan}, priority {priority}: {found.hex()}"
            announcement = OCTETS + b"\x81\x00" + vlan.to_bytes(2, "big") + b"\x80\x35"
            assert at_target.collect(announcement, PATIENCE, enough=1), f"VLAN {vlan} was not announced"


@BOTH
def test_a_move_that_is_given_up_after_the_pause_loses_nothing(engines: tuple[str, str]) -> None:
    """The target dies before it could take over: the VM goes on where it was, and gets what came meanwhile."""
    with scene(engines, V4) as made, made.mover(rate=2000) as mover:
        time.sleep(0.3)  # traffic before the move
        assert made.fabric.migrate(made.veth, MigrateRequest.BEGIN, made.hosts[1].name).state == "prepared"
        mover.place(None)
        made.hosts[1].process.kill()
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(made.fabric.migrate, made.veth, MigrateRequest.COMMIT)
            wait_until(lambda: _states(made) != ["FWD"], "the source has let go")
            made.fabric.migrate(made.veth, MigrateRequest.CANCEL)
            done.result()
        wait_until(lambda: _states(made) == ["FWD"], "the source has it back")
        mover.place(0)
        time.sleep(0.3)  # traffic after it
        to_vm, from_vm = mover.finish()
        assert to_vm.sent > 500
        assert (to_vm.lost, to_vm.duplicates, from_vm.lost, from_vm.duplicates) == (0, 0, 0, 0), f"{to_vm} {from_vm}"
        made.fabric.start_host(made.hosts[1])


def _states(made: Scene) -> list[str]:
    ports = made.fabric.status(made.hosts[0]).ports
    return [port.state for port in ports if port.name == f"Veth{made.veth}"]
