"""NAPALM's nxos_ssh driver, unchanged: what it reads of a switch, and each way of changing a configuration.

tests/ssh/test_clients.py has the other libraries and the plain way: merge, commit, roll back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.ssh.rig import Rig
from tests.support.switches import PASSWORD

pytestmark = pytest.mark.slow

napalm = pytest.importorskip("napalm")

WRONG = "vlam 5"


@contextmanager
def switch(rig: Rig) -> Iterator[Any]:
    """The driver, logged in.  Only for use in a thread: the server runs in this process."""
    options = {"port": rig.port}
    with napalm.get_network_driver("nxos_ssh")("127.0.0.1", "admin", PASSWORD, 60, options) as device:
        yield device


async def test_what_it_reads(rig: Rig) -> None:
    await asyncio.to_thread(_read, rig)


def _read(rig: Rig) -> None:
    with switch(rig) as device:
        assert device.is_alive()["is_alive"], "a NUL is no line"
        facts = device.get_facts()
        assert facts["model"] == "Nexus 1000V Chassis" and facts["os_version"]
        ports = device.get_interfaces()
        assert ports["Ethernet3/1"]["mtu"] == 9000 and ports["Ethernet3/1"]["description"] == "to-leaf-1"
        assert ports["Vethernet5"]["is_enabled"] and not ports["Vethernet5"]["is_up"]
        found = device.get_lldp_neighbors()
        assert found["Ethernet3/1"] == [{"port": "Ethernet1/1", "hostname": "leaf-1"}]
        detail = device.get_lldp_neighbors_detail()["Ethernet3/1"][0]
        assert detail["remote_system_enable_capab"] == ["bridge"] and detail["remote_port_description"] == "to kvm-3"
        macs = {row["mac"]: row for row in device.get_mac_address_table()}
        assert macs["52:54:00:00:00:99"]["interface"] == "Ethernet3/1" and not macs["52:54:00:00:00:99"]["static"]
        assert macs["52:54:00:00:00:02"]["static"] and macs["52:54:00:00:00:02"]["vlan"] == 10
        vlans = device.get_vlans()
        assert vlans["10"]["interfaces"] == ["Ethernet3/1", "Vethernet1", "Vethernet2", "Vethernet3", "Vethernet5"]
        assert {name: user["level"] for name, user in device.get_users().items()} == {"admin": 15, "watch": 5}
        assert "hostname vsm-a" in device.get_config("running")["running"]
        counted = device.get_interfaces_counters()["Ethernet3/1"]
        assert counted["rx_octets"] >= 0 and counted["tx_errors"] == 0
        fares = device.get_environment()
        assert fares["cpu"] and fares["memory"]["used_ram"] > 0 and fares["temperature"] == {}
        assert device.get_network_instances()["management"]["interfaces"] == {"interface": {"mgmt0": {}}}
        assert list(device.get_interfaces_ip()) == ["mgmt0"] and ports["Management0"]["is_up"]
        assert isinstance(device.get_arp_table(), list)
        nothing = (device.get_bgp_neighbors(), device.get_ntp_servers(), device.get_optics(), device.get_ntp_peers())
        assert nothing == ({}, {}, {}, {}), "what the switch has not is empty, not an error"
        _read_the_machine(device)


def _read_the_machine(device: Any) -> None:
    """What it asks every device for besides: addresses, neighbours, load, and what this switch has not."""
    addresses = device.get_interfaces_ip()["mgmt0"]
    assert addresses["ipv4"] == {"192.0.2.10": {"prefix_length": 24}}
    assert addresses["ipv6"] == {"2001:db8::10": {"prefix_length": 64}, "fe80::5054:ff:fe00:10": {"prefix_length": 64}}
    first = device.get_arp_table()[0]
    assert (first["interface"], first["ip"], first["mac"]) == ("mgmt0", "192.0.2.1", "52:54:00:00:00:01")
    health = device.get_environment()
    assert health["memory"]["available_ram"] == 4036860 and health["cpu"]["1"] == {"%usage": 23.5}
    assert health["temperature"] == {} and device.get_ntp_peers() == {} and device.get_optics() == {}
    networks = device.get_network_instances()
    assert networks["management"]["interfaces"] == {"interface": {"mgmt0": {}}} and "default" in networks
    assert device.get_interfaces_counters()["mgmt0"]["rx_octets"] == 9393939
    ways = device.get_route_to("192.0.2.0/24", "direct")
    assert ways["192.0.2.0/24"][0]["outgoing_interface"] == "Management0", "as NAPALM calls it"


async def test_a_candidate_put_away_and_one_that_is_wrong_change_nothing(rig: Rig) -> None:
    before = rig.supervisor.state.config
    await asyncio.to_thread(_refused, rig)
    assert rig.supervisor.state.config.vlans == before.vlans and rig.supervisor.state.config.hostname == before.hostname


def _refused(rig: Rig) -> None:
    with switch(rig) as device:
        device.load_merge_candidate(config="vlan 78\n  name eight\n")
        device.discard_config()
        assert device.compare_config() == ""
        device.load_merge_candidate(config=f"vlan 79\n  name nine\n{WRONG}\n")
        with pytest.raises(napalm.base.exceptions.MergeConfigException, match="rollback attempted"):
            device.commit_config()
        device.discard_config()
        kept = device._get_checkpoint_file()
        device.load_replace_candidate(config=kept.replace("name web", "name shop"))
        device.discard_config()
        device.load_replace_candidate(config=kept.replace("name web", f"name shop\n{WRONG}"))
        with pytest.raises(napalm.base.exceptions.ReplaceConfigException, match="Rollback failed"):
            device.commit_config()


async def test_a_whole_configuration_is_replaced_and_taken_back(rig: Rig) -> None:
    rig.configure("vlan 77")
    async for name, there in _replaced(rig):
        config = rig.supervisor.state.config
        assert (config.hostname, config.vlans[10].name, 77 in config.vlans) == (name, *there)


async def _replaced(rig: Rig) -> AsyncIterator[tuple[str, tuple[str, bool]]]:
    def replace() -> None:
        with switch(rig) as device:
            wanted = device._get_checkpoint_file().replace("hostname vsm-a", "hostname vsm-b")
            wanted = wanted.replace("name web", "name shop").replace("vlan 1,10,20,30,77", "vlan 1,10,20,30")
            device.load_replace_candidate(config=wanted)
            difference = device.compare_config().splitlines()
            assert {"hostname vsm-b", "no vlan 77", "  name shop"} <= set(difference)
            device.commit_config()
            assert device.get_facts()["hostname"] == "vsm-b"

    def take_back() -> None:
        with switch(rig) as device:
            device.rollback()
            assert device.get_facts()["hostname"] == "vsm-a"

    await asyncio.to_thread(replace)
    yield "vsm-b", ("shop", False)
    await asyncio.to_thread(take_back)
    yield "vsm-a", ("web", True)
