"""show inventory, hosts and interface status: what automation asks every device for when it has logged in."""

from __future__ import annotations

from dataclasses import dataclass, field

import dvswitch
from vsm.cli.command import Call, View
from vsm.cli.report import RULE, Report, Table, lines
from vsm.cli.show.interfaces import InterfaceRow, interface_row
from vsm.cli.show.system import serial_number
from vsm.model.interfaces import short_name
from vsm.policy.ports import interfaces, port_settings

_NO_NAME = "--"


@dataclass(frozen=True, slots=True)
class InventoryRow:
    """A part of the switch."""

    name: str
    description: str = field(metadata={"key": "desc"})
    product: str = field(metadata={"key": "productid"})
    vendor: str = field(metadata={"key": "vendorid"})
    serial: str = field(metadata={"key": "serialnum"})


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A line of show interface status."""

    interface: str
    name: str
    state: str
    vlan: str
    duplex: str
    speed: str
    type: str


def show_inventory(view: View, _call: Call) -> Report:
    """The supervisor and the hosts that have joined."""
    serial = serial_number(view.state.config.domain)
    rows = [InventoryRow("Chassis", "Nexus 1000V Chassis", "Nexus1000V", dvswitch.__version__, serial)]
    rows += [
        InventoryRow(f"Slot {slot}", "Virtual Ethernet Module", "Nexus1000V-VEM", module.version or "NA", "NA")
        for slot, module in sorted(view.state.inventory.modules.items())
    ]
    text = lines(
        *(
            line
            for row in rows
            for line in (
                f'NAME: "{row.name}",  DESCR: "{row.description}"',
                f"PID: {row.product} ,  VID: {row.vendor} ,  SN: {row.serial}",
                "",
            )
        )
    )
    return Report(text, (Table("inv", rows),))


def show_hosts(_view: View, _call: Call) -> Report:
    """Names are not looked up here, and there is no default domain."""
    return Report(lines("DNS lookup disabled"))


def show_interface_status(view: View, _call: Call) -> Report:
    """All interfaces, one a line, in the words of NX-OS."""
    rows = [_row(view, interface_row(view, name)) for name in interfaces(view.state)]
    text = lines(
        RULE,
        _line(StatusRow("Port", "Name", "Status", "Vlan", "Duplex", "Speed", "Type")),
        RULE,
        *(_line(row) for row in rows),
    )
    return Report(text, (Table("interface", rows),))


def _row(view: View, row: InterfaceRow) -> StatusRow:
    up = row.state == "up"
    if row.admin_state == "down":
        state = "disabled"
    else:
        state = "connected" if up else "notconnec" if row.hardware == "Ethernet" else "down"
    vlan = "trunk" if row.mode == "trunk" else str(port_settings(view.state, row.interface).access_vlan)
    name = row.description or _NO_NAME
    return StatusRow(row.interface, name, state, vlan, row.duplex, "10G" if up else "auto", _NO_NAME)


def _line(row: StatusRow) -> str:
    port = row.interface if row.interface == "Port" else short_name(row.interface)
    cells = f"{port:<13} {row.name[:18]:<18} {row.state:<9} {row.vlan:<9} {row.duplex:<7} {row.speed:<7} {row.type}"
    return cells.rstrip()
