"""Addresses that move, or that two have: from frames on a host to `show logging` on the supervisor."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dvswitch.mac import MacAddress
from tests.support.fabric import UPLINK_PROFILE, Fabric, Host, home, wire
from tests.support.processes import wait_until
from vem.agent.mac_moves import MAX_TOLD, QUIET, MacMoves
from vem.datapath.image import Counters, LearnedMac, Port
from vsm.fabric.mac_moves import MacMoves as BetweenModules
from vsm.runtime import MacRow

pytestmark = pytest.mark.slow

NESTED = bytes.fromhex("020000004001")
PROFILE = """\
vlan 10
port-profile type vethernet nested
  switchport access vlan 10
  security forged-transmits accept
  mac-learning enable
  no shutdown
  state enabled
"""


def mac(number: int) -> MacAddress:
    return MacAddress(b"\x02\x00\x00\x00\x50" + bytes([number]))


def learned(*places: tuple[int, int]) -> list[LearnedMac]:
    return [LearnedMac(mac(number), 10, lport, 0.0) for number, lport in places]


PORTS = {lport: Port(1, lport, mac(100 + lport), lport) for lport in (1, 2, 3)}


def moves(*counts: int) -> dict[int, Counters]:
    return {lport: Counters(mac_moves=count) for lport, count in enumerate(counts, start=1)}


@pytest.mark.rules("S-072")
def test_a_move_is_told_once_a_minute() -> None:
    watch = MacMoves(lambda lport: f"Veth{lport}")
    assert watch.look(PORTS, learned((1, 1)), moves(0, 0), 0.0) == []
    (event,) = watch.look(PORTS, learned((1, 2)), moves(0, 3), 1.0)
    assert (event.kind, event.object, event.veth) == ("mac_move", "vethernet 2", 2)
    assert event.text == f"{mac(1)} in vlan 10 moved from Veth1 to Veth2 (3 moves to that port)."
    assert watch.look(PORTS, learned((1, 1)), moves(1, 3), 2.0) == [], "not again so soon"
    assert len(watch.look(PORTS, learned((1, 2)), moves(1, 4), 1.0 + QUIET)) == 1


@pytest.mark.rules("S-072")
def test_what_came_back_between_two_looks_is_seen_by_the_counters() -> None:
    watch = MacMoves(lambda lport: f"Veth{lport}")
    watch.look(PORTS, learned((1, 1)), moves(7, 7), 0.0)
    (first, second) = watch.look(PORTS, learned((1, 1)), moves(9, 8), 1.0)
    assert first.text == "2 times a learned address came to Veth1 from another port."
    assert second.text == "1 times a learned address came to Veth2 from another port."
    assert watch.look(PORTS, learned((1, 1)), moves(20, 20), 2.0) == []


def test_a_flood_of_moves_is_a_few_lines() -> None:
    watch = MacMoves(lambda lport: f"Veth{lport}")
    watch.look(PORTS, learned(*((n, 1) for n in range(90))), moves(0, 0), 0.0)
    events = watch.look(PORTS, learned(*((n, 2) for n in range(90))), moves(0, 90), 1.0)
    assert len(events) == MAX_TOLD + 1 and "85 more addresses" in events[-1].text


def test_between_modules() -> None:
    def row(slot: int, veth: int, age: int = 0) -> MacRow:
        return MacRow(10, mac(1), False, age, f"Vethernet{veth}", slot)

    watch = BetweenModules()
    assert watch.reported(3, [row(3, 1)], 0.0) == []
    (news,) = watch.reported(4, [row(4, 2)], 1.0)
    assert (news.kind, news.what, news.object, news.veth) == ("host", "mac_move", "vethernet 2", 2)
    assert news.text == f"{mac(1)} in vlan 10 moved from Vethernet1 on module 3 to Vethernet2 on module 4."
    assert watch.reported(4, [row(4, 2)], 2.0) == [], "nothing new"
    watch.gone(4)
    assert watch.reported(4, [row(4, 2)], 3.0) == [], "told already"
    watch.gone(4)
    assert watch.reported(4, [row(4, 2, age=50)], 2.0 + QUIET) == [], "an old entry of a module that came back"
    watch.gone(4)
    assert len(watch.reported(4, [row(4, 2)], 3.0 + QUIET)) == 1
    assert BetweenModules().reported(3, [row(3, 1)], 0.0) == []
    migrated = BetweenModules()
    migrated.reported(3, [row(3, 1)], 0.0)
    assert migrated.reported(4, [row(4, 1)], 1.0) == [], "the same vEth: it has migrated"


# --- real daemons -------------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """Two hosts; guests 0 and 1 on the first, guest 2 on the second, and the cable of the first one's uplink."""

    fabric: Fabric
    hosts: list[Host] = field(default_factory=list)
    ends: list[socket.socket] = field(default_factory=list)
    veths: list[int] = field(default_factory=list)

    def end(self, name: str) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.bind(str(self.fabric.path / name))
        made.setblocking(False)
        self.ends.append(made)
        return made

    def send(self, end: int, to: str, frame: bytes) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError, FileNotFoundError):
            self.ends[end].sendto(frame, str(self.fabric.path / to))

    def log(self) -> list[str]:
        return self.fabric.cli("show logging last 1000").splitlines()

    def told(self, pattern: str) -> list[str]:
        return [line for line in self.log() if re.search(pattern, line)]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with home() as path, Fabric(path) as fabric:
        made = Scene(fabric)
        fabric.configure(PROFILE, UPLINK_PROFILE)
        for number in range(3):
            made.end(f"g-{number}")
        made.end("net")
        made.hosts.append(fabric.add_host("alpha", "user", uplinks=[_uplink(path)]))
        made.hosts.append(fabric.add_host("beta", "user"))
        for number, host in enumerate((made.hosts[0], made.hosts[0], made.hosts[1])):
            plug = wire(path / f"s-{number}", path / f"g-{number}")
            address = f"02:00:00:00:60:0{number}"
            veth = fabric.attach_forwarding(host, f"vm{number}", mac=address, profile="nested", plug=plug)
            made.veths.append(veth)
        yield made
        for end in made.ends:
            end.close()


