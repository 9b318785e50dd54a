"""SCP and SFTP reach bootflash: and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest

from tests.ssh.rig import PATIENCE, Rig
from vsm.store.bootflash import QUOTA

OUTSIDE = [
    "../vsm.db",
    "/etc/passwd",
    "bootflash:../secret",
    "bootflash:/../secret",
    "a/b",
    "..",
    ".hidden",
    "a\\..\\b",
    "bootflash:a/../../secret",
    "x" * 300,
    "caf\u00e9",
]


@pytest.fixture
def secret(rig: Rig) -> Path:
    """A file beside bootflash:."""
    path = rig.directory / "secret"
    path.write_text("secret\n")
    return path


async def test_files_come_and_go(rig: Rig) -> None:
    async with await rig.connect() as connection, connection.start_sftp_client() as sftp:
        for name in ("bootflash:one", "/two", "three", "bootflash:///four", "bootflash://sup-local/five"):
            async with sftp.open(name, "w") as file:
                await file.write("hello\n" * 10_000)
        assert sorted(await sftp.listdir("bootflash:")) == ["five", "four", "one", "three", "two"]
        assert (await sftp.stat("one")).size == 60_000
        async with sftp.open("one") as file:
            assert str(await file.read()).count("hello") == 10_000
        async with sftp.open("one", "a") as file:
            await file.write("end")
        async with sftp.open("one", "r+") as file:
            await file.seek(3)
            await file.write("P")
        await sftp.remove("two")
        assert await sftp.realpath("bootflash:one") == "/one"
    held = rig.directory / "bootflash"
    assert (held / "one").read_text() == "helPo\n" + "hello\n" * 9_999 + "end" and not (held / "two").exists()


@pytest.mark.parametrize("name", OUTSIDE)
async def test_nothing_else_is_reached(rig: Rig, secret: Path, name: str) -> None:
    before = sorted(rig.directory.rglob("*"))
    async with await rig.connect() as connection, connection.start_sftp_client() as sftp:
        with pytest.raises(asyncssh.SFTPError):
            await sftp.open(name, "r")
        with pytest.raises(asyncssh.SFTPError):
            await sftp.open(name, "w")
        with pytest.raises(asyncssh.SFTPError):
            await sftp.remove(name)
        for what in (sftp.mkdir, sftp.rmdir, sftp.readlink):
            with pytest.raises(asyncssh.SFTPError):
                await what(name)
        for pair in (sftp.rename, sftp.symlink, sftp.link, sftp.posix_rename):
            with pytest.raises(asyncssh.SFTPError):
                await pair("one", name)
    assert sorted(rig.directory.rglob("*")) == before
    assert await asyncio.to_thread(secret.read_text) == "secret\n"


async def test_a_link_is_not_followed(rig: Rig, secret: Path) -> None:
    held = rig.directory / "bootflash"
    held.mkdir()
    (held / "link").symlink_to(secret)
    async with await rig.connect() as connection, connection.start_sftp_client() as sftp:
        with pytest.raises(asyncssh.SFTPError):
            await sftp.open("link")
        async with sftp.open("link", "w") as file:
            await file.write("mine")
    assert await asyncio.to_thread(secret.read_text) == "secret\n"


async def test_roles_and_files(rig: Rig) -> None:
    rig.add_user("look", "network-operator")
    (rig.directory / "bootflash").mkdir()
    (rig.directory / "bootflash" / "one").write_text("1")
    async with await rig.connect("look") as connection, connection.start_sftp_client() as sftp:
        async with sftp.open("one") as file:
            assert await file.read() == "1"
        for refused in (sftp.open("one", "w"), sftp.open("new", "w"), sftp.remove("one"), sftp.truncate("one", 0)):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await refused
    assert (rig.directory / "bootflash" / "one").read_text() == "1"


async def test_the_disk_is_not_filled(rig: Rig) -> None:
    async with await rig.connect() as connection, connection.start_sftp_client() as sftp:
        file = await sftp.open("big", "wb")
        await file.write(b"x")
        with pytest.raises(asyncssh.SFTPError, match="space"):
            await file.write(b"x", QUOTA)
        with pytest.raises(asyncssh.SFTPError, match="space"):
            await file.truncate(QUOTA + 1)
        more = [await sftp.open(f"f{number}", "wb") for number in range(3)]
        with pytest.raises(asyncssh.SFTPError, match="open"):
            await sftp.open("one-too-many", "wb")
        for opened in (file, *more):
            await opened.close()


@pytest.mark.parametrize("how", ["client", "connection"])
async def test_an_upload_that_breaks_off_changes_nothing(rig: Rig, how: str) -> None:
    held = rig.directory / "bootflash"
    held.mkdir()
    (held / "config").write_text("whole\n")
    async with await rig.connect() as connection:
        sftp = await connection.start_sftp_client()
        file = await sftp.open("config", "w")
        await file.write("hal")
        if how == "client":
            sftp.exit()
            await asyncio.wait_for(sftp.wait_closed(), PATIENCE)
        else:
            connection.abort()
    async with await rig.connect() as connection, connection.start_sftp_client() as sftp, sftp.open("config") as file:
        assert await file.read() == "whole\n"
        async with sftp.open("config", "w") as other:
            await other.write("new\n")
    assert await asyncio.to_thread((held / "config").read_text) == "new\n"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "bootflash:../secret", "*"])
async def test_scp_of_other_files(rig: Rig, secret: Path, tmp_path: Path, name: str) -> None:
    async with await rig.connect() as connection:
        with pytest.raises((asyncssh.SFTPError, OSError)):
            await asyncssh.scp((connection, name), tmp_path / "stolen")
    assert not (tmp_path / "stolen").exists()
