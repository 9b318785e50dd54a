"""Ansible's cisco.nxos modules over network_cli, unchanged: facts, commands, and a second run that changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ssh.rig import Rig
from tests.support.switches import PASSWORD

pytest.importorskip("ansible", reason="Ansible is not installed")
pytest.importorskip("ansible_collections.cisco.nxos", reason="Ansible's cisco.nxos collection is not installed")

PATIENCE = 280.0
"""Seconds for a playbook: Ansible starts a Python for each task."""
READING: list[dict[str, Any]] = [
    {"cisco.nxos.nxos_command": {"commands": ["show version", "show vlan brief | json"]}},
    {"cisco.nxos.nxos_facts": {"gather_subset": ["all"]}},
]
CHANGING: list[dict[str, Any]] = [
    {"cisco.nxos.nxos_config": {"parents": ["vlan 77"], "lines": ["name seven"], "save_when": "changed"}},
    {"cisco.nxos.nxos_vlans": {"config": [{"vlan_id": 88, "name": "eight"}], "state": "merged"}},
    {"cisco.nxos.nxos_interfaces": {"config": [{"name": "Vethernet1", "description": "a server"}], "state": "merged"}},
    {"cisco.nxos.nxos_l2_interfaces": {"config": [{"name": "Vethernet1", "access": {"vlan": 77}}], "state": "merged"}},
]
BACK: list[dict[str, Any]] = [
    {"cisco.nxos.nxos_vlans": {"config": [{"vlan_id": 88, "name": "acht"}], "state": "replaced"}},
    {"cisco.nxos.nxos_vlans": {"config": [{"vlan_id": 88}], "state": "deleted"}},
    {"cisco.nxos.nxos_user": {"name": "bob", "configured_password": "Deep-secret-9", "roles": ["network-operator"]}},
    {"cisco.nxos.nxos_banner": {"banner": "motd", "text": "Two lines\nof text", "state": "present"}},
    {"cisco.nxos.nxos_config": {"lines": ["hostname vsm-a"], "backup": True, "diff_against": "running"}},
]
WRONG: list[dict[str, Any]] = [{"cisco.nxos.nxos_config": {"lines": ["vlam 5"]}}]


async def played(rig: Rig, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the tasks gave, one after the other, from a home of its own."""
    home = rig.directory / "ansible"
    home.mkdir(exist_ok=True)
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": rig.port,
        "ansible_user": "admin",
        "ansible_password": PASSWORD,
        "ansible_connection": "ansible.netcommon.network_cli",
        "ansible_network_os": "cisco.nxos.nxos",
        "ansible_python_interpreter": sys.executable,
    }
    inventory, playbook = home / "inventory.json", home / "playbook.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"switch": variables}}}))
    playbook.write_text(json.dumps([{"hosts": "switch", "gather_facts": False, "tasks": tasks}]))
    output = await _run(home, "-i", str(inventory), str(playbook))
    plays = json.loads(output[output.index("{") :])["plays"]
    return [task["hosts"]["switch"] for task in plays[0]["tasks"]]


async def _run(home: Path, *arguments: str) -> str:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHONPATH"))},
        "HOME": str(home),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_PERSISTENT_COMMAND_TIMEOUT": "120",
        "ANSIBLE_PERSISTENT_CONNECT_TIMEOUT": "20",
        "LC_ALL": "C.UTF-8",
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, env=environ, cwd=home, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert b"{" in output, errors.decode()
    return output.decode()


@pytest.mark.slow
async def test_commands_and_facts(rig: Rig) -> None:
    shown, found = await played(rig, READING)
    assert "Nexus 1000V Chassis" in shown["stdout"][0], shown
    rows = shown["stdout"][1]["TABLE_vlanbriefxbrief"]["ROW_vlanbriefxbrief"]
    assert {row["vlanshowbr-vlanname"] for row in rows} >= {"default", "web"}
    assert "ansible_facts" in found, found
    facts = found["ansible_facts"]
    assert (facts["ansible_net_hostname"], facts["ansible_net_serialnum"]) == ("vsm-a", "DVS0100")
    assert facts["ansible_net_platform"] and facts["ansible_net_version"]
    assert facts["ansible_net_interfaces"]["Ethernet3/1"]["description"] == "to-leaf-1"
    assert facts["ansible_net_interfaces"]["Vethernet5"]["state"] == "down"
    assert facts["ansible_net_license_hostid"] == "DVS0100"
    assert "mgmt0" in facts["ansible_net_interfaces"] and facts["ansible_net_power_supply_info"] == []
    assert facts["ansible_net_neighbors"]["Ethernet3/1"][0]["port"] == "Ethernet1/1"
    assert "hostname vsm-a" in facts["ansible_net_config"]


@pytest.mark.slow
async def test_a_second_run_changes_nothing(rig: Rig) -> None:
    outcome = await played(rig, [*CHANGING, *CHANGING, *WRONG])
    changed = [True] * len(CHANGING) + [False] * (len(CHANGING) + 1)
    assert [task["changed"] for task in outcome] == changed, outcome
    assert outcome[-1]["failed"] and "Invalid command" in outcome[-1]["msg"]
    config = rig.supervisor.state.config
    assert (config.vlans[77].name, config.vlans[88].name) == ("seven", "eight")
    assert rig.supervisor.state.archive.startup is not None, "the first change was saved"
    assert config.descriptions["Vethernet1"] == "a server" and config.overrides["Vethernet1"].access_vlan == 77


@pytest.mark.slow
async def test_what_was_made_is_replaced_and_taken_away(rig: Rig) -> None:
    rig.configure("vlan 88", "name eight")
    outcome = await played(rig, [*BACK, *BACK[1:2]])
    assert [task["changed"] for task in (*outcome[:4], outcome[5])] == [True, True, True, True, False], outcome
    assert not outcome[4].get("commands"), "only the backup is a change"
    assert outcome[0]["commands"] == ["vlan 88", "name acht"] and outcome[1]["commands"] == ["no vlan 88"]
    config = rig.supervisor.state.config
    assert 88 not in config.vlans and config.users["bob"].roles == ("network-operator",)
    assert config.banner.strip("\n") == "Two lines\nof text"
    kept = await asyncio.to_thread(Path(outcome[4]["backup_path"]).read_text)
    assert "hostname vsm-a" in kept
