"""A whole switch on one machine without root: supervisor, two hosts, a physical switch and light guests.

      vsm          supervisor
       |
    vem1, vem2     hosts (user engine), each with one uplink ...
       |
      sw1          ... to the physical switch: port 1 to vem1, port 2 to vem2, trunks

Everything is a process of its own (physical/processes.py), joined by unix sockets in one directory.  The lab plays the
hypervisor: it plugs guests in by the hosts' local API and moves them by the manager API.  physical/demo.py tells a
story with it, physical/shell.py gives it a prompt.
"""

from __future__ import annotations

import itertools
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from dvswitch import client
from dvswitch.errors import DvsError, NotFound
from dvswitch.v1 import manager_pb2, operator_pb2, types_pb2
from physical import broker, control
from physical.cable import Cable
from physical.plan import BROKER, PLAIN, SUPERVISOR, SWITCH, UPLINK_PROFILE, GuestPlan, Network
from physical.processes import LabError, Processes
from physical.tap import Tap
from physical.traffic import Guest, Probe, Stream

RPC_PATIENCE = 30.0
PING_PATIENCE = 1.0
"""Seconds until there is no answer: a busy machine may need many times the milliseconds that an idle one does."""
ANSWER_PATIENCE = 10.0
"""Seconds, where an answer must come."""
LINE_PATIENCE = 60.0
_DOMAIN = "1"
_SUPERVISOR_NICENESS = "5"
"""On a machine with few processors, frames come before a supervisor that starts."""
_STEADY = 0.6
"""Seconds without a change after which the supervisor has heard all counters (hosts report every 0.25 s)."""


@dataclass(frozen=True, slots=True)
class Pause:
    """How long a moved guest stood still."""

    seconds: float
    commit_seconds: float
    """The supervisor's part of it."""
    sent: tuple[int, ...] = ()
    """Frames that were on their way to it when it was paused, and those sent towards it meanwhile, by stream."""


