"""The scene of test_migration_roads.py: three places where a VM may run, a physical switch, and VMs with a NIC in each.

    VM's NIC - host "alpha" === physical switch === host "beta" - VM's other NIC

With user engines on both hosts all of it is datagram wires, which need no root; otherwise hosts, switch and VMs are
network namespaces.  A further host can be added, and taken away for good.
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
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from dvswitch.mac import MacAddress
from dvswitch.v1.manager_pb2 import AttachReply, MigrateReply, MigrateRequest, VethInfo
from dvswitch.v1.types_pb2 import Plug
from tests.e2e.scenes import BASICS, WEB, WEB_VLAN
from tests.support.fabric import Fabric, Host, home, purge, veth, wire
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import wait_until

BEGIN, COMMIT, CANCEL = MigrateRequest.BEGIN, MigrateRequest.COMMIT, MigrateRequest.CANCEL
PORTS = 4
"""Of the physical switch, for a host each; the first two are in use."""
STRANGER = MacAddress.parse("02:00:00:00:0b:e3")
"""Whom VMs talk to, somewhere in the network."""
PAUSE = 0.01
"""Seconds between two rounds of all VMs' frames."""
TRUNK = "mode=trunk,allowed=1-4094"
_numbers = itertools.count(1)


@dataclass
class Roads:
    """Two hosts, the switch between them, and room for more."""

    path: Path
    fabric: Fabric
    engines: tuple[str, str]
    lab: Lab | None
    """None: all of wires."""
    spaces: dict[str, Namespace] = field(default_factory=dict)
    taken: int = 0
    """Ports of the switch."""
    options: dict[int, list[str]] = field(default_factory=dict)
    """Of the host on a port of the switch."""
    mouth: socket.socket = field(init=False)
    """By which all NICs' frames are sent."""

    @property
    def alpha(self) -> Host:
        return self.fabric.hosts["alpha"]

    @property
    def beta(self) -> Host:
        return self.fabric.hosts["beta"]

    def start_switch(self) -> None:
        """The physical switch, with all its ports."""
        self.open_mouth()
        self.run_switch([f"{number},{self.cable(number)},{TRUNK}" for number in range(1, PORTS + 1)])

    def open_mouth(self) -> None:
        """Where the VMs are, and the physical switch."""
        if self.lab:
            self.spaces = {name: self.lab.namespace(name) for name in ("sw", "vms")}
            with self.spaces["vms"].enter():
                self.mouth = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        else:
            self.mouth = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def run_switch(self, ports: Sequence[str]) -> None:
        """The physical switch itself; ports as on its command line."""
        words = [word for port in ports for word in ("--port", port)]
        switch = self.fabric.add_switch("sw1", "--socket", f"{self.path}/sw.ctl", *words, where=self.spaces.get("sw"))
        switch.wait_ready((self.path / "sw.ctl").exists, "listens")

    def cable(self, number: int, switch: str = "sw") -> str:
        """From the place of a host (or of the network) to a switch; returns the switch's end."""
        if self.lab:
            space = self.spaces[f"host{number}"] = self.lab.namespace(f"host{number}")
            self.lab.veth(space, "up0", self.spaces[switch], f"p{number}", mtu=9000)
            return f"device=p{number}"
        return f"wire=unix:{self.path}/sw.{number}>unix:{self.path}/up.{number}"

    def add_host(self, name: str, engine: str, supervisor: Path | None = None) -> Host:
        """On the next port of the switch; ``supervisor``: the socket by which it reaches that, if not the usual one."""
        self.taken += 1
        number, before = self.taken, self.fabric.socket
        end = "device=up0" if self.lab else f"wire=unix:{self.path}/up.{number}>unix:{self.path}/sw.{number}"
        self.fabric.socket = supervisor or before
        try:
            uplinks = [f"1,profile=UPLINK,{end}"]
            where, options = self.spaces.get(f"host{number}"), self.options.get(number, ())
            return self.fabric.add_host(name, engine, where=where, uplinks=uplinks, options=options)
        finally:
            self.fabric.socket = before

    def remove(self, host: Host) -> None:
        """Not of the scene any more, and not of the supervisor's; its place is free again."""
        host.process.end()
        purge(host)
        self.taken -= 1
        del self.fabric.hosts[host.name]

    def nic(self, host: Host, number: int) -> Plug:
        """A NIC of VM ``number`` on a host; made when first asked for."""
        if self.lab is None:
            return wire(*self.wire_ends(host, number))
        assert host.where is not None
        device, end = f"nic{number}", self.guest_end(host, number)
        if device not in host.where.run("ip", "-br", "link"):
            self.lab.veth(host.where, device, self.spaces["vms"], end)
        return veth(device)

    def wire_ends(self, host: Host, number: int) -> tuple[Path, Path]:
        """The switch's and the VM's end of a NIC."""
        return self.path / f"n{number}{host.name[0]}", self.path / f"g{number}{host.name[0]}"

    def speak(self, host: Host, number: int, frame: bytes) -> None:
        """A frame comes out of a NIC of VM ``number``."""
        if self.lab is None:
            self.mouth.sendto(frame, str(self.wire_ends(host, number)[0]))
        else:
            self.mouth.sendto(frame, (self.guest_end(host, number), 0))

    @staticmethod
    def guest_end(host: Host, number: int) -> str:
        """The VM's end of a NIC that is a veth."""
        return f"vm{number}{host.name[0]}"

    def power(self, host: Host, on: bool) -> None:
        """The whole host dies, with engine and links; or it boots again, with what it has on disk."""
        if not on:
            host.process.kill()
            purge(host)
        if host.where:
            host.where.run("ip", "link", "set", "up0", "up" if on else "down")
        if on:
            self.fabric.start_host(host)

    def confirms(self, host: Host) -> Host | None:
        """Who has to say that a port is in force there, if it is nobody whom the source needs, too."""
        return host

    @contextmanager
    def holding(self, host: Host) -> Iterator[None]:
        """A move that needs a word of that host's goes on only when it has been waited for long enough."""
        with stopped(host):
            yield

    @contextmanager
    def network(self) -> Iterator[Callable[[bytes], object]]:
        """Sends frames from the physical switch's last port, a trunk, where no host is."""
        if self.lab is None:
            yield lambda frame: self.mouth.sendto(frame, f"{self.path}/sw.{PORTS}")
            return
        with FrameSocket(self.spaces[f"host{PORTS}"], "up0") as link:
            yield link.send

    def heard(self) -> dict[str, int]:
        """Frames that came to each VM's end of a NIC, as its own driver counts them."""
        links = json.loads(self.spaces["vms"].run("ip", "-s", "-j", "link"))
        return {link["ifname"]: link["stats64"]["rx"]["packets"] for link in links}

    def outside(self, mac: MacAddress) -> dict[int, str]:
        """The physical switch's port behind which it is in each VLAN, as its operator reads it."""
        argv = [sys.executable, "-m", "physical.vis", "show", "mac-addr-table", "--socket", f"{self.path}/sw.ctl"]
        table = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        rows = [line.split() for line in table.splitlines() if str(mac).upper() in line]
        return {int(row[0]): row[2] for row in rows}

    def learned(self) -> dict[str, list[str]]:
        """Modules that have learned an address from a guest, by address as the CLI writes it."""
        rows = json.loads(self.fabric.cli("show mac address-table dynamic | json"))["TABLE_mac_address"]
        found = rows.get("ROW_mac_address", [])
        places: dict[str, list[str]] = {}
        for row in found if isinstance(found, list) else [found]:
            if row["disp_port"].startswith("Veth"):
                places.setdefault(row["disp_mac_addr"], []).append(row["disp_module"])
        return places

    def slot(self, host: Host) -> str:
        """Number of its module."""
        return str(self.fabric.status(host).slot)

    def port(self, host: Host) -> str:
        """The port of the physical switch that leads to it."""
        return f"0/{list(self.fabric.hosts).index(host.name) + 1}"


