"""Output of commands that only this switch has, read through the templates that come with it, against `| json`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_golden import GOLDEN, SHOWN, terminal
from tests.support.switches import Terminal
from vsm.cli.session import Session
from vsm.templates import DIRECTORY, INDEX
from vsm.templates.__main__ import main

clitable = pytest.importorskip("textfsm.clitable")

COMPARED = {
    "show port-profile": "port_profile",
    "show port-profile name WEB": "port_profile",
    "show port-profile brief": "port_profile",
    "show port-profile usage": "port_profile",
    "show port-profile virtual usage": "profile_usage",
    "show port-profile sync-status": "sync_status",
    "show port-profile sync-status interface vethernet 1": "sync_status",
    "show port-profile expand-interface": "expanded",
    "show interface virtual": "interface_virtual",
    "show interface virtual module 4": "interface_virtual",
    "show interface vethernet 1-2 detail": "interface",
    "show interface vethernet 5 detail": "interface",
    "show interface vethernet 1 drops": "drops",
    "show interface vethernet 2 drops": "drops",
    "show drops": "drops",
    "show interface trunk": "interface",
    "show interface counters detailed": "interface",
    "show interface counters errors": "interface",
    "show interface mac-address": "interface",
    "show module vem mapping": "vemmapping",
    "show module vem missing": "vemmissing",
    "show module uptime": "module_uptime",
    "show svs domain": "svs_domain",
    "show svs neighbors": "svs_neighbors",
    "show svs migration": "svs_migration",
    "show svs migration transitions": "svs_transition",
    "show network-uplinks": "network_uplinks",
    "show niv": "niv",
    "show niv module 4": "niv",
    "show vif": "vif",
    "show pinning": "pinning",
    "show pinning module 4": "pinning",
    "show storm-control": "storm_control",
    "show mac allocation": "mac_allocation",
    "show mac address-table count": "",
    "show vlan summary": "",
    "show interface virtual description": "interface_virtual_desc",
    "show interface virtual port-mapping": "interface_virtual_mapping",
    "show module vem counters": "vemcounters",
    "show lacp counters": "counters",
    "show lacp neighbor": "neighbor",
    "show port-channel brief": "interface",
    "show port-channel database": "port",
    "show role": "role",
    "show role name network-operator": "role",
    "show user-account": "template",
    "show user-account admin": "template",
    "show ssh server": "",
    "show svs connections": "svs_connections",
    "show svs connections KVM": "svs_connections",
    "show system resources": "",
    "show system redundancy status": "",
    "show system uptime": "",
    "show processes memory": "process_memory",
    "show ipv6 interface vrf all": "intf",
    "show drops last": "last_drops",
    "show ip igmp snooping groups": "igmp_snooping_groups",
    "show ip igmp snooping groups vlan 10": "igmp_snooping_groups",
    "show logging": "logging",
    "show logging last 2": "logging",
}
"""Commands, and the table of the JSON that holds their rows; "" = the top."""
SAID = {"enabled": "true", "disabled": "false", "1": "true", "0": "false", "in sync": "true", "out of sync": "false"}
NOTHING = ("-", "none", "None")
TEXT_ONLY = {"conf_items", "eval_items", "assigned_intfs", "child_profs", "drops_in", "drops_out", "hostname"}
"""Columns that JSON has not: sums of what it lists, and the switch's own name."""


def parsed(line: str, output: str, directory: Path = DIRECTORY) -> list[dict[str, Any]]:
    table = clitable.CliTable(INDEX, str(directory))
    table.ParseCmd(output, {"Command": line, "Platform": "cisco_nxos"})
    return [{key.lower(): value for key, value in zip(table.header.values, row.values, strict=True)} for row in table]


def told(line: str, table: str) -> list[dict[str, str]]:
    """Rows of the JSON with keys as columns are called."""
    found = json.loads(terminal(line).run(f"{line} | json").output)
    rows = found[f"TABLE_{table}"].get(f"ROW_{table}", []) if table else found
    return [
        {key.replace("-", "_").lower(): value for key, value in row.items()}
        for row in (rows if isinstance(rows, list) else [rows])
    ]


def plain(name: str, value: Any) -> str:
    """A value without what sets apart text for people and JSON: forms of names, nothing said, letters of syslog."""
    text = ",".join(value) if isinstance(value, list) else str(value).rstrip()
    if name in ("interface", "port"):
        return text.replace("ethernet", "eth").replace("Ethernet", "Eth").replace("port-channel", "Po")
    if name in ("status", "synced"):
        return SAID.get(text, text)
    if name in ("kind", "what"):
        return text.lower().replace(" ", "_")
    return "" if text in NOTHING or (name == "keys" and text == "0") else text.replace(", ", ",")


