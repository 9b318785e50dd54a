"""How fast the machine was while something was measured: two loops that never change (reference.c), beside each round.

A virtual machine shares processors and memory with others, and is now quick, now slow. Nothing is corrected by these
figures: they are printed beside what was measured, so that a reader can tell a slow switch from a slow machine.
"""

from __future__ import annotations

import ctypes
import functools
import subprocess
import tempfile
from pathlib import Path

from tests.bench.results import Results, best
from vem.datapath.compile import find_cc

SOURCE = Path(__file__).with_name("reference.c")
FIGURES = ("alu", "chase")


def note(results: Results) -> None:
    """Add machine.alu_ns and machine.chase_ns: one step of each loop."""
    library = _library()
    for name in FIGURES if library else ():
        results.add(f"machine.{name}_ns", best(getattr(library, f"reference_{name}")), "ns/step")


@functools.cache
def _library() -> ctypes.CDLL | None:
    compiler = find_cc()
    if not compiler:
        return None
    with tempfile.TemporaryDirectory() as directory:
        built = Path(directory, "reference.so")
        subprocess.run([compiler, "-O2", "-fPIC", "-shared", "-o", str(built), str(SOURCE)], check=True)
        library = ctypes.CDLL(str(built))
    for name in FIGURES:
        getattr(library, f"reference_{name}").restype = ctypes.c_double
    return library
