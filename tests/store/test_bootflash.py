"""bootflash: is one flat directory: nothing else is reached, and a file is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dvswitch.errors import DvsError, InvalidValue, NotFound, StorageError
from vsm.store import bootflash
from vsm.store.bootflash import Bootflash, file_name


@pytest.fixture
def flash(tmp_path: Path) -> Bootflash:
    return Bootflash(tmp_path / "bootflash")


@pytest.mark.parametrize(
    "uri",
    ["a.cfg", "/a.cfg", "bootflash:a.cfg", "bootflash:/a.cfg", "BOOTFLASH:///a.cfg", "bootflash://sup-local/a.cfg"],
)
def test_ways_to_write_a_name(uri: str) -> None:
    assert file_name(uri) == "a.cfg"


@pytest.mark.parametrize(
    "uri",
    [
        *("", ".", "..", "../a", "bootflash:../a", "bootflash:/x/a", "a/b", "bootflash:", ".hidden", "a b", "a\0"),
        *("x" * 129, "tftp://h/a", "volatile:a", "bootflash://sup-local/../a", "a\n", "ä"),
    ],
)
def test_what_is_no_name(flash: Bootflash, uri: str) -> None:
    for attempt in (flash.read, flash.delete, flash.exists, lambda name: flash.write(name, b"")):
        with pytest.raises(InvalidValue):
            attempt(uri)
    assert not flash.directory.exists()


def test_written_listed_read_replaced_and_deleted(flash: Bootflash) -> None:
    assert flash.files() == [] and flash.used() == 0
    flash.write("b", b"two")
    flash.write("a", b"one")
    flash.append("b", b"!")
    flash.append("c", b"three")
    assert [(info.name, info.size) for info in flash.files()] == [("a", 3), ("b", 4), ("c", 5)]
    assert flash.read("bootflash:b") == b"two!" and flash.used() == 12
    flash.delete("b")
    assert not flash.exists("b")
    for attempt in (flash.read, flash.delete):
        with pytest.raises(NotFound, match="No such file or directory"):
            attempt("b")


def test_links_directories_and_pipes_are_not_files(flash: Bootflash, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    flash.write("a", b"")
    os.symlink(secret, flash.directory / "link")
    (flash.directory / "folder").mkdir()
    os.mkfifo(flash.directory / "pipe")
    assert [info.name for info in flash.files()] == ["a"]
    for name in ("link", "folder", "pipe"):
        with pytest.raises(NotFound):
            flash.read(name)
        with pytest.raises(NotFound):
            flash.delete(name)
    flash.write("link", b"mine")
    assert secret.read_text() == "x" and flash.read("link") == b"mine"


def test_no_more_than_the_quota(flash: Bootflash, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootflash, "QUOTA", 10)
    flash.write("a", b"12345")
    with pytest.raises(StorageError, match="No space left"):
        flash.write("b", b"123456")
    flash.write("a", b"1234567890")
    assert [info.name for info in flash.files()] == ["a"]


def test_a_write_that_fails_leaves_what_was_there(flash: Bootflash, monkeypatch: pytest.MonkeyPatch) -> None:
    flash.write("a", b"before")

    def no_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_disk)
    with pytest.raises(DvsError, match="No space"):
        flash.write("a", b"after")
    assert flash.read("a") == b"before" and len(list(flash.directory.iterdir())) == 1


def test_text_must_be_text(flash: Bootflash) -> None:
    flash.write("a", b"\xff\xfe")
    with pytest.raises(InvalidValue, match="not text"):
        flash.text("a")
