"""The daemon's options as one table: name, type, default, help.  The command line and its help come from it."""

# ruff: noqa: RUF009 - the calls make dataclass fields

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from dvswitch.errors import InvalidValue
from vsm.fabric.session import Timing
from vsm.mobility.driver import Patience


def _option(text: str, read: Callable[[str], Any], default: Any, metavar: str, low: float = 0, high: float = 0) -> Any:
    """A field of Options: its help, how its text is read, and the range of a number (high = 0: any)."""
    metadata = {"help": text, "read": read, "metavar": metavar, "low": low, "high": high}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(slots=True)
class Options:
    """What `vsm run` can be told."""

    data: Path = _option("directory of the store; made if missing", Path, Path("vsm-data"), "DIR")
    listen: list[str] = _option(
        "where modules connect: unix:PATH or ADDR:PORT (with --tls-dir); may be repeated; "
        "default: unix:DIR/fabric.sock in the data directory", str, [], "ADDRESS"
    )  # fmt: skip
    operator: str = _option(
        "where operators and managers connect; default: unix:DIR/operator.sock in the data directory",
        str, "", "unix:PATH",
    )  # fmt: skip
    operator_listen: list[str] = _option(
        "where operators' programs and managers connect from elsewhere: ADDR:PORT (with --tls-dir); may be repeated",
        str, [], "ADDRESS",
    )  # fmt: skip
    ssh: list[str] = _option(
        "where users log in by SSH: ADDR:PORT, or 'none'; may be repeated; default: 127.0.0.1:2022, if it is free",
        str, [], "ADDRESS",
    )  # fmt: skip
    admin_password_file: Path | None = _option(
        "file with the password of the first user, admin, taken at the very first start only; "
        "default: a random one, shown once", Path, None, "FILE",
    )  # fmt: skip
    login_penalty_s: float = _option(
        "wait after a wrong password; doubled with each more", float, 1.0, "SECONDS", 0, 60
    )
    mqtt: str = _option(
        "broker that events are published to: mqtts://[USER@]HOST[:PORT], on this machine also mqtt://127.0.0.1[:PORT] "
        "or unix:PATH; default: none", str, "", "BROKER",
    )  # fmt: skip
    mqtt_password_file: Path | None = _option("file with the password of the broker's USER", Path, None, "FILE")
    mqtt_ca: Path | None = _option(
        "file of the authority that vouches for the broker; default: those that the system trusts", Path, None, "FILE"
    )
    mqtt_prefix: str = _option("first words of all topics", str, "dvs", "WORDS")
    tls_dir: Path | None = _option("directory of ca.pem, vsm.pem and vsm.key (see 'vsm pki')", Path, None, "DIR")
    hostname: str = _option("the switch's name, taken at the very first start only", str, "vsm", "NAME")
    domain: int = _option("domain id, taken at the very first start only", int, 1, "ID", 1, 4095)
    heartbeat_ms: int = _option("how often both sides send a heartbeat", int, 1000, "MS", 50, 60_000)
    absent_s: float = _option("silence after which a module is absent", float, 6.0, "SECONDS", 0.2, 3600)
    counters_ms: int = _option("how often modules report counters", int, 1000, "MS", 50, 600_000)
    persist_s: float = _option("how often counters are stored", float, 5.0, "SECONDS", 0.1, 3600)
    prepare_s: float = _option(
        "how long a prepared migration waits for its manager or the VM's frames", float, 3600.0, "SECONDS", 0.1, 604_800
    )
    drain_s: float = _option("how long a migration waits for its source", float, 3.0, "SECONDS", 0.1, 60)
    apply_s: float = _option("how long a migration waits for its target to confirm", float, 30.0, "SECONDS", 0.1, 3600)
    log_level: str = _option("debug, info, warning or error", str, "info", "LEVEL")

    @property
    def timing(self) -> Timing:
        """The rhythm of module sessions."""
        return Timing(self.heartbeat_ms / 1000, self.absent_s, self.counters_ms / 1000, self.persist_s)

    @property
    def patience(self) -> Patience:
        """How long migrations wait."""
        return Patience(self.prepare_s, self.drain_s, self.apply_s)

    @property
    def listen_addresses(self) -> list[str]:
        """Where modules connect."""
        return self.listen or [f"unix:{self.data / 'fabric.sock'}"]

    @property
    def operator_address(self) -> str:
        """Where operators connect."""
        return self.operator or f"unix:{self.data / 'operator.sock'}"

    @property
    def ssh_addresses(self) -> list[str]:
        """Where the SSH server listens; none: nowhere."""
        return [] if self.ssh == ["none"] else self.ssh or ["127.0.0.1:2022"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` one argument per row."""
    for row in fields(Options):
        action = "append" if row.default is MISSING else "store"
        parser.add_argument(flag(row), action=action, metavar=row.metadata["metavar"], help=describe(row))


def read_options(arguments: argparse.Namespace) -> Options:
    """The options given, the rest at their defaults; InvalidValue names the option and its range."""
    given: dict[str, Any] = {}
    for row in fields(Options):
        text = getattr(arguments, row.name)
        if isinstance(text, list):
            given[row.name] = [_read(row, item) for item in text]
        elif text is not None:
            given[row.name] = _read(row, text)
    return Options(**given)


def flag(row: Field[Any]) -> str:
    """The option's name on the command line."""
    return "--" + row.name.replace("_", "-")


def describe(row: Field[Any]) -> str:
    """Help with range and default."""
    text, low, high = row.metadata["help"], row.metadata["low"], row.metadata["high"]
    limits = f" ({low:g}-{high:g})" if high else ""
    default = f" [{row.default}]" if row.default not in (MISSING, None, "") else ""
    return f"{text}{limits}{default}"


def _read(row: Field[Any], text: str) -> Any:
    low, high = row.metadata["low"], row.metadata["high"]
    try:
        value = row.metadata["read"](text)
    except ValueError as error:
        raise InvalidValue(f"option {flag(row)}", f"'{text}' is not understood", describe(row)) from error
    if high and not low <= value <= high:
        raise InvalidValue(f"option {flag(row)}", f"{text} is out of range {low:g}-{high:g}")
    return value
