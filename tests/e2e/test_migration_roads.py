"""The roads that a migration may take when something goes wrong, with real daemons: in the end one host has the port.

One fabric of user engines on datagram wires serves all of these; each has a VM of its own, with a NIC on either host.
What the engines do in a move is in test_migration.py; all orders of all mishaps are explored in tests/mobility.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import pytest

from dvswitch.mac import MacAddress
from dvswitch.v1.manager_pb2 import AttachReply, MigrateReply, MigrateRequest, VethInfo
from tests.e2e.scenes import DB, DB_VLAN, WEB, WireScene, wire_scene
from tests.support.fabric import Host, wire
from tests.support.processes import PATIENCE, wait_until
from tests.support.relay import Relay
from vem.agent.announce import rarp

pytestmark = pytest.mark.slow
BEGIN, COMMIT, CANCEL = MigrateRequest.BEGIN, MigrateRequest.COMMIT, MigrateRequest.CANCEL
_numbers = itertools.count(1)


@dataclass
class Vm:
    """A VM that runs on alpha and has a second NIC, not plugged in yet, on beta."""

    scene: WireScene
    number: int
    mac: str
    profile: str
    veth: int = 0

    @property
    def name(self) -> str:
        return f"road{self.number}"

    def attach(self, host: Host, prepare: bool = False) -> AttachReply:
        plug = wire(self._path(host, "n"), self._path(host, "g"))
        return self.scene.fabric.attach(host, self.name, mac=self.mac, profile=self.profile, plug=plug, prepare=prepare)

    def prepare(self) -> None:
        """Both sides as a manager leaves them before the VM stops."""
        assert self.attach(self.scene.beta, prepare=True).state == AttachReply.PREPARED
        assert self.step(BEGIN, "beta").state == "prepared"

    def step(self, step: MigrateRequest.Step, target: str = "") -> MigrateReply:
        return self.scene.fabric.migrate(self.veth, step, target)

    def later(self, step: MigrateRequest.Step, target: str = "") -> Future[MigrateReply]:
        """The same, while something else happens."""
        pool = ThreadPoolExecutor(1)
        future = pool.submit(self.step, step, target)
        pool.shutdown(wait=False)
        return future

    def says(self, host: Host, frame: bytes) -> None:
        """A frame comes out of the VM's NIC on a host."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(frame, str(self._path(host, "n")))

    @property
    def info(self) -> VethInfo:
        return self.scene.fabric.veths()[self.veth]

    def state(self) -> str:
        """Of its move, as operators see it; "" when it has none."""
        lines = self.scene.fabric.cli("show svs migration").partition("Over,")[0].splitlines()
        rows = [line.split() for line in lines if line.startswith(f"Vethernet{self.veth} ")]
        return rows[0][4] if rows else ""

    def owners(self) -> list[str]:
        """Hosts where the port forwards."""
        found = []
        for host in (self.scene.alpha, self.scene.beta):
            with contextlib.suppress(grpc.RpcError):
                ports = {port.name: port.state for port in self.scene.fabric.status(host).ports}
                found += [host.name] if ports.get(f"Veth{self.veth}") == "FWD" else []
        return found

    def ends_on(self, host: Host) -> None:
        """In the end it forwards there and nowhere else, and nothing is under way."""
        wait_until(lambda: not self.state(), f"the move of {self.name} is over")
        wait_until(lambda: self.owners() == [host.name], f"{self.name} forwards on {host.name} only")
        assert self.info.host == host.name

    def _path(self, host: Host, kind: str):  # type: ignore[no-untyped-def]
        return self.scene.path / f"{kind}{self.number}{host.name[0]}"


@pytest.fixture(scope="module")
def scene() -> Iterator[WireScene]:
    with wire_scene() as found:
        yield found


@pytest.fixture
def vm(scene: WireScene) -> Vm:
    return new_vm(scene)


def new_vm(scene: WireScene, profile: str = WEB) -> Vm:
    number = next(_numbers)
    vm = Vm(scene, number, f"02:00:00:00:77:{number:02x}", profile)
    reply = vm.attach(scene.alpha)
    assert reply.state == AttachReply.FORWARDING
    vm.veth = reply.veth
    return vm


