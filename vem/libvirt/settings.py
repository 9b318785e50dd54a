"""Settings of the hook and of the `ovs-vsctl` stand-in: one small TOML file, because libvirtd hands no options on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dvswitch.errors import InvalidValue

PATH = "/etc/dvswitch/libvirt.toml"
VARIABLE = "DVS_LIBVIRT_CONFIG"
"""Names another file."""
KEYS = ("socket", "run-dir", "network-dirs", "bridge", "supervisor-away")


@dataclass(frozen=True, slots=True)
class Settings:
    """As read, or the defaults."""

    socket: Path = Path("/run/dvswitch/vem.sock")
    """The host agent's."""
    run_dir: Path = Path("/run/dvswitch/libvirt")
    """For notes (vem/libvirt/notes.py)."""
    network_dirs: tuple[Path, ...] = (Path("/run/libvirt/network"), Path("/etc/libvirt/qemu/networks"))
    """Where libvirt keeps NAME.xml of its networks, the running ones first."""
    bridge: str = ""
    """The only bridge name that is taken; "" = any."""
    takes_unasked: bool = False
    """supervisor-away = "allow": let a VM come by migration although the supervisor can't be asked."""


def load(path: Path | None = None) -> Settings:
    """From ``path``, else the file that the environment names, else the usual one if it is there.  InvalidValue."""
    named = str(path or os.environ.get(VARIABLE, ""))
    file = Path(named or PATH)
    if not named and not file.exists():
        return Settings()
    import tomllib  # takes longer to load than all the rest here

    try:
        values = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidValue(f"file {file}", f"can't be read: {error}") from error
    if unknown := values.keys() - set(KEYS):
        raise InvalidValue(f"file {file}", f"has unknown keys: {', '.join(sorted(unknown))}", f"use {', '.join(KEYS)}")
    return _from(values, file)


def _from(values: dict[str, object], file: Path) -> Settings:
    default = Settings()
    dirs = values.get("network-dirs", [str(each) for each in default.network_dirs])
    away = values.get("supervisor-away", "refuse")
    texts = [values.get(key, "") for key in ("socket", "run-dir", "bridge")]
    if not isinstance(dirs, list) or not all(isinstance(text, str) for text in (*texts, *dirs)):
        raise InvalidValue(f"file {file}", "has a value that is no text", "write it in quotes")
    if away not in ("refuse", "allow"):
        raise InvalidValue(f"supervisor-away '{away}'", "is unknown", "write 'refuse' or 'allow'")
    return Settings(
        socket=Path(str(texts[0]) or default.socket),
        run_dir=Path(str(texts[1]) or default.run_dir),
        network_dirs=tuple(Path(each) for each in dirs),
        bridge=str(texts[2]),
        takes_unasked=away == "allow",
    )


__all__ = ["Settings", "load"]
