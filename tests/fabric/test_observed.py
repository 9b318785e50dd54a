"""What a module tells of its channels and neighbours, through the protocol to the commands that show it."""

from __future__ import annotations

import pytest

from dvswitch.errors import InvalidValue
from dvswitch.v1 import fabric_pb2 as pb
from dvswitch.v1 import types_pb2
from tests.support.switches import state, with_channels
from vsm.fabric import wire_observed
from vsm.fabric.runtime import RETURN, FabricRuntime
from vsm.model.channels import channels_seen
from vsm.observed import Discovery, MemberState

END = pb.LacpEnd(system_priority=1, system="02:00:00:00:00:01", key=3, port_priority=4, port=5, state=0x3D)


def channel(*members: pb.ChannelMember) -> pb.ChannelReport:
    return pb.ChannelReport(channels=[pb.Channel(policy=4, mode=types_pb2.ChannelGroup.ACTIVE, members=members)])


def test_a_channel_is_read() -> None:
    lacp = pb.LacpPort(actor=END, partner=END, sent=9, received=8, malformed=1, partner_s=60)
    up = pb.ChannelMember(uplink=2, state=pb.ChannelMember.UP, sub_group=2, speed_mbps=2500, lacp=lacp)
    (found,) = wire_observed.read_channels(3, channel(up, pb.ChannelMember(uplink=3)))
    first, second = found.members
    assert (found.slot, found.policy, first.number, first.state) == (3, 4, 2, MemberState.UP)
    assert first.lacp is not None and first.lacp.heard and first.lacp.partner.key == 3 and first.lacp.partner_age == 60
    assert (first.speed, first.sub_group, first.lacp.sent, first.lacp.malformed) == (2500, 2, 9, 1)
    assert second.state is MemberState.DOWN and second.lacp is None


def test_every_state_of_the_protocol_has_a_flag() -> None:
    assert [one.name for one in MemberState] == [name for name, _ in pb.ChannelMember.State.items()]
    assert [one.name for one in Discovery] == [name for name, _ in pb.Neighbor.Protocol.items()]


@pytest.mark.parametrize(
    "report",
    [
        channel(pb.ChannelMember(uplink=33)),
        channel(pb.ChannelMember(uplink=1, state=9)),  # type: ignore[arg-type]
        channel(pb.ChannelMember(uplink=1, lacp=pb.LacpPort(actor=END, partner=pb.LacpEnd(system="x")))),
    ],
)
def test_a_channel_that_can_not_be_is_refused(report: pb.ChannelReport) -> None:
    with pytest.raises(InvalidValue):
        wire_observed.read_channels(3, report)


def test_texts_of_strangers_are_made_printable() -> None:
    told = pb.Neighbor(uplink=1, protocol=pb.Neighbor.CDP, chassis="a\x1b[2Jb" + "x" * 900, port="\n", left_s=9)
    (found,) = wire_observed.read_neighbors(3, pb.NeighborReport(neighbors=[told]))
    assert found.chassis.startswith("a?[2Jb") and len(found.chassis) == 255 and found.port == "?"
    for wrong in (pb.Neighbor(uplink=0), pb.Neighbor(uplink=1, management=["not an address"])):
        with pytest.raises(InvalidValue):
            wire_observed.read_neighbors(3, pb.NeighborReport(neighbors=[wrong]))


def test_neighbours_age_and_go_with_the_session() -> None:
    now = [100.0]
    runtime = FabricRuntime(lambda: now[0])
    told = [pb.Neighbor(uplink=n, hold_s=120, left_s=left) for n, left in ((1, 60), (2, 5))]
    runtime.connected(3)
    runtime.neighbors_reported(3, wire_observed.read_neighbors(3, pb.NeighborReport(neighbors=told)))
    assert [(one.number, one.left) for one in runtime.neighbors()] == [(1, 60), (2, 5)]
    now[0] += 5
    assert [(one.number, one.left) for one in runtime.neighbors()] == [(1, 55)]
    runtime.disconnected(3)
    assert runtime.neighbors() == []


def test_a_module_is_given_up_when_it_had_time_to_come() -> None:
    now = [100.0]
    runtime = FabricRuntime(lambda: now[0])
    runtime.connected(3)
    assert (runtime.is_away(3), runtime.has_left(3)) == (False, False)
    runtime.disconnected(3)
    assert (runtime.is_away(3), runtime.has_left(3)) == (True, True)
    assert (runtime.is_away(4), runtime.has_left(4)) == (True, False), "this VSM has only just begun"
    now[0] += RETURN
    assert (runtime.is_away(4), runtime.has_left(4)) == (True, True)


def test_channels_stay_known_while_the_module_is_away() -> None:
    runtime = FabricRuntime(lambda: 0.0)
    runtime.connected(3)
    runtime.channels_reported(3, wire_observed.read_channels(3, channel(pb.ChannelMember(uplink=1))))
    runtime.disconnected(3)
    assert runtime.channel(3, 4) is not None and runtime.channel(3, 5) is None and runtime.channel(4, 4) is None
    runtime.channels_reported(3, [])
    assert runtime.channel(3, 4) is None


def test_what_is_numbered_is_stored_as_the_rest() -> None:
    """The numbers are part of the State, so the store keeps them; tests/store writes and reads every field."""
    assert channels_seen(state(), 3, [4]).inventory.channels == {(3, 4): 1}
    assert with_channels().inventory.channels == {(3, 4): 1, (4, 4): 7}
