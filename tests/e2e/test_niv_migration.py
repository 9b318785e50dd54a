"""Live migration with hosts in mode NIV, in what there is no counterpart of in mode DVS: the VIS, its sessions and its
links fail at each step of a move; and frames are counted one by one over moves of a VIF.

(That all else of a migration is as in mode DVS: test_migration.py and test_migration_roads.py, which run in both.)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from dvswitch.v1.manager_pb2 import AttachReply
from tests.e2e.niv_roads import NivRoads, niv_roads
from tests.e2e.roads import BEGIN, COMMIT, PORTS
from tests.e2e.scenes import WEB, WEB_VLAN
from tests.support.fabric import Host, veth
from tests.support.mover import Mover, Stream

pytestmark = [pytest.mark.kernel, pytest.mark.slow]
RATE = 20_000
VM, STATION = "02:00:00:00:20:01", "02:00:00:00:20:02"
MOVES = 3
USER, KERNEL = ("user", "user"), ("kernel", "kernel")


@dataclass
class Moving:
    """A VM that moves between two hosts, and a station outside that it talks with."""

    scene: NivRoads
    hosts: tuple[Host, Host]
    vm: str
    station: str
    veth: int

    def run(self, rate: int) -> tuple[Stream, Stream]:
        """To and fro while both send."""
        with Mover(rate, VM, STATION, self.station, [f"{self.vm}:eth0", f"{self.vm}:eth1"]) as mover:
            for number in range(1, MOVES + 1):
                time.sleep(0.3)  # traffic before each move
                self._move(mover, number % 2)
            time.sleep(0.3)
            return mover.finish()

    def _move(self, mover: Mover, to: int) -> None:
        fabric = self.scene.fabric
        assert fabric.migrate(self.veth, BEGIN, self.hosts[to].name).state == "prepared"
        mover.place(None)
        assert fabric.migrate(self.veth, COMMIT).state == "done"
        mover.place(to)


@contextmanager
def moving(scene: NivRoads) -> Iterator[Moving]:
    """The VM runs on alpha and has a NIC on beta; the station is behind the physical switch."""
    assert scene.lab
    fabric, vm, station = scene.fabric, scene.lab.namespace("vm"), scene.spaces[f"host{PORTS}"]
    station.run("ip", "link", "set", "up0", "address", STATION)
    for number, host in enumerate((scene.alpha, scene.beta)):
        assert host.where
        scene.lab.veth(host.where, "mv0", vm, f"eth{number}", peer_mac=VM)
    number = fabric.attach_forwarding(scene.alpha, "mover", mac=VM, profile=WEB, plug=veth("mv0"))
    reply = fabric.attach(scene.beta, "mover", mac=VM, profile=WEB, plug=veth("mv0"), prepare=True)
    assert reply.state == AttachReply.PREPARED
    yield Moving(scene, (scene.alpha, scene.beta), vm.name, f"{station.name}:up0", number)


@pytest.mark.parametrize(
    ("engines", "niv", "vises"),
    [
        pytest.param(USER, (True, True), 1, id="user"),
        pytest.param(KERNEL, (True, True), 1, id="kernel"),
        pytest.param(KERNEL, (True, True), 2, id="kernel, two"),
        pytest.param(KERNEL, (True, False), 1, id="kernel, niv and dvs"),
    ],
)
def test_not_a_frame_is_lost_or_doubled(engines: tuple[str, str], niv: tuple[bool, bool], vises: int) -> None:
    with niv_roads(engines, niv, vises, station=WEB_VLAN) as scene, moving(scene) as made:
        to_vm, from_vm = made.run(RATE)
        print(f"to the VM {to_vm}, from it {from_vm}")
        for stream in (to_vm, from_vm):
            assert stream.sent > 10_000
            assert (stream.lost, stream.duplicates) == (0, 0)
