"""Commands about single frames, from people on the host (Host API) and from the supervisor's command line:

    capture [--point P]... [--port Veth3 [--dir in|out]] [--uplink Eth1] [--mac M] [--vlan V] [--type T]
            [--protocol N] [--count N] [--snaplen N] [--seconds S] [--pcapng]
    trace --in Veth3 [--frame HEX | --dst M [--src M] [--vlan V] [--type T] [--size N]]
    drops [PORT]

Each yields pieces of output as they come.  One capture runs at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, NoReturn

from dvswitch.errors import Conflict, InvalidValue, NotFound
from dvswitch.mac import MacAddress
from vem.agent.status import port_name
from vem.capture import text
from vem.capture.explain import Names, explain
from vem.capture.pcapng import PcapngWriter
from vem.datapath.image import Port
from vem.datapath.watch import POINTS, SNAPLEN_MAX, Capture, Point

if TYPE_CHECKING:
    from vem.agent.agent import Agent

BROADCAST = MacAddress(b"\xff" * 6)
DIRECTIONS = {"in": Point.PORT_INPUT, "0": Point.PORT_INPUT, "out": Point.PORT_OUTPUT, "1": Point.PORT_OUTPUT}
"""Where a port is watched when no point is given (S-245c), as the switch sees it."""
REMOTE_SECONDS = 10.0
"""How long a command of the supervisor may take."""
_PORT = re.compile(r"(v(?:eth(?:ernet)?)?|e(?:th(?:ernet)?)?)\s*(?:(\d+)/)?(\d+)", re.IGNORECASE)


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise InvalidValue(self.prog, message, f"usage: {self.format_usage().removeprefix('usage: ').strip()}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="vem", add_help=False)
    commands = parser.add_subparsers(required=True, dest="command", parser_class=_Parser)
    add_capture(commands.add_parser("capture", add_help=False))
    add_trace(commands.add_parser("trace", add_help=False))
    drops = commands.add_parser("drops", add_help=False)
    drops.add_argument("port", nargs="?", default="")
    return parser


def _number(value: str) -> int:
    return int(value, 0)


def add_capture(parser: argparse.ArgumentParser) -> None:
    """The filters (S-245d)."""
    parser.add_argument("--point", action="append", default=[], metavar="POINT", help="a point of the way; repeatable")
    parser.add_argument("--port", default="", help="seen at this port: as it enters, if no point is given")
    parser.add_argument(
        "--dir",
        default="",
        choices=["", *DIRECTIONS],
        metavar="DIR",
        help="of a port without a point: in (0), from it, or out (1), to it [in]",
    )
    parser.add_argument("--uplink", default="", help="seen at this uplink, or came by it")
    parser.add_argument("--mac", default="", help="source or destination")
    parser.add_argument("--vlan", type=_number)
    parser.add_argument("--type", type=_number, default=0, help="ethertype")
    parser.add_argument("--protocol", type=_number, help="IP protocol")
    parser.add_argument("--count", type=_number, default=0, help="end after so many [no end]")
    parser.add_argument("--snaplen", type=_number, default=SNAPLEN_MAX, help=f"bytes of each frame [{SNAPLEN_MAX}]")
    parser.add_argument("--seconds", type=float, default=0.0, help="end after so long [no end]")
    parser.add_argument("--pcapng", action="store_true", help=argparse.SUPPRESS)


def add_trace(parser: argparse.ArgumentParser) -> None:
    """The frame to trace."""
    parser.add_argument("--in", dest="port", required=True, metavar="PORT", help="the port it comes in by")
    parser.add_argument("--frame", default="", metavar="HEX", help="the whole frame")
    parser.add_argument("--src", default="", help="source MAC [the port's own]")
    parser.add_argument("--dst", default="", help="destination MAC [broadcast]")
    parser.add_argument("--vlan", type=_number, help="with a tag of this VLAN")
    parser.add_argument("--type", type=_number, default=0x0800, help="ethertype [0x0800]")
    parser.add_argument("--size", type=_number, default=60, help="bytes of the frame [60]")


def _points(names: Sequence[str], port: str, direction: str) -> frozenset[Point]:
    """Those that are named; for a port alone where it enters, or is left, the switch (S-245c); else all."""
    unknown = [name for name in names if name.lower() not in POINTS]
    if unknown:
        labels = ", ".join(point.label for point in POINTS.values())
        raise InvalidValue(f"point {unknown[0]}", "is unknown", f"choose from {labels}")
    if direction and (names or not port):
        raise InvalidValue(f"dir {direction}", "is for a port without a point", "give --port, and no --point")
    if names:
        return frozenset(POINTS[name.lower()] for name in names)
    return frozenset({DIRECTIONS[direction or "in"]}) if port else Capture().points


class Console:
    """Runs commands on one agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._capturing = asyncio.Lock()

    async def run(self, words: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """Yield the output; DvsError when the command is wrong or can't be done."""
        options = _parser().parse_args(list(words))
        if options.command == "capture":
            async with aclosing(self._capture(options)) as pieces:
                async for piece in pieces:
                    yield piece
        elif options.command == "trace":
            yield (await self._trace(options)).encode()
        else:
            yield (await self._drops(options.port)).encode()

    async def run_bounded(self, words: Sequence[str]) -> str:
        """The whole output as text, for the supervisor; a capture must say how many frames it wants, and gets those
        that come within ten seconds."""
        if words[:1] == ["capture"] and "--count" not in words:
            raise InvalidValue("capture", "has no end", "give --count")
        if "--pcapng" in words:
            raise InvalidValue("capture", "writes files on the host only", "run `vem capture --write` there")
        pieces: list[bytes] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(REMOTE_SECONDS):
                async with aclosing(self.run(words)) as output:
                    async for piece in output:
                        pieces.append(piece)
        return b"".join(pieces).decode()

    # --- ports ----------------------------------------------------------------------------------------------------

    def _name(self, lport: int) -> str:
        name = port_name(self._agent, lport, self._agent.datapath.image)
        return name if name != "-" else f"lport{lport}"

    def _profile(self, lport: int) -> str:
        wanted, port = self._agent.compiled.wanted, self._agent.datapath.image.ports.get(lport)
        if port is None:
            return ""
        held = wanted.uplinks.get(port.number) if port.uplink else wanted.ports.get(port.number)
        policy = wanted.policies.get(held.policy) if held else None
        return policy.profile if policy else ""

    def _lport(self, name: str) -> int:
        found = _PORT.fullmatch(name)
        if not found:
            raise InvalidValue(f"port {name}", "is not understood", "write Veth3, Eth3/1 or Eth1")
        uplink, slot, number = found[1].lower().startswith("e"), found[2], int(found[3])
        for lport, port in self._agent.datapath.image.ports.items():
            if (port.uplink, port.number) == (uplink, number) and slot in (None, str(self._agent.holdings.slot)):
                return lport
        raise NotFound(f"port {name}", "is not on this host", "see `vem show port`")

    # --- commands -------------------------------------------------------------------------------------------------

    async def _capture(self, options: argparse.Namespace) -> AsyncGenerator[bytes, None]:
        wanted = self._wanted(options)
        if self._capturing.locked():
            raise Conflict("capture", "another one is running on this host", "wait until it ends, or end it")
        async with self._capturing:
            await self._agent.datapath.capture(wanted)
            try:
                async with asyncio.timeout(options.seconds or None), aclosing(self._pieces(options)) as pieces:
                    async for piece in pieces:
                        yield piece
            except TimeoutError:
                return
            finally:
                await asyncio.shield(self._agent.datapath.capture(None))

    async def _pieces(self, options: argparse.Namespace) -> AsyncGenerator[bytes, None]:
        epoch = time.time() - time.monotonic()
        writer = PcapngWriter(self._name, epoch)
        if options.pcapng:
            yield writer.header()
        left = options.count
        while True:
            for event in await self._agent.datapath.captured():
                line = text.captured(event, self._name, epoch).encode()
                yield writer.frame(event) if options.pcapng else line
                left -= 1
                if left == 0:
                    return

    def _wanted(self, options: argparse.Namespace) -> Capture:
        return Capture(
            points=_points(options.point, options.port, options.dir),
            lport=self._lport(options.port) if options.port else 0,
            uplink=self._lport(options.uplink) if options.uplink else 0,
            mac=MacAddress.parse(options.mac) if options.mac else None,
            vlan=options.vlan,
            ethertype=options.type,
            protocol=options.protocol,
            count=options.count,
            snaplen=options.snaplen,
        )

    async def _trace(self, options: argparse.Namespace) -> str:
        lport = self._lport(options.port)
        frame = self._frame(options, lport)
        trace = await self._agent.datapath.trace(lport, frame)
        return explain(trace, lport, frame, self._agent.datapath.image, Names(self._name, self._profile))

    def _frame(self, options: argparse.Namespace, lport: int) -> bytes:
        if options.frame:
            try:
                return bytes.fromhex(options.frame.replace(":", ""))
            except ValueError as error:
                raise InvalidValue("frame", "is not hexadecimal") from error
        port: Port = self._agent.datapath.image.ports[lport]
        if port.uplink and not options.src:
            raise InvalidValue("trace", "needs a source MAC for a frame from the network", "give --src")
        if (options.vlan is not None and not 0 <= options.vlan <= 4095) or not 0 <= options.type <= 0xFFFF:
            raise InvalidValue("trace", "VLAN or type is out of range", "VLANs are 0-4095, types 0-0xffff")
        if not 18 <= options.size <= 65535:
            raise InvalidValue(f"size {options.size}", "is out of range 18-65535")
        src = MacAddress.parse(options.src) if options.src else port.mac
        dst = MacAddress.parse(options.dst) if options.dst else BROADCAST
        tag = b"" if options.vlan is None else b"\x81\x00" + options.vlan.to_bytes(2, "big")
        ethertype: bytes = options.type.to_bytes(2, "big")
        return (dst.octets + src.octets + tag + ethertype).ljust(options.size, b"\0")

    async def _drops(self, port: str) -> str:
        lports = [self._lport(port)] if port else None
        drops = await self._agent.datapath.last_drops(lports)
        return "".join(text.last_drop(drop, self._name, time.monotonic()) for drop in drops)
