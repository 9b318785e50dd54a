"""Configuring over the CLI: effects, refusals that name the object, and that refusals change nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvswitch.errors import StorageError
from dvswitch.vlan import VlanSet
from tests.support.switches import HOSTS, MemoryStore, Terminal, flash, runtime, state
from vsm.cli.service import CliService
from vsm.model.migration import Move, MoveState
from vsm.model.settings import Settings
from vsm.model.state import ProfileType, State
from vsm.supervisor import Supervisor

FIFTH = "1d2f8a10-55aa-4c1e-9a41-0c0ffee00055"


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (["no vlan 1"], "Cannot remove vlan 1: it is the default vlan"),
        (["vlan 20", "name web"], "vlan name web: used by vlans 10 and 20"),
        (["vlan 10,20", "name x"], "vlans 10,20: several vlans can't have one name; name them one by one"),
        (["port-profile type ethernet WEB"], "port-profile WEB: is of type vethernet; the type is fixed at creation"),
        (
            ["port-profile WEB", "inherit port-profile NOPE"],
            "port-profile WEB: parent port-profile NOPE does not exist; create it first",
        ),
        (
            ["port-profile BASE", "inherit port-profile WEB"],
            "port-profile BASE: inherits from itself: BASE -> WEB -> BASE",
        ),
        (
            ["port-profile WEB", "inherit port-profile UPLINK"],
            "port-profile WEB: is of type vethernet, its parent UPLINK of type ethernet",
        ),
        (
            ["port-profile WEB", "mtu 9000"],
            "port-profile WEB: mtu applies to type ethernet only; set the switch's with 'system mtu'",
        ),
        (["port-profile WEB", "max-ports 3"], "port-profile WEB: max-ports 3 is below the 4 ports in use"),
        (["port-profile DB", "min-ports 9"], "port-profile DB: min-ports 9 must be between 1 and max-ports 8"),
        (["port-profile DB", "port-group WEB"], "port-group WEB is already published by another port-profile"),
        (["no port-profile WEB"], "Cannot remove port-profile WEB: in use by interface Vethernet1 and 3 more"),
        (["no port-profile BASE"], "Cannot remove port-profile BASE: inherited by port-profile WEB"),
        (["port-profile UPLINK", "channel-group auto mode on sub-group cdp"], "sub-group is not supported yet"),
        (["port-profile WEB", "switchport mode private-vlan host"], "private-vlan is not supported yet"),
        (["port-profile WEB", "pinning control-vlan 3"], "pinning of a vlan is not supported yet"),
        (["port-profile WEB", "channel-group auto"], "port-profile WEB: channel-group applies to type ethernet only"),
        (["port-profile UPLINK", "teaming active 1"], "port-profile UPLINK: teaming applies to type vethernet only"),
        (["port-profile UPLINK", "pinning id 1"], "port-profile UPLINK: pinning applies to type vethernet only"),
        (
            ["interface ethernet 3/1", "security promiscuous accept"],
            "interface Ethernet3/1: security promiscuous applies",
        ),
        (
            ["port-profile UPLINK", "storm-control multicast level pps 9"],
            "storm-control applies to type vethernet only",
        ),
        (
            ["port-profile WEB", "teaming unused 2"],
            "port-profile WEB: a team of unused uplinks only (2); name those to use",
        ),
        (["port-profile WEB", "pinning id 3 backup 1,3"], "port-profile WEB: pinning id 3 is its own backup"),
        (["port-profile WEB", "ip port access-group A in"], "port access-group is not supported yet"),
        (["svs-domain", "control vlan 10"], "layer 2 control is not supported yet"),
        (["interface vethernet 77"], "interface Vethernet77: does not exist; a vEth appears when a NIC is attached"),
        (
            ["interface vethernet 1", "inherit port-profile DB"],
            "interface Vethernet1: is bound to port-profile WEB by its manager; change it there",
        ),
        (["interface vethernet 1", "no inherit port-profile"], "interface Vethernet1: is bound to port-profile WEB"),
        (["interface vethernet 1", "vm mac 5254.0000.0009"], "the MAC address of a vNIC is set by its manager"),
        (["no interface vethernet 1"], "Cannot remove interface Vethernet1: attached on module 3 by vm01"),
        (["no interface ethernet 3/1"], "Cannot remove interface Ethernet3/1: it is a physical NIC"),
        (["no vem 3"], "Cannot remove vem 3: in use by interface Vethernet1"),
        (["vem 3", f"host id {FIFTH}"], f"vem 3: is in use by host {HOSTS[3]}"),
        (["vem 9", f"host id {HOSTS[3]}"], f"host {HOSTS[3]} has another slot already"),
    ],
)
def test_refusals_name_the_object_and_change_nothing(lines: list[str], error: str) -> None:
    terminal = Terminal()
    before = terminal.state
    reply = terminal.configure(*lines)
    assert not reply.ok and reply.output.startswith("ERROR: ") and reply.output.count("\n") == 1
    assert error in reply.output
    assert terminal.state is before


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (
            ["port-profile WEB", "teaming active 1,2", "teaming standby 3,2"],
            "port-profile WEB: uplink 2 is both active and standby; name it in one list only",
        ),
        (
            ["port-profile BASE", "teaming active 1", "interface vethernet 1", "teaming unused 1"],
            "interface Vethernet1: uplink 1 is both active and unused",
        ),
        (
            ["port-profile WEB", "teaming method ip-hash", "teaming failure-detection beacon"],
            "port-profile WEB: teaming failure-detection beacon can't be used with teaming method ip-hash; use",
        ),
        (
            [
                "port-profile WEB",
                "teaming failure-detection beacon",
                "port-profile UPLINK",
                "channel-group auto mode on",
            ],
            "port-profile WEB: teaming failure-detection beacon can't be used over the port-channel of",
        ),
        (
            ["port-profile UPLINK", "channel-group auto mode active", "port-profile BASE", "teaming failu beacon"],
            "port-profile BASE: teaming failure-detection beacon can't be used over the port-channel of",
        ),
    ],
)
def test_teams_that_make_no_sense_are_refused(lines: list[str], error: str) -> None:
    """Wherever the halves are said: on one object, on its parent, on the uplinks (S-148)."""
    reply = Terminal().configure(*lines)
    assert not reply.ok and reply.output.startswith(f"ERROR: {error}")


def test_beacons_work_with_pinned_uplinks_and_warn_on_trunks() -> None:
    """S-149: a trunk's vlans belong to its guests."""
    terminal = Terminal()
    terminal.configure("port-profile UPLINK", "channel-group auto mode on mac-pinning", "port-profile WEB")
    assert terminal.run("teaming failure-detection beacon").output == ""
    reply = terminal.run("switchport mode trunk")
    assert reply.ok and "port-profile WEB is a trunk: beacon probing does not cover" in reply.output
    reply = terminal.run("interface vethernet 1", "switchport mode access", "teaming failure-detection beacon")
    assert reply.ok and reply.output == ""


