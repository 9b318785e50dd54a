"""`mobility forward`: a VM moves back and forth under 20,000 frames a second each way, and none is lost or doubled.
(That they stay in order is shown where nothing depends on how busy the machine is: tests/datapath/test_mobility.py.)

    station ---- physical switch ==== alpha, beta ==== underlay between the hosts' mobility addresses

The switch goes on delivering to the source until it hears of the VM on the target, and would not take such frames back.
The VM sends on the target before its hand-over as well as after it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from dvswitch.v1.manager_pb2 import AttachReply, MigrateRequest
from tests.e2e.scenes import BASICS, WEB, WEB_VLAN
from tests.support.fabric import Fabric, Host, home, veth
from tests.support.mover import Mover
from tests.support.netns import Lab, Namespace
from tests.support.processes import wait_until
from tests.support.vis import set_mode, vis

pytestmark = [pytest.mark.kernel, pytest.mark.slow]
RATE = 20_000
VM, STATION = "02:00:00:00:20:01", "02:00:00:00:20:02"
MOVES = 4
ENOUGH = 10_000
"""Frames each way."""
WAITS = 1.5
"""Seconds; direct frames wait no longer than one for the end of the tunnel's, and the mover ends where nothing came."""
FORWARD = f"""\
port-profile type vethernet {WEB}
  mobility forward 5
"""


@dataclass
class Scene:
    fabric: Fabric
    hosts: tuple[Host, Host]
    station: Namespace
    vm: Namespace
    veth: int
    lab: Lab
    switch: Namespace

    def mover(self, rate: int = RATE) -> Mover:
        nics = [f"{self.vm.name}:eth{number}" for number in range(2)]
        return Mover(rate, VM, STATION, f"{self.station.name}:eth0", nics)

    def move(self, mover: Mover, to: int, early: bool) -> None:
        """The hypervisor stops the VM, and lets it run on the other host: once the network has handed it over, or
        already before."""
        assert self.fabric.migrate(self.veth, MigrateRequest.BEGIN, self.hosts[to].name).state == "prepared"
        mover.place(None)
        with ThreadPoolExecutor(1) as pool:
            if early:
                mover.place(to)
                time.sleep(0.02)  # what the VM sends meanwhile is what is to wait
            done = pool.submit(self.fabric.migrate, self.veth, MigrateRequest.COMMIT)
            assert done.result().state == "done"
        if not early:
            mover.place(to)


@contextmanager
def scene(
    engines: tuple[str, str],
    addresses: tuple[str, str],
    forward: bool = True,
    profile: str = WEB,
    settings: str = "",
    niv: bool = False,
    station_port: str = f"mode=access,vlan={WEB_VLAN}",
) -> Iterator[Scene]:
    """``niv``: the physical switch is a VIS, and both hosts leave the switching to it."""
    with Lab() as lab, home() as path, Fabric(path) as fabric, ExitStack() as stack:
        fabric.configure(*BASICS, *([FORWARD] if forward else []), *filter(None, [settings]))
        spaces = [lab.namespace(name) for name in ("alpha", "beta")]
        switch, station, vm = (lab.namespace(name) for name in ("sw", "station", "vm"))
        lab.veth(switch, "p3", station, "eth0", peer_mac=STATION)
        lab.veth(spaces[0], "mob0", spaces[1], "mob0")
        for number, space in enumerate(spaces):
            lab.veth(space, "up0", switch, f"p{number + 1}", mtu=9000)
            lab.veth(space, "vm0", vm, f"eth{number}", peer_mac=VM)
            _underlay(space, addresses[number])
        kind = "mode=niv" if niv else "mode=trunk,allowed=1-4094"
        ports = [*(f"{number},device=p{number},{kind}" for number in (1, 2)), f"3,device=p3,{station_port}"]
        if niv:
            stack.enter_context(vis(fabric, "sw1", engines[0], ports, switch))
        else:
            words = [word for port in ports for word in ("--port", port)]
            made = fabric.add_switch("sw1", "--socket", f"{path}/sw.ctl", *words, where=switch)
            made.wait_ready((path / "sw.ctl").exists, "listens")
        first, second = (
            fabric.add_host(
                name,
                engine,
                where=space,
                uplinks=["1,profile=UPLINK,device=up0"],
                options=["--mobility", f"[{address}]" if ":" in address else address],
            )
            for name, engine, space, address in zip(("alpha", "beta"), engines, spaces, addresses, strict=True)
        )
        for host in (first, second) if niv else ():
            set_mode(fabric, host, "niv")
        number = fabric.attach_forwarding(first, "vm", mac=VM, profile=profile, plug=veth("vm0"))
        reply = fabric.attach(second, "vm", mac=VM, profile=profile, plug=veth("vm0"), prepare=True)
        assert reply.state == AttachReply.PREPARED
        yield Scene(fabric, (first, second), station, vm, number, lab, switch)
        fabric.check_accounts(counted_here=not niv)


def _underlay(space: Namespace, address: str) -> None:
    if ":" in address:
        space.write_sysctl("net.ipv6.conf.mob0.disable_ipv6", "0")
        space.run("ip", "address", "add", f"{address}/64", "dev", "mob0", "nodad")
    else:
        space.run("ip", "address", "add", f"{address}/24", "dev", "mob0")


V4, V6 = ("192.0.2.1", "192.0.2.2"), ("fd00::1", "fd00::2")


@pytest.mark.parametrize(
    ("engines", "addresses"),
    [
        pytest.param(("user", "user"), V4, id="user"),
        pytest.param(("kernel", "kernel"), V4, id="kernel"),
        pytest.param(("kernel", "user"), V6, id="kernel and user, IPv6"),
    ],
)
def test_not_a_frame_is_lost_or_doubled(engines: tuple[str, str], addresses: tuple[str, str]) -> None:
    with scene(engines, addresses) as made, made.mover() as mover:
        for number in range(MOVES):
            time.sleep(0.3)  # traffic before each move
            made.move(mover, to=(number + 1) % 2, early=number % 3 == 1)
        time.sleep(WAITS)
        veths = made.fabric.veths
        wait_until(lambda: veths()[made.veth].counters.rx_frames > ENOUGH, "the VM has sent enough")
        to_vm, from_vm = mover.finish()
        for name, stream in (("to the VM", to_vm), ("from the VM", from_vm)):
            told = f"{name}: {stream}\n{_drops(made)}"
            assert stream.sent > ENOUGH, told
            assert (stream.lost, stream.duplicates) == (0, 0), told


def _drops(made: Scene) -> str:
    lines = []
    for host in made.hosts:
        for port in made.fabric.status(host).ports:
            drops = {**port.counters.drops_in, **{f"out {k}": v for k, v in port.counters.drops_out.items()}}
            lines.append(
                f"{host.name} {port.name} {port.state}: {port.counters.rx_frames} {port.counters.tx_frames} {drops}"
            )
    return "\n".join(lines)


def test_without_it_what_still_comes_to_the_source_is_counted_as_such() -> None:
    with scene(("user", "kernel"), V4, forward=False) as made, made.mover(rate=2000) as mover:
        time.sleep(0.3)
        made.move(mover, to=1, early=False)
        to_vm, _ = mover.finish()
        drops = {
            port.name: dict(port.counters.drops_in)
            for host in made.hosts
            for port in made.fabric.status(host).ports
            if "MOVED_AWAY" in port.counters.drops_in
        }
        assert set(drops) == {"Eth3/1"}, f"{to_vm} {_drops(made)}"
        assert drops["Eth3/1"]["MOVED_AWAY"] <= to_vm.lost
