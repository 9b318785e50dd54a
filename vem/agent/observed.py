"""What the agent tells the supervisor of its uplinks: the state of channels, and who is at the other end."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from dvswitch.cdp import Announcement
from dvswitch.lacp import Info
from dvswitch.lacp import State as LacpState
from dvswitch.lacp_machine import Mux, PortView, Selection
from dvswitch.lldp_agent import Neighbour
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent.uplinks import UplinkStatus
from vem.agent.wanted import Policy, Wanted
from vem.discovery.uplinks import Protocol
from vem.teaming.team import Channel

State = fabric.ChannelMember.State


def channels(
    wanted: Wanted,
    uplinks: Mapping[int, UplinkStatus],
    usable: Collection[int],
    views: Iterable[tuple[int, PortView]],
    now: float,
) -> fabric.ChannelReport:
    """All channels of the host.  ``usable``: uplinks whose link is trusted; ``views``: LACP's, by policy id."""
    members: dict[int, list[int]] = {}
    for number, entry in sorted(wanted.uplinks.items()):
        policy = wanted.policies.get(entry.policy)
        if number in uplinks and policy and policy.channel is not Channel.NONE:
            members.setdefault(policy.id, []).append(number)
    lacp = {view.number: view for _, view in views}
    report = fabric.ChannelReport()
    for ident, numbers in sorted(members.items()):
        policy = wanted.policies[ident]
        channel = report.channels.add(policy=ident, mode=policy.channel.value)
        for place, number in enumerate(numbers):
            shut = policy.shutdown or wanted.uplinks[number].shutdown
            link = not shut and uplinks[number].present and uplinks[number].link_up
            view = lacp.get(number) if policy.channel.lacp else None
            channel.members.add(
                uplink=number,
                state=_state(policy, link, number in usable, view),
                sub_group=_sub_group(policy.channel, number, place),
                speed_mbps=known_speed(uplinks[number]),
                lacp=_lacp(view, now) if view else None,
            )
    return report


def _state(policy: Policy, link: bool, usable: bool, view: PortView | None) -> State:
    if not link:
        return fabric.ChannelMember.DOWN
    if policy.channel.lacp:
        return lacp_state(view, usable)
    return fabric.ChannelMember.UP if usable else fabric.ChannelMember.SUSPENDED


def lacp_state(view: PortView | None, usable: bool) -> State:
    """A member with a link, as LACP sees it."""
    if view is None or not view.link_up:
        return fabric.ChannelMember.DOWN
    if view.selection is Selection.STANDBY:
        return fabric.ChannelMember.STANDBY
    if view.mux is not Mux.FORWARDING or not usable:
        return fabric.ChannelMember.SUSPENDED
    aggregates = LacpState.AGGREGATABLE in view.partner.state
    return fabric.ChannelMember.UP if aggregates else fabric.ChannelMember.INDIVIDUAL


def _sub_group(channel: Channel, number: int, place: int) -> int:
    if not channel.pinning:
        return 0
    return place if channel is Channel.MAC_PINNING_RELATIVE else number


def _lacp(view: PortView, now: float) -> fabric.LacpPort:
    return fabric.LacpPort(
        actor=_end(view.actor),
        partner=_end(view.partner),
        sent=view.sent,
        received=view.received,
        malformed=view.malformed,
        partner_s=0 if view.partner_since == math.inf else max(0, int(now - view.partner_since)),
    )


def _end(info: Info) -> fabric.LacpEnd:
    return fabric.LacpEnd(
        system_priority=info.system_priority,
        system=str(info.system),
        key=info.key,
        port_priority=info.port_priority,
        port=info.port,
        state=info.state,
    )


def known_speed(uplink: UplinkStatus) -> int:
    """Mbit/s as configured, else as the device says; 0 = neither."""
    plug, megabits = uplink.config.plug, uplink.config.speed
    if not megabits and plug.device and not plug.netns:
        try:
            megabits = int(Path(f"/sys/class/net/{plug.device}/speed").read_text())
        except (OSError, ValueError):
            return 0
    return max(0, megabits)


def neighbors(found: Iterable[tuple[Protocol, Neighbour]], now: float) -> fabric.NeighborReport:
    """All neighbours of the host's uplinks."""
    report = fabric.NeighborReport()
    for protocol, neighbour in found:
        told = neighbour.told
        cisco = told if isinstance(told, Announcement) else None
        report.neighbors.add(
            uplink=neighbour.port,
            protocol=fabric.Neighbor.Protocol.Name(protocol.value),
            chassis=str(told.chassis),
            port=str(told.port),
            port_description=told.port_description,
            system_name=told.system_name,
            system_description=told.system_description,
            platform=cisco.platform if cisco else "",
            capabilities=cisco.abilities if cisco else told.capabilities,
            enabled=told.enabled,
            management=[str(one.address) for one in told.management],
            native_vlan=told.native_vlan,
            hold_s=told.ttl,
            left_s=max(0, round(neighbour.expires - now)),
        )
    return report


__all__ = ["channels", "known_speed", "lacp_state", "neighbors"]
