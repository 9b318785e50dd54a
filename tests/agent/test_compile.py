"""From wanted state and plugged NICs to the Image: what each situation comes to, and that numbers stay stable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vem.agent.compile import BLOCKED_POLICY, Indexes, PluggedNic, PluggedUplink, compile_image, restrict
from vem.agent.teams import Teaming
from vem.agent.wanted import Nic, Phase, Policy, Port, Switch, Uplink, Wanted
from vem.datapath.image import Group


def mac(number: int) -> MacAddress:
    return MacAddress(bytes([2, 0, 0, 0, 0, number]))


def veth(number: int, policy: int = 1, **more: object) -> Port:
    return Port(number, policy, mac(number), Nic(f"vm{number}"), **{"generation": 1, **more})  # type: ignore[arg-type]


def nic(number: int, **more: object) -> PluggedNic:
    return PluggedNic(number, mac(number), number, **more)  # type: ignore[arg-type]


WEB = Policy(1, "web", vlan=10)
TRUNK = Policy(2, "trunk", trunk=True, vlan=1, allowed=VlanSet.parse("1,10,20"))
UP = Policy(9, "UPLINK", trunk=True, vlan=1, allowed=VlanSet.parse("1,10,20"))
UPLINKS = [PluggedUplink(1, 101, mac(101)), PluggedUplink(2, 102, mac(102))]
BASE = Wanted(
    revision=7,
    switch=Switch("vsm", 1, 9000),
    policies={1: WEB, 2: TRUNK, 9: UP},
    ports={5: veth(5), 6: veth(6, 2)},
    uplinks={1: Uplink(1, 9), 2: Uplink(2, 9)},
)
NICS = [nic(5), nic(6)]


def test_the_ordinary_case() -> None:
    compiled = compile_image(BASE, NICS, UPLINKS, Indexes())
    image = compiled.image
    assert compiled.refusals == ()
    assert image.control.mtu == 9000
    assert image.static_macs == {mac(5): 5, mac(6): 6}
    assert image.members == {1: (6,), 10: (5, 6), 20: (6,)}
    assert image.unknown_members == {}
    web = image.policies[image.ports[5].policy]
    assert (web.vlan, image.teams[web.team].uplinks) == (10, (101, 102))
    assert image.ports[5].port_id == image.ports[5].number == 5
    assert image.ports[101].uplink and not image.ports[101].blocked


def test_pinning_is_by_veth_number_over_the_uplinks_in_use() -> None:
    compiled = compile_image(BASE, NICS, UPLINKS, Indexes())
    assert {veth: state.pinned_uplink for veth, state in compiled.veths.items()} == {5: 2, 6: 1}  # S-130
    down = [UPLINKS[0], replace(UPLINKS[1], link_up=False)]
    compiled = compile_image(BASE, NICS, down, Indexes())
    assert {veth: state.pinned_uplink for veth, state in compiled.veths.items()} == {5: 1, 6: 1}


@pytest.mark.parametrize(
    ("uplinks", "team"),
    [
        ({1: Uplink(1, 9), 2: Uplink(2, 9, shutdown=True)}, (101,)),
        ({1: Uplink(1, 0), 2: Uplink(2, 9)}, (102,)),
        ({2: Uplink(2, 9)}, (102,)),
        ({}, ()),
    ],
)
def test_only_usable_uplinks_are_in_a_team(uplinks: dict[int, Uplink], team: tuple[int, ...]) -> None:
    image = compile_image(replace(BASE, uplinks=uplinks), NICS, UPLINKS, Indexes()).image
    number = image.policies[image.ports[5].policy].team
    assert (image.teams[number].uplinks if number else ()) == team


def test_an_uplink_that_does_not_carry_the_vlan_is_not_in_its_team() -> None:
    narrow = replace(UP, id=8, allowed=VlanSet.parse("20"))
    wanted = replace(BASE, policies={**BASE.policies, 8: narrow}, uplinks={1: Uplink(1, 8), 2: Uplink(2, 9)})
    image = compile_image(wanted, NICS, UPLINKS, Indexes()).image
    teams = {number: image.teams[image.policies[image.ports[number].policy].team].uplinks for number in (5, 6)}
    assert teams == {5: (102,), 6: (101, 102)}


@pytest.mark.parametrize(
    ("change", "blocked", "has_mac"),
    [
        ({"phase": Phase.PREPARED}, True, False),
        ({"phase": Phase.DRAINING}, True, False),
        ({"shutdown": True}, True, True),  # S-240
        ({}, False, True),
        ({"policy": 77}, True, False),
    ],
)
def test_states_of_a_veth(change: dict[str, object], blocked: bool, has_mac: bool) -> None:
    wanted = replace(BASE, ports={5: replace(veth(5), **change)})  # type: ignore[arg-type]
    compiled = compile_image(wanted, [nic(5)], UPLINKS, Indexes())
    assert compiled.image.ports[5].blocked is blocked
    assert (mac(5) in compiled.image.static_macs) is has_mac
    assert (5 in compiled.image.members.get(10, ())) is has_mac
    assert compiled.veths[5].forwarding is not blocked


def test_a_profile_that_is_shut_blocks_by_its_policy_and_keeps_mac_entries() -> None:
    wanted = replace(BASE, policies={**BASE.policies, 1: replace(WEB, shutdown=True)})
    compiled = compile_image(wanted, NICS, UPLINKS, Indexes())
    assert compiled.image.policies[compiled.image.ports[5].policy].blocked
    assert compiled.image.static_macs[mac(5)] == 5
    assert not compiled.veths[5].forwarding


def test_a_nic_that_nobody_wants_is_blocked() -> None:
    image = compile_image(BASE, [PluggedNic(7, mac(7), 0)], UPLINKS, Indexes()).image
    assert image.ports[7].blocked and image.ports[7].policy == BLOCKED_POLICY
    assert image.policies[BLOCKED_POLICY].blocked


def test_unknown_references_are_refused_by_name() -> None:
    wanted = replace(BASE, ports={5: veth(5, 77)}, uplinks={1: Uplink(1, 78)})
    refusals = compile_image(wanted, [nic(5)], UPLINKS, Indexes()).refusals
    assert [(refusal.object, refusal.reason) for refusal in refusals] == [
        ("ethernet 1", "policy 78 is not known"),
        ("vethernet 5", "policy 77 is not known"),
    ]


@pytest.mark.parametrize("order", [(5, 6), (6, 5)])
def test_of_two_veths_with_one_mac_the_higher_generation_has_it(order: tuple[int, int]) -> None:
    older, newer = veth(5), replace(veth(6), mac=mac(5), generation=2)
    compiled = compile_image(replace(BASE, ports={5: older, 6: newer}), [nic(n) for n in order], UPLINKS, Indexes())
    assert compiled.image.static_macs == {mac(5): 6}
    assert compiled.image.ports[5].blocked and not compiled.image.ports[6].blocked  # S-255
    assert [refusal.object for refusal in compiled.refusals] == ["vethernet 5"]


def test_learning_ports_with_flooding_receive_unknown_unicast() -> None:
    learning = replace(WEB, mac_learning=True, unknown_flood=True)
    image = compile_image(replace(BASE, policies={**BASE.policies, 1: learning}), NICS, UPLINKS, Indexes()).image
    assert image.unknown_members == {10: (5,)}  # S-070


def test_indexes_stay_and_are_not_reused_at_once() -> None:
    indexes = Indexes()
    before = compile_image(BASE, NICS, UPLINKS, indexes).image.ports[5].policy
    policies = {2: TRUNK, 9: UP, 3: replace(WEB, id=3)}
    changed = compile_image(replace(BASE, policies=policies, ports={5: veth(5, 3)}), NICS, UPLINKS, indexes).image
    assert changed.ports[5].policy != before
    assert compile_image(BASE, NICS, UPLINKS, indexes).image.ports[6].policy == indexes.policies.get(2)


def test_teams_keep_their_number_while_their_uplinks_are_the_same() -> None:
    indexes = Indexes()
    first = compile_image(BASE, NICS, UPLINKS, indexes).image
    one = compile_image(BASE, NICS, UPLINKS[:1], indexes).image
    assert set(one.teams) & set(first.teams) == set()
    assert compile_image(BASE, NICS, UPLINKS, Indexes()).image == first


def test_orphans_go_on_beside_what_is_wanted() -> None:
    adopted = compile_image(BASE, NICS, UPLINKS, Indexes()).image
    orphans = restrict(adopted, [5, 101])
    empty = compile_image(Wanted(), [], [], Indexes(), orphans).image
    assert empty.ports == {lport: adopted.ports[lport] for lport in (5, 101)}
    assert empty.static_macs == {mac(5): 5} and empty.members == {10: (5,)}
    assert empty.policies[adopted.ports[5].policy] == adopted.policies[adopted.ports[5].policy]
    beside = compile_image(BASE, [nic(6)], UPLINKS[1:], Indexes(), orphans).image
    assert beside.members[10] == (5, 6)
    assert beside.ports[5].policy != beside.ports[6].policy
    assert beside.policies[beside.ports[5].policy].vlan == 10


def test_orphans_that_watch_or_joined_groups_go_on_doing_so() -> None:
    """S-103, S-232: whose policy is unknown still receives what it received."""
    group, other = Group(10, bytes([239, 1, 1, 1])), Group(10, bytes([239, 1, 1, 2]))
    watching = replace(BASE, policies={**BASE.policies, 1: replace(WEB, promiscuous=True)})
    teaming = Teaming()
    teaming.groups = {group: (5, 6), other: (5,)}
    adopted = compile_image(watching, NICS, UPLINKS, Indexes(), teaming=teaming).image
    assert adopted.promiscuous_members == {10: (5,)} and adopted.groups == {group: (5, 6), other: (5,)}
    orphans = restrict(adopted, [5])
    assert orphans.image.groups == {group: (5,), other: (5,)}

    teaming.groups = {}
    beside = compile_image(BASE, [nic(6)], UPLINKS, Indexes(), orphans, teaming).image
    assert beside.promiscuous_members == {10: (5,)}
    assert beside.groups == {}, "flooded, until those who are known have told what they want"
    teaming.groups = {group: (6,)}
    beside = compile_image(BASE, [nic(6)], UPLINKS, Indexes(), orphans, teaming).image
    assert beside.groups == {group: (5, 6)}
    teaming.groups = {other: (5, 7)}
    beside = compile_image(BASE, [nic(6)], UPLINKS, Indexes(), orphans, teaming).image
    assert beside.groups == {other: (5,)}, "an orphan may join; a port that nobody knows may not"
