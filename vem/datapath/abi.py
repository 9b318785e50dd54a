"""The table layouts of src/abi.h, as Python reads them.

abi.h is the one place where layouts stand.  This module reads it as text: constants become ints, structs become cffi
types.  tables.py turns values of image.py into those structs; user.py and kernel.py move the bytes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cffi import FFI

SOURCES = Path(__file__).parent / "src"
"""Where the C of both engines is."""

_TYPES = "typedef uint8_t __u8; typedef uint16_t __u16; typedef uint32_t __u32; typedef uint64_t __u64;\n"
_DEFINE = re.compile(r"^#define\s+(DVS_\w+)\s+(0x[0-9a-fA-F]+|\d+)\b", re.MULTILINE)
_NOT_FOR_CFFI = re.compile(r"^#ifndef DVS_CFFI\n.*?^#endif\n", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def read_constants(text: str) -> dict[str, int]:
    """Every ``#define DVS_NAME <number>`` of a header."""
    return {name: int(value, 0) for name, value in _DEFINE.findall(text)}


def declarations(text: str, constants: Mapping[str, int]) -> str:
    """What cffi may read of a header: no comments, no preprocessor lines, numbers for constants."""
    text = _COMMENT.sub("", _NOT_FOR_CFFI.sub("", text))
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return re.sub(r"\bDVS_[A-Z0-9_]+\b", lambda found: str(constants.get(found[0], found[0])), text)


ABI_TEXT = (SOURCES / "abi.h").read_text()
CONSTANTS: Mapping[str, int] = read_constants(ABI_TEXT)
"""By their names in C: ``CONSTANTS["DVS_PORT_USED"]``."""

ABI_VERSION = CONSTANTS["DVS_ABI_VERSION"]
MAX_PORTS = CONSTANTS["DVS_MAX_PORTS"]
MAX_POLICIES = CONSTANTS["DVS_MAX_POLICIES"]
MAX_TEAMS = CONSTANTS["DVS_MAX_TEAMS"]
MAX_MACS = CONSTANTS["DVS_MAX_MACS"]
MAX_GROUPS = CONSTANTS["DVS_MAX_GROUPS"]
MAX_MEMBERS = CONSTANTS["DVS_MAX_MEMBERS"]
TEAM_UPLINKS = CONSTANTS["DVS_TEAM_UPLINKS"]
VLAN_ANY = CONSTANTS["DVS_VLAN_ANY"]
LISTS = CONSTANTS["DVS_LISTS"]


def new_ffi() -> Any:
    """A fresh cffi FFI that knows the structs of abi.h; add a library's functions with cdef()."""
    ffi = FFI()
    ffi.cdef(_TYPES + declarations(ABI_TEXT, CONSTANTS))
    return ffi


@functools.cache
def struct_names() -> tuple[str, ...]:
    """Every struct of abi.h, in order: "dvs_control", "dvs_port"..."""
    return tuple(re.findall(r"^struct (\w+) \{", ABI_TEXT, re.MULTILINE))


ffi: Any = new_ffi()
"""For packing and sizes; not tied to a library."""
