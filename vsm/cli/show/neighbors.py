"""show lldp neighbors and show cdp neighbors, with detail: who is at the other end of uplinks (layouts of NX-OS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.model.interfaces import Ethernet
from vsm.observed import Discovery, Neighbor

_LLDP_LETTERS = {0x04: "B", 0x10: "R", 0x20: "T", 0x40: "C", 0x08: "W", 0x02: "P", 0x80: "S", 0x01: "O"}
_CDP_WORDS: Mapping[int, tuple[str, str]] = {
    0x01: ("R", "Router"),
    0x02: ("T", "Trans-Bridge"),
    0x04: ("B", "Source-Route-Bridge"),
    0x08: ("S", "Switch"),
    0x10: ("H", "Host"),
    0x20: ("I", "IGMP Filtering"),
    0x40: ("r", "Repeater"),
    0x80: ("V", "VOIP-Phone"),
    0x100: ("D", "Remotely-Managed"),
    0x200: ("s", "Supports-STP-Dispute"),
}
_LLDP_LEGEND = (
    "Capability codes:",
    "  (R) Router, (B) Bridge, (T) Telephone, (C) DOCSIS Cable Device",
    "  (W) WLAN Access Point, (P) Repeater, (S) Station, (O) Other",
)
_CDP_LEGEND = (
    "Capability Codes: R - Router, T - Trans-Bridge, B - Source-Route-Bridge",
    "                  S - Switch, H - Host, I - IGMP, r - Repeater,",
    "                  V - VoIP-Phone, D - Remotely-Managed-Device,",
    "                  s - Supports-STP-Dispute",
)
_UNTOLD = "null"
"""NX-OS's word for a text that was not told; clients want one word for a name."""
_LLDP_TITLES = "Device ID            Local Intf      Hold-time  Capability  Port ID"
_CDP_TITLES = "Device-ID          Local Intrfce  Hldtme Capability  Platform      Port ID"


@dataclass(frozen=True, slots=True)
class LldpRow:
    """A neighbour that LLDP found."""

    chassis: str = field(metadata={"key": "chassis_id"})
    name: str = field(metadata={"key": "sys_name"})
    local: str = field(metadata={"key": "l_port_id"})
    left: int = field(metadata={"key": "ttl"})
    hold: int = field(metadata={"key": "hold_time"})
    system: str = field(metadata={"key": "system_capability"})
    enabled: str = field(metadata={"key": "enabled_capability"})
    port: str = field(metadata={"key": "port_id"})
    port_description: str = field(metadata={"key": "port_desc"})
    description: str = field(metadata={"key": "sys_desc"})
    management: str = field(metadata={"key": "mgmt_addr"})
    vlan: str = field(metadata={"key": "vlan_id"})


@dataclass(frozen=True, slots=True)
class CdpRow:
    """A neighbour that CDP found."""

    device: str = field(metadata={"key": "device_id"})
    name: str = field(metadata={"key": "sysname"})
    local: str = field(metadata={"key": "intf_id"})
    left: int = field(metadata={"key": "ttl"})
    capability: tuple[str, ...]
    platform: str = field(metadata={"key": "platform_id"})
    port: str = field(metadata={"key": "port_id"})
    version: str
    addresses: tuple[str, ...] = field(metadata={"key": "v4addr"})
    vlan: int = field(metadata={"key": "nativevlan"})
    letters: str


# ---- LLDP


def show_lldp(view: View, _call: Call) -> Report:
    """One line per neighbour."""
    rows = [_lldp_row(found) for found in _found(view, Discovery.LLDP)]
    return Report(lldp_text(rows), (Table("nbor", rows),))


def show_lldp_detail(view: View, _call: Call) -> Report:
    """A block per neighbour."""
    rows = [_lldp_row(found) for found in _found(view, Discovery.LLDP)]
    return Report(lldp_detail_text(rows), (Table("nbor_detail", rows),))


def _found(view: View, protocol: Discovery) -> list[Neighbor]:
    found = [neighbor for neighbor in view.runtime.neighbors() if neighbor.protocol is protocol]
    return sorted(found, key=lambda neighbor: (neighbor.slot, neighbor.number, neighbor.chassis, neighbor.port))


def _lldp_row(found: Neighbor) -> LldpRow:
    return LldpRow(
        chassis=_dotted(found.chassis),
        name=found.system_name,
        local=Ethernet(found.slot, found.number).short,
        left=found.left,
        hold=found.hold,
        system=_letters(found.capabilities),
        enabled=_letters(found.enabled),
        port=_dotted(found.port),
        port_description=found.port_description,
        description=found.system_description,
        management=found.management[0] if found.management else "",
        vlan=str(found.native_vlan) if found.native_vlan else "not advertised",
    )


