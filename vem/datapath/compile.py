"""Builds the C of both engines: ``python -m vem.datapath.compile [--sanitize]``.

The user engine becomes build/libdvsuser.so (C compiler), every src/*.bpf.c becomes build/*.bpf.o (clang), and libvirt's
quick client build/dvs-ovs-vsctl (vem/libvirt/src/vsctl.c; C compiler).  Each result is one line; what is missing is
named with the package that brings it, and never stops the other parts.  setup.py calls the same code; only the standard
library is used, since it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "src"
OUTPUT = HERE / "build"
CLIENT_SOURCE = HERE.parent / "libvirt" / "src" / "vsctl.c"
CLIENT = "dvs-ovs-vsctl"
"""In OUTPUT; vem/libvirt/install.py puts it to use."""
LIBRARY = "libdvsuser.so"
SANITIZED_LIBRARY = "libdvsuser-sanitized.so"

_CC_FLAGS = ["-std=gnu11", "-g", "-fPIC", "-shared", "-fvisibility=hidden", "-ftls-model=initial-exec", "-pthread"]
_WARNINGS = ["-Wall", "-Wextra"]
_USER_SOURCES = (
    "user.c",
    *(f"user_batch_{name}.c" for name in ("none", "uplink", "usual", "all")),
    "user_trace.c",
    "mobility.c",
)
_SANITIZE = ["-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
_BPF_FLAGS = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall"]


@dataclass(frozen=True, slots=True)
class Result:
    """One artifact: built (or up to date), or why not."""

    artifact: str
    ok: bool
    message: str
    missing: bool = False
    """A tool is not installed, as opposed to a build that failed."""

    def __str__(self) -> str:
        return f"{self.artifact}: {self.message}"


def find_cc() -> str | None:
    """The C compiler for the user engine."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def multiarch_include() -> list[str]:
    """Where asm/types.h is: ``clang -target bpf`` does not look there by itself."""
    multiarch = sysconfig.get_config_var("MULTIARCH")
    folder = Path("/usr/include") / str(multiarch)
    return [f"-I{folder}"] if multiarch and folder.is_dir() else []


def _newer(target: Path, sources: list[Path]) -> bool:
    return target.exists() and all(target.stat().st_mtime >= source.stat().st_mtime for source in sources)


def _compile(command: list[str], target: Path, sources: list[Path], force: bool) -> Result:
    """Run a compiler, unless a build that is under way does the same."""
    target.parent.mkdir(exist_ok=True)
    with _alone(target.parent):
        return _compile_alone(command, target, sources, force)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One build at a time: who waited finds it done."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _compile_alone(command: list[str], target: Path, sources: list[Path], force: bool) -> Result:
    """Into a temporary name, so that a running engine's library is never half written."""
    if not force and _newer(target, sources):
        return Result(target.name, True, "up to date")
    partial = target.with_name(f".{target.name}.partial")
    run = subprocess.run([*command, "-o", str(partial)], capture_output=True, text=True, check=False)
    if run.returncode:
        partial.unlink(missing_ok=True)
        return Result(target.name, False, f"compiling failed:\n{run.stderr.strip()}")
    partial.replace(target)
    return Result(target.name, True, f"built\n{run.stderr.strip()}".strip())


def _all_sources() -> list[Path]:
    return sorted(path for path in SOURCES.iterdir() if path.suffix in (".c", ".h"))


def build_user(sanitize: bool = False, force: bool = False) -> Result:
    """The user engine's shared library; a plain one, loaded through cffi, so no Python headers are needed."""
    name = SANITIZED_LIBRARY if sanitize else LIBRARY
    cc = find_cc()
    if not cc:
        return Result(
            name, False, "no C compiler found; install gcc (Debian: gcc libc6-dev) for the user engine", missing=True
        )
    command = user_command(cc, *(_SANITIZE if sanitize else ["-O2"]))
    return _compile(command, OUTPUT / name, _all_sources(), force)


def user_command(cc: str, *flags: str) -> list[str]:
    """Builds the user engine's library, all but where to."""
    return [cc, *_CC_FLAGS, *_WARNINGS, *flags, *(str(SOURCES / name) for name in _USER_SOURCES)]


def build_client(force: bool = False) -> Result:
    """The program that answers libvirt while a guest stands still; without it Python does."""
    cc = find_cc()
    if not cc:
        return Result(CLIENT, False, "no C compiler found; libvirt is answered by Python, more slowly", missing=True)
    command = [cc, "-std=gnu11", "-O2", *_WARNINGS, str(CLIENT_SOURCE)]
    return _compile(command, OUTPUT / CLIENT, [CLIENT_SOURCE], force)


def build_kernel(force: bool = False) -> list[Result]:
    """One object per src/*.bpf.c."""
    programs = sorted(SOURCES.glob("*.bpf.c"))
    clang = shutil.which("clang")
    if programs and not clang:
        message = "clang not found; install clang and libbpf-dev for the kernel engine (the user engine works without)"
        return [Result("kernel engine", False, message, missing=True)]
    return [
        _compile(
            [str(clang), *_BPF_FLAGS, *multiarch_include(), "-c", str(program)],
            OUTPUT / f"{program.stem}.o",
            _all_sources(),
            force,
        )
        for program in programs
    ]


def build_all(force: bool = False) -> list[Result]:
    """Everything that the tools at hand can build."""
    return [build_user(force=force), build_client(force), *build_kernel(force)]


def main(arguments: list[str] | None = None) -> int:
    """Build, print one line per artifact; 1 if a build failed (a missing tool alone is no failure)."""
    parser = argparse.ArgumentParser(
        prog="python -m vem.datapath.compile", description="Build the engines' native code"
    )
    parser.add_argument("--sanitize", action="store_true", help="also the user engine with ASan and UBSan, for tests")
    parser.add_argument("--force", action="store_true", help="even if nothing changed")
    options = parser.parse_args(arguments)
    results = build_all(options.force)
    if options.sanitize:
        results.append(build_user(sanitize=True, force=options.force))
    for result in results:
        print(result, file=sys.stdout if result.ok else sys.stderr)
    return 0 if all(result.ok or result.missing for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
