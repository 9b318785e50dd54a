"""Commands about the running switch, from people on the host (Host API) and from the supervisor's command line:

    show VIEW                what is: vem/agent/views.py
    capture [--point P]...   frames at points of their way
    trace --in PORT ...      what would become of a frame
    drops [PORT] [--last]    what was dropped, and why

Names, options and help are in dvswitch.host_commands.  Each yields pieces of output as they come.  One capture runs at
a time.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from dvswitch.errors import Conflict, InvalidValue, NotFound
from dvswitch.host_commands import ALIASES, CAPTURE, COMMANDS, TRACE, VIEWS, Option, view_of
from dvswitch.mac import MacAddress
from vem.agent.said import lines
from vem.agent.status import port_name
from vem.agent.views import view
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
REMOTE_COUNT = 10
"""Frames that a capture of the supervisor gets unless it says how many."""
LIVE_PERIOD = 0.1
"""Seconds."""
LIVE_LIMIT = 32_768
"""Characters."""
_PORT = re.compile(r"(v(?:eth(?:ernet)?)?|e(?:th(?:ernet)?)?)\s*(?:(\d+)/)?(\d+)", re.IGNORECASE)


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise InvalidValue(self.prog, message, f"usage: {self.format_usage().removeprefix('usage: ').strip()}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="vem", add_help=False)
    commands = parser.add_subparsers(required=True, dest="command", parser_class=_Parser)
    for verb in VERBS:
        add_options(commands.add_parser(verb, add_help=False), verb)
    commands.choices["capture"].add_argument("--pcapng", action="store_true")
    return parser


VERBS = ("show", "capture", "trace", "drops")
"""First words of the commands."""


def add_options(parser: argparse.ArgumentParser, verb: str) -> None:
    """What may stand behind a verb, for argparse: here, and on the command line of `vem`."""
    if verb == "show":
        parser.add_argument("view", nargs="+", metavar="VIEW", help=", ".join([*VIEWS, *ALIASES]))
    for command in COMMANDS:
        if command.words == verb:
            for option in (*command.required, *command.options):
                _add_option(parser, option, option in command.required)
            if command.argument:
                parser.add_argument(command.argument.name, nargs="?", default="", help=command.argument.help)


def _add_option(parser: argparse.ArgumentParser, option: Option, required: bool) -> None:
    about: dict[str, Any] = {"help": option.help, "required": required}
    if not option.kind:
        about["action"] = "store_true"
    elif option.kind == "direction":
        about |= {"choices": ["", *DIRECTIONS], "default": "", "metavar": "DIR"}
    elif option.repeats:
        about |= {"action": "append", "default": [], "metavar": option.name.upper()}
    else:
        about |= {"type": _TYPES.get(option.kind, _number if option.kind[0].isdigit() else str)}
        about |= {"metavar": option.name.upper()}
    parser.add_argument(f"--{option.name}", **about)


def _number(value: str) -> int:
    return int(value, 0)


_TYPES: dict[str, Callable[[str], Any]] = {"number": _number, "seconds": float}
_LIMITS = {
    option.name: (int(found[1]), int(found[2]))
    for option in (*CAPTURE, *TRACE)
    if (found := re.fullmatch(r"(\d+)-(\d+)", option.kind))
}


def _check_limits(options: argparse.Namespace) -> None:
    for name, (low, high) in _LIMITS.items():
        value = getattr(options, name, None)
        if value is not None and not low <= value <= high:
            raise InvalidValue(f"{options.command}: {name} {value}", f"is out of range {low}-{high}")
    if getattr(options, "type", None) is not None and not 0 <= options.type <= 0xFFFF:
        raise InvalidValue(f"{options.command}: type {options.type}", "is out of range 0x0-0xffff")


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
        _check_limits(options)
        if options.command == "capture":
            async with aclosing(self._capture(options)) as pieces:
                async for piece in pieces:
                    yield piece
        elif options.command == "trace":
            yield (await self._trace(options)).encode()
        elif options.command == "show":
            yield (await self._show(options.view)).encode()
        else:
            yield (await self._drops(options.port, options.last)).encode()

    async def run_bounded(self, words: Sequence[str]) -> str:
        """The whole output as text, for the supervisor.

        A capture that does not say how many frames it wants gets REMOTE_COUNT, or those that come within its --seconds,
        at most REMOTE_SECONDS.
        """
        if "--pcapng" in words:
            raise InvalidValue("capture", "writes files on the host only", "run `vem capture --write` there")
        bounded = [*words, "--count", str(REMOTE_COUNT)] if _is_endless(words) else words
        pieces: list[bytes] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(REMOTE_SECONDS):
                async with aclosing(self.run(bounded)) as output:
                    async for piece in output:
                        pieces.append(piece)
        return b"".join(pieces).decode()

    async def run_live(self, words: Sequence[str]) -> AsyncGenerator[str, None]:
        """The output as text for an operator of the supervisor who watches, until he has seen enough.

        What comes faster than LIVE_LIMIT in LIVE_PERIOD is left out, and that is said: it goes by the control channel.
        """
        if "--pcapng" in words:
            raise InvalidValue("capture", "writes files on the host only", "run `vem capture --write` there")
        heap = _Heap()
        async with aclosing(self.run(words)) as output:
            async for piece in output:
                if shown := heap.add(piece.decode(), time.monotonic()):
                    yield shown
        yield heap.rest()

    # --- ports ----------------------------------------------------------------------------------------------------

    def _name(self, lport: int) -> str:
        name = port_name(self._agent, lport, self._agent.datapath.image)
        return name if name != "-" else f"lport{lport}"

    def _said(self, lport: int, settings: Iterable[str]) -> list[str]:
        """Lines of the configuration for a port."""
        wanted, port = self._agent.compiled.wanted, self._agent.datapath.image.ports.get(lport)
        if port is None:
            return []
        held = wanted.uplinks.get(port.number) if port.uplink else wanted.ports.get(port.number)
        return lines(wanted, held, settings, self._agent.holdings.slot)

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
                async with asyncio.timeout(options.seconds), aclosing(self._pieces(options)) as pieces:
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
        left = options.count or 0
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
            ethertype=options.type or 0,
            protocol=options.protocol,
            count=options.count or 0,
            snaplen=options.snaplen or SNAPLEN_MAX,
        )

    async def _trace(self, options: argparse.Namespace) -> str:
        lport = self._lport(getattr(options, "in"))
        frame = self._frame(options, lport)
        trace = await self._agent.datapath.trace(lport, frame)
        return explain(trace, lport, frame, self._agent.datapath.image, Names(self._name, self._said))

    def _frame(self, options: argparse.Namespace, lport: int) -> bytes:
        if options.frame:
            try:
                return bytes.fromhex(options.frame.replace(":", ""))
            except ValueError as error:
                raise InvalidValue("frame", "is not hexadecimal") from error
        port: Port = self._agent.datapath.image.ports[lport]
        if port.uplink and not options.src:
            raise InvalidValue("trace", "needs a source MAC for a frame from the network", "give --src")
        src = MacAddress.parse(options.src) if options.src else port.mac
        dst = MacAddress.parse(options.dst) if options.dst else BROADCAST
        tag = b"" if options.vlan is None else b"\x81\x00" + options.vlan.to_bytes(2, "big")
        kind = 0x0800 if options.type is None else options.type
        ethertype: bytes = kind.to_bytes(2, "big")
        return (dst.octets + src.octets + tag + ethertype).ljust(options.size or 60, b"\0")

    async def _show(self, words: list[str]) -> str:
        name = view_of(words)
        if not name:
            known = ", ".join([*VIEWS, *ALIASES])
            raise InvalidValue(f"show {' '.join(words)}", "is not known on a host", f"choose from {known}")
        return await view(self._agent, name, time.monotonic())

    async def _drops(self, port: str, last_only: bool) -> str:
        lports = [self._lport(port)] if port else None
        last, now = await self._agent.datapath.last_drops(lports), time.monotonic()
        if last_only:
            return "".join(text.last_drop(drop, self._name, now) for drop in last)
        return text.counted_drops(await self._agent.datapath.counters(lports), last, self._name, now)


class _Heap:
    """At most so much text per period.  Pure but for being told the time."""

    def __init__(self) -> None:
        self._until, self._room, self._left_out = 0.0, LIVE_LIMIT, 0

    def add(self, text: str, now: float) -> str:
        """What is to be shown of it, now."""
        told = ""
        if now >= self._until:
            told, self._until, self._room = self.rest(), now + LIVE_PERIOD, LIVE_LIMIT
        if len(text) > self._room:
            self._left_out += 1
            return told
        self._room -= len(text)
        return told + text

    def rest(self) -> str:
        """What is still to be said."""
        count, self._left_out = self._left_out, 0
        return f"({count} frames left out: more than can be shown)\n" if count else ""


def _is_endless(words: Sequence[str]) -> bool:
    bounds = ("--count", "--seconds")
    return words[:1] == ["capture"] and not any(word.startswith(bounds) for word in words)