def _dotted(text: str) -> str:
    """A MAC address as NX-OS writes it; anything else as it is."""
    try:
        return MacAddress.parse(text).dotted
    except InvalidValue:
        return text


def _letters(bits: int) -> str:
    return ", ".join(letter for bit, letter in _LLDP_LETTERS.items() if bits & bit)


def lldp_text(rows: Sequence[LldpRow]) -> str:
    """Legend and table; a name that is too long has a line of its own."""
    text = [*_LLDP_LEGEND, _LLDP_TITLES]
    for row in rows:
        name = _word(row.name or row.chassis)
        text += [name] if len(name) > 20 else []
        head = "" if len(name) > 20 else name
        capability = row.enabled.replace(", ", "")
        text.append(f"{head:<20} {row.local:<15} {row.hold:<10} {capability:<11} {_word(row.port)}")
    return lines(*text, f"Total entries displayed: {len(rows)}")


def lldp_detail_text(rows: Sequence[LldpRow]) -> str:
    """Legend, then a block per neighbour, which ends with its VLAN."""
    text = [*_LLDP_LEGEND, _LLDP_TITLES, ""]
    for row in rows:
        text += [
            f"Chassis id: {row.chassis}",
            f"Port id: {row.port}",
            f"Local Port id: {row.local}",
            f"Port Description: {row.port_description or _UNTOLD}",
            f"System Name: {row.name or _UNTOLD}",
            f"System Description: {row.description or _UNTOLD}",
            f"Time remaining: {row.left} seconds",
            f"System Capabilities: {row.system or 'not advertised'}",
            f"Enabled Capabilities: {row.enabled or 'not advertised'}",
            f"Management Address: {row.management or 'not advertised'}",
            f"Vlan ID: {row.vlan}",
            "",
            "",
        ]
    return lines(*text, f"Total entries displayed: {len(rows)}")


# ---- CDP


def show_cdp(view: View, _call: Call) -> Report:
    """One line per neighbour."""
    rows = [_cdp_row(found) for found in _found(view, Discovery.CDP)]
    return Report(cdp_text(rows), (Table("cdp_neighbor_brief_info", rows),))


def show_cdp_detail(view: View, _call: Call) -> Report:
    """A block per neighbour."""
    rows = [_cdp_row(found) for found in _found(view, Discovery.CDP)]
    return Report(cdp_detail_text(rows), (Table("cdp_neighbor_detail_info", rows),))


def _cdp_row(found: Neighbor) -> CdpRow:
    words = [words for bit, words in _CDP_WORDS.items() if found.capabilities & bit]
    return CdpRow(
        device=found.chassis,
        name=found.system_name,
        local=Ethernet(found.slot, found.number).full,
        left=found.left,
        capability=tuple(word for _, word in words),
        platform=found.platform,
        port=found.port,
        version=found.system_description,
        addresses=found.management,
        vlan=found.native_vlan,
        letters=" ".join(letter for letter, _ in words),
    )


def cdp_text(rows: Sequence[CdpRow]) -> str:
    """Legend and table; a device id that is too long has a line of its own."""
    text = [*_CDP_LEGEND, "", _CDP_TITLES]
    for row in rows:
        name, local = _word(row.device), row.local.replace("Ethernet", "Eth")
        text += [name] if len(name) > 18 else []
        head = "" if len(name) > 18 else name
        platform = _word(row.platform or "--")[:13]
        text.append(f"{head:<18} {local:<14} {row.left:<6} {row.letters or '--':<11} {platform:<13} {_word(row.port)}")
    return lines(*text, "", f"Total entries displayed: {len(rows)}")


def cdp_detail_text(rows: Sequence[CdpRow]) -> str:
    """A block per neighbour; what was not told is left out."""
    text = []
    for row in rows:
        addresses = [f"    IPv{ip_address(one).version} Address: {one}" for one in row.addresses]
        text += [
            "-" * 40,
            f"Device ID:{row.device}",
            *([f"System Name: {row.name}"] if row.name else []),
            *(["", "Interface address(es):", *addresses] if addresses else []),
            f"Platform: {row.platform or 'unknown'}, Capabilities: {' '.join(row.capability) or 'none'}",
            f"Interface: {row.local}, Port ID (outgoing port): {row.port}",
            f"Holdtime: {row.left} sec",
            "",
            "Version:",
            row.version or "not advertised",
            "",
            "Advertisement Version: 2",
            *([f"Native VLAN: {row.vlan}"] if row.vlan else []),
            *(["Mgmt address(es):", *addresses] if addresses else []),
            "",
        ]
    return lines(*text)


def _word(text: str) -> str:
    """Without blanks: columns are told apart by them."""
    return text.replace(" ", "_") or "-"
