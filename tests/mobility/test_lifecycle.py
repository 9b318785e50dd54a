"""Slots, numbers, MAC addresses and limits: what modules and managers may report, and what comes of it."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch.errors import Conflict, InvalidValue, NotFound
from dvswitch.mac import MacAddress
from tests.support.fabric_rig import host, mac, with_profile
from vsm.mobility import machine
from vsm.mobility.machine import Input, Occasion
from vsm.mobility.reports import AttachReport, Stale, attached, detached, seen
from vsm.model import lifecycle
from vsm.model.migration import MoveState
from vsm.model.settings import Settings
from vsm.model.state import Module, Nic, ProfileType, State, Uplink, VemSlot


def nic(vm: str, index: int = 0) -> Nic:
    return Nic(vm, index)


def address(number: int) -> MacAddress:
    return MacAddress.parse(mac(number))


def joined(count: int = 1, max_ports: int = 0) -> State:
    state = with_profile("web", max_ports=8)(State())
    for number in range(1, count + 1):
        state = lifecycle.joined(state, 1, Module(0, host(number), f"kvm-{number}", max_ports=max_ports))
    return state


def plug(state: State, slot: int, vm: str, number: int, profile: str = "web") -> State:
    return attached(state, AttachReport(slot, nic(vm), address(number), profile))


def test_slots_are_lowest_free_and_keyed_by_uuid() -> None:
    state = joined(2)
    assert {slot: module.host_name for slot, module in state.inventory.modules.items()} == {3: "kvm-1", 4: "kvm-2"}
    assert lifecycle.joined(state, 1, state.inventory.modules[4]) is state
    renamed = lifecycle.joined(state, 1, Module(0, host(2).upper(), "renamed"))
    assert renamed.inventory.modules[4].host_name == "renamed"


def test_a_slot_provisioned_by_the_operator_is_taken() -> None:
    state = joined(1)
    config = replace(state.config, slots={**state.config.slots, 40: VemSlot(40, host(9))})
    state = lifecycle.joined(replace(state, config=config), 1, Module(0, host(9)))
    assert 40 in state.inventory.modules


def test_foreign_domains_nameless_hosts_and_a_full_switch_are_refused() -> None:
    with pytest.raises(Conflict, match="domain 2"):
        lifecycle.joined(joined(), 2, Module(0, host(9), "kvm-9"))
    with pytest.raises(InvalidValue, match="host UUID"):
        lifecycle.joined(joined(), 1, Module(0, "", "kvm-9"))
    with pytest.raises(Conflict, match="no free slot in 3-66"):
        lifecycle.joined(joined(64), 1, Module(0, host(99), "kvm-99"))


def test_numbers_are_lowest_free_and_stay_with_the_nic() -> None:
    state = joined(2)
    for number, vm in enumerate(("a", "b", "c"), 1):
        state = plug(state, 3, vm, number)
    assert {veth.nic.vm: number for number, veth in state.inventory.veths.items()} == {"a": 1, "b": 2, "c": 3}
    off = detached(state, 3, 2, 1)
    assert off.inventory.veths[2].slot is None
    on = plug(off, 4, "b", 2)
    assert (on.inventory.veths[2].slot, on.inventory.veths[2].generation) == (4, 2)
    veths = {number: veth for number, veth in on.inventory.veths.items() if number != 1}
    freed = replace(on, inventory=replace(on.inventory, veths=veths))
    assert plug(freed, 3, "d", 9).inventory.veths[1].nic.vm == "d"


def test_a_vm_that_speaks_where_it_came_from_has_its_veth_back_if_its_host_is_away() -> None:
    state = plug(joined(3), 4, "a", 1)
    for slot, absent in ((3, ()), (4, (4,)), (3, (5,))):
        assert seen(state, slot, 1, 0, absent=absent.__contains__) is state
    assert seen(state, 3, 2, 0, absent=lambda slot: True) is state, "there is no such vEth"
    moving = seen(state, 3, 1, 0, absent=(4,).__contains__)
    move = moving.inventory.moves[1]
    assert (move.source, move.target, move.state) == (4, 3, MoveState.PAUSED)
    assert seen(moving, 5, 1, 0, absent=lambda slot: True) is moving, "it moves already"


def test_the_uuid_identifies_a_vm_whatever_its_name() -> None:
    first = Nic("old-name", 0, "tap0", vm_uuid="u-1")
    state = attached(joined(), AttachReport(3, first, address(1), "web"))
    state = attached(state, AttachReport(3, replace(first, vm="new-name", adapter="tap7"), address(1), "web"))
    [veth] = state.inventory.veths.values()
    assert (veth.nic.vm, veth.nic.adapter) == ("new-name", "tap7")


@pytest.mark.parametrize("bad", ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
def test_a_mac_that_no_nic_may_own_is_refused(bad: str) -> None:
    """S-267."""
    with pytest.raises(InvalidValue, match="unicast"):
        attached(joined(), AttachReport(3, nic("a"), MacAddress.parse(bad), "web"))


@pytest.mark.parametrize("powered_off", [False, True])
def test_a_duplicate_mac_is_refused_naming_both(powered_off: bool) -> None:
    """S-268: of plugged and unplugged NICs alike."""
    state = plug(joined(), 3, "a", 1)
    if powered_off:
        state = detached(state, 3, 1, 1)
    with pytest.raises(Conflict) as raised:
        plug(state, 3, "b", 1)
    assert all(word in str(raised.value) for word in ("NIC 0 of VM b", "vethernet 1", "VM a", mac(1)))


def test_a_nic_has_one_mac_at_a_time() -> None:
    state = plug(joined(), 3, "a", 1)
    with pytest.raises(Conflict, match="detach it there first"):
        plug(state, 3, "a", 2)
    assert plug(detached(state, 3, 1, 1), 3, "a", 2).inventory.veths[2].nic.vm == "a"


def test_profiles_are_checked() -> None:
    state = with_profile("up", kind=ProfileType.ETHERNET)(joined())
    with pytest.raises(NotFound, match="port-profile none: does not exist; create it"):
        plug(state, 3, "a", 1, "none")
    with pytest.raises(NotFound, match="type ethernet"):
        plug(state, 3, "a", 1, "up")


def test_max_ports_counts_every_record_of_the_profile() -> None:
    state = with_profile("web", max_ports=2)(joined())
    state = plug(plug(state, 3, "a", 1), 3, "b", 2)
    state = detached(state, 3, 1, 1)
    with pytest.raises(Conflict, match="all 2 ports are in use"):
        plug(state, 3, "c", 3)
    assert plug(state, 3, "a", 1).inventory.veths[1].slot == 3


def test_a_module_takes_no_more_than_it_can() -> None:
    state = plug(joined(max_ports=1), 3, "a", 1)
    with pytest.raises(Conflict, match="module 3"):
        plug(state, 3, "b", 2)


def test_a_new_port_group_is_a_new_profile_on_the_same_number() -> None:
    state = with_profile("db", vlan=20)(plug(joined(), 3, "a", 1))
    assert plug(state, 3, "a", 1, "db").inventory.veths[1].profile == "db"


def test_a_veth_takes_up_what_is_said_on_its_interface_already() -> None:
    state = joined()
    overrides = {"Vethernet1": Settings(access_vlan=99)}
    state = replace(state, config=replace(state.config, overrides=overrides))
    state = plug(state, 3, "a", 1)
    assert state.inventory.veths[1].policy_id == 2 and state.inventory.next_policy_id == 3


def test_managers_announce_nics_before_they_are_plugged_in() -> None:
    state = lifecycle.provisioned(joined(), nic("a"), address(1), "web")
    assert state.inventory.veths[1].slot is None
    assert lifecycle.provisioned(state, nic("a"), address(1), "web") is state
    assert plug(state, 3, "a", 1).inventory.veths[1].generation == 1
    released = lifecycle.released(plug(state, 3, "a", 1), 1)
    assert released.inventory.veths[1].slot is None
    assert lifecycle.released(released, 1) is released
    with pytest.raises(Stale):
        attached(released, AttachReport(3, nic("a"), address(1), "web", veth=1, generation=1))
    with pytest.raises(NotFound, match="vethernet 9"):
        lifecycle.released(state, 9)


def test_uplinks_come_change_and_go() -> None:
    state = lifecycle.uplink_seen(joined(), Uplink(3, 1, "eth1", "up", True))
    assert lifecycle.uplink_seen(state, Uplink(3, 1, "eth1", "up", True)) is state
    state = lifecycle.uplink_seen(state, Uplink(3, 1, "eth1", "up", False))
    assert not state.inventory.uplinks[3, 1].link_up
    assert lifecycle.uplink_gone(state, 3, 2) is state
    assert not lifecycle.uplink_gone(state, 3, 1).inventory.uplinks
    with pytest.raises(InvalidValue):
        lifecycle.uplink_seen(state, Uplink(3, 33))


def test_an_unknown_module_can_attach_nothing() -> None:
    with pytest.raises(NotFound, match="module 5"):
        plug(joined(), 5, "a", 1)


@given(st.lists(st.tuples(st.integers(3, 4), st.sampled_from("abcd"), st.booleans()), max_size=25))
def test_no_mac_and_no_nic_is_ever_held_twice(steps: list[tuple[int, str, bool]]) -> None:
    state = joined(2)
    for slot, vm, attach in steps:
        if attach:
            with contextlib.suppress(Conflict):  # it is moving elsewhere just now
                state = plug(state, slot, vm, ord(vm))
        else:
            for veth in state.inventory.veths.values():
                if veth.nic.vm == vm:
                    state = detached(state, slot, veth.number, veth.generation)
        macs = [veth.mac for veth in state.inventory.veths.values()]
        assert len(macs) == len(set(macs)) == len({veth.nic.key for veth in state.inventory.veths.values()})


def moved(time: float = 100.0) -> State:
    """A vEth that has just gone from module 3 to module 4."""
    state = plug(joined(2), 3, "vm", 1)
    state = machine.begin(state, 1, 4, Input.SEEN, Occasion(time))
    for step in (Input.DRAINED, Input.APPLIED):
        state = machine.step(state, 1, step, Occasion(time))
    assert state.inventory.veths[1].slot == 4
    return state


@pytest.mark.parametrize(
    ("time", "still_plugged", "slot"),
    [(101.0, {3, 4}, 3), (101.0, {4}, None), (101.0, set(), None), (200.0, {3}, None)],
    ids=["on both", "on the target", "on neither", "long ago"],
)
def test_a_target_that_lets_go_at_once_gives_the_port_back(
    time: float, still_plugged: set[int], slot: int | None
) -> None:
    """To the source, if its NIC is still there: the hypervisor's migration failed when ours was done."""
    before = moved()
    generation = before.inventory.veths[1].generation
    veth = detached(before, 4, 1, generation, time, still_plugged.__contains__).inventory.veths[1]
    assert veth.slot == slot and veth.generation == generation + (slot is not None)
    assert detached(before, 3, 1, generation - 1, time, still_plugged.__contains__) is before


def test_a_target_that_lets_go_before_it_has_confirmed_gives_the_port_back() -> None:
    state = plug(joined(2), 3, "vm", 1)
    state = machine.begin(state, 1, 4, Input.SEEN, Occasion(100.0))
    state = machine.step(state, 1, Input.DRAINED, Occasion(100.0))
    after = detached(state, 4, 1, state.inventory.veths[1].generation, 101.0, {3}.__contains__)
    assert after.inventory.veths[1].slot == 3 and not after.inventory.moves
