"""The modelled physical access switch: every port learns and floods, in access or trunk mode; no uplinks, no policy.

It runs the same pipeline as the hosts' switches (vem/datapath, user engine); this file only says what is in the
tables.  Ports are the network's side of a cable: forged transmits, learning and unknown flooding are on everywhere.
physical/vis.py makes a process of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dvswitch.errors import Conflict, InvalidValue, NotFound
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet, check_vlan
from physical.options import parse_pairs
from physical.wire import Wire
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine, Plug
from vem.datapath.image import Control, Counters, Image, LearnedMac, Policy, Port

AGEING = 300.0
"""Seconds after which a silent MAC address is forgotten (S-069)."""
MAX_PORT = 48
MTU = 9000
"""Bytes of payload: the network's switches pass more than hosts send."""
_NO_MAC = MacAddress(bytes(6))


@dataclass(frozen=True, slots=True)
class PortConfig:
    """A port of the switch, as --port says."""

    number: int
    """1-48."""
    plug: Plug
    trunk: bool = False
    vlan: int = 1
    """Access VLAN, or native VLAN of a trunk."""
    allowed: VlanSet = VlanSet.all()
    """Trunk only."""
    shutdown: bool = False

    @classmethod
    def parse(cls, text: str) -> PortConfig:
        """Read "1,wire=LOCAL>REMOTE,mode=access,vlan=10" or "2,wire=…,mode=trunk,allowed=1-4094,native=1"."""
        number, pairs = parse_pairs("port", text, ("wire",), ("mode", "vlan", "allowed", "native"))
        subject, mode = f"port {number}", pairs.get("mode", "access")
        if not 1 <= number <= MAX_PORT:
            raise InvalidValue(subject, f"is out of range 1-{MAX_PORT}")
        if mode not in ("access", "trunk"):
            raise InvalidValue(subject, f"mode '{mode}' is unknown", "use access or trunk")
        for key in ("vlan",) if mode == "trunk" else ("allowed", "native"):
            if key in pairs:
                raise InvalidValue(subject, f"'{key}' does not go with mode {mode}")
        vlan = pairs.get("native" if mode == "trunk" else "vlan", "1")
        if not vlan.isdecimal():
            raise InvalidValue(subject, f"vlan '{vlan}' is no number")
        wire = Wire.parse(pairs["wire"])
        return cls(
            number,
            Plug("wire", local=str(wire.local), remote=str(wire.remote)),
            mode == "trunk",
            check_vlan(int(vlan), subject),
            VlanSet.parse(pairs.get("allowed", "1-4094"), subject),
        )

    def policy(self) -> Policy:
        """What the datapath is told."""
        return Policy(
            trunk=self.trunk,
            vlan=self.vlan,
            allowed=self.allowed if self.trunk else VlanSet(),
            forged_ok=True,
            learn=True,
            unknown_flood=True,
        )


def compile_image(ports: Iterable[PortConfig], mtu: int = MTU) -> Image:
    """The tables of a switch with these ports; the policy of a port has the port's number."""
    by_number = {port.number: port for port in ports}
    policies = {number: port.policy() for number, port in by_number.items()}
    members = _members(policies)
    return Image(
        control=Control(mtu=mtu, reverse_teaming=False),
        ports={n: Port(policy=n, number=n, mac=_NO_MAC, blocked=port.shutdown) for n, port in by_number.items()},
        policies=policies,
        members=members,
        unknown_members=members,
    )


def _members(policies: Mapping[int, Policy]) -> dict[int, tuple[int, ...]]:
    vlans = VlanSet()
    for policy in policies.values():
        vlans |= policy.vlans()
    carried = {number: policy.vlans().mask for number, policy in sorted(policies.items())}
    return {vlan: tuple(n for n, mask in carried.items() if mask >> vlan & 1) for vlan in vlans}


class Switch:
    """A running switch on an engine of its own."""

    def __init__(self, engine: Engine, ports: Iterable[PortConfig], ageing: float = AGEING, mtu: int = MTU) -> None:
        self._engine = engine
        self._ageing = ageing
        self._mtu = mtu
        self._ports: dict[int, PortConfig] = {}
        for port in ports:
            if port.number in self._ports:
                raise Conflict(f"port {port.number}", "is said twice")
            self._ports[port.number] = port
        self._image = engine.image()
        self._apply()
        for port in self._ports.values():
            engine.plug(port.number, port.plug)

    @property
    def ports(self) -> Mapping[int, PortConfig]:
        """By number."""
        return self._ports

    def set_shutdown(self, number: int, shutdown: bool) -> None:
        """Close a port (no frame in or out) or open it; what it learned is forgotten (S-074)."""
        port = self._ports.get(number)
        if port is None:
            raise NotFound(f"port {number}", "does not exist", f"ports: {', '.join(map(str, sorted(self._ports)))}")
        self._ports[number] = replace(port, shutdown=shutdown)
        self._apply()
        if shutdown:
            self._engine.forget(entry for entry in self._engine.learned() if entry.lport == number)

    def age(self) -> int:
        """Forget addresses that were silent for too long; returns how many."""
        old = [entry for entry in self._engine.learned() if entry.age >= self._ageing]
        self._engine.forget(old)
        return len(old)

    def macs(self) -> list[LearnedMac]:
        """The MAC table, by VLAN and address."""
        return sorted(self._engine.learned(), key=lambda entry: (entry.vlan, entry.mac))

    def flush(self) -> None:
        """Forget all addresses."""
        self._engine.forget(self._engine.learned())

    def counters(self) -> dict[int, Counters]:
        """By port."""
        return self._engine.counters(self._ports)

    def close(self) -> None:
        """Unplug everything."""
        self._engine.close(keep=False)

    def _apply(self) -> None:
        wanted = compile_image(self._ports.values(), self._mtu)
        apply_image(self._engine, self._image, wanted)
        self._image = wanted


__all__ = ["AGEING", "MTU", "PortConfig", "Switch", "compile_image"]
