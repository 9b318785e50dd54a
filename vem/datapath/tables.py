"""Values of image.py <-> the bytes of the structs in src/abi.h; both engines use it.

Everything here is bytes in and out, so that it fits a BPF map value, a buffer of the user engine and a test alike.
Rules about ranges (at most 16 uplinks in a team...) are checked on packing and raise EngineError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

from dvswitch.drops import BY_NUMBER
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vem.datapath.abi import CONSTANTS, MAX_MEMBERS, MAX_POLICIES, MAX_PORTS, TEAM_UPLINKS, VLAN_ANY, ffi
from vem.datapath.engine import EngineError
from vem.datapath.image import (
    LIST_RECEIVER,
    VIF_LIST_MAX,
    VIF_MAX,
    Control,
    Counters,
    Group,
    Method,
    Niv,
    Policy,
    Port,
    Storm,
    Tagging,
    Team,
)

Readable = bytes | bytearray | memoryview

_PORT_FLAGS = {
    "uplink": CONSTANTS["DVS_PORT_UPLINK"],
    "link_up": CONSTANTS["DVS_PORT_LINK_UP"],
    "blocked": CONSTANTS["DVS_PORT_BLOCKED"],
    "mac_violation": CONSTANTS["DVS_PORT_MAC_VIOLATION"],
    "is_lag": CONSTANTS["DVS_PORT_LAG"],
    "awaited": CONSTANTS["DVS_PORT_AWAITED"],
    "tunnel": CONSTANTS["DVS_PORT_TUNNEL"],
    "moved": CONSTANTS["DVS_PORT_MOVED"],
    "forward": CONSTANTS["DVS_PORT_FORWARD"],
    "held": CONSTANTS["DVS_PORT_HELD"],
    "releasing": CONSTANTS["DVS_PORT_RELEASING"],
    "reflective": CONSTANTS["DVS_PORT_REFLECTIVE"],
}
_NIV_FLAGS = {
    Niv.NONE: 0,
    Niv.EXTENDER: CONSTANTS["DVS_PORT_EXTENDER"],
    Niv.BRIDGE: CONSTANTS["DVS_PORT_BRIDGE"],
}
_TAGGING_FLAGS = {
    Tagging.NONE: 0,
    Tagging.VNTAG: CONSTANTS["DVS_PORT_VNTAG"],
    Tagging.ETAG: CONSTANTS["DVS_PORT_ETAG"],
}
_TAGGED_ONLY = CONSTANTS["DVS_PORT_TAGGED_ONLY"]
_PORT_USED = CONSTANTS["DVS_PORT_USED"]
_POLICY_FLAGS = {
    "blocked": CONSTANTS["DVS_POL_BLOCKED"],
    "forged_ok": CONSTANTS["DVS_POL_FORGED_OK"],
    "mac_changes_ok": CONSTANTS["DVS_POL_MAC_CHANGES_OK"],
    "learn": CONSTANTS["DVS_POL_LEARN"],
    "unknown_flood": CONSTANTS["DVS_POL_UNKNOWN_FLOOD"],
    "bpdu_ok": CONSTANTS["DVS_POL_BPDU_OK"],
    "promiscuous": CONSTANTS["DVS_POL_PROMISCUOUS"],
    "limit_allow": CONSTANTS["DVS_POL_LIMIT_ALLOW"],
}
_NO_REVERSE_TEAMING = CONSTANTS["DVS_CTL_NO_REVERSE_TEAMING"]
_KEEP_PRIORITY_TAG = CONSTANTS["DVS_CTL_KEEP_PRIORITY_TAG"]
_NO_RPF_PROMISCUOUS = CONSTANTS["DVS_CTL_NO_RPF_PROMISCUOUS"]
_CAPTURE = CONSTANTS["DVS_CTL_CAPTURE"]
_SNOOPING = CONSTANTS["DVS_CTL_SNOOPING"]
_MOVED = CONSTANTS["DVS_CTL_MOVED"]
_NIV = CONSTANTS["DVS_CTL_NIV"]
_VEPA = CONSTANTS["DVS_CTL_VEPA"]
_MAC_STATIC = CONSTANTS["DVS_MAC_STATIC"]
_SLOTS = CONSTANTS["DVS_DROP_SLOTS"]
_COUNTER_WORDS = ffi.sizeof("struct dvs_counters") // 8
_COUNTER_NAMES = [
    name for name, field in ffi.typeof("struct dvs_counters").fields if field.type.kind == "primitive" and name != "pad"
]


def _bytes(kind: str, values: dict[str, Any]) -> bytes:
    return bytes(ffi.buffer(ffi.new(f"struct {kind} *", values)))


def _struct(kind: str, data: Readable) -> Any:
    """A copy, so that the caller's buffer may go."""
    size = ffi.sizeof(f"struct {kind}")
    value = ffi.new(f"struct {kind} *")
    ffi.memmove(value, data, size)
    return value


