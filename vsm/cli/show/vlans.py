"""show vlan, show vlan brief, show vlan summary."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

from dvswitch.errors import NotFound
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.model.interfaces import short_name
from vsm.model.state import State, Vlan
from vsm.policy.ports import interfaces, member_vlans, port_settings

_INDENT = " " * 48
_PORTS_WIDTH = 32
_LAST_USER_VLAN = 1005


@dataclass(frozen=True, slots=True)
class VlanRow:
    """A VLAN and the ports that are configured for it."""

    id: int = field(metadata={"key": "vlanshowbr-vlanid"})
    utf: int = field(metadata={"key": "vlanshowbr-vlanid-utf"})
    name: str = field(metadata={"key": "vlanshowbr-vlanname"})
    state: str = field(metadata={"key": "vlanshowbr-vlanstate"})
    shut: str = field(metadata={"key": "vlanshowbr-shutstate"})
    ports: tuple[str, ...] = field(metadata={"key": "vlanshowplist-ifidx"})
    """Full names."""


@dataclass(frozen=True, slots=True)
class VlanTypeRow:
    """The second table of show vlan."""

    id: int = field(metadata={"key": "vlanshowinfo-vlanid"})
    media: str = field(metadata={"key": "vlanshowinfo-media-type"})
    mode: str = field(metadata={"key": "vlanshowinfo-vlanmode"})


def show_vlan(view: View, call: Call) -> Report:
    """VLANs with their ports; with `id`, those asked for."""
    rows = _chosen(view.state, call)
    types = [VlanTypeRow(row.id, "enet", "ce-vlan") for row in rows]
    return Report(brief_text(rows) + types_text(types), (Table("vlanbrief", rows), Table("mtuinfo", types)))


def show_vlan_brief(view: View, call: Call) -> Report:
    """The first table alone."""
    rows = _chosen(view.state, call)
    return Report(brief_text(rows), (Table("vlanbriefxbrief", rows),))


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """How many VLANs there are."""

    every: int = field(metadata={"key": "vlansum-all-vlan"})
    user: int = field(metadata={"key": "vlansum-user-vlan"})
    extended: int = field(metadata={"key": "vlansum-extended-vlan"})


def show_vlan_summary(view: View, _call: Call) -> Report:
    """How many VLANs there are; those above 1005 are the extended ones."""
    numbers = view.state.config.vlans
    extended = sum(number > _LAST_USER_VLAN for number in numbers)
    row = SummaryRow(len(numbers), len(numbers) - extended, extended)
    text = lines(
        f"Number of existing VLANs           : {row.every}",
        f" Number of existing user VLANs     : {row.user}",
        f" Number of existing extended VLANs : {row.extended}",
    )
    return Report(text, top=row)


def brief_text(rows: list[VlanRow]) -> str:
    """The table of VLANs and ports."""
    text = lines(
        "VLAN Name                             Status    Ports",
        "---- -------------------------------- --------- -------------------------------",
    )
    for row in rows:
        ports = ", ".join(short_name(name) for name in row.ports)
        wrapped = [part.rstrip(",") for part in textwrap.wrap(ports, _PORTS_WIDTH)] or [""]
        text += lines(f"{row.id:<4} {row.name:<32} {_status(row):<9} {wrapped[0]}")
        text += lines(*(_INDENT + part for part in wrapped[1:]))
    return text


def types_text(rows: list[VlanTypeRow]) -> str:
    """The table of VLAN types."""
    head = lines("", "VLAN Type         Vlan-mode", "---- -----        ----------")
    return head + lines(*(f"{row.id:<4} {row.media:<12} CE" for row in rows))


def _chosen(state: State, call: Call) -> list[VlanRow]:
    wanted, name = call.get("vlans"), call.get("name")
    vlans = [state.config.vlans[number] for number in sorted(state.config.vlans)]
    if name is not None:
        vlans = [vlan for vlan in vlans if vlan.title == name]
        if not vlans:
            raise NotFound(f"vlan named {name}", "does not exist")
    if wanted is not None:
        vlans = [vlan for vlan in vlans if vlan.id in wanted]
        if not vlans:
            raise NotFound(f"vlan {wanted}", "does not exist")
    members: dict[int, list[str]] = {vlan.id: [] for vlan in vlans}
    for name in interfaces(state):
        carried = member_vlans(port_settings(state, name))
        for number in members:
            if number in carried:
                members[number].append(name)
    return [_row(vlan, members[vlan.id]) for vlan in vlans]


def _row(vlan: Vlan, ports: list[str]) -> VlanRow:
    state = "active" if vlan.active else "suspend"
    shut = "shutdown" if vlan.shutdown else "noshutdown"
    return VlanRow(vlan.id, vlan.id, vlan.title, state, shut, tuple(ports))


def _status(row: VlanRow) -> str:
    if row.state != "active":
        return "suspended"
    return "act/lshut" if row.shut == "shutdown" else "active"