@pytest.mark.parametrize("line", COMPARED)
def test_template_reads_what_json_tells(line: str) -> None:
    output = (GOLDEN / f"{line.replace(' ', '_').replace('/', '-')}.txt").read_text()
    rows, wanted = parsed(line, output), told(line, COMPARED[line])
    assert len(rows) == len(wanted)
    for row, expected in zip(rows, wanted, strict=True):
        compared = [name for name in row if name not in TEXT_ONLY]
        assert set(compared) <= set(expected)
        assert [plain(name, row[name]) for name in compared] == [plain(name, expected[name]) for name in compared]


def test_counters_of_the_plain_form() -> None:
    rows = parsed("show interface counters", (GOLDEN / "show_interface_counters.txt").read_text())
    first = [(row["first"], row["first_count"], row["second_count"]) for row in rows if row["interface"] == "Veth1"]
    assert first == [
        ("InOctets", "39434742", "447187"),
        ("InMcastPkts", "238", "275158"),
        ("OutOctets", "1230453905", "448316"),
        ("OutMcastPkts", "70652", "6760722"),
    ]


def test_checkpoints_and_logins() -> None:
    """Those that the sample switch has none of."""
    switch = Terminal()
    switch.run("checkpoint one description before the night", "checkpoint two")
    switch.service.logins.sessions.append(Session("a", user="admin", line="pts/0", origin="192.0.2.7"))
    rows = parsed("show checkpoint summary", switch.run("show checkpoint summary").output)
    assert [(row["name"], row["description"]) for row in rows] == [("one", "before the night"), ("two", "None")]
    assert all(int(row["size"].replace(",", "")) > 100 and row["created"] for row in rows)
    (login,) = parsed("show users", switch.run("show users").output)
    assert (login["name"], login["line"], login["comment"]) == ("admin", "pts/0", "(192.0.2.7) session=ssh")


def test_every_template_is_in_the_index_and_tested() -> None:
    named = re.findall(r"^(\S+\.textfsm),", (DIRECTORY / INDEX).read_text(), re.M)
    assert sorted(named) == sorted(path.name for path in DIRECTORY.glob("*.textfsm"))
    table = clitable.CliTable(INDEX, str(DIRECTORY))
    lines = [*COMPARED, "show interface counters", "show checkpoint summary", "show users"]
    rows = [table.index.GetRowMatch({"Command": line, "Platform": "cisco_nxos"}) for line in lines]
    assert {table.index.index[row]["Template"] for row in rows} == set(named)


def test_a_client_has_both_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netmiko, ntc = pytest.importorskip("netmiko.utilities"), pytest.importorskip("ntc_templates.parse")
    directory = tmp_path / "all"
    assert main([str(directory)]) == 0
    for variable in ("NET_TEXTFSM", "NTC_TEMPLATES_DIR"):
        monkeypatch.setenv(variable, str(directory))
    for line, column in (("show interface virtual", "owner"), ("show interface status", "vlan_id")):
        output = terminal(line).run(line).output
        rows = netmiko.get_structured_data_textfsm(output, "cisco_nxos", line)
        assert rows[-1][column] and rows == ntc.parse_output("cisco_nxos", line, output)
    assert main([str(directory)]) == 1, "an existing directory is left alone"


TEXT = (
    *(
        "show aaa",
        "show banner",
        "show checkpoint",
        "show cli history",
        "show configuration session",
        "show diff",
        "show file",
    ),
    *("show hosts", "show license", "show license host-id", "show ntp", "show privilege", "show running-config"),
    *("show spanning-tree", "show ssh key", "show startup-config", "show tech-support", "show terminal"),
)
"""Texts, and what needs no table: configuration, files, settings, and answers that are always the same."""

PREFIXED = ("show interface ethernet 3/1 brief", "show interface mgmt0 brief")
"""What ntc-templates takes for show interface."""
OTHERS = [line for line in SHOWN if line in COMPARED or not line.startswith((*TEXT, *PREFIXED))]


@pytest.mark.parametrize("line", OTHERS)
def test_every_other_command_is_read_by_a_template(line: str, both: Path) -> None:
    """Ours or that of ntc-templates: no line of the output is one that it does not know."""
    parsed(line, terminal(line).run(line).output, both)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of both kinds of templates."""
    pytest.importorskip("ntc_templates.parse")
    directory = tmp_path_factory.mktemp("templates") / "all"
    assert main([str(directory)]) == 0
    return directory
