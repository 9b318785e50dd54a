"""Inheritance: interface > profile > parent > grandparent > defaults (nexus-1000v section 3.2)."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch.vlan import VlanSet
from vsm.model.settings import DEFAULTS, NOTHING, ChannelMode, PortMode, Settings, TeamMethod
from vsm.model.state import Config, PortProfile
from vsm.policy.inherit import ATTRIBUTES, chain, effective, said

VALUES = Settings(
    mode=PortMode.TRUNK,
    access_vlan=10,
    native_vlan=20,
    allowed_vlans=VlanSet.of([5]),
    shutdown=False,
    forged_transmits=True,
    mac_changes=True,
    mac_learning=True,
    unknown_flood=False,
    mac_limit=9,
    mtu=9000,
    promiscuous=True,
    mac_limit_allow=True,
    bpdu_guard=False,
    storm_broadcast=1,
    storm_multicast=2,
    storm_unknown=3,
    team_method=TeamMethod.LOAD,
    team_active=(2, 1),
    team_standby=(3,),
    team_unused=(4,),
    team_failback=False,
    team_notify=False,
    team_beacon=True,
    pin=2,
    pin_backup=(1,),
    channel=ChannelMode.ACTIVE,
    mobility_forward=20,
    cdp=False,
)


def family(*levels: Settings) -> Config:
    """Profiles P1 (the topmost) to Pn, each inheriting from the one before."""
    profiles = {}
    for number, settings in enumerate(levels, start=1):
        parent = f"P{number - 1}" if number > 1 else ""
        profiles[f"P{number}"] = PortProfile(f"P{number}", settings=settings, inherit=parent)
    return Config(profiles=profiles)


def test_nobody_says_anything() -> None:
    assert effective(family(NOTHING), "P1") == DEFAULTS
    assert effective(Config(), "MISSING") == DEFAULTS


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_each_attribute_comes_down_from_each_level(attribute: str, level: int) -> None:
    value = getattr(VALUES, attribute)
    levels = [NOTHING] * 4
    levels[level - 1] = Settings(**{attribute: value})
    config = family(*levels)
    assert getattr(effective(config, "P4"), attribute) == value
    assert getattr(said(config, "P4"), attribute) == value
    if level < 4:
        assert getattr(said(config, f"P{level}"), attribute) == value


def test_the_nearest_wins_and_the_interface_beats_all() -> None:
    config = family(*(Settings(access_vlan=vlan) for vlan in (10, 20, 30, 40)))
    assert [effective(config, f"P{n}").access_vlan for n in (1, 2, 3, 4)] == [10, 20, 30, 40]
    assert effective(config, "P4", Settings(access_vlan=50)).access_vlan == 50
    assert effective(config, "P4", Settings(shutdown=False)).access_vlan == 40


def test_false_is_something_said() -> None:
    config = family(Settings(shutdown=False, mac_learning=True), Settings(mac_learning=False))
    settings = effective(config, "P2")
    assert settings.shutdown is False and settings.mac_learning is False


def test_a_port_may_stay_open_when_its_group_is_shut() -> None:
    """S-241: overrides are excepted; without one the group decides."""
    config = family(Settings(shutdown=True))
    assert effective(config, "P1").shutdown is True
    assert effective(config, "P1", Settings(access_vlan=10)).shutdown is True
    assert effective(config, "P1", Settings(shutdown=False)).shutdown is False


def test_the_most_specific_security_line_wins() -> None:
    """S-016, S-017: interface, then profiles, then the switch, then reject."""
    config = replace(family(NOTHING, Settings(promiscuous=False)), port_defaults=Settings(promiscuous=True))
    assert effective(config, "P1").promiscuous is True
    assert effective(config, "P2").promiscuous is False
    assert effective(config, "P2", Settings(promiscuous=True)).promiscuous is True
    assert effective(config, "MISSING").promiscuous is True
    reject = effective(Config(), "P1")
    assert (reject.promiscuous, reject.mac_changes, reject.forged_transmits) == (False, False, False)


def test_a_loop_ends() -> None:
    config = Config(profiles={"A": PortProfile("A", inherit="B"), "B": PortProfile("B", inherit="A")})
    assert [profile.name for profile in chain(config, "A")] == ["A", "B", "A", "B"]


@given(st.lists(st.lists(st.sampled_from(ATTRIBUTES), max_size=4), min_size=1, max_size=4))
def test_nothing_is_left_open(levels: list[list[str]]) -> None:
    config = family(*(Settings(**{name: getattr(VALUES, name) for name in names}) for names in levels))
    settings = effective(config, f"P{len(levels)}")
    for field in fields(settings):
        told = any(field.name in names for names in levels)
        assert getattr(settings, field.name) == getattr(VALUES if told else DEFAULTS, field.name)
