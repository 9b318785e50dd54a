"""Live migration with hosts in mode NIV, in what there is no counterpart of in mode DVS: the VIS, its sessions and its
links fail at each step of a move; and frames are counted one by one over moves of a VIF.

(That all else of a migration is as in mode DVS: test_migration_roads.py, which runs in both.)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import grpc
import pytest

from dvswitch.v1.manager_pb2 import AttachReply
from physical import control
from tests.e2e.niv_roads import NivRoads, niv_roads
from tests.e2e.roads import BEGIN, CANCEL, COMMIT, PORTS, STRANGER, Vm, new_vm, stopped, unicast
from tests.e2e.scenes import WEB, WEB_VLAN
from tests.support.fabric import Host, veth
from tests.support.mover import Mover, Stream
from tests.support.processes import PATIENCE, wait_until
from tests.support.vis import Vis, shown

pytestmark = [pytest.mark.kernel, pytest.mark.slow]
RATE = 20_000
VM, STATION = "02:00:00:00:20:01", "02:00:00:00:20:02"
MOVES = 3
REGRETS, REGRET, REGRET_RATE = 8, 0.005, 2_000
"""Moves that are cancelled; seconds that each waits longer for that than the one before; frames a second meanwhile."""
ENOUGH = 10_000
"""Frames each way."""
USER, KERNEL = ("user", "user"), ("kernel", "kernel")


@dataclass
class Moving:
    """A VM that moves between two hosts, and a station outside that it talks with."""

    scene: NivRoads
    hosts: tuple[Host, Host]
    vm: str
    station: str
    veth: int

    def run(self, rate: int, enough: int, early: int = 0, rest: float = 0.3) -> tuple[Stream, Stream]:
        """To and fro while both send, until the VM has sent ``enough``.  ``early``: the move before whose hand-over the
        VM speaks on the target already; ``rest``: seconds from the last move to the end.  With `mobility forward` each
        source tells its target that the network has heard of the move."""
        with self.mover(rate) as mover:
            for number in range(1, MOVES + 1):
                time.sleep(0.3)  # traffic before each move
                self._move(mover, number % 2, number == early)
                if self.scene.forward:
                    wait_until(lambda to=number % 2: self._words(to), "the source gives its word")  # type: ignore[misc]
            time.sleep(rest)
            wait_until(lambda: self._passed() > enough, "the VM has sent enough, as far as the machine lets it")
            return mover.finish()

    def mover(self, rate: int) -> Mover:
        return Mover(rate, VM, STATION, self.station, [f"{self.vm}:eth0", f"{self.vm}:eth1"])

    def reconsider(self, rate: int) -> tuple[Stream, Stream]:
        """Moves that are cancelled at once, each a little later: whatever step the word meets, if it does not come too
        late.  In the end the VM is on the first host, as before."""
        with self.mover(rate) as mover:
            here = 0
            for number in range(REGRETS):
                time.sleep(0.1)  # traffic before each move
                self.pause(mover, 1 - here)
                with ThreadPoolExecutor(1) as pool:
                    committed = pool.submit(self.scene.fabric.migrate, self.veth, COMMIT)
                    time.sleep(number * REGRET)
                    with suppress(grpc.RpcError):  # it is too late
                        self.scene.fabric.migrate(self.veth, CANCEL)
                    committed.exception(PATIENCE)
                here = self._place()
                mover.place(here)
            if here:
                time.sleep(0.1)
                self._move(mover, 0, early=False)
            time.sleep(WAITS if self.scene.forward else 0.3)
            return mover.finish()

    def give_up(self, rate: int) -> tuple[Stream, Stream]:
        """The target's VIS dies when the VM has stopped, and the manager wants it back; the VIS comes again later."""
        with self.mover(rate) as mover:
            dies = self.scene.vises[1]
            time.sleep(0.1)
            self.pause(mover, 1)
            dies.process.kill()
            with ThreadPoolExecutor(1) as pool:
                committed = pool.submit(self.scene.fabric.migrate, self.veth, COMMIT)
                wait_until(lambda: not self.forwards(self.scene.vises[0]), "the source has let go")
                self.scene.fabric.migrate(self.veth, CANCEL)
                committed.exception(PATIENCE)
            assert self._place() == 0
            wait_until(lambda: self.forwards(self.scene.vises[0]), "the source has it back")
            mover.place(0)
            time.sleep(WAITS)
            streams = mover.finish()
        dies.start()
        return streams

    def forwards(self, vis: Vis) -> bool:
        """Whether the VM's VIF is open there."""
        return any(nic["veth"] == self.veth and nic["state"] == "forwarding" for nic in vis.show()["vifs"])

    def _place(self) -> int:
        """Where the VM's port is when nothing is under way: at one of the two, and nowhere else."""
        number = f"Vethernet{self.veth} "

        def is_over() -> bool:
            return number not in self.scene.fabric.cli("show svs migration").partition("Over,")[0]

        wait_until(is_over, "the move is over")
        name = self.scene.fabric.veths()[self.veth].host
        return [host.name for host in self.hosts].index(name)

    def _move(self, mover: Mover, to: int, early: bool) -> None:
        self.pause(mover, to)
        if early:
            mover.place(to)
            time.sleep(0.02)  # what the VM sends meanwhile is what is to wait
        assert self.scene.fabric.migrate(self.veth, COMMIT).state == "done"
        mover.place(to)

    def pause(self, mover: Mover, to: int) -> None:
        """The VM is still, and the other host is prepared for it."""
        assert self.scene.fabric.migrate(self.veth, BEGIN, self.hosts[to].name).state == "prepared"
        mover.place(None)
        wait_until(self._silent, "what the VM had sent is through")

    def _silent(self) -> bool:
        """Nothing has come out of the VIS for as long as a busy machine may make a frame wait."""
        before = self._passed()
        time.sleep(0.05)
        return self._passed() == before

    def _passed(self) -> int:
        return sum(_sent(vis) for vis in self.scene.vises)

    def _words(self, to: int) -> int:
        """How often the target of the move under way was told by its source that the network has heard of it."""
        lines = [line.split() for line in _moves(self, self.hosts[to]).splitlines()]
        return sum(int(line[-1]) for line in lines if line[:2] == [f"Veth{self.veth}", "target"])

    @property
    def counters(self) -> tuple[int, int]:
        """Frames from and to the VM, as the supervisor has them."""
        found = self.scene.fabric.veths()[self.veth].counters
        return found.rx_frames, found.tx_frames


