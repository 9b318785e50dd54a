"""The agent's settings: one table for command line, file, checks and documentation."""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path

import pytest

from dvswitch.errors import DvsError
from vem.agent.config import KEYS, Settings, add_arguments, host_uuid, load_settings, markdown

ROOT = Path(__file__).parents[2]


def load(tmp_path: Path, *argv: str, toml: str = "") -> Settings:
    """Settings of a command line and a file, with a state directory of the test's own."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    base = ["--state-dir", str(tmp_path / "state")]
    if toml:
        (tmp_path / "vem.toml").write_text(toml)
        base += ["--config", str(tmp_path / "vem.toml")]
    return load_settings(parser.parse_args([*base, *argv]))


def test_defaults(tmp_path: Path) -> None:
    found = load(tmp_path, "--vsm", "unix:/run/vsm.sock")
    assert (found.domain, found.engine, found.mac_age, found.uplinks) == (1, "auto", 300.0, [])
    assert found.state_dir.stat().st_mode & 0o777 == 0o700
    assert uuid.UUID(found.host_uuid)


def test_filters_are_on_unless_a_line_says_otherwise(tmp_path: Path) -> None:
    """S-128, S-111"""
    base = ("--vsm", "unix:/a")
    found = load(tmp_path, *base)
    assert (found.reverse_teaming, found.rpf_promiscuous) == (True, True)
    found = load(tmp_path, *base, "--reverse-teaming", "off", toml='rpf-check-promiscuous = "off"')
    assert (found.reverse_teaming, found.rpf_promiscuous) == (False, False)


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    toml = """
vsm = "unix:/a"
domain = 7
name = "from-file"
uplink = ["1,profile=U,device=eth1", "2,profile=U,device=eth2"]
"""
    found = load(tmp_path, "--name", "from-line", toml=toml)
    assert found.endpoint is not None
    assert (found.name, found.domain, found.endpoint.address) == ("from-line", 7, "unix:/a")
    assert [uplink.number for uplink in found.uplinks] == [1, 2]


@pytest.mark.parametrize(
    ("argv", "toml", "text"),
    [
        ([], "", "vsm: no address of the supervisor"),
        (["--vsm", "host:port"], "", "address host:port: is not understood"),
        (["--vsm", "127.0.0.1:4711"], "", "TCP needs certificates"),
        (["--vsm", "127.0.0.1:4711", "--tls-dir", "/nonexistent"], "", "certificate file /nonexistent/ca.pem"),
        (["--vsm", "unix:/a", "--domain", "4096"], "", "domain: '4096' is out of range 1-4095"),
        (["--vsm", "unix:/a", "--engine", "fast"], "", "engine: 'fast' is not one of auto, kernel, user"),
        (["--vsm", "unix:/a", "--host-uuid", "x"], "", "host-uuid: 'x' is not a UUID"),
        (["--vsm", "unix:/a", "--mac-age", "0"], "", "mac-age: '0' is not a number"),
        (["--vsm", "unix:/a", "--uplink", "1,profile=U"], "", "uplink '1,profile=U'"),
        (["--vsm", "unix:/a"], "domian = 1", "'domian' is no key; keys are vsm,"),
        (["--vsm", "unix:/a"], "domain = true", "domain: 'True' is not a plain value"),
        (["--vsm", "unix:/a"], "domain = [", "config file"),
        (["--vsm", "unix:/a", "--config", "/nonexistent"], "", "config file /nonexistent: No such file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, argv: list[str], toml: str, text: str) -> None:
    with pytest.raises(DvsError) as caught:
        load(tmp_path, *argv, toml=toml)
    assert text in str(caught.value)


def test_a_host_is_known_by_its_machine_id_or_else_by_a_uuid_kept(tmp_path: Path) -> None:
    machine_id = tmp_path / "machine-id"
    machine_id.write_text("0123456789abcdef0123456789abcdef\n")
    made = host_uuid(tmp_path, machine_id)
    assert made == host_uuid(tmp_path / "elsewhere", machine_id) != str(uuid.UUID(machine_id.read_text().strip()))
    kept = host_uuid(tmp_path, tmp_path / "none")
    assert kept == host_uuid(tmp_path, tmp_path / "none") != made


def test_the_documentation_has_the_table() -> None:
    assert markdown() in (ROOT / "docs" / "vem.md").read_text()
    assert len({key.name for key in KEYS}) == len(KEYS)
