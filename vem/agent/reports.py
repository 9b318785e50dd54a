"""What goes up to the supervisor, and only when it changed: pure, except that each remembers what it sent last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from dvswitch.lldp_agent import Neighbour
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent.attachments import Attachment
from vem.agent.compile import VethState
from vem.agent.convert import counters_to, fill_counters, nic_to, plug_to, told
from vem.agent.uplinks import UplinkStatus
from vem.agent.wanted import Refusal
from vem.datapath.image import Counters, LearnedMac, Port
from vem.discovery.uplinks import Protocol

SLICE = 32
"""Ports whose counters are told in one message, so that what is more urgent goes between."""


def in_slices(values: Mapping[int, Counters]) -> Iterator[dict[int, Counters]]:
    """So many at a time."""
    items = list(values.items())
    for at in range(0, len(items), SLICE):
        yield dict(items[at : at + SLICE])


def answer(revision: int, problems: list[Refusal], seconds: float) -> fabric.ModuleMessage:
    """What is said to an Update that took so long to apply: all is well, or what could not be done."""
    if not problems:
        return fabric.ModuleMessage(ack=fabric.Ack(revision=revision, apply_us=int(seconds * 1e6)))
    refuse = fabric.Refuse(revision=revision)
    for problem in problems:
        refuse.refusals.add(object=problem.object, reason=problem.reason)
    return fabric.ModuleMessage(refuse=refuse)


def duplicate(mac: MacAddress, uplink: int) -> fabric.ModuleMessage:
    """A local port's address was heard from outside (S-269)."""
    text = f"{mac} of a local port is used outside too: it was seen on uplink {uplink}."
    return fabric.ModuleMessage(event=fabric.LogEvent(kind="duplicate_mac", object=f"uplink {uplink}", text=text))


def attached(attachment: Attachment, known: bool) -> fabric.ModuleMessage:
    """PortAttached for a NIC; ``known``: as a reminder, if its number is known."""
    return fabric.ModuleMessage(
        attached=fabric.PortAttached(
            nic=nic_to(attachment.nic),
            mac=str(attachment.mac),
            profile=attachment.profile,
            plug=plug_to(attachment.plug),
            veth=attachment.veth if known else 0,
            generation=attachment.generation if known else 0,
            prepare=attachment.prepare,
            request=attachment.request,
        )
    )


def detached(attachment: Attachment) -> fabric.ModuleMessage:
    """PortDetached for a NIC."""
    return fabric.ModuleMessage(
        detached=fabric.PortDetached(
            veth=attachment.veth,
            nic=nic_to(attachment.nic),
            mac=str(attachment.mac),
            generation=attachment.generation,
            last=counters_to(told(attachment.last), attachment.life),
        )
    )


@dataclass(slots=True)
class Reports:
    """Memory of one session; reset() at every Welcome."""

    _counters: dict[tuple[int, bool], Counters] = field(default_factory=dict)
    _macs: frozenset[tuple[str, int, int]] = frozenset()
    _ports: dict[int, VethState] = field(default_factory=dict)
    _uplinks: dict[int, tuple[bool, bool]] = field(default_factory=dict)
    _channels: fabric.ChannelReport | None = None
    _neighbors: object = None
    _niv: fabric.NivReport | None = None

    def reset(self) -> None:
        """A new session: everything counts as changed."""
        self._counters, self._macs, self._ports, self._uplinks = {}, frozenset(), {}, {}
        self._channels = self._neighbors = self._niv = None

    def counters(
        self,
        incarnation: str,
        ports: Mapping[int, Port],
        values: Mapping[int, Counters],
        full: bool = False,
        lives: Mapping[int, int] = MappingProxyType({}),
    ) -> fabric.CounterReport | None:
        """Ports whose counters changed since last time (full: all); None if there are none.  ``lives``: Attachment.life
        by lport."""
        report = fabric.CounterReport(incarnation=incarnation)
        for lport, counters in values.items():
            port = ports.get(lport)
            if port is None or not port.number:
                continue
            key = (port.number, port.uplink)
            if not full and self._counters.get(key) == counters:
                continue
            self._counters[key] = counters
            number = {"uplink": port.number} if port.uplink else {"veth": port.number}
            entry = report.ports.add(generation=port.generation, **number)
            fill_counters(entry.counters, told(counters), lives.get(lport, 0))
        return report if report.ports else None

    def macs(self, ports: Mapping[int, Port], learned: Iterable[LearnedMac]) -> fabric.MacReport | None:
        """All learned addresses, if who learned what changed."""
        entries = [entry for entry in learned if (port := ports.get(entry.lport)) and port.number]
        key = frozenset((str(entry.mac), entry.vlan, entry.lport) for entry in entries)
        if key == self._macs:
            return None
        self._macs = key
        report = fabric.MacReport()
        for entry in entries:
            port = ports[entry.lport]
            number = {"uplink": port.number} if port.uplink else {"veth": port.number}
            report.macs.add(mac=str(entry.mac), vlan=entry.vlan, age_s=int(entry.age), **number)
        return report

    def ports(self, states: Mapping[int, VethState]) -> list[fabric.PortState]:
        """vEths whose link, forwarding or pinning changed."""
        told = self._ports
        changed = [item for veth, item in states.items() if (old := told.get(veth)) is not item and old != item]
        self._ports = dict(states)
        return [
            fabric.PortState(
                veth=state.veth,
                link_up=state.link_up,
                forwarding=state.forwarding,
                pinned_uplink=state.pinned_uplink,
            )
            for state in changed
        ]

    def uplinks(self, uplinks: Iterable[UplinkStatus]) -> list[fabric.UplinkState]:
        """Uplinks that appeared, changed or went."""
        messages = []
        for uplink in uplinks:
            seen = (uplink.present, uplink.link_up)
            if self._uplinks.get(uplink.config.number) == seen:
                continue
            self._uplinks[uplink.config.number] = seen
            messages.append(
                fabric.UplinkState(
                    number=uplink.config.number,
                    adapter=uplink.config.adapter,
                    profile=uplink.config.profile,
                    link_up=uplink.link_up,
                    present=uplink.present,
                    mac=str(uplink.mac),
                )
            )
        return messages

    def channels(self, report: fabric.ChannelReport) -> fabric.ChannelReport | None:
        """All channels, if anything but the age of partners changed."""
        key = fabric.ChannelReport.FromString(report.SerializeToString())
        for channel in key.channels:
            for member in channel.members:
                member.lacp.ClearField("partner_s")
        if key == self._channels:
            return None
        self._channels = key
        return report

    def niv(self, report: fabric.NivReport | None) -> fabric.NivReport | None:
        """All ways to a VIS, if anything of them changed."""
        if report == self._niv:
            return None
        self._niv = report
        return report

    def neighbors(
        self, found: Sequence[tuple[Protocol, Neighbour]], report: Callable[[], fabric.NeighborReport]
    ) -> fabric.NeighborReport | None:
        """All neighbours, if one of them spoke, came or went."""
        key = tuple(found)
        if key == self._neighbors:
            return None
        self._neighbors = key
        return report()
