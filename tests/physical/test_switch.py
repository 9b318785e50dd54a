"""The physical access switch: rows over memory ports of the real engine, and one pass over real wires.

Ports of the rows: 1 and 2 access VLAN 10, 3 access VLAN 20, 4 trunk 1,10,20 native 1, 5 trunk 10,30 native 30.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dvswitch.errors import DvsError, NotFound
from dvswitch.mac import BROADCAST, MacAddress
from physical import control, vis
from physical.cable import Cable
from physical.frames import Ethernet
from physical.switch import Switch, compile_image
from physical.switch_config import Flavour, LagConfig, MirrorConfig, PortConfig, SwitchConfig
from physical.wire import open_wire
from tests.support.processes import PATIENCE, wait_until
from vem.datapath.engine import Plug
from vem.datapath.image import LearnedMac
from vem.datapath.user import UserEngine

A, B, C, D = (MacAddress.parse(f"52:54:00:00:00:0{n}") for n in "abcd")
GROUP, LLDP = MacAddress.parse("01:00:5e:00:00:01"), MacAddress.parse("01:80:c2:00:00:0e")
PORTS = ("1,mode=access,vlan=10", "2,vlan=10", "3,vlan=20")
TRUNKS = ("4,mode=trunk,allowed=1,10,20,native=1", "5,mode=trunk,allowed=10,30,native=30")


def memory_port(text: str) -> PortConfig:
    return replace(PortConfig.parse(f"{text},wire=unix:/a>unix:/b"), plug=Plug("memory"))


def make(
    engine: UserEngine,
    *ports: str,
    lags: tuple[str, ...] = (),
    mirrors: tuple[str, ...] = (),
    flavour: Flavour = Flavour.MANAGED,
) -> Switch:
    return Switch(
        engine,
        SwitchConfig.of(
            [memory_port(text) for text in ports],
            [LagConfig.parse(text) for text in lags],
            [MirrorConfig.parse(text) for text in mirrors],
            flavour,
        ),
    )


@dataclass(frozen=True)
class Bench:
    """A switch whose ports are in memory."""

    engine: UserEngine
    switch: Switch

    def send(self, port: int, frame: bytes) -> dict[int, bytes]:
        """What comes out, by port; one copy at most is right everywhere."""
        self.engine.inject(port, frame)
        out: dict[int, bytes] = {}
        for number in self.switch.ports:
            while (got := self.engine.take(number)) is not None:
                assert number not in out, f"port {number} got two copies"
                out[number] = got
        return out


@pytest.fixture
def bench() -> Iterator[Bench]:
    engine = UserEngine()
    try:
        yield Bench(engine, make(engine, *PORTS, *TRUNKS))
    finally:
        engine.close()


def frame(src: MacAddress, dst: MacAddress, vlan: int | None = None) -> bytes:
    return Ethernet(dst, src, 0x88B5, b"x" * 60, vlan).build()


# description, learned beforehand (port, frame), port in, frame in, {port out: (destination, VLAN tag)}
ROWS = [
    ("broadcast stays in its VLAN", [], 1, frame(A, BROADCAST), {2: None, 4: 10, 5: 10}),
    ("multicast floods like broadcast", [], 1, frame(A, GROUP), {2: None, 4: 10, 5: 10}),
    ("unknown unicast floods", [], 1, frame(A, B), {2: None, 4: 10, 5: 10}),
    ("known unicast goes to one port", [(2, frame(B, BROADCAST))], 1, frame(A, B), {2: None}),
    ("known behind a trunk", [(4, frame(B, BROADCAST, 10))], 1, frame(A, B), {4: 10}),
    ("known in another VLAN is unknown", [(3, frame(B, BROADCAST))], 1, frame(A, B), {2: None, 4: 10, 5: 10}),
    ("a moved address is followed", [(2, frame(B, A)), (4, frame(B, A, 10))], 1, frame(A, B), {4: 10}),
    ("no reflection to the port it came from", [(1, frame(B, BROADCAST))], 1, frame(A, B), {}),
    ("trunk to access loses the tag", [], 4, frame(A, BROADCAST, 20), {3: None}),
    ("untagged on a trunk is its native VLAN", [], 5, frame(A, BROADCAST), {}),
    ("native VLAN leaves untagged", [(5, frame(A, BROADCAST))], 5, frame(B, BROADCAST, 30), {}),
    ("trunk to trunk keeps the tag", [], 4, frame(A, BROADCAST, 10), {1: None, 2: None, 5: 10}),
    ("a VLAN that the trunk does not carry", [], 4, frame(A, BROADCAST, 30), {}),
    ("a tag on an access port", [], 1, frame(A, BROADCAST, 20), {}),
    ("an access VLAN nobody shares but the trunk", [], 3, frame(A, BROADCAST), {4: 20}),
    ("link-local control frames stop here", [], 1, frame(A, LLDP), {}),
    ("a multicast source", [], 1, frame(GROUP, BROADCAST), {}),
]


@pytest.mark.parametrize(
    ("learned", "port", "sent", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_rows(
    bench: Bench, learned: list[tuple[int, bytes]], port: int, sent: bytes, expected: dict[int, int | None]
) -> None:
    for number, known in learned:
        bench.send(number, known)
    out = bench.send(port, sent)
    dst, src = MacAddress(sent[:6]), MacAddress(sent[6:12])
    assert out == {number: frame(src, dst, vlan) for number, vlan in expected.items()}
    for number, found in bench.switch.counters().items():
        assert found.rx_frames == found.rx_forwarded + sum(found.drops_in.values()), f"port {number}"


def test_native_vlans_of_two_trunks_meet() -> None:
    engine = UserEngine()
    try:
        ports = ["1,mode=trunk,allowed=30,native=30", "2,mode=trunk,allowed=30,native=1", "3,vlan=30"]
        bench = Bench(engine, make(engine, *ports))
        assert bench.send(1, frame(A, BROADCAST)) == {2: frame(A, BROADCAST, 30), 3: frame(A, BROADCAST)}
        assert bench.send(2, frame(B, BROADCAST, 30)) == {1: frame(B, BROADCAST), 3: frame(B, BROADCAST)}
        assert bench.send(2, frame(B, BROADCAST)) == {}
    finally:
        engine.close()


def test_a_trunk_may_carry_everything() -> None:
    image = compile_image(SwitchConfig.of([memory_port("1,mode=trunk"), memory_port("2,vlan=7")]), {})
    assert len(image.members) == 4094
    assert image.members == image.unknown_members
    assert (image.members[7], image.members[4094]) == ((1, 2), (1,))


def test_the_mac_table_tells_vlan_and_port_and_ages(bench: Bench) -> None:
    bench.send(1, frame(A, BROADCAST))
    bench.send(4, frame(B, BROADCAST, 20))
    assert [(entry.vlan, entry.mac, entry.lport) for entry in bench.switch.macs()] == [(10, A, 1), (20, B, 4)]
    assert bench.switch.age() == 0
    bench.switch.flush()
    assert bench.switch.macs() == []
    bench.send(2, frame(A, BROADCAST))
    assert [entry.lport for entry in bench.switch.macs()] == [2]


def test_only_silent_addresses_are_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    young, old = LearnedMac(A, 10, 1, age=299.0), LearnedMac(B, 10, 2, age=300.0)
    forgotten: list[LearnedMac] = []
    monkeypatch.setattr(bench.engine, "learned", lambda: [young, old])
    monkeypatch.setattr(bench.engine, "forget", forgotten.extend)
    assert bench.switch.age() == 1
    assert forgotten == [old]


def test_a_port_that_is_shut_down_is_silent_and_forgotten(bench: Bench) -> None:
    bench.send(2, frame(B, BROADCAST))
    bench.switch.set_shutdown(2, True)
    assert bench.send(2, frame(B, BROADCAST)) == {}
    assert bench.send(1, frame(A, B)) == {4: frame(A, B, 10), 5: frame(A, B, 10)}
    bench.switch.set_shutdown(2, False)
    bench.send(2, frame(B, BROADCAST))
    assert bench.send(1, frame(A, B)) == {2: frame(A, B)}
    with pytest.raises(NotFound, match="port 9"):
        bench.switch.set_shutdown(9, True)


def test_a_port_said_twice_is_refused() -> None:
    engine = UserEngine()
    try:
        with pytest.raises(DvsError, match="port 1"):
            make(engine, "1", "1,vlan=2")
    finally:
        engine.close()


# ---- the process on real wires


@pytest.fixture
def room() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dvs-", dir="/tmp") as directory:
        yield Path(directory)


def receive(opened: socket.socket, patience: float) -> bytes | None:
    ready, _, _ = select.select([opened], [], [], patience)
    return opened.recv(2048) if ready else None


@pytest.mark.slow
def test_the_process_switches_answers_and_ends(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cables = [Cable(room, f"c{n}") for n in (1, 2)]
    ports = [f"--port={n},vlan=10,wire={cable.end('b')}" for n, cable in enumerate(cables, 1)]
    ctl = f"{room}/sw.ctl"
    process = subprocess.Popen([sys.executable, "-m", "physical.vis", "run", *ports, "--socket", ctl])
    try:
        wait_for_answer(ctl, process)
        one, two = (open_wire(cable.end("a")) for cable in cables)
        one.sendto(frame(A, BROADCAST), cables[0].end("a").remote.address)
        assert receive(two, PATIENCE) == frame(A, BROADCAST)
        cables[1].cut()
        one.sendto(frame(A, BROADCAST), cables[0].end("a").remote.address)
        await_drop(ctl)
        cables[1].mend()
        one.sendto(frame(A, BROADCAST), cables[0].end("a").remote.address)
        assert receive(two, PATIENCE) == frame(A, BROADCAST)
        assert vis.main(["show", "mac-addr-table", "--socket", ctl]) == 0
        assert f"10       {str(A).upper()}   0/1                    1        Learned" in capsys.readouterr().out
        assert vis.main(["port", "2", "shutdown", "--socket", ctl]) == 0
        assert vis.main(["show", "ports", "--socket", ctl]) == 0
        assert "2     down   access  10" in capsys.readouterr().out
        assert vis.main(["show", "counters", "--socket", ctl]) == 0
        assert "TX_ERROR=1" in capsys.readouterr().out
        assert vis.main(["clear", "--socket", ctl]) == 0
        assert vis.main(["port", "9", "shutdown", "--socket", ctl]) == 1
        assert "port 9" in capsys.readouterr().err
        one.close()
        two.close()
    finally:
        process.terminate()
        code = process.wait(PATIENCE)
    assert code == 0
    assert not os.path.exists(ctl) and not os.path.exists(cables[0].end("b").local.path)


def await_drop(path: str) -> None:
    """Until the switch has met the cut cable."""
    with control.Client(path) as client:
        wait_until(lambda: "TX_ERROR" in str(client.call("counters")), "the drop into a cut cable")


def wait_for_answer(path: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with control.Client(path) as client:
                client.call("ports")
                return
        except DvsError:
            time.sleep(0.02)
    pytest.fail("the switch does not answer")
