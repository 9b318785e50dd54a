"""The rules of port-profiles, from the line typed to what a port comes to: precedence, what is inherited and what is
not, live changes, and the built-in profiles of quarantine."""

from __future__ import annotations

import pytest

from tests.support.switches import Terminal
from vsm.policy.catalog import catalog
from vsm.policy.compile import wanted
from vsm.policy.ports import port_settings
from vsm.policy.quarantine import QUARANTINE, quarantined, status

UPLINKS, VETHS = QUARANTINE


def vlan(terminal: Terminal) -> int | None:
    return port_settings(terminal.state, "Vethernet1").access_vlan


def test_precedence_and_the_way_back() -> None:
    """Interface > its profile > parent > grandparent; `no` on the nearer one returns to the next."""
    terminal = Terminal()
    terminal.configure("port-profile TOP", "switchport access vlan 11", "port-profile BASE", "inherit port-profile TOP")
    terminal.run("port-profile WEB", "no switchport access vlan")
    assert vlan(terminal) == 11
    terminal.run("port-profile BASE", "switchport access vlan 12")
    assert vlan(terminal) == 12
    terminal.run("port-profile WEB", "switchport access vlan 13")
    assert vlan(terminal) == 13
    terminal.run("interface vethernet 1", "switchport access vlan 14")
    assert vlan(terminal) == 14
    for where, left in (
        ("interface vethernet 1", 13),
        ("port-profile WEB", 12),
        ("port-profile BASE", 11),
        ("port-profile TOP", 1),
    ):
        terminal.run(where, "no switchport access vlan")
        assert vlan(terminal) == left


def test_a_change_of_a_grandparent_is_live_on_every_heirs_port() -> None:
    terminal = Terminal()
    terminal.configure("vlan 40", "port-profile TOP", "port-profile BASE", "inherit port-profile TOP")
    terminal.run("port-profile WEB", "no switchport access vlan")
    before = wanted(terminal.state, 3).ports
    terminal.run("port-profile TOP", "switchport access vlan 40")
    after = wanted(terminal.state, 3)
    assert after.ports == before, "ports stay; their policy changes"
    assert {after.policies[port.policy].vlan for port in after.ports.values()} == {40}
    assert wanted(terminal.state, 4).policies[2].vlan == 40, "on the other host, too"


@pytest.mark.parametrize(
    "line",
    [
        "description of the parent",
        "port-group PARENTS",
        "max-ports 77",
        "min-ports 7",
        "system vlan 1",
        "capability l3control",
        "state enabled",
    ],
)
def test_what_is_not_inherited(line: str) -> None:
    terminal = Terminal()
    terminal.configure("port-profile TOP", "port-profile HEIR", "inherit port-profile TOP")
    heir, groups = terminal.state.config.profiles["HEIR"], catalog(terminal.state.config)
    assert terminal.run("port-profile TOP", line).ok
    assert terminal.state.config.profiles["HEIR"] == heir
    assert all(group.profile != "HEIR" for group in catalog(terminal.state.config).values())
    assert groups.keys() == catalog(terminal.state.config).keys(), "and nothing is published by this line alone"


def test_the_two_gates() -> None:
    """A port is up when its profile is enabled and not shut down; users forget either."""
    terminal = Terminal()
    veth = terminal.state.inventory.veths[1]
    terminal.configure("vlan 10", "no shutdown")
    terminal.run("end", "configure session s", "port-profile WEB", "no port-group", "no state enabled", "commit force")
    assert status(terminal.state, veth) == ("down", "quarantined")
    terminal.configure("port-profile WEB", "state enabled", "shutdown")
    assert status(terminal.state, veth) == ("down", "Administratively down")
    terminal.run("no shutdown")
    assert status(terminal.state, veth) == ("up", "none")


def test_what_is_in_quarantine_is_shown_under_the_built_in_profiles() -> None:
    terminal = Terminal()
    assert quarantined(terminal.state) == {UPLINKS: ["Ethernet4/1"], VETHS: ["Vethernet4"]}
    text = terminal.run("show port-profile").output
    assert text.startswith(
        f"port-profile {UPLINKS}\n type: Ethernet\n description: Interfaces whose port-profile can't"
    )
    shown = terminal.run(f"show port-profile name {VETHS}").output
    assert " config attributes:\n  shutdown\n" in shown and " assigned interfaces:\n  Vethernet4\n" in shown
    assert f"\n{VETHS} " in terminal.run("show port-profile brief").output
    assert "interface status: quarantine" in terminal.run("show port-profile sync-status interface veth4").output
    assert "Unused" not in terminal.run("show running-config").output
    terminal.configure("port-profile DB", "state enabled")
    assert quarantined(terminal.state)[VETHS] == [], "it leaves by itself"
    assert "Vethernet4" not in terminal.run(f"show port-profile name {VETHS}").output


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([f"port-profile {VETHS}"], f"port-profile {VETHS}: is built in; choose another name"),
        ([f"port-profile type ethernet {UPLINKS}"], f"port-profile {UPLINKS}: is built in"),
        ([f"no port-profile {UPLINKS}"], f"Cannot remove port-profile {UPLINKS}: it is built in"),
        (["port-profile WEB", f"inherit port-profile {VETHS}"], f"can't inherit from {VETHS}: it is built in"),
        (["interface vethernet 1", f"inherit port-profile {VETHS}"], "is bound to port-profile WEB by its manager"),
    ],
)
def test_nobody_can_use_the_built_in_profiles(lines: list[str], told: str) -> None:
    reply = Terminal().configure(*lines)
    assert not reply.ok and told in reply.output
