"""A host with a thousand ports, and its agent: for what only shows, or only costs, when they are many.

Ports are lports 1..1000, in memory (user engine) or on real taps (kernel engine).  The agent comes up with all of them
known from its state file, as after a restart; its two uplinks are cables to a Linux bridge in a namespace of its own,
which stands for the physical switch.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvswitch.v1 import fabric_pb2 as fabric
from tests.agent.supervisor import BASICS, DB, WEB, Bench, bench, mac, port, uplink
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from vem.agent.attachments import Attachment, Stage, nic_key
from vem.agent.convert import update_from
from vem.agent.state import Saved, StateFile
from vem.agent.wanted import Nic, Wanted, apply_update
from vem.datapath.engine import Engine, Plug

PORTS, IN_VLAN = 1000, 250
"""Lports 1..IN_VLAN are in one VLAN, the others elsewhere."""
UPLINKS = (PORTS + 1, PORTS + 2)
"""Lports."""
GROUP = 7
"""Of the taps, for iproute2."""


class MemoryPorts:
    """All ports of a user engine, in memory."""

    def __init__(self, stack: ExitStack) -> None:
        from vem.datapath.user import UserEngine

        self.engine = UserEngine()
        stack.callback(self.engine.close)
        self.plugs = {lport: Plug("memory") for lport in range(1, PORTS + 2)}
        for lport, plug in self.plugs.items():
            self.engine.plug(lport, plug)

    def send(self, lport: int, data: bytes) -> None:
        """As the guest."""
        self.engine.inject(lport, data)

    def take(self, lport: int) -> list[bytes]:
        """What the guest was given since."""
        return list(iter(lambda: self.engine.take(lport), None))

    def hand_over(self) -> Callable[[], Engine]:
        """How an agent opens this engine, which is its own from now on."""
        return lambda: self.engine


class TapPorts:
    """A real tap for every port of a kernel engine."""

    def __init__(self, stack: ExitStack) -> None:
        from tests.kernel.rig import Switch
        from tests.rows.backends_kernel import TapNic

        self._switch = stack.enter_context(Switch("big"))
        self.where = stack.enter_context(Lab()).namespace("big")
        self.engine = self._switch.open()
        self.plugs: dict[int, Plug] = {}
        self._taps: dict[int, Any] = {}
        for lport in range(1, PORTS + 2):
            self._taps[lport] = nic = TapNic(self.where, f"t{lport}")
            stack.callback(nic.close)
            self.plugs[lport] = Plug("tap", nic.name, self.where.name)
            self.engine.plug(lport, self.plugs[lport])
        stack.callback(self._delete)

    def _delete(self) -> None:
        """All taps at once: one by one, as their descriptors are closed, the kernel takes a while for each."""
        with tempfile.NamedTemporaryFile("w", suffix=".batch") as batch:
            batch.writelines(f"link set {nic.name} group {GROUP}\n" for nic in self._taps.values())
            batch.flush()
            self.where.run("ip", "-batch", batch.name)
        self.where.run("ip", "link", "delete", "group", str(GROUP))

    def send(self, lport: int, data: bytes) -> None:
        """As the guest."""
        self._taps[lport].write(data)

    def take(self, lport: int) -> list[bytes]:
        """What the guest was given since."""
        return list(iter(self._taps[lport].read, None))

    def hand_over(self) -> Callable[[], Engine]:
        """How an agent opens this engine, which is its own from now on."""
        self.engine.close(keep=True)
        return self._switch.open


Ports = MemoryPorts | TapPorts


@dataclass
class BigHost:
    """The agent, its ports, and the network outside."""

    bench: Bench
    ports: Ports
    network: Namespace
    cables: dict[int, FrameSocket]
    """The network's ends, by uplink."""
    outside: FrameSocket
    """A station on the network."""

    def pinned(self) -> dict[int, int]:
        """Uplink of each vEth that forwards; lport N is vEth N."""
        return {veth: state.pinned_uplink for veth, state in self.bench.agent.compiled.veths.items()}

    def stations(self) -> dict[str, str]:
        """The physical switch's MAC table: on which cable ("net1", …) it has a guest's address."""
        lines = (line.split() for line in self.network.run("bridge", "fdb", "show", "br", "br0").splitlines())
        return {words[0]: words[2] for words in lines if words[0].startswith("52:54") and "permanent" not in words}

    def cable(self, number: int, state: str) -> None:
        """Pull the cable of an uplink ("down"), or mend it ("up")."""
        self.network.run("ip", "link", "set", f"net{number}", state)

    def forwards(self, number: int) -> bool:
        """The physical switch forwards on the cable; it takes it a moment to notice that the cable is mended."""
        return "state forwarding" in self.network.run("bridge", "link", "show", "dev", f"net{number}")

    async def send(self, lport: int, data: bytes) -> None:
        """As the guest; the engine is the agent's, so it is asked in the agent's way."""
        await self.bench.agent.datapath._thread.call(self.ports.send, lport, data)

    async def take(self) -> dict[int, list[bytes]]:
        """What each guest was given since."""
        lports = range(1, PORTS + 1)
        return await self.bench.agent.datapath._thread.call(lambda: {n: self.ports.take(n) for n in lports})


@asynccontextmanager
async def big_host(ports: Ports, path: Path) -> AsyncIterator[BigHost]:
    """The agent runs, all ports forward; the agent lets the engine go afterwards."""
    async with AsyncExitStack() as stack:
        lab = stack.enter_context(Lab())
        where = ports.where if isinstance(ports, TapPorts) else lab.namespace("host")
        network = lab.namespace("net")
        for number in (1, 2):
            lab.veth(where, f"up{number}", network, f"net{number}")
            stack.callback(where.delete_link, f"up{number}")
        lab.veth(network, "ext0", network, "ext1")
        lab.bridge(network, "br0", "net1", "net2", "ext0")
        outside, *cables = (stack.enter_context(FrameSocket(network, link)) for link in ("ext1", "net1", "net2"))
        _write_state(path, ports.plugs)
        specs = tuple(f"{n},profile=UPLINK,device=up{n},netns={where.name}" for n in (1, 2))
        made = await stack.enter_async_context(bench(path, ports.hand_over(), specs))
        made.keep = True
        yield BigHost(made, ports, network, dict(enumerate(cables, start=1)), outside)


def _write_state(path: Path, plugs: dict[int, Plug]) -> None:
    """What an agent with a thousand NICs would have saved."""
    policies = {veth: WEB if veth <= IN_VLAN else DB for veth in range(1, PORTS + 1)}
    changes = (*BASICS, uplink(2), *(port(veth, f"vm{veth}", ident) for veth, ident in policies.items()))
    wanted = apply_update(Wanted(), update_from(fabric.Update(revision=1, snapshot=True, commit=True, changes=changes)))
    attachments = [_attachment(veth, wanted, plugs[veth]) for veth in policies]
    lports = {nic_key(item.nic): item.lport for item in attachments}
    lports |= {f"uplink {number}": lport for number, lport in enumerate(UPLINKS, start=1)}
    file = StateFile(path)
    file.write(file.encoded(Saved(wanted, 3, attachments, lports)))


def _attachment(veth: int, wanted: Wanted, plug: Plug) -> Attachment:
    profile = wanted.profile_of(wanted.ports[veth])
    nic = Nic(f"vm{veth}")
    return Attachment(nic, mac(veth), profile, plug, veth, veth=veth, generation=1, stage=Stage.KNOWN)


__all__ = ["IN_VLAN", "PORTS", "UPLINKS", "BigHost", "MemoryPorts", "Ports", "TapPorts", "big_host"]
