"""Writes proto/dvswitch/drops.py from src/drops.h: ``python -m vem.datapath.generate``.

One list of drop reasons gives the C enum, the counter, the CLI word and the sentence; this is the Python end of it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).parent / "src" / "drops.h"
TARGET = Path(__file__).parents[2] / "proto" / "dvswitch" / "drops.py"

_REASON = re.compile(r'X\((\w+), "([^"]*)"\)')

_HEAD = '''"""Why a frame was dropped: name, CLI word and sentence of every reason.

Generated from vem/datapath/src/drops.h by `python -m vem.datapath.generate`; edit that list, not this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DropReason:
    """One reason; ``number`` is its counter slot."""

    number: int
    name: str
    word: str
    """As the CLI writes it: "reverse-teaming"."""
    sentence: str
    """What happened and what to look at."""


REASONS: tuple[DropReason, ...] = (
'''

_TAIL = """)

BY_NAME: Mapping[str, DropReason] = {reason.name: reason for reason in REASONS}
BY_NUMBER: Mapping[int, DropReason] = {reason.number: reason for reason in REASONS}
BY_WORD: Mapping[str, DropReason] = {reason.word: reason for reason in REASONS}
"""


def reasons(header: str) -> list[tuple[int, str, str]]:
    """(number, name, sentence) of every X() row; number 0 is "no drop" and not listed."""
    found = [(name, sentence) for name, sentence in _REASON.findall(header) if name != "NAME"]
    return [(number, name, sentence) for number, (name, sentence) in enumerate(found, start=1)]


def render(header: str) -> str:
    """The text of drops.py for the text of drops.h."""
    rows = []
    for number, name, sentence in reasons(header):
        word = name.lower().replace("_", "-")
        rows += ["    DropReason(", f"        {number},", f'        "{name}",', f'        "{word}",']
        rows += [f'        "{sentence}",', "    ),"]
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


def main() -> int:
    """Write the file."""
    TARGET.write_text(render(SOURCE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
