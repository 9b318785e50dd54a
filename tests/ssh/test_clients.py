"""The libraries that network engineers automate with, unchanged: netmiko, scrapli and NAPALM."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.ssh.rig import Rig
from tests.support.switches import PASSWORD

pytestmark = pytest.mark.slow

NEW_NAME = "vsm-b"


async def test_netmiko(rig: Rig) -> None:
    netmiko = pytest.importorskip("netmiko")
    await asyncio.to_thread(_netmiko, netmiko, rig.port)
    config = rig.supervisor.state.config
    assert config.vlans[77].name == "seven" and config.hostname == NEW_NAME and 78 not in config.vlans


def _netmiko(netmiko: Any, port: int) -> None:
    with netmiko.ConnectHandler(
        device_type="cisco_nxos", host="127.0.0.1", port=port, username="admin", password=PASSWORD, conn_timeout=60
    ) as switch:
        assert switch.find_prompt() == "vsm-a#" and switch.base_prompt == "vsm-a"
        version = switch.send_command("show version", use_textfsm=True)
        assert version[0]["hostname"] == "vsm-a" and version[0]["platform"] == "1000V"
        assert switch.send_command("show running-config").rstrip().endswith("domain id 100"), "nothing is paged"
        shown = switch.send_config_set(["vlan 77", "name seven", f"hostname {NEW_NAME}"])
        assert "Invalid" not in shown and not switch.check_config_mode()
        switch.set_base_prompt()
        assert switch.base_prompt == NEW_NAME
        with pytest.raises(netmiko.exceptions.ConfigInvalidException):
            switch.send_config_set(["vlan 5000"], error_pattern=r"% Invalid")
        assert "copy complete" in switch.save_config().lower()
        assert "Done" in switch.send_command("checkpoint before")
        switch.send_config_set(["vlan 78", "name eight"])
        assert "completed successfully" in switch.send_command("rollback running-config checkpoint before")
        vlans = switch.send_command("show vlan brief", use_textfsm=True)
        assert {row["vlan_name"] for row in vlans} >= {"default", "seven"}
        long = switch.send_command("show running-config | include " + "x" * 300 + "|hostname")
        assert long.strip() == f"hostname {NEW_NAME}", "lines longer than a terminal"


async def test_netmiko_carries_a_file(rig: Rig, tmp_path: Any) -> None:
    netmiko = pytest.importorskip("netmiko")
    source = tmp_path / "image.txt"
    source.write_text("some lines\n" * 200)

    def carry() -> None:
        with netmiko.ConnectHandler(
            device_type="cisco_nxos", host="127.0.0.1", port=rig.port, username="admin", password=PASSWORD
        ) as switch:
            copier = netmiko.SCPConn(switch)
            copier.scp_transfer_file(str(source), "bootflash:/image.txt")
            copier.close()

    await asyncio.to_thread(carry)
    assert (rig.directory / "bootflash" / "image.txt").read_text() == source.read_text()


PARSED = (
    "show version", "show inventory", "show module", "show vlan", "show vlan brief", "show interface",
    "show interface brief", "show interface status", "show interface description", "show interface switchport",
    "show interface snmp-ifindex", "show mac address-table", "show lldp neighbors", "show lldp neighbors detail",
    "show cdp neighbors", "show cdp neighbors detail", "show clock", "show feature", "show hostname",
    "show processes cpu", "dir", "show ip interface brief vrf management", "show vrf",
)  # fmt: skip
"""Commands that the templates of ntc-templates read into rows."""


async def test_netmiko_reads_rows_and_sends_files(rig: Rig, tmp_path: Any) -> None:
    netmiko = pytest.importorskip("netmiko")
    await asyncio.to_thread(_read_and_send, netmiko, rig.port, tmp_path / "lines.cfg")
    assert rig.supervisor.state.config.vlans[79].name == "nine"
    assert {130 + number for number in range(40)} <= set(rig.supervisor.state.config.vlans)


def _read_and_send(netmiko: Any, port: int, lines: Any) -> None:
    lines.write_text("vlan 79\n  name nine\n" + "".join(f"vlan {130 + number}\n" for number in range(40)))
    with netmiko.ConnectHandler(
        device_type="cisco_nxos", host="127.0.0.1", port=port, username="admin", password=PASSWORD, conn_timeout=60
    ) as switch:
        switch.send_command("copy running-config bootflash:first.cfg")
        for command in PARSED:
            rows = switch.send_command(command, use_textfsm=True)
            assert isinstance(rows, list) and rows, f"{command}: {rows}"
        names = {row["interface"] for row in switch.send_command("show interface", use_textfsm=True)}
        assert {"mgmt0", "Ethernet3/1", "Vethernet1", "Vethernet5"} <= names
        assert "Invalid" not in switch.send_config_from_file(str(lines))
        shown = switch.send_multiline([["show hostname", r"#"], ["dir bootflash:first.cfg", r"#"]])
        assert "first.cfg" in shown and "Usage for" in shown


async def test_scrapli(rig: Rig) -> None:
    core = pytest.importorskip("scrapli.driver.core")
    async with core.AsyncNXOSDriver(
        host="127.0.0.1",
        port=rig.port,
        auth_username="admin",
        auth_password=PASSWORD,
        auth_strict_key=False,
        transport="asyncssh",
        timeout_socket=60,
        timeout_transport=60,
        timeout_ops=60,
    ) as switch:
        assert await switch.get_prompt() == "vsm-a#"
        version = await switch.send_command("show version")
        assert not version.failed and version.textfsm_parse_output()[0]["hostname"] == "vsm-a"
        done = await switch.send_configs(["vlan 77", "name seven"])
        assert not done.failed
        refused = await switch.send_configs(["vlam 78"])
        assert refused.failed and "Invalid command" in refused.result
        assert "Copy complete" in (await switch.send_command("copy running-config startup-config")).result
        assert "Done" in (await switch.send_command("checkpoint before")).result
        await switch.send_configs(["vlan 78", "name eight"])
        back = await switch.send_command("rollback running-config checkpoint before")
        assert not back.failed and "completed successfully" in back.result
        shown = await switch.send_command("show vlan brief")
        assert "seven" in {row["vlan_name"] for row in shown.textfsm_parse_output()}
    state = rig.supervisor.state
    assert state.config.vlans[77].name == "seven" and 78 not in state.config.vlans
    assert state.archive.startup is not None and "name seven" in state.archive.startup.text


async def test_napalm(rig: Rig) -> None:
    napalm = pytest.importorskip("napalm")
    await asyncio.to_thread(_napalm, napalm, rig.port)
    assert 77 not in rig.supervisor.state.config.vlans, "it was rolled back"


def _napalm(napalm: Any, port: int) -> None:
    driver = napalm.get_network_driver("nxos_ssh")
    with driver("127.0.0.1", "admin", PASSWORD, optional_args={"port": port}, timeout=60) as switch:
        facts = switch.get_facts()
        assert (facts["hostname"], facts["serial_number"], facts["vendor"]) == ("vsm-a", "DVS0100", "Cisco")
        there = [name for name in facts["interface_list"] if not name.startswith("Management")]
        assert there[:3] == ["Ethernet3/1", "Ethernet4/1", "Veth1"] and facts["uptime"] > 0
        assert switch.get_interfaces()["Vethernet1"]["is_up"]
        assert switch.get_vlans()["10"]["name"] == "web"
        assert switch.get_users()["admin"]["level"] == 15
        switch.load_merge_candidate(config="vlan 77\n  name seven\n")
        assert "vlan 77" in switch.compare_config()
        switch.commit_config()
        assert switch.get_vlans()["77"]["name"] == "seven"
        switch.rollback()
        assert "77" not in switch.get_vlans()


async def test_netmiko_is_asked_and_goes_back(rig: Rig, tmp_path: Any) -> None:
    """Questions in the place of the prompt, a configuration carried over, put into force and taken back."""
    netmiko = pytest.importorskip("netmiko")
    before = rig.supervisor.state.config
    await asyncio.to_thread(_go_there_and_back, netmiko, rig.port, tmp_path / "other.cfg")
    assert rig.supervisor.state.config == before
    startup = rig.supervisor.state.archive.startup
    assert startup is not None and startup.text == "" and startup.user == "admin"


def _go_there_and_back(netmiko: Any, port: int, source: Any) -> None:
    with netmiko.ConnectHandler(
        device_type="cisco_nxos", host="127.0.0.1", port=port, username="admin", password=PASSWORD, conn_timeout=60
    ) as switch:
        switch.save_config()
        assert "Do you wish to proceed" in switch.send_command("write erase", expect_string=r"\(y/n\)")
        switch.send_command("y", expect_string=r"#")
        assert "No startup configuration" in switch.send_command("show startup-config")
        assert "Done" in switch.send_command("checkpoint before")
        running = switch.send_command("show running-config")
        source.write_text(running.replace("hostname vsm-a", f"hostname {NEW_NAME}") + "\n")
        sent = netmiko.file_transfer(switch, str(source), "other.cfg", file_system="bootflash:", overwrite_file=True)
        assert sent["file_exists"] and sent["file_verified"]
        difference = switch.send_command("show diff rollback-patch running-config file other.cfg")
        assert f"!!\nhostname {NEW_NAME}\n!" in difference
        replaced = switch.send_command("configure replace bootflash:other.cfg", expect_string=f"{NEW_NAME}#")
        assert "completed successfully" in replaced
        undone = switch.send_command("rollback running-config checkpoint before", expect_string="vsm-a#")
        assert "Rollback completed successfully." in undone
