"""Generates the Python code of the protocol: `python deploy/proto.py [DIRECTORY]`; default: beside the .proto files."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

SOURCES = Path(__file__).parents[1] / "proto"


def generate(target: Path) -> int:
    """Write *_pb2.py, *_pb2.pyi and *_pb2_grpc.py of every .proto file; returns protoc's status."""
    target.mkdir(parents=True, exist_ok=True)
    names = sorted(str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.proto"))
    well_known = resources.files("grpc_tools") / "_proto"
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    return int(protoc.main(["protoc", f"-I{SOURCES}", f"-I{well_known}", *outputs, *names]))


if __name__ == "__main__":
    sys.exit(generate(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCES))
