"""A light guest: one process with one or more NICs on wires, asked to ping and to send streams by its control socket.

The shell around physical/stack.py: sockets, clock and the commands of docs/lab.md.  A paused guest neither reads nor
sends and its clock stands still, as a virtual machine's does while a hypervisor moves it.  It costs one system call
and some 30 µs of Python per frame: thousands of frames a second, not more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Interface

from dvswitch import logs
from dvswitch.errors import Conflict, DvsError, InvalidValue, NotFound
from dvswitch.mac import MacAddress
from dvswitch.vlan import check_vlan
from physical import control
from physical.options import parse_pairs
from physical.stack import Nic, Ping, Stack
from physical.stream import Sender
from physical.wire import MAX_FRAME, Wire, open_wire, remove_path

RETRY = 0.0005
"""Seconds until a frame is tried again after the receiver's queue was full."""
QUEUE = 1024
"""Frames kept for a receiver whose queue is full."""
_READ_BATCH = 64


@dataclass(frozen=True, slots=True)
class NicOption:
    """What --nic says."""

    index: int
    nic: Nic
    wire: Wire

    @classmethod
    def parse(cls, text: str) -> NicOption:
        """Read "0,mac=52:54:00:00:00:01,ip=10.0.0.1/24,wire=LOCAL>REMOTE[,vlan=10]"."""
        index, pairs = parse_pairs("nic", text, required=("mac", "ip", "wire"), optional=("vlan",))
        vlan = pairs.get("vlan", "0")
        if not vlan.isdecimal():
            raise InvalidValue(f"nic {index}", f"vlan '{vlan}' is no number")
        try:
            address = IPv4Interface(pairs["ip"])
        except ValueError as error:
            raise InvalidValue(f"nic {index}", f"ip {error}", "write it as 10.0.0.1/24") from None
        nic = Nic(MacAddress.station(pairs["mac"]), address, check_vlan(int(vlan), f"nic {index}", lowest=0))
        return cls(index, nic, Wire.parse(pairs["wire"]))


class Clock:
    """The guest's time: stands still while paused."""

    def __init__(self) -> None:
        self._behind = 0.0
        self._stopped_at: float | None = None

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._stopped_at is not None

    def now(self) -> float:
        """Seconds of guest time."""
        return (self._stopped_at or time.monotonic()) - self._behind

    def pause(self) -> None:
        """Stop; idempotent."""
        self._stopped_at = self._stopped_at or time.monotonic()

    def resume(self) -> None:
        """Go on from where it stopped; idempotent."""
        if self._stopped_at is not None:
            self._behind += time.monotonic() - self._stopped_at
            self._stopped_at = None

    def to_monotonic(self, guest_time: float) -> float:
        """The machine's monotonic time of a guest time since the last resume."""
        return guest_time + self._behind