@contextlib.contextmanager
def stopped(host: Host) -> Iterator[None]:
    """The agent hangs, engine and all."""
    os.kill(host.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(host.process.pid, signal.SIGCONT)


def again(scene: WireScene, host: Host) -> None:
    """Kill the agent, and start it anew."""
    host.process.kill()
    scene.fabric.start_host(host)


# ---- the target


def test_a_target_without_the_vlan_refuses_beforehand(scene: WireScene) -> None:
    """S-256."""
    vm, fabric = new_vm(scene, DB), scene.fabric
    fabric.configure("interface ethernet 4/1\n switchport trunk allowed vlan 10")
    try:
        for step in (MigrateRequest.CHECK, BEGIN):
            with pytest.raises(grpc.RpcError, match=f"no uplink of module 4 carries vlan {DB_VLAN}"):
                vm.step(step, "beta")
        line = f"svs migration vethernet {vm.veth} module 4 check"
        assert f"no uplink of module 4 carries vlan {DB_VLAN}" in fabric.execute(line).output
        assert vm.owners() == ["alpha"] and not vm.state()
    finally:
        fabric.configure("interface ethernet 4/1\n no switchport trunk allowed vlan")
    assert "can take" in fabric.cli(line)


def test_the_target_dies_before_the_vm_is_there(vm: Vm, scene: WireScene) -> None:
    vm.prepare()
    scene.beta.process.kill()
    assert vm.step(CANCEL).state in ("cancelled", "done")
    scene.fabric.start_host(scene.beta)
    vm.ends_on(scene.alpha)


def test_the_target_dies_when_the_port_is_its_own(vm: Vm, scene: WireScene) -> None:
    vm.prepare()
    with stopped(scene.beta):
        committed = vm.later(COMMIT)
        wait_until(lambda: vm.state() == "activated", "the target is to have it")
        scene.beta.process.kill()
    scene.fabric.start_host(scene.beta)
    assert committed.result(PATIENCE).state == "done"
    vm.ends_on(scene.beta)
    again(scene, scene.beta)
    vm.ends_on(scene.beta)


# ---- the source


def test_the_source_dies_before_the_pause(vm: Vm, scene: WireScene) -> None:
    vm.prepare()
    scene.alpha.process.kill()
    assert vm.step(COMMIT).state == "done"
    scene.fabric.start_host(scene.alpha)
    vm.ends_on(scene.beta)


def test_the_source_dies_while_it_drains(vm: Vm, scene: WireScene) -> None:
    vm.prepare()
    with stopped(scene.alpha):
        committed = vm.later(COMMIT)
        wait_until(lambda: vm.state() != "prepared", "it is asked to drain")
        scene.alpha.process.kill()
    assert committed.result(PATIENCE).state == "done"
    scene.fabric.start_host(scene.alpha)
    vm.ends_on(scene.beta)


# ---- the supervisor, and the way to it


@pytest.mark.parametrize("where", ["prepared", "paused", "activated"])
def test_the_supervisor_dies(vm: Vm, scene: WireScene, where: str) -> None:
    vm.prepare()
    hangs = {"paused": scene.alpha, "activated": scene.beta}.get(where)
    with stopped(hangs) if hangs else contextlib.nullcontext():
        committed = vm.later(COMMIT) if hangs else None
        wait_until(lambda: vm.state() == where, f"it is {where}")
        scene.fabric.vsm.kill()
    if committed:
        assert committed.exception(PATIENCE)
    scene.fabric.start_vsm()
    for host in (scene.alpha, scene.beta):
        wait_until(lambda host=host: scene.fabric.in_touch(host), "the hosts are back")  # type: ignore[misc]
    if not committed:
        assert vm.step(COMMIT).state == "done"
    vm.ends_on(scene.beta)


def test_the_way_to_the_supervisor_is_cut(scene: WireScene) -> None:
    """The source goes on without a word of the move; when it is back, it gives the port up."""
    fabric, front = scene.fabric, scene.path / "relay.sock"
    behind, wires = fabric.socket, f"unix:{scene.path}/up.9>unix:{scene.path}/sw.9"
    with Relay(front, behind) as relay:
        fabric.socket = front
        try:
            gamma = fabric.add_host("gamma", "user", uplinks=[f"1,profile=UPLINK,wire={wires}"])
        finally:
            fabric.socket = behind
        far = Vm(WireScene(scene.path, fabric, gamma, scene.beta), next(_numbers), "02:00:00:00:78:01", WEB)
        far.veth = far.attach(gamma).veth
        far.prepare()
        relay.cut()
        assert far.step(COMMIT).state == "done"
        relay.heal()
        far.ends_on(scene.beta)
        gamma.process.end()


# ---- changes of mind


@pytest.mark.parametrize("where", ["prepared", "paused", "activated"])
def test_a_move_is_cancelled(vm: Vm, scene: WireScene, where: str) -> None:
    """S-250."""
    vm.prepare()
    hangs = {"paused": scene.alpha, "activated": scene.beta}.get(where)
    with stopped(hangs) if hangs else contextlib.nullcontext():
        committed = vm.later(COMMIT) if hangs else None
        wait_until(lambda: vm.state() == where, f"it is {where}")
        cancelled = vm.later(CANCEL)
        wait_until(lambda: vm.state() != where, "the word was heard")
    assert cancelled.result(PATIENCE).state in ("cancelled", "done")
    if committed:
        committed.exception(PATIENCE)
    vm.ends_on(scene.alpha)


def test_straight_back(vm: Vm, scene: WireScene) -> None:
    """With both NICs plugged in all the time; frames are counted once."""
    vm.prepare()
    vm.says(scene.alpha, rarp(MacAddress.parse(vm.mac)))
    assert vm.step(COMMIT).state == "done"
    assert vm.step(BEGIN, "alpha").state == "prepared"
    assert vm.step(COMMIT).state == "done"
    vm.ends_on(scene.alpha)
    vm.says(scene.alpha, rarp(MacAddress.parse(vm.mac)))
    wait_until(lambda: vm.info.counters.rx_frames == 2, "both frames are counted, and no more")
    history = scene.fabric.cli("show svs migration").partition("Over,")[2]
    assert history.count(f"Vethernet{vm.veth} ") == 2


# ---- what follows


NESTED = """\
port-profile type vethernet nested
  switchport mode access
  switchport access vlan 10
  mac-learning
  security forged-transmits accept
  no shutdown
  state enabled
"""


@pytest.mark.rules("S-247", "S-252")
def test_guests_within_the_guest_are_known_and_announced(scene: WireScene) -> None:
    """Their switch outside learns the way to them although they themselves say nothing."""
    scene.fabric.configure(NESTED)
    vm, inner = new_vm(scene, "nested"), MacAddress.parse(f"02:00:00:00:88:{next(_numbers):02x}")
    vm.says(scene.alpha, bytes.fromhex("ffffffffffff") + inner.octets + b"\x08\x00" + bytes(46))
    wait_until(lambda: place_of(scene, inner) == ["3"], "the source has learned it")
    vm.prepare()
    assert vm.step(COMMIT).state == "done"
    wait_until(lambda: place_of(scene, inner) == ["4"], "the target knows it, and the source no more")
    wait_until(lambda: outside(scene, inner) == "0/2", "the physical switch has heard of it from the target")


def place_of(scene: WireScene, mac: MacAddress) -> list[str]:
    """Modules that have learned it from a guest."""
    rows = json.loads(scene.fabric.cli("show mac address-table dynamic | json"))["TABLE_mac_address"]
    found = rows.get("ROW_mac_address", [])
    return [
        row["disp_module"]
        for row in (found if isinstance(found, list) else [found])
        if row["disp_mac_addr"] == mac.dotted
    ]


def outside(scene: WireScene, mac: MacAddress) -> str:
    """The physical switch's port behind which it is, as its operator reads it."""
    argv = [sys.executable, "-m", "physical.vis", "show", "mac-addr-table", "--socket", f"{scene.path}/sw.ctl"]
    table = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return next((line.split()[2] for line in table.splitlines() if str(mac).upper() in line), "")


# ---- nobody said anything


def test_two_hosts_claim_it(vm: Vm, scene: WireScene) -> None:
    """S-255: the one where it was plugged in last has it, whatever the other remembers."""
    scene.alpha.process.kill()
    assert vm.attach(scene.beta).state == AttachReply.FORWARDING
    scene.fabric.start_host(scene.alpha)
    vm.ends_on(scene.beta)


def test_its_announcement_is_enough(vm: Vm, scene: WireScene) -> None:
    """S-246."""
    vm.prepare()
    vm.says(scene.beta, rarp(MacAddress.parse(vm.mac)))
    vm.ends_on(scene.beta)
    assert "(seen)" in scene.fabric.cli("show svs migration")


def test_any_frame_will_do_when_the_announcement_was_lost(vm: Vm, scene: WireScene) -> None:
    vm.prepare()
    source = MacAddress.parse(vm.mac).octets
    vm.says(scene.beta, bytes.fromhex("020000009999") + source + b"\x08\x00" + bytes(46))
    vm.ends_on(scene.beta)


def test_a_forged_announcement_moves_nothing(vm: Vm, scene: WireScene) -> None:
    """Of guests on either host that say they were the VM; nor does another name out of the VM's own NIC."""
    vm.prepare()
    near, far = new_vm(scene), new_vm(scene)
    far.prepare()
    assert far.step(COMMIT).state == "done"
    mine = MacAddress.parse(vm.mac)
    for liar, host in ((near, scene.alpha), (far, scene.beta)):
        liar.says(host, rarp(mine))
        liar.says(host, bytes.fromhex("020000009999") + mine.octets + b"\x08\x00" + bytes(46))
        wait_until(lambda liar=liar: liar.info.counters.drops_in["FORGED_TX"] >= 2, "it was seen through")  # type: ignore[misc]
    vm.says(scene.beta, rarp(MacAddress.parse(near.mac)))
    assert vm.state() == "prepared" and vm.owners() == ["alpha"]
    assert vm.step(CANCEL).state in ("cancelled", "done")
    vm.ends_on(scene.alpha)


def test_fifty_at_once(scene: WireScene) -> None:
    scene.fabric.configure(f"port-profile {WEB}\n max-ports 200")
    with ThreadPoolExecutor(8) as pool:
        vms = list(pool.map(lambda _: new_vm(scene), range(50)))
        list(pool.map(Vm.prepare, vms))
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda vm: vm.step(COMMIT), vms))
    assert {reply.state for reply in replies} == {"done"}
    assert all(info.host == "beta" for number, info in scene.fabric.veths().items() if number in {v.veth for v in vms})
    names = {f"Veth{vm.veth}" for vm in vms}
    ports = {host.name: scene.fabric.status(host).ports for host in (scene.alpha, scene.beta)}
    assert names <= {port.name for port in ports["beta"] if port.state == "FWD"}
    assert not names & {port.name for port in ports["alpha"] if port.state == "FWD"}