def test_two_security_words_set_three_things_for_the_switch() -> None:
    """S-016: what ESXi's standard switches allowed, and back."""
    terminal = Terminal()
    terminal.configure("security preset vss")
    lines = [line for line in terminal.run("show running-config").output.splitlines() if "security" in line]
    assert lines == [
        "security default promiscuous reject",
        "security default forged-transmits accept",
        "security default mac-changes accept",
    ]
    terminal.run("security preset vds")
    assert "security" not in terminal.run("show running-config").output


def test_five_levels_of_inheritance_are_refused() -> None:
    terminal = Terminal()
    for level in range(1, 5):
        terminal.configure(f"port-profile L{level}", *([f"inherit port-profile L{level - 1}"] if level > 1 else []))
    reply = terminal.configure("port-profile L5", "inherit port-profile L4")
    assert "inherits over more than 4 levels: L5 -> L4 -> L3 -> L2 -> L1" in reply.output


def test_a_profile_is_created_edited_and_removed() -> None:
    terminal = Terminal()
    terminal.configure("port-profile default max-ports 64", "port-profile type ethernet NEW", "switchport mode trunk")
    profile = terminal.state.config.profiles["NEW"]
    assert (profile.type, profile.max_ports, profile.policy_id, profile.enabled) == (ProfileType.ETHERNET, 64, 6, False)
    assert terminal.configure("no port-profile NEW", "port-profile NEW").ok
    assert terminal.state.config.profiles["NEW"].policy_id == 7, "policy ids are never reused"


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        (["1,10-12"], "1,10-12"),
        (["1,10-12", "add 20,11"], "1,10-12,20"),
        (["1,10-12", "remove 11"], "1,10,12"),
        (["except 2-4094"], "1"),
        (["all"], "1-4094"),
        (["none"], "none"),
        (["remove 2-4094"], "1"),
    ],
)
def test_allowed_vlans(said: list[str], allowed: str) -> None:
    terminal = Terminal()
    terminal.configure("port-profile DB", *(f"switchport trunk allowed vlan {words}" for words in said))
    assert str(terminal.state.config.profiles["DB"].settings.allowed_vlans) == allowed