def _flags(value: object, table: dict[str, int]) -> int:
    return sum(bit for name, bit in table.items() if getattr(value, name))


def _flag_fields(flags: int, table: dict[str, int]) -> dict[str, bool]:
    return {name: bool(flags & bit) for name, bit in table.items()}


# --- control, ports, policies, teams -----------------------------------------------------------------------------


def pack_control(control: Control, bank: int = 0, policies: Iterable[Policy] = (), teams: Iterable[Team] = ()) -> bytes:
    """struct dvs_control; policies and teams tell which features are in use at all."""
    flags = 0 if control.reverse_teaming else _NO_REVERSE_TEAMING
    flags |= _KEEP_PRIORITY_TAG if control.keep_priority_tag else 0
    flags |= 0 if control.rpf_promiscuous else _NO_RPF_PROMISCUOUS
    flags |= _SNOOPING if control.snooping else 0
    flags |= _MOVED if control.moved else 0
    flags |= (_NIV if control.niv else 0) | (_VEPA if control.vepa else 0)
    flags |= _in_use(control, policies, teams)
    return _bytes("dvs_control", {"bank": bank, "flags": flags, "mtu": control.mtu, "tunnel": control.tunnel})


def _in_use(control: Control, policies: Iterable[Policy], teams: Iterable[Team]) -> int:
    policies = tuple(policies)
    flags = CONSTANTS["DVS_CTL_PROMISCUOUS"] if any(policy.promiscuous for policy in policies) else 0
    flags |= CONSTANTS["DVS_CTL_STORM"] if any(policy.storm != Storm() for policy in policies) else 0
    hashes = any(team.method is Method.IP_HASH for team in teams)
    flags |= CONSTANTS["DVS_CTL_IP_HASH"] if hashes else 0
    return flags | (CONSTANTS["DVS_CTL_READ_IP"] if hashes or control.snooping else 0)


def unpack_control(data: Readable) -> Control:
    """The bank is left out: it is the engine's own affair (control_bank)."""
    raw = _struct("dvs_control", data)
    return Control(
        mtu=raw.mtu,
        reverse_teaming=not raw.flags & _NO_REVERSE_TEAMING,
        keep_priority_tag=bool(raw.flags & _KEEP_PRIORITY_TAG),
        rpf_promiscuous=not raw.flags & _NO_RPF_PROMISCUOUS,
        snooping=bool(raw.flags & _SNOOPING),
        moved=bool(raw.flags & _MOVED),
        niv=bool(raw.flags & _NIV),
        vepa=bool(raw.flags & _VEPA),
        tunnel=raw.tunnel,
    )


def with_capture(control: bytes, capturing: bool) -> bytes:
    """A struct dvs_control with the flag for a capture as it should be."""
    raw = _struct("dvs_control", control)
    raw.flags = raw.flags & ~_CAPTURE | (_CAPTURE if capturing else 0)
    return bytes(ffi.buffer(raw))


def control_bank(data: Readable) -> int:
    """The bank in force."""
    return int(_struct("dvs_control", data).bank)


def pack_port(port: Port | None, ifindex: int = 0, more: int = 0) -> bytes:
    """struct dvs_port; None is an unused entry.  ``more``: flags of the kernel engine's own."""
    if port is None:
        return bytes(ffi.sizeof("struct dvs_port"))
    if not 0 <= port.policy < MAX_POLICIES:
        raise EngineError(f"port {port.number}", f"policy {port.policy} is out of range 0-{MAX_POLICIES - 1}")
    others = {name: getattr(port, name) for name in ("pin", "lag", "mirror_rx", "mirror_tx", "link")}
    for name, lport in others.items():
        if not 0 <= lport < MAX_PORTS:
            raise EngineError(f"port {port.number}", f"{name} to lport {lport} is out of range 0-{MAX_PORTS - 1}")
    if not 0 <= port.vif <= VIF_MAX:
        raise EngineError(f"port {port.number}", f"VIF {port.vif} is out of range 0-{VIF_MAX}")
    return _bytes(
        "dvs_port",
        {
            "flags": _PORT_USED | _flags(port, _PORT_FLAGS) | _niv_flags(port) | more,
            "ifindex": ifindex,
            "policy": port.policy,
            "number": port.number,
            "port_id": port.port_id,
            "generation": port.generation,
            "mac": list(port.mac.octets),
            "vif": port.vif,
            **others,
        },
    )


def _niv_flags(port: Port) -> int:
    return _NIV_FLAGS[port.niv] | _TAGGING_FLAGS[port.tagging] | (0 if port.plain else _TAGGED_ONLY)


