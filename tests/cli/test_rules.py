"""From the line an operator types to what the module is told: the configuration side of the switch's rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvswitch.lldp_agent import Mode
from dvswitch.vlan import VlanSet
from tests.support.switches import Terminal, bare, state, with_channels
from vsm.config.render import config_text
from vsm.model.settings import ChannelMode, TeamMethod
from vsm.policy.compile import wanted
from vsm.policy.wanted import PolicySpec, StormSpec, SwitchSpec, TeamSpec

TRUNK = ("switchport mode trunk", "switchport trunk allowed vlan 10,20")
PORT_RULES = [
    ("S-016 S-102", ["security promiscuous accept"], {"promiscuous": True}),
    ("S-009", ["security forged-transmits accept"], {"forged_transmits": True}),
    ("S-011", ["security mac-changes accept"], {"mac_changes": True}),
    ("S-017 switch", ["security default promiscuous accept"], {"promiscuous": True}),
    (
        "S-017 nearest",
        ["security promiscuous reject", "security default promiscuous accept"],
        {"promiscuous": False},
    ),
    ("S-021", ["spanning-tree bpduguard disable"], {"bpdu": True}),
    ("S-030", ["switchport access vlan untagged"], {"trunk": False, "vlan": 0, "shutdown": False}),
    ("S-032", ["switchport access vlan 20"], {"trunk": False, "vlan": 20}),
    ("S-035 S-036", [*TRUNK, "switchport trunk native vlan untagged"], {"vlan": 0, "allowed": VlanSet.of([0, 10, 20])}),
    ("S-037 S-039", [*TRUNK, "switchport trunk native vlan none"], {"vlan": 0, "allowed": VlanSet.of([10, 20])}),
    ("S-065 default", [], {"mac_limit": 4096, "mac_limit_allow": False}),
    ("S-065 S-068", ["mac-learning limit 1"], {"mac_limit": 1, "mac_limit_allow": False}),
    ("S-067", ["mac-learning limit 4096 action allow"], {"mac_limit": 4096, "mac_limit_allow": True}),
    ("S-066", ["mac-learning limit 9 action allow", "mac-learning limit 9 action drop"], {"mac_limit_allow": False}),
    (
        "storm",
        ["storm-control broadcast level pps 9", "storm-control unknown-unicast level pps 8"],
        {"storm": StormSpec(broadcast=9, unknown_unicast=8)},
    ),
    ("S-130", ["teaming method port-id"], {"team": TeamSpec()}),
    ("S-132", ["teaming method source-mac"], {"team": TeamSpec(TeamMethod.SOURCE_MAC)}),
    ("S-133", ["teaming method ip-hash"], {"team": TeamSpec(TeamMethod.IP_HASH)}),
    (
        "S-137",
        ["teaming method explicit", "teaming active 3,1-2"],
        {"team": TeamSpec(TeamMethod.EXPLICIT, active=(3, 1, 2))},
    ),
    ("S-138", ["teaming method load"], {"team": TeamSpec(TeamMethod.LOAD)}),
    (
        "S-141 S-144",
        ["teaming active 1", "teaming standby 2", "teaming unused 3"],
        {"team": TeamSpec(active=(1,), standby=(2,), unused=(3,))},
    ),
    ("S-142", ["teaming failback no", "no teaming failback"], {"team": TeamSpec()}),
    ("S-143", ["teaming failback no"], {"team": TeamSpec(failback=False)}),
    ("S-145", ["teaming failure-detection link"], {"team": TeamSpec()}),
    ("S-146", ["teaming failure-detection beacon"], {"team": TeamSpec(beacon=True)}),
    ("S-152", ["teaming notify-switches yes"], {"team": TeamSpec()}),
    ("S-154", ["teaming notify-switches no"], {"team": TeamSpec(notify=False)}),
    ("no pinning", ["no pinning id"], {"team": TeamSpec()}),
    ("pinning first", ["pinning id 0 backup 1"], {"team": TeamSpec(pin=0, pin_backup=(1,))}),
    ("pinning", ["pinning id 2 backup 3,1"], {"team": TeamSpec(pin=2, pin_backup=(3, 1))}),
]
UPLINK_RULES = [
    ("single NICs", "no channel-group auto", ChannelMode.NONE),
    ("S-158 static", "channel-group auto", ChannelMode.ON),
    ("S-158 static in full", "channel-group auto mode on", ChannelMode.ON),
    ("S-140 active", "channel-group auto mode active", ChannelMode.ACTIVE),
    ("S-140 passive", "channel-group auto mode passive", ChannelMode.PASSIVE),
    ("pinned", "channel-group auto mode on mac-pinning", ChannelMode.MAC_PINNING),
    ("pinned by order", "channel-group auto mode on mac-pinning relative", ChannelMode.MAC_PINNING_RELATIVE),
]
SWITCH_RULES = [
    ("S-069", "mac address-table aging-time 10", {"mac_aging": 10}),
    ("S-142", "teaming up-delay 60000", {"up_delay": 60000}),
    ("S-232", "ip igmp snooping", {"snooping": True}),
    ("S-221", "lldp timer 5", {"lldp_timer": 5}),
    ("S-221 hold", "lldp holdtime 255", {"lldp_hold": 255}),
    ("S-224", "cdp timer 254", {"cdp_timer": 254}),
    ("S-224 hold", "cdp holdtime 61", {"cdp_hold": 61}),
    ("S-235", "ip igmp snooping query-interval 32", {"query_interval": 32}),
]


def policy(terminal: Terminal, number: int) -> PolicySpec:
    return bare(wanted(terminal.state, 3).policies[number])


@pytest.mark.parametrize(("lines", "told"), [row[1:] for row in PORT_RULES], ids=[row[0] for row in PORT_RULES])
def test_a_line_in_a_profile_is_told_to_the_module(lines: list[str], told: dict[str, object]) -> None:
    terminal = Terminal()
    plain = policy(terminal, 2)
    assert terminal.configure("port-profile WEB", *lines).ok if lines else True
    found = policy(terminal, 2)
    assert {name: getattr(found, name) for name in told} == told
    others = {name: getattr(plain, name) for name in told} | {"trunk": plain.trunk, "allowed": plain.allowed}
    assert replace(found, **{**others, "vlan": plain.vlan, "mac_limit": plain.mac_limit}) == plain, "and nothing else"


@pytest.mark.parametrize(("line", "told"), [row[1:] for row in UPLINK_RULES], ids=[row[0] for row in UPLINK_RULES])
def test_a_channel_is_told_with_the_uplinks_policy(line: str, told: ChannelMode) -> None:
    terminal = Terminal()
    assert terminal.configure("port-profile UPLINK", line).ok
    assert policy(terminal, 4).channel is told


@pytest.mark.parametrize(("line", "told"), [row[1:] for row in SWITCH_RULES], ids=[row[0] for row in SWITCH_RULES])
def test_a_line_for_the_switch_is_told_and_taken_back(line: str, told: dict[str, object]) -> None:
    terminal = Terminal()
    plain = wanted(terminal.state, 3).switch
    assert plain == SwitchSpec("vsm-a", 100, cdp=Mode.BOTH)
    assert terminal.configure(line).ok
    assert wanted(terminal.state, 3).switch == replace(plain, **told)  # type: ignore[arg-type]
    assert terminal.run(f"no {line}").ok and wanted(terminal.state, 3).switch == plain


@pytest.mark.parametrize("protocol", ["cdp", "lldp"])
def test_discovery_is_told_to_the_modules(protocol: str) -> None:
    """S-220: CDP unless said otherwise, as the Nexus 1000V; each protocol listens, advertises, both or neither."""
    terminal = Terminal()
    usual = {"cdp": Mode.BOTH, "lldp": Mode.NONE}
    lines = [
        (f"{protocol} listen", Mode.LISTEN),
        (f"{protocol} advertise", Mode.ADVERTISE),
        (f"{protocol} enable", Mode.BOTH),
        (f"no {protocol} enable", Mode.NONE),
        (f"default {protocol} enable", usual[protocol]),
    ]
    terminal.configure("hostname vsm-a")
    for line, mode in lines:
        assert terminal.run(line).ok
        found = wanted(terminal.state, 3).switch
        assert {name: getattr(found, name) for name in usual} == usual | {protocol: mode}


def test_an_uplink_without_cdp_stays_in_its_channel() -> None:
    """S-220: said on one uplink or in their profile; the uplink's policy, which makes the channel, stays the same."""
    terminal = Terminal(with_channels())
    policies = {number: spec.policy for number, spec in wanted(terminal.state, 3).uplinks.items()}
    assert terminal.configure("interface ethernet 3/2", "no cdp enable").ok
    found = wanted(terminal.state, 3).uplinks
    assert {number for number, spec in found.items() if spec.no_cdp} == {2}
    assert {number: spec.policy for number, spec in found.items()} == policies
    assert terminal.state.config.cdp is Mode.BOTH, "the switch still does"
    assert "\ninterface Ethernet3/2\n  inherit port-profile UPLINK\n  no cdp enable\n" in config_text(terminal.state)
    terminal.run("default cdp enable", "port-profile UPLINK", "no cdp enable", "interface ethernet 3/1", "cdp enable")
    assert {n for n, spec in wanted(terminal.state, 3).uplinks.items() if spec.no_cdp} == {2, 3, 4, 5, 6}
    refused = terminal.run("interface vethernet 1", "no cdp enable")
    assert "interface Vethernet1: cdp applies to type ethernet only" in refused.output
    assert not terminal.run("interface ethernet 3/1", "lldp transmit").ok


