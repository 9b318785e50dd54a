"""`dvs lab` with lines from a pipe, and the other doors to a running lab."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO

import pytest

from dvswitch.errors import DvsError, InvalidValue
from physical.lab import ANSWER_PATIENCE, Lab
from physical.shell import COMMANDS, Shell, furnish, run_lab_line
from tests.support.broker import listening

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as running, redirect_stdout(StringIO()):
        furnish(running)
        yield running


def test_lines_from_a_pipe_are_carried_out_and_tell_whether_all_went_well() -> None:
    lines = "show module\nlab ping web1 web2\nlab ping web1 db1\nlab explode\nexit\nshow clock\n"
    done = subprocess.run(
        (sys.executable, "-m", "physical.dvs", "lab"), input=lines, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 1
    assert done.stderr == ""
    for text in ("vem2", "web2 answers", "db1 does not answer", "ERROR: lab explode: is unknown; choose status"):
        assert text in done.stdout


def test_a_guest_moves_there_and_back(lab: Lab) -> None:
    for host in ("vem2", "vem1"):
        assert f"runs on {host}" in run_lab_line(lab, f"lab move web1 to {host}")
        assert lab.veths()["web1"].host == host
        assert lab.ping("web1", "web2", patience=ANSWER_PATIENCE) and not lab.ping("web1", "db1")


async def test_the_labs_broker_tells_what_happens(lab: Lab) -> None:
    assert f"-p {lab.broker_port} " in run_lab_line(lab, "lab status")
    async with listening(lab.broker_port) as told:
        await told.until(lambda: told.retained.get("dvs/1/veth/1", {}).get("state") == "up", "the first guest's port")
        await asyncio.to_thread(run_lab_line, lab, "lab move web1 to vem2")
        await told.until(lambda: "done" in [event["what"] for event in told.events], "the end of the migration")
        await asyncio.to_thread(run_lab_line, lab, "lab move web1 to vem1")


def test_a_refused_move_leaves_the_guest_running_where_it_is(lab: Lab) -> None:
    with pytest.raises(DvsError):
        lab.move("web1", "vem1")
    with pytest.raises(DvsError, match="vem9"):
        lab.move("web1", "vem9")
    assert lab.ping("web1", "web2", patience=ANSWER_PATIENCE)
    assert lab.guest("web1").host == "vem1"


def test_a_cut_cable_parts_the_hosts_until_it_is_mended(lab: Lab) -> None:
    run_lab_line(lab, "lab cut vem1")
    assert run_lab_line(lab, "lab ping web1 web2") == "web2 does not answer"
    run_lab_line(lab, "lab mend vem1")
    assert run_lab_line(lab, "lab ping web1 web2") == "web2 answers"


def test_processes_die_and_return(lab: Lab) -> None:
    run_lab_line(lab, "lab kill vsm")
    assert run_lab_line(lab, "lab ping web1 web2") == "web2 answers"
    output = StringIO()
    with redirect_stdout(output):
        assert not Shell(lab)._one("show module")
    assert "lab start vsm" in output.getvalue()
    run_lab_line(lab, "lab start vsm")
    lab.processes.wait("hosts are in sync", lab.in_sync)
    for name in ("sw1", "vem2"):
        run_lab_line(lab, f"lab kill {name}")
        run_lab_line(lab, f"lab start {name}")
    lab.processes.wait("hosts are in sync", lab.in_sync)
    lab.processes.wait("web2 answers again", lambda: lab.ping("web1", "web2"))


def test_status_and_switch_are_shown(lab: Lab) -> None:
    status = run_lab_line(lab, "lab status")
    assert all(name in status for name in ("vsm", "vem1", "vem2", "sw1", "web1", str(lab.directory)))
    assert lab.ping("web1", "web2", patience=ANSWER_PATIENCE)
    assert lab.guest("web2").plan.mac.upper() in run_lab_line(lab, "lab switch mac-addr-table")
    assert "yes" in run_lab_line(lab, "lab reachable")
    assert all(name in run_lab_line(lab, "lab") for name in COMMANDS)


@pytest.mark.parametrize(
    "line", ["lab ping web1", "lab ping web1 nobody", "lab move web1 onto vem2", "lab switch colours", "lab cut sw9"]
)
def test_malformed_lines_are_refused(lab: Lab, line: str) -> None:
    with pytest.raises((InvalidValue, DvsError)):
        run_lab_line(lab, line)


def test_completion_knows_the_labs_words_and_the_supervisors(lab: Lab) -> None:
    shell = Shell(lab)
    assert {"move", "ping"} <= {word for word, _ in shell.complete("lab ")}
    assert "lab" in {word for word, _ in shell.complete("")}
    assert "module" in {word for word, _ in shell.complete("show ")}


def test_the_other_commands_reach_the_lab(lab: Lab) -> None:
    address = lab.address("vsm")
    dvs = (sys.executable, "-m", "physical.dvs")
    shown = subprocess.run((*dvs, "exec", "--vsm", address, "show module"), capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0 and "vem1" in shown.stdout
    shown = subprocess.run(
        (*dvs, "cli", "--vsm", address), input="show module\n", capture_output=True, text=True, timeout=120
    )
    assert shown.returncode == 0 and "vem1" in shown.stdout
    socket = str(lab.directory / "web1.ctl")
    asked = subprocess.run(
        (*dvs, "guest", "call", "--socket", socket, "ping", "to=10.0.0.2", "count=2"),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert asked.returncode == 0 and '"received": 2' in asked.stdout
    refused = subprocess.run(
        (*dvs, "guest", "call", "--socket", socket, "ping", "to=nowhere"), capture_output=True, text=True, timeout=120
    )
    assert refused.returncode == 1 and "nowhere" in refused.stderr
