"""mgmt0 as an interface, and show interface for all: mgmt0, the ports of the switch and its port-channels.

mgmt0 is the NIC by which the supervisor's machine is reached (vsm/machine.py); what Linux does not count is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vsm.cli.command import Call, View
from vsm.cli.report import RULE, Report, Table, lines
from vsm.cli.show.channel_interface import NO_MAC, channel_row, channel_text
from vsm.cli.show.channels import channels
from vsm.cli.show.interfaces import InterfaceRow, interface_row, interface_text, named
from vsm.cli.show.network import states
from vsm.machine import Nic, Traffic
from vsm.model.interfaces import MGMT0
from vsm.policy.ports import description
from vsm.policy.quarantine import ADMIN_DOWN, LINK_DOWN, NONE

_USUAL_KBIT = 1_000_000
_MTU = 1500


@dataclass(frozen=True, slots=True)
class CountedRow(InterfaceRow):
    """mgmt0; programs look for its counters under keys of their own."""

    received: int = field(metadata={"key": "mgmt_in_bytes"})
    received_groups: int = field(metadata={"key": "mgmt_in_mcast"})
    sent: int = field(metadata={"key": "mgmt_out_bytes"})
    sent_groups: int = field(metadata={"key": "mgmt_out_mcast"})


@dataclass(frozen=True, slots=True)
class ManagementRow(CountedRow):
    """mgmt0 with its address."""

    address: str = field(metadata={"key": "eth_ip_addr"})
    length: int = field(metadata={"key": "eth_ip_mask"})


def management_row(view: View) -> CountedRow:
    """mgmt0; a ManagementRow if it has an IPv4 address."""
    nic = view.machine.management()
    _, link, admin = states(nic)
    up = link == "up"
    speed = nic.speed if nic else 0
    values: dict[str, Any] = {
        "interface": MGMT0,
        "state": link,
        "reason": NONE if up else LINK_DOWN if admin == "up" else ADMIN_DOWN,
        "admin_state": admin,
        "profile": "",
        "owner": "",
        "adapter": nic.name if nic else "",
        "module": None,
        "host": "",
        "hardware": "Ethernet",
        "mac": nic.mac if nic else NO_MAC,
        "description": description(view.state, MGMT0),
        "mtu": nic.mtu if nic else _MTU,
        "bandwidth": speed * 1000 or _USUAL_KBIT,
        "mode": "routed",
        "duplex": "full" if up else "auto",
        "speed": f"{speed} Mb/s" if up and speed else "auto-speed",
        **(counted := _counts(view.machine.traffic(nic.name) if nic else Traffic())),
        "received": counted["in_bytes"],
        "received_groups": counted["in_multicast"],
        "sent": counted["out_bytes"],
        "sent_groups": counted["out_multicast"],
    }
    if nic is None or nic.address is None:
        return CountedRow(**values)
    return ManagementRow(**values, address=str(nic.address.ip), length=nic.address.network.prefixlen)


def _counts(seen: Traffic) -> dict[str, int]:
    """Linux has no count of broadcasts, nor of groups on the way out: those are among the unicasts here."""
    return {
        "in_unicast": seen.in_packets - seen.in_multicast,
        "in_multicast": seen.in_multicast,
        "in_broadcast": 0,
        "in_packets": seen.in_packets,
        "in_bytes": seen.in_bytes,
        "in_errors": seen.in_errors,
        "in_runts": 0,
        "in_discards": seen.in_drops,
        "out_unicast": seen.out_packets,
        "out_multicast": 0,
        "out_broadcast": 0,
        "out_packets": seen.out_packets,
        "out_bytes": seen.out_bytes,
        "out_errors": seen.out_errors,
        "out_discards": seen.out_drops,
        "out_flooded": 0,
    }


def management_text(row: InterfaceRow) -> str:
    """NX-OS block."""
    address = f"  Internet Address is {row.address}/{row.length}" if isinstance(row, ManagementRow) else ""
    told = [line for line in interface_text(row).splitlines() if not line.startswith("  Belongs to")]
    at = next(number for number, line in enumerate(told) if line.startswith("  MTU "))
    return lines(*told[:at], *([address] if address else []), *told[at:])


def show_management(view: View, _call: Call) -> Report:
    """mgmt0."""
    row = management_row(view)
    return Report(management_text(row), (Table("interface", [row]),))


def show_all(view: View, call: Call) -> Report:
    """mgmt0, uplinks, vEths and port-channels, in the form that clients parse."""
    first, found = management_row(view), channels(view)
    rows = [interface_row(view, name) for name in named(view.state, call)]
    bundles = [channel_row(view, channel) for channel in found]

    def text() -> str:
        ends = (channel_text(row, channel) for row, channel in zip(bundles, found, strict=True))
        return "\n".join((management_text(first), *map(interface_text, rows), *ends))

    return Report(text, (Table("interface", [first, *rows, *bundles]),))


@dataclass(frozen=True, slots=True)
class BriefRow:
    """mgmt0 in a line."""

    interface: str
    vrf: str = field(metadata={"key": "vrf_name"})
    state: str
    address: str = field(metadata={"key": "ip_addr"})
    """"--" = none."""
    speed: str
    mtu: int


def management_brief(view: View) -> BriefRow:
    """For show interface brief."""
    row = management_row(view)
    address = row.address if isinstance(row, ManagementRow) else "--"
    return BriefRow(MGMT0, "--", row.state, address, speed_of(view.machine.management()), row.mtu)


def speed_of(nic: Nic | None) -> str:
    """In Mbit/s; auto when it is not known."""
    return str(nic.speed) if nic and nic.speed else "auto"


def show_management_brief(view: View, _call: Call) -> Report:
    """mgmt0 in a line."""
    row = management_brief(view)
    return Report(brief_text(row), (Table("interface", [row]),))


def brief_text(row: BriefRow) -> str:
    """The first table of show interface brief."""
    return lines(
        RULE,
        "Port   VRF          Status IP Address                              Speed    MTU",
        RULE,
        f"{row.interface:<6} {row.vrf:<12} {row.state:<6} {row.address:<39} {row.speed:<8} {row.mtu}",
    )
