"""The supervisor as a process: its first password, and a host key that stays."""

from __future__ import annotations

import asyncio
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.api.test_daemon import Process
from vsm.ssh.secrets import HOST_KEY, PASSWORD_FILE

pytestmark = pytest.mark.slow


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