def _sent(vis: Vis) -> int:
    """Towards the physical switch."""
    with control.Client(str(vis.socket), "switch") as client:
        return int(client.call("counters")["counters"][str(PORTS)]["tx_frames"])


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


@pytest.mark.parametrize("engines", [pytest.param(USER, id="user"), pytest.param(KERNEL, id="kernel")])
def test_not_a_frame_is_lost_or_doubled(engines: tuple[str, str]) -> None:
    """Between two hosts of one VIS, without `mobility forward`: the VIS alone knows where the VM is, so
    no frame can come to the wrong one, and it takes the VM's frames to the target as soon as the source lets go."""
    with niv_roads(engines, (True, True), station=WEB_VLAN) as scene, moving(scene) as made:
        to_vm, from_vm = made.run(RATE, ENOUGH)
        for name, stream in (("to the VM", to_vm), ("from the VM", from_vm)):
            told = f"{name}: {stream}"
            assert stream.sent > ENOUGH, told
            assert (stream.lost, stream.duplicates) == (0, 0), told
        wait_until(lambda: made.counters == (from_vm.sent, to_vm.sent), "every frame was counted, and once")


@pytest.mark.parametrize("engines", [pytest.param(USER, id="user"), pytest.param(KERNEL, id="kernel")])
@pytest.mark.parametrize("count", [1, 2], ids=["over one VIS", "over two VISes"])
def test_a_cancelled_move_doubles_nothing_and_loses_nothing_uncounted(engines: tuple[str, str], count: int) -> None:
    """After the pause.  (The VM's NICs on both hosts are listened at: what the VIS had given to the one that the VM was
    to have, it does not give to the other.)"""
    with niv_roads(engines, (True, True), count, station=WEB_VLAN, forward=count == 2) as scene, moving(scene) as made:
        runs = {"cancelled": made.reconsider(REGRET_RATE)}
        if count == 2:
            runs["given up"] = made.give_up(REGRET_RATE)
        for how, (to_vm, from_vm) in runs.items():
            for name, stream in (("to the VM", to_vm), ("from the VM", from_vm)):
                told = f"{how}, {name}: {stream}\n{_drops(made)}"
                assert stream.duplicates == 0, told
                assert stream.lost <= (_unknown(made) if name == "to the VM" else 0), told
        passed = sum(run[1].received for run in runs.values()), sum(run[0].received for run in runs.values())
        wait_until(lambda: made.counters == passed, "every frame was counted, and once")


