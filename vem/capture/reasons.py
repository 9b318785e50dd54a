"""Of every drop reason: its rules, the settings that decide, and what to do about it.

The list of reasons is dvswitch.drops; where a setting was said is found out by vem/agent/said.py.
"""

from __future__ import annotations

from dataclasses import dataclass

VLANS = ("mode", "access_vlan", "native_vlan", "allowed_vlans")
TEAM = ("pin", "team_method", "team_active", "team_standby", "team_unused")
_LATER = "none: nothing of this version drops for this reason"


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one reason."""

    rules: str
    """Numbers of the rules that decide."""
    remedy: str
    """What to do about a drop."""
    settings: tuple[str, ...] = ()
    """Attributes of the port's configuration that decide: names of vsm's Settings, "blocked", or "system ..." lines."""


VERDICTS: dict[str, Verdict] = {
    "RUNT": Verdict("S-002", "send at least 14 bytes"),
    "OVERSIZE": Verdict("S-004 S-005", "lower the guest's MTU, or raise `system mtu`", ("system mtu",)),
    "SRC_MAC_INVALID": Verdict("S-006 S-007", "repair the sender: its source MAC is no station's"),
    "PORT_BLOCKED": Verdict(
        "S-090 S-240",
        "say `no shutdown` in the interface and its port profile, and `state enabled` there",
        ("blocked",),
    ),
    "LINK_DOWN": Verdict("S-090", "look at the receiver's NIC, or at the members of its port-channel"),
    "FORGED_TX": Verdict(
        "S-008 to S-010",
        "send with the vNIC's own MAC, or `security forged-transmits accept` in its port profile",
        ("forged_transmits",),
    ),
    "MAC_CHANGED": Verdict(
        "S-011 to S-015",
        "give the guest its MAC back, or `security mac-changes accept` in its port profile",
        ("mac_changes",),
    ),
    "VLAN_MISMATCH": Verdict(
        "S-030 to S-047", "compare the frame's tag with access vlan, allowed vlans and native vlan", VLANS
    ),
    "PVLAN": Verdict("S-160 to S-169", _LATER),
    "RESERVED_MCAST": Verdict("S-018 to S-020", "none: a switch never forwards it"),
    "BPDU_GUARD": Verdict(
        "S-021",
        "switch spanning tree off in the guest, or `spanning-tree bpduguard disable` in its port profile",
        ("bpdu_guard",),
    ),
    "RPF_LOCAL_SRC": Verdict(
        "S-087 S-089a", "none if the network reflects our frames; if the VM has moved away, detach it here"
    ),
    "UPLINK_INACTIVE": Verdict(
        "S-093 S-121 S-144", "bring up an uplink that the team uses and whose profile carries the VLAN", TEAM
    ),
    "REVERSE_TEAMING": Verdict(
        "S-122 to S-128",
        "none if another uplink brings the same frame; else let the network send by the pinned uplink",
        TEAM,
    ),
    "UNKNOWN_UNICAST": Verdict(
        "S-082",
        "check the destination MAC; for nested guests `mac-learning enable` with `mac-learning unknown-flood accept`",
        ("mac_learning", "unknown_flood"),
    ),
    "MOVED_AWAY": Verdict(
        "S-248 S-249 S-258", "`mobility forward` in its port profile passes on what the network still brings here"
    ),
    "MOVE_OVERFLOW": Verdict("S-248", "shorten the VM's pause, or let it be sent less while it moves"),
    "MOVE_EXPIRED": Verdict("S-248 S-250", "see why the migration was not finished: `show svs migration`"),
    "MCAST_FILTER": Verdict(
        "S-232 to S-236", "let the receiver join the group, or switch snooping off", ("system snooping",)
    ),
    "MAC_LIMIT": Verdict(
        "S-065 to S-068", "raise `mac-learning limit`, or forward unlearned by `action allow`", ("mac_limit",)
    ),
    "PORT_SECURITY": Verdict("S-073", "two ports use this MAC: find out which one should", ("mac_learning",)),
    "DHCP_SNOOP": Verdict("not numbered", _LATER),
    "IPSG": Verdict("not numbered", _LATER),
    "DAI": Verdict("not numbered", _LATER),
    "ACL_DENY": Verdict("S-202", _LATER),
    "SHAPER_OVERFLOW": Verdict("S-196", _LATER),
    "MIRROR_DST": Verdict("S-180", _LATER),
    "SAME_PORT": Verdict("S-085 S-091", "none: sender and destination are at one port"),
    "NO_RECEIVER": Verdict("S-080 ff.", "none: nobody else carries this VLAN here", VLANS),
    "TX_ERROR": Verdict("not numbered", "look at the receiver: its NIC is gone, or reads too slowly"),
    "NO_PORT": Verdict("not numbered", "attach the NIC: `vem attach`, or detach what is left of it"),
    "STORM": Verdict(
        "not numbered",
        "lower the sender's rate, or raise the storm-control rate",
        ("storm_broadcast", "storm_multicast", "storm_unknown"),
    ),
    "NIV_UNTAGGED": Verdict("S-092", "set the same `mode niv tagging` on the host as its switch has; `show niv` tells"),
    "NIV_DIRECTION": Verdict("S-092", "look where the cable goes: a NIV host's uplink belongs to a VIS"),
    "NIV_VERSION": Verdict("S-092", "none: only version 0 of the VNTag is known"),
    "NIV_UNKNOWN_VIF": Verdict("S-092", "none if it passes: the VIF came or went just then; else compare `show niv`"),
    "NIV_LOOPED": Verdict("S-092", "none: the sender has it already"),
    "NIV_NESTED": Verdict("S-092", "let guests send no VNTag or E-TAG of their own"),
    "NO_VIF": Verdict("S-092", "see by `show niv` whether the host has a switch at its uplink that gives it VIFs"),
    "NIV_TWICE": Verdict("S-092", "nothing: the host is on its way to mode NIV, or from it, and got it the other way"),
}
"""By name of the reason; of every reason."""
