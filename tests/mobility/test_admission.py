"""S-256: what a target must have before a migration to it begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvswitch.errors import Conflict, DvsError, NotFound, Unavailable
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.support.switches import state as whole
from vsm.mobility.admission import check_nic, check_target, known_as
from vsm.model.overrides import override
from vsm.model.settings import PortMode, Settings
from vsm.model.state import Nic, State, Uplink

VETH, TARGET = 1, 4
"""Vethernet1 is on module 3, in vlan 10; both hosts have one uplink."""


def ready() -> State:
    """The target has what the source has."""
    start = whole()
    uplink = Uplink(TARGET, 1, "eth2", "UPLINK", link_up=True)
    return replace(start, inventory=replace(start.inventory, uplinks={**start.inventory.uplinks, (TARGET, 1): uplink}))


def with_uplink(start: State, **changes: object) -> State:
    uplink = replace(start.inventory.uplinks[TARGET, 1], **changes)  # type: ignore[arg-type]
    return replace(start, inventory=replace(start.inventory, uplinks={**start.inventory.uplinks, (TARGET, 1): uplink}))


def with_room(start: State, ports: int) -> State:
    module = replace(start.inventory.modules[TARGET], max_ports=ports)
    return replace(start, inventory=replace(start.inventory, modules={**start.inventory.modules, TARGET: module}))


def with_profile(start: State, **changes: object) -> State:
    profile = replace(start.config.profiles["WEB"], **changes)  # type: ignore[arg-type]
    return replace(start, config=replace(start.config, profiles={**start.config.profiles, "WEB": profile}))


def without_vlan(start: State) -> State:
    return override(start, "Ethernet4/1", Settings(PortMode.TRUNK, allowed_vlans=VlanSet.of([20])))


def refusal(state: State, refusals: dict[str, str] | None = None) -> DvsError:
    with pytest.raises((Unavailable, Conflict)) as raised:
        check_target(state, VETH, TARGET, refusals or {})
    return raised.value


def test_a_target_that_has_everything() -> None:
    check_target(ready(), VETH, TARGET, {"vethernet 9": "something else", "device eth7": "MTU 9000: too large"})


@pytest.mark.rules("S-256")
@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        (without_vlan(ready()), "no uplink of module 4 carries vlan 10"),
        (with_uplink(ready(), profile="MISSING"), "no uplink of module 4 carries vlan 10"),
        (with_uplink(ready(), present=False), "no uplink of module 4 carries vlan 10"),
        (with_uplink(ready(), link_up=False), "that carry vlan 10 are down"),
        (with_room(ready(), 2), "all 2 ports are in use"),
        (with_profile(ready(), enabled=False), "port-profile WEB is disabled"),
    ],
    ids=["vlan", "profile of the uplink", "uplink", "link", "room", "profile"],
)
def test_what_is_missing_is_named(lacking: State, why: str) -> None:
    assert why in str(refusal(lacking))


@pytest.mark.parametrize("thing", ["device eth2", "ethernet 1"])
def test_an_uplink_whose_nic_is_too_small(thing: str) -> None:
    told = str(refusal(ready(), {thing: "MTU 9000: Invalid argument"}))
    assert "no uplink in vlan 10 for frames of 1500 bytes" in told and "MTU 9000" in told


def test_a_vlan_that_does_not_leave_its_host_today_need_not_tomorrow() -> None:
    alone = without_vlan(ready())
    uplinks = {key: uplink for key, uplink in alone.inventory.uplinks.items() if key[0] != 3}
    check_target(replace(alone, inventory=replace(alone.inventory, uplinks=uplinks)), VETH, TARGET, {})


def test_who_is_nobody_or_nowhere() -> None:
    with pytest.raises(NotFound):
        check_target(ready(), 99, TARGET, {})
    with pytest.raises(Unavailable, match="plugged in nowhere"):
        check_target(ready(), 5, TARGET, {})


def may_take(start: State, nic: Nic, mac: MacAddress, profile: str = "WEB", target: int = TARGET) -> str:
    """Why not; "" if it could."""
    try:
        check_nic(start, nic, mac, profile, target, {})
    except DvsError as error:
        return str(error)
    return ""


def test_a_nic_that_a_hypervisor_asks_about() -> None:
    """One that lives elsewhere is judged as a move, a new one or one that is back as an attach; nothing is changed."""
    veth = ready().inventory.veths[VETH]
    stranger, address = Nic("stranger", 0), MacAddress.parse("52:54:00:00:99:01")
    assert may_take(ready(), veth.nic, veth.mac) == may_take(ready(), stranger, address) == ""
    assert "carries vlan 10" in may_take(without_vlan(ready()), veth.nic, veth.mac)
    assert may_take(without_vlan(ready()), veth.nic, veth.mac, target=3) == ""
    assert "all 2 ports" in may_take(with_room(ready(), 2), stranger, address)
    assert "is disabled" in may_take(with_profile(ready(), enabled=False), stranger, address)
    assert "does not exist" in may_take(ready(), stranger, address, "NONE")
    assert "belongs to" in may_take(ready(), stranger, veth.mac)


def test_a_vms_nic_is_known_by_its_address_whatever_its_number() -> None:
    veth = ready().inventory.veths[VETH]
    assert known_as(ready(), replace(veth.nic, index=5), veth.mac) == veth
    assert known_as(ready(), Nic("stranger", 0), veth.mac) is None
