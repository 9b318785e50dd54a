"""A host with the kernel engine and guests: Linux network stacks in namespaces, each on a veth of its own.

    with Lab() as lab, Switch("label") as switch:
        host = Host(lab, "host", guests=(1, 2))
        engine = switch.open()
        host.plug(engine)

Guest N sits on lport N, its MAC is tests.rows.world.mac(N), its address 10.0.0.N.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.rows.world import mac
from tests.support.netns import Lab, Namespace
from vem.datapath.engine import Plug
from vem.datapath.kernel import KernelEngine
from vem.datapath.kernel_attach import Method

ROOT = Path("/sys/fs/bpf/dvswitch-tests")
"""Apart from the switches of this machine."""
_numbers = itertools.count(1)


class Switch:
    """The name of a switch, whose pins are gone at the end, whoever holds them."""

    def __init__(self, label: str, method: Method | None = None) -> None:
        sweep()
        self.name = f"{label}-{os.getpid()}-{next(_numbers)}"
        self.method = method
        self.home = ROOT / self.name
        self._engines: list[KernelEngine] = []

    def open(self) -> KernelEngine:
        """A new engine, or the adopted one."""
        engine = KernelEngine.open(self.name, str(ROOT), method=self.method)
        self._engines.append(engine)
        return engine

    def __enter__(self) -> Switch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for engine in self._engines:
            engine.close(keep=True)
        if self.home.exists():
            self.open().close(keep=False)


def sweep() -> None:
    """Remove the pins of switches whose test run was killed."""
    for home in ROOT.glob("*-*-*"):
        owner = home.name.split("-")[1]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(home, ignore_errors=True)


def address(lport: int) -> str:
    """The guest's IPv4 address."""
    return f"10.0.0.{lport}"


class Host:
    """A namespace for the host and one for each guest."""

    def __init__(self, lab: Lab, label: str, guests: Sequence[int]) -> None:
        self.where = lab.namespace(label)
        self.guests: dict[int, Namespace] = {}
        for lport in guests:
            guest = self.guests[lport] = lab.namespace(f"{label}-{lport}")
            lab.veth(
                self.where,
                f"vm{lport}",
                guest,
                "eth0",
                peer_mac=":".join(f"{octet:02x}" for octet in mac(lport)),
                peer_address=f"{address(lport)}/24",
            )

    def plug_of(self, lport: int) -> Plug:
        """Where guest ``lport`` is plugged in."""
        return Plug("veth", f"vm{lport}", self.where.name)

    def plug(self, engine: KernelEngine) -> None:
        """Plug all guests."""
        for lport in self.guests:
            engine.plug(lport, self.plug_of(lport))

    def introduce(self, *lports: int) -> None:
        """Let guests know each other's MACs, so that no ARP disturbs the counting."""
        for here, there in itertools.permutations(lports, 2):
            neighbour = ":".join(f"{octet:02x}" for octet in mac(there))
            command = f"ip neighbour replace {address(there)} dev eth0 lladdr {neighbour} nud permanent"
            self.guests[here].run(*command.split())
