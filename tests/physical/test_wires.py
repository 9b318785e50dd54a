"""Wires, cables, options and the control protocol: what is accepted, what is refused, and that a cut stops frames."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch.errors import DvsError, InvalidValue, Unavailable
from physical import control
from physical.cable import Cable
from physical.guest import NicOption
from physical.options import parse_pairs
from physical.switch import PortConfig
from physical.wire import MAX_PATH, Wire, WireEnd, open_wire, remove_path


@pytest.fixture
def room() -> Iterator[Path]:
    """A directory with a short name: socket paths are limited."""
    with tempfile.TemporaryDirectory(prefix="dvs-", dir="/tmp") as directory:
        yield Path(directory)


@pytest.mark.parametrize(
    "text", ["unix:/tmp/a", "udp:127.0.0.1:4000", "unix:relative", f"unix:/{'x' * (MAX_PATH - 1)}"]
)
def test_wire_ends_are_read_and_written(text: str) -> None:
    assert str(WireEnd.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "unix:", "tcp:1.2.3.4:5", "udp:host:5", "udp:1.2.3.4", "udp:1.2.3.4:65536", f"unix:/{'x' * MAX_PATH}"]
)
def test_malformed_wire_ends_are_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        WireEnd.parse(text)
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["unix:/a", "unix:/a>udp:127.0.0.1:4000", "unix:/a>"])
def test_malformed_wires_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        Wire.parse(text)


def received(opened: socket.socket) -> bytes | None:
    try:
        return opened.recv(2048)
    except BlockingIOError:
        return None


def test_a_cable_carries_both_ways_until_cut_and_after_mending(room: Path) -> None:
    cable = Cable(room, "one")
    a, b = (open_wire(cable.end(end)) for end in "ab")
    to_b, to_a = (cable.end(end).remote.address for end in "ab")
    a.sendto(b"from a", to_b)
    b.sendto(b"from b", to_a)
    assert (received(b), received(a)) == (b"from a", b"from b")
    cable.cut()
    cable.cut()
    assert cable.is_cut
    for sender, address in ((a, to_b), (b, to_a)):
        with pytest.raises(OSError):
            sender.sendto(b"into nowhere", address)
    b.close()
    b = open_wire(cable.end("b"))  # plugged in anew while cut
    with pytest.raises(OSError):
        a.sendto(b"into nowhere", to_b)
    cable.mend()
    a.sendto(b"again", to_b)
    assert (received(b), received(a), cable.is_cut) == (b"again", None, False)
    for opened, end in ((a, "a"), (b, "b")):
        opened.close()
        remove_path(cable.end(end))
    cable.remove()
    assert list(room.iterdir()) == []


def test_a_path_left_behind_is_taken_over_and_a_missing_directory_is_named(room: Path) -> None:
    wire = Wire.parse(f"unix:{room}/a>unix:{room}/b")
    open_wire(wire).close()
    open_wire(wire).close()
    with pytest.raises(Unavailable, match="missing"):
        open_wire(Wire.parse(f"unix:{room}/missing/a>unix:{room}/b"))


def test_options_hold_commas() -> None:
    assert parse_pairs("port", "3,allowed=1,10-20,mode=trunk", ("mode",), ("allowed",)) == (
        3,
        {"allowed": "1,10-20", "mode": "trunk"},
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("wire=unix:/a>unix:/b", "does not begin"),
        ("1", "needs either 'wire' or 'device'"),
        ("1,wire=unix:/a>unix:/b,wire=unix:/c>unix:/d", "twice"),
        ("1,colour=red,wire=unix:/a>unix:/b", "'colour' is unknown"),
        ("1,red", "'red' is no key=value"),
        ("0,wire=unix:/a>unix:/b", "out of range 1-48"),
        ("49,wire=unix:/a>unix:/b", "out of range 1-48"),
        ("1,wire=unix:/a>unix:/b,mode=hybrid", "hybrid"),
        ("1,wire=unix:/a>unix:/b,vlan=4095", "4095"),
        ("1,wire=unix:/a>unix:/b,vlan=ten", "ten"),
        ("1,wire=unix:/a>unix:/b,mode=trunk,vlan=10", "does not go with mode trunk"),
        ("1,wire=unix:/a>unix:/b,native=10", "does not go with mode access"),
        ("1,wire=unix:/a>unix:/b,mode=trunk,allowed=5-3", "backwards"),
    ],
)
def test_malformed_ports_are_refused(text: str, named: str) -> None:
    with pytest.raises(InvalidValue, match=named):
        PortConfig.parse(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("0,mac=01:00:00:00:00:01,ip=10.0.0.1/24,wire=unix:/a>unix:/b", "NIC"),
        ("0,mac=52:54:00:00:00:01,ip=10.0.0.300/24,wire=unix:/a>unix:/b", "10.0.0.300"),
        ("0,mac=52:54:00:00:00:01,ip=10.0.0.1/24,wire=unix:/a>unix:/b,vlan=4095", "4095"),
        ("0,mac=52:54:00:00:00:01,ip=10.0.0.1/24", "wire"),
    ],
)
def test_malformed_nics_are_refused(text: str, named: str) -> None:
    with pytest.raises(DvsError, match=named):
        NicOption.parse(text)


def names(directory: Path) -> list[str]:
    return os.listdir(directory)


class Echo:
    """A server that tells what it was asked."""

    def commands(self) -> dict[str, control.Handler]:
        return {"add": self.add, "fail": self.fail}

    async def add(self, arguments: control.Arguments) -> control.Reply:
        total = arguments.integer("a") + arguments.integer("b", 1)
        arguments.end()
        return {"total": total}

    async def fail(self, arguments: control.Arguments) -> control.Reply:
        raise ZeroDivisionError("on purpose")


async def ask(path: str, *lines: bytes) -> list[dict[str, object]]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"".join(line + b"\n" for line in lines))
    answers = [json.loads(await reader.readline()) for _ in lines]
    writer.close()
    return answers


async def test_requests_are_answered_in_order_and_refused_by_name(room: Path) -> None:
    server = control.Server(f"{room}/ctl", Echo().commands())
    await server.start()
    good, default, unknown, wrong, extra, garbage, listed, broken, after = await ask(
        f"{room}/ctl",
        b'{"command": "add", "a": 2, "b": 3}',
        b'{"command": "add", "a": 2}',
        b'{"command": "explode"}',
        b'{"command": "add", "a": true}',
        b'{"command": "add", "a": 1, "c": 1}',
        b"\xff{",
        b"[1]",
        b'{"command": "fail"}',
        b'{"command": "add", "a": 1}',
    )
    await server.stop()
    assert good == {"ok": True, "total": 5}
    assert default == after | {"total": 3}
    for answer, text in ((unknown, "explode"), (wrong, "'a'"), (extra, "'c'"), (garbage, "line"), (listed, "line")):
        assert answer["ok"] is False and text in str(answer["error"])
    assert "on purpose" in str(broken["error"])
    assert names(room) == []


async def test_the_client_names_who_does_not_answer(room: Path) -> None:
    client = control.Client(f"{room}/nobody", "guest web1")
    with pytest.raises(Unavailable, match="guest web1"):
        client.call("add", a=1)
    server = control.Server(f"{room}/ctl", Echo().commands())
    await server.start()
    with control.Client(f"{room}/ctl", "guest web1") as asking:
        assert (await asyncio.to_thread(asking.call, "add", a=1))["total"] == 2
        with pytest.raises(DvsError, match="guest web1: command 'explode'"):
            await asyncio.to_thread(asking.call, "explode")
    await server.stop()


@given(st.binary(max_size=80).filter(lambda data: b"\n" not in data))
def test_any_line_gets_an_answer(line: bytes) -> None:
    server = control.Server("unused", Echo().commands())
    answer = asyncio.run(server._answer(line))
    assert answer["ok"] is False
