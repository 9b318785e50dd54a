"""What modules are told, field by field."""

from __future__ import annotations

from dataclasses import replace

from dvswitch.digest import wanted_digest
from dvswitch.v1 import types_pb2 as pb
from dvswitch.vlan import VlanSet
from vsm.fabric.wire import digest, updates
from vsm.model.niv import HostMode, ModeKind, Tagging
from vsm.model.settings import ChannelMode, TeamMethod
from vsm.policy.difference import SetPolicy, SetSwitch, difference
from vsm.policy.wanted import PolicySpec, StormSpec, SwitchSpec, TeamSpec, Wanted


def told(spec: PolicySpec) -> pb.Policy:
    (message,) = updates(1, [SetPolicy(spec)])
    return message.update.changes[0].set_policy


def test_the_plain_case_says_nothing_of_teams_storms_and_channels() -> None:
    policy = told(PolicySpec(2, "WEB"))
    assert not policy.HasField("team") and not policy.HasField("storm") and not policy.HasField("channel")


def test_everything_said_is_told() -> None:
    spec = PolicySpec(
        id=2,
        profile="WEB",
        trunk=True,
        allowed=VlanSet.of([0, 10]),
        mac_limit=5,
        promiscuous=True,
        mac_limit_allow=True,
        bpdu=True,
        storm=StormSpec(1, 2, 3),
        team=TeamSpec(TeamMethod.IP_HASH, (2, 1), (3,), (4,), False, False, True, 7, (8, 6)),
    )
    assert told(spec) == pb.Policy(
        id=2,
        profile="WEB",
        mode=pb.Policy.TRUNK,
        allowed="0,10",
        mac_limit=5,
        promiscuous=True,
        mac_limit_allow=True,
        bpdu=True,
        storm=pb.Storm(broadcast=1, multicast=2, unknown_unicast=3),
        team=pb.Team(
            active=[2, 1],
            standby=[3],
            unused=[4],
            no_failback=True,
            no_notify=True,
            beacon=True,
            pin=7,
            pin_backup=[8, 6],
            method=pb.Policy.IP_HASH,
        ),
    )


def test_each_method_and_channel_has_its_number() -> None:
    methods = [told(PolicySpec(1, "P", team=TeamSpec(method, pin=1))).team.method for method in TeamMethod]
    assert methods == [pb.Policy.PORT_ID, pb.Policy.SOURCE_MAC, pb.Policy.IP_HASH, pb.Policy.EXPLICIT, pb.Policy.LOAD]
    modes = [told(PolicySpec(1, "P", channel=mode)).channel.mode for mode in ChannelMode]
    assert modes == sorted(pb.ChannelGroup.Mode.values())


def test_the_switch_tells_its_rhythms() -> None:
    (message,) = updates(1, [SetSwitch(SwitchSpec("s", 1, snooping=True, query_interval=32, up_delay=5, mac_aging=60))])
    switch = message.update.changes[0].set_switch
    assert (switch.snooping, switch.querier_interval_s, switch.up_delay_ms, switch.mac_aging_s) == (True, 32, 5, 60)


def test_a_mode_is_told_where_it_is_not_the_default_and_counts_in_the_digest() -> None:
    plain, niv = Wanted(SwitchSpec("vsm", 1)), HostMode(ModeKind.NIV, Tagging.ETAG)
    assert [type(change) for change in difference(None, plain)] == [SetSwitch]
    (message,) = updates(1, difference(plain, replace(plain, mode=niv)))
    assert [change.set_mode for change in message.update.changes] == [pb.Mode(kind=pb.Mode.NIV, tagging=pb.Mode.ETAG)]
    (message,) = updates(2, difference(replace(plain, mode=niv), plain))
    assert message.update.changes[0].HasField("set_mode") and message.update.changes[0].set_mode == pb.Mode()
    (snapshot,) = updates(3, difference(None, plain))
    assert digest(plain) == wanted_digest(snapshot.update.changes[0].set_switch, (), (), ())
    vepa = HostMode(ModeKind.VEPA)
    assert len({digest(plain), digest(replace(plain, mode=niv)), digest(replace(plain, mode=vepa))}) == 3