@contextmanager
def roads(*engines: str) -> Iterator[Roads]:
    """Both hosts up, with these engines, and the profiles configured."""
    with contextlib.ExitStack() as stack:
        lab = None if set(engines) == {"user"} else stack.enter_context(Lab())
        path = stack.enter_context(home())
        fabric = stack.enter_context(Fabric(path))
        first, second = engines
        scene = Roads(path, fabric, (first, second), lab)
        fabric.configure(*BASICS)
        scene.start_switch()
        stack.callback(lambda: scene.mouth.close())
        for name, engine in zip(("alpha", "beta"), engines, strict=True):
            scene.add_host(name, engine)
        yield scene
        fabric.check_accounts(some_left=True)


@dataclass
class Vm:
    """A VM that runs on alpha and has a second NIC, not plugged in yet, on beta."""

    scene: Roads
    number: int
    mac: str
    profile: str
    veth: int = 0
    said: int = 0
    """Frames."""

    @property
    def name(self) -> str:
        return f"road{self.number}"

    @property
    def address(self) -> MacAddress:
        return MacAddress.parse(self.mac)

    def attach(self, host: Host, prepare: bool = False) -> AttachReply:
        plug = self.scene.nic(host, self.number)
        return self.scene.fabric.attach(host, self.name, mac=self.mac, profile=self.profile, plug=plug, prepare=prepare)

    def prepare(self, target: str = "beta") -> None:
        """Both sides as a manager leaves them before the VM stops."""
        host = self.scene.fabric.hosts[target]
        reply = self.attach(host, prepare=True)
        assert reply.state == AttachReply.PREPARED, reply
        assert self.step(BEGIN, target).state == "prepared"

    def step(self, step: MigrateRequest.Step, target: str = "") -> MigrateReply:
        return self.scene.fabric.migrate(self.veth, step, target)

    def later(self, step: MigrateRequest.Step, target: str = "") -> Future[MigrateReply]:
        """The same, while something else happens."""
        pool = ThreadPoolExecutor(1)
        future = pool.submit(self.step, step, target)
        pool.shutdown(wait=False)
        return future

    def moves(self, target: str) -> None:
        """To and fro between two NICs that stay plugged in."""
        if self.step(BEGIN, target).state == "prepared":
            assert self.step(COMMIT).state == "done"
        self.ends_on(self.scene.fabric.hosts[target])

    def says(self, host: Host, *frames: bytes) -> None:
        """Frames come out of the VM's NIC on a host."""
        for frame in frames:
            self.scene.speak(host, self.number, frame)
        self.said += len(frames)

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
        for host in self.scene.fabric.hosts.values():
            with contextlib.suppress(grpc.RpcError):
                ports = {port.name: port.state for port in self.scene.fabric.status(host).ports}
                found += [host.name] if ports.get(f"Veth{self.veth}") == "FWD" else []
        return found

    def ends_on(self, host: Host) -> None:
        """In the end it forwards there and nowhere else, and nothing is under way."""
        wait_until(lambda: not self.state(), f"the move of {self.name} is over")
        wait_until(lambda: self.owners() == [host.name], f"{self.name} forwards on {host.name} only")
        assert self.info.host == host.name


