"""show inventory, hosts, privilege, license host-id and system redundancy status: what automation asks
every device for when it has logged in."""

from __future__ import annotations

from dataclasses import dataclass, field

import dvswitch
from vsm.cli import permission
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show.system import serial_number
from vsm.model.users import NETWORK_ADMIN


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


@dataclass(frozen=True, slots=True)
class HostIdRow:
    """By what licences would know the switch."""

    host_id: str


def show_host_id(view: View, _call: Call) -> Report:
    """The serial number."""
    row = HostIdRow(f"VDH={serial_number(view.state.config.domain)}")
    return Report(lines(f"License hostid: {row.host_id}"), top=row)


@dataclass(frozen=True, slots=True)
class PrivilegeRow:
    """Who asks, and what he may."""

    user: str
    level: int = field(metadata={"key": "priv_lvl"})


def show_privilege(view: View, _call: Call) -> Report:
    """15 for whoever may change everything, else 1."""
    roles = permission.roles_of(view.session, view.state.config)
    row = PrivilegeRow(view.session.user or "local", 15 if NETWORK_ADMIN in roles else 1)
    return Report(lines(f"User name: {row.user}", f"Current privilege level: {row.level}"), top=row)


@dataclass(frozen=True, slots=True)
class RedundancyRow:
    """Which supervisors there are."""

    admin_role: str = field(default="standalone", metadata={"key": "rdn_role_admin"})
    role: str = field(default="standalone", metadata={"key": "rdn_role_oper"})
    admin_mode: str = field(default="HA", metadata={"key": "rdn_mode_admin"})
    mode: str = field(default="None", metadata={"key": "rdn_mode_oper"})
    this: int = field(default=1, metadata={"key": "this_sup"})
    state: str = field(default="Active", metadata={"key": "this_sup_rdn_state"})
    supervisor: str = field(default="Active", metadata={"key": "this_sup_sup_state"})
    internal: str = field(default="Active with no standby", metadata={"key": "this_sup_internal_state"})
    other: int = field(default=2, metadata={"key": "other_sup"})
    other_state: str = field(default="Not present", metadata={"key": "other_sup_rdn_state"})


def show_redundancy(_view: View, _call: Call) -> Report:
    """This supervisor is alone."""
    row = RedundancyRow()
    text = lines(
        "Redundancy role",
        "---------------",
        f"      administrative:   {row.admin_role}",
        f"         operational:   {row.role}",
        "",
        "Redundancy mode",
        "---------------",
        f"      administrative:   {row.admin_mode}",
        f"         operational:   {row.mode}",
        "",
        f"This supervisor (sup-{row.this})",
        "-----------------------",
        f"    Redundancy state:   {row.state}",
        f"    Supervisor state:   {row.supervisor}",
        f"      Internal state:   {row.internal}",
        "",
        f"Other supervisor (sup-{row.other})",
        "------------------------",
        f"    Redundancy state:   {row.other_state}",
    )
    return Report(text, top=row)
