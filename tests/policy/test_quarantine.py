"""Why ports are up or down (nexus-1000v section 4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.switches import state, veth
from vsm.model.overrides import override
from vsm.model.settings import Settings
from vsm.model.state import ProfileType, Uplink, Vlan
from vsm.policy.quarantine import quarantine_cause, status, uplink_status


@pytest.mark.parametrize(
    ("profile", "own", "slot", "link_up", "expected"),
    [
        ("WEB", Settings(), 3, True, ("up", "none")),
        ("WEB", Settings(), 3, False, ("down", "Link not connected")),
        ("WEB", Settings(), None, True, ("down", "nonParticipating")),
        ("WEB", Settings(shutdown=True), 3, True, ("down", "Administratively down")),
        ("WEB", Settings(access_vlan=30), 3, True, ("down", "inactive")),
        ("WEB", Settings(access_vlan=77), 3, True, ("down", "inactive")),
        ("DB", Settings(), 3, True, ("down", "quarantined")),
        ("MISSING", Settings(), 3, True, ("down", "quarantined")),
        ("UPLINK", Settings(), 3, True, ("down", "quarantined")),
    ],
)
def test_veths(profile: str, own: Settings, slot: int | None, link_up: bool, expected: tuple[str, str]) -> None:
    start = state()
    start = replace(start, inventory=replace(start.inventory, veths={1: veth(1, profile, slot)}))
    start = override(start, "Vethernet1", own)
    assert status(start, start.inventory.veths[1], link_up) == expected


def test_uplinks() -> None:
    start = state()
    good = Uplink(3, 1, "eth2", "UPLINK", link_up=True)
    assert uplink_status(start, good) == ("up", "none")
    assert uplink_status(start, replace(good, link_up=False)) == ("down", "Link not connected")
    assert uplink_status(start, replace(good, present=False)) == ("down", "Link not connected")
    assert uplink_status(start, replace(good, profile="WEB")) == ("down", "quarantined")


def test_causes_are_told_apart() -> None:
    config = state().config
    assert quarantine_cause(config, "", ProfileType.VETHERNET) == "no port-profile assigned"
    assert quarantine_cause(config, "X", ProfileType.VETHERNET) == "port-profile X does not exist"
    assert quarantine_cause(config, "DB", ProfileType.VETHERNET) == "port-profile DB is disabled"
    assert quarantine_cause(config, "WEB", ProfileType.ETHERNET) == "port-profile WEB is of type vethernet"
    assert quarantine_cause(config, "WEB", ProfileType.VETHERNET) == ""


def test_a_port_leaves_quarantine_by_itself() -> None:
    start = state()
    port = start.inventory.veths[4]
    assert status(start, port)[1] == "quarantined"
    enabled = replace(start.config.profiles["DB"], enabled=True, settings=Settings(access_vlan=20, shutdown=False))
    config = replace(start.config, profiles={**start.config.profiles, "DB": enabled}, vlans={20: Vlan(20)})
    assert status(replace(start, config=config), port) == ("up", "none")
