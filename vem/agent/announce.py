"""RARP frames that tell the physical network where a MAC lives now (wire-formats R1, R2; S-152, S-246, S-247).

Pure: which frames, out of which uplink, and when; announcer.py sends them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dvswitch.mac import BROADCAST, MacAddress
from dvswitch.vlan import VlanSet
from vem.agent.teams import uplink_of
from vem.datapath.image import Image, LearnedMac, Policy, Team

Frame = tuple[int, bytes]
"""lport of an uplink, and what leaves by it."""

SCHEDULE = (0.0, 0.05, 0.2, 0.45, 0.8)
"""Seconds after activation, as QEMU does it."""
MAX_VLANS = 100
"""VLANs of a trunk that are announced; the lowest ones."""
_MIN_FRAME = 60
_ETH_RARP = b"\x80\x35"
_RARP_REQUEST = bytes.fromhex("0001080006040003")
_NO_ADDRESS = bytes(4)


def rarp(mac: MacAddress, vlan: int = 0) -> bytes:
    """A RARP request of ``mac``: 60 bytes untagged (vlan 0), else 64 with an 802.1Q tag."""
    tag = b"\x81\x00" + vlan.to_bytes(2, "big") if vlan else b""
    body = _RARP_REQUEST + (mac.octets + _NO_ADDRESS) * 2
    padded = (BROADCAST.octets + mac.octets + _ETH_RARP + body).ljust(_MIN_FRAME, b"\0")
    return padded[:12] + tag + padded[12:]


def announcements(mac: MacAddress, port: Policy, uplink: Policy) -> list[bytes]:
    """One RARP per VLAN that the port has and its uplink carries, tagged as the uplink would send it."""
    vlans = [vlan for vlan in port.vlans() if uplink.carries(vlan)][:MAX_VLANS]
    return [rarp(mac, vlan if leaves_tagged(vlan, uplink) else 0) for vlan in vlans]


def leaves_tagged(vlan: int, policy: Policy) -> bool:
    """Whether frames of a VLAN leave a port with this policy with a tag."""
    return policy.trunk and vlan != policy.vlan


def placed(image: Image, lport: int, mac: MacAddress) -> int:
    """Lport of the uplink by which ``mac`` behind a vNIC reaches the network; 0: none, or any of a LAG's (S-155)."""
    port = image.ports.get(lport)
    policy = image.policies.get(port.policy) if port else None
    if port is None or policy is None or port.uplink or port.blocked or policy.blocked or not port.link_up:
        return 0
    return uplink_of(port, image.teams.get(policy.team, Team()), mac)


def touched(old: Image, new: Image) -> list[int]:
    """vNICs whose uplink or VLANs may differ between the two."""
    stays = {index for index in new.policies if _way(old, index) == _way(new, index)}
    found = []
    for lport, port in new.ports.items():
        before = old.ports.get(lport)
        if not port.uplink and (port.policy not in stays or (before is not port and before != port)):
            found.append(lport)
    return found


def _way(image: Image, index: int) -> tuple[Team, bool, int, VlanSet]:
    """What a policy says of the way to its ports."""
    policy = image.policies.get(index)
    if policy is None or policy.blocked:
        return Team(), False, 0, VlanSet()
    return image.teams.get(policy.team, Team()), policy.trunk, policy.vlan, policy.allowed


def relocations(old: Image, new: Image, lports: Collection[int], learned: Iterable[LearnedMac] = ()) -> list[Frame]:
    """What to send after going from ``old`` to ``new``: one RARP per MAC and VLAN, where uplink or VLAN (S-056) is new
    to it."""
    frames = []
    for lport in lports:
        mac = new.ports[lport].mac
        if not (uplink := placed(new, lport, mac)):
            continue
        moved = uplink != placed(old, lport, mac)
        known = () if moved else [frame for _, frame in location(old, lport, uplink)]
        frames += [(uplink, frame) for _, frame in location(new, lport, uplink) if frame not in known]
    for entry in learned:
        if entry.lport in lports and placed(new, entry.lport, entry.mac) != placed(old, entry.lport, entry.mac):
            frames += behind(new, entry.lport, [entry])
    return frames


def behind(image: Image, lport: int, learned: Iterable[LearnedMac]) -> list[Frame]:
    """One RARP for each of these addresses that was learned behind a vNIC, in its VLAN."""
    frames = []
    for entry in learned:
        uplink = placed(image, lport, entry.mac) if entry.lport == lport else 0
        if uplink and (carrying := _policy(image, uplink)).carries(entry.vlan):
            frames.append((uplink, rarp(entry.mac, entry.vlan if leaves_tagged(entry.vlan, carrying) else 0)))
    return frames


def location(image: Image, lport: int, uplink: int) -> list[Frame]:
    """The announcements of a vNIC's own MAC out of an uplink."""
    port = image.ports[lport]
    frames = announcements(port.mac, image.policies[port.policy], _policy(image, uplink))
    return [(uplink, frame) for frame in frames]


def _policy(image: Image, lport: int) -> Policy:
    port = image.ports.get(lport)
    return image.policies.get(port.policy, Policy()) if port else Policy(trunk=True)
