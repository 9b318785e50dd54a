"""What clients see of banner, clear line and another host key."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest

from tests.ssh.rig import PATIENCE, PROMPT, Rig, terminal, until
from vsm.ssh.secrets import host_key


class Reader(asyncssh.SSHClient):
    """Keeps what is shown before the login."""

    said = ""

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.said += msg


async def test_the_banner_is_shown_before_the_login_and_not_in_the_session(rig: Rig) -> None:
    rig.configure("banner motd #Only for us\nas ever#".replace("\n", " "))
    reader = Reader()
    async with await rig.connect(client_factory=lambda: reader) as connection:
        assert reader.said == "Only for us as ever\r\n"
        assert (await connection.run("show hostname")).stdout == "vsm-a\n"
    rig.configure("no banner motd")
    reader = Reader()
    async with await rig.connect(client_factory=lambda: reader):
        assert reader.said == ""


async def test_a_banner_is_typed_over_several_lines(rig: Rig) -> None:
    async with await rig.connect() as connection, terminal(connection) as typist:
        await typist.says("configure terminal\n", "(config)# ")
        await typist.says("banner motd @\nhello\n#2\n@\n", "(config)# ")
    assert rig.supervisor.state.config.banner == "\nhello\n#2\n"


async def test_clear_line_disconnects_whoever_is_there(rig: Rig) -> None:
    async with (
        await rig.connect() as other,
        await rig.connect() as own,
        terminal(other) as typist,
        terminal(own) as mine,
    ):
        await mine.says("clear line pts/0\n", PROMPT)
        async with asyncio.timeout(PATIENCE):
            await typist.process.wait_closed()
        await until(lambda: len(rig.cli.logins.sessions) == 1)
        assert "pts/1" in await mine.says("show users\n", PROMPT)


@pytest.mark.parametrize(
    ("kind", "name"), [("rsa 2048", "ssh-rsa"), ("ecdsa 384", "ecdsa-sha2-nistp384"), ("ed25519", "ssh-ed25519")]
)
async def test_another_host_key_is_used_and_kept(rig: Rig, kind: str, name: str) -> None:
    before = rig.cli.logins.host_key
    async with await rig.connect() as old, terminal(old) as typist:
        await typist.says("configure terminal\n", "(config)# ")
        assert "ERROR: ssh key: is there already" in await typist.says(f"ssh key {kind}\n", "(config)# ")
        assert f"ssh key made: {name}" in await typist.says(f"ssh key {kind} force\n", "(config)# ")
        assert rig.cli.logins.host_key != before
        async with await rig.connect() as new:
            key = new.get_server_host_key()
            assert key and key.export_public_key("openssh").decode().split()[:2] == rig.cli.logins.host_key.split()
        assert "vsm-a" in await typist.says("show hostname\n", "(config)# "), "sessions stay"
    kept = asyncssh.import_private_key(host_key(rig.directory))
    assert kept.export_public_key("openssh").decode().split()[:2] == rig.cli.logins.host_key.split()
