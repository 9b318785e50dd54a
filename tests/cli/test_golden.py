"""Every show command against the text it gave when its layout was agreed (tests/cli/golden/).

With DVS_UPDATE_GOLDEN=1 in the environment the files are written instead of compared; read the difference before
committing it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.switches import Terminal, niv_terminal, with_channels, with_moves
from vsm.cli.command import Mode
from vsm.cli.grammar import Match
from vsm.cli.registry import COMMANDS, GRAMMAR
from vsm.cli.tables import show_later

GOLDEN = Path(__file__).parent / "golden"
TEXT_ONLY = (
    "show aaa authentication",
    "show ssh key",
    "show hosts",
    "show running-config",
    "show startup-config",
    "show diff",
    "show file",
    "show configuration",
    "show cli history",
    "show tech-support",
    "show terminal",
)
SHOWN = [
    "show access-lists",
    "show drops last",
    "show environment",
    "show environment fan",
    "show environment power",
    "show environment temperature",
    "show interface status err-disabled",
    "show interface transceiver",
    "show interface transceiver details",
    "show interface mgmt0",
    "show interface mgmt0 brief",
    "show ip access-lists",
    "show ip arp",
    "show ip arp vrf all",
    "show banner motd",
    "show ip igmp snooping groups",
    "show ip igmp snooping groups vlan 10",
    "show ip interface",
    "show ip interface vrf all",
    "show ip interface brief",
    "show ip interface brief vrf all",
    "show ip interface brief vrf management",
    "show ip route",
    "show ip route vrf management",
    "show ip route vrf all 192.0.2.77",
    "show ip route vrf all 192.0.2.0/24",
    "show ipv6 interface vrf all",
    "show license",
    "show license host-id",
    "show license usage",
    "show ntp peer-status",
    "show ntp peers",
    "show privilege",
    "show processes cpu",
    "show processes memory",
    "show spanning-tree",
    "show system redundancy status",
    "show vrf",
    "show vrf all",
    "show vrf management",
    "show vrf detail",
    "show vrf interface",
    "show aaa authentication",
    "dir",
    "dir bootflash:base.cfg",
    "show configuration session",
    "show checkpoint",
    "show checkpoint summary",
    "show diff rollback-patch running-config file base.cfg",
    "show file bootflash:base.cfg",
    "show file bootflash:base.cfg md5sum",
    "show cli history",
    "show cdp neighbors",
    "show cdp neighbors detail",
    "show clock",
    "show feature",
    "show hostname",
    "show interface",
    "show interface vethernet 1",
    "show interface vethernet 1-2 detail",
    "show interface vethernet 5 detail",
    "show interface ethernet 3/1",
    "show interface vethernet 1 drops",
    "show interface vethernet 2 drops",
    "show drops",
    "show interface port-channel 1",
    "show interface po7",
    "show interface brief",
    "show interface ethernet 3/1 brief",
    "show interface status",
    "show interface description",
    "show interface switchport",
    "show interface trunk",
    "show interface mac-address",
    "show interface snmp-ifindex",
    "show interface counters",
    "show interface vethernet 1-2 counters",
    "show interface counters detailed",
    "show interface counters errors",
    "show hosts",
    "show inventory",
    "show interface virtual",
    "show interface virtual module 4",
    "show lacp counters",
    "show lacp neighbor",
    "show lldp neighbors",
    "show lldp neighbors detail",
    "show mac address-table",
    "show mac address-table dynamic vlan 10",
    "show mac address-table aging-time",
    "show mac allocation",
    "show mac address-table count",
    "show mac address-table count vlan 10",
    "show logging",
    "show logging last 2",
    "show niv",
    "show niv module 4",
    "show vif",
    "show network-uplinks",
    "show network-uplinks module 4",
    "show pinning",
    "show pinning module 4",
    "show storm-control",
    "show module",
    "show module 3",
    "show module uptime",
    "show module vem missing",
    "show module vem counters",
    "show interface virtual description",
    "show interface virtual port-mapping",
    "show module vem mapping",
    "show port-channel brief",
    "show port-channel database",
    "show port-channel summary",
    "show port-profile",
    "show port-profile name WEB",
    "show port-profile brief",
    "show port-profile usage",
    "show port-profile expand-interface",
    "show port-profile expand-interface name WEB",
    "show port-profile virtual usage",
    "show port-profile sync-status",
    "show port-profile sync-status interface vethernet 1",
    "show running-config",
    "show running-config interface Vethernet2",
    "show running-config port-profile WEB",
    "show running-config vlan",
    "show role",
    "show role name network-operator",
    "show ssh key",
    "show ssh server",
    "show running-config vlan 10,30 all",
    "show running-config all",
    "show running-config diff",
    "show running-config interface Vethernet1-2 expand-port-profile",
    "show startup-config",
    "show svs connections",
    "show svs connections KVM",
    "show svs domain",
    "show svs migration",
    "show svs migration transitions",
    "show svs neighbors",
    "show system resources",
    "show system uptime",
    "show tech-support",
    "show terminal",
    "show user-account",
    "show user-account admin",
    "show users",
    "show version",
    "show vlan",
    "show vlan id 10,30",
    "show vlan name web",
    "show vlan summary",
    "show vlan brief",
]


CHANNELS = ("show port-channel", "show lacp", "show interface po", "show interface brief", "show interface status")
"""Shown on a switch that has some."""


def terminal(line: str) -> Terminal:
    if line == "show svs migration":
        return Terminal(with_moves())
    if line.startswith(("show niv", "show vif")):
        return niv_terminal()
    return Terminal(with_channels() if line.startswith(CHANNELS) else None)


def golden(line: str) -> Path:
    """The file of a command."""
    return GOLDEN / f"{line.replace(' ', '_').replace('/', '-').replace(':', '-')}.txt"


@pytest.mark.parametrize("line", SHOWN)
def test_text_is_as_agreed(line: str) -> None:
    reply = terminal(line).run(line)
    assert reply.ok and reply.prompt == "vsm-a# "
    path = golden(line)
    if os.environ.get("DVS_UPDATE_GOLDEN"):
        path.write_text(reply.output)
    assert reply.output == path.read_text()


@pytest.mark.parametrize("line", SHOWN)
def test_no_line_looks_like_an_error(line: str) -> None:
    """Ansible and NAPALM take a line that begins with a percent sign for a refusal."""
    assert not [text for text in terminal(line).run(line).output.splitlines() if text.lstrip().startswith("%")]


def test_every_show_command_is_covered() -> None:
    shown = {terminal(line).run(line).ok and _row(line) for line in SHOWN}
    refused = {command.syntax for command in show_later.ROWS}
    assert {
        command.syntax for command in COMMANDS if command.reports and command.syntax.startswith("show")
    } - refused <= shown


def test_every_file_is_of_a_command() -> None:
    assert {golden(line) for line in SHOWN} == set(GOLDEN.iterdir())


def _row(line: str) -> str:
    match = GRAMMAR.parse(Mode.EXEC, line)
    assert isinstance(match, Match)
    return match.command.syntax


@pytest.mark.parametrize("line", [line for line in SHOWN if not line.startswith(TEXT_ONLY)])
def test_json_has_the_rows_of_the_text(line: str) -> None:
    reply = terminal(line).run(f"{line} | json")
    assert reply.ok
    assert json.loads(reply.output)
    assert reply.output.count("\n") == 1
    assert json.loads(terminal(line).run(f"{line} | json-pretty").output) == json.loads(reply.output)


def test_json_keys_that_programs_rely_on() -> None:
    vlans = json.loads(Terminal().run("show vlan brief | json").output)["TABLE_vlanbriefxbrief"]["ROW_vlanbriefxbrief"]
    assert vlans[1] == {
        "vlanshowbr-vlanid": "10",
        "vlanshowbr-vlanid-utf": "10",
        "vlanshowbr-vlanname": "web",
        "vlanshowbr-vlanstate": "active",
        "vlanshowbr-shutstate": "noshutdown",
        "vlanshowplist-ifidx": "Ethernet3/1,Vethernet1,Vethernet2,Vethernet3,Vethernet5",
    }
    one = json.loads(Terminal().run("show interface vethernet 1 | json").output)["TABLE_interface"]["ROW_interface"]
    assert one["interface"] == "Vethernet1" and one["eth_inbytes"] == "39434742" and one["eth_mode"] == "access"
    assert json.loads(Terminal().run("show version | json").output)["host_name"] == "vsm-a"
