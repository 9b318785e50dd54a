"""Rows: may the frame enter at all?  Port state, size, source MAC, forged transmits, link-local groups (S-001 ff.)."""

from __future__ import annotations

from dataclasses import replace

from tests.rows.row import Row, becomes, dropped, forwarded, lost, sent
from tests.rows.world import (
    BROADCAST,
    MULTICAST,
    OUTSIDE,
    TPID_8021AD,
    access,
    frame,
    mac,
    sized,
    switch_port,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)

U = 10
EST = access(0)
PAIR = world(vnic(1, EST), vnic(2, EST), uplink(U))
LAX = access(0, forged_ok=True)


TOPOLOGY_CHANGE = bytes.fromhex("4242030000000001") + bytes(42)
"""A spanning tree BPDU with that flag, behind its LLC header."""


def _link_local(last: int) -> bytes:
    return bytes.fromhex("0180c20000") + bytes([last])


SIZE = [
    Row(
        "a short frame leaves by an uplink padded to 60 bytes",
        ("S-001",),
        PAIR,
        (
            forwarded(1, sized(42, OUTSIDE, mac(1)), sent(U, sized(60, OUTSIDE, mac(1)), flooded=True)),
            forwarded(1, sized(60, OUTSIDE, mac(1)), sent(U, sized(60, OUTSIDE, mac(1)), flooded=True)),
        ),
    ),
    Row(
        "the tag counts towards the 60 bytes",
        ("S-001",),
        world(vnic(1, access(100)), uplink(U)),
        (forwarded(1, sized(40, OUTSIDE, mac(1)), sent(U, sized(60, OUTSIDE, mac(1), tag(100)), flooded=True)),),
    ),
    Row(
        "a frame below an Ethernet header is a runt",
        ("S-002",),
        PAIR,
        tuple(dropped(1, sized(60, mac(2), mac(1))[:length], "RUNT") for length in (1, 6, 13)),
        needs_short_frames=True,
    ),
    Row(
        "a header alone is enough, and is not truncated between local ports",
        ("S-003",),
        PAIR,
        tuple(
            forwarded(1, sized(length, mac(2), mac(1)), sent(2, sized(length, mac(2), mac(1))))
            for length in (14, 15, 59)
        ),
    ),
    Row(
        "MTU 1500: 1514 bytes pass, 1515 do not",
        ("S-004",),
        PAIR,
        (
            forwarded(1, sized(1514, mac(2), mac(1)), sent(2, sized(1514, mac(2), mac(1)))),
            dropped(1, sized(1515, mac(2), mac(1)), "OVERSIZE"),
        ),
    ),
    Row(
        "a tag is four bytes more",
        ("S-004",),
        world(vnic(1, trunk("100")), vnic(2, trunk("100")), uplink(U)),
        (
            forwarded(1, sized(1518, mac(2), mac(1), tag(100)), sent(2, sized(1518, mac(2), mac(1), tag(100)))),
            dropped(1, sized(1519, mac(2), mac(1), tag(100)), "OVERSIZE"),
        ),
    ),
    Row(
        "two tags are eight bytes more",
        ("S-004",),
        world(vnic(1, trunk("100")), vnic(2, trunk("100")), uplink(U)),
        (
            forwarded(
                1,
                sized(1522, mac(2), mac(1), tag(100), tag(7)),
                sent(2, sized(1522, mac(2), mac(1), tag(100), tag(7))),
            ),
            dropped(1, sized(1523, mac(2), mac(1), tag(100), tag(7)), "OVERSIZE"),
        ),
    ),
    Row(
        "a larger MTU takes larger frames, at once",
        ("S-004", "S-243"),
        PAIR,
        (
            dropped(1, sized(9014, mac(2), mac(1)), "OVERSIZE"),
            becomes(replace(PAIR, control=replace(PAIR.control, mtu=9000))),
            forwarded(1, sized(9014, mac(2), mac(1)), sent(2, sized(9014, mac(2), mac(1)))),
            dropped(1, sized(9015, mac(2), mac(1)), "OVERSIZE"),
        ),
    ),
]


