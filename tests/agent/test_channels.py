"""LACP's state of each member as the agent tells it: two machines face to face, in memory."""

from __future__ import annotations

from dataclasses import replace

from dvswitch.lacp import State as Bits
from dvswitch.lacp_machine import Lacp, PortSettings, PortView, Settings
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent import observed
from vem.agent.reports import Reports
from vem.agent.uplinks import UplinkStatus, parse_uplink
from vem.agent.wanted import Policy, Uplink, Wanted
from vem.teaming.team import Channel

NEAR, FAR = MacAddress.parse("02:00:00:00:00:01"), MacAddress.parse("02:00:00:00:00:02")
MEMBER = fabric.ChannelMember
WANTED = Wanted(
    1,
    policies={9: Policy(9, "UP", trunk=True, channel=Channel.ACTIVE)},
    uplinks={n: Uplink(n, 9) for n in (1, 2, 3)},
)


def machine(system: MacAddress, members: int = 16) -> Lacp:
    ports = [PortSettings(n, MacAddress(system.octets[:5] + bytes((16 + n,)))) for n in (1, 2, 3)]
    return Lacp(Settings(system, 9, fast=True, max_members=members), ports)


class Pair:
    """Three cables between two machines; the clock is the test's."""

    def __init__(self, members: int = 16) -> None:
        self.near, self.far, self.now = machine(NEAR, members), machine(FAR, members), 0.0
        self.cut: set[int] = set()
        self.uplinks = {n: _uplink(n) for n in (1, 2, 3)}
        for number in self.uplinks:
            self.near.link(number, True, 0.0)
            self.far.link(number, True, 0.0)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            for one, other in ((self.near, self.far), (self.far, self.near)):
                for port, frame in one.to_send(self.now):
                    if port not in self.cut:
                        other.receive(port, frame, self.now)

    def views(self) -> list[tuple[int, PortView]]:
        return [(9, view) for view in self.near.view(self.now)]

    def report(self) -> fabric.ChannelReport:
        return observed.channels(WANTED, self.uplinks, {1, 2, 3}, self.views(), self.now)

    def states(self) -> list[int]:
        return [member.state for member in self.report().channels[0].members]


def _uplink(number: int) -> UplinkStatus:
    config = parse_uplink(f"{number},profile=UP,wire=unix:/a>unix:/b")
    return UplinkStatus(config, number, NEAR, present=True, link_up=True)


def test_members_come_up_and_one_is_lost() -> None:
    pair = Pair()
    assert pair.states() == [MEMBER.SUSPENDED] * 3
    pair.run(6)
    assert pair.states() == [MEMBER.UP] * 3
    (channel,) = pair.report().channels
    first = channel.members[0].lacp
    assert (first.partner.system, first.partner.port, first.partner.key) == (str(FAR), 1, 9)
    assert first.sent > 3 and first.received > 3 and 5 <= first.partner_s <= 6
    pair.cut = {2}
    pair.run(7)
    assert pair.states() == [MEMBER.UP, MEMBER.SUSPENDED, MEMBER.UP]
    assert pair.report().channels[0].members[1].lacp.partner_s == 0
    pair.uplinks[3].link_up = False
    assert pair.states() == [MEMBER.UP, MEMBER.SUSPENDED, MEMBER.DOWN]


def test_members_beyond_the_limit_stand_by() -> None:
    pair = Pair(members=2)
    pair.run(6)
    assert pair.states() == [MEMBER.UP, MEMBER.UP, MEMBER.STANDBY]


def test_a_partner_that_can_not_aggregate_is_individual_and_distrust_suspends() -> None:
    pair = Pair()
    pair.run(6)
    (_, view), *_ = pair.views()
    alone = replace(view, partner=replace(view.partner, state=view.partner.state & ~Bits.AGGREGATABLE))
    assert observed.lacp_state(alone, usable=True) == MEMBER.INDIVIDUAL
    assert observed.lacp_state(view, usable=False) == MEMBER.SUSPENDED
    assert observed.lacp_state(None, usable=True) == MEMBER.DOWN


def test_the_age_of_a_partner_alone_is_no_news() -> None:
    pair, reports = Pair(), Reports()
    pair.run(6)
    first = pair.report()
    assert reports.channels(first) is first
    older = fabric.ChannelReport.FromString(first.SerializeToString())
    older.channels[0].members[0].lacp.partner_s += 5
    assert reports.channels(older) is None
    older.channels[0].members[0].lacp.sent += 1
    assert reports.channels(older) is older
    reports.reset()
    assert reports.channels(older) is older
