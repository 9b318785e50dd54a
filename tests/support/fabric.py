"""A whole switch of real daemons: the supervisor, host agents with either engine, the modelled physical switch.

    with home() as path, Fabric(path) as fabric:
        fabric.configure(BASICS)
        host = fabric.add_host("alpha", "user", uplinks=[f"1,profile=UPLINK,wire={a}>{b}"])
        fabric.attach(host, "web1", mac="02:00:00:00:00:01", profile="web", plug=wire(c, d))

Everything is spoken over the same unix sockets that users have: CLI lines over the operator API, NICs over the agents'
host API.  Files are in a `home()`: pytest's tmp_path has names too long for unix sockets.
"""

from __future__ import annotations

import contextlib
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import grpc

from dvswitch import client
from dvswitch.v1 import manager_pb2, operator_pb2, types_pb2
from tests.support import leftovers
from tests.support.netns import Namespace
from tests.support.processes import PATIENCE, Process, wait_until
from vem import main as vem

DOMAIN = 100
COUNTERS_MS = 200
"""Often, so that tests need not wait long for the supervisor's figures."""
CALL_SECONDS = 120.0
"""Until a call counts as not answered."""
ATTACH_MS, MIGRATE_MS = 60_000, 60_000
"""How long the agent, the supervisor may wait before they answer."""
UPLINK_PROFILE = """\
port-profile type ethernet UPLINK
  switchport mode trunk
  switchport trunk allowed vlan all
  no shutdown
  state enabled
"""


def access_profile(name: str, vlan: int) -> str:
    """The lines that make an access port profile, and its VLAN."""
    return f"""\
vlan {vlan}
port-profile type vethernet {name}
  switchport mode access
  switchport access vlan {vlan}
  no shutdown
  state enabled
"""


home = leftovers.scratch
HOSTS: set[str] = set()
"""UUIDs of all hosts that this process has started; none of them may keep a datapath in the end."""


class CliRefused(AssertionError):
    """A CLI line was refused; the text is the line and the answer."""


@dataclass
class Host:
    """A host: its agent and where it lives."""

    name: str
    engine: str
    process: Process
    where: Namespace | None
    socket: Path
    uuid: str
    state_dir: Path


def tap(device: str) -> types_pb2.Plug:
    """A NIC on a tap of the host."""
    return types_pb2.Plug(tap=device)


def veth(device: str) -> types_pb2.Plug:
    """A NIC on the host's end of a veth pair."""
    return types_pb2.Plug(veth=device)


def wire(local: Path, remote: Path) -> types_pb2.Plug:
    """A NIC on a datagram wire; `local` is the switch's end."""
    return types_pb2.Plug(wire=types_pb2.Wire(local=f"unix:{local}", remote=f"unix:{remote}"))