class NicPort:
    """A stack on its wire."""

    def __init__(self, nic: Nic, wire: Wire, clock: Clock, changed: Callable[[], None]) -> None:
        self.stack = Stack(nic)
        self.wire = wire
        self.tx_lost = 0
        """Frames nobody took: no one listens at the other end, or its queue stayed full."""
        self._clock = clock
        self._changed = changed
        self._socket: socket.socket | None = None
        self._queue: deque[bytes] = deque()
        self._retry: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Plug in."""
        self._socket = open_wire(self.wire)
        if not self._clock.paused:
            self.listen()

    def close(self) -> None:
        """Unplug; frames not yet read or sent are lost."""
        if self._socket is not None:
            self._let_go()
            remove_path(self.wire)

    def replug(self, wire: Wire) -> None:
        """Move to another wire; stays on the old one when the new one can't be opened."""
        fresh = open_wire(wire)
        old = self.wire
        self._let_go()
        if old.local != wire.local:
            remove_path(old)
        self.wire, self._socket = wire, fresh
        if not self._clock.paused:
            self.listen()

    def _let_go(self) -> None:
        if self._socket is not None:
            self.deafen()
            self._socket.close()
        if self._retry is not None:
            self._retry.cancel()
        self.tx_lost += len(self._queue)
        self._queue.clear()
        self._socket, self._retry = None, None

    def listen(self) -> None:
        """Read frames as they come."""
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def deafen(self) -> None:
        """Leave frames where they are."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)

    def send(self, frames: Iterable[bytes]) -> None:
        """Put frames on the wire, behind those that wait for room."""
        for frame in frames:
            if len(self._queue) < QUEUE:
                self._queue.append(frame)
            else:
                self.tx_lost += 1
        self._flush()

    def _flush(self) -> None:
        while self._queue and self._retry is None and not self._clock.paused:
            if not self._transmit(self._queue[0]):
                self._retry = asyncio.get_running_loop().call_later(RETRY, self._again)
                return
            self._queue.popleft()

    def _again(self) -> None:
        self._retry = None
        self._flush()

    def _transmit(self, frame: bytes) -> bool:
        """False: the receiver's queue is full, try again."""
        try:
            if self._socket is not None:
                self._socket.sendto(frame, self.wire.remote.address)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self.tx_lost += 1  # like a cable that is not plugged in at the other end
        return True

    def drain(self) -> None:
        """Take in what has arrived."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_READ_BATCH):
                if self._socket is None:
                    return
                self.send(self.stack.receive(self._socket.recv(MAX_FRAME), self._clock.now()))

    def _readable(self) -> None:
        self.drain()
        self._changed()


class Guest:
    """NICs, clock, and what can be asked of them."""

    def __init__(self, name: str, nics: Sequence[NicOption]) -> None:
        self.name = name
        self.clock = Clock()
        self.ports = {option.index: NicPort(option.nic, option.wire, self.clock, self._wake) for option in nics}
        self.stopped = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._finished: dict[int, asyncio.Future[None]] = {}

    def open(self) -> None:
        """Plug in all NICs and announce them."""
        for port in self.ports.values():
            port.open()
            port.send(port.stack.announce())

    def close(self) -> None:
        """Unplug everything."""
        if self._timer is not None:
            self._timer.cancel()
        for port in self.ports.values():
            port.close()

    def commands(self) -> dict[str, control.Handler]:
        """The table of what the control socket takes."""
        return {
            "ping": self._ping,
            "probe": self._probe,
            "stream": self._stream,
            "sent": self._sent,
            "stop": self._stop,
            "report": self._report,
            "counters": self._counters,
            "announce": self._announce,
            "pause": self._pause,
            "resume": self._resume,
            "replug": self._replug,
            "quit": self._quit,
        }

    # --- time -----------------------------------------------------------------------------------------------
    def _wake(self) -> None:
        """Do what is due, then sleep until the next thing is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.clock.paused:
            return
        now = self.clock.now()
        for port in self.ports.values():
            port.send(port.stack.poll(now))
            for ping in [p for p in port.stack.pings.values() if p.done]:
                self._finish(ping)
        timers = [t for t in (port.stack.timer() for port in self.ports.values()) if t is not None]
        if timers:
            delay = max(0.0, min(timers) - self.clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _finish(self, ping: Ping) -> None:
        future = self._finished.pop(id(ping), None)
        if future is not None and not future.done():
            future.set_result(None)

    async def _run(self, port: NicPort, ping: Ping) -> None:
        self._finished[id(ping)] = asyncio.get_running_loop().create_future()
        future = self._finished[id(ping)]
        self._wake()
        try:
            await future
        finally:
            port.stack.pings.pop(ping.ident, None)
            self._finished.pop(id(ping), None)

    # --- commands -------------------------------------------------------------------------------------------
    async def _ping(self, arguments: control.Arguments) -> control.Reply:
        target = _address(arguments.text("to"))
        count, interval = arguments.integer("count", 3), arguments.number("interval", 0.02)
        timeout = arguments.number("timeout", 0.5)
        arguments.end()
        _check_range("ping", count=(count, 1, 60_000), interval=(interval, 0.001, 60), timeout=(timeout, 0.001, 60))
        port = self._towards(target)
        ping = port.stack.start_ping(target, self.clock.now(), count, interval, timeout)
        await self._run(port, ping)
        return {
            "sent": ping.sent,
            "received": ping.received,
            "duplicates": ping.duplicates,
            "round_trip": sum(ping.round_trips) / len(ping.round_trips) if ping.round_trips else None,
        }

    async def _probe(self, arguments: control.Arguments) -> control.Reply:
        target = _address(arguments.text("to"))
        interval, timeout = arguments.number("interval", 0.002), arguments.number("timeout", 5.0)
        arguments.end()
        _check_range("probe", interval=(interval, 0.001, 60), timeout=(timeout, 0.01, 60))
        port = self._towards(target)
        count = max(1, min(60_000, int(timeout / interval)))
        ping = port.stack.start_ping(target, self.clock.now(), count, interval, timeout=0.5)
        ping.until_reply = True
        await self._run(port, ping)
        reached = None if ping.first_reply_at is None else self.clock.to_monotonic(ping.first_reply_at)
        return {"sent": ping.sent, "reached_at": reached}

    async def _stream(self, arguments: control.Arguments) -> control.Reply:
        target, number = _address(arguments.text("to")), arguments.integer("stream")
        rate, count = arguments.number("rate", 500.0), arguments.integer("count", 0)
        arguments.end()
        _check_range("stream", stream=(number, 0, 0xFFFFFFFF), count=(count, 0, 1 << 40))
        if any(number in port.stack.senders for port in self.ports.values()):
            raise Conflict(f"stream {number}", "is being sent already", "choose another number")
        self._towards(target).stack.start_stream(target, self.clock.now(), number, rate, count)
        self._wake()
        return {"stream": number}

    async def _sent(self, arguments: control.Arguments) -> control.Reply:
        number = arguments.integer("stream")
        arguments.end()
        return {"sent": self._sender(number).sent}

    async def _stop(self, arguments: control.Arguments) -> control.Reply:
        number = arguments.integer("stream")
        arguments.end()
        sender = self._sender(number)
        sender.stopped = True
        self._wake()
        return {"sent": sender.sent}

    def _sender(self, number: int) -> Sender:
        for port in self.ports.values():
            if number in port.stack.senders:
                return port.stack.senders[number][1]
        raise NotFound(f"stream {number}", "is not being sent", "it may have ended")

    async def _report(self, arguments: control.Arguments) -> control.Reply:
        source, number = _address(arguments.text("source")), arguments.integer("stream")
        sent = arguments.integer("sent", -1)
        arguments.end()
        for port in self.ports.values():
            receiver = port.stack.receivers.get((source, number))
            if receiver is not None:
                return asdict(receiver.report(sent if sent >= 0 else None))
        return {"received": 0, "lost": max(sent, 0), "duplicates": 0, "reordered": 0, "longest_gap": 0.0}

    async def _counters(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        return {
            "name": self.name,
            "paused": self.clock.paused,
            "nics": {str(index): self._nic_counters(port) for index, port in self.ports.items()},
        }

    def _nic_counters(self, port: NicPort) -> dict[str, object]:
        return {
            "mac": str(port.stack.nic.mac),
            "ip": str(port.stack.nic.address),
            "vlan": port.stack.nic.vlan,
            "wire": str(port.wire),
            **asdict(port.stack.counters),
            "tx_lost": port.tx_lost,
            "unresolved": port.stack.unresolved,
            "asking": port.stack.asking,
        }

    async def _announce(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        for port in self.ports.values():
            port.send(port.stack.announce())
        return {}

    async def _pause(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        for port in self.ports.values():
            port.drain()
            port.deafen()
        self.clock.pause()
        return {}

    async def _resume(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        self.clock.resume()
        for port in self.ports.values():
            port.listen()
            port.send([])
        self._wake()
        return {}

    async def _replug(self, arguments: control.Arguments) -> control.Reply:
        wire, index = Wire.parse(arguments.text("wire")), arguments.integer("nic", 0)
        announce = arguments.flag("announce")
        arguments.end()
        port = self.ports.get(index)
        if port is None:
            raise NotFound(f"nic {index}", f"guest {self.name} has none", f"it has {', '.join(map(str, self.ports))}")
        port.replug(wire)
        if announce:
            port.send(port.stack.announce())
        return {}

    async def _quit(self, arguments: control.Arguments) -> control.Reply:
        arguments.end()
        self.stopped.set()
        return {}

    def _towards(self, target: IPv4Address) -> NicPort:
        for port in self.ports.values():
            if target in port.stack.nic.address.network:
                return port
        raise InvalidValue(f"address {target}", f"is in no network of guest {self.name}")


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise InvalidValue(f"address '{text}'", "is no IPv4 address", "write it as 10.0.0.1") from None


def _check_range(subject: str, **values: tuple[float, float, float]) -> None:
    for name, (value, lowest, highest) in values.items():
        if not lowest <= value <= highest:
            raise InvalidValue(subject, f"{name} {value:g} is out of range {lowest:g}-{highest:g}")


async def serve(name: str, nics: Sequence[NicOption], socket_path: str) -> None:
    """Be a guest until told to quit, or SIGTERM or SIGINT."""
    guest = Guest(name, nics)
    server = control.Server(socket_path, guest.commands())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, guest.stopped.set)
    try:
        guest.open()
        await server.start()
        await guest.stopped.wait()
    finally:
        guest.close()
        await server.stop()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `dvs guest run`."""
    parser.add_argument("--name", required=True, help="what people call it")
    parser.add_argument(
        "--nic",
        action="append",
        required=True,
        metavar="N,mac=MAC,ip=A.B.C.D/LEN,wire=LOCAL>REMOTE[,vlan=V]",
        help="a NIC on a wire (each end unix:/path or udp:address:port); vlan: the guest tags its frames; repeatable",
    )
    parser.add_argument("--socket", required=True, metavar="PATH", help="control socket to listen on")


def run(options: argparse.Namespace) -> int:
    """`dvs guest run`."""
    logs.set_up("info")
    nics = [NicOption.parse(text) for text in options.nic]
    if len({option.index for option in nics}) != len(nics):
        raise DvsError("guest", "two NICs have the same number", "number them 0, 1, 2 …")
    asyncio.run(serve(options.name, nics, options.socket))
    return 0