def _unknown(made: Moving) -> int:
    """Frames for which a VIS knew nobody, between two words that its cards hear each in its own time: flooded out of
    ports where nobody is, or dropped where they came in."""
    found = 0
    for vis in made.scene.vises:
        with control.Client(str(vis.socket), "switch") as client:
            for number, port in client.call("counters")["counters"].items():
                found += port["tx_flooded"] if int(number) < PORTS else 0
                found += sum(port["drops_in"].get(reason, 0) for reason in ("UPLINK_INACTIVE", "NO_RECEIVER"))
    return found


def _drops(made: Moving) -> str:
    """Frames that did not get on, at the vEth and at each VIS, for people."""
    counters = made.scene.fabric.veths()[made.veth].counters
    lines = [f"vEth: {counters.rx_frames} {counters.tx_frames} {dict(counters.drops_in)} {dict(counters.drops_out)}"]
    lines += [_moves(made, host) for host in made.hosts]
    for host in made.hosts:
        for port in made.scene.fabric.status(host).ports:
            drops = {**port.counters.drops_in, **{f"out {reason}": n for reason, n in port.counters.drops_out.items()}}
            frames = f"{port.counters.rx_frames} {port.counters.tx_frames}"
            lines.append(f"{host.name} {port.name} {port.state}: {frames} {drops}")
    for found in made.scene.vises:
        with control.Client(str(found.socket), "switch") as client:
            lines.append(f"{found.name}: {client.call('counters')}")
    return "\n".join(lines)


def _moves(made: Moving, host: Host) -> str:
    """Those that the host, or its VIS for it, follows, for people."""
    slot = made.scene.fabric.status(host).slot
    words = "show mobility" if shown(host, "niv").split()[1] == "local" else "card show mobility"
    return made.scene.fabric.cli(f"module vem {slot} execute {words}")


FORWARD_RATE = 2_000
"""Frames a second: what had waited crosses two cables and four programs as fast as they can, and on a busy machine the
kernel's queue of 1,000 for a virtual cable (net.core.netdev_max_backlog) has no room for what comes of 20,000, nor for
what a program brings that stood still for a quarter of a second at 5,000 (on an idle one nothing of those is lost
either)."""
FORWARD_ENOUGH = 2_500
"""Frames each way."""
WAITS = 1.5
"""Seconds; direct frames wait no longer than one for the end of the tunnel's."""


@pytest.mark.parametrize("engines", [pytest.param(USER, id="user"), pytest.param(KERNEL, id="kernel")])
@pytest.mark.parametrize(
    ("niv", "count"),
    [pytest.param((True, True), 2, id="over two VISes"), pytest.param((True, False), 1, id="to and from DVS")],
)
def test_frames_are_passed_on_by_and_to_a_vis(engines: tuple[str, str], niv: tuple[bool, bool], count: int) -> None:
    """`mobility forward` where one VIS alone does not know where the VM is: what comes for the VM between pause and
    activation, and what it says too early, waits; none is lost or doubled."""
    with niv_roads(engines, niv, count, station=WEB_VLAN, forward=True) as scene, moving(scene) as made:
        to_vm, from_vm = made.run(FORWARD_RATE, FORWARD_ENOUGH, early=2, rest=WAITS)
        for name, stream in (("to the VM", to_vm), ("from the VM", from_vm)):
            told = f"{name}: {stream}\n{_drops(made)}"
            assert stream.sent > FORWARD_ENOUGH, told
            assert (stream.lost, stream.duplicates) == (0, 0), told


# ---- the VIS, its links and its sessions


@pytest.fixture(scope="module", params=[pytest.param(USER, id="user")])
def scene(request: pytest.FixtureRequest) -> Iterator[NivRoads]:
    """Each host has a VIS of its own; with user engines all of it is wires."""
    with niv_roads(request.param, (True, True), 2) as found:
        yield found


@pytest.mark.parametrize("victim", ["source", "target"])
@pytest.mark.parametrize("where", ["prepared", "paused", "activated"])
def test_a_vis_dies(scene: NivRoads, where: str, victim: str) -> None:
    """And is started again: the VM is on the target in the end, and its frames pass there."""
    vm = new_vm(scene)
    source, target = scene.vises
    dies = source if victim == "source" else target
    vm.prepare()
    hangs = {"paused": source, "activated": target}.get(where)
    with stopped(hangs) if hangs else contextlib.nullcontext():
        committed = vm.later(COMMIT) if hangs else None
        wait_until(lambda: vm.state() == where, f"it is {where}")
        dies.process.kill()
    dies.start()
    if committed is None or committed.exception(PATIENCE) or committed.result().state != "done":
        vm.moves("beta")
    ends_behind(vm, target)


