"""The command `vem`: runs the host agent, and talks to the one that runs.

Exit codes: 0 done; 1 refused or failed, with a line that says why; 2 wrong usage; 3 attached but not forwarding yet.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import grpc

from dvswitch import completion, logs
from dvswitch.client import host_stub, open_channel
from dvswitch.errors import DvsError, InvalidValue, Unavailable
from dvswitch.host_commands import VIEWS
from dvswitch.mac import MacAddress
from dvswitch.promptness import be_prompt
from dvswitch.v1 import manager_pb2 as manager
from dvswitch.v1 import types_pb2 as pb
from vem.agent import config, console, convert, live, show
from vem.agent.agent import Agent, Identity
from vem.agent.local_api import serve
from vem.agent.state import StateFile
from vem.agent.uplinks import parse_wire
from vem.datapath.choose import EngineKind, open_engine, why_no_kernel
from vem.datapath.engine import Plug

FAILED, NOT_YET = 1, 3
CALL_SLACK = 10.0
"""Seconds that a call may take beyond what the caller asked the agent to wait."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except DvsError as error:
        print(f"vem: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vem", description="dvswitch host agent")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the agent of this host")
    config.add_arguments(run)
    run.set_defaults(command=_run)
    purge = commands.add_parser("purge", help="remove the datapath and state that a stopped agent left on this host")
    config.add_arguments(purge)
    purge.set_defaults(command=_purge)
    _add_attach(commands.add_parser("attach", help="plug a NIC in"))
    detach = commands.add_parser("detach", help="unplug a NIC")
    _add_nic(detach)
    detach.set_defaults(command=_detach)
    changed = commands.add_parser("set-mac", help="tell what MAC address a guest has set its NIC to")
    _add_nic(changed)
    changed.add_argument("--mac", required=True, help="the address that the NIC has now")
    changed.set_defaults(command=_set_mac)
    status = commands.add_parser("status", help="who this host is and whether it is in touch with the supervisor")
    _add_socket(status)
    status.set_defaults(command=_status)
    for verb, text in _ASKED.items():
        asked = commands.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}.")
        console.add_options(asked, verb)
        if verb == "capture":
            asked.add_argument("--write", type=Path, metavar="FILE", help="write a pcapng file instead of lines")
        _add_socket(asked)
        asked.set_defaults(command=_watch, verb=verb)
    complete = commands.add_parser("completion", help="print what bash needs to complete this command line")
    complete.set_defaults(command=lambda _arguments: _complete(parser))
    return parser


def _complete(parser: argparse.ArgumentParser) -> int:
    print(completion.bash(parser, {"vem show": [name for name in VIEWS if " " not in name]}), end="")
    return 0


def _add_socket(parser: argparse.ArgumentParser) -> None:
    default = config.default_socket()
    parser.add_argument("--socket", type=Path, default=Path(default), help=f"the agent's socket [{default}]")


def _add_nic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vm", required=True, help="the VM's or container's name")
    parser.add_argument("--vm-uuid", default="", metavar="UUID", help="the VM's UUID, if it has one")
    parser.add_argument("--nic", type=int, default=0, metavar="N", help="which NIC of the VM [0]")
    _add_socket(parser)


def _add_attach(parser: argparse.ArgumentParser) -> None:
    _add_nic(parser)
    parser.add_argument("--mac", required=True, help="the NIC's MAC address")
    parser.add_argument("--profile", required=True, metavar="NAME", help="port profile")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--tap", metavar="DEV", help="a tap; made if it is not there")
    place.add_argument("--veth", metavar="DEV", help="the host's end of a veth pair")
    place.add_argument("--raw", metavar="DEV", help="any other network device")
    place.add_argument("--wire", metavar="LOCAL>REMOTE", help="datagrams: unix:/path or udp:address:port each")
    parser.add_argument("--netns", default="", metavar="NAME", help="network namespace of the device")
    parser.add_argument("--adapter", default="", metavar="NAME", help="what people know the NIC by, e.g. vnet0")
    parser.add_argument("--prepare", action="store_true", help="target of a migration: stay silent until activated")
    parser.add_argument("--wait", type=float, default=5.0, metavar="SECONDS", help="how long to wait [5]")
    parser.set_defaults(command=_attach)


# --- run --------------------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    settings = config.load_settings(arguments)
    logs.set_up(settings.log_level)
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: config.Settings) -> None:
    assert settings.endpoint is not None
    identity = Identity(
        settings.host_uuid,
        settings.name,
        settings.domain,
        system=f"{platform.system()} {platform.release()}",
        address=settings.address,
    )
    engine = _engine_kind(settings)
    agent = Agent(
        identity,
        settings.endpoint,
        settings.uplinks,
        StateFile(settings.state_dir),
        lambda: open_engine(engine, settings.host_uuid),
        settings.mac_age,
        settings.reverse_teaming,
        settings.rpf_promiscuous,
        settings.mobility,
    )
    await agent.start()
    try:
        async with serve(agent, settings.socket), live.serve(agent, settings.socket):
            be_prompt()
            await _until_told_to_stop(agent)
    finally:
        await agent.stop(keep=True)


def _engine_kind(settings: config.Settings) -> EngineKind:
    """Wires exist in the user engine only, so a host with a wire as uplink has made its choice."""
    wired = any(uplink.plug.kind == "wire" for uplink in settings.uplinks)
    return "user" if wired and settings.engine == "auto" else settings.engine


