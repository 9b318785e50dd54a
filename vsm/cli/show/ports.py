"""show interface brief, status, description, switchport, trunk, mac-address and snmp-ifindex: a line or a few per port.

Layouts are those of NX-OS 9000, which clients parse; vEths stand in the Ethernet table.  Counters are in
vsm/cli/show/counters.py, whole interfaces in vsm/cli/show/interfaces.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from dvswitch.vlan import VlanSet
from vsm.cli.command import Call, View
from vsm.cli.report import RULE, Report, Table, lines
from vsm.cli.show.channel_interface import channel_mac
from vsm.cli.show.channels import Channel, channels, speed_word
from vsm.cli.show.channels import brief_text as channels_text
from vsm.cli.show.channels import show_brief as show_channels_brief
from vsm.cli.show.channels import status as channel_status
from vsm.cli.show.interfaces import mac_of, named, status_of
from vsm.cli.show.management import brief_text as management_text
from vsm.cli.show.management import management_brief, management_row, speed_of
from vsm.model.interfaces import MGMT0, Ethernet, Vethernet, parse_interface
from vsm.model.settings import NO_NATIVE, PortMode, Settings
from vsm.model.state import State
from vsm.policy.ports import active_vlans, description, port_settings
from vsm.policy.quarantine import ADMIN_DOWN, LINK_DOWN, NONE

NOTHING = "--"
_STATUS = {NONE: "connected", ADMIN_DOWN: "disabled", LINK_DOWN: "notconnec", "No operational members": "noOperMem"}
"""By reason; clients know no other words than these and "down"."""
_FIRST_ETHERNET, _FIRST_CHANNEL, _FIRST_VETH, _MANAGEMENT = 0x1A000000, 0x16000000, 0x1C000000, 0x05000000
"""Where NX-OS begins to number interfaces."""


@dataclass(frozen=True, slots=True)
class Port:
    """An uplink, vEth or port-channel, with what all these commands tell of it."""

    name: str
    short: str
    state: str
    reason: str
    settings: Settings
    speed: str
    """10G, or auto while it is down."""
    channel: str
    """Number of the port-channel that it is a member of, else "--"."""
    description: str
    mac: str
    index: int
    """IF-MIB's ifIndex."""

    @property
    def trunk(self) -> bool:
        """Whether it carries several vlans."""
        return self.settings.mode is PortMode.TRUNK

    @property
    def vlan(self) -> str:
        """The vlan of frames without a tag; "--" = none."""
        number = self.settings.native_vlan if self.trunk else self.settings.access_vlan
        return str(number) if number and number != NO_NATIVE else NOTHING


def ports(view: View, call: Call, *, management: bool = False) -> list[Port]:
    """Those that the command names; without names all, port-channels last, and mgmt0 first if it is wanted."""
    found = channels(view)
    members = {
        Ethernet(channel.slot, member.number).full: str(channel.number)
        for channel in found
        for member in channel.members
    }
    chosen = [_port(view, name, members.get(name, NOTHING)) for name in named(view.state, call)]
    if call.get("interfaces"):
        return chosen
    first = [_of_management(view)] if management else []
    return [*first, *chosen, *(_of_channel(view, channel) for channel in found)]


def _port(view: View, name: str, channel: str) -> Port:
    state, reason = status_of(view, name)
    interface = parse_interface(name)
    return Port(
        name=name,
        short=interface.short,
        state=state,
        reason=reason,
        settings=port_settings(view.state, name),
        speed="10G" if state == "up" else "auto",
        channel=channel,
        description=description(view.state, name),
        mac=mac_of(view.state, name),
        index=_index(interface),
    )


def _of_management(view: View) -> Port:
    row = management_row(view)
    return Port(
        name=MGMT0,
        short=MGMT0,
        state=row.state,
        reason=row.reason,
        settings=Settings(),
        speed=speed_of(view.machine.management()) if row.state == "up" else "auto",
        channel=NOTHING,
        description=row.description,
        mac=row.mac,
        index=_MANAGEMENT,
    )


def _index(interface: Ethernet | Vethernet) -> int:
    if isinstance(interface, Vethernet):
        return _FIRST_VETH + interface.number * 16
    return _FIRST_ETHERNET + ((interface.slot - 1) << 19) + ((interface.number - 1) << 12)


@lru_cache(maxsize=256)
def _vlans(vlans: VlanSet | None) -> str:
    """Kept, since most ports have the same."""
    return str(vlans or "") or "none"


