"""Who gets in: passwords, keys, limits, penalties, the host key and the first password."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from pathlib import Path

import asyncssh
import pytest

from dvswitch.errors import InvalidValue, Unavailable
from tests.ssh.rig import PATIENCE, Rig, terminal, until
from tests.support.switches import PASSWORD
from vsm.model import passwords
from vsm.model.state import State
from vsm.ssh.secrets import HOST_KEY, PASSWORD_FILE, host_key, with_admin
from vsm.ssh.server import Penalties, split_address


async def test_password_and_user_must_be_right(rig: Rig) -> None:
    async with await rig.connect() as connection:
        assert (await connection.run("show hostname")).stdout == "vsm-a\n"
    for user, password in (("admin", "wrong"), ("admin", ""), ("nobody", PASSWORD), ("watch", PASSWORD), ("watch", "")):
        with pytest.raises((asyncssh.PermissionDenied, asyncssh.ConnectionLost)):
            await rig.connect(user, password=password)


async def test_wrong_passwords_cost_time_and_then_the_connection(rig: Rig) -> None:
    class Guesser(asyncssh.SSHClient):
        tries = 0

        def password_auth_requested(self) -> str | None:
            self.tries += 1
            return f"guess {self.tries}"

        def kbdint_auth_requested(self) -> None:
            return None

    guesser = Guesser()
    began = time.monotonic()
    with pytest.raises(asyncssh.Error):
        await rig.connect(password=None, client_factory=lambda: guesser)
    assert guesser.tries == 3
    assert time.monotonic() - began >= 0.05 + 0.1 + 0.2


def test_penalties_grow_and_fade() -> None:
    now = [0.0]
    penalties = Penalties(1.0, lambda: now[0])
    assert [round(penalties.add("a")) for _ in range(6)] == [1, 2, 4, 8, 16, 16]
    assert penalties.add("b") == 1.0
    now[0] += 120
    assert penalties.add("a") == 8.0
    penalties.forgive("a")
    assert penalties.add("a") == 1.0
    for number in range(3000):
        penalties.add(str(number))
    assert len(penalties._failures) <= 1024


async def test_public_keys(rig: Rig) -> None:
    mine, other = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    rig.configure(f"username watch sshkey {mine.export_public_key().decode().strip()} comment here")
    async with await rig.connect("watch", client_keys=[other, mine], password=None) as connection:
        assert (await connection.run("show hostname")).stdout == "vsm-a\n"
    for user, keys in (("watch", [other]), ("admin", [mine])):
        with pytest.raises(asyncssh.PermissionDenied):
            await rig.connect(user, client_keys=keys, password=None)
    rig.configure(f"username watch sshkey {other.export_public_key().decode().strip()}", "no username watch sshkey")
    with pytest.raises(asyncssh.PermissionDenied):
        await rig.connect("watch", client_keys=[mine, other], password=None)


@pytest.mark.parametrize(
    "old",
    [
        {"kex_algs": ["diffie-hellman-group14-sha1"]},
        {"encryption_algs": ["aes128-cbc"]},
        {"encryption_algs": ["aes128-ctr"], "mac_algs": ["hmac-sha1"]},
        {"server_host_key_algs": ["ssh-rsa"]},
    ],
)
async def test_old_algorithms_are_not_spoken(rig: Rig, old: dict[str, list[str]]) -> None:
    with pytest.raises(asyncssh.Error):
        await rig.connect(**old)


async def test_sessions_are_limited(rig: Rig) -> None:
    rig.configure("line vty", "session-limit 1")
    async with await rig.connect() as connection, terminal(connection):
        refused = await connection.run("show clock")
        assert refused.exit_status == 1 and "in use" in str(refused.stderr)
    async with await rig.connect() as connection:
        assert (await connection.run("show clock")).exit_status == 0


async def test_a_removed_user_can_do_nothing_more(rig: Rig) -> None:
    rig.add_user("bob", "network-admin")
    async with await rig.connect("bob") as connection, terminal(connection) as typist:
        await typist.says("show clock\r")
        rig.configure("no username bob")
        typist.process.stdin.write("configure terminal\r")
        await asyncio.wait_for(typist.process.wait_closed(), PATIENCE)
    await until(lambda: not rig.cli.logins.sessions)


async def test_an_unused_session_ends(rig: Rig) -> None:
    rig.configure("line vty", "exec-timeout 1")
    async with await rig.connect() as connection, terminal(connection) as typist:
        (session,) = rig.cli.logins.sessions
        assert session.timeout == 1
        await typist.says("terminal session-timeout 0\r")
        assert session.timeout == 0
        session.timeout = 1 / 600  # type: ignore[assignment]
        await asyncio.wait_for(typist.process.wait_closed(), PATIENCE)


async def test_feature_ssh_opens_and_closes_the_door(rig: Rig) -> None:
    async with await rig.connect() as connection, terminal(connection) as typist:
        rig.configure("no feature ssh")
        await until(lambda: not _answers(rig.port))
        assert "ssh version 2 is disabled" in await typist.says("show ssh server\r")
        rig.configure("feature ssh")
        await until(lambda: bool(rig.cli.logins.addresses))
        rig.port = int(rig.cli.logins.addresses[0].rpartition(":")[2])
        async with await rig.connect() as second:
            assert "1 of" not in str((await second.run("show ssh server")).stdout)


async def test_an_address_in_use_is_refused(rig: Rig) -> None:
    with pytest.raises(Unavailable, match="can't be listened on"):
        await rig.front._server.listen(f"127.0.0.1:{rig.port}")


@pytest.mark.parametrize("address", ["2022", "host:", "host:port", "host:70000", ":22"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(InvalidValue):
        split_address(address)
    assert split_address("[::1]:22") == ("::1", 22)


def test_the_host_key_is_made_once_and_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = host_key(tmp_path)
    finally:
        os.umask(before)
    path = tmp_path / HOST_KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and host_key(tmp_path) == made
    path.chmod(0o644)
    with pytest.raises(InvalidValue, match="read by others"):
        host_key(tmp_path)


def test_the_first_password_is_random_and_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = with_admin(State(), tmp_path, None)
    path = tmp_path / PASSWORD_FILE
    password = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert passwords.matches(password, first.config.users["admin"].password)
    assert password not in "".join(capsys.readouterr()), "a log is read by others"
    path.unlink()
    assert with_admin(first, tmp_path, None) is first and not path.exists()
    second = tmp_path / "second"
    second.mkdir()
    with_admin(State(), second, None)
    assert (second / PASSWORD_FILE).read_text().strip() != password


def test_the_first_password_may_be_given(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("My-own-w0rd\n")
    state = with_admin(State(), tmp_path, given)
    assert passwords.matches("My-own-w0rd", state.config.users["admin"].password)
    assert state.config.users["admin"].roles == ("network-admin",) and not (tmp_path / PASSWORD_FILE).exists()
    given.write_text("short\n")
    with pytest.raises(InvalidValue, match="fewer than"):
        with_admin(State(), tmp_path, given)
    with pytest.raises(InvalidValue, match="can't be read"):
        with_admin(State(), tmp_path, tmp_path / "none")


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True
