"""Lets Wireshark read frames: an opinion on our encoders that is not ours."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest


def fields(directory: Path, frames: Iterable[bytes], *names: str) -> list[list[str]]:
    """One row of values per frame, as `tshark -T fields` prints them; fails if tshark finds a frame malformed."""
    path = directory / "frames.pcap"
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for i, frame in enumerate(frames):
        data += struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame
    path.write_bytes(data)
    return fields_of(path, *names)


def fields_of(path: Path, *names: str) -> list[list[str]]:
    """As fields(), of a capture file."""
    if not shutil.which("tshark"):
        pytest.skip("needs tshark: run deploy/setup.sh test as root")
    wanted = ["-e", "_ws.malformed", *(part for name in names for part in ("-e", name))]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=|", *wanted]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    rows = [line.split("|") for line in printed.splitlines()]
    assert not any(row[0] for row in rows), f"malformed: {printed}"
    return [row[1:] for row in rows]
