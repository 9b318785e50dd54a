"""Reading what modules report of their channels and neighbours (as vsm/fabric/wire.py does for the rest).

What neighbours say comes from strangers by way of the host: texts are cut and made printable here, numbers checked.
"""

from __future__ import annotations

import ipaddress

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as pb
from vsm.model.interfaces import Ethernet
from vsm.observed import ChannelStatus, Discovery, LacpEnd, LacpMember, Member, MemberState, Neighbor

_STATES = tuple(MemberState)
_PROTOCOLS = tuple(Discovery)
_TEXT = 255
"""Characters that are kept of a text."""
_ADDRESSES = 8
_MAX_NEIGHBORS = 2048


def read_channels(slot: int, report: pb.ChannelReport) -> list[ChannelStatus]:
    """All channels of the module in ``slot``; InvalidValue for an uplink that there can't be."""
    return [
        ChannelStatus(slot, channel.policy, tuple(_member(slot, member) for member in channel.members))
        for channel in report.channels
    ]


def _member(slot: int, message: pb.ChannelMember) -> Member:
    Ethernet(slot, message.uplink)
    if message.state >= len(_STATES):
        raise InvalidValue(f"ethernet {slot}/{message.uplink}", f"state {message.state} of a member is not known")
    lacp = _lacp(message.lacp) if message.HasField("lacp") else None
    return Member(message.uplink, _STATES[message.state], message.sub_group, message.speed_mbps, lacp)


def _lacp(message: pb.LacpPort) -> LacpMember:
    return LacpMember(
        actor=_end(message.actor),
        partner=_end(message.partner),
        sent=message.sent,
        received=message.received,
        malformed=message.malformed,
        partner_age=message.partner_s,
    )


def _end(message: pb.LacpEnd) -> LacpEnd:
    return LacpEnd(
        MacAddress.parse(message.system),
        message.system_priority,
        message.key,
        message.port_priority,
        message.port,
        message.state,
    )


def read_neighbors(slot: int, report: pb.NeighborReport) -> list[Neighbor]:
    """All neighbours of the module in ``slot``; InvalidValue for an uplink that there can't be."""
    return [_neighbor(slot, message) for message in report.neighbors[:_MAX_NEIGHBORS]]


def _neighbor(slot: int, message: pb.Neighbor) -> Neighbor:
    Ethernet(slot, message.uplink)
    if message.protocol >= len(_PROTOCOLS):
        raise InvalidValue(f"ethernet {slot}/{message.uplink}", f"discovery protocol {message.protocol} is not known")
    return Neighbor(
        slot,
        message.uplink,
        _PROTOCOLS[message.protocol],
        chassis=_text(message.chassis),
        port=_text(message.port),
        port_description=_text(message.port_description),
        system_name=_text(message.system_name),
        system_description=_text(message.system_description),
        platform=_text(message.platform),
        capabilities=message.capabilities,
        enabled=message.enabled,
        management=tuple(_address(text) for text in message.management[:_ADDRESSES]),
        native_vlan=message.native_vlan,
        hold=message.hold_s,
        left=message.left_s,
    )


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidValue(f"management address '{text[:40]}'", "is no IP address") from None


def _text(text: str) -> str:
    """For people's terminals."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_TEXT])
