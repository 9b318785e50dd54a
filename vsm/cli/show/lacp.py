"""show lacp neighbor and show lacp counters: what LACP knows and has done on the members of port-channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dvswitch.lacp import State as LacpState
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show.channels import channels
from vsm.model.interfaces import Ethernet
from vsm.observed import LacpEnd, LacpMember

_COUNTER_RULE = "-" * 78


@dataclass(frozen=True, slots=True)
class NeighborRow:
    """The partner of one member."""

    channel: str = field(metadata={"key": "interface"})
    port: str
    system: str = field(metadata={"key": "partner-system-id"})
    partner_port: str = field(metadata={"key": "partner-port"})
    age: int
    flags: str
    priority: int = field(metadata={"key": "partner-port-priority"})
    key: str = field(metadata={"key": "partner-oper-key"})
    state: str = field(metadata={"key": "partner-port-state"})


@dataclass(frozen=True, slots=True)
class CounterRow:
    """LACPDUs of one member."""

    channel: str = field(metadata={"key": "interface"})
    port: str
    sent: int
    received: int = field(metadata={"key": "recv"})
    errors: int = field(metadata={"key": "pkt-err"})


def show_neighbor(view: View, _call: Call) -> Report:
    """Partners of the members that have one."""
    rows = [
        _neighbor_row(channel, port, lacp.partner, lacp.partner_age)
        for channel, port, lacp in _members(view)
        if lacp.heard
    ]
    return Report(neighbor_text(rows), (Table("neighbor", rows),))


def _members(view: View) -> list[tuple[str, str, LacpMember]]:
    """(channel, port, LACP) of every member that speaks LACP."""
    return [
        (channel.name, Ethernet(channel.slot, member.number).full, member.lacp)
        for channel in channels(view)
        if channel.lacp
        for member in channel.members
        if member.lacp
    ]


def _neighbor_row(channel: str, port: str, partner: LacpEnd, age: int) -> NeighborRow:
    state = LacpState(partner.state)
    octets = "-".join(f"{octet:x}" for octet in partner.system.octets)
    rate = "F" if LacpState.SHORT_TIMEOUT in state else "S"
    return NeighborRow(
        channel=channel,
        port=port,
        system=f"{partner.system_priority},{octets}",
        partner_port=hex(partner.port),
        age=age,
        flags=rate + ("A" if LacpState.ACTIVE in state else "P"),
        priority=partner.port_priority,
        key=hex(partner.key),
        state=hex(partner.state),
    )


def neighbor_text(rows: Sequence[NeighborRow]) -> str:
    """NX-OS's two tables per member, under the name of the channel."""
    text = [
        "Flags:  S - Device is sending Slow LACPDUs F - Device is sending Fast LACPDUs",
        "        A - Device is in Active mode       P - Device is in Passive mode",
    ]
    named = ""
    for row in rows:
        text += [f"{row.channel} neighbors", "Partner's information"] if row.channel != named else []
        named = row.channel
        port = row.port.replace("Ethernet", "Eth")
        text += [
            "            Partner                Partner                     Partner",
            "Port        System ID              Port Number     Age         Flags",
            f"{port:<11} {row.system:<22} {row.partner_port:<15} {row.age:<11} {row.flags}",
            "",
            "            LACP Partner           Partner                     Partner",
            "            Port Priority          Oper Key                    Port State",
            f"            {row.priority:<22} {row.key:<27} {row.state}",
            "",
        ]
    return lines(*text)


def show_counters(view: View, _call: Call) -> Report:
    """LACPDUs of each member."""
    rows = [
        CounterRow(channel, port, lacp.sent, lacp.received, lacp.malformed) for channel, port, lacp in _members(view)
    ]
    return Report(counters_text(rows), (Table("counters", rows),))


def counters_text(rows: Sequence[CounterRow]) -> str:
    """A line per member under the name of its channel; markers are answered, never sent, and not counted."""
    text = [
        _COUNTER_RULE,
        "                             LACPDUs                      LACPDUs",
        "Port              Sent                 Recv               Pkts Err",
        _COUNTER_RULE,
    ]
    named = ""
    for row in rows:
        text += [row.channel] if row.channel != named else []
        named = row.channel
        text.append(f"{row.port:<17} {row.sent:<20} {row.received:<18} {row.errors}")
    return lines(*text)
