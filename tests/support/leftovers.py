"""Finds what a test run failed to clean up."""

from __future__ import annotations

import contextlib
from pathlib import Path

PYTHONS_OWN = "multiprocessing.resource_tracker"


def describe_children(pid: int) -> list[str]:
    """Command lines of a process's living children, but for what Python itself keeps."""
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in listing.read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if command and PYTHONS_OWN not in command:
                    found.append(f"{child}: {command.strip()}")
    return found
