"""Builders for worlds (Images) and frames, so that a row reads like its rule.

world(vnic(1, access(100)), vnic(2, access(100)), uplink(10), teams={0: (10,)})
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vem.datapath.image import Control, Group, Image, Method, Policy, Port, Team

# --- frames ------------------------------------------------------------------------------------------------------

BROADCAST = b"\xff" * 6
MULTICAST = bytes.fromhex("01005e000001")
OUTSIDE = bytes.fromhex("0200000000ee")
"""A station somewhere on the physical network."""
OUTSIDE2 = bytes.fromhex("0200000000ef")
TEST_TYPE = 0x88B5
BODY = bytes(range(50))
TPID_8021Q, TPID_8021AD = 0x8100, 0x88A8


def mac(lport: int) -> bytes:
    """The MAC of the vNIC on ``lport``."""
    return bytes([2, 0, 0, 0, lport >> 8, lport & 255])


def tag(vid: int, priority: int = 0, dei: int = 0, tpid: int = TPID_8021Q) -> bytes:
    """An 802.1Q or 802.1ad tag."""
    return struct.pack("!HH", tpid, priority << 13 | dei << 12 | vid)


def frame(dst: bytes, src: bytes, *tags: bytes, ethertype: int = TEST_TYPE, body: bytes = BODY) -> bytes:
    """An Ethernet frame, outermost tag first."""
    return dst + src + b"".join(tags) + struct.pack("!H", ethertype) + body


def sized(length: int, dst: bytes, src: bytes, *tags: bytes) -> bytes:
    """A frame of exactly ``length`` bytes, tags included."""
    return frame(dst, src, *tags, body=bytes(length - 14 - 4 * len(tags)))


def ipv4(src: str, dst: str, protocol: int = 17, payload: bytes = bytes(30), options: bytes = b"") -> bytes:
    """An IPv4 packet; its checksum is nobody's business."""
    length = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), 1, 0, 64, protocol, 0)
    return head + ip_address(src).packed + ip_address(dst).packed + options + payload


def ipv6(src: str, dst: str, following: int = 17, payload: bytes = bytes(30)) -> bytes:
    """An IPv6 packet."""
    head = struct.pack("!IHBB", 6 << 28, len(payload), following, 64)
    return head + ip_address(src).packed + ip_address(dst).packed + payload


ROUTER_ALERT4, ROUTER_ALERT6 = bytes.fromhex("94040000"), bytes.fromhex("3a00050200000100")


def igmp(kind: int, dst: str) -> bytes:
    """An IGMP message of that type, with the router alert that it has in practice."""
    return ipv4("10.0.0.9", dst, 2, bytes([kind]) + bytes(31), ROUTER_ALERT4)


def mld(kind: int, dst: str) -> bytes:
    """An MLD message, behind the hop-by-hop header that it must have."""
    return ipv6("fe80::9", dst, 0, ROUTER_ALERT6 + bytes([kind]) + bytes(27))


# --- policies ----------------------------------------------------------------------------------------------------


def access(vlan: int, **more: object) -> Policy:
    """EST (0) or VST (1..4094)."""
    return replace(Policy(vlan=vlan), **more)  # type: ignore[arg-type]


def trunk(allowed: str, native: int = 0, **more: object) -> Policy:
    """VGT with a list; "0" in it stands for untagged."""
    vlans = VlanSet.parse(allowed, lowest=0)
    return replace(Policy(trunk=True, allowed=vlans, vlan=native), **more)  # type: ignore[arg-type]


EVERYTHING = "0-4094"
"""What VLAN 4095 means on a standard switch; for uplinks, which need no receiver lists."""
VGT = "0,1,100,200,300,4094"
"""Stands for it on vNICs: enough VLANs for the rules, and few receiver lists to load."""


# --- ports and worlds --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class At:
    """A port with its policy, at an lport."""

    lport: int
    port: Port
    policy: Policy


def vnic(lport: int, policy: Policy, *, port_id: int | None = None, own: bytes | None = None, **more: object) -> At:
    """A vNIC with MAC mac(lport); by default port_id makes lport 1, 2, 3... take turns over the uplinks."""
    address = MacAddress(own or mac(lport))
    port = Port(0, lport, address, port_id=lport - 1 if port_id is None else port_id)
    return At(lport, replace(port, **more), policy)  # type: ignore[arg-type]


def switch_port(lport: int, policy: Policy, **more: object) -> At:
    """A port of a physical switch: no MAC of its own, learns, takes unknown unicast."""
    port = Port(0, lport, MacAddress(bytes(6)))
    policy = replace(policy, learn=True, unknown_flood=True, forged_ok=True)
    return At(lport, replace(port, **more), policy)  # type: ignore[arg-type]


def uplink(lport: int, policy: Policy | None = None, **more: object) -> At:
    """An uplink; a trunk of everything unless told otherwise."""
    port = Port(0, lport, MacAddress(mac(lport)), uplink=True)
    return At(lport, replace(port, **more), policy or trunk(EVERYTHING))  # type: ignore[arg-type]


def world(
    *ports: At,
    teams: Mapping[int, tuple[int, ...]] | None = None,
    method: Method = Method.PORT_ID,
    groups: Mapping[Group, tuple[int, ...]] | None = None,
    vif_lists: Mapping[tuple[int, int], tuple[int, ...]] | None = None,
    **control: object,
) -> Image:
    """All tables for these ports; team 0 is all uplinks unless told otherwise, and all teams have one method."""
    uplinks = tuple(at.lport for at in ports if at.port.uplink)
    policies = {at.policy: number for number, at in enumerate(ports)}
    vnics = [at for at in ports if not at.port.uplink]
    vlans = {vlan for at in vnics for vlan in at.policy.vlans()}
    return Image(
        control=replace(Control(), **control),  # type: ignore[arg-type]
        ports={at.lport: replace(at.port, policy=policies[at.policy]) for at in ports},
        policies={number: policy for policy, number in policies.items()},
        teams={number: Team(lports, method) for number, lports in (teams or {0: uplinks}).items()},
        static_macs={at.port.mac: at.lport for at in vnics if any(at.port.mac.octets)},
        members={vlan: _carriers(vnics, vlan) for vlan in vlans},
        unknown_members=_lists([at for at in vnics if at.policy.unknown_flood], vlans),
        promiscuous_members=_lists([at for at in vnics if at.policy.promiscuous], vlans),
        groups=groups or {},
        vif_lists=vif_lists or {},
    )


def _lists(ports: list[At], vlans: set[int]) -> dict[int, tuple[int, ...]]:
    return {vlan: found for vlan in vlans if (found := _carriers(ports, vlan))}


def _carriers(ports: list[At], vlan: int) -> tuple[int, ...]:
    return tuple(sorted(at.lport for at in ports if at.policy.carries(vlan)))
