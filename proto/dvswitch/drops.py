"""Why a frame was dropped: name, CLI word and sentence of every reason.

Generated from vem/datapath/src/drops.h by `python -m vem.datapath.generate`; edit that list, not this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DropReason:
    """One reason; ``number`` is its counter slot."""

    number: int
    name: str
    word: str
    """As the CLI writes it: "reverse-teaming"."""
    sentence: str
    """What happened and what to look at."""


REASONS: tuple[DropReason, ...] = (
    DropReason(
        1,
        "RUNT",
        "runt",
        "shorter than an Ethernet header (14 bytes)",
    ),
    DropReason(
        2,
        "OVERSIZE",
        "oversize",
        "longer than the switch MTU allows; compare the guest's MTU with the switch's",
    ),
    DropReason(
        3,
        "SRC_MAC_INVALID",
        "src-mac-invalid",
        "source MAC is multicast, broadcast or all zero",
    ),
    DropReason(
        4,
        "PORT_BLOCKED",
        "port-blocked",
        "the port is blocked: profile or interface is shut down, disabled or not yet activated",
    ),
    DropReason(
        5,
        "LINK_DOWN",
        "link-down",
        "the receiver's link is down",
    ),
    DropReason(
        6,
        "FORGED_TX",
        "forged-tx",
        "source MAC is not the vNIC's own and forged transmits are rejected",
    ),
    DropReason(
        7,
        "MAC_CHANGED",
        "mac-changed",
        "the guest changed its MAC and MAC changes are rejected",
    ),
    DropReason(
        8,
        "VLAN_MISMATCH",
        "vlan-mismatch",
        "the frame's VLAN is not carried by this port; check access VLAN, allowed list and native VLAN",
    ),
    DropReason(
        9,
        "PVLAN",
        "pvlan",
        "private VLAN roles forbid this pair of ports",
    ),
    DropReason(
        10,
        "RESERVED_MCAST",
        "reserved-mcast",
        "link-local control frame (01-80-C2-00-00-0x) that a switch never forwards",
    ),
    DropReason(
        11,
        "BPDU_GUARD",
        "bpdu-guard",
        "spanning-tree BPDU sent by a guest",
    ),
    DropReason(
        12,
        "RPF_LOCAL_SRC",
        "rpf-local-src",
        "came in by an uplink with the source MAC of a local port: our own frame reflected by the network",
    ),
    DropReason(
        13,
        "UPLINK_INACTIVE",
        "uplink-inactive",
        "no usable uplink for this port, or it came by an uplink that the port's team does not use",
    ),
    DropReason(
        14,
        "REVERSE_TEAMING",
        "reverse-teaming",
        "came by another uplink than the one the receiving port is pinned to",
    ),
    DropReason(
        15,
        "UNKNOWN_UNICAST",
        "unknown-unicast",
        "no port owns the destination MAC in this VLAN",
    ),
    DropReason(
        16,
        "MCAST_FILTER",
        "mcast-filter",
        "the receiver did not join this multicast group",
    ),
    DropReason(
        17,
        "MAC_LIMIT",
        "mac-limit",
        "the port's limit of learned MACs is reached",
    ),
    DropReason(
        18,
        "PORT_SECURITY",
        "port-security",
        "source MAC belongs to another port",
    ),
    DropReason(
        19,
        "DHCP_SNOOP",
        "dhcp-snoop",
        "DHCP snooping: not allowed from an untrusted port",
    ),
    DropReason(
        20,
        "IPSG",
        "ipsg",
        "IP source guard: address is not bound to this port",
    ),
    DropReason(
        21,
        "DAI",
        "dai",
        "ARP inspection: address is not bound to this port",
    ),
    DropReason(
        22,
        "ACL_DENY",
        "acl-deny",
        "denied by an access list",
    ),
    DropReason(
        23,
        "SHAPER_OVERFLOW",
        "shaper-overflow",
        "over the port's rate and its queue is full",
    ),
    DropReason(
        24,
        "MIRROR_DST",
        "mirror-dst",
        "the port is a mirror destination and takes no other traffic",
    ),
    DropReason(
        25,
        "SAME_PORT",
        "same-port",
        "the destination is the port that the frame came from",
    ),
    DropReason(
        26,
        "NO_RECEIVER",
        "no-receiver",
        "no other port carries this VLAN",
    ),
    DropReason(
        27,
        "TX_ERROR",
        "tx-error",
        "the receiving NIC refused the frame or its queue was full",
    ),
    DropReason(
        28,
        "NO_PORT",
        "no-port",
        "came from a NIC that is not a port of this switch",
    ),
    DropReason(
        29,
        "STORM",
        "storm",
        "over the storm-control rate",
    ),
    DropReason(
        30,
        "MOVED_AWAY",
        "moved-away",
        "the network still delivered here what is for a vEth that has moved; `mobility forward` would pass it on",
    ),
    DropReason(
        31,
        "MOVE_OVERFLOW",
        "move-overflow",
        "there was no room to keep the frame until the vEth that it concerns had moved",
    ),
    DropReason(
        32,
        "MOVE_EXPIRED",
        "move-expired",
        "kept for a vEth that was to move, but it was not activated in time",
    ),
    DropReason(
        33,
        "NIV_UNTAGGED",
        "niv-untagged",
        "came by a NIV link without the tag agreed on there, so it is no VIF's; compare both ends' tagging",
    ),
    DropReason(
        34,
        "NIV_DIRECTION",
        "niv-direction",
        "its NIV tag is for the other direction: two bridges, or two hosts, face each other on this link",
    ),
    DropReason(
        35,
        "NIV_VERSION",
        "niv-version",
        "its VNTag has another version than 0",
    ),
    DropReason(
        36,
        "NIV_UNKNOWN_VIF",
        "niv-unknown-vif",
        "its NIV tag names a VIF, or a list, that there is not on this link",
    ),
    DropReason(
        37,
        "NIV_LOOPED",
        "niv-looped",
        "a unicast frame that came back to the VIF that sent it",
    ),
    DropReason(
        38,
        "NIV_NESTED",
        "niv-nested",
        "begins with a NIV tag of its own, which would be taken for ours on the link",
    ),
    DropReason(
        39,
        "NO_VIF",
        "no-vif",
        "the port has no VIF on a NIV link yet; `show niv` tells how it stands",
    ),
    DropReason(
        40,
        "NIV_TWICE",
        "niv-twice",
        "a flood to a host whose mode is changing, which comes with a NIV tag and without: the one that is too many",
    ),
)

BY_NAME: Mapping[str, DropReason] = {reason.name: reason for reason in REASONS}
BY_NUMBER: Mapping[int, DropReason] = {reason.number: reason for reason in REASONS}
BY_WORD: Mapping[str, DropReason] = {reason.word: reason for reason in REASONS}
