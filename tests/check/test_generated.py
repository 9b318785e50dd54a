"""What is generated must be what the generators give today."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vem.datapath import generate
from vsm.mqtt.schema import schema

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "proto" / "dvswitch" / "v1"


def test_protocol_code_is_up_to_date(tmp_path: Path) -> None:
    """`make proto` would change nothing."""
    pytest.importorskip("grpc_tools", reason="needs grpcio-tools: pip install -e .[dev]")
    command = [sys.executable, str(ROOT / "deploy" / "proto.py"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=250)
    fresh = {path.name: path.read_text() for path in (tmp_path / "dvswitch" / "v1").glob("*_pb2*")}
    committed = {path.name: path.read_text() for path in GENERATED.glob("*_pb2*")}
    assert sorted(fresh) == sorted(committed)
    assert [name for name in fresh if fresh[name] != committed[name]] == []


def test_drop_reasons_are_up_to_date() -> None:
    """The C list and its Python end agree."""
    assert generate.TARGET.read_text() == generate.render(generate.SOURCE.read_text())


def test_the_schema_of_events_is_up_to_date() -> None:
    """`python -m vsm.mqtt.schema > docs/events.schema.json` would change nothing."""
    assert json.loads((ROOT / "docs" / "events.schema.json").read_text()) == schema()