def _superframe(segment: int) -> bytes:
    """TCP in IPv4 with 4344 bytes of payload."""
    ip = bytes.fromhex("4500") + (4384).to_bytes(2, "big") + bytes.fromhex("00014000400600000a0000010a000002")
    tcp = bytes.fromhex("04d20050000000010000000050100400" + "00000000")
    return frame(mac(2), mac(1), ethertype=0x0800, body=ip + tcp + bytes(4344))


GSO = [
    Row(
        "a superframe is judged by its segments",
        ("S-005",),
        PAIR,
        (
            forwarded(1, _superframe(1448), sent(2, _superframe(1448)), gso=1448),
            forwarded(1, _superframe(1460), sent(2, _superframe(1460)), gso=1460),
            dropped(1, _superframe(1461), "OVERSIZE", gso=1461),
            dropped(1, _superframe(0), "OVERSIZE"),
        ),
    ),
]

SOURCE = [
    Row(
        "a group address can't be a source",
        ("S-006",),
        world(vnic(1, LAX), vnic(2, LAX), uplink(U)),
        tuple(
            dropped(lport, frame(BROADCAST, bytes.fromhex(source)), "SRC_MAC_INVALID")
            for lport in (1, U)
            for source in ("01005e000001", "333300000001", "ffffffffffff")
        ),
    ),
    Row(
        "a group source is never learned",
        ("S-006", "S-063"),
        world(switch_port(1, EST), switch_port(2, EST)),
        (
            dropped(1, frame(BROADCAST, bytes.fromhex("030000000001")), "SRC_MAC_INVALID"),
            forwarded(2, frame(mac(9), mac(8)), sent(1, frame(mac(9), mac(8)), flooded=True)),
        ),
    ),
    Row(
        "nor can all zeros",
        ("S-007",),
        world(vnic(1, LAX), vnic(2, LAX), uplink(U)),
        tuple(dropped(lport, frame(BROADCAST, bytes(6)), "SRC_MAC_INVALID") for lport in (1, U)),
    ),
    Row(
        "forged source rejected, whatever the destination",
        ("S-008",),
        PAIR,
        tuple(dropped(1, frame(to, mac(9)), "FORGED_TX") for to in (mac(2), BROADCAST, MULTICAST, OUTSIDE)),
    ),
    Row(
        "another local vNIC's MAC is forged too",
        ("S-008",),
        PAIR,
        (dropped(1, frame(BROADCAST, mac(2)), "FORGED_TX"),),
    ),
    Row(
        "forged source accepted",
        ("S-009",),
        world(vnic(1, LAX), vnic(2, EST), uplink(U)),
        (
            forwarded(1, frame(mac(2), mac(9)), sent(2, frame(mac(2), mac(9)))),
            forwarded(1, frame(OUTSIDE, mac(9)), sent(U, frame(OUTSIDE, mac(9)), flooded=True)),
        ),
    ),
    Row(
        "a foreign ARP sender behind a right Ethernet source passes",
        ("S-010",),
        PAIR,
        (
            forwarded(
                1,
                arp := frame(
                    mac(2),
                    mac(1),
                    ethertype=0x0806,
                    body=bytes.fromhex("0001080006040002") + mac(9) + bytes(4) + mac(2) + bytes(22),
                ),
                sent(2, arp),
            ),
        ),
    ),
    Row(
        "the effective MAC is what is compared",
        ("S-014",),
        world(vnic(1, EST, own=mac(77)), vnic(2, EST), uplink(U)),
        (
            forwarded(1, frame(mac(2), mac(77)), sent(2, frame(mac(2), mac(77)))),
            dropped(1, frame(mac(2), mac(1)), "FORGED_TX"),
        ),
    ),
    Row(
        "RARP with the vNIC's own source passes",
        ("S-023",),
        PAIR,
        (
            forwarded(
                1,
                rarp := frame(BROADCAST, mac(1), ethertype=0x8035, body=bytes(46)),
                sent(2, rarp),
                sent(U, rarp),
            ),
        ),
    ),
    Row(
        "the network may send with any source",
        ("S-008",),
        PAIR,
        (forwarded(U, frame(mac(1), OUTSIDE), sent(1, frame(mac(1), OUTSIDE))),),
    ),
]

