"""Which engine a host gets: the kernel engine where it can run, else the user engine, and a line that says why."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Literal

import structlog

from vem.datapath.compile import OUTPUT
from vem.datapath.engine import Engine, EngineError
from vem.datapath.user import UserEngine

EngineKind = Literal["auto", "kernel", "user"]

_log = structlog.get_logger(__name__)
_BPFFS = Path("/sys/fs/bpf")


def open_engine(kind: EngineKind, name: str) -> Engine:
    """Open the datapath of the switch ``name``; EngineError if the engine asked for can't run here.

    "auto" takes the kernel engine if it can run, else the user engine.  The kernel engine adopts what an earlier agent
    of that name left running.
    """
    if kind == "user":
        return UserEngine()
    if kind == "kernel":
        return _open_kernel(name)
    try:
        return _open_kernel(name)
    except EngineError as problem:
        _log.warning("the user engine forwards", reason=str(problem))
        return UserEngine()


def why_no_kernel() -> str:
    """What the kernel engine lacks here; "" if it may be tried."""
    if os.geteuid() != 0:
        return "not root"
    if not (OUTPUT / "kernel.bpf.o").exists():
        return "kernel.bpf.o is not built (install clang and libbpf-dev, run python -m vem.datapath.compile)"
    if not _BPFFS.is_dir():
        return "the kernel has no bpf file system"
    if importlib.util.find_spec("vem.datapath.kernel") is None:
        return "this installation has no kernel engine"
    return ""


def _open_kernel(name: str) -> Engine:
    problem = why_no_kernel()
    if problem:
        raise EngineError("kernel engine", problem)
    from vem.datapath.kernel import KernelEngine  # loads libbpf: only where it is wanted

    return KernelEngine.open(name)
