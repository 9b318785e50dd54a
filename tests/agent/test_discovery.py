"""What a host says of itself by LLDP and CDP, to whom it listens, and what it tells the supervisor of both."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from dvswitch import cdp, lldp
from dvswitch.cdp import Ability
from dvswitch.lldp_agent import Mode
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from vem.agent import observed
from vem.agent.convert import update_from
from vem.agent.discovery_side import DiscoverySide, HostFacts
from vem.agent.uplinks import UplinkStatus, parse_uplink
from vem.agent.wanted import Policy, Switch, Wanted
from vem.agent.wanted import Uplink as WantedUplink
from vem.discovery.uplinks import Discovery, Host, Protocol, Times, Uplink, advertisement, announcement
from vem.teaming.team import Channel

MACS = [MacAddress.parse(f"02:00:00:00:00:0{n}") for n in range(4)]
HOST = Host(MACS[0], "alpha", "dvswitch 1", "dvswitch", IPv4Address("192.0.2.7"))
UPLINKS = [Uplink(n, MACS[n], f"eth{n}", f"vsm uplink {n}", up=True, native_vlan=n) for n in (1, 2)]
LLDP, CDP = Protocol.LLDP, Protocol.CDP
STRANGER = Host(MACS[3], "leaf", "a switch", "box")
OTHER = Uplink(1, MACS[3], "Ethernet1/1", "to alpha", up=True)


def frames(protocol: Protocol) -> bytes:
    """What a stranger says."""
    if protocol is LLDP:
        return lldp.encode(MACS[3], advertisement(STRANGER, OTHER))
    return cdp.encode(MACS[3], announcement(STRANGER, OTHER))


@pytest.mark.rules("S-221", "S-224")
def test_every_uplink_speaks_for_itself() -> None:
    core = Discovery()
    core.configure({LLDP: Mode.BOTH, CDP: Mode.ADVERTISE}, HOST, UPLINKS, 0.0)
    sent = core.to_send(0.0)
    assert [number for number, _ in sent] == [1, 2, 1, 2]
    assert [frame[6:12] for _, frame in sent] == [MACS[n].octets for n in (1, 2, 1, 2)]
    told = lldp.decode(sent[1][1])
    assert (told.chassis, told.port, told.system_name, told.ttl) == (MACS[0], "eth2", "alpha", 120)
    assert (told.native_vlan, told.enabled, told.max_frame) == (2, lldp.Capability.BRIDGE, 1518)
    said = cdp.decode(sent[2][1])
    assert (said.chassis, said.port, said.ttl, said.abilities) == ("alpha", "eth1", 180, Ability.SWITCH)
    assert said.management == told.management and [str(one.address) for one in told.management] == ["192.0.2.7"]
    assert core.due() == 30.0 and len(core.to_send(30.0)) == 2 and len(core.to_send(60.0)) == 4


@pytest.mark.rules("S-220")
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("protocol", list(Protocol))
def test_only_what_is_selected_is_heard_and_said(protocol: Protocol, mode: Mode) -> None:
    core = Discovery()
    core.configure({protocol: mode}, HOST, UPLINKS, 0.0)
    assert len(core.to_send(0.0)) == (2 if mode.speaks else 0)
    for frame in (frames(LLDP), frames(CDP), frames(CDP)[:-1], b"\x01\x80\xc2\0\0\x02" + bytes(60)):
        core.receive(1, frame, 1.0)
    assert [(found, one.port) for found, one in core.neighbours(1.0)] == ([(protocol, 1)] if mode.hears else [])


@pytest.mark.rules("S-221", "S-224")
@pytest.mark.parametrize("protocol", Protocol)
def test_intervals_and_holdtimes_are_as_they_are_set(protocol: Protocol) -> None:
    core, read = Discovery(), lldp.decode if protocol is LLDP else cdp.decode
    core.configure({protocol: Mode.BOTH}, HOST, UPLINKS[:1], 0.0)
    assert len(core.to_send(0.0)) == 1
    core.configure({protocol: Mode.BOTH}, HOST, UPLINKS[:1], 1.0, {protocol: Times(7.0, 21)})
    assert [read(frame).ttl for _, frame in core.to_send(1.0)] == [21], "the new holdtime is told at once"
    assert core.due() == 8.0 and core.to_send(7.9) == []
    assert [read(frame).ttl for _, frame in core.to_send(8.0)] == [21] and core.due() == 15.0
    core.configure({protocol: Mode.BOTH}, HOST, UPLINKS[:1], 9.0, {protocol: Times(5.0, 21)})
    assert core.due() == 13.0, "a shorter interval counts from the last announcement"


@pytest.mark.rules("S-220")
def test_an_uplink_may_be_without_cdp() -> None:
    core = Discovery()
    both = {LLDP: Mode.BOTH, CDP: Mode.BOTH}
    core.configure(both, HOST, UPLINKS, 0.0)
    assert len(core.to_send(0.0)) == 4
    core.receive(1, frames(CDP), 0.0)
    without = [replace(UPLINKS[0], cdp=False), UPLINKS[1]]
    core.configure(both, HOST, without, 1.0)
    assert [(n, cdp.decode(frame).ttl) for n, frame in core.to_send(1.0)] == [(1, 0)], "it says goodbye"
    core.receive(1, frames(CDP), 1.0)
    core.receive(1, frames(LLDP), 1.0)
    assert [protocol for protocol, _ in core.neighbours(1.0)] == [LLDP]
    core.configure(both, HOST, UPLINKS, 2.0)
    assert (1, 180) in [(n, cdp.decode(frame).ttl) for n, frame in core.to_send(2.0) if cdp.is_cdp(frame)]


@pytest.mark.rules("S-222")
def test_who_falls_silent_says_goodbye() -> None:
    core = Discovery()
    core.configure({LLDP: Mode.BOTH}, HOST, UPLINKS, 0.0)
    core.receive(1, frames(LLDP), 0.0)
    core.to_send(0.0)
    core.configure({LLDP: Mode.BOTH}, HOST, UPLINKS[:1], 1.0)
    assert [(n, lldp.decode(frame).ttl) for n, frame in core.to_send(1.0)] == [(2, 0)]
    core.configure({LLDP: Mode.LISTEN}, HOST, UPLINKS[:1], 2.0)
    assert [(n, lldp.decode(frame).ttl) for n, frame in core.to_send(2.0)] == [(1, 0)]
    assert core.neighbours(2.0) and core.to_send(100.0) == []
    core.configure({LLDP: Mode.ADVERTISE}, HOST, UPLINKS[:1], 101.0)
    assert [(n, lldp.decode(frame).ttl) for n, frame in core.to_send(101.0)] == [(1, 120)]
    assert core.neighbours(101.0) == []
    core.shut_down()
    assert [(n, lldp.decode(frame).ttl) for n, frame in core.to_send(102.0)] == [(1, 0)]


def status(number: int, up: bool = True) -> UplinkStatus:
    config = parse_uplink(f"{number},profile=UP,wire=unix:/a>unix:/b,adapter=eth{number},speed=2500")
    return UplinkStatus(config, 10 + number, MACS[number], present=True, link_up=up)


def wanted(channel: Channel, *shut: int, **modes: Mode) -> Wanted:
    policy = Policy(9, "UP", trunk=True, vlan=7, channel=channel, mtu=9000)
    uplinks = {n: WantedUplink(n, 9, n in shut) for n in (1, 2, 3)}
    return Wanted(1, Switch("vsm", 1, **modes), {9: policy}, {}, uplinks)


def test_timers_and_uplinks_without_cdp_come_from_the_supervisor() -> None:
    told = pb.Switch(name="vsm", domain=1, cdp=pb.BOTH, cdp_timer_s=7, cdp_hold_s=21)
    changes = [fabric.Change(set_switch=told), fabric.Change(set_uplink=pb.Uplink(number=2, policy=9, no_cdp=True))]
    switch, uplink = update_from(fabric.Update(revision=1, changes=changes)).changes
    assert isinstance(switch, Switch) and isinstance(uplink, WantedUplink)
    assert (switch.cdp_times, switch.lldp_times) == (Times(7.0, 21), Times(30.0, 120))
    side = DiscoverySide(HostFacts("alpha"), MACS[0])
    uplinks = {1: WantedUplink(1, 9), 2: uplink}
    side.configure(Wanted(1, switch, {}, {}, uplinks), {n: status(n) for n in (1, 2)}, frozenset(), 0.0)
    assert [(lport, cdp.decode(frame).ttl) for lport, frame in side.to_send(0.0)] == [(11, 21)] and side.due() == 7.0


def test_an_uplink_that_is_shut_is_silent_and_a_bundle_is_told() -> None:
    side = DiscoverySide(HostFacts("alpha", "Linux 6", "no address"), MACS[0])
    uplinks = {n: status(n) for n in (1, 2, 3)}
    side.configure(wanted(Channel.ACTIVE, 3, lldp=Mode.BOTH), uplinks, frozenset({1}), 0.0)
    told = {lport: lldp.decode(frame) for lport, frame in side.to_send(0.0)}
    assert {lport: one.aggregation for lport, one in told.items()} == {11: (3, 9), 12: (1, 9)}
    assert (told[11].native_vlan, told[11].max_frame, told[11].management) == (7, 9018, ())
    assert told[11].port_description == "vsm uplink 1" and "on Linux 6" in told[11].system_description
    assert [lport for lport, _ in side.farewells(1.0)] == [11, 12] and side.due() is None


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_neighbour_is_told_to_the_supervisor(protocol: Protocol) -> None:
    core = Discovery()
    core.configure({protocol: Mode.LISTEN}, HOST, UPLINKS, 0.0)
    core.receive(2, frames(protocol), 0.0)
    (told,) = observed.neighbors(core.neighbours(50.0), 50.0).neighbors
    hold = {LLDP: 120, CDP: 180}[protocol]
    assert (told.uplink, told.protocol, told.port) == (2, protocol.value, "Ethernet1/1")
    assert (told.hold_s, told.left_s, told.system_name) == (hold, hold - 50, "leaf")
    assert (told.platform, told.capabilities) == {LLDP: ("", 4), CDP: ("box", 8)}[protocol]


@pytest.mark.parametrize(
    ("channel", "groups"),
    [(Channel.ON, [0, 0, 0]), (Channel.MAC_PINNING, [1, 2, 3]), (Channel.MAC_PINNING_RELATIVE, [0, 1, 2])],
)
def test_channels_without_lacp(channel: Channel, groups: list[int]) -> None:
    uplinks = {1: status(1), 2: status(2, up=False), 3: status(3)}
    (told,) = observed.channels(wanted(channel), uplinks, {1}, [], 0.0).channels
    member = fabric.ChannelMember
    assert [one.state for one in told.members] == [member.UP, member.DOWN, member.SUSPENDED]
    assert [one.sub_group for one in told.members] == groups and told.policy == 9 and told.mode == channel.value
    assert {one.speed_mbps for one in told.members} == {2500} and not told.members[0].HasField("lacp")
    (shut,) = observed.channels(wanted(channel, 1), uplinks, {1}, [], 0.0).channels
    assert shut.members[0].state == member.DOWN
    assert not observed.channels(wanted(Channel.NONE), uplinks, {1}, [], 0.0).channels


def test_a_sub_group_is_the_place_or_the_number() -> None:
    some = replace(wanted(Channel.MAC_PINNING), uplinks={3: WantedUplink(3, 9)})
    relative = replace(wanted(Channel.MAC_PINNING_RELATIVE), uplinks={3: WantedUplink(3, 9)})
    found = [observed.channels(one, {3: status(3)}, {3}, [], 0.0).channels[0].members[0] for one in (some, relative)]
    assert [one.sub_group for one in found] == [3, 0]