def test_announcements_that_are_forgotten_before_the_next_are_warned_about() -> None:
    reply = Terminal().configure("cdp holdtime 60")
    assert reply.ok and reply.output == "Warning: neighbours forget what CDP says after 60 s and hear it every 60 s\n"


def test_limits_of_learned_addresses() -> None:
    """S-065, S-068: 1 to 4096 a port, 4096 unless said otherwise; what is above is dropped unless said otherwise."""
    terminal = Terminal()
    assert (policy(terminal, 2).mac_limit, policy(terminal, 2).mac_limit_allow) == (4096, False)
    terminal.configure("port-profile WEB")
    for limit in ("0", "4097", "-1", "x"):
        assert not terminal.run(f"mac-learning limit {limit}").ok
    assert terminal.run("mac-learning limit 7 action allow").ok and policy(terminal, 2).mac_limit_allow
    assert terminal.run("mac-learning limit 4096").ok and not policy(terminal, 2).mac_limit_allow


@pytest.mark.parametrize("vlans", ["0", "4095", "4096", "-1", "1-4095", "10-5", "1,,2", "x", "1-2-3"])
def test_vlans_out_of_range(vlans: str) -> None:
    """S-054: refused wherever vlans are told."""
    terminal = Terminal()
    for line in (f"vlan {vlans}", f"no vlan {vlans}"):
        assert not terminal.configure(line).ok
    for line in ("switchport access vlan", "switchport trunk native vlan", "switchport trunk allowed vlan"):
        assert not terminal.configure("port-profile WEB", f"{line} {vlans}").ok


