"""Output as today's clients read it: through the TextFSM templates of ntc-templates for NX-OS."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.test_golden import SHOWN, terminal
from tests.support.switches import mac, niv_terminal

parse_output = pytest.importorskip("ntc_templates.parse").parse_output

LLDP = "show lldp neighbors"
TROUBLE = re.compile(
    r"% ?Error|\nerror:|^% \w+|invalid input|(?:incomplete|ambiguous) command|[^\r\n] not found", re.I | re.M
)
"""How Ansible's network_cli recognises errors in any output."""


def parsed(line: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parse_output("cisco_nxos", line, terminal(line).run(line).output)
    return rows


def test_show_module_keeps_absent_modules() -> None:
    rows = parsed("show module")
    assert [(row["module"], row["status"]) for row in rows[:3]] == [("1", "active *"), ("3", "ok"), ("4", "powered-dn")]
    assert rows[1]["type"] == "Virtual Ethernet Module" and rows[1]["ports"] == "1022"


def test_show_module_of_a_switch_with_a_vis() -> None:
    """The table of modes below the others is none of the rows that clients know."""
    switch = niv_terminal()
    known = switch.state.inventory
    modules = {**known.modules, 4: replace(known.modules[4], type="VIS")}
    switch.supervisor.transact(lambda state: replace(state, inventory=replace(known, modules=modules)))
    rows = parse_output("cisco_nxos", "show module", switch.run("show module").output)
    assert [(row["module"], row["type"], row["status"]) for row in rows] == [
        ("1", "Virtual Supervisor Module", "active *"),
        ("3", "Virtual Ethernet Module", "ok"),
        ("4", "Virtual Interface Switch", "powered-dn"),
    ]


def test_show_mac_address_table() -> None:
    rows = parsed("show mac address-table")
    learned = next(row for row in rows if row["mac_address"] == mac(0x99).dotted)
    assert (learned["vlan_id"], learned["type"], learned["age"], learned["ports"]) == ("10", "dynamic", "12", "Eth3/1")
    assert {row["ports"] for row in rows if row["type"] == "static"} == {"Veth1", "Veth2", "Veth3"}


def test_show_vlan() -> None:
    rows = {row["vlan_id"]: row for row in parsed("show vlan")}
    assert rows["10"]["vlan_name"] == "web" and rows["30"]["status"] == "suspended"
    assert rows["10"]["interfaces"] == ["Eth3/1", "Veth1", "Veth2", "Veth3", "Veth5"]


@pytest.mark.parametrize("line", ["show interface", "show interface ethernet 3/1", "show interface vethernet 1-5"])
def test_show_interface(line: str) -> None:
    rows = {row["interface"]: row for row in parsed(line)}
    if line == "show interface":
        own = rows["mgmt0"]
        assert (own["ip_address"], own["prefix_length"], own["input_packets"]) == ("192.0.2.10", "24", "71717")
    if "Vethernet1" in rows:
        veth = rows["Vethernet1"]
        assert (veth["link_status"], veth["admin_state"], veth["mtu"], veth["mode"]) == ("up", "up", "1500", "access")
        assert veth["input_packets"] == "722583" and veth["input_discards"] == "230" and veth["input_errors"] == "8"
        assert veth["mac_address"] == "5254.0000.0001" and veth["description"] == "vm01, vnet1"
        assert rows["Vethernet5"]["link_status"] == "down (nonParticipating)"
        assert rows["Vethernet4"]["link_status"] == "down (quarantined)"
    if "ethernet" in line and "vethernet" not in line:
        assert list(rows) == ["Ethernet3/1"] and rows["Ethernet3/1"]["description"] == "to-leaf-1"


def test_show_version() -> None:
    (row,) = parsed("show version") or [{}]
    assert row["hostname"] == "vsm-a" and row["os"] == "0.1.0"
    assert row["uptime"] == "3 day(s), 4 hour(s), 12 minute(s), 9 second(s)"


def test_show_port_channel_summary() -> None:
    one, seven = parsed("show port-channel summary")
    assert (one["bundle_name"], one["bundle_status"], one["bundle_protocol"]) == ("Po1", "SU", "LACP")
    assert one["member_interface"] == [f"Eth3/{n}" for n in range(1, 7)]
    assert one["member_interface_status"] == ["P", "P", "s", "H", "I", "D"]
    assert (seven["bundle_name"], seven["bundle_status"]) == ("Po7", "SD")
    assert (seven["member_interface"], seven["member_interface_status"]) == (["Eth4/1"], ["r"])


def test_show_interface_port_channel() -> None:
    (row,) = parsed("show interface port-channel 1")
    assert (row["interface"], row["link_status"], row["speed"]) == ("port-channel1", "up", "20 Gb/s")
    assert (row["mode"], row["bandwidth"], row["mac_address"]) == ("trunk", "20000000 Kbit", "5254.0000.0301")


def test_show_lldp_neighbors() -> None:
    brief = [(row["neighbor_name"], row["local_interface"], row["neighbor_interface"]) for row in parsed(LLDP)]
    assert brief == [("leaf-1", "Eth3/1", "Ethernet1/1"), ("5254.0000.0b00", "Eth3/2", "5254.0000.0b02")]
    first, second = parsed(f"{LLDP} detail")
    assert (first["neighbor_name"], first["local_interface"], first["vlan_id"]) == ("leaf-1", "Eth3/1", "1")
    assert (first["chassis_id"], first["mgmt_address"]) == ("5254.0000.0a00", "192.0.2.101")
    assert (second["chassis_id"], second["neighbor_interface"]) == ("5254.0000.0b00", "5254.0000.0b02")


def test_show_cdp_neighbors() -> None:
    long, short = parsed("show cdp neighbors")
    assert (long["neighbor_name"], long["platform"]) == ("leaf-1.dc1.example.net(FOC1234)", "N9K-C93180YC")
    assert (short["neighbor_name"], short["local_interface"], short["holdtime"]) == ("leaf-2", "Eth3/2", "9")
    first, second = parsed("show cdp neighbors detail")
    assert (first["mgmt_address"], first["interface_ip"]) == ("192.0.2.101", "192.0.2.101")
    assert (first["local_interface"], first["neighbor_interface"]) == ("Ethernet3/1", "Ethernet1/1")
    assert first["capabilities"] == "Router Switch IGMP Filtering"
    assert first["neighbor_description"] == "NX-OS 9.3 of somewhere"
    assert (second["chassis_id"], second["platform"], second["mgmt_address"]) == ("leaf-2", "Linux on x86 64", "")


def test_show_inventory() -> None:
    rows = parsed("show inventory")
    assert (rows[0]["name"], rows[0]["sn"]) == ("Chassis", "DVS0100") and len(rows) == 3


def test_nothing_that_succeeds_looks_like_an_error_to_ansible() -> None:
    for line in SHOWN:
        assert not TROUBLE.search(terminal(line).run(line).output), line


def test_show_interface_brief() -> None:
    rows = {row["interface"]: row for row in parsed("show interface brief")}
    assert list(rows)[:2] == ["mgmt0", "Eth3/1"] and rows["mgmt0"]["ip_address"] == "192.0.2.10"
    assert list(rows)[-2:] == ["Po1", "Po7"]
    assert (rows["Eth3/1"]["mode"], rows["Eth3/1"]["portch"]) == ("trunk", "1")
    assert (rows["Veth1"]["vlan_id"], rows["Veth1"]["type"], rows["Veth1"]["status"]) == ("10", "virt", "up")
    assert (rows["Veth5"]["status"], rows["Veth5"]["reason"]) == ("down", "nonParticipating")


def test_show_interface_status() -> None:
    rows = {row["port"]: row for row in parsed("show interface status")}
    assert (rows["Veth1"]["name"], rows["Veth1"]["status"], rows["Veth1"]["vlan_id"]) == (
        "vm01, vnet1",
        "connected",
        "10",
    )
    assert (rows["Eth3/1"]["vlan_id"], rows["Veth4"]["status"], rows["Veth5"]["speed"]) == ("trunk", "down", "auto")
    assert rows["Po1"]["status"] == "connected" and rows["Po7"]["status"] == "down"


def test_show_interface_description() -> None:
    rows = {row["port"]: row["description"] for row in parsed("show interface description")}
    assert rows["Eth3/1"] == "to-leaf-1" and rows["Veth2"] == "nested hypervisor" and rows["Eth4/1"] == "--"


def test_show_interface_switchport() -> None:
    rows = {row["interface"]: row for row in parsed("show interface switchport")}
    assert rows["Ethernet3/1"]["mode"] == "trunk" and rows["Ethernet3/1"]["trunking_vlans"] == "1,10,20,99"
    assert (rows["Vethernet1"]["access_vlan"], rows["Vethernet1"]["access_vlan_name"]) == ("10", "web")
    assert (rows["Vethernet1"]["native_vlan"], rows["Vethernet1"]["native_vlan_name"]) == ("1", "default")


def test_show_interface_snmp_ifindex() -> None:
    rows = {row["port"]: (row["ifmib"], row["ifindex_hex"]) for row in parsed("show interface snmp-ifindex")}
    assert rows["Veth5"] == ("469762128", "0x1c000050") and rows["Eth3/1"] == ("437256192", "0x1a100000")


def test_the_supervisors_own_network() -> None:
    (brief,) = parsed("show ip interface brief vrf management")
    assert (brief["vrf"], brief["interface"], brief["ip_address"]) == ("management", "mgmt0", "192.0.2.10")
    (full,) = parsed("show ip interface vrf all")
    assert (full["vrf"], full["subnet"], full["mtu"]) == ("management", "192.0.2.0/24", "1500")
    assert (full["proto"], full["link"], full["status"]) == ("protocol-up", "link-up", "admin-up")
    neighbours = parsed("show ip arp vrf all")
    assert (neighbours[0]["ip_address"], neighbours[0]["age"]) == ("192.0.2.1", "-")
    assert [row["mac_address"] for row in neighbours] == ["5254.0000.0001", "INCOMPLETE", "5254.0000.0a00"]
    ways = {f"{row['network']}/{row['prefix_length']}": row for row in parsed("show ip route vrf management")}
    assert (ways["0.0.0.0/0"]["nexthop_ip"], ways["0.0.0.0/0"]["protocol"]) == ("192.0.2.1", "static")
    assert ways["192.0.2.0/24"]["protocol"] == "direct" and ways["192.0.2.10/32"]["protocol"] == "local"
    assert [row["name"] for row in parsed("show vrf")] == ["default", "management"]
    assert [(row["name"], row["default_rd"]) for row in parsed("show vrf detail")][1] == ("management", "0:0")
    assert [(row["interface"], row["name"]) for row in parsed("show vrf interface")] == [("mgmt0", "management")]


def test_show_processes_cpu() -> None:
    (row,) = parsed("show processes cpu")
    assert (row["cpu_5_sec"], row["interrupts"], row["cpu_1_min"]) == ("29", "1", "29")


def test_what_the_switch_has_not_is_an_empty_list() -> None:
    for line in ("access-lists", "environment", "environment temperature", "interface status err-disabled"):
        assert parsed(f"show {line}") == []
    assert parsed("show license usage") == [] and parsed("show ip route") == [] and parsed("show ip interface") == []


def test_programs_find_fans_and_power_supplies_where_they_look() -> None:
    power = json.loads(terminal("show").run("show environment power | json").output)
    assert power["powersup"]["TABLE_psinfo"]["ROW_psinfo"] == []
    fan = json.loads(terminal("show").run("show environment fan | json").output)
    assert fan["fandetails"]["TABLE_faninfo"]["ROW_faninfo"] == []
