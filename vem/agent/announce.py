"""RARP frames that tell the physical network where a vEth lives now (wire-formats R1, R2; S-152, S-246, S-247).

Pure: which frames, and when; the agent sends them out of the uplink that the port is pinned to.
"""

from __future__ import annotations

from dvswitch.mac import BROADCAST, MacAddress
from vem.datapath.image import Policy

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
    return [rarp(mac, vlan if _leaves_tagged(vlan, uplink) else 0) for vlan in vlans]


def _leaves_tagged(vlan: int, uplink: Policy) -> bool:
    return uplink.trunk and vlan != uplink.vlan
