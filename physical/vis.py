"""The `vis` command: the modelled physical switch as a process, and questions to a running one.

`vis run` serves the commands of docs/lab.md on a control socket (physical/control.py); `vis show`, `vis port` and
`vis clear` ask it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dvswitch.errors import DvsError
from physical import control
from physical.switch import AGEING, MTU, PortConfig, Switch
from vem.datapath.user import UserEngine

AGE_INTERVAL = 10.0
"""Seconds between two looks for silent addresses."""


class SwitchServer:
    """What a running switch can be asked."""

    def __init__(self, name: str, switch: Switch) -> None:
        self.name = name
        self._switch = switch

    def commands(self) -> dict[str, control.Handler]:
        """The table of what the control socket takes."""
        return {
            "ports": self._ports,
            "macs": self._macs,
            "counters": self._counters,
            "shutdown": self._shutdown,
            "no-shutdown": self._no_shutdown,
            "clear-macs": self._clear_macs,
        }

    async def _ports(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        return {"name": self.name, "ports": [_port_row(port) for _, port in sorted(self._switch.ports.items())]}

    async def _macs(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        rows = [
            {"vlan": entry.vlan, "mac": str(entry.mac), "port": entry.lport, "age": int(entry.age)}
            for entry in self._switch.macs()
        ]
        return {"macs": rows}

    async def _counters(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        return {"counters": {str(number): asdict(found) for number, found in self._switch.counters().items()}}

    async def _shutdown(self, arguments: control.Arguments) -> control.Reply:
        return self._set_shutdown(arguments, True)

    async def _no_shutdown(self, arguments: control.Arguments) -> control.Reply:
        return self._set_shutdown(arguments, False)

    def _set_shutdown(self, arguments: control.Arguments, shutdown: bool) -> control.Reply:
        port = arguments.integer("port")
        arguments.end()
        self._switch.set_shutdown(port, shutdown)
        return {}

    async def _clear_macs(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        self._switch.flush()
        return {}


def _port_row(port: PortConfig) -> dict[str, object]:
    return {
        "port": port.number,
        "mode": "trunk" if port.trunk else "access",
        "vlan": port.vlan,
        "allowed": str(port.allowed) if port.trunk else "",
        "shutdown": port.shutdown,
        "wire": f"{port.plug.local}>{port.plug.remote}",
    }


async def serve(name: str, switch: Switch, socket_path: str) -> None:
    """Answer questions and age addresses until SIGTERM or SIGINT; forwarding goes on by itself."""
    stopped = asyncio.Event()
    server = control.Server(socket_path, SwitchServer(name, switch).commands())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await server.start()
    try:
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), AGE_INTERVAL)
            switch.age()
    finally:
        await server.stop()


def run(options: argparse.Namespace) -> int:
    """`vis run`."""
    ports = [PortConfig.parse(text) for text in options.port]
    engine = UserEngine()
    try:
        switch = Switch(engine, ports, options.ageing, options.mtu)
        asyncio.run(serve(options.name, switch, options.socket))
    finally:
        engine.close(keep=False)
    return 0


def show(options: argparse.Namespace) -> int:
    """`vis show`."""
    view = VIEWS[options.what]
    with control.Client(options.socket, "switch") as client:
        print(view.render(client.call(view.command)), end="")
    return 0


def port(options: argparse.Namespace) -> int:
    """`vis port`."""
    with control.Client(options.socket, "switch") as client:
        client.call(options.state, port=options.number)
    return 0


def clear(options: argparse.Namespace) -> int:
    """`vis clear`."""
    with control.Client(options.socket, "switch") as client:
        client.call("clear-macs")
    return 0


def _render_macs(answer: dict[str, Any]) -> str:
    rows = [f"{row['vlan']:<6}{row['mac']:<20}{row['age']:<6}{row['port']}" for row in answer["macs"]]
    return "\n".join([f"{'VLAN':<6}{'MAC Address':<20}{'Age':<6}Port", "-" * 38, *rows, ""])


def _render_ports(answer: dict[str, Any]) -> str:
    lines = [f"{'Port':<6}{'State':<7}{'Mode':<8}{'VLAN':<6}Allowed", "-" * 38]
    for row in answer["ports"]:
        state = "down" if row["shutdown"] else "up"
        lines.append(f"{row['port']:<6}{state:<7}{row['mode']:<8}{row['vlan']:<6}{row['allowed']}".rstrip())
    return "\n".join([*lines, ""])


def _render_counters(answer: dict[str, Any]) -> str:
    lines = [f"{'Port':<6}{'Received':>12}{'Sent':>12}{'Flooded':>12}  Drops", "-" * 54]
    for number, found in answer["counters"].items():
        drops = {**found["drops_in"]}
        for reason, count in found["drops_out"].items():
            drops[reason] = drops.get(reason, 0) + count
        text = " ".join(f"{reason}={count}" for reason, count in sorted(drops.items())) or "-"
        lines.append(
            f"{number:<6}{found['rx_frames']:>12}{found['tx_frames']:>12}{found['tx_flooded']:>12}  {text}",
        )
    return "\n".join([*lines, ""])


@dataclass(frozen=True, slots=True)
class View:
    """Something `vis show` shows."""

    command: str
    render: Callable[[dict[str, Any]], str]


VIEWS = {
    "mac-addr-table": View("macs", _render_macs),
    "ports": View("ports", _render_ports),
    "counters": View("counters", _render_counters),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vis",
        description="A modelled physical access switch on datagram wires: learns and floods per VLAN, access and trunk "
        "ports.  It runs the same forwarding code as the hosts' switches and needs no root.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="be a switch until SIGTERM"))
    shown = commands.add_parser("show", help="show the MAC table, ports or counters of a running switch")
    shown.add_argument("what", choices=VIEWS)
    shown.set_defaults(run=show)
    ported = commands.add_parser("port", help="close or open a port of a running switch")
    ported.add_argument("number", type=int)
    ported.add_argument("state", choices=("shutdown", "no-shutdown"))
    ported.set_defaults(run=port)
    cleared = commands.add_parser("clear", help="forget all learned addresses of a running switch")
    cleared.set_defaults(run=clear)
    for asking in (shown, ported, cleared):
        asking.add_argument("--socket", required=True, metavar="PATH", help="the switch's control socket")
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="sw1", help="what people call it (default %(default)s)")
    parser.add_argument(
        "--port",
        action="append",
        required=True,
        metavar="N,wire=LOCAL>REMOTE,mode=…",
        help="a port, mode=access,vlan=10 or mode=trunk,allowed=1-4094,native=1; each end of the wire is unix:/path or "
        "udp:address:port; may be repeated",
    )
    parser.add_argument("--socket", required=True, metavar="PATH", help="control socket to listen on")
    parser.add_argument("--ageing", type=float, default=AGEING, metavar="S", help="forget silent MACs (default 300)")
    parser.add_argument("--mtu", type=int, default=MTU, help="bytes of payload a frame may carry (default %(default)s)")
    parser.set_defaults(run=run)


def main(arguments: Sequence[str] | None = None) -> int:
    """Console script `vis`; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except DvsError as error:
        print(f"vis: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