CHANGED = world(vnic(1, EST, mac_violation=True), vnic(2, EST), uplink(U))
MAC_CHANGES = [
    Row(
        "a vNIC that changed its MAC receives nothing until it changes back",
        ("S-011", "S-012"),
        CHANGED,
        (
            forwarded(2, frame(mac(1), mac(2)), lost(1, "MAC_CHANGED")),
            forwarded(2, frame(BROADCAST, mac(2)), lost(1, "MAC_CHANGED"), sent(U, frame(BROADCAST, mac(2)))),
            forwarded(U, frame(BROADCAST, OUTSIDE), lost(1, "MAC_CHANGED"), sent(2, frame(BROADCAST, OUTSIDE))),
            becomes(PAIR),
            forwarded(2, frame(mac(1), mac(2)), sent(1, frame(mac(1), mac(2)))),
        ),
    ),
    Row(
        "it may still send when forged transmits are accepted",
        ("S-015",),
        world(vnic(1, LAX, mac_violation=True), vnic(2, EST), uplink(U)),
        (
            forwarded(1, frame(mac(2), mac(9)), sent(2, frame(mac(2), mac(9)))),
            forwarded(2, frame(mac(1), mac(2)), lost(1, "MAC_CHANGED")),
        ),
    ),
    Row(
        "MAC changes accepted: the entry follows, the old address is unknown",
        ("S-013",),
        world(vnic(1, EST, own=mac(77)), vnic(2, EST), uplink(U)),
        (
            forwarded(2, frame(mac(77), mac(2)), sent(1, frame(mac(77), mac(2)))),
            forwarded(2, frame(mac(1), mac(2)), sent(U, frame(mac(1), mac(2)), flooded=True)),
        ),
    ),
]

CONTROL_GROUPS = [
    Row(
        "PAUSE, LACP and LLDP are never forwarded",
        ("S-018", "S-019"),
        PAIR,
        tuple(
            dropped(lport, frame(_link_local(last), source), "RESERVED_MCAST")
            for lport, source in ((1, mac(1)), (U, OUTSIDE))
            for last in (1, 2, 3, 0x0E, 0x0F)
        ),
    ),
    Row(
        "the next block is an ordinary group",
        ("S-018",),
        PAIR,
        (
            forwarded(
                1,
                frame(_link_local(0x10), mac(1)),
                sent(2, frame(_link_local(0x10), mac(1))),
                sent(U, frame(_link_local(0x10), mac(1))),
            ),
        ),
    ),
    Row(
        "CDP of the network stays out of the guests",
        ("S-019",),
        PAIR,
        (dropped(U, frame(bytes.fromhex("01000ccccccc"), OUTSIDE), "RESERVED_MCAST"),),
    ),
    Row(
        "a BPDU of the network is ignored, whatever it says, and changes nothing",
        ("S-020",),
        world(vnic(1, access(0, bpdu_ok=True)), vnic(2, EST), uplink(U), uplink(U + 1)),
        (
            *(
                dropped(lport, frame(_link_local(0), OUTSIDE, ethertype=38, body=bpdu), "RESERVED_MCAST")
                for lport in (U, U + 1)
                for bpdu in (TOPOLOGY_CHANGE, bytes(50))
            ),
            forwarded(U, frame(mac(1), OUTSIDE), sent(1, frame(mac(1), OUTSIDE))),
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U, frame(OUTSIDE, mac(1)), flooded=True)),
        ),
    ),
    Row(
        "a BPDU of a guest is guarded against",
        ("S-021",),
        PAIR,
        (dropped(1, frame(_link_local(0), mac(1)), "BPDU_GUARD"),),
    ),
    Row(
        "unless the policy lets guests speak spanning tree",
        ("S-021",),
        world(vnic(1, access(0, bpdu_ok=True)), uplink(U)),
        (forwarded(1, frame(_link_local(0), mac(1)), sent(U, frame(_link_local(0), mac(1)))),),
    ),
]

