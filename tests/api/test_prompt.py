"""The interactive prompt on a terminal: help at once on `?`, Tab completion, modes in the prompt, leaving."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.test_daemon import Process, environment
from vsm.terminal.conversation import help_text

PATIENCE = 60.0


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, argv: list[str], environ: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.child = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, close_fds=True)
        os.close(theirs)
        self._written = b""

    def type(self, keys: str) -> None:
        """Press keys."""
        self._written = b""
        os.write(self._ours, keys.encode())

    def looked_at(self) -> str:
        """What has been written since the last type(), by now."""
        while select.select([self._ours], [], [], 0)[0]:
            self._written += os.read(self._ours, 65536)
        return self._text()

    def shows(self, pattern: str) -> str:
        """Wait until what has been written since the last type() matches."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, text := self._text(), re.DOTALL):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} is not in {text!r}"
            if select.select([self._ours], [], [], left)[0]:
                self._written += os.read(self._ours, 65536)
        return text

    def _text(self) -> str:
        """What was written, without escape sequences, which need not come in one piece."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]", "", self._written.decode(errors="ignore"))

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        return self.child.wait(PATIENCE)

    def close(self) -> None:
        """End it if it has not ended."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self._ours)


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory with a name short enough for unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="vsm-"))
    yield path
    shutil.rmtree(path)


@pytest.mark.slow
async def test_a_session_at_the_prompt(home: Path) -> None:
    vsm = Process(home)
    await vsm.start()
    try:
        argv = [sys.executable, "-m", "vsm.main", "cli", "--connect", vsm.operator]
        terminal = Terminal(argv, {**environment(), "TERM": "xterm"})
        try:
            await asyncio.to_thread(_converse, terminal)
            assert await asyncio.to_thread(terminal.wait) == 0
        finally:
            terminal.close()
    finally:
        await vsm.end()


def _converse(terminal: Terminal) -> None:
    terminal.shows(r"vsm#")
    terminal.type("show mo?")
    terminal.shows(r"\n +module +\S.*vsm# *show mo")
    terminal.type("d\t\r")
    terminal.shows(r"Virtual Supervisor Module.*vsm#")
    terminal.type("show running-config | no-more\r")
    terminal.shows(r"domain id.*vsm#")
    terminal.type("terminal length 5\rshow running-config\r")
    terminal.shows(r"--More--")
    terminal.type("q")
    terminal.shows(r"vsm#")
    terminal.type("bogus\x03")
    terminal.shows(r"bogus\^C.*vsm#")
    terminal.type("terminal monitor\r")
    terminal.shows(r"ERROR: .*vsm#")
    terminal.type("configure terminal\r")
    terminal.shows(r"vsm\(config\)#")
    terminal.type("vlan 5000\r")
    terminal.shows(r"% .*vsm\(config\)#")
    terminal.type("end\r")
    terminal.shows(r"vsm#")
    terminal.type("exit\r")


def test_help_has_two_columns() -> None:
    assert help_text([("vlan", "VLANs"), ("<CR>", "")]) == "  vlan  VLANs\n  <CR>"
    assert help_text([]) == ""
