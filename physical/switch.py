"""The modelled physical access switch: every port learns and floods, in access or trunk mode; no uplinks, no policy.

It runs the same pipeline as the hosts' switches (vem/datapath, user engine); this file only says what is in the
tables.  Ports are the network's side of a cable: forged transmits, learning and unknown flooding are on everywhere.
What it speaks with its neighbours is in physical/neighbours.py; physical/vis.py makes a process of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dvswitch.errors import NotFound
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from physical.switch_config import Flavour, LagConfig, MirrorConfig, NivPort, PortConfig, SwitchConfig
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine
from vem.datapath.image import Control, Counters, Image, LearnedMac, Niv, Policy, Port, Tagging, Team

AGEING = 300.0
"""Seconds after which a silent MAC address is forgotten (S-069)."""
MTU = 9000
"""Bytes of payload: the network's switches pass more than hosts send."""
_NO_MAC = MacAddress(bytes(6))
_EVERYTHING = VlanSet.parse("0-4094", lowest=0)

Members = Mapping[int, tuple[int, ...]]
"""LAG -> its ports in use."""


NivPorts = Mapping[int, NivPort]


def compile_image(config: SwitchConfig, members: Members, mtu: int = MTU, niv: NivPorts | None = None) -> Image:
    """The tables of a switch; the policy of a port or LAG has its lport's number, the team of a LAG the LAG's."""
    links = {number: (niv or {}).get(number, NivPort()) for number, port in config.ports.items() if port.niv}
    policies = {number: _policy(config, port) for number, port in config.ports.items()}
    ports = {number: _port(config, port, members, links.get(number)) for number, port in config.ports.items()}
    for lag in config.lags:
        policies[lag.lport] = replace(policies[lag.ports[0]], team=lag.number)
        ports[lag.lport] = Port(policy=lag.lport, number=lag.lport, mac=_NO_MAC, is_lag=True)
    silent = {mirror.to for mirror in config.mirrors} | {number for number, link in links.items() if link.final}
    receivers = {n: policy for n, policy in policies.items() if n not in config.lag_of and n not in silent}
    lists = _lists(receivers)
    return Image(
        control=Control(mtu=mtu, reverse_teaming=False),
        ports=ports,
        policies=policies,
        teams={lag.number: Team(members[lag.number], lag.method) for lag in config.lags},
        members=lists,
        unknown_members=lists,
    )


def _policy(config: SwitchConfig, port: PortConfig) -> Policy:
    """An unmanaged switch passes tagged frames as they are: all its ports carry everything."""
    if config.flavour is Flavour.UNMANAGED:
        return replace(port.policy(), trunk=True, vlan=0, allowed=_EVERYTHING)
    return port.policy()


def _port(config: SwitchConfig, port: PortConfig, members: Members, link: NivPort | None) -> Port:
    """A port that shows a mirror, or is no active member of its LAG, takes no frame."""
    lag = config.lag_of.get(port.number)
    shows = any(mirror.to == port.number for mirror in config.mirrors)
    rx = [mirror.to for mirror in config.mirrors if mirror.rx and port.number in mirror.sources]
    tx = [mirror.to for mirror in config.mirrors if mirror.tx and port.number in mirror.sources]
    return Port(
        policy=port.number,
        number=port.number,
        mac=_NO_MAC,
        blocked=port.shutdown or shows or (lag is not None and port.number not in members[lag.number]),
        lag=lag.lport if lag else 0,
        mirror_rx=rx[0] if rx and not port.shutdown else 0,
        mirror_tx=tx[0] if tx else 0,
        niv=Niv.BRIDGE if link else Niv.NONE,
        tagging=link.tagging if link else Tagging.NONE,
        plain=link is None or not link.final,
    )


def _lists(policies: Mapping[int, Policy]) -> dict[int, tuple[int, ...]]:
    carried = {number: policy.vlans().mask for number, policy in sorted(policies.items())}
    vlans = VlanSet()
    for policy in policies.values():
        vlans |= policy.vlans()
    made: dict[tuple[int, ...], tuple[int, ...]] = {}  # most VLANs have the same
    found = ((vlan, tuple(n for n, mask in carried.items() if mask >> vlan & 1)) for vlan in vlans)
    return {vlan: made.setdefault(lports, lports) for vlan, lports in found}


class Switch:
    """A running switch on an engine of its own."""

    def __init__(
        self,
        engine: Engine,
        config: SwitchConfig,
        ageing: float = AGEING,
        mtu: int = MTU,
        niv: NivPorts | None = None,
    ) -> None:
        self._engine = engine
        self._ageing = ageing
        self._mtu = mtu
        self._config = config
        self._members = {lag.number: () if lag.lacp else lag.ports for lag in config.lags}
        self._niv: NivPorts = niv or {}
        self._image = engine.image()
        self._apply()
        for port in config.ports.values():
            engine.plug(port.number, port.plug)

    @property
    def config(self) -> SwitchConfig:
        """As it is now."""
        return self._config

    @property
    def ports(self) -> Mapping[int, PortConfig]:
        """By number."""
        return self._config.ports

    @property
    def members(self) -> Members:
        """By LAG: the ports that carry its traffic."""
        return dict(self._members)

    def set_members(self, lag: int, ports: Iterable[int]) -> None:
        """LACP has agreed on these members of a LAG; an address behind one without any is forgotten."""
        self._members[lag] = tuple(ports)
        self._apply()
        if not self._members[lag]:
            self._forget_port(next(found.lport for found in self._config.lags if found.number == lag))

    def set_shutdown(self, number: int, shutdown: bool) -> None:
        """Close a port (no frame in or out) or open it; what it learned is forgotten (S-074)."""
        port = self.ports.get(number)
        if port is None:
            raise NotFound(f"port {number}", "does not exist", f"ports: {', '.join(map(str, sorted(self.ports)))}")
        self._config = replace(self._config, ports={**self.ports, number: replace(port, shutdown=shutdown)})
        lag = self._config.lag_of.get(number)
        if lag and not lag.lacp:
            self._members[lag.number] = tuple(n for n in lag.ports if not self.ports[n].shutdown)
        self._apply()
        if shutdown:
            self._forget_port(number)

    def set_niv(self, niv: NivPorts) -> None:
        """How the NIV ports are used from now on; what was learned on one that has tagged frames only is forgotten."""
        if niv == self._niv:
            return
        closed = [number for number, port in niv.items() if port.final and not self._niv.get(number, NivPort()).final]
        self._niv = dict(niv)
        self._apply()
        for number in closed:
            self._forget_port(number)

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
        """By port, and by LAG's lport: what it lost because no member was in use."""
        return self._engine.counters([*self.ports, *(lag.lport for lag in self._config.lags)])

    def close(self) -> None:
        """Unplug everything."""
        self._engine.close(keep=False)

    def _forget_port(self, lport: int) -> None:
        self._engine.forget(entry for entry in self._engine.learned() if entry.lport == lport)

    def _apply(self) -> None:
        wanted = compile_image(self._config, self._members, self._mtu, self._niv)
        apply_image(self._engine, self._image, wanted)
        self._image = wanted


__all__ = ["AGEING", "MTU", "LagConfig", "MirrorConfig", "PortConfig", "Switch", "SwitchConfig", "compile_image"]
