"""show vrf, ip interface, ip arp, ip route and their IPv6 kin: the supervisor's own way into the management network.

The switch routes nothing, so there is one interface with an address: mgmt0, in the VRF `management`.  It stands for
the NIC by which the host is managed (vsm/machine.py); what is shown is what Linux has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network

from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show.ipv6_traffic import lines6
from vsm.machine import Nic, Route

DEFAULT, MANAGEMENT = "default", "management"
VRFS = {DEFAULT: 1, MANAGEMENT: 2}
MGMT0 = "mgmt0"
_IOD = 2
_HOST = 32
_PREFERENCE = {"direct": 0, "local": 0, "static": 1}


def chosen(call: Call, otherwise: tuple[str, ...] = (DEFAULT,)) -> tuple[str, ...]:
    """VRFs that the command names."""
    if call.has("all"):
        return tuple(VRFS)
    return tuple(name for name in VRFS if call.has(name)) or otherwise


# ---- show vrf


@dataclass(frozen=True, slots=True)
class VrfRow:
    """A VRF."""

    name: str = field(metadata={"key": "vrf_name"})
    id: int = field(metadata={"key": "vrf_id"})
    state: str = field(default="Up", metadata={"key": "vrf_state"})
    reason: str = field(default="--", metadata={"key": "vrf_reason"})


@dataclass(frozen=True, slots=True)
class VrfDetailRow:
    """A VRF in full."""

    name: str = field(metadata={"key": "vrf_name"})
    id: int = field(metadata={"key": "vrf_id"})
    state: str = field(default="Up", metadata={"key": "vrf_state"})
    vpn: str = field(default="unknown", metadata={"key": "vpnid"})
    distinguisher: str = field(default="0:0", metadata={"key": "rd"})
    routes: int = field(default=0, metadata={"key": "max_routes"})
    threshold: int = field(default=0, metadata={"key": "mid_threshold"})


@dataclass(frozen=True, slots=True)
class VrfInterfaceRow:
    """An interface of a VRF."""

    interface: str = field(metadata={"key": "if_name"})
    vrf: str = field(metadata={"key": "vrf_name"})
    id: int = field(metadata={"key": "vrf_id"})
    origin: str = field(default="--", metadata={"key": "soo"})


def show_vrf(_view: View, call: Call) -> Report:
    """VRFs, one a line."""
    rows = [VrfRow(name, VRFS[name]) for name in chosen(call, tuple(VRFS))]
    text = lines(
        "VRF-Name                           VRF-ID State   Reason",
        *(f"{row.name:<32} {row.id:>8} {row.state:<7} {row.reason}" for row in rows),
    )
    return Report(text, (Table("vrf", rows),))


def show_vrf_detail(_view: View, call: Call) -> Report:
    """VRFs in full."""
    rows = [VrfDetailRow(name, VRFS[name]) for name in chosen(call, tuple(VRFS))]
    blocks = [
        lines(
            f"VRF-Name: {row.name}, VRF-ID: {row.id}, State: {row.state}",
            f"    VPNID: {row.vpn}",
            f"    RD: {row.distinguisher}",
            f"    Max Routes: {row.routes}  Mid-Threshold: {row.threshold}",
            f"    Table-ID: 0x{row.id:08x}, AF: IPv4, Fwd-ID: 0x{row.id:08x}, State: {row.state}",
        )
        for row in rows
    ]
    return Report("\n".join(blocks), (Table("vrf", rows),))


def show_vrf_interface(_view: View, call: Call) -> Report:
    """Interfaces and their VRF."""
    found = chosen(call, tuple(VRFS))
    rows = [VrfInterfaceRow(MGMT0, MANAGEMENT, VRFS[MANAGEMENT])] if MANAGEMENT in found else []
    text = lines(
        "Interface                 VRF-Name                        VRF-ID  Site-of-Origin",
        *(f"{row.interface:<25} {row.vrf:<31} {row.id:>6}  {row.origin}" for row in rows),
    )
    return Report(text, (Table("if", rows),))


# ---- show ip interface


@dataclass(frozen=True, slots=True)
class AddressRow:
    """mgmt0 as an interface of IP."""

    vrf: str = field(metadata={"key": "vrf-name-out"})
    interface: str = field(metadata={"key": "intf-name"})
    protocol: str = field(metadata={"key": "proto-state"})
    link: str = field(metadata={"key": "link-state"})
    admin: str = field(metadata={"key": "admin-state"})
    iod: int
    prefix: str
    """The address alone; "" = none."""
    subnet: str
    length: str = field(metadata={"key": "masklen"})
    broadcast: str = field(metadata={"key": "bcast-addr"})
    mtu: int


def show_ip_interface(view: View, call: Call) -> Report:
    """Interfaces with IPv4 addresses, in full."""
    rows, text = [], ""
    for vrf in chosen(call):
        found = _addresses(view, vrf)
        text += lines(f'IP Interface Status for VRF "{vrf}"', *(line for row in found for line in _in_full(row)))
        rows += found
    return Report(text, (Table("intf", rows),))


def show_ip_brief(view: View, call: Call) -> Report:
    """Interfaces with IPv4 addresses, one a line."""
    rows, blocks = [], []
    for vrf in chosen(call):
        found = _addresses(view, vrf)
        blocks.append(
            lines(
                f'IP Interface Status for VRF "{vrf}"({VRFS[vrf]})',
                "Interface            IP Address      Interface Status",
                *(f"{row.interface:<20} {row.prefix or 'unassigned':<15} {_state(row)}" for row in found),
            )
        )
        rows += found
    return Report("\n".join(blocks), (Table("intf", rows),))


def _addresses(view: View, vrf: str) -> list[AddressRow]:
    if vrf != MANAGEMENT:
        return []
    nic = view.machine.management()
    address = nic.address if nic else None
    return [
        AddressRow(
            vrf,
            MGMT0,
            *states(nic),
            iod=_IOD,
            prefix=str(address.ip) if address else "",
            subnet=str(address.network.network_address) if address else "",
            length=str(address.network.prefixlen) if address else "",
            broadcast=str(address.network.broadcast_address) if address else "",
            mtu=nic.mtu if nic else 0,
        )
    ]


def states(nic: Nic | None) -> tuple[str, str, str]:
    """Protocol, link and administrative state, each up or down."""
    if nic is None:
        return "down", "down", "up"
    link, admin = ("up" if nic.up and nic.link else "down"), ("up" if nic.up else "down")
    return link if nic.address or nic.ipv6 or nic.link_local else "down", link, admin


def _state(row: AddressRow | Address6Row) -> str:
    return f"protocol-{row.protocol}/link-{row.link}/admin-{row.admin}"


def _in_full(row: AddressRow) -> list[str]:
    subnet = f"{row.subnet}/{row.length}" if row.subnet else "none"
    return [
        f"{row.interface}, Interface status: {_state(row)}, iod: {row.iod},",
        f"  IP address: {row.prefix or 'none'}, IP subnet: {subnet} route-preference: 0, tag: 0",
        *([f"  IP broadcast address: {row.broadcast}"] if row.broadcast else []),
        *([f"  IP MTU: {row.mtu} bytes (using link MTU)"] if row.mtu else []),
    ]


@dataclass(frozen=True, slots=True)
class Address6Row:
    """mgmt0 as an interface of IPv6."""

    vrf: str = field(metadata={"key": "vrf-name-out"})
    interface: str = field(metadata={"key": "intf-name"})
    protocol: str = field(metadata={"key": "proto-state"})
    link: str = field(metadata={"key": "link-state"})
    admin: str = field(metadata={"key": "admin-state"})
    iod: int
    addresses: tuple[str, ...] = field(metadata={"key": "addr"})
    link_local: tuple[str, ...] = field(metadata={"key": "linklocal-addr"})


def show_ipv6_interface(view: View, call: Call) -> Report:
    """Interfaces with IPv6 addresses, in full."""
    rows, text = [], ""
    for vrf in chosen(call):
        found = _addresses6(view, vrf)
        text += lines(
            f'IPv6 Interface Status for VRF "{vrf}"({VRFS[vrf]})',
            *(line for row in found for line in (*_in_full6(row), *lines6(view.machine))),
        )
        rows += found
    return Report(text, (Table("intf", rows),))


def _addresses6(view: View, vrf: str) -> list[Address6Row]:
    if vrf != MANAGEMENT:
        return []
    nic = view.machine.management()
    own = tuple(map(str, nic.ipv6)) if nic else ()
    local = tuple(str(address.ip) for address in nic.link_local) if nic else ()
    return [Address6Row(vrf, MGMT0, *states(nic), _IOD, own, local)]


def _in_full6(row: Address6Row) -> list[str]:
    own = ["  IPv6 address:", *(f"    {address} [VALID]" for address in row.addresses)]
    local = [f"  IPv6 link-local address: {one} (default) [VALID]" for one in row.link_local]
    head = f"{row.interface}, Interface status: {_state(row)}, iod: {row.iod}"
    return [head, *(own if row.addresses else ["  IPv6 address: none"]), *local]


# ---- show ip arp


@dataclass(frozen=True, slots=True)
class ArpRow:
    """A neighbour."""

    interface: str = field(metadata={"key": "intf-out"})
    address: str = field(metadata={"key": "ip-addr-out"})
    age: str = field(metadata={"key": "time-stamp"})
    """"-": Linux keeps no such time."""
    mac: str
    incomplete: bool


@dataclass(frozen=True, slots=True)
class ArpTable:
    """The neighbours of a VRF."""

    vrf: str = field(metadata={"key": "vrf-name-out"})
    count: int = field(metadata={"key": "cnt-total"})
    entries: Table


def show_arp(view: View, call: Call) -> Report:
    """Neighbours of mgmt0."""
    tables, blocks = [], []
    for vrf in chosen(call):
        nic = view.machine.management() if vrf == MANAGEMENT else None
        entries = view.machine.arp(nic.name) if nic else []
        rows = [ArpRow(MGMT0, str(one.address), "-", one.mac or "INCOMPLETE", not one.mac) for one in entries]
        tables.append(ArpTable(vrf, len(rows), Table("adj", rows)))
        blocks.append(
            lines(
                f"IP ARP Table for context {vrf}",
                f"Total number of entries: {len(rows)}",
                "Address         Age       MAC Address     Interface",
                *(f"{row.address:<15} {row.age:<9} {row.mac:<15} {row.interface}" for row in rows),
            )
        )
    # Clients read one table: the titles of the second would be lines that they don't know.
    full = [block for table, block in zip(tables, blocks, strict=True) if table.count]
    return Report((full or blocks)[0], (Table("vrf", tables),))


# ---- show ip route


@dataclass(frozen=True, slots=True)
class PathRow:
    """A way to a network."""

    hop: str = field(metadata={"key": "ipnexthop"})
    interface: str = field(metadata={"key": "ifname"})
    uptime: str
    """Since the supervisor started; the machine may have had it for longer."""
    preference: int = field(metadata={"key": "pref"})
    metric: int
    client: str = field(metadata={"key": "clientname"})


@dataclass(frozen=True, slots=True)
class PrefixRow:
    """A network."""

    prefix: str = field(metadata={"key": "ipprefix"})
    hops: int = field(metadata={"key": "ucast-nhops"})
    attached: bool
    paths: Table


@dataclass(frozen=True, slots=True)
class RouteTable:
    """The networks of a VRF."""

    vrf: str = field(metadata={"key": "vrf-name-out"})
    prefixes: Table


def show_route(view: View, call: Call) -> Report:
    """The networks that mgmt0 leads to; with an address the best way there, with a network that one."""
    wanted: IPv4Network | None = call.get("network")
    found = {vrf: _wanted(_prefixes(view), wanted) if vrf == MANAGEMENT else [] for vrf in chosen(call)}
    tables = [RouteTable(vrf, Table("prefix", rows)) for vrf, rows in found.items()]
    texts = [_routes_text(vrf, rows, missing=wanted is not None) for vrf, rows in found.items() if rows or not wanted]
    return Report("\n".join(texts or [_routes_text(vrf, [], True) for vrf in found]), (Table("vrf", tables),))


def _wanted(rows: list[PrefixRow], wanted: IPv4Network | None) -> list[PrefixRow]:
    if wanted is None:
        return rows
    if wanted.prefixlen < _HOST:
        return [row for row in rows if row.prefix == str(wanted)]
    fitting = [row for row in rows if wanted.subnet_of(IPv4Network(row.prefix))]
    return sorted(fitting, key=lambda row: IPv4Network(row.prefix).prefixlen)[-1:]


def _prefixes(view: View) -> list[PrefixRow]:
    nic = view.machine.management()
    if nic is None:
        return []
    uptime = _uptime(int(view.runtime.uptime()))
    own = str(nic.address.ip) if nic.address else "0.0.0.0"
    paths: dict[str, list[PathRow]] = {}
    for route in view.machine.routes(nic.name):
        paths.setdefault(str(route.network), []).append(_path(route, own, uptime))
    if nic.address:
        paths.setdefault(f"{own}/32", []).append(PathRow(own, MGMT0, uptime, _PREFERENCE["local"], 0, "local"))
    return [
        PrefixRow(prefix, len(found), found[0].client != "static", Table("path", found))
        for prefix, found in paths.items()
    ]


def _path(route: Route, own: str, uptime: str) -> PathRow:
    client = "static" if route.gateway else "direct"
    return PathRow(str(route.gateway or own), MGMT0, uptime, _PREFERENCE[client], route.metric, client)


def _routes_text(vrf: str, rows: list[PrefixRow], missing: bool = False) -> str:
    text = lines(
        f'IP Route Table for VRF "{vrf}"',
        "'*' denotes best ucast next-hop",
        "'**' denotes best mcast next-hop",
        "'[x/y]' denotes [preference/metric]",
        "'%<string>' in via output denotes VRF <string>",
        "",
    )
    for row in rows:
        text += lines(f"{row.prefix}, ubest/mbest: {row.hops}/0{', attached' if row.attached else ''}")
        for path in row.paths.rows:
            told = f"[{path.preference}/{path.metric}], {path.uptime}, {path.client}"
            text += lines(f"    *via {path.hop}, {path.interface}, {told}")
    return text if rows or not missing else text + lines("Route not found")


def _uptime(seconds: int) -> str:
    """As 3d04h, or 04:12:09."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, left = divmod(hours, 24)
    return f"{days}d{left:02}h" if days else f"{hours:02}:{minutes:02}:{rest:02}"