def unpack_port(data: Readable) -> Port | None:
    """None when the entry is not in use."""
    raw = _struct("dvs_port", data)
    if not raw.flags & _PORT_USED:
        return None
    return Port(
        policy=raw.policy,
        number=raw.number,
        mac=MacAddress(bytes(raw.mac)),
        port_id=raw.port_id,
        generation=raw.generation,
        pin=raw.pin,
        lag=raw.lag,
        mirror_rx=raw.mirror_rx,
        mirror_tx=raw.mirror_tx,
        niv=next(niv for niv in reversed(Niv) if raw.flags & _NIV_FLAGS[niv] == _NIV_FLAGS[niv]),
        tagging=next(tag for tag in reversed(Tagging) if raw.flags & _TAGGING_FLAGS[tag] == _TAGGING_FLAGS[tag]),
        plain=not raw.flags & _TAGGED_ONLY,
        link=raw.link,
        vif=raw.vif,
        **_flag_fields(raw.flags, _PORT_FLAGS),
    )


def port_ifindex(data: Readable) -> int:
    """The NIC of a struct dvs_port (kernel engine)."""
    return int(_struct("dvs_port", data).ifindex)


def pack_policy(policy: Policy) -> bytes:
    """struct dvs_policy."""
    raw = ffi.new(
        "struct dvs_policy *",
        {
            "flags": _flags(policy, _POLICY_FLAGS),
            "mode": CONSTANTS["DVS_MODE_TRUNK" if policy.trunk else "DVS_MODE_ACCESS"],
            "vlan": policy.vlan,
            "team": policy.team,
            "mac_limit": policy.mac_limit,
            "storm": [policy.storm.broadcast, policy.storm.multicast, policy.storm.unknown_unicast],
        },
    )
    ffi.memmove(raw.allowed, policy.allowed.mask.to_bytes(512, "little"), 512)
    return bytes(ffi.buffer(raw))


def unpack_policy(data: Readable) -> Policy:
    """The inverse of pack_policy."""
    raw = _struct("dvs_policy", data)
    return Policy(
        trunk=raw.mode == CONSTANTS["DVS_MODE_TRUNK"],
        vlan=raw.vlan,
        allowed=VlanSet(int.from_bytes(ffi.buffer(raw.allowed), "little")),
        team=raw.team,
        mac_limit=raw.mac_limit,
        storm=Storm(*raw.storm),
        **_flag_fields(raw.flags, _POLICY_FLAGS),
    )


def pack_team(team: Team) -> bytes:
    """struct dvs_team; EngineError above 16 uplinks."""
    if len(team.uplinks) > TEAM_UPLINKS:
        raise EngineError("team", f"{len(team.uplinks)} uplinks; at most {TEAM_UPLINKS} are possible")
    return _bytes(
        "dvs_team",
        {"method": team.method.value, "n": len(team.uplinks), "uplink": list(team.uplinks)},
    )


def unpack_team(data: Readable) -> Team:
    """The inverse of pack_team."""
    raw = _struct("dvs_team", data)
    return Team(tuple(raw.uplink[0 : min(raw.n, TEAM_UPLINKS)]), Method(raw.method))


# --- MAC table and member lists ----------------------------------------------------------------------------------


def mac_key(mac: MacAddress, vlan: int = VLAN_ANY) -> int:
    """struct dvs_mac_key as the u64 that both engines use; static entries leave ``vlan`` out."""
    return int.from_bytes(mac.octets, "little") | vlan << 48


def pack_mac_key(mac: MacAddress, vlan: int = VLAN_ANY) -> bytes:
    """struct dvs_mac_key."""
    return mac.octets + vlan.to_bytes(2, "little")


_MAC_KEY, _MAC = struct.Struct("<6sH"), struct.Struct("<IIQ")


def unpack_macs(keys: bytes, entries: bytes) -> Iterator[tuple[MacAddress, int, int, bool, int]]:
    """(MAC, VLAN, lport, static, seen in ns) of many entries that lie one after the other, as the engines read them: a
    full table has 131,072 and is read often."""
    for (octets, vlan), (lport, flags, seen) in zip(_MAC_KEY.iter_unpack(keys), _MAC.iter_unpack(entries), strict=True):
        yield MacAddress(octets), vlan, lport, bool(flags & _MAC_STATIC), seen


def unpack_mac_key(data: Readable) -> tuple[MacAddress, int]:
    """(MAC, VLAN); VLAN_ANY for static entries."""
    return MacAddress(bytes(data[:6])), int.from_bytes(data[6:8], "little")


def pack_mac(lport: int, static: bool = True, seen: int = 0) -> bytes:
    """struct dvs_mac."""
    return _bytes("dvs_mac", {"lport": lport, "flags": _MAC_STATIC if static else 0, "seen": seen})


def unpack_mac(data: Readable) -> tuple[int, bool, int]:
    """(lport, static, seen in ns of the engine's clock)."""
    raw = _struct("dvs_mac", data)
    return raw.lport, bool(raw.flags & _MAC_STATIC), raw.seen