class Lab:
    """The running lab; everything ends with close()."""

    def __init__(self, keep: Path | None = None, network: Network = PLAIN) -> None:
        self.network = network
        self.processes = Processes(keep)
        self.directory = self.processes.directory
        self.guests: dict[str, Guest] = {}
        self._cables = {host: Cable(self.directory, f"up-{host}") for host in self.network.hosts}
        self.prompt = "vsm# "
        """Of the lab's own CLI session, as last told."""
        self.broker_port = broker.free_port() if broker.available() else 0
        """Of the MQTT broker; 0 = there is none."""
        self._streams = itertools.count(1)
        self._session = f"lab-{uuid.uuid4()}"
        self._channels: dict[str, grpc.Channel] = {}
        self.switch = control.Client(str(self.directory / "sw1.ctl"), "switch sw1")

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop all processes and remove the directory."""
        for guest in self.guests.values():
            guest.control.close()
        self.switch.close()
        for channel in self._channels.values():
            channel.close()
        self.processes.close()

    # --- processes ------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start switch, supervisor and hosts; returns when all hosts have joined."""
        names = (SWITCH, SUPERVISOR, *self.network.hosts)
        if self.broker_port:
            # Nobody waits for it: the supervisor publishes as soon as it answers.
            self.processes.start(BROKER, _module("physical.broker", str(self.broker_port)))
        for name in names:
            self.start_process(name, wait=False)
        for name in names:
            self.wait_ready(name)

    def start_process(self, name: str, wait: bool = True) -> None:
        """Start "vsm", "sw1" or a host (again)."""
        commands = {SUPERVISOR: self._vsm_command, SWITCH: self._switch_command}
        if name in self.network.hosts:
            command = self._vem_command(name)
        elif name in commands:
            command = commands[name]()
        else:
            known = ", ".join((*commands, *self.network.hosts))
            raise NotFound(f"process {name}", "is none of the lab's", f"choose {known}")
        self._hang_up(name)
        self.processes.start(name, command)
        if wait:
            self.wait_ready(name)

    def kill_process(self, name: str) -> None:
        """SIGKILL."""
        self.processes.get(name).kill()

    def wait_ready(self, name: str) -> None:
        """Wait until a process does its work: a host, until the supervisor knows it."""
        checks = {SUPERVISOR: self._vsm_answers, SWITCH: self._switch_answers}
        if name in self.network.hosts:
            self.processes.wait(f"{name} joins the supervisor", lambda: self.host_status(name, joined=True))
        else:
            self.processes.wait(f"{name} answers", checks[name])

    def _vsm_command(self) -> list[str]:
        return [
            *("nice", "-n", _SUPERVISOR_NICENESS),
            *_module("vsm.main", "run"),
            *("--data", str(self.directory / "vsm"), "--hostname", "vsm", "--domain", _DOMAIN),
            *("--listen", f"unix:{self.directory}/fabric.sock", "--operator", self.address(SUPERVISOR)),
            *("--ssh", "none", "--heartbeat-ms", "500", "--counters-ms", "250"),
            *(("--mqtt", broker.url(self.broker_port)) if self.broker_port else ()),
        ]

    def _vem_command(self, host: str) -> list[str]:
        wire = self._cables[host].end("a")
        return [
            *_module("vem.main", "run"),
            *("--name", host, "--host-uuid", str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.lab")), "--domain", _DOMAIN),
            *("--engine", "user", "--vsm", f"unix:{self.directory}/fabric.sock"),
            *("--socket", str(self.directory / f"{host}.sock"), "--state-dir", str(self.directory / host)),
            *("--uplink", f"1,wire={wire},profile={UPLINK_PROFILE}"),
        ]

    def _switch_command(self) -> list[str]:
        mode = "mode=niv" if self.network.niv else "mode=trunk,allowed=1-4094,native=1"
        ports = [
            f"--port={number},wire={self._cables[host].end('b')},{mode}"
            for number, host in enumerate(self.network.hosts, 1)
        ]
        command = _module("physical.vis", "run")
        return [*command, "--name", SWITCH, *ports, "--socket", str(self.directory / "sw1.ctl"), *self._vis_options()]

    def _vis_options(self) -> tuple[str, ...]:
        if not self.network.niv:
            return ()
        ident = uuid.uuid5(uuid.NAMESPACE_DNS, f"{SWITCH}.lab")
        endpoint = ("--vsm", f"unix:{self.directory}/fabric.sock", "--domain", _DOMAIN)
        return (*endpoint, "--uuid", str(ident), "--state-dir", str(self.directory / SWITCH))

    def _vsm_answers(self) -> bool:
        with suppress(grpc.RpcError):
            self._operator().Execute(operator_pb2.ExecuteRequest(session="probe", line="show module"), timeout=2)
            return True
        self._hang_up(SUPERVISOR)  # no back-off between two tries
        return False

    def _switch_answers(self) -> bool:
        with suppress(DvsError):
            return bool(self.switch.call("ports"))
        return False

    # --- the supervisor -------------------------------------------------------------------------------------
    def execute(self, line: str) -> str:
        """Run a CLI line in the lab's own session; LabError with its output when it is refused."""
        reply = self.remote_execute(self._session, line)
        self.prompt = reply.prompt
        if not reply.ok:
            raise LabError(f"CLI line '{line}'", f"was refused:\n{reply.output.rstrip()}")
        return str(reply.output)

    def remote_execute(self, session: str, line: str) -> operator_pb2.ExecuteReply:
        """Run a CLI line in any session; grpc.RpcError when the supervisor is away."""
        request = operator_pb2.ExecuteRequest(session=session, line=line)
        reply: operator_pb2.ExecuteReply = client.interruptible(self._operator().Execute, request, LINE_PATIENCE)
        return reply

    def remote_complete(self, session: str, line: str) -> list[tuple[str, str]]:
        """(word, help) of what may come next; grpc.RpcError when the supervisor is away."""
        request = operator_pb2.CompleteRequest(session=session, line=line)
        reply = self._operator().Complete(request, timeout=RPC_PATIENCE)
        return [(candidate.word, candidate.help) for candidate in reply.candidates]

    def configure(self, lines: Iterable[str]) -> None:
        """Run lines from configuration mode."""
        self.execute("configure terminal")
        for line in lines:
            self.execute(line)
        self.execute("end")

    def in_sync(self) -> bool:
        """Whether all hosts have a session and the supervisor sees all guests' vEths up."""
        veths = self.veths()
        return all(self.host_status(host, joined=True) for host in self.network.hosts) and all(
            name in veths and veths[name].state == "up" for name in self.guests
        )

    def veths(self) -> dict[str, manager_pb2.VethInfo]:
        """What the supervisor knows of the guests' vEths, by guest."""
        reply = self._manager().ListVeths(manager_pb2.ListVethsRequest(), timeout=RPC_PATIENCE)
        return {info.nic.vm: info for info in reply.veths}

    def host_status(self, host: str, joined: bool = False) -> manager_pb2.StatusReply | None:
        """What a host says of itself; None when it does not answer (or, ``joined``, has no supervisor)."""
        with suppress(grpc.RpcError):
            reply = self._host(host).Status(manager_pb2.StatusRequest(), timeout=2)
            return reply if not joined or (reply.slot and not reply.headless) else None
        self._hang_up(host)
        return None

    def set_mode(self, host: str, mode: str) -> float:
        """Turn a host to "niv", "niv tagging etag" or "dvs" by the CLI; the seconds until host and VIS are through."""
        began = time.monotonic()
        self.configure(self.mode_lines(host, mode))
        self.wait_mode(host, mode)
        return time.monotonic() - began

    def mode_lines(self, host: str, mode: str) -> tuple[str, str]:
        """The configuration for it."""
        self.network.check_host(host)
        status = self.host_status(host)
        return f"vem {status.slot if status else 0}", f"mode {mode}"

    def wait_mode(self, host: str, mode: str) -> None:
        """Wait until host and VIS are through with a change of mode."""
        done = self._tags_all if mode.startswith("niv") else self._tags_nothing
        self.processes.wait(f"{host} is in mode {mode}", lambda: done(host))

    def niv_link(self, host: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """What the VIS says of a host's link, and of the VIFs on it."""
        view, number = self.switch.call("niv"), self.network.hosts.index(host) + 1
        (link,) = [row for row in view["links"] if row["port"] == number]
        return link, [row for row in view["vifs"] if row["port"] == number]

    def _tags_all(self, host: str) -> bool:
        link, vifs = self.niv_link(host)
        here = {guest.veth for guest in self.guests.values() if guest.host == host}
        return link["final"] and here == {row["veth"] for row in vifs if row["state"] == "forwarding"}

    def _tags_nothing(self, host: str) -> bool:
        link, vifs = self.niv_link(host)
        status = self.host_status(host)
        forwarding = {port.name for port in status.ports if port.state == "FWD"} if status else set()
        here = {f"Veth{guest.veth}" for guest in self.guests.values() if guest.host == host}
        return not vifs and not link["final"] and here <= forwarding

    # --- guests ---------------------------------------------------------------------------------------------
    def attach(self, plan: GuestPlan) -> Guest:
        """Start a guest and plug it in at its host; returns when its port forwards."""
        path = self._control_path(plan.name)
        wire = self._guest_cable(plan.name, plan.host).end("a")
        command = [*_module("physical.dvs", "guest", "run"), "--name", plan.name, "--socket", path]
        nic = f"0,mac={plan.mac},ip={plan.address}/24,wire={wire}"
        self.processes.start(plan.name, [*command, "--nic", nic])
        guest = Guest(plan, plan.host, control.Client(path, f"guest {plan.name}"))
        self.processes.wait(f"guest {plan.name} answers", lambda: _answers(guest))
        self.guests[plan.name] = guest
        reply = self._plug(guest, plan.host, prepare=False)
        if reply.state != manager_pb2.AttachReply.FORWARDING:
            raise LabError(f"guest {plan.name}", f"does not forward: {reply.detail or reply.state}")
        guest.veth = reply.veth
        guest.control.call("announce")
        return guest

    def _control_path(self, guest: str) -> str:
        return str(self.directory / f"{guest}.ctl")

    def guest(self, name: str) -> Guest:
        """NotFound when there is none called so."""
        if name not in self.guests:
            raise NotFound(f"guest {name}", "does not exist", f"there are {', '.join(self.guests) or 'none'}")
        return self.guests[name]

    def ping(self, source: str, target: str, count: int = 2, patience: float = PING_PATIENCE) -> bool:
        """Whether ``target`` answers all echo requests within ``patience`` s; LabError when only some come back."""
        request = {"to": self.guest(target).plan.address, "count": count, "interval": 0.02, "timeout": patience}
        answer = self.guest(source).control.call("ping", patience=3 * patience + RPC_PATIENCE, **request)
        if 0 < answer["received"] < answer["sent"]:
            raise LabError(f"ping {source} to {target}", f"{answer['received']} of {answer['sent']} answered")
        return bool(answer["received"])

    def reachable(self, expected: Callable[[str, str], bool] = lambda *_: False) -> dict[tuple[str, str], bool]:
        """Ping between all pairs; the guests all at once, for no answer takes its time.  More of it where an answer
        is ``expected``."""

        def reaches(source: str, target: str) -> bool:
            return self.ping(source, target, patience=ANSWER_PATIENCE if expected(source, target) else PING_PATIENCE)

        def targets(source: str) -> list[tuple[tuple[str, str], bool]]:
            return [((source, target), reaches(source, target)) for target in self.guests if target != source]

        with ThreadPoolExecutor(max(1, len(self.guests))) as pool:
            return dict(itertools.chain.from_iterable(pool.map(targets, self.guests)))

    def stream(self, source: str, target: str, rate: float = 500) -> Stream:
        """Begin to send numbered frames; returns when the first has arrived."""
        stream = Stream(next(self._streams), self.guest(source), self.guest(target))
        stream.source.control.call("stream", to=stream.target.plan.address, stream=stream.number, rate=rate)
        self.processes.wait(f"frames from {source} reach {target}", stream.received)
        return stream

    def flow(self, streams: Iterable[Stream], seconds: float, rate: float) -> None:
        """Wait until so many seconds' worth of frames have arrived by each stream."""
        goals = [(stream, stream.received() + int(seconds * rate)) for stream in streams]
        what = f"{seconds * rate:.0f} more frames arrive by {len(goals)} streams"
        self.processes.wait(what, lambda: all(stream.received() >= goal for stream, goal in goals))

    def probing(self, source: str, target: str) -> Probe:
        """To be entered: ``source`` tries to reach ``target`` until it does."""
        return Probe(self.guest(source), self.guest(target), self._control_path(source))

    def counters(self, name: str, enough: Callable[[types_pb2.Counters], bool] = lambda _: True) -> types_pb2.Counters:
        """A guest's vEth counters in the supervisor, once they are ``enough`` and no longer change.

        Whoever knows what must have been counted says so: a host that waits for a processor reports late."""
        found, since = self.veths()[name].counters, time.monotonic()

        def steady() -> bool:
            nonlocal found, since
            now = self.veths()[name].counters
            if now != found:
                found, since = now, time.monotonic()
            return time.monotonic() - since > _STEADY and enough(found)

        self.processes.wait(f"counters of {name} come to rest", steady)
        return found

    def move(self, name: str, host: str, streams: Sequence[Stream] = ()) -> Pause:
        """Migrate a guest as a hypervisor does: prepare the target, pause, commit, go on there, leave the source.

        The guest does not announce itself: that the network follows is the switch's business.  ``streams``: those
        whose frames are to be counted while the guest stands still.
        """
        guest = self.guest(name)
        source = guest.host
        self.network.check_host(host)
        reply = self._plug(guest, host, prepare=True)
        if reply.state != manager_pb2.AttachReply.PREPARED:
            raise LabError(f"guest {name}", f"{host} is not prepared for it: {reply.detail or reply.state}")
        self._migrate(guest, manager_pb2.MigrateRequest.BEGIN, target_host=host)
        pause, reached = self._switch_over(guest, host, streams)
        sent = tuple(stream.sent() - count for stream, count in zip(streams, reached, strict=True))
        self._host(source).Detach(manager_pb2.DetachRequest(nic=guest.nic), timeout=RPC_PATIENCE)
        guest.host = host
        return replace(pause, sent=sent)

    def _switch_over(self, guest: Guest, host: str, streams: Sequence[Stream]) -> tuple[Pause, list[int]]:
        """The part of a migration in which the guest stands still, and how far the streams to it had come before; on
        failure it goes on where it was."""
        began = time.monotonic()
        guest.control.call("pause")
        reached = [stream.reached() for stream in streams]
        try:
            guest.control.call("replug", wire=str(self._guest_cable(guest.plan.name, host).end("a")))
            committing = time.monotonic()
            self._migrate(guest, manager_pb2.MigrateRequest.COMMIT)
            committed = time.monotonic()
        except (DvsError, grpc.RpcError):
            guest.control.call("replug", wire=str(self._guest_cable(guest.plan.name, guest.host).end("a")))
            with suppress(grpc.RpcError):
                self._migrate(guest, manager_pb2.MigrateRequest.CANCEL)
            raise
        finally:
            guest.control.call("resume")
        return Pause(time.monotonic() - began, committed - committing), reached

    def _migrate(self, guest: Guest, step: manager_pb2.MigrateRequest.Step, target_host: str = "") -> None:
        request = manager_pb2.MigrateRequest(nic=guest.nic, step=step, target_host=target_host)
        self._manager().Migrate(request, timeout=RPC_PATIENCE + 5)

    def _plug(self, guest: Guest, host: str, prepare: bool) -> manager_pb2.AttachReply:
        wire = self._guest_cable(guest.plan.name, host).end("b")
        request = manager_pb2.AttachRequest(
            nic=guest.nic,
            mac=guest.plan.mac,
            profile=guest.plan.profile,
            plug=types_pb2.Plug(wire=types_pb2.Wire(local=str(wire.local), remote=str(wire.remote))),
            prepare=prepare,
        )
        reply: manager_pb2.AttachReply = self._host(host).Attach(request, timeout=RPC_PATIENCE)
        return reply

    # --- cables ---------------------------------------------------------------------------------------------
    def cut(self, host: str) -> None:
        """Cut the cable between a host and the physical switch."""
        self._uplink_cable(host).cut()

    def mend(self, host: str) -> None:
        """Mend it."""
        self._uplink_cable(host).mend()

    def tap(self, host: str) -> Tap:
        """To be entered: sees all frames on the cable between a host and the physical switch."""
        return Tap(self._uplink_cable(host))

    def _uplink_cable(self, host: str) -> Cable:
        self.network.check_host(host)
        return self._cables[host]

    def _guest_cable(self, guest: str, host: str) -> Cable:
        return Cable(self.directory, f"{guest}-{host}")

    # --- gRPC -----------------------------------------------------------------------------------------------
    def _operator(self) -> Any:
        return client.operator_stub(self._channel(SUPERVISOR))

    def _manager(self) -> Any:
        return client.manager_stub(self._channel(SUPERVISOR))

    def _host(self, host: str) -> Any:
        return client.host_stub(self._channel(host))

    def address(self, name: str) -> str:
        """Where the supervisor's operator API or a host's local API listens."""
        return f"unix:{self.directory / name}.sock"

    def _channel(self, name: str) -> grpc.Channel:
        if name not in self._channels:
            self._channels[name] = client.open_channel(self.address(name))
        return self._channels[name]

    def _hang_up(self, name: str) -> None:
        channel = self._channels.pop(name, None)
        if channel is not None:
            channel.close()


def _module(name: str, *arguments: str) -> Sequence[str]:
    """The command that runs one of our console scripts with this very interpreter."""
    return (sys.executable, "-m", name, *arguments)


def _answers(guest: Guest) -> bool:
    with suppress(DvsError):
        return bool(guest.control.call("counters"))
    return False
