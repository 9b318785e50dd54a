"""A VIS as a daemon: a module of a Fabric's supervisor, to whose ports hosts in mode NIV are cabled.

with vis(fabric, "vis1", "user", [f"1,wire={a}>{b},mode=niv"]) as found:
    host = fabric.add_host(...)
    set_mode(fabric, host, "niv")
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dvswitch import client
from dvswitch.errors import DvsError
from dvswitch.v1 import manager_pb2
from physical import control
from tests.support import leftovers
from tests.support.fabric import CALL_SECONDS, DOMAIN, HOSTS, Fabric, Host, purge
from tests.support.netns import Namespace
from tests.support.processes import wait_until

PATIENCE = 120.0


@dataclass
class Vis(Host):
    """As a host, but what it is asked is asked by its control socket."""

    def show(self) -> dict[str, Any]:
        """`vis show niv`."""
        with control.Client(str(self.socket), "switch") as asked:
            return asked.call("niv")

    def in_touch(self) -> bool:
        """It has a session with the supervisor, and so has each of its cards."""
        with contextlib.suppress(DvsError, OSError):
            found = self.show()
            return bool(found["connected"]) and all(card["connected"] for card in found["cards"])
        return False

    def start(self) -> None:
        """Start it again."""
        self.process.start()
        self.process.wait_ready(self.in_touch, "is in touch with the supervisor")

    def again(self) -> None:
        """Kill it, and start it anew."""
        self.process.kill()
        self.start()


@contextlib.contextmanager
def vis(
    fabric: Fabric, name: str, engine: str, ports: Sequence[str], where: Namespace | None = None, *options: str
) -> Iterator[Vis]:
    """Started, and known to the supervisor; afterwards it is gone, with its datapath."""
    ident, socket, state = str(uuid.uuid4()), fabric.path / f"{name}.ctl", fabric.path / f"{name}.d"
    HOSTS.add(ident)
    leftovers.remember_host(fabric.path, ident)
    words = [word for port in ports for word in ("--port", port)]
    process = fabric.add_switch(
        name, "--name", name, "--uuid", ident, "--vsm", f"unix:{fabric.socket}", "--domain", str(DOMAIN),
        "--state-dir", str(state), "--socket", str(socket), "--engine", engine, *words, *options, where=where,
    )  # fmt: skip
    found = Vis(name, engine, process, where, socket, ident, state)
    try:
        process.wait_ready(found.in_touch, "is in touch with the supervisor")
        yield found
    finally:
        process.end()
        purge(found)


def set_mode(fabric: Fabric, host: Host, mode: str) -> None:
    """Say it at the supervisor, and wait until the host is there."""
    fabric.configure(f"vem {fabric.status(host).slot}\nmode {mode}")
    wanted = "final" if mode.startswith("niv") else "local"
    wait_until(lambda: stage(host) == wanted, f"{host.name} is in mode {mode}", PATIENCE)


def stage(host: Host) -> str:
    """How far a host is with its mode."""
    return shown(host, "niv").split(maxsplit=2)[1]


def shown(host: Host, view: str) -> str:
    """`vem show` there."""
    request = manager_pb2.HostCommand(words=["show", *view.split()])
    with client.open_channel(f"unix:{host.socket}") as channel:
        output = client.host_stub(channel).Execute(request, timeout=CALL_SECONDS)
        return b"".join(piece.data for piece in output).decode()


__all__ = ["PATIENCE", "Vis", "set_mode", "shown", "stage", "vis"]