def pack_members(lports: Sequence[int], link: int = 0, vif: int = 0) -> bytes:
    """struct dvs_members; ``link`` and ``vif``: which list of VIFs it is.  EngineError above 1022 receivers."""
    if len(lports) > MAX_MEMBERS:
        raise EngineError("member list", f"{len(lports)} receivers; at most {MAX_MEMBERS} are possible")
    return _bytes("dvs_members", {"n": len(lports), "link": link, "vif": vif, "lport": list(lports)})


def unpack_members(data: Readable) -> tuple[int, ...]:
    """The inverse of pack_members."""
    raw = _struct("dvs_members", data)
    return tuple(raw.lport[0 : min(raw.n, MAX_MEMBERS)])


def vif_lists(lists: Iterable[Readable]) -> dict[tuple[int, int], tuple[int, ...]]:
    """Lists of VIFs by link and number, out of any struct dvs_members."""
    raw = [_struct("dvs_members", data) for data in lists]
    found = {(item.link, item.vif): tuple(item.lport[0 : min(item.n, MAX_MEMBERS)]) for item in raw if item.link}
    return dict(sorted(found.items()))


def list_key(kind: str, number: int) -> int:
    """Key of a receiver list: kind "ALL", "UNKNOWN", "PROMISCUOUS" (number = VLAN), "GROUP" or "VIFS"."""
    return CONSTANTS[f"DVS_LIST_{kind}"] * 4096 + number


def pack_vlans(vlans: Iterable[int]) -> list[bytes]:
    """The words of a bitmap of VLANs, 64 in each (dvs_spied of the kernel engine)."""
    bitmap = sum(1 << vlan for vlan in set(vlans)).to_bytes(512, "little")
    return [bitmap[at : at + 8] for at in range(0, 512, 8)]


def split_lists(lists: Mapping[int, tuple[int, ...]], kind: str) -> dict[int, tuple[int, ...]]:
    """The lists of one kind by number, out of lists by key."""
    first = list_key(kind, 0)
    return {key - first: lports for key, lports in sorted(lists.items()) if first <= key < first + 4096}


def vif_key(link: int, vif: int) -> int:
    """Key of a VIF in the VIF table."""
    return link << 16 | vif


def vif_list_key(link: int, number: int) -> int:
    """Key of a list of VIFs there; EngineError if the link or the number is out of range."""
    if not 0 < link < MAX_PORTS or not 0 < number <= VIF_LIST_MAX:
        raise EngineError(f"VIF list {number} of lport {link}", f"must be a list 1-{VIF_LIST_MAX} of a port's")
    return link << 16 | LIST_RECEIVER | number


_V4_MAPPED = bytes(10) + b"\xff\xff"


def pack_group(group: Group) -> bytes:
    """struct dvs_group_key; EngineError if the address is neither IPv4 nor IPv6."""
    if len(group.address) not in (4, 16):
        raise EngineError(f"multicast group in VLAN {group.vlan}", f"an address of {len(group.address)} bytes")
    address = group.address if len(group.address) == 16 else _V4_MAPPED + group.address
    return _bytes("dvs_group_key", {"address": list(address), "vlan": group.vlan})


def unpack_group(data: Readable) -> Group:
    """The inverse of pack_group."""
    raw = _struct("dvs_group_key", data)
    address = bytes(raw.address)
    return Group(raw.vlan, address[12:] if address.startswith(_V4_MAPPED) else address)


def learned_count(data: Readable) -> int:
    """MACs that a port has learned, by its struct dvs_live."""
    raw = _struct("dvs_live", data)
    return int(raw.learned - raw.forgotten) & 0xFFFFFFFF


# --- counters ----------------------------------------------------------------------------------------------------


def unpack_counters(data: Readable) -> Counters:
    """struct dvs_counters, or several of them (one per CPU) in a row, which are summed."""
    words = struct.unpack(f"={len(data) // 8}Q", data)
    if len(words) > _COUNTER_WORDS:
        each = (words[at : at + _COUNTER_WORDS] for at in range(0, len(words), _COUNTER_WORDS))
        words = reduce(lambda one, other: tuple(map(add, one, other)), each)
    values = dict(zip(_COUNTER_NAMES, words, strict=False))
    drops = words[_COUNTER_WORDS - 2 * _SLOTS :]
    return Counters(**values, drops_in=_drops(drops[:_SLOTS]), drops_out=_drops(drops[_SLOTS:]))


def _drops(slots: Iterable[int]) -> dict[str, int]:
    return {drop_name(number): count for number, count in enumerate(slots) if count}


def drop_name(number: int) -> str:
    """ "" for 0 (delivered, forwarded), else the reason's name."""
    return BY_NUMBER[number].name if number else ""
