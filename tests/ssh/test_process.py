"""The supervisor as a process: its first password, and a host key that stays."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.api.test_daemon import SETUP, Process
from tests.support.fabric_rig import host, mac
from tests.support.fake_module import PATIENCE, FakeModule
from vsm.ssh.secrets import HOST_KEY, PASSWORD_FILE

pytestmark = pytest.mark.slow

FIRST, PASTED, KILL_AFTER = 100, 3000, 150
SESSIONS = 20


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory with a name short enough for unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="vsm-"))
    yield path
    shutil.rmtree(path)


async def test_first_start_and_second(home: Path) -> None:
    vsm = Process(home, "--ssh", "127.0.0.1:0")
    await vsm.start()
    try:
        password = (await asyncio.to_thread((vsm.data / PASSWORD_FILE).read_text)).strip()
        assert {mode(vsm.data / name) for name in (PASSWORD_FILE, HOST_KEY)} == {0o600}
        key, output = await log_in(vsm, password)
        assert output == "vsm\n"
    finally:
        errors = await vsm.end()
    assert password not in errors.decode()
    await vsm.start()
    try:
        assert await log_in(vsm, password) == (key, "vsm\n"), "the same key and password after a restart"
    finally:
        await vsm.end()


async def test_a_paste_that_is_cut_short_by_kill_9(home: Path) -> None:
    """Lines that share a save: what a prompt has answered is there afterwards, and nothing out of order."""
    vsm = Process(home, "--ssh", "127.0.0.1:0")
    await vsm.start()
    try:
        password = (await asyncio.to_thread((vsm.data / PASSWORD_FILE).read_text)).strip()
        answered = await paste_until_killed(vsm, password)
    finally:
        await vsm.end(signal.SIGKILL)
    await vsm.start()
    try:
        shown = await vsm.run_lines("show vlan brief | json")
        rows = json.loads(shown)["TABLE_vlanbriefxbrief"]["ROW_vlanbriefxbrief"]
        vlans = [int(row["vlanshowbr-vlanid"]) for row in rows]
        assert vlans == [1, *range(FIRST, FIRST + len(vlans) - 1)], "in the order of the paste"
        assert answered <= len(vlans) - 1 < PASTED, f"{answered} were answered"
    finally:
        await vsm.end()


async def paste_until_killed(vsm: Process, password: str) -> int:
    """Paste vlans, kill the supervisor when some have been answered; how many were."""
    (address,) = [each.removeprefix("ssh:") for each in vsm.addresses if each.startswith("ssh:")]
    host, _, port = address.rpartition(":")
    options = {"username": "admin", "password": password, "known_hosts": None, "config": None, "client_keys": None}
    said = b""
    async with asyncssh.connect(host, int(port), **options) as connection:  # noqa: SIM117 - the process needs it
        async with connection.create_process(encoding=None, term_type="vt100") as shell:
            lines = ["configure terminal", *(f"vlan {FIRST + number}" for number in range(PASTED))]
            shell.stdin.write("".join(f"{line}\r" for line in lines).encode())
            with contextlib.suppress(asyncssh.Error, OSError, asyncio.IncompleteReadError):
                while data := await shell.stdout.read(65536):
                    said += data
                    if said.count(b"(config-vlan)# ") >= KILL_AFTER and vsm.child.returncode is None:
                        vsm.child.send_signal(signal.SIGKILL)
    return said.count(b"(config-vlan)# ")


async def test_a_terminal_that_takes_nothing_stalls_nobody(home: Path) -> None:
    """Neither the sessions of others nor the hosts: a NIC comes up, and its host stays in touch."""
    vsm = Process(home, "--ssh", "127.0.0.1:0")
    await vsm.start()
    try:
        await vsm.run_lines(*SETUP)
        password = (await asyncio.to_thread((vsm.data / PASSWORD_FILE).read_text)).strip()
        async with connected(vsm, password) as connection, FakeModule(vsm.fabric, host(1), "kvm-1") as module:
            await module.synced()
            stuck = await connection.create_process(term_type="vt100", window=4096)
            stuck.stdout.channel.pause_reading()
            stuck.stdin.write("terminal length 0\r" + "show running-config\r" * 2000)
            await asyncio.gather(*(one_session(vsm, password, number) for number in range(SESSIONS)))
            await module.attach("web1", mac(1), "web")
            assert (await module.port_of("web1")).veth == 1
            shown = await vsm.run_lines("show module 3", "show vlan brief")
            assert " ok" in shown and all(f"VLAN0{200 + number}" in shown for number in range(SESSIONS))
            stuck.close()
    finally:
        await vsm.end()


async def one_session(vsm: Process, password: str, number: int) -> None:
    """Log in, look and configure."""
    async with connected(vsm, password) as connection:
        assert "Kernel uptime" in str((await connection.run("show version")).stdout)
        done = await connection.run(f"configure terminal ; vlan {200 + number}")
        assert done.exit_status == 0, done.stdout


def connected(vsm: Process, password: str) -> Any:
    """A login, to be entered."""
    (address,) = [each.removeprefix("ssh:") for each in vsm.addresses if each.startswith("ssh:")]
    name, _, port = address.rpartition(":")
    return asyncssh.connect(
        name, int(port), username="admin", password=password, known_hosts=None, config=None, client_keys=None,
        login_timeout=PATIENCE, connect_timeout=PATIENCE,
    )  # fmt: skip


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def log_in(vsm: Process, password: str) -> tuple[str, str]:
    """The host key, and what `show hostname` says."""
    (address,) = [each.removeprefix("ssh:") for each in vsm.addresses if each.startswith("ssh:")]
    host, _, port = address.rpartition(":")
    async with asyncssh.connect(
        host, int(port), username="admin", password=password, known_hosts=None, config=None, client_keys=None
    ) as connection:
        key = connection.get_server_host_key()
        assert key is not None
        return key.get_fingerprint(), str((await connection.run("show hostname")).stdout)