def new_vm(scene: Roads, profile: str = WEB) -> Vm:
    """Plugged in on alpha, and forwarding."""
    number = next(_numbers)
    vm = Vm(scene, number, f"02:00:00:00:{0x60 + number // 256:02x}:{number % 256:02x}", profile)
    reply = vm.attach(scene.alpha)
    assert reply.state == AttachReply.FORWARDING, reply
    vm.veth = reply.veth
    return vm


@contextmanager
def stopped(host: Host) -> Iterator[None]:
    """The agent hangs; a user engine with it, while a kernel engine forwards on."""
    os.kill(host.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(host.process.pid, signal.SIGCONT)


def again(scene: Roads, host: Host) -> None:
    """Kill the agent, and start it anew."""
    host.process.kill()
    scene.fabric.start_host(host)


class Chatter:
    """All of these VMs send without a pause where they run, and the network sends to them."""

    def __init__(self, scene: Roads, vms: list[Vm]) -> None:
        self._scene, self._vms = scene, vms
        self._at: dict[int, Host | None] = dict.fromkeys((vm.number for vm in vms), scene.alpha)
        self._locks = {vm.number: threading.Lock() for vm in vms}
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._talk, name="chatter", daemon=True)
        self.rounds = 0

    def __enter__(self) -> Chatter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def place(self, vm: Vm, host: Host | None) -> None:
        """It runs there from now on, or nowhere; when this returns it says nothing more where it ran."""
        with self._locks[vm.number]:
            self._at[vm.number] = host

    def wait(self, rounds: int = 10) -> None:
        """Until each has spoken so often."""
        end = self.rounds + rounds
        wait_until(lambda: self.rounds >= end, "the VMs talk")

    def _talk(self) -> None:
        with self._scene.network() as send:
            while not self._enough.wait(PAUSE):
                for vm in self._vms:
                    send(unicast(STRANGER, vm.address, WEB_VLAN))
                    with self._locks[vm.number]:
                        if (host := self._at[vm.number]) is not None:
                            vm.says(host, unicast(vm.address, STRANGER))
                self.rounds += 1


def unicast(source: MacAddress, destination: MacAddress, vlan: int = 0) -> bytes:
    """A frame of 64 bytes or so, tagged with the VLAN if that is not 0."""
    tag = b"\x81\x00" + vlan.to_bytes(2, "big") if vlan else b""
    return destination.octets + source.octets + tag + b"\x88\xb5" + bytes(46)
