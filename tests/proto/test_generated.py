"""The committed protocol code is what the .proto files generate, and every message says when it is sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dvswitch

PROTO = Path(dvswitch.__file__).parent.parent
SOURCES = sorted((PROTO / "dvswitch" / "v1").glob("*.proto"))


def test_generated_code_is_reproducible(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc")
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    names = [str(path.relative_to(PROTO)) for path in SOURCES]
    assert protoc.main(["protoc", f"-I{PROTO}", *outputs, *names]) == 0
    generated = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.py*") if path.is_file())
    committed = sorted(path.relative_to(PROTO) for path in (PROTO / "dvswitch" / "v1").glob("*_pb2*.py*"))
    assert generated == committed, "run `make proto`"
    for path in generated:
        assert (PROTO / path).read_text() == (tmp_path / path).read_text(), f"{path} is stale: run `make proto`"


@pytest.mark.parametrize("name", ["fabric.proto", "operator.proto"])
def test_every_streamed_message_says_when_it_is_sent(name: str) -> None:
    text = (PROTO / "dvswitch" / "v1" / name).read_text()
    streamed = set(re.findall(r"^    (\w+) \w+ = \d+;$", _bodies_of_oneofs(text), re.MULTILINE))
    if name == "operator.proto":
        streamed = {"Event"}
    for message in streamed:
        comment = re.search(rf"((?:^//.*\n)+)message {message} ", text, re.MULTILINE)
        assert comment and "Sent " in comment[1], f"message {message} does not say when it is sent"


def _bodies_of_oneofs(text: str) -> str:
    """The envelopes' contents: what travels on the session."""
    found = re.findall(r"^message (?:Module|Supervisor)Message \{\n  oneof message \{\n(.*?)  \}", text, re.M | re.S)
    assert found or "service Operator" in text
    return "".join(found)