def test_overlapping_vlans_merge() -> None:
    """S-054."""
    terminal = Terminal()
    terminal.configure("port-profile WEB", "switchport trunk allowed vlan 10-20,15-30,20")
    assert "  switchport trunk allowed vlan 10-30\n" in terminal.run("show running-config").output


@pytest.mark.parametrize("text", ["00-0C-29-4F-2E-05", "00:0c:29:4f:2e:05", "000c.294f.2e05", "000C.294F.2E05"])
def test_addresses_in_any_notation(text: str) -> None:
    """S-025."""
    assert Terminal().run(f"show mac address-table address {text}").ok


@pytest.mark.parametrize("text", ["30:59:b7:00:11::22", "001122334455667", "gg:11:22:33:44:55", "00:11:22:33:44"])
def test_malformed_addresses(text: str) -> None:
    """S-024."""
    terminal = Terminal()
    for lines in ([f"show mac address-table address {text}"], ["configure", "interface veth 1", f"vm mac {text}"]):
        reply = terminal.run(*lines)
        assert not reply.ok and "% Invalid mac address (allowed: " in reply.output


def test_an_interface_beats_its_profile_and_that_the_switch() -> None:
    """S-017, each step taken back again."""
    terminal = Terminal()

    def promiscuous() -> bool:
        found = wanted(terminal.state, 3)
        return found.policies[found.ports[1].policy].promiscuous

    terminal.run("configure terminal")
    seen = [promiscuous()]
    for line in (
        "security default promiscuous accept",
        "port-profile BASE",
        "security promiscuous reject",
        "interface vethernet 1",
        "security promiscuous accept",
        "no security promiscuous",
        "port-profile BASE",
        "default security promiscuous",
        "no security default promiscuous",
    ):
        assert terminal.run(line).ok
        seen.append(promiscuous())
    assert seen == [False, True, True, False, False, True, False, False, True, False]


