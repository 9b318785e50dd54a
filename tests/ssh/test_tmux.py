"""The command line as an operator sees it: OpenSSH's client on a terminal of tmux, screen by screen."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.ssh.rig import Rig, openssh

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("tmux") or not shutil.which("ssh"), reason="needs tmux and OpenSSH's client"),
]

PATIENCE = 60.0
WIDTH, HEIGHT = 80, 24


class Tmux:
    """A terminal with a program on it."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def start(self, argv: list[str], environ: dict[str, str]) -> None:
        said = [part for name, value in environ.items() for part in ("-e", f"{name}={value}")]
        size = ("-x", str(WIDTH), "-y", str(HEIGHT))
        await self("-f", "/dev/null", "new-session", "-d", *size, *said, *argv)

    async def __call__(self, *arguments: str) -> str:
        """A command of tmux; what it prints."""
        process = await asyncio.create_subprocess_exec(
            "tmux", "-S", str(self._socket), *arguments, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, arguments
        return output.decode()

    async def screen(self) -> list[str]:
        """The rows down to the last that is not empty."""
        return [row.rstrip() for row in (await self("capture-pane", "-p")).rstrip().split("\n")]

    async def press(self, *keys: str, ends: str) -> list[str]:
        """Press keys (names as tmux has them) and wait until the last row, which must be another now, is ``ends``."""
        if keys:
            assert (await self.screen())[-1] != ends, "what is waited for must be seen to come"
            await self("send-keys", *keys)
        return await self.shows(ends)

    async def shows(self, end: str) -> list[str]:
        """Wait until the last row is ``end``; the screen."""
        return await self.becomes(lambda rows: rows[-1] == end)

    async def becomes(self, right: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the screen is right; the screen."""
        rows = await self.screen()
        try:
            async with asyncio.timeout(PATIENCE):
                while not right(rows):
                    await asyncio.sleep(0.05)
                    rows = await self.screen()
        except TimeoutError:
            raise AssertionError("\n".join(["this stays on the screen:", *rows])) from None
        return rows

    async def run(self, line: str, ends: str = "vsm-a#") -> list[str]:
        """Type a line; the screen from it on."""
        prompt = (await self.screen())[-1]
        typed = f"{prompt} {line}"
        await self.press("-l", line, ends=typed)
        rows = await self.press("Enter", ends=ends)
        start = max((number for number, row in enumerate(rows) if row == typed), default=0)
        return rows[start:]


@pytest.fixture
async def tmux(rig: Rig, tmp_path: Path) -> AsyncIterator[Tmux]:
    argv, environ = openssh(rig, "ssh", tmp_path, "admin@127.0.0.1")
    terminal = Tmux(tmp_path / "tmux")
    asked = {name: environ[name] for name in ("SSH_ASKPASS", "SSH_ASKPASS_REQUIRE")}
    await terminal.start(argv, asked)
    try:
        await terminal.shows("vsm-a#")
        yield terminal
    finally:
        await terminal("kill-server")


async def test_help_completion_and_errors(tmux: Tmux) -> None:
    shown = await tmux.press("show interface v?", ends="vsm-a# show interface v")
    assert shown[-4:] == [
        "vsm-a# show interface v?",
        "  vethernet  Virtual ports",
        "  virtual    Virtual ports",
        "vsm-a# show interface v",
    ]
    await tmux.press("i", "Tab", ends="vsm-a# show interface virtual")
    await tmux.press("C-u", "sh cl", ends="vsm-a# sh cl")
    await tmux("send-keys", "Tab")
    await tmux.becomes(lambda rows: rows[-1] == "vsm-a# sh cl" and {"cli", "clock"} <= set(rows[-2].split()))
    await tmux.press("C-c", ends="vsm-a#")
    assert await tmux.run("show vlan id 5000") == [
        "vsm-a# show vlan id 5000",
        "                    ^",
        "% Invalid number, range is (1-4094) at '^' marker.",
        "vsm-a#",
    ]
    shown = await tmux.press("whatever ?", ends="vsm-a# whatever")
    assert shown[-3:] == ["         ^", "% Invalid command at '^' marker.", "vsm-a# whatever"]


async def test_modes_history_and_leaving(tmux: Tmux, rig: Rig) -> None:
    await tmux.run("conf t", "vsm-a(config)#")
    await tmux.run("vlan 77", "vsm-a(config-vlan)#")
    await tmux.press("ame sevem", "C-a", "n", "C-e", "BSpace", "n", ends="vsm-a(config-vlan)# name seven")
    await tmux.press("Enter", ends="vsm-a(config-vlan)#")
    assert rig.supervisor.state.config.vlans[77].name == "seven"
    shown = await tmux.press("half a li", "C-z", ends="vsm-a#")
    assert shown[-2] == "vsm-a(config-vlan)# half a li^Z"
    await tmux.press("Up", "Up", ends="vsm-a# vlan 77")
    shown = await tmux.press("C-c", ends="vsm-a#")
    assert shown[-2] == "vsm-a# vlan 77^C"
    await tmux.press("C-p", "C-p", "C-p", "C-n", "C-w", ends="vsm-a# vlan")
    await tmux.press("C-c", ends="vsm-a#")
    shown = await tmux.run("sh cli hist")
    assert [row.split()[1:] for row in shown[1:4]] == [["conf", "t"], ["vlan", "77"], ["name", "seven"]]


async def test_pages_follow_the_window(tmux: Tmux) -> None:
    shown = await tmux.run("show running-config", "--More--")
    assert len(shown) == HEIGHT and not any(row.startswith("vsm-a# ") for row in shown)
    await tmux("send-keys", "Space")
    second = await tmux.becomes(lambda rows: shown[-2] not in rows and rows[-1] == "--More--")
    assert len(second) == HEIGHT
    await tmux("send-keys", "Enter")
    await tmux.becomes(lambda rows: rows[:-2] == second[1:-1] and rows[-1] == "--More--")
    assert "--More--" not in await tmux.press("q", ends="vsm-a#")
    await tmux("resize-window", "-x", "60", "-y", "10")
    shown = await tmux.press("?", ends="--More--")
    assert len(shown) == 10 and shown[-2].startswith("  "), "help has pages, too"
    await tmux.press("C-c", ends="vsm-a#")
    shown = await tmux.press("x" * 70, ends="x" * 17)
    assert shown[-2] == "vsm-a# " + "x" * 53, "a line goes on in the next row"
    await tmux.press("C-c", ends="vsm-a#")
    await tmux.run("terminal length 0")
    shown = await tmux.run("show version")
    assert len(shown) == 10 and shown[-3].startswith("Kernel uptime is"), "nothing is cut off"


async def test_tables_fit_into_eighty_columns(tmux: Tmux) -> None:
    await tmux.run("terminal length 0")
    for command in ("interface brief", "interface status", "vlan", "mac address-table", "module"):
        shown = await tmux.run(f"show {command}")
        assert "--" in "".join(shown)
        whole = await tmux("capture-pane", "-p", "-J")
        assert whole.rstrip("\n").count("\n") == (await tmux("capture-pane", "-p")).rstrip("\n").count("\n"), command