def _of_channel(view: View, channel: Channel) -> Port:
    state, reason = channel_status(channel)
    return Port(
        name=channel.name,
        short=f"Po{channel.number}",
        state=state,
        reason=reason,
        settings=channel.settings,
        speed=f"a-{speed_word(channel.speed)}" if channel.speed else "auto",
        channel=NOTHING,
        description="",
        mac=channel_mac(view, channel),
        index=_FIRST_CHANNEL + channel.number - 1,
    )


# ---- brief


@dataclass(frozen=True, slots=True)
class BriefRow:
    """A line of show interface brief."""

    interface: str
    vlan: str
    type: str
    mode: str = field(metadata={"key": "portmode"})
    state: str
    reason: str = field(metadata={"key": "state_rsn_desc"})
    speed: str
    rate_mode: str = field(metadata={"key": "ratemode"})
    channel: str = field(metadata={"key": "portchan"})


def show_brief(view: View, call: Call) -> Report:
    """State and vlan of each port."""
    chosen = ports(view, call)
    rows = [_brief_row(port) for port in chosen if not port.name.startswith("port-channel")]
    text = lines(
        RULE,
        "Ethernet        VLAN    Type Mode   Status  Reason                 Speed    Port",
        "Interface                                                                   Ch #",
        RULE,
        *(
            f"{port.short:<15} {row.vlan:<7} {row.type:<4} {row.mode:<6} {row.state:<7} {row.reason:<22} "
            f"{row.speed + '(D)':<8} {row.channel}"
            for port, row in zip(chosen, rows, strict=False)
        ),
    )
    bundles = () if call.get("interfaces") else show_channels_brief(view, call).tables[0].rows
    first = [] if call.get("interfaces") else [management_brief(view)]
    parts = [*map(management_text, first), text, *([channels_text(bundles)] if bundles else [])]
    return Report("\n".join(parts), (Table("interface", [*first, *rows, *bundles]),))


def _brief_row(port: Port) -> BriefRow:
    kind = "virt" if port.name.startswith("V") else "eth"
    mode = "trunk" if port.trunk else "access"
    return BriefRow(port.name, port.vlan, kind, mode, port.state, port.reason, port.speed, "D", port.channel)


# ---- status


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


def show_status(view: View, call: Call) -> Report:
    """Description, link and vlan of each port."""
    chosen = ports(view, call, management=True)
    rows = [_status_row(port) for port in chosen]
    text = lines(
        RULE,
        "Port          Name               Status    Vlan      Duplex  Speed   Type",
        RULE,
        *(
            f"{port.short:<13} {row.name[:18]:<18} {row.state:<9} {row.vlan:<9} {row.duplex:<7} {row.speed:<7} "
            f"{row.type}"
            for port, row in zip(chosen, rows, strict=True)
        ),
    )
    return Report(text, (Table("interface", rows),))


def _status_row(port: Port) -> StatusRow:
    return StatusRow(
        interface=port.name,
        name=port.description or NOTHING,
        state=_STATUS.get(port.reason, "down"),
        vlan="routed" if port.name == MGMT0 else "trunk" if port.trunk else port.vlan,
        duplex="full" if port.state == "up" else "auto",
        speed=port.speed,
        type=NOTHING,
    )


# ---- description


@dataclass(frozen=True, slots=True)
class DescriptionRow:
    """A line of show interface description."""

    interface: str
    description: str = field(metadata={"key": "desc"})


def show_description(view: View, call: Call) -> Report:
    """What each port is described as."""
    chosen = ports(view, call, management=True)
    rows = [DescriptionRow(port.name, port.description or NOTHING) for port in chosen]
    text = _table(
        ("Interface                Description",),
        [f"{port.short:<24} {row.description}" for port, row in zip(chosen, rows, strict=True)],
    )
    return Report(text, (Table("interface", rows),))


def _table(head: Sequence[str], body: Sequence[str]) -> str:
    return lines(RULE, *head, RULE, *body)


# ---- switchport


@dataclass(frozen=True, slots=True)
class SwitchportRow:
    """A port's vlans."""

    interface: str
    switchport: str
    monitor: str = field(metadata={"key": "switchport_monitor"})
    mode: str = field(metadata={"key": "oper_mode"})
    access_vlan: int
    access_name: str = field(metadata={"key": "access_vlan_name"})
    native_vlan: str
    native_name: str = field(metadata={"key": "native_vlan_name"})
    trunk_vlans: str


def show_switchport(view: View, call: Call) -> Report:
    """How each port treats vlans."""
    rows = [_switchport_row(view.state, port) for port in ports(view, call)]
    return Report("\n".join(_switchport_text(row) for row in rows), (Table("interface", rows),))