@pytest.mark.parametrize("victim", ["source", "target"])
@pytest.mark.parametrize("where", ["paused", "activated"])
def test_a_cards_session_is_cut_later_in_the_move(scene: NivRoads, where: str, victim: str) -> None:
    """While its VIS, or the other one, has not said yet that it let go, or that it took over."""
    vm = new_vm(scene)
    vm.prepare()
    source, target = scene.vises
    relay = scene.relays[0 if victim == "source" else 1]
    with stopped(source if where == "paused" else target):
        committed = vm.later(COMMIT)
        wait_until(lambda: vm.state() == where, f"it is {where}")
        relay.cut()
    if victim == "source":
        assert committed.result(PATIENCE).state == "done", "nobody waits for the source for ever"
    elif where == "paused":
        wait_until(lambda: vm.state() == "activated", "the source has let go")
        assert not forwards(target, vm), "it has not heard of it"
    relay.heal()
    assert committed.result(PATIENCE).state == "done"
    ends_behind(vm, target)


@pytest.mark.parametrize("victim", ["source", "target"])
def test_a_vis_loses_the_supervisor_during_the_move(scene: NivRoads, victim: str) -> None:
    """And with it its cards; the hosts have theirs.  The source's is waited for a while, the target's for its word."""
    vm = new_vm(scene)
    vm.prepare()
    relay = scene.relays[0 if victim == "source" else 1]
    relay.cut()
    committed = vm.later(COMMIT)
    if victim == "source":
        assert committed.result(PATIENCE).state == "done"
        wait_until(lambda: forwards(scene.vises[1], vm), "it forwards at the target")
        assert forwards(scene.vises[0], vm), "and where nobody has heard of the move"
    else:
        wait_until(lambda: vm.state() == "activated", "the source has let go")
        wait_until(lambda: not forwards(scene.vises[0], vm), "which is seen there, too")
        assert not forwards(scene.vises[1], vm)
    relay.heal()
    assert committed.result(PATIENCE).state == "done"
    ends_behind(vm, scene.vises[1])


ON_EITHER = pytest.mark.parametrize(
    "scene", [pytest.param(USER, id="user"), pytest.param(KERNEL, id="kernel")], indirect=True
)


@ON_EITHER
@pytest.mark.parametrize("victim", ["source", "target"])
def test_a_link_is_cut_during_the_move(scene: NivRoads, victim: str) -> None:
    """Between host and VIS: its port is shut down, or the cable itself is."""
    vm = new_vm(scene)
    vm.prepare()
    at, port, host = (0, 1, scene.alpha) if victim == "source" else (1, 2, scene.beta)
    with unplugged(host) if host.where else cut(scene.vises[at], port):
        assert vm.step(COMMIT).state == "done"
    ends_behind(vm, scene.vises[1])


@contextlib.contextmanager
def unplugged(host: Host) -> Iterator[None]:
    """No cable: both its ends lose the carrier."""
    assert host.where
    host.where.run("ip", "link", "set", "up0", "down")
    try:
        yield
    finally:
        host.where.run("ip", "link", "set", "up0", "up")


@contextlib.contextmanager
def cut(at: Vis, port: int) -> Iterator[None]:
    """A port of a VIS is shut down."""
    with control.Client(str(at.socket), "switch") as client:
        client.call("shutdown", port=port)
        try:
            yield
        finally:
            client.call("no-shutdown", port=port)


def ends_behind(vm: Vm, vis: Vis) -> None:
    """On beta, and at no other VIS does its VIF forward; what it says and is told passes there."""
    scene = vm.scene
    assert isinstance(scene, NivRoads)
    vm.ends_on(scene.beta)
    wait_until(lambda: [found for found in scene.vises if forwards(found, vm)] == [vis], f"only {vis.name} forwards it")
    before = vm.info.counters.rx_frames
    vm.says(scene.beta, unicast(vm.address, STRANGER))
    wait_until(lambda: vm.info.counters.rx_frames == before + 1, "its frames pass at the target")


def forwards(vis: Vis, vm: Vm) -> bool:
    """Whether a VIF of the VM's is open there."""
    return any(nic["veth"] == vm.veth and nic["state"] == "forwarding" for nic in vis.show()["vifs"])
