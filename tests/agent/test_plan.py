"""The ordered transition between two Images: ends right, touches only what changed, and never passes through a state in
which an unchanged port would lose a frame or a changed one would get a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.support.examples import many
from tests.support.recording_engine import RecordingEngine
from vem.datapath.apply import apply_image
from vem.datapath.image import LIST_RECEIVER, Control, Group, Image, Policy, Port, Team
from vem.datapath.plan import SetConfig, SetMembers, SetPort, SetStaticMacs, SetVifLists, transition

MACS = [MacAddress(bytes([2, 0, 0, 0, 0, n])) for n in range(6)]
VLANS = (10, 20, 30)
VifLists = Mapping[tuple[int, int], tuple[int, ...]]


def policies() -> st.SearchStrategy[Policy]:
    access = st.builds(Policy, vlan=st.sampled_from(VLANS), blocked=st.booleans(), team=st.integers(0, 2))
    allowed = st.sets(st.sampled_from(VLANS)).map(VlanSet.of)
    trunk = st.builds(Policy, trunk=st.just(True), allowed=allowed, team=st.integers(0, 2))
    return access | trunk


@st.composite
def images(draw: st.DrawFn) -> Image:
    """Whole states that refer only to what they contain."""
    table = draw(st.dictionaries(st.integers(0, 5), policies(), min_size=1, max_size=4))
    port = st.builds(
        Port,
        policy=st.sampled_from(sorted(table)),
        number=st.integers(1, 3),
        mac=st.sampled_from(MACS),
        uplink=st.booleans(),
        link_up=st.booleans(),
        blocked=st.booleans(),
    )
    ports = draw(st.dictionaries(st.integers(1, 6), port, max_size=6))
    vnics = sorted(lport for lport, entry in ports.items() if not entry.uplink)
    uplinks = tuple(sorted(ports.keys() - set(vnics)))
    carried = {
        vlan: found for vlan in VLANS if (found := tuple(p for p in vnics if table[ports[p].policy].carries(vlan)))
    }
    shared = draw(
        st.dictionaries(st.integers(4096, 4098), st.sets(st.sampled_from(range(1, 7)), min_size=1), max_size=2)
    )
    lists = {(9, number): tuple(sorted(lports)) for number, lports in shared.items()}
    members = {vlan: _by_lists(found, lists) for vlan, found in carried.items()}
    return Image(
        control=draw(st.builds(Control, mtu=st.sampled_from((1500, 9000)))),
        ports=ports,
        policies=table,
        teams={1: Team(uplinks)} if uplinks else {},
        static_macs={ports[p].mac: p for p in vnics if not ports[p].blocked},
        members=members,
        unknown_members={vlan: found for vlan, found in members.items() if draw(st.booleans())},
        promiscuous_members={vlan: found for vlan, found in carried.items() if draw(st.booleans())},
        groups={Group(vlan, b"\xef\0\0\1"): found for vlan, found in members.items() if draw(st.booleans())},
        vif_lists=lists,
    )


def _by_lists(lports: tuple[int, ...], lists: VifLists) -> tuple[int, ...]:
    """Those of them who can be named by a list of VIFs are, each by one."""
    found, left = [], set(lports)
    for (_, number), shared in lists.items():
        if left.issuperset(shared):
            found.append(LIST_RECEIVER + number)
            left -= set(shared)
    return (*sorted(left), *found)


def _receivers(receivers: tuple[int, ...], image: Image) -> list[int]:
    """Who gets a copy; the same one twice who gets two."""
    lists = {LIST_RECEIVER + number: shared for (_, number), shared in image.vif_lists.items()}
    return [lport for receiver in receivers for lport in lists.get(receiver, (receiver,))]


@given(st.lists(images(), min_size=1, max_size=5))
@settings(max_examples=many(50))
def test_any_sequence_ends_at_the_last_image(sequence: list[Image]) -> None:
    engine = RecordingEngine()
    for old, new in pairwise([Image(), *sequence]):
        apply_image(engine, old, new)
        assert engine.image() == new


@given(images(), images())
@settings(max_examples=many(50))
def test_no_instant_is_worse_than_both_ends(old: Image, new: Image) -> None:
    engine = RecordingEngine()
    apply_image(engine, Image(), old)
    engine.calls.clear()
    apply_image(engine, old, new)
    for call in engine.calls:
        _check_lists(old, new, call.after)
        _check_ports(old, new, call.after)
        _check_static_macs(old, new, call.after)


def _check_lists(old: Image, new: Image, now: Image) -> None:
    """Whoever receives a VLAN's floods before and after does so all the time, and nobody twice."""
    for before, after, between in (
        (old.members, new.members, now.members),
        (old.unknown_members, new.unknown_members, now.unknown_members),
        (old.promiscuous_members, new.promiscuous_members, now.promiscuous_members),
        (old.groups, new.groups, now.groups),
    ):
        for key in before.keys() | between.keys():  # type: ignore[attr-defined]
            was, gets = (_receivers(lists.get(key, ()), image) for lists, image in ((before, old), (between, now)))  # type: ignore[attr-defined]
            assert len(set(gets)) == len(gets), "somebody gets two copies"
            if key in after or key in VLANS:
                assert set(was) & set(_receivers(after.get(key, ()), new)) <= set(gets)  # type: ignore[attr-defined]


def _check_ports(old: Image, new: Image, now: Image) -> None:
    """Each vNIC that stays has its old policy or its new one, whole, never a third text."""
    for lport, port in now.ports.items():
        before, after = old.ports.get(lport), new.ports.get(lport)
        if before is None or after is None or (before.number, before.uplink) != (after.number, after.uplink):
            continue
        assert now.policies.get(port.policy) in (old.policies[before.policy], new.policies[after.policy])
        if before == after:
            assert port == before