def _purge(arguments: argparse.Namespace) -> int:
    settings = config.load_settings(arguments, needs_vsm=False)
    if _engine_kind(settings) != "user" and not why_no_kernel():
        open_engine("kernel", settings.host_uuid).close(keep=False)
    StateFile(settings.state_dir).remove()
    print(f"the datapath of host {settings.host_uuid} is removed")
    return 0


async def _until_told_to_stop(agent: Agent) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    jobs = [asyncio.ensure_future(agent.run()), asyncio.ensure_future(stop.wait())]
    done, pending = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    for job in pending:
        job.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await job
    for job in done:
        await job


# --- the other commands: clients of the running agent ------------------------------------------------------------


def _attach(arguments: argparse.Namespace) -> int:
    request = manager.AttachRequest(
        nic=_nic(arguments),
        mac=str(MacAddress.station(arguments.mac)),
        profile=arguments.profile,
        plug=_plug(arguments),
        prepare=arguments.prepare,
        wait_ms=max(1, int(arguments.wait * 1000)),
    )
    reply: manager.AttachReply = _call(
        arguments.socket, lambda stub, limit: stub.Attach(request, timeout=arguments.wait + limit)
    )
    name = f"Vethernet{reply.veth}" if reply.veth else f"{arguments.vm} nic {arguments.nic}"
    detail = f": {reply.detail}" if reply.detail else ""
    print(f"{name} is {convert.STATE_NAMES[reply.state]}{detail}")
    return NOT_YET if reply.state in (manager.AttachReply.PENDING, manager.AttachReply.BLOCKED) else 0


def _detach(arguments: argparse.Namespace) -> int:
    request = manager.DetachRequest(nic=_nic(arguments))
    reply: manager.DetachReply = _call(arguments.socket, lambda stub, limit: stub.Detach(request, timeout=limit))
    print(f"{arguments.vm} nic {arguments.nic} {'is detached' if reply.was_attached else 'was not attached'}")
    return 0


def _set_mac(arguments: argparse.Namespace) -> int:
    request = manager.SetMacRequest(nic=_nic(arguments), mac=str(MacAddress.station(arguments.mac)))
    reply: manager.SetMacReply = _call(arguments.socket, lambda stub, limit: stub.SetMac(request, timeout=limit))
    outcome = "is taken" if reply.accepted else "is not allowed; the NIC receives nothing until it is set back"
    print(f"{arguments.vm} nic {arguments.nic}: MAC address {request.mac} {outcome}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    print(show.status(_ask(arguments.socket, macs=False)), end="")
    return 0


_ASKED = {
    "show": "tables of the running switch: " + ", ".join(VIEWS),
    "capture": "show frames at points of their way, live or into a pcapng file",
    "trace": "what the running switch would do with a frame, step by step",
    "drops": "frames dropped, by reason, with the last one's header",
}


def _watch(arguments: argparse.Namespace) -> int:
    """A command of vem/agent/console.py: the options go to the agent as they were given."""

    def given(value: object) -> bool:
        return bool(value) or (isinstance(value, int | float) and value is not False)

    words = [arguments.verb, *getattr(arguments, "view", [])]
    write: Path | None = getattr(arguments, "write", None)
    for name, value in vars(arguments).items():
        if name in ("command", "verb", "view", "socket", "write") or not given(value):
            continue
        if arguments.verb == "drops" and name == "port":
            words.append(value)
            continue
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{name}"] if value is True else [f"--{name}", str(each)]
    with open(write, "wb") if write else contextlib.nullcontext(sys.stdout.buffer) as output:
        _stream(arguments.socket, [*words, "--pcapng"] if write else words, output)
    return 0


def _stream(socket: Path, words: list[str], output: BinaryIO) -> None:
    """Run a command on the agent, and write what comes as it comes."""

    def copy(stub: Any, _limit: float) -> None:
        for piece in stub.Execute(manager.HostCommand(words=words)):
            output.write(piece.data)
            output.flush()

    _call(socket, copy)


def _ask(socket: Path, macs: bool) -> manager.StatusReply:
    request = manager.StatusRequest(macs=macs)
    reply: manager.StatusReply = _call(socket, lambda stub, limit: stub.Status(request, timeout=limit))
    return reply


def _nic(arguments: argparse.Namespace) -> pb.Nic:
    if not 0 <= arguments.nic < 2**32:
        raise InvalidValue(f"nic {arguments.nic}", "is out of range")
    return pb.Nic(
        vm=arguments.vm, vm_uuid=arguments.vm_uuid, index=arguments.nic, adapter=getattr(arguments, "adapter", "")
    )


def _plug(arguments: argparse.Namespace) -> pb.Plug:
    if arguments.wire:
        return convert.plug_to(parse_wire(arguments.wire))
    kind = next(kind for kind in ("tap", "veth", "raw") if getattr(arguments, kind))
    return convert.plug_to(Plug(kind, device=getattr(arguments, kind), netns=arguments.netns))


def _call(socket: Path, call: Callable[[Any, float], Any]) -> Any:
    """Call the agent; DvsError with the agent's own line if it refuses, or with ours if it is not there."""
    with open_channel(f"unix:{socket}") as channel:
        try:
            return call(host_stub(channel), CALL_SLACK)
        except grpc.RpcError as error:
            raise _error_of(error, socket) from error


def _error_of(error: grpc.RpcError, socket: Path) -> DvsError:
    code, details = error.code(), str(error.details() or "")
    if code is grpc.StatusCode.UNAVAILABLE and "connect" in details:
        return Unavailable(f"agent {socket}", "nobody answers there", "is 'vem run' running, and as this user?")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable(f"agent {socket}", "did not answer in time")
    return DvsError("", details or code.name)


if __name__ == "__main__":
    sys.exit(main())
