"""Configurations that must not be let in, by whichever road they come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvswitch.errors import DvsError
from tests.support.switches import HOSTS, state
from vsm.model.settings import Settings
from vsm.model.state import Config, PortProfile, ProfileType, State, VemSlot, Vlan
from vsm.policy.check import MAX_PROFILES, check


def changed(**config: object) -> State:
    start = state()
    return replace(start, config=replace(start.config, **config))  # type: ignore[arg-type]


def with_profile(**profile: object) -> State:
    name = str(profile.pop("name", "NEW"))
    new = PortProfile(name, **profile)  # type: ignore[arg-type]
    return changed(profiles={**state().config.profiles, name: new})


def test_the_sample_and_a_fresh_switch_are_valid() -> None:
    check(state())
    check(State())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (changed(hostname="a b"), "hostname a b"),
        (changed(hostname=""), "hostname"),
        (changed(domain=0), "svs-domain id 0"),
        (changed(domain=4096), "svs-domain id 4096"),
        (changed(mtu=1279), "system mtu 1279"),
        (changed(default_max_ports=0), "max-ports 0"),
        (changed(vlans={10: Vlan(10)}), "vlan 1: the default vlan can't be removed"),
        (changed(vlans={1: Vlan(1), 4095: Vlan(4095)}), "vlan 4095"),
        (changed(vlans={1: Vlan(1, "a b")}), "vlan 1: name 'a b'"),
        (changed(vlans={1: Vlan(1, "x" * 33)}), "vlan 1: name"),
        (changed(vlans={1: Vlan(1, "VLAN0010"), 10: Vlan(10)}), "vlan name VLAN0010"),
        (with_profile(name="a b"), "port-profile a b"),
        (with_profile(name="x" * 81), "1-80"),
        (with_profile(max_ports=0), "port-profile NEW: max-ports 0"),
        (with_profile(min_ports=33), "port-profile NEW: min-ports 33"),
        (with_profile(inherit="NOPE"), "port-profile NEW: parent port-profile NOPE does not exist"),
        (with_profile(inherit="NEW"), "port-profile NEW: inherits from itself: NEW -> NEW"),
        (with_profile(inherit="UPLINK"), "port-profile NEW: is of type vethernet, its parent UPLINK of type ethernet"),
        (with_profile(port_group="WEB"), "port-group WEB is already published"),
        (with_profile(settings=Settings(access_vlan=4095)), "port-profile NEW: vlan 4095"),
        (with_profile(settings=Settings(native_vlan=-2)), "port-profile NEW: vlan -2"),
        (with_profile(settings=Settings(mac_limit=0)), "port-profile NEW: mac-learning limit 0: out of range 1-4096"),
        (with_profile(settings=Settings(mtu=9000)), "port-profile NEW: mtu applies to type ethernet only"),
        (
            with_profile(type=ProfileType.ETHERNET, settings=Settings(mtu=1499)),
            "port-profile NEW: mtu 1499: out of range",
        ),
        (changed(overrides={"Vethernet99": Settings(shutdown=True)}), "interface Vethernet99: does not exist"),
        (changed(overrides={"Vethernet1": Settings(mtu=9000)}), "interface Vethernet1: mtu"),
        (changed(overrides={"nonsense": Settings()}), "interface nonsense"),
        (changed(descriptions={"Vethernet99": "x"}), "interface Vethernet99: does not exist"),
        (changed(slots={67: VemSlot(67, HOSTS[3])}), "vem 67"),
        (changed(slots={3: VemSlot(3, "x")}), "vem 3: host id 'x' is not a UUID"),
        (changed(slots={3: VemSlot(3, HOSTS[3]), 4: VemSlot(4, HOSTS[3])}), "has another slot already"),
        (with_profile(name="WEB", max_ports=3), "port-profile WEB: max-ports 3 is below the 4 ports in use"),
    ],
)
def test_refused_and_named(wrong: State, told: str) -> None:
    with pytest.raises(DvsError) as refusal:
        check(wrong)
    assert told in str(refusal.value)


def test_four_levels_pass_and_five_do_not() -> None:
    def levels(count: int) -> State:
        names = [f"L{n}" for n in range(count)]
        profiles = {name: PortProfile(name, inherit=names[n - 1] if n else "") for n, name in enumerate(names)}
        return State(Config(profiles=profiles))

    check(levels(4))
    with pytest.raises(DvsError, match="more than 4 levels"):
        check(levels(5))


def test_there_is_room_for_so_many_profiles_and_no_more() -> None:
    def profiles(count: int) -> State:
        return State(Config(profiles={f"P{n}": PortProfile(f"P{n}") for n in range(count)}))

    check(profiles(MAX_PROFILES))
    with pytest.raises(DvsError, match=str(MAX_PROFILES)):
        check(profiles(MAX_PROFILES + 1))