def _switchport_row(state: State, port: Port) -> SwitchportRow:
    access, native = port.settings.access_vlan or 0, port.settings.native_vlan or 0
    return SwitchportRow(
        interface=port.name,
        switchport="Enabled",
        monitor="Not enabled",
        mode="trunk" if port.trunk else "access",
        access_vlan=access,
        access_name=_vlan_name(state, access),
        native_vlan="none" if native == NO_NATIVE else str(native),
        native_name=_vlan_name(state, native),
        trunk_vlans=_vlans(port.settings.allowed_vlans),
    )


def _vlan_name(state: State, number: int) -> str:
    if number <= 0:
        return "untagged" if number == 0 else ""
    vlan = state.config.vlans.get(number)
    return vlan.title if vlan else "Vlan not created"


def _switchport_text(row: SwitchportRow) -> str:
    native = f"{row.native_vlan} ({row.native_name})" if row.native_name else row.native_vlan
    return lines(
        f"Name: {row.interface}",
        f"  Switchport: {row.switchport}",
        f"  Switchport Monitor: {row.monitor}",
        f"  Operational Mode: {row.mode}",
        f"  Access Mode VLAN: {row.access_vlan} ({row.access_name})",
        f"  Trunking Native Mode VLAN: {native}",
        f"  Trunking VLANs Allowed: {row.trunk_vlans}",
    )


# ---- trunk


@dataclass(frozen=True, slots=True)
class TrunkRow:
    """A trunk."""

    interface: str
    native: str
    status: str
    channel: str = field(metadata={"key": "portchannel"})
    allowed: str = field(metadata={"key": "allowedvlans"})
    active: str = field(metadata={"key": "activevlans"})


def show_trunk(view: View, call: Call) -> Report:
    """Ports that carry several vlans, and which."""
    chosen = [port for port in ports(view, call) if port.trunk]
    there = active_vlans(view.state.config)
    rows = [
        TrunkRow(
            interface=port.name,
            native=port.vlan,
            status="trunking" if port.state == "up" else "not-trunking",
            channel=f"Po{port.channel}" if port.channel != NOTHING else NOTHING,
            allowed=_vlans(port.settings.allowed_vlans),
            active=_vlans((port.settings.allowed_vlans or VlanSet()) & there),
        )
        for port in chosen
    ]
    return Report(_trunk_text(chosen, rows), (Table("interface", rows),))


def _trunk_text(chosen: Sequence[Port], rows: Sequence[TrunkRow]) -> str:
    def part(title: str, of: Callable[[TrunkRow], str], *more: str) -> str:
        body = [f"{port.short:<13} {of(row)}" for port, row in zip(chosen, rows, strict=True)]
        return _table((title, *more), body)

    return "\n".join(
        (
            part(
                "Port          Native  Status        Port",
                lambda row: f"{row.native:<7} {row.status:<13} {row.channel}",
                "              Vlan                  Channel",
            ),
            part("Port          Vlans Allowed on Trunk", lambda row: row.allowed),
            part("Port          Vlans Allowed and Active on Trunk", lambda row: row.active),
        )
    )


# ---- mac-address and snmp-ifindex


@dataclass(frozen=True, slots=True)
class MacAddressRow:
    """A port's own address: of a vEth, its NIC's."""

    interface: str
    mac: str = field(metadata={"key": "mac-addr"})
    burnt_in: str = field(metadata={"key": "burnin-mac-addr"})


def show_mac_addresses(view: View, call: Call) -> Report:
    """The address of each port."""
    rows = [MacAddressRow(port.name, port.mac, port.mac) for port in ports(view, call, management=True)]
    body = [f"{row.interface:<26} {row.mac:<15} {row.burnt_in}" for row in rows]
    return Report(_table(("Interface                  Mac-Address     Burn-in Mac-Address",), body), _interfaces(rows))


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A port's number in management systems."""

    interface: str
    index: int = field(metadata={"key": "snmp-ifindex"})


def show_index(view: View, call: Call) -> Report:
    """The number of each port, as NX-OS makes it from the name."""
    chosen = ports(view, call, management=True)
    rows = [IndexRow(port.name, port.index) for port in chosen]
    body = [f"{port.short:<15} {port.index:<12} ({port.index:#010x})" for port in chosen]
    return Report(_table(("Port            IFMIB Ifindex (hex)",), body), _interfaces(rows))


def _interfaces(rows: Sequence[object]) -> tuple[Table]:
    return (Table("interface", rows),)
