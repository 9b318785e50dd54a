"""What the supervisor tells of its machine: averages of the load, and the NIC behind mgmt0."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from dvswitch.errors import Unavailable
from tests.support.switches import Terminal, machine
from vsm.machine import SAMPLE_S, Machine, primary_address

STAT = "cpu  {0} 0 {1} {2} 0 0 {3} 0 0 0\ncpu0 {0} 0 {1} {2} 0 0 {3} 0 0 0\n"


@pytest.fixture
def copied(tmp_path: Path) -> Machine:
    """A machine whose files may be changed."""
    known = machine()
    shutil.copytree(known.proc.parent, tmp_path / "machine")
    return Machine(tmp_path / "machine" / "proc", tmp_path / "machine" / "sys", known.address_of)


def put(machine: Machine, user: int, kernel: int, idle: int, interrupts: int) -> None:
    (machine.proc / "stat").write_text(STAT.format(user, kernel, idle, interrupts))


def test_load_is_that_since_the_sample_before(copied: Machine) -> None:
    """Half busy for five minutes, then all busy for the last five seconds, a tenth of that in interrupts."""
    busy = 0
    for second in range(0, 301, int(SAMPLE_S)):
        busy = second * 50
        put(copied, busy, 0, busy, 0)
        copied.sample(1000.0 + second)
    put(copied, busy + 400, 50, busy, 50)
    load = copied.load(1305.0)
    assert round(load.five_seconds.busy) == 100 and round(load.five_seconds.interrupts) == 10
    assert round(load.one_minute.busy) == 54 and round(load.five_minutes.busy) == 51
    assert [round(core.idle) for core in load.cpus] == [46]


def test_samples_older_than_the_longest_average_are_forgotten(copied: Machine) -> None:
    put(copied, 100, 0, 0, 0)
    copied.sample(0.0)
    for second in range(1, 100):
        put(copied, 100, 0, second, 0)
        copied.sample(1000.0 + second)
    put(copied, 100, 0, 100, 0)
    assert round(copied.load(1100.0).five_minutes.idle) == 100


def test_without_a_default_route_the_first_nic_with_an_address_counts(copied: Machine) -> None:
    net = copied.proc / "net"
    (net / "route").write_text((net / "route").read_text().splitlines()[0] + "\n")
    nic = copied.management()
    assert nic and nic.name == "eth0" and str(nic.address) == "192.0.2.10/24"
    alone = Machine(copied.proc, copied.sys, lambda _: None)
    assert alone.management() is None and alone.traffic("eth7").in_bytes == 0


def test_a_machine_without_a_network_has_no_address() -> None:
    terminal = Terminal()
    terminal.service._switch.machine = Machine(machine().proc, machine().sys, lambda _: None)
    assert "unassigned" in terminal.run("show ip interface brief vrf management").output
    row = json.loads(terminal.run("show ip interface vrf management | json").output)["TABLE_intf"]["ROW_intf"]
    assert row["prefix"] == "" and row["intf-name"] == "mgmt0"


def test_a_link_that_is_down(copied: Machine) -> None:
    (copied.sys / "class" / "net" / "eth0" / "operstate").write_text("down\n")
    terminal = Terminal()
    terminal.service._switch.machine = copied
    assert "protocol-down/link-down/admin-up" in terminal.run("show ip interface vrf all").output


def test_a_machine_that_does_not_tell_is_named(tmp_path: Path) -> None:
    terminal = Terminal()
    terminal.service._switch.machine = Machine(tmp_path, tmp_path)
    for line in ("show processes cpu", "show processes memory", "show system resources"):
        reply = terminal.run(line)
        assert not reply.ok and reply.output.startswith("ERROR: the supervisor's machine: does not tell"), line
    assert "(the supervisor's machine: does not tell" in terminal.run("show tech-support").output
    with pytest.raises(Unavailable):
        Machine(tmp_path).sample(0.0)


def test_this_very_machine() -> None:
    """Whatever machine the tests run on."""
    here = Machine()
    here.sample(1.0)
    load, process = here.load(10.0), here.process()
    assert 0 <= load.five_seconds.busy <= 100 and load.cpus and process.used > 1 << 20 and process.runtime_ms > 0
    assert primary_address("lo") in (IPv4Interface("127.0.0.1/8"), None) and primary_address("nothing-there") is None
    nic = here.management()
    assert nic is None or replace(nic, name="lo") != nic