def test_show_says_what_was_said() -> None:
    """What holds is on show, inherited or not."""
    terminal = Terminal(state())
    terminal.configure(
        "port-profile BASE", "teaming active 2,1", "teaming standby 3", "storm-control multicast level pps 700"
    )
    terminal.configure("interface vethernet 1", "pinning id 2", "teaming failback no", "end")
    detail = terminal.run("show interface vethernet 1 detail").output
    assert "failback no, notify switches yes" in detail and "Uplinks active 2,1, standby 3, unused none" in detail
    assert "Veth1                -        700          -             0\n" in terminal.run("show storm-control").output
    assert "Veth1        3           2         1  Eth3/1   vnet1\n" in terminal.run("show pinning").output
    assert "  teaming active 2,1\n  teaming standby 3\n" in terminal.run("show port-profile name WEB").output
    terminal.configure("mac address-table aging-time 60", "end")
    assert terminal.run("show mac address-table aging-time").output == "Aging Time\n----------\n     60\n"


def test_untagged_ports_are_in_the_address_table() -> None:
    terminal = Terminal()
    terminal.configure("interface vethernet 1", "switchport access vlan untagged", "end")
    assert "*    0     5254.0000.0001   static" in terminal.run("show mac address-table").output


def test_the_registry_of_addresses_on_show() -> None:
    """S-268: also of NICs that are plugged in nowhere, until the interface is removed."""
    terminal = Terminal()
    terminal.configure("mac pool prefix 02:AA", "end")
    shown = terminal.run("show mac allocation").output
    assert shown.startswith("Pool prefix 02:aa, 0 automatic addresses\n")
    assert "5254.0000.0005  manual     Veth5        -    0    vm05                      QEMU-KVM\n" in shown
    terminal.configure("no interface vethernet 5", "end")
    assert "vm05" not in terminal.run("show mac allocation").output
    assert not terminal.configure("mac pool prefix 00:50:56").ok


def test_sub_groups_of_mac_pinning_are_shown() -> None:
    """By the uplink's number, or by place from 0; other channels have none."""
    for mode, shown in ((ChannelMode.MAC_PINNING_RELATIVE, True), (ChannelMode.ON, False)):
        text = Terminal(with_channels(mode)).run("show port-channel database").output
        assert ("[up] * sub-group 0" in text) is shown and "mode on" in text
