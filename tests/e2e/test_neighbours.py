"""Two hosts at the ends of one cable are each other's neighbours, as the supervisor shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.scenes import NamespaceScene, namespace_scene
from tests.support.processes import wait_until

pytestmark = pytest.mark.kernel
PATIENCE = 90.0


def rows(scene: NamespaceScene, protocol: str) -> list[dict[str, Any]]:
    """Neighbours in full, by uplink."""
    found = json.loads(scene.fabric.cli(f"show {protocol} neighbors detail | json"))
    table = next(iter(found.values()), {})
    entries = next(iter(table.values()), [])
    return entries if isinstance(entries, list) else [entries]


def know_each_other(scene: NamespaceScene, protocol: str) -> list[dict[str, Any]]:
    """The neighbours, once there are two."""
    return wait_until(
        lambda: found if len(found := rows(scene, protocol)) == 2 else None, f"{protocol} neighbours", PATIENCE
    )


@pytest.mark.parametrize("engine", ["user", "kernel"])
def test_hosts_find_each_other(engine: str) -> None:
    """S-220: by CDP unless told otherwise; then by LLDP alone, and a host that ends says goodbye (S-222)."""
    with namespace_scene(engine) as scene:
        first, second = know_each_other(scene, "cdp")
        assert [first["intf_id"], second["intf_id"]] == ["Ethernet3/1", "Ethernet4/1"]
        assert [first["device_id"], second["device_id"]] == ["beta", "alpha"]
        assert first["port_id"] == "up0" and first["platform_id"] == "dvswitch" and first["capability"] == "Switch"
        assert rows(scene, "lldp") == []
        scene.fabric.configure("lldp enable", "no cdp enable")
        first, second = know_each_other(scene, "lldp")
        assert [first["l_port_id"], second["l_port_id"]] == ["Eth3/1", "Eth4/1"]
        assert [first["sys_name"], second["sys_name"]] == ["beta", "alpha"]
        assert first["port_desc"] == "vsm uplink 1" and first["enabled_capability"] == "B"
        wait_until(lambda: not rows(scene, "cdp"), "CDP is silent", PATIENCE)
        if engine == "user":  # the kernel engine forwards on without its agent
            scene.beta.process.end()
            wait_until(lambda: not rows(scene, "lldp"), "beta has said goodbye", PATIENCE)
