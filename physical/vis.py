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
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dvswitch import logs
from dvswitch.errors import DvsError, InvalidValue
from dvswitch.lldp_agent import INTERVAL, Mode
from physical import control
from physical.neighbours import Neighbours, port_mac
from physical.niv.options import add_options, vis_settings
from physical.niv.state import VisState
from physical.niv.view import niv_view
from physical.niv.vis import Vis
from physical.switch import AGEING, MTU, Switch
from physical.switch_config import FIRST_LAG, Flavour, LagConfig, MirrorConfig, PortConfig, SwitchConfig
from physical.vis_show import VIEWS
from vem.datapath.choose import open_engine

AGE_INTERVAL = 10.0
"""Seconds between two looks for silent addresses."""
LINK_INTERVAL = 1.0
"""Seconds between two looks at the links of ports that are devices."""
NIV_LINK_INTERVAL = 0.1
"""Likewise of a VIS."""


class SwitchServer:
    """What a running switch can be asked."""

    def __init__(self, name: str, switch: Switch, neighbours: Neighbours, vis: Vis | None = None) -> None:
        self.name = name
        self._vis = vis
        self._switch = switch
        self._neighbours = neighbours

    def commands(self) -> dict[str, control.Handler]:
        """The table of what the control socket takes; what the flavour does not have is refused."""
        page: dict[str, control.Handler] = {
            "ports": self._ports,
            "counters": self._counters,
            "shutdown": self._shutdown,
            "no-shutdown": self._no_shutdown,
        }
        line: dict[str, control.Handler] = {
            "macs": self._macs,
            "clear-macs": self._clear_macs,
            "lags": self._lags,
            "mirrors": self._mirrors,
            "neighbors": self._show_neighbours,
        }
        if self._vis:
            line["niv"] = self._niv
        refused: Mapping[Flavour, Sequence[str]] = {
            Flavour.UNMANAGED: (*page, *line),
            Flavour.SMART: tuple(line),
            Flavour.MANAGED: (),
        }
        return {**page, **line, **dict.fromkeys(refused[self._switch.config.flavour], self._refuse)}

    async def _refuse(self, arguments: control.Arguments) -> control.Reply:
        flavour = self._switch.config.flavour
        lacks = "no management at all" if flavour is Flavour.UNMANAGED else "no command line, only a page of ports"
        raise InvalidValue(f"switch {self.name}", f"is {flavour.value} and has {lacks}", "take a managed one")

    async def _lags(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        return {"lags": [self._lag_row(lag) for lag in self._switch.config.lags]}

    def _lag_row(self, lag: LagConfig) -> dict[str, object]:
        views = {view.number: view for view in self._neighbours.lacp_ports(lag.number)}
        members = self._switch.members[lag.number]
        ports = []
        for port in lag.ports:
            view = views.get(port)
            lacp = (
                {
                    "state": int(view.actor.state),
                    "selection": view.selection.value,
                    "partner": str(view.partner.system),
                    "partner_key": view.partner.key,
                    "partner_port": view.partner.port,
                    "churning": view.churning,
                    "sent": view.sent,
                    "received": view.received,
                    "malformed": view.malformed,
                }
                if view
                else {}
            )
            ports.append({"port": port, "active": port in members, **lacp})
        mode = ("active" if lag.active else "passive") if lag.lacp else "static"
        return {"lag": lag.number, "mode": mode, "hash": lag.method.name, "ports": ports}

    async def _mirrors(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        return {"mirrors": [asdict(mirror) for mirror in self._switch.config.mirrors]}

    async def _show_neighbours(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        rows = [
            {
                "port": found.port,
                "chassis": str(found.told.chassis),
                "remote_port": str(found.told.port),
                "system": found.told.system_name,
                "ttl": found.told.ttl,
            }
            for found in self._neighbours.neighbours()
        ]
        return {"neighbors": rows}

    async def _niv(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        assert self._vis is not None
        return niv_view(self._vis)

    async def _ports(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        return {"name": self.name, "ports": [_port_row(port) for _, port in sorted(self._switch.ports.items())]}

    async def _macs(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        rows = [
            {
                "vlan": entry.vlan,
                "mac": str(entry.mac),
                "port": entry.lport,
                "interface": _interface(entry.lport),
                "age": int(entry.age),
            }
            for entry in self._switch.macs()
        ]
        return {"macs": rows}

    async def _counters(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        return {"counters": {_counter_name(n): asdict(found) for n, found in self._switch.counters().items()}}

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
        "wire": f"{port.plug.local}>{port.plug.remote}" if port.plug.kind == "wire" else port.plug.device,
    }


def _interface(lport: int) -> str:
    """As the table of addresses has it: 0/1 for a port, 3/1 for a LAG."""
    return f"0/{lport}" if lport < FIRST_LAG else f"3/{lport - FIRST_LAG}"


def _counter_name(lport: int) -> str:
    return str(lport) if lport < FIRST_LAG else f"lag{lport - FIRST_LAG}"


async def serve(
    server: SwitchServer,
    switch: Switch,
    neighbours: Neighbours,
    events: int,
    socket_path: str,
    vis: Vis | None = None,
) -> None:
    """Answer questions, age addresses and speak with neighbours until SIGTERM or SIGINT; forwarding goes by itself.

    ``vis``: what makes the switch a VIS; an error in it (a bug) ends all.
    """
    loop, stopped, due = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    listener = control.Server(socket_path, server.commands())

    def stop() -> None:
        stopped.set()
        due.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_reader(events, due.set)
    await listener.start()
    aged = loop.time()
    if vis:
        vis.start(due.set)
    try:
        while not stopped.is_set():
            due.clear()
            wait = neighbours.step()
            if vis:
                wait = _step(vis, switch, neighbours, wait)
            if loop.time() - aged >= AGE_INTERVAL:
                switch.age()
                aged = loop.time()
            with contextlib.suppress(TimeoutError):
                interval = NIV_LINK_INTERVAL if vis else LINK_INTERVAL
                await asyncio.wait_for(due.wait(), min(interval, AGE_INTERVAL if wait is None else wait))
    finally:
        loop.remove_reader(events)
        if not vis or not vis.keeps:
            neighbours.shut_down()
        if vis:
            await vis.stop()
        await listener.stop()


def _step(vis: Vis, switch: Switch, neighbours: Neighbours, wait: float | None) -> float | None:
    """What a VIS does in turn; returns seconds until something is due."""
    vis.check()
    now = time.monotonic()
    ports = vis.niv_ports()
    switch.set_niv(ports)
    vis.applied(ports)
    vis.module.tell_neighbours(neighbours.neighbours(), now)
    due = vis.step(now)
    waits = [wait] if wait is not None else []
    return min([*waits, *([max(0.0, due - time.monotonic())] if due is not None else [])], default=None)


def run(options: argparse.Namespace) -> int:
    """`vis run`."""
    logs.set_up("info")
    config = SwitchConfig.of(
        [PortConfig.parse(text) for text in options.port],
        [LagConfig.parse(text) for text in options.lag],
        [MirrorConfig.parse(text) for text in options.mirror],
        Flavour(options.flavour),
    )
    mode = Mode(options.lldp)
    if mode is not Mode.NONE and config.flavour is not Flavour.MANAGED:
        raise InvalidValue(f"{config.flavour.value} switch", "does not speak LLDP", "take a managed one")
    settings = vis_settings(options, config)
    native = open_engine(options.engine, options.uuid or options.name)
    engine, vis = native, None
    try:
        if settings:
            vis = Vis(settings, native)
            vis.add_ports(config.ports, lambda port: port_mac(options.name, port))
            engine = vis.plain
        switch = Switch(engine, config, options.ageing, options.mtu, vis.niv_ports() if vis else None)
        neighbours = Neighbours(options.name, switch, engine, mode, options.lldp_interval, vis=vis)
        server = SwitchServer(options.name, switch, neighbours, vis)
        asyncio.run(serve(server, switch, neighbours, native.event_fd(), options.socket, vis))
    finally:
        native.close(keep=vis is not None and vis.keeps)
        if vis is not None:
            vis.close()
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


def purge(options: argparse.Namespace) -> int:
    """`vis purge`."""
    open_engine("kernel", options.uuid).close(keep=False)
    VisState.forget(options.state_dir)
    print(f"the datapath of VIS {options.uuid} is removed")
    return 0


def clear(options: argparse.Namespace) -> int:
    """`vis clear`."""
    with control.Client(options.socket, "switch") as client:
        client.call("clear-macs")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vis",
        description="A modelled physical access switch on datagram wires: learns and floods per VLAN, access and trunk "
        "ports, LAGs, mirrors, LLDP.  It runs the same forwarding code as the hosts' switches and needs no root.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="be a switch until SIGTERM"))
    shown = commands.add_parser("show", help="show tables and counters of a running switch")
    shown.add_argument("what", choices=VIEWS)
    shown.set_defaults(run=show)
    ported = commands.add_parser("port", help="close or open a port of a running switch")
    ported.add_argument("number", type=int)
    ported.add_argument("state", choices=("shutdown", "no-shutdown"))
    ported.set_defaults(run=port)
    cleared = commands.add_parser("clear", help="forget all learned addresses of a running switch")
    cleared.set_defaults(run=clear)
    purged = commands.add_parser("purge", help="remove the kernel datapath and the state that a stopped VIS left")
    purged.add_argument("--uuid", required=True, help="as the VIS was started with")
    purged.add_argument("--state-dir", type=Path, required=True, metavar="DIR", help="likewise")
    purged.set_defaults(run=purge)
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
        "udp:address:port; device=NAME instead of wire takes a network device; niv=on|vntag|etag: a NIV host may be "
        "there (mode=niv: a trunk of everything with niv=on); may be repeated",
    )
    parser.add_argument(
        "--lag",
        action="append",
        default=[],
        metavar="N,ports=1-2,mode=…",
        help="ports that are one: mode=static, active or passive (LACP), rate=fast|slow, hash=mac|ip; may be repeated",
    )
    parser.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="N,source=1-3,to=8",
        help="show what ports receive and send (direction=rx|tx|both) on another; may be repeated",
    )
    parser.add_argument(
        "--flavour",
        default="managed",
        choices=[flavour.value for flavour in Flavour],
        help="unmanaged: no VLANs, nothing to ask; smart: VLANs, no command line; default %(default)s",
    )
    parser.add_argument(
        "--lldp", default="none", choices=[mode.value for mode in Mode], help="speak LLDP (default %(default)s)"
    )
    parser.add_argument(
        "--lldp-interval", type=float, default=INTERVAL, metavar="S", help="between two LLDP frames (default 30)"
    )
    parser.add_argument("--socket", required=True, metavar="PATH", help="control socket to listen on")
    parser.add_argument("--ageing", type=float, default=AGEING, metavar="S", help="forget silent MACs (default 300)")
    add_options(parser)
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
