"""show mac address-table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.model.interfaces import Interface, Vethernet, short_name
from vsm.model.settings import UNTAGGED
from vsm.model.state import State, Veth
from vsm.policy.ports import active_vlans, member_vlans, port_settings
from vsm.policy.quarantine import UP, status
from vsm.runtime import MacRow

HOST_AGING = 300
"""Seconds that a host uses when nobody says anything (S-069)."""

_LEGEND = """\
Legend:
        * - primary entry, G - Gateway MAC, (R) - Routed MAC, O - Overlay MAC
        age - seconds since last seen,+ - primary entry using vPC Peer-Link,
        (T) - True, (F) - False, C - ControlPlane MAC, ~ - vsan
   VLAN     MAC Address      Type      age     Secure NTFY Ports
---------+-----------------+--------+---------+------+----+------------------
"""


@dataclass(frozen=True, slots=True)
class AddressRow:
    """A line of the table."""

    vlan: int = field(metadata={"key": "disp_vlan"})
    mac: str = field(metadata={"key": "disp_mac_addr"})
    """Dotted."""
    type: str = field(metadata={"key": "disp_type"})
    age: str = field(metadata={"key": "disp_age"})
    secure: bool = field(metadata={"key": "disp_is_secure"})
    ntfy: bool = field(metadata={"key": "disp_is_ntfy"})
    port: str = field(metadata={"key": "disp_port"})
    module: int = field(metadata={"key": "disp_module"})


def show_mac_address_table(view: View, call: Call) -> Report:
    """Addresses of vNICs (static) and those that modules learned (dynamic), filtered."""
    ordered = sorted(_entries(view, call), key=lambda entry: (entry.vlan, entry.mac, entry.slot, entry.interface))
    rows = [_row(entry) for entry in ordered]
    return Report(text(rows), (Table("mac_address", rows),))


def _entries(view: View, call: Call) -> list[MacRow]:
    entries = {(entry.vlan, entry.mac, entry.interface): entry for entry in view.runtime.learned_macs()}
    entries |= {(entry.vlan, entry.mac, entry.interface): entry for entry in static_entries(view.state)}
    return [entry for entry in entries.values() if _fits(entry, call)]


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many addresses are known."""

    dynamic: int = field(metadata={"key": "dyn_cnt"})
    static: int = field(metadata={"key": "static_cnt"})
    total: int = field(metadata={"key": "total_cnt"})


def show_count(view: View, call: Call) -> Report:
    """How many addresses there are, of all or as filtered."""
    entries = _entries(view, call)
    static = sum(entry.static for entry in entries)
    row = CountRow(len(entries) - static, static, len(entries))
    vlan = f"vlan {call['vlan']}" if call.get("vlan") else "all vlans"
    text = lines(
        f"MAC Entries for {vlan}:",
        f"Dynamic Address Count:                 {row.dynamic}",
        f"Static Address (User-defined) Count:   {row.static}",
        f"Total MAC Addresses in Use:            {row.total}",
    )
    return Report(text, top=row)


@dataclass(frozen=True, slots=True)
class AgingRow:
    """How long addresses are kept that are not seen."""

    age: int = field(metadata={"key": "disp_age"})


def show_aging_time(view: View, _call: Call) -> Report:
    """The ageing time of learned addresses, in seconds."""
    said = view.state.config.mac_aging
    row = AgingRow(said or HOST_AGING)
    note = [] if said else ["", "Not set here: hosts that are configured otherwise keep to their own."]
    return Report(lines("Aging Time", "----------", f"{row.age:>7}", *note), top=row)


def text(rows: list[AddressRow]) -> str:
    """Legend and table."""
    return _LEGEND + lines(
        *(f"*{row.vlan:>5}     {row.mac}   {row.type:<8} {row.age:<9} F      F    {row.port}" for row in rows)
    )


def static_entries(state: State) -> Iterator[MacRow]:
    """Addresses of vNICs whose port is up, in each VLAN that the port carries."""
    active = active_vlans(state.config) | VlanSet.of([UNTAGGED])
    for veth in state.inventory.veths.values():
        if status(state, veth)[0] == UP:
            name = Vethernet(veth.number).full
            for vlan in member_vlans(port_settings(state, name)) & active:
                yield MacRow(vlan, veth.mac, True, 0, name, _slot(veth))


def _slot(veth: Veth) -> int:
    return veth.slot or 0


def _fits(entry: MacRow, call: Call) -> bool:
    vlan: int | None = call.get("vlan")
    mac: MacAddress | None = call.get("mac")
    interfaces: tuple[Interface, ...] | None = call.get("interfaces")
    slot: int | None = call.get("slot")
    return (
        (vlan is None or entry.vlan == vlan)
        and (mac is None or entry.mac == mac)
        and (interfaces is None or entry.interface == interfaces[0].full)
        and (slot is None or entry.slot == slot)
        and not (call.has("static") and not entry.static)
        and not (call.has("dynamic") and entry.static)
    )


def _row(entry: MacRow) -> AddressRow:
    kind, age = ("static", "-") if entry.static else ("dynamic", str(entry.age))
    return AddressRow(entry.vlan, entry.mac.dotted, kind, age, False, False, short_name(entry.interface), entry.slot)