def _check_static_macs(old: Image, new: Image, now: Image) -> None:
    for mac, lport in now.static_macs.items():
        assert lport in (old.static_macs.get(mac), new.static_macs.get(mac))
    for mac, lport in old.static_macs.items():
        kept = lport in new.ports and new.ports[lport].number == old.ports[lport].number
        if new.static_macs.get(mac) == lport and kept and not new.ports[lport].uplink:
            assert now.static_macs.get(mac) == lport


@given(images())
@settings(max_examples=many(50))
def test_nothing_is_done_when_nothing_changed(image: Image) -> None:
    assert transition(image, image) == []


BASE = Image(
    ports={1: Port(1, 5, MACS[0]), 2: Port(1, 6, MACS[1]), 9: Port(2, 1, MACS[5], uplink=True)},
    policies={1: Policy(vlan=10, team=1), 2: Policy(trunk=True, allowed=VlanSet.of([10, 20]))},
    teams={1: Team((9,))},
    static_macs={MACS[0]: 1, MACS[1]: 2},
    members={10: (1, 2)},
)


def kinds(old: Image, new: Image) -> list[str]:
    return [type(step).__name__ for step in transition(old, new)]


def test_a_profile_edit_moves_all_ports_by_one_configuration_call() -> None:
    new = replace(BASE, policies={**BASE.policies, 1: Policy(vlan=20, team=1)}, members={20: (1, 2)})
    assert transition(BASE, new) == [
        SetMembers({20: (1, 2)}, {}),
        SetConfig(new.control, new.policies, new.teams),
        SetMembers({10: None}, {}),
    ]


def test_a_removed_port_loses_mac_then_lists_then_its_entry() -> None:
    new = replace(BASE, ports={1: BASE.ports[1], 9: BASE.ports[9]}, static_macs={MACS[0]: 1}, members={10: (1,)})
    assert transition(BASE, new) == [
        SetStaticMacs({MACS[1]: None}),
        SetMembers({10: (1,)}, {}),
        SetPort(2, None),
    ]


def test_a_new_port_is_in_the_lists_before_it_forwards() -> None:
    old = replace(BASE, ports={1: BASE.ports[1], 9: BASE.ports[9]}, static_macs={MACS[0]: 1}, members={10: (1,)})
    assert kinds(old, BASE) == ["SetMembers", "SetPort", "SetStaticMacs"]


def test_a_port_that_changes_policy_waits_for_the_new_one() -> None:
    new = replace(
        BASE,
        ports={**BASE.ports, 2: replace(BASE.ports[2], policy=3)},
        policies={**BASE.policies, 3: Policy(vlan=20, team=1)},
        members={10: (1,), 20: (2,)},
    )
    assert kinds(BASE, new) == ["SetMembers", "SetConfig", "SetPort", "SetMembers"]


def test_a_port_moving_to_a_policy_that_is_edited_goes_by_a_spare_index() -> None:
    new = replace(
        BASE,
        ports={**BASE.ports, 1: replace(BASE.ports[1], policy=2)},
        policies={1: BASE.policies[1], 2: Policy(vlan=30)},
        members={10: (2,), 30: (1,)},
    )
    engine = RecordingEngine()
    apply_image(engine, Image(), BASE)
    apply_image(engine, BASE, new)
    texts = [call.after.policies[call.after.ports[1].policy] for call in engine.calls if 1 in call.after.ports]
    assert set(map(repr, texts)) == {repr(BASE.policies[1]), repr(new.policies[2])}
    assert engine.image() == new


@pytest.mark.parametrize(("up", "expected"), [(True, ["SetPort", "SetConfig"]), (False, ["SetConfig", "SetPort"])])
def test_uplinks_open_before_teams_use_them_and_close_after(up: bool, expected: list[str]) -> None:
    down = replace(BASE, ports={**BASE.ports, 9: replace(BASE.ports[9], link_up=False)}, teams={})
    assert (kinds(down, BASE) if up else kinds(BASE, down)) == expected


def test_a_host_that_becomes_an_iv_switches_by_what_it_had_until_then() -> None:
    """Who has a VIF already keeps its policy until nobody asks for one."""
    joining = replace(BASE, ports={**BASE.ports, 1: replace(BASE.ports[1], link=9, vif=5)})
    extends = replace(joining, ports={**joining.ports, 1: replace(joining.ports[1], policy=2)}, members={})
    extends = replace(extends, control=Control(niv=True), policies={2: BASE.policies[2]})
    steps = [type(step).__name__ for step in transition(joining, extends)]
    assert steps.index("SetConfig") < steps.index("SetPort") and steps[-1] == "SetMembers"


def test_a_port_has_its_vif_before_the_host_sends_by_it_and_lists_are_there_before_they_are_used() -> None:
    old = Image(ports={1: Port(0, 1, MACS[1])}, policies={0: Policy()}, members={0: (1,)})
    niv = replace(old.control, niv=True)
    ports = {1: replace(old.ports[1], link=9, vif=5)}
    new = replace(old, control=niv, ports=ports, members={0: (LIST_RECEIVER + 4096,)}, vif_lists={(9, 4096): (1,)})
    steps = transition(old, new)
    assert steps.index(SetPort(1, new.ports[1])) < steps.index(SetConfig(niv, new.policies, new.teams))
    uses = [step for step in steps if isinstance(step, SetMembers) and LIST_RECEIVER + 4096 in (step.members[0] or ())]
    assert steps.index(SetVifLists(new.vif_lists)) < steps.index(uses[0])
    back = transition(new, old)
    assert back.index(SetVifLists({(9, 4096): None})) > back.index(SetMembers({0: (1,)}, {}))
