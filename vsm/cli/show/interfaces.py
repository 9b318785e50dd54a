"""show interface X and its detail, and show interface virtual.

The default form is that of NX-OS 9000 with NX-OS counters, which clients parse line by line; `detail` is the form of
the Nexus 1000V.  Directions are from the switch's point of view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dvswitch.errors import NotFound
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show.profiles import owner_of
from vsm.cli.show.uplinks import teaming_lines
from vsm.model.interfaces import Ethernet, Interface, Vethernet, parse_interface, short_name
from vsm.model.settings import Settings
from vsm.model.state import State
from vsm.policy.ports import description, interfaces, port_settings, profile_of
from vsm.policy.quarantine import NONE, status, uplink_status
from vsm.runtime import Counters

NOMINAL_KBIT = 10_000_000
"""Bandwidth that every port is shown with; a virtual port has none of its own."""
_VIRTUAL_RULE = "-" * 79
_BAD_FRAMES = ("RUNT", "OVERSIZE", "SRC_MAC_INVALID")
_OWNER_WIDTH = 24


@dataclass(frozen=True, slots=True)
class InterfaceRow:
    """An interface: configuration, place and counters."""

    interface: str
    state: str
    reason: str = field(metadata={"key": "state_rsn_desc"})
    admin_state: str
    profile: str
    owner: str
    adapter: str
    module: int | None
    host: str
    hardware: str = field(metadata={"key": "eth_hw_desc"})
    mac: str = field(metadata={"key": "eth_hw_addr"})
    """Dotted; 0000.0000.0000 when unknown."""
    description: str = field(metadata={"key": "desc"})
    mtu: int = field(metadata={"key": "eth_mtu"})
    bandwidth: int = field(metadata={"key": "eth_bw"})
    mode: str = field(metadata={"key": "eth_mode"})
    duplex: str = field(metadata={"key": "eth_duplex"})
    speed: str = field(metadata={"key": "eth_speed"})
    in_unicast: int = field(metadata={"key": "eth_inucast"})
    in_multicast: int = field(metadata={"key": "eth_inmcast"})
    in_broadcast: int = field(metadata={"key": "eth_inbcast"})
    in_packets: int = field(metadata={"key": "eth_inpkts"})
    in_bytes: int = field(metadata={"key": "eth_inbytes"})
    in_errors: int = field(metadata={"key": "eth_inerr"})
    in_runts: int = field(metadata={"key": "eth_runts"})
    in_discards: int = field(metadata={"key": "eth_indiscard"})
    out_unicast: int = field(metadata={"key": "eth_outucast"})
    out_multicast: int = field(metadata={"key": "eth_outmcast"})
    out_broadcast: int = field(metadata={"key": "eth_outbcast"})
    out_packets: int = field(metadata={"key": "eth_outpkts"})
    out_bytes: int = field(metadata={"key": "eth_outbytes"})
    out_errors: int = field(metadata={"key": "eth_outerr"})
    out_discards: int = field(metadata={"key": "eth_outdiscard"})
    out_flooded: int = field(metadata={"key": "eth_outflood"})


@dataclass(frozen=True, slots=True)
class VirtualRow:
    """A line of show interface virtual."""

    port: str
    adapter: str
    owner: str
    mod: str
    host: str


def show_interface(view: View, call: Call) -> Report:
    """Interfaces in the form that clients parse."""
    rows = [interface_row(view, name) for name in named(view.state, call)]
    return Report(lambda: "\n".join(map(interface_text, rows)), (Table("interface", rows),))


def show_detail(view: View, call: Call) -> Report:
    """Interfaces in the long form of the Nexus 1000V."""
    rows = [interface_row(view, name) for name in named(view.state, call)]
    texts = [detail_text(row, _teaming(view, row.interface)) for row in rows]
    return Report("\n".join(texts), (Table("interface", rows),))


def show_virtual(view: View, call: Call) -> Report:
    """vEths and who uses them; with `vm` or `module` only those."""
    owner, slot = call.get("vm"), call.get("slot")
    rows = [
        _virtual_row(view.state, number)
        for number, veth in sorted(view.state.inventory.veths.items())
        if owner in (None, veth.nic.vm) and slot in (None, veth.slot)
    ]
    return Report(virtual_text(rows), (Table("interface_virtual", rows),))


def interface_row(view: View, name: str) -> InterfaceRow:
    """Everything there is to say about an interface that exists."""
    state, reason = status_of(view, name)
    settings = port_settings(view.state, name)
    slot, host = _place(view.state, name)
    adapter, owner = owner_of(view.state, name)
    up = state == "up"
    return InterfaceRow(
        interface=name,
        state=state,
        reason=reason,
        admin_state="down" if settings.shutdown else "up",
        profile=profile_of(view.state, name),
        owner=owner,
        adapter=adapter,
        module=slot,
        host=host,
        hardware="Virtual" if name.startswith("V") else "Ethernet",
        mac=mac_of(view.state, name),
        description=description(view.state, name),
        mtu=_mtu(view.state, name, settings),
        bandwidth=NOMINAL_KBIT,
        mode=settings.mode.value if settings.mode else "access",
        duplex="full" if up else "auto",
        speed="10 Gb/s" if up else "auto-speed",
        **counts(view.runtime.counters(name)),
    )


def interface_text(row: InterfaceRow) -> str:
    """NX-OS block; see nexus-1000v section 11.3 for what each client needs of it."""
    reason = "" if row.reason == NONE else f" ({row.reason})"
    return lines(
        f"{row.interface} is {row.state}{reason}",
        f"admin state is {row.admin_state}, Dedicated Interface",
        f"  Belongs to {_belongs(row)}",
        f"  Hardware: {row.hardware}, address: {row.mac} (bia {row.mac})",
        *([f"  Description: {row.description}"] if row.description else []),
        f"  MTU {row.mtu} bytes, BW {row.bandwidth} Kbit, DLY 10 usec",
        "  Encapsulation ARPA",
        f"  Port mode is {row.mode}",
        f"  {row.duplex}-duplex, {row.speed}",
        "  RX",
        f"    {row.in_unicast} unicast packets  {row.in_multicast} multicast packets  "
        f"{row.in_broadcast} broadcast packets",
        f"    {row.in_packets} input packets  {row.in_bytes} bytes",
        f"    {row.in_errors} input error  {row.in_runts} short frame  0 overrun   0 underrun  0 ignored",
        f"    0 input with dribble  {row.in_discards} input discard",
        "  TX",
        f"    {row.out_unicast} unicast packets  {row.out_multicast} multicast packets  "
        f"{row.out_broadcast} broadcast packets",
        f"    {row.out_packets} output packets  {row.out_bytes} bytes",
        f"    {row.out_errors} output error  0 collision  0 deferred  0 late collision",
        f"    0 lost carrier  0 no carrier  0 babble  {row.out_discards} output discard",
    )


def detail_text(row: InterfaceRow, teaming: Sequence[str] = ()) -> str:
    """Nexus 1000V block."""
    reason = "" if row.reason == NONE else f" ({row.reason})"
    owner = [f'  Owner is VM "{row.owner}", adapter is {row.adapter or "not named"}'] if _is_veth(row) else []
    place = [f"  Active on module {row.module}", f"  Host is {row.host}"] if row.module else ["  Not attached"]
    return lines(
        f"{row.interface} is {row.state}{reason}",
        *([f"  Port description is {row.description}"] if row.description else []),
        f"  Hardware: {row.hardware}, address: {row.mac} (bia {row.mac})",
        *owner,
        *place,
        f"  Port-Profile is {row.profile or 'none'}",
        f"  Port mode is {row.mode}",
        *teaming,
        "  Rx",
        f"    {row.in_packets} Input Packets {row.in_unicast} Unicast Packets",
        f"    {row.in_multicast} Multicast Packets {row.in_broadcast} Broadcast Packets",
        f"    {row.in_bytes} Bytes",
        "  Tx",
        f"    {row.out_packets} Output Packets {row.out_unicast} Unicast Packets",
        f"    {row.out_multicast} Multicast Packets {row.out_broadcast} Broadcast Packets "
        f"{row.out_flooded} Flood Packets",
        f"    {row.out_bytes} Bytes",
        f"  {row.in_discards + row.in_errors} Input Packet Drops "
        f"{row.out_discards + row.out_errors} Output Packet Drops",
    )


def virtual_text(rows: Sequence[VirtualRow]) -> str:
    """The table of show interface virtual; the owner is cut as NX-OS does."""
    return lines(
        _VIRTUAL_RULE,
        "Port        Adapter        Owner                    Mod Host",
        _VIRTUAL_RULE,
        *(f"{row.port:<11} {row.adapter:<14} {row.owner[:_OWNER_WIDTH]:<24} {row.mod:<3} {row.host}" for row in rows),
    )


def named(state: State, call: Call) -> list[str]:
    """Full names of the interfaces that the command names, or of all; NotFound if one does not exist."""
    wanted: tuple[Interface, ...] | None = call.get("interfaces")
    if wanted is None:
        return list(interfaces(state))
    there = set(interfaces(state))
    for interface in wanted:
        if interface.full not in there:
            raise NotFound(f"interface {interface.full}", "does not exist")
    return [interface.full for interface in wanted]


def status_of(view: View, name: str) -> tuple[str, str]:
    """("up" or "down", reason) of an interface that exists."""
    interface = parse_interface(name)
    if isinstance(interface, Ethernet):
        return uplink_status(view.state, view.state.inventory.uplinks[interface.slot, interface.number])
    observed = view.runtime.port(interface.number)
    link_up = observed is None or observed.link_up
    return status(view.state, view.state.inventory.veths[interface.number], link_up)


def _place(state: State, name: str) -> tuple[int | None, str]:
    interface = parse_interface(name)
    slot = interface.slot if isinstance(interface, Ethernet) else state.inventory.veths[interface.number].slot
    module = state.inventory.modules.get(slot) if slot else None
    return slot, module.host_name if module else ""


def _teaming(view: View, name: str) -> list[str]:
    """How the port uses uplinks, and the one it uses now if its module tells."""
    interface, holds = parse_interface(name), port_settings(view.state, name)
    if isinstance(interface, Ethernet):
        return teaming_lines(holds, uplink=True)
    slot, told = view.state.inventory.veths[interface.number].slot, view.runtime.port(interface.number)
    pinned = [f"  Pinned to {Ethernet(slot, told.pinned_uplink).full}"] if slot and told and told.pinned_uplink else []
    return [*teaming_lines(holds, uplink=False), *pinned]


def mac_of(state: State, name: str) -> str:
    """Dotted; 0000.0000.0000 when unknown."""
    interface = parse_interface(name)
    if isinstance(interface, Vethernet):
        return state.inventory.veths[interface.number].mac.dotted
    digits = state.inventory.uplinks[interface.slot, interface.number].mac.replace(":", "") or "0" * 12
    return f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"


def _mtu(state: State, name: str, settings: Settings) -> int:
    return state.config.mtu if name.startswith("V") else settings.mtu or state.config.mtu


def counts(counters: Counters) -> dict[str, int]:
    """The counters of an InterfaceRow."""
    bad = sum(counters.drops_in.get(reason, 0) for reason in _BAD_FRAMES)
    failed = counters.drops_out.get("TX_ERROR", 0)
    return {
        "in_unicast": counters.rx_frames - counters.rx_multicast - counters.rx_broadcast,
        "in_multicast": counters.rx_multicast,
        "in_broadcast": counters.rx_broadcast,
        "in_packets": counters.rx_frames,
        "in_bytes": counters.rx_bytes,
        "in_errors": bad,
        "in_runts": counters.drops_in.get("RUNT", 0),
        "in_discards": sum(counters.drops_in.values()) - bad,
        "out_unicast": counters.tx_frames - counters.tx_multicast - counters.tx_broadcast,
        "out_multicast": counters.tx_multicast,
        "out_broadcast": counters.tx_broadcast,
        "out_packets": counters.tx_frames,
        "out_bytes": counters.tx_bytes,
        "out_errors": failed,
        "out_discards": sum(counters.drops_out.values()) - failed,
        "out_flooded": counters.tx_flooded,
    }


def _is_veth(row: InterfaceRow) -> bool:
    return row.interface.startswith("V")


def _belongs(row: InterfaceRow) -> str:
    """Profile and place in one line, the only free text that clients put up with."""
    parts = [f"port-profile {row.profile or 'none'}"]
    if _is_veth(row):
        parts.append(f"VM {row.owner}")
    if row.adapter:
        parts.append(f"adapter {row.adapter}")
    parts += [f"module {row.module}", f"host {row.host}"] if row.module else ["not attached"]
    return ", ".join(parts)


def _virtual_row(state: State, number: int) -> VirtualRow:
    veth = state.inventory.veths[number]
    _, host = _place(state, Vethernet(number).full)
    mod = str(veth.slot) if veth.slot else ""
    return VirtualRow(short_name(Vethernet(number).full), veth.nic.adapter, veth.nic.vm, mod, host)
