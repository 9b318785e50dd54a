"""Building the native part: what is there is built, what is missing is said, and what is wrong is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from vem.datapath import compile as native
from vem.datapath import native as loader
from vem.datapath.choose import open_engine, why_no_kernel
from vem.datapath.engine import EngineError
from vem.datapath.user import UserEngine

ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Build into a folder of the test's own."""
    monkeypatch.setattr(native, "OUTPUT", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_user_engine_is_built_once(elsewhere: Path) -> None:
    assert native.build_user().message.startswith("built")
    assert (elsewhere / native.LIBRARY).exists()
    assert native.build_user().message == "up to date"
    assert not list(elsewhere.glob(".*")), "partial files left behind"


@pytest.mark.slow
def test_it_builds_without_warnings(elsewhere: Path) -> None:
    assert native.build_user(force=True).message == native.build_client(force=True).message == "built"


def test_missing_compilers_are_named_with_their_packages(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(elsewhere))
    user = native.build_user()
    assert not user.ok and user.missing and "gcc" in str(user)
    for kernel in native.build_kernel():
        assert not kernel.ok and kernel.missing and "clang" in str(kernel)
    assert native.main([]) == 0, "a missing tool is no failure"


@pytest.mark.slow
def test_a_failed_build_says_why_and_fails(elsewhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sources = tmp_path / "src"
    shutil.copytree(native.SOURCES, sources)
    (sources / "user.c").write_text("this is not C\n")
    monkeypatch.setattr(native, "SOURCES", sources)
    result = native.build_user()
    assert not result.ok and not result.missing and "user.c" in result.message


def _try_to_start(library: Path) -> str:
    """The error of a fresh process that can't load the library."""
    code = (
        "from vem.datapath.user import UserEngine\ntry: UserEngine()\nexcept Exception as e: print(type(e).__name__, e)"
    )
    environment = {**os.environ, loader.LIBRARY_VARIABLE: str(library), "PYTHONPATH": f"{ROOT}/proto:{ROOT}"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_a_missing_library_names_the_remedy(tmp_path: Path) -> None:
    told = _try_to_start(tmp_path / native.LIBRARY)
    assert told.startswith("EngineError") and "not built" in told and "gcc" in told


def test_a_broken_library_is_told(tmp_path: Path) -> None:
    (tmp_path / native.LIBRARY).write_bytes(b"not a library")
    told = _try_to_start(tmp_path / native.LIBRARY)
    assert told.startswith("EngineError") and "can't load" in told and "--force" in told


def test_the_user_engine_is_chosen_where_the_kernel_engine_can_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert why_no_kernel() == "not root"
    with pytest.raises(EngineError, match="not root"):
        open_engine("kernel", "nobody")
    engine = open_engine("auto", "nobody")
    assert isinstance(engine, UserEngine)
    engine.close(keep=False)


# --- packaging -----------------------------------------------------------------------------------------------------


def _copy_of_the_sources(folder: Path) -> Path:
    """What a clone has: no artifacts, no environment."""
    copy = folder / "clone"
    wanted = ("proto", "vsm", "vem", "physical", "pyproject.toml", "setup.py", "README.md")
    for name in wanted:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
        elif source.exists():
            shutil.copy(source, copy / name)
    return copy


def _build(folder: Path, what: str, path: str) -> tuple[Path, str]:
    """Build a wheel or an sdist as pip does; returns it and what was told."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    code = f"import setuptools.build_meta as b; print(b.build_{what}({str(out)!r}))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    return out / run.stdout.split()[-1], run.stderr


def _names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.slow
def test_a_wheel_from_a_source_archive_contains_the_native_parts(tmp_path: Path) -> None:
    archive, _ = _build(_copy_of_the_sources(tmp_path), "sdist", os.environ["PATH"])
    shutil.unpack_archive(archive, tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    wheel, told = _build(unpacked, "wheel", os.environ["PATH"])
    assert "-py3-none-linux_" in wheel.name
    assert "vem/datapath/src/abi.h" in _names(wheel)
    if native.find_cc():
        assert f"vem/datapath/build/{native.LIBRARY}" in _names(wheel)
        client = zipfile.ZipFile(wheel).getinfo(f"vem/datapath/build/{native.CLIENT}")
        assert client.external_attr >> 16 & 0o111, "pip would not install it as a program"
    if shutil.which("clang"):
        assert "vem/datapath/build/kernel.bpf.o" in _names(wheel), told


@pytest.mark.slow
def test_a_wheel_without_compilers_is_built_all_the_same(tmp_path: Path) -> None:
    wheel, told = _build(_copy_of_the_sources(tmp_path), "wheel", str(tmp_path))
    assert not any(name.endswith((".so", ".bpf.o", native.CLIENT)) for name in _names(wheel))
    assert "dvswitch: libdvsuser.so: no C compiler found; install gcc" in told
