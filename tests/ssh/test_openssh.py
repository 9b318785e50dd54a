"""OpenSSH's own programs, as people use them."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.test_prompt import Terminal
from tests.ssh.rig import PATIENCE, Rig, openssh

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("ssh"), reason="needs OpenSSH's client"),
]


@pytest.fixture
def terminal(rig: Rig, tmp_path: Path) -> Iterator[Terminal]:
    """`ssh` on a terminal of 80 by 24, just started."""
    argv, environ = openssh(rig, "ssh", tmp_path, "-tt", "admin@127.0.0.1")
    made = Terminal(argv, environ)
    yield made
    made.close()


async def test_a_session_on_a_terminal(rig: Rig, terminal: Terminal) -> None:
    await asyncio.to_thread(_converse, terminal)
    assert await asyncio.to_thread(terminal.wait) == 0
    assert rig.supervisor.state.config.vlans[77].name == "seven"


def _converse(terminal: Terminal) -> None:
    greeting = terminal.shows(r"vsm-a# $")
    assert "#" not in greeting.removesuffix("# ") and ">" not in greeting
    terminal.type("show port-?")
    terminal.shows(r"\r\n  port-profile +\S.*\r\nvsm-a# show port-$")
    terminal.type("p\t")
    terminal.shows(r"profile $")
    terminal.type("br\t\r")
    terminal.shows(r"WEB +Vethernet.*vsm-a# $")
    terminal.type("sh run\r")
    terminal.shows(r"--More--$")
    terminal.type(" ")
    terminal.shows(r"--More--$")
    terminal.type("q")
    terminal.shows(r"vsm-a# $")
    terminal.type("shw vlan\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Do\x05 brief\r")
    terminal.shows(r"default +active.*vsm-a# $")
    terminal.type("\x1b[A\x1b[A\r")
    terminal.shows(r"sh run.*--More--$")
    terminal.type("\x03")
    terminal.shows(r"\^C\r\nvsm-a# $")
    terminal.type("conf t\rvlan 77\rname seven\r")
    terminal.shows(r"vsm-a\(config-vlan\)# name seven\r\nvsm-a\(config-vlan\)# $")
    terminal.type("vlan x5\r")
    refused = terminal.shows(r"marker\.\r\n.*# $")
    caret = next(line for line in refused.splitlines() if line.endswith("^"))
    assert len(caret) - 1 == len("vsm-a(config-vlan)# vlan ")
    terminal.type("rubbish\x03")
    terminal.shows(r"\^C\r\nvsm-a\(config-vlan\)# $")
    terminal.type("\x1a")
    terminal.shows(r"vsm-a# $")
    terminal.type("exit\r")


async def test_a_command(rig: Rig, tmp_path: Path) -> None:
    done = await asyncio.to_thread(_run, *openssh(rig, "ssh", tmp_path, "admin@127.0.0.1", "show hostname"))
    assert (done.returncode, done.stdout) == (0, "vsm-a\n"), done.stderr
    done = await asyncio.to_thread(_run, *openssh(rig, "ssh", tmp_path, "admin@127.0.0.1", "shw clock"))
    assert done.returncode == 1 and "% Invalid command at '^' marker." in done.stdout


@pytest.mark.parametrize("way", ["-O", "-s"], ids=["scp", "sftp"])
async def test_scp_there_and_back(rig: Rig, tmp_path: Path, way: str) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(bytes(range(256)) * 400)
    for pair in ((str(source), "admin@127.0.0.1:bootflash:copy"), ("admin@127.0.0.1:bootflash:copy", str(back))):
        done = await asyncio.to_thread(_run, *openssh(rig, "scp", tmp_path, way, *pair))
        assert done.returncode == 0, done.stderr
    assert await asyncio.to_thread(back.read_bytes) == await asyncio.to_thread(source.read_bytes)
    wrong = ("admin@127.0.0.1:/etc/passwd", str(tmp_path / "stolen"))
    done = await asyncio.to_thread(_run, *openssh(rig, "scp", tmp_path, way, *wrong))
    assert done.returncode != 0 and not await asyncio.to_thread((tmp_path / "stolen").exists)


async def test_the_host_key_is_the_one_that_is_shown(rig: Rig) -> None:
    scanner = shutil.which("ssh-keyscan")
    if not scanner:
        pytest.skip("needs ssh-keyscan")
    done = await asyncio.to_thread(_run, [scanner, "-p", str(rig.port), "127.0.0.1"], {})
    (key,) = re.findall(r"ssh-\S+ \S+", re.sub(r"(?m)^#.*$", "", done.stdout))
    assert rig.cli.execute("t", "show ssh key").output.splitlines()[0] == key


def _run(argv: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, env=environ, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False
    )