def test_add_starts_from_what_is_inherited() -> None:
    terminal = Terminal()
    terminal.configure("interface ethernet 3/1", "switchport trunk allowed vlan add 30")
    assert terminal.state.config.overrides["Ethernet3/1"].allowed_vlans == VlanSet.of([1, 10, 20, 30, 99])


@pytest.mark.parametrize("line", ["no state enabled", "no port-group", "port-group OTHER"])
def test_a_port_group_in_use_is_not_pulled_away(line: str) -> None:
    terminal = Terminal()
    reply = terminal.configure("port-profile WEB", line)
    verb = "renamed" if "OTHER" in line else "withdrawn"
    assert reply.output == (
        f"ERROR: port-group WEB: can't be {verb} while used by 4 interfaces (Vethernet1, ...): "
        "move or remove these first; use 'configure session' and 'commit force' if that is meant\n"
    )
    assert not reply.ok and terminal.state.config.profiles["WEB"].port_group == "WEB"


def test_a_port_group_in_use_is_pulled_away_by_force() -> None:
    terminal = Terminal()
    terminal.run("configure session s", "port-profile WEB", "port-group OTHER", "commit force")
    assert terminal.state.config.profiles["WEB"].port_group == "OTHER"


def test_a_port_group_that_nobody_uses_comes_and_goes() -> None:
    terminal = Terminal()
    assert terminal.configure("port-profile FREE", "state enabled", "port-group", "port-group X", "no port-group").ok


def test_disabling_a_profile_in_use_warns() -> None:
    terminal = Terminal()
    terminal.run("configure session s", "port-profile WEB", "no port-group", "commit force")
    reply = terminal.configure("port-profile WEB", "no state enabled")
    assert reply.ok
    assert reply.output == "Warning: port-profile WEB is disabled: 4 assigned interfaces are quarantined\n"


def test_an_override_gives_the_port_a_policy_of_its_own() -> None:
    terminal = Terminal()
    terminal.configure("interface vethernet 1", "shutdown")
    assert terminal.state.inventory.veths[1].policy_id == 0, "shutdown alone needs none"
    terminal.run("switchport access vlan 20")
    assert terminal.state.inventory.veths[1].policy_id == 6
    terminal.run("no switchport access vlan", "default shutdown")
    assert terminal.state.inventory.veths[1].policy_id == 0
    assert "Vethernet1" not in terminal.state.config.overrides
    terminal.run("interface ethernet 3/1", "mtu 1600")
    assert terminal.state.inventory.uplink_policies == {(3, 1): 7}
    terminal.run("default interface ethernet 3/1")
    assert terminal.state.inventory.uplink_policies == {}
    assert terminal.state.config.descriptions == {"Vethernet2": "nested hypervisor"}


def test_no_shutdown_overrides_and_default_returns_to_the_profile() -> None:
    terminal = Terminal()
    terminal.configure("interface vethernet 4", "no shutdown")
    assert terminal.state.config.overrides["Vethernet4"] == Settings(shutdown=False)
    terminal.run("default shutdown")
    assert "Vethernet4" not in terminal.state.config.overrides


def test_a_range_is_configured_as_one() -> None:
    terminal = Terminal()
    terminal.configure("interface vethernet 1,3-4", "description rack 7", "mac-learning enable")
    assert all(terminal.state.config.descriptions[f"Vethernet{n}"] == "rack 7" for n in (1, 3, 4))
    assert len({terminal.state.inventory.veths[n].policy_id for n in (1, 3, 4)}) == 3


def test_a_detached_veth_is_removed_with_everything_said_on_it() -> None:
    terminal = Terminal()
    terminal.configure("interface vethernet 5", "description old", "mac-learning", "no interface vethernet 5")
    assert 5 not in terminal.state.inventory.veths
    assert "Vethernet5" not in {**terminal.state.config.overrides, **terminal.state.config.descriptions}
    assert terminal.run("no interface vethernet 5").ok, "removing what is not there is no error"


def test_a_moving_veth_is_not_removed() -> None:
    start = state()
    moves = {5: Move(5, 3, 4, MoveState.PREPARED, 2)}
    terminal = Terminal(replace(start, inventory=replace(start.inventory, moves=moves)))
    assert not terminal.configure("no interface vethernet 5").ok