BLOCKED = world(vnic(1, EST, blocked=True), vnic(2, EST), vnic(3, access(0, blocked=True)), uplink(U))
STATE = [
    Row(
        "a blocked port sends nothing; so do all ports of a blocked group",
        ("S-240", "S-241"),
        BLOCKED,
        (
            dropped(1, frame(mac(2), mac(1)), "PORT_BLOCKED"),
            dropped(3, frame(BROADCAST, mac(3)), "PORT_BLOCKED"),
        ),
    ),
    Row(
        "a blocked port receives nothing and its MAC is not flooded",
        ("S-240", "S-090"),
        BLOCKED,
        (
            forwarded(2, frame(mac(1), mac(2)), lost(1, "PORT_BLOCKED")),
            forwarded(U, frame(mac(3), OUTSIDE), lost(3, "PORT_BLOCKED")),
            forwarded(
                2,
                frame(BROADCAST, mac(2)),
                lost(1, "PORT_BLOCKED"),
                lost(3, "PORT_BLOCKED"),
                sent(U, frame(BROADCAST, mac(2))),
            ),
        ),
    ),
    Row(
        "a blocked uplink takes part in nothing",
        ("S-240",),
        world(vnic(1, EST), vnic(2, EST), uplink(U, blocked=True)),
        (
            dropped(U, frame(mac(1), OUTSIDE), "PORT_BLOCKED"),
            forwarded(1, frame(OUTSIDE, mac(1)), lost(U, "PORT_BLOCKED")),
            forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))),
        ),
    ),
    Row(
        "a NIC that is no port of the switch",
        ("S-242",),
        PAIR,
        (dropped(5, frame(mac(1), mac(5)), "NO_PORT"),),
        engines=("user",),
    ),
    Row(
        "a disconnected vNIC's MAC becomes unknown unicast",
        ("S-242",),
        PAIR,
        (
            forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))),
            becomes(world(vnic(1, EST), uplink(U))),
            forwarded(1, frame(mac(2), mac(1)), sent(U, frame(mac(2), mac(1)), flooded=True)),
        ),
    ),
    Row(
        "size comes before the source, the source before the VLAN",
        ("S-002", "S-007", "S-040"),
        world(vnic(1, access(100)), uplink(U)),
        (
            dropped(1, sized(2000, OUTSIDE, bytes(6), tag(5)), "OVERSIZE"),
            dropped(1, frame(OUTSIDE, bytes(6), tag(5)), "SRC_MAC_INVALID"),
            dropped(1, frame(OUTSIDE, mac(1), tag(5)), "VLAN_MISMATCH"),
        ),
    ),
    Row(
        "a tag that is cut off is a runt, not an enormous frame",
        ("S-002",),
        world(vnic(1, trunk("0,100")), vnic(2, trunk("0,100")), uplink(U)),
        tuple(
            dropped(1, mac(2) + mac(1) + tag(100, tpid=tpid)[:2] + bytes(extra), "RUNT")
            for tpid in (0x8100, TPID_8021AD)
            for extra in (0, 3)
        ),
        engines=("user",),
    ),
]

ROWS: list[Row] = [*SIZE, *GSO, *SOURCE, *MAC_CHANGES, *CONTROL_GROUPS, *STATE]
