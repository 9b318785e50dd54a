"""Loads the user engine's shared library through cffi; the GIL is released during every call into it."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from vem.datapath.abi import CONSTANTS, SOURCES, declarations, new_ffi, read_constants
from vem.datapath.compile import LIBRARY, OUTPUT
from vem.datapath.engine import EngineError

API_TEXT = (SOURCES / "user_api.h").read_text()
API = read_constants(API_TEXT)
"""DVS_NIC_* and DVS_USER_API_VERSION."""

LIBRARY_VARIABLE = "DVS_USER_LIBRARY"
"""Environment variable with the path of another build to load (the sanitized one, in tests)."""


def _path() -> Path:
    return Path(os.environ.get(LIBRARY_VARIABLE) or OUTPUT / LIBRARY)


@functools.cache
def load(path: Path | None = None) -> tuple[Any, Any]:
    """(ffi, library); EngineError when it was not built or is of another version.  ``path``: another build of it."""
    ffi = new_ffi()
    ffi.cdef(declarations(API_TEXT, {**CONSTANTS, **API}))
    path = path or _path()
    if not path.exists():
        raise EngineError(
            "user engine",
            f"{path.name} is not built",
            "install a C compiler (Debian: gcc libc6-dev) and run python -m vem.datapath.compile",
        )
    try:
        library = ffi.dlopen(str(path))
    except OSError as problem:
        raise EngineError("user engine", f"can't load {path.name}: {problem}", _REBUILD) from problem
    if library.dvs_api_version() != API["DVS_USER_API_VERSION"]:
        raise EngineError("user engine", f"{path.name} is of another version", _REBUILD)
    return ffi, library


_REBUILD = "run python -m vem.datapath.compile --force"
