"""show inventory and hosts: what automation asks every device for when it has logged in."""

from __future__ import annotations

from dataclasses import dataclass, field

import dvswitch
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show.system import serial_number


@dataclass(frozen=True, slots=True)
class InventoryRow:
    """A part of the switch."""

    name: str
    description: str = field(metadata={"key": "desc"})
    product: str = field(metadata={"key": "productid"})
    vendor: str = field(metadata={"key": "vendorid"})
    serial: str = field(metadata={"key": "serialnum"})


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
