"""The agent's settings: one table gives the command line, the TOML file, the checks and the documentation.

A key is written --like-this on the command line and like-this in the file; the command line wins, unknown keys are
refused.
"""

from __future__ import annotations

import argparse
import os
import socket
import tomllib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvswitch.client import TlsFiles
from dvswitch.errors import InvalidValue, StorageError
from dvswitch.mobility import DEFAULT_PORT, parse_endpoint
from vem.agent.ageing import DEFAULT_AGE
from vem.agent.session import Endpoint
from vem.agent.uplinks import UplinkConfig, check_numbers, parse_uplink
from vem.datapath.choose import EngineKind

MACHINE_ID = Path("/etc/machine-id")
_NAMESPACE = uuid.UUID("6f0f4a57-7d2b-5e5e-9d0a-0c5b5a0d7653")
_ENGINES = ("auto", "kernel", "user")
_SWITCH = ("on", "off")
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Key:
    """One setting."""

    name: str
    kind: Callable[[str], Any]
    """Reads the text; raises ValueError or InvalidValue."""
    metavar: str
    default: str
    """Text; "" = none."""
    help: str
    many: bool = False


def _domain(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 4095:
        raise InvalidValue("domain", f"'{text}' is out of range 1-4095")
    return int(text)


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidValue("host-uuid", f"'{text}' is not a UUID") from None


def _one_of(name: str, words: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise InvalidValue(name, f"'{text}' is not one of {', '.join(words)}")
        return text

    return read


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 1_000_000:
        raise InvalidValue("mac-age", f"'{text}' is not a number of seconds 1-1000000")
    return seconds


def _mobility(text: str) -> tuple[str, int]:
    return parse_endpoint(text, DEFAULT_PORT)


def _state_dir() -> str:
    if os.geteuid() == 0:
        return "/var/lib/dvswitch/vem"
    return str(Path(os.environ.get("XDG_STATE_HOME", "~/.local/state")).expanduser() / "dvswitch" / "vem")


def default_socket() -> str:
    """Where the agent of this host listens unless told otherwise."""
    if os.geteuid() == 0:
        return "/run/dvswitch/vem.sock"
    return str(Path(os.environ.get("XDG_RUNTIME_DIR", f"/tmp/dvswitch-{os.geteuid()}")) / "dvswitch" / "vem.sock")


KEYS: tuple[Key, ...] = (
    Key("vsm", str, "ADDRESS", "", "the supervisor: unix:PATH, or HOST:PORT with --tls-dir"),
    Key("tls-dir", Path, "DIR", "", "directory with ca.pem, and NAME.pem and NAME.key of this host's --name"),
    Key("domain", _domain, "N", "1", "the switch's domain, 1-4095; must be the supervisor's"),
    Key("host-uuid", _uuid, "UUID", "", "this host's identity [made from the machine id, else once at random]"),
    Key("name", str, "NAME", "", "this host's name [the system's host name]"),
    Key("address", str, "TEXT", "", "address shown to operators as Server-IP"),
    Key("engine", _one_of("engine", _ENGINES), "KIND", "auto", "datapath: auto, kernel or user"),
    Key("state-dir", Path, "DIR", "", "where state is kept [/var/lib/dvswitch/vem; without root ~/.local/state/...]"),
    Key("socket", Path, "PATH", "", "local API [/run/dvswitch/vem.sock; without root in $XDG_RUNTIME_DIR]"),
    Key(
        "uplink",
        parse_uplink,
        "SPEC",
        "",
        "N,profile=NAME,device=DEV or N,profile=NAME,wire=LOCAL>REMOTE[,speed=MBITS]",
        many=True,
    ),
    Key("mobility", _mobility, "ADDR[:PORT]", "", "address for frames of moving VMs, from host to host; port 8474"),
    Key("mac-age", _seconds, "SECONDS", f"{DEFAULT_AGE:g}", "learned MACs not seen for so long are forgotten"),
    Key("reverse-teaming", _one_of("reverse-teaming", _SWITCH), "on|off", "on", "off, for diagnosis: duplicates pass"),
    Key(
        "rpf-check-promiscuous",
        _one_of("rpf-check-promiscuous", _SWITCH),
        "on|off",
        "on",
        "off: promiscuous ports also see frames of this host that the network sends back",
    ),
    Key("log-level", _one_of("log-level", _LEVELS), "LEVEL", "info", "debug, info, warning or error"),
)
_BY_NAME = {key.name: key for key in KEYS}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `vem run` was told, checked."""

    endpoint: Endpoint | None
    """None: the command talks to no supervisor."""
    domain: int
    host_uuid: str
    name: str
    address: str
    engine: EngineKind
    state_dir: Path
    socket: Path
    uplinks: list[UplinkConfig]
    mac_age: float
    reverse_teaming: bool
    rpf_promiscuous: bool
    mobility: tuple[str, int] | None
    log_level: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One option per key, and --config."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with the same keys")
    for key in KEYS:
        default = f" [{key.default}]" if key.default else ""
        action = "append" if key.many else "store"
        parser.add_argument(f"--{key.name}", metavar=key.metavar, action=action, help=key.help + default)


def markdown() -> str:
    """The reference table of docs/vem.md."""
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key in KEYS:
        many = ", repeatable" if key.many else ""
        rows.append(f"| `{key.name}` | {key.metavar}{many} | {key.default} | {key.help.replace('|', '/')} |")
    return "\n".join(rows)


def load_settings(arguments: argparse.Namespace, needs_vsm: bool = True) -> Settings:
    """Command line over file over defaults; InvalidValue names what is wrong.  Makes the state directory."""
    given: dict[str, Any] = _read_file(arguments.config) if arguments.config else {}
    for key in KEYS:
        value = getattr(arguments, key.name.replace("-", "_"))
        if value is not None:
            given[key.name] = value
    values = {key.name: _value(key, given.get(key.name)) for key in KEYS}
    check_numbers(values["uplink"])
    state_dir = values["state-dir"] or Path(_state_dir())
    _make_private(state_dir)
    name = values["name"] or socket.gethostname()
    return Settings(
        endpoint=_endpoint(values["vsm"], values["tls-dir"], name) if needs_vsm else None,
        domain=values["domain"],
        host_uuid=values["host-uuid"] or host_uuid(state_dir),
        name=name,
        address=values["address"] or "",
        engine=values["engine"],
        state_dir=state_dir,
        socket=values["socket"] or Path(default_socket()),
        uplinks=values["uplink"],
        mac_age=values["mac-age"],
        reverse_teaming=values["reverse-teaming"] == "on",
        rpf_promiscuous=values["rpf-check-promiscuous"] == "on",
        mobility=values["mobility"],
        log_level=values["log-level"],
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        given = tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidValue(f"config file {path}", str(error.strerror)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"config file {path}", str(error)) from error
    for name in given:
        if name not in _BY_NAME:
            raise InvalidValue(f"config file {path}", f"'{name}' is no key", f"keys are {', '.join(_BY_NAME)}")
    return given


def _value(key: Key, given: Any) -> Any:
    """The checked value of a key; None (or an empty list) when neither given nor defaulted."""
    if key.many:
        items = given if isinstance(given, list) else [] if given is None else [given]
        return [_read(key, item) for item in items]
    text = key.default if given is None else given
    return None if text == "" else _read(key, text)


def _read(key: Key, given: Any) -> Any:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise InvalidValue(key.name, f"'{given}' is not a plain value")
    return key.kind(str(given))


def _endpoint(address: str | None, tls_dir: Path | None, name: str) -> Endpoint:
    if not address:
        raise InvalidValue("vsm", "no address of the supervisor is given", "add --vsm unix:PATH or HOST:PORT")
    return Endpoint(address, TlsFiles.in_directory(tls_dir, name) if tls_dir else None)


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"state directory {directory}", f"can't be made: {error.strerror}") from error


def host_uuid(state_dir: Path, machine_id: Path = MACHINE_ID) -> str:
    """The machine id as a UUID of our own (the id itself is not to be shown around), else one made once and kept."""
    try:
        return str(uuid.uuid5(_NAMESPACE, str(uuid.UUID(machine_id.read_text().strip()))))
    except (OSError, ValueError):
        return _kept_uuid(state_dir / "host-uuid")


def _kept_uuid(path: Path) -> str:
    try:
        return str(uuid.UUID(path.read_text().strip()))
    except (OSError, ValueError):
        pass
    made = str(uuid.uuid4())
    try:
        path.write_text(made + "\n")
    except OSError as error:
        raise StorageError(f"file {path}", f"can't be written: {error.strerror}", "give --host-uuid") from error
    return made


__all__ = ["KEYS", "Settings", "add_arguments", "default_socket", "host_uuid", "load_settings", "markdown"]
