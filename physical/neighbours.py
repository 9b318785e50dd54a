"""What a modelled switch speaks with its neighbours: LLDP on every port, LACP on the ports of a LAG.

The protocols are dvswitch.lldp_agent and dvswitch.lacp_machine; here they get frames from the engine's agent queue,
send through it, and tell the switch which ports a LAG may use.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from dvswitch import lacp, lldp
from dvswitch.lacp_machine import Lacp, PortSettings, PortView, Settings
from dvswitch.lldp import Advertisement, Capability
from dvswitch.lldp_agent import INTERVAL, LldpAgent, Mode, Neighbour
from dvswitch.mac import MacAddress
from dvswitch.vif.codec import is_control
from physical.niv.vis import Vis
from physical.switch import MTU, Switch
from physical.switch_config import PortConfig
from vem.datapath.engine import Engine
from vem.datapath.image import Punt

_HEADER_AND_FCS = 18


def base_mac(name: str) -> MacAddress:
    """A locally administered address for a switch of that name; its port n adds n to the last byte."""
    digest = hashlib.sha256(name.encode()).digest()
    return MacAddress(bytes((0x02, *digest[:4], 0)))


def port_mac(name: str, port: int) -> MacAddress:
    """Source of the frames that a port of a switch of that name sends by itself."""
    return MacAddress(base_mac(name).octets[:5] + bytes((port,)))


class Neighbours:
    """The protocols of one running switch; all calls from the thread that owns the engine."""

    def __init__(
        self,
        name: str,
        switch: Switch,
        engine: Engine,
        lldp_mode: Mode = Mode.NONE,
        lldp_interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
        vis: Vis | None = None,
    ) -> None:
        """``vis``: what the NIV ports are for; LLDP is spoken there in any case."""
        self._name = name
        self._switch = switch
        self._engine = engine
        self._clock = clock
        self._mac = base_mac(name)
        self._vis = vis
        self._lldp = LldpAgent(lldp_mode, lldp_interval)
        self._announcer = self._lldp if lldp_mode.speaks else LldpAgent(Mode.ADVERTISE, lldp_interval)
        """Of a VIS: speaks on NIV ports although LLDP is off or only listens elsewhere."""
        self._lacp = {lag.number: self._make_lacp(lag.number) for lag in switch.config.lags if lag.lacp}
        self._shown = {mirror.to for mirror in switch.config.mirrors}
        for port in switch.ports.values():
            if port.number not in self._shown:
                self._lldp.set_port(port.number, self.mac(port.number), self._told(port), clock())
                if vis and port.niv:
                    self._announcer.set_port(port.number, self.mac(port.number), self._told(port), clock())

    def mac(self, port: int) -> MacAddress:
        """Source of the port's own frames."""
        return port_mac(self._name, port)

    def step(self) -> float | None:
        """Hear and say what is due; returns seconds until something is due again, or None."""
        now = self._clock()
        self._look_at_links(now)
        for punted in self._engine.punted():
            if punted.kind is Punt.FOLLOWED:
                if self._vis:
                    self._vis.followed(punted)
            else:
                self._hear(punted.lport, punted.frame, now)
        self._say(now)
        self._use_members()
        timers = [timer for core in self._cores() if (timer := core.next_timer()) is not None]
        return max(0.0, min(timers) - self._clock()) if timers else None

    def neighbours(self) -> list[Neighbour]:
        """Who LLDP has found, by port."""
        return self._lldp.neighbours(self._clock())

    def lacp_ports(self, lag: int) -> list[PortView]:
        """LACP's view of a LAG's ports; none if the LAG is static."""
        core = self._lacp.get(lag)
        return core.view(self._clock()) if core else []

    def shut_down(self) -> None:
        """Tell the neighbours that all ports go away (S-222)."""
        self._lldp.shut_down()
        self._announcer.shut_down()
        self._say(self._clock())

    def _make_lacp(self, number: int) -> Lacp:
        lag = next(lag for lag in self._switch.config.lags if lag.number == number)
        settings = Settings(self._mac, key=number, active=lag.active, fast=lag.fast)
        return Lacp(settings, [PortSettings(port, self.mac(port)) for port in lag.ports])

    def _told(self, port: PortConfig) -> Advertisement:
        lag = self._switch.config.lag_of.get(port.number)
        return Advertisement(
            chassis=self._mac,
            port=f"0/{port.number}",
            system_name=self._name,
            system_description="modelled switch",
            capabilities=Capability.BRIDGE,
            enabled=Capability.BRIDGE,
            native_vlan=port.vlan,
            aggregation=(3, lag.lport) if lag else None,
            max_frame=MTU + _HEADER_AND_FCS,
            private=self._vis.announcement(port.number) if self._vis and port.niv else (),
        )

    def _look_at_links(self, now: float) -> None:
        for number, port in self._switch.ports.items():
            up = not port.shutdown and self._engine.link_up(number)
            if number not in self._shown:
                self._lldp.link(number, up, now)
            if self._vis and port.niv:
                self._announcer.link(number, up, now)
                self._vis.set_carrier(number, up)
            lag = self._switch.config.lag_of.get(number)
            if lag and lag.lacp:
                self._lacp[lag.number].link(number, up, now)

    def _hear(self, port: int, frame: bytes, now: float) -> None:
        kind = int.from_bytes(frame[12:14], "big")
        if kind == lldp.ETHERTYPE:
            self._lldp.receive(port, frame, now)
        if self._vis and is_control(frame):
            self._vis.receive(port, frame)
        lag = self._switch.config.lag_of.get(port)
        if kind == lacp.ETHERTYPE and lag and lag.lacp:
            self._lacp[lag.number].receive(port, frame, now)

    def _say(self, now: float) -> None:
        for port in self._vis.take_seekers() if self._vis else ():
            self._announcer.hurry(port, now)
        for core in self._cores():
            for port, frame in core.to_send(now):
                self._engine.emit(port, frame)

    def _cores(self) -> list[LldpAgent | Lacp]:
        announcer = [self._announcer] if self._announcer is not self._lldp else []
        return [self._lldp, *announcer, *self._lacp.values()]

    def _use_members(self) -> None:
        for number, core in self._lacp.items():
            if core.members() != self._switch.members[number]:
                self._switch.set_members(number, core.members())


__all__ = ["Neighbours", "base_mac", "port_mac"]