def _uplink(path: Path) -> str:
    return f"1,profile=UPLINK,wire=unix:{path / 'up'}>unix:{path / 'net'}"


def _broadcast(source: bytes) -> bytes:
    return b"\xff" * 6 + source + b"\x08\x00" + bytes(46)


def _rarp(source: bytes, vlan: int) -> bytes:
    body = bytes.fromhex("0001080006040003") + source + bytes(4) + source + bytes(4)
    return b"\xff" * 6 + source + b"\x81\x00" + vlan.to_bytes(2, "big") + b"\x80\x35" + body + bytes(18)


@pytest.mark.rules("S-072", "S-269")
def test_moves_and_duplicates_are_in_the_supervisors_log(scene: Scene) -> None:
    began = time.monotonic()
    name, first, second, third = MacAddress(NESTED), *scene.veths
    between_ports = f"HOST-4-MAC_MOVE: Module 3: .*(Veth{first}|Veth{second})\\b"

    def moved() -> bool:
        for guest in (0, 1):
            scene.send(guest, f"s-{guest}", _broadcast(NESTED))
        return bool(scene.told(between_ports))

    wait_until(moved, "a move between ports is in the log")
    # Between modules.
    pattern = f"HOST-4-MAC_MOVE: {name} in vlan 10 moved from Vethernet.* on module 3 to Vethernet{third} on module 4"

    def left() -> bool:
        scene.send(2, "s-2", _broadcast(NESTED))
        return bool(scene.told(pattern))

    wait_until(left, "a move between modules is in the log")
    # Somebody in the network says that he has a vNIC's own address.
    owned = bytes.fromhex("020000006000")

    def doubled() -> bool:
        scene.send(3, "up", _rarp(owned, 10))
        return bool(scene.told(f"HOST-4-DUPLICATE_MAC: Module 3: {MacAddress(owned)} of a local port"))

    wait_until(doubled, "the duplicate is in the log")
    for _ in range(50):
        for guest in range(3):
            scene.send(guest, f"s-{guest}", _broadcast(NESTED))
        scene.send(3, "up", _rarp(owned, 10))
    scene.fabric.cli("show module")
    minutes = 1 + int((time.monotonic() - began) // QUIET)
    assert len(scene.told("DUPLICATE_MAC")) <= minutes, "one line a minute and address"
    assert len(scene.told(pattern)) <= minutes and len(scene.told("MAC_MOVE")) <= 4 * minutes
