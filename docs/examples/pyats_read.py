"""Reads a switch with pyATS and Genie, adds a vlan, and shows that Genie sees nothing else changed.

python -m venv pyats && pyats/bin/pip install 'pyats[library]'
PYATS_PASSWORD=... pyats/bin/python docs/examples/pyats_read.py 192.0.2.10 22 admin 77
"""

from __future__ import annotations

import os
import sys
from typing import Any

from genie.testbed import load  # type: ignore[import-not-found,import-untyped,unused-ignore]
from genie.utils.diff import Diff  # type: ignore[import-not-found,import-untyped,unused-ignore]

COMMANDS = (
    "show version", "show module", "show inventory", "show interface", "show interface brief", "show interface status",
    "show interface switchport", "show vlan", "show mac address-table", "show feature", "show users",
)  # fmt: skip
FEATURES = ("interface", "vlan", "fdb", "platform", "config")


def switch(host: str, port: str, user: str) -> Any:
    """The device of a testbed of its own; a file in YAML would say the same."""
    options = "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"  # of a lab, not for production
    device = {
        "os": "nxos",
        "type": "switch",
        "credentials": {"default": {"username": user, "password": os.environ["PYATS_PASSWORD"]}},
        "connections": {"cli": {"protocol": "ssh", "ip": host, "port": int(port), "ssh_options": options}},
    }
    return load({"testbed": {"name": "dvswitch"}, "devices": {"vsm": device}}).devices["vsm"]


def main(host: str, port: str, user: str, vlan: str) -> None:
    """Every step raises an exception when the switch's answer is not understood."""
    device = switch(host, port, user)
    device.connect(log_stdout=False, learn_hostname=True)
    for command in COMMANDS:
        print(f"{command}: {', '.join(map(str, device.parse(command)))}")
    for feature in FEATURES:
        device.learn(feature)
        print(f"learned {feature}")
    print(f"model {device.parse('show version')['platform']['hardware']['model']}")
    before = device.learn("config")
    device.configure([f"vlan {vlan}", "name from-pyats"])
    change = Diff(before, device.learn("config"))
    change.findDiff()
    print(change)
    device.configure(f"no vlan {vlan}")
    print(device.execute("copy running-config startup-config").splitlines()[-1])
    device.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:5])