def test_slots_are_bound_rebound_and_freed() -> None:
    terminal = Terminal()
    terminal.configure("vem 5", f"host id {FIFTH.upper()}")
    assert terminal.state.config.slots[5].host_uuid == FIFTH
    terminal.run("no vem 5", "no vem 5")
    assert 5 not in terminal.state.config.slots
    terminal.run("vem 4", f"host id {FIFTH}")
    assert 4 not in terminal.state.inventory.modules, "what was known of the former host is forgotten"


def test_whole_switch_settings() -> None:
    terminal = Terminal()
    terminal.configure("hostname other", "system mtu 9000", "system priority-tag keep", "svs-domain", "domain id 4095")
    config = terminal.state.config
    assert (config.hostname, config.mtu, config.keep_priority_tag, config.domain) == ("other", 9000, True, 4095)
    terminal.run("no domain id", "no system mtu", "no system priority-tag", "no hostname")
    config = terminal.state.config
    assert (config.hostname, config.mtu, config.keep_priority_tag, config.domain) == ("vsm", 1500, False, 1)


def test_someone_removed_the_profile_meanwhile() -> None:
    terminal = Terminal()
    terminal.configure("port-profile NEW")
    terminal.service.execute("other", "configure terminal")
    assert terminal.service.execute("other", "no port-profile NEW").ok
    assert terminal.run("no shutdown").output == "ERROR: port-profile NEW: does not exist\n"


def test_a_full_disk_is_told() -> None:
    class Full(MemoryStore):
        def save(self, old: State, new: State) -> None:
            raise StorageError("store", "no space left", "free some")

    supervisor = Supervisor(Full(state()))
    service = CliService(supervisor, runtime(), lambda: 0.0, files=flash())
    service.execute("s", "configure terminal")
    reply = service.execute("s", "vlan 77")
    assert (reply.ok, reply.output) == (False, "ERROR: store: no space left; free some\n")
    assert 77 not in supervisor.state.config.vlans
    assert reply.prompt == "vsm-a(config)# ", "the mode is not entered either"


def test_sessions_are_separate_and_expire() -> None:
    now = [1000.0]
    service = CliService(Supervisor(MemoryStore(state())), runtime(), lambda: now[0], files=flash())
    service.execute("a", "configure terminal")
    assert service.execute("b", "show clock").prompt == "vsm-a# "
    service.execute("a", "terminal session-timeout 60")
    now[0] += 31 * 60
    service.expire(now[0])
    assert service.execute("a", "!").prompt == "vsm-a(config)# "
    now[0] += 61 * 60
    assert service.execute("a", "!").prompt == "vsm-a# "


def test_saving_and_terminal_settings() -> None:
    terminal = Terminal()
    assert terminal.run("copy running-config startup-config").output.endswith("100%\nCopy complete.\n")
    terminal.run("terminal length 0", "terminal width 511", "terminal dont-ask", "terminal session-timeout 5")
    assert terminal.run("show terminal").output == "Length: 0 lines, Width: 511 columns\nSession Timeout: 5 minutes\n"


def test_pinning_counts_from_zero_with_relative_pinning_only() -> None:
    terminal = Terminal()
    warned = terminal.configure("port-profile WEB", "pinning id 0 backup 1")
    assert warned.ok and "Warning: sub-group 0" in warned.output
    terminal.run("port-profile UPLINK", "channel-group auto mode on mac-pinning relative")
    assert terminal.run("port-profile WEB", "pinning id 0 backup 1").output == ""
    assert "  pinning id 0 backup 1\n" in terminal.run("end", "show running-config port-profile WEB").output
    terminal.configure("port-profile WEB")
    assert terminal.words("pinning id ") == ["<0-32>"]
    beyond = terminal.run("pinning id 33")
    assert not beyond.ok and "range is (0-32)" in beyond.output


def test_show_port_profile_tells_of_system_vlans_and_capabilities() -> None:
    terminal = Terminal()
    terminal.configure("port-profile WEB", "system vlan 10", "capability l3control")
    shown = terminal.run("show port-profile name WEB").output
    assert " system vlans: 10\n capability l3control: yes\n capability iscsi-multipath: no\n" in shown
    assert " port-binding: static\n" in shown
    totals = [line for line in terminal.run("show port-profile brief").output.splitlines() if "Vethernet   " in line]
    assert totals[-1].split() == ["Vethernet", "5", "3", "1", "1", "1", "2"]
