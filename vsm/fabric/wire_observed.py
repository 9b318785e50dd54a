"""Reading what modules report of their channels, neighbours and ways to a VIS (vsm/fabric/wire.py does the rest).

What neighbours say comes from strangers by way of the host: texts are cut and made printable here, numbers checked.
"""

from __future__ import annotations

import ipaddress

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as pb
from vsm.model.interfaces import Ethernet
from vsm.model.niv import LinkState, Tagging
from vsm.model.state import MAX_VETH
from vsm.observed import (
    ChannelStatus,
    Discovery,
    LacpEnd,
    LacpMember,
    Member,
    MemberState,
    Neighbor,
    NivLink,
    Vif,
)

_STATES = tuple(MemberState)
_PROTOCOLS = tuple(Discovery)
_LINK_STATES = tuple(LinkState)
_TAGGINGS = tuple(Tagging)
_TEXT = 255
"""Characters that are kept of a text."""
_ADDRESSES = 8
_MAX_NEIGHBORS = 2048
_MAX_VIFS = 4095
"""On one link: what 12 bits name."""


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


def read_links(slot: int, report: pb.NivReport) -> tuple[NivLink, ...]:
    """All ways of the module in ``slot`` to a VIS; InvalidValue for what there can't be."""
    return tuple(_link(slot, message) for message in report.links)


def _link(slot: int, message: pb.NivLink) -> NivLink:
    name = Ethernet(slot, message.uplink).full
    if message.state >= len(_LINK_STATES) or message.tagging >= len(_TAGGINGS):
        raise InvalidValue(name, f"state {message.state} or tagging {message.tagging} of a link is not known")
    if len(message.vifs) > _MAX_VIFS:
        raise InvalidValue(name, f"tells {len(message.vifs)} VIFs, a link has room for {_MAX_VIFS}")
    return NivLink(
        message.uplink,
        _text(message.vis_uuid),
        _text(message.vis_name),
        _text(message.vis_port),
        _TAGGINGS[message.tagging],
        _LINK_STATES[message.state],
        _text(message.reason),
        tuple(_vif(name, vif) for vif in message.vifs),
    )


def _vif(name: str, message: pb.NivLink.Vif) -> Vif:
    if not 1 <= message.vif <= _MAX_VIFS or message.veth > MAX_VETH:
        raise InvalidValue(name, f"there is no VIF {message.vif}, or no vEth {message.veth}")
    return Vif(message.veth, message.vif, message.carries, _text(message.vm), message.index)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidValue(f"management address '{text[:40]}'", "is no IP address") from None


def _text(text: str) -> str:
    """For people's terminals."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_TEXT])