class Fabric:
    """The supervisor and its hosts; a context manager that ends them all."""

    def __init__(self, path: Path, ssh: tuple[str, ...] = ("--ssh", "none")) -> None:
        """``ssh``: the supervisor's options about SSH."""
        self.path = path
        self.socket = path / "vsm.sock"
        self.hosts: dict[str, Host] = {}
        self.switches: dict[str, Process] = {}
        self.operator = path / "operator.sock"
        argv = [*_python("vsm.main"), "run", "--data", str(path / "vsm"), "--domain", str(DOMAIN)]
        argv += [*ssh, "--listen", f"unix:{self.socket}", "--operator", f"unix:{self.operator}"]
        self.vsm = Process("vsm", [*argv, "--counters-ms", str(COUNTERS_MS)], path / "vsm.log")

    def __enter__(self) -> Fabric:
        try:
            self.start_vsm()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every daemon."""
        for host in self.hosts.values():
            host.process.end()
            purge(host)
        for switch in self.switches.values():
            switch.end()
        self.vsm.end()

    # ---- daemons

    def start_vsm(self) -> None:
        """Start the supervisor, or start it again, and wait until it answers."""
        self.vsm.start()
        self.vsm.wait_ready(lambda: self._answers("show module"), "answers show module")

    def add_host(
        self,
        name: str,
        engine: str,
        *,
        where: Namespace | None = None,
        uplinks: Sequence[str] = (),
        wait: bool = True,
        options: Sequence[str] = (),
    ) -> Host:
        """Start an agent; `uplinks` and `options` as on its command line.  Returns when the supervisor knows it."""
        ident, socket, state = str(uuid.uuid4()), self.path / f"{name}.sock", self.path / name
        HOSTS.add(ident)
        leftovers.remember_host(self.path, ident)
        argv = [*_python("vem.main"), "run", "--host-uuid", ident, "--name", name, "--domain", str(DOMAIN)]
        argv += ["--vsm", f"unix:{self.socket}", "--engine", engine, "--state-dir", str(state)]
        argv += ["--socket", str(socket), *options]
        for uplink in uplinks:
            argv += ["--uplink", uplink]
        process = Process(name, argv, self.path / f"{name}.log", where)
        host = self.hosts[name] = Host(name, engine, process, where, socket, ident, state)
        self.start_host(host, wait=wait)
        return host

    def start_host(self, host: Host, *, wait: bool = True) -> None:
        """Start the agent, or start it again."""
        host.process.start()
        if wait:
            host.process.wait_ready(lambda: self.in_touch(host), "is in touch with the supervisor")

    def add_switch(self, name: str, *arguments: str, where: Namespace | None = None) -> Process:
        """Start a modelled physical switch; the arguments are those of `vis run`."""
        process = Process(name, [*_python("physical.vis"), "run", *arguments], self.path / f"{name}.log", where)
        self.switches[name] = process
        process.start()
        return process

    def in_touch(self, host: Host) -> bool:
        """Whether the agent has a session with the supervisor."""
        with contextlib.suppress(grpc.RpcError):
            status = self.status(host)
            return bool(status.slot) and not status.headless
        return False

    # ---- the operator

    def execute(self, line: str, session: str = "test") -> operator_pb2.ExecuteReply:
        """One CLI line, whatever comes of it."""
        request = operator_pb2.ExecuteRequest(session=session, line=line)
        with _channel(self.operator) as channel:
            reply: operator_pb2.ExecuteReply = client.operator_stub(channel).Execute(request, timeout=CALL_SECONDS)
        return reply

    def cli(self, line: str) -> str:
        """One CLI line of exec mode; its output.  Raises CliRefused."""
        return self._accepted(line, "exec")

    def configure(self, *texts: str) -> None:
        """Configuration lines, each text from the top of configuration mode.  Raises CliRefused."""
        session = f"configure-{uuid.uuid4().hex[:8]}"
        for text in texts:
            self._accepted("configure terminal", session)
            for line in filter(None, map(str.strip, text.splitlines())):
                self._accepted(line, session)
            self._accepted("end", session)

    def refusal(self, *lines: str) -> str:
        """The answer to the last of these configuration lines, which must be refused."""
        session = f"refused-{uuid.uuid4().hex[:8]}"
        for line in ("configure terminal", *lines[:-1]):
            self._accepted(line, session)
        reply = self.execute(lines[-1], session)
        assert not reply.ok, f"'{lines[-1]}' was accepted"
        return reply.output

    def _accepted(self, line: str, session: str) -> str:
        reply = self.execute(line, session)
        if not reply.ok:
            raise CliRefused(f"{line}: {reply.output}")
        return reply.output

    def _answers(self, line: str) -> bool:
        with contextlib.suppress(grpc.RpcError):
            return self.execute(line, "ready").ok
        return False

    def running_config(self) -> str:
        """The configuration as it would be typed in, without the remarks on when it was shown."""
        return "\n".join(line for line in self.cli("show running-config").splitlines() if not line.startswith("!"))

    # ---- NICs

    def attach(
        self,
        host: Host,
        vm: str,
        *,
        mac: str,
        profile: str,
        plug: types_pb2.Plug,
        index: int = 0,
        prepare: bool = False,
    ) -> manager_pb2.AttachReply:
        """Plug a NIC in and wait for the supervisor's answer."""
        nic = types_pb2.Nic(vm=vm, index=index)
        request = manager_pb2.AttachRequest(
            nic=nic, mac=mac, profile=profile, plug=plug, prepare=prepare, wait_ms=ATTACH_MS
        )
        with _channel(host.socket) as channel:
            reply: manager_pb2.AttachReply = client.host_stub(channel).Attach(request, timeout=CALL_SECONDS)
        return reply

    def attach_forwarding(self, host: Host, vm: str, *, mac: str, profile: str, plug: types_pb2.Plug) -> int:
        """Plug a NIC in, which must forward then; returns the vEth number."""
        reply = self.attach(host, vm, mac=mac, profile=profile, plug=plug)
        assert reply.state == manager_pb2.AttachReply.FORWARDING, f"{vm}: {reply}"
        return reply.veth

    def detach(self, host: Host, veth: int) -> None:
        """Unplug by number."""
        with _channel(host.socket) as channel:
            client.host_stub(channel).Detach(manager_pb2.DetachRequest(veth=veth), timeout=CALL_SECONDS)

    def status(self, host: Host) -> manager_pb2.StatusReply:
        """What the agent says of itself and its ports."""
        with _channel(host.socket) as channel:
            stub = client.host_stub(channel)
            reply: manager_pb2.StatusReply = stub.Status(manager_pb2.StatusRequest(), timeout=CALL_SECONDS)
        return reply

    def macs(self, host: Host) -> Sequence[manager_pb2.HostMac]:
        """The MAC table of a host."""
        with _channel(host.socket) as channel:
            stub = client.host_stub(channel)
            return stub.Status(manager_pb2.StatusRequest(macs=True), timeout=CALL_SECONDS).macs

    def veths(self) -> Mapping[int, manager_pb2.VethInfo]:
        """What the supervisor says of every vEth."""
        with _channel(self.operator) as channel:
            stub = client.manager_stub(channel)
            reply = stub.ListVeths(manager_pb2.ListVethsRequest(), timeout=CALL_SECONDS)
        return {info.veth: info for info in reply.veths}

    def migrate(self, veth: int, step: manager_pb2.MigrateRequest.Step, target: str = "") -> manager_pb2.MigrateReply:
        """One step of a move."""
        request = manager_pb2.MigrateRequest(veth=veth, step=step, target_host=target, timeout_ms=MIGRATE_MS)
        with _channel(self.operator) as channel:
            reply: manager_pb2.MigrateReply = client.manager_stub(channel).Migrate(request, timeout=CALL_SECONDS)
        return reply

    # ---- what must hold at the end of every scenario

    def check_accounts(self, *, some_left: bool = False, counted_here: bool = True) -> None:
        """Every frame received was delivered or dropped for a reason, on every port, and the supervisor agrees.
        ``some_left``: ports have left their hosts, so that the copies made there don't add up any more.
        ``counted_here``: vEths are counted on their hosts.  On a VIS what the VIS itself says to guests (membership
        queries) is nobody's traffic, as it is on a host that switches, but an IV counts it as any frame."""
        for host in self.hosts.values():
            if host.process.running():
                wait_until(partial(self._accounted, host, some_left), f"{host.name}: frames accounted for", PATIENCE)
        wait_until(partial(self._supervisor_agrees, counted_here), "the supervisor has the agents' counters")

    def _accounted(self, host: Host, some_left: bool) -> bool:
        """Traffic may still be on its way while counters are read: then the next look will tell."""
        counters = [port.counters for port in self.status(host).ports]
        each = all(c.rx_frames == c.rx_forwarded + sum(c.drops_in.values()) for c in counters)
        copies = sum(c.rx_copies for c in counters)
        return each and (some_left or copies == sum(c.tx_frames + sum(c.drops_out.values()) for c in counters))

    def _supervisor_agrees(self, counted_here: bool) -> bool:
        running = [host for host in self.hosts.values() if host.process.running()]
        add_up = all(_received_equals_delivered_and_dropped(info.counters) for info in self.veths().values())
        return add_up and all(self._same_counters(host, counted_here) for host in running)

    def _same_counters(self, host: Host, sent_too: bool) -> bool:
        """A vEth that never moved has its agent's counters; one that moved has at least those."""
        veths = {f"Veth{number}": info for number, info in self.veths().items()}
        ports = [port for port in self.status(host).ports if port.name in veths]
        return all(_at_least(veths[port.name].counters, port.counters, sent_too) for port in ports)


def _received_equals_delivered_and_dropped(counters: types_pb2.Counters) -> bool:
    return counters.rx_frames == counters.rx_forwarded + sum(counters.drops_in.values())


def _at_least(total: types_pb2.Counters, part: types_pb2.Counters, sent_too: bool) -> bool:
    return total.rx_frames >= part.rx_frames and (not sent_too or total.tx_frames >= part.tx_frames)


def purge(host: Host) -> None:
    """A kernel engine forwards on without its agent, until it is told to go.  (Not worth a process of its own.)"""
    if host.engine == "kernel":
        with host.where.enter() if host.where else contextlib.nullcontext():
            vem.main(["purge", "--host-uuid", host.uuid, "--state-dir", str(host.state_dir)])


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def _channel(socket: Path) -> grpc.Channel:
    return client.open_channel(f"unix:{socket}")
