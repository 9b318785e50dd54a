"""The roads of a migration (roads.py) with hosts in mode NIV: a VIS, or two, between them and the physical switch.

    one VIS:    alpha, beta, a third host - vis1 - physical switch - the network
    two VISes:  alpha - vis1 - physical switch - vis2 - beta, a third host
                                     |
                                the network

Hosts that are not in mode NIV are on plain ports of a VIS.  All of it is datagram wires, or network namespaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.roads import PORTS, TRUNK, Roads
from tests.e2e.scenes import BASICS, WEB
from tests.support.fabric import Fabric, Host, home
from tests.support.netns import Lab
from tests.support.processes import wait_until
from tests.support.relay import Relay
from tests.support.vis import Vis, set_mode, vis

ADDRESSES = ("192.0.2.1", "192.0.2.2")
"""For mobility."""
FORWARD = f"""\
port-profile type vethernet {WEB}
  mobility forward 5
"""


@dataclass
class NivRoads(Roads):
    """Two hosts, each in mode NIV or not, and their VISes."""

    niv: tuple[bool, bool] = (True, True)
    """Whether alpha, and beta, is; a third host is what beta is."""
    count: int = 1
    """Of VISes."""
    outside_kind: str = TRUNK
    """Of the port of the physical switch where no VIS is."""
    vises: list[Vis] = field(default_factory=list)
    forward: bool = False
    """Whether VISes, and a second host that is not in mode NIV, have addresses for mobility: an underlay of two."""
    relays: list[Relay] = field(default_factory=list)
    """Of each VIS, to the supervisor."""
    stack: ExitStack = field(default_factory=ExitStack)

    def start_switch(self) -> None:
        """The VISes, and the physical switch behind them."""
        self.open_mouth()
        supervisor = self.fabric.socket
        names = [f"vis{number}" for number in range(1, self.count + 1)]
        if self.lab:
            self.spaces.update((name, self.lab.namespace(name)) for name in names)
        near = {port: self.cable(port, names[self._vis_of(port)]) for port in range(1, PORTS)}
        ends = [f"{PORTS},{self.cable(PORTS)},{self.outside_kind}"]
        told = self._underlay(names) if self.forward else {}
        for index, name in enumerate(names):
            up, down = self._uplink(name, index + 1)
            ports = [f"{port},{near[port]},{self._kind(port)}" for port in near if self._vis_of(port) == index]
            engine = "kernel" if "kernel" in self.engines else "user"
            self.relays.append(self.stack.enter_context(Relay(self.path / f"{name}.way", supervisor)))
            self.fabric.socket = self.path / f"{name}.way"
            space, words = self.spaces.get(name), told.get(name, [])
            made = vis(self.fabric, name, engine, [*ports, f"{PORTS},{up},{TRUNK}"], space, *words)
            self.vises.append(self.stack.enter_context(made))
            self.fabric.socket = supervisor
            ends.append(f"{index + 1},{down},{TRUNK}")
        self.run_switch(ends)

    def _underlay(self, names: list[str]) -> dict[str, list[str]]:
        """Options for the VISes; the host's are kept for when it is added."""
        assert self.lab
        ends = (names[0], names[1] if self.count == 2 else "host2")
        self.lab.veth(self.spaces[ends[0]], "mob0", self.spaces[ends[1]], "mob0")
        for end, address in zip(ends, ADDRESSES, strict=True):
            self.spaces[end].run("ip", "address", "add", f"{address}/24", "dev", "mob0")
        told = {end: ["--mobility", address] for end, address in zip(ends, ADDRESSES, strict=True)}
        self.options[2] = told.get("host2", [])
        return told

    def _uplink(self, name: str, number: int) -> tuple[str, str]:
        """Both ends of the cable between a VIS and the physical switch."""
        if self.lab:
            self.lab.veth(self.spaces[name], f"p{PORTS}", self.spaces["sw"], f"p{number}", mtu=9000)
            return f"device=p{PORTS}", f"device=p{number}"
        ends = f"unix:{self.path}/v.{number}", f"unix:{self.path}/s.{number}"
        return f"wire={ends[0]}>{ends[1]}", f"wire={ends[1]}>{ends[0]}"

    def _vis_of(self, port: int) -> int:
        """Index of the VIS that a host is cabled to."""
        return 1 if port > 1 and self.count == 2 else 0

    def _is_niv(self, port: int) -> bool:
        return self.niv[min(port, 2) - 1]

    def _kind(self, port: int) -> str:
        return "mode=niv" if self._is_niv(port) else TRUNK

    def add_host(self, name: str, engine: str, supervisor: Path | None = None) -> Host:
        """In its mode."""
        host = super().add_host(name, engine, supervisor)
        if self._is_niv(self.taken):
            set_mode(self.fabric, host, "niv")
        return host

    def confirms(self, host: Host) -> Host | None:
        """In mode NIV its VIS, which is the source's, too, unless there are two."""
        if not self._is_niv(list(self.fabric.hosts).index(host.name) + 1):
            return host
        return self.vis_of(host) if self.count == 2 else None

    @contextmanager
    def holding(self, host: Host) -> Iterator[None]:
        """In mode NIV it is its card that has the word."""
        if not self._is_niv(list(self.fabric.hosts).index(host.name) + 1):
            with super().holding(host):
                yield
            return
        vis = self.vis_of(host)
        relay = self.relays[self.vises.index(vis)]
        relay.cut()
        try:
            yield
        finally:
            relay.heal()
            wait_until(vis.in_touch, "the cards are back")

    def vis_of(self, host: Host) -> Vis:
        """Where it is cabled to."""
        return self.vises[self._vis_of(list(self.fabric.hosts).index(host.name) + 1)]

    def port(self, host: Host) -> str:
        """The physical switch knows VISes only."""
        return f"0/{self.vises.index(self.vis_of(host)) + 1}"


@contextmanager
def niv_roads(
    engines: tuple[str, str], niv: tuple[bool, bool], count: int = 1, station: int = 0, forward: bool = False
) -> Iterator[NivRoads]:
    """Both hosts up and in their modes, and the profiles configured.  ``station``: the VLAN of a station in a namespace
    where else the network is; then nothing is of wires.  ``forward``: with `mobility forward`; needs a station."""
    with ExitStack() as stack:
        lab = None if set(engines) == {"user"} and not station else stack.enter_context(Lab())
        path = stack.enter_context(home())
        fabric = stack.enter_context(Fabric(path))
        scene = NivRoads(path, fabric, engines, lab, niv=niv, count=count, stack=stack, forward=forward)
        scene.outside_kind = f"mode=access,vlan={station}" if station else TRUNK
        fabric.configure(*BASICS, *([FORWARD] if forward else []))
        scene.start_switch()
        stack.callback(lambda: scene.mouth.close())
        for name, engine in zip(("alpha", "beta"), engines, strict=True):
            scene.add_host(name, engine)
        yield scene
        fabric.check_accounts(some_left=True, counted_here=False)


__all__ = ["NivRoads", "niv_roads"]
