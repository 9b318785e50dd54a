"""Rows: the MAC table, unicast, multicast and broadcast (S-060 to S-094)."""

from __future__ import annotations

from dataclasses import replace

from dvswitch.mac import MacAddress
from tests.rows.row import Row, Step, becomes, dropped, forwarded, lost, sent
from tests.rows.world import (
    BROADCAST,
    MULTICAST,
    OUTSIDE,
    OUTSIDE2,
    access,
    frame,
    mac,
    switch_port,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)

U1, U2 = 10, 11
EST, V100, V200 = access(0), access(100), access(200)
NESTED = mac(99)
"""A MAC behind a vNIC: a guest inside the guest."""
LEARNS = access(100, learn=True, unknown_flood=True, forged_ok=True)
LEARNS_ONLY = access(100, learn=True, forged_ok=True)

TRIO = world(vnic(1, V100), vnic(2, V100), vnic(3, V100), uplink(U1), uplink(U2))
NESTING = world(vnic(1, LEARNS), vnic(2, LEARNS_ONLY), vnic(3, LEARNS), vnic(4, V100), uplink(U1))


def hear(lport: int, source: bytes, *receivers: int) -> Step:
    """A broadcast by which the switch may learn; seen by these vNICs and by U1."""
    seen = frame(BROADCAST, source)
    return forwarded(
        lport, seen, *(sent(receiver, seen) for receiver in receivers), sent(U1, frame(BROADCAST, source, tag(100)))
    )


MAC_TABLE = [
    Row(
        "a vNIC's MAC is known before it ever speaks",
        ("S-060",),
        TRIO,
        (forwarded(2, frame(mac(1), mac(2)), sent(1, frame(mac(1), mac(2)))),),
    ),
    Row(
        "without learning a source behind a vNIC stays unknown",
        ("S-061",),
        world(vnic(1, access(100, forged_ok=True)), vnic(2, V100), uplink(U1)),
        (
            hear(1, NESTED, 2),
            forwarded(2, frame(NESTED, mac(2)), sent(U1, frame(NESTED, mac(2), tag(100)), flooded=True)),
            dropped(U1, frame(NESTED, OUTSIDE, tag(100)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "sources of the network are not learned",
        ("S-062",),
        world(vnic(1, LEARNS), uplink(U1, trunk("100", learn=True)), uplink(U2, trunk("100", learn=True))),
        (
            forwarded(U1, frame(BROADCAST, OUTSIDE, tag(100)), sent(1, frame(BROADCAST, OUTSIDE))),
            forwarded(U1, frame(mac(1), OUTSIDE, tag(100)), sent(1, frame(mac(1), OUTSIDE))),
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U1, frame(OUTSIDE, mac(1), tag(100)), flooded=True)),
        ),
    ),
    Row(
        "with learning it is found, from here and from outside",
        ("S-063",),
        NESTING,
        (
            hear(1, NESTED, 2, 3, 4),
            forwarded(4, frame(NESTED, mac(4)), sent(1, frame(NESTED, mac(4)))),
            forwarded(U1, frame(NESTED, OUTSIDE, tag(100)), sent(1, frame(NESTED, OUTSIDE))),
        ),
    ),
    Row(
        "learned per VLAN",
        ("S-063",),
        world(vnic(1, trunk("100,200", learn=True, forged_ok=True)), vnic(2, V100), vnic(3, V200), uplink(U1)),
        (
            forwarded(
                1,
                frame(OUTSIDE, NESTED, tag(100)),
                sent(U1, frame(OUTSIDE, NESTED, tag(100)), flooded=True),
            ),
            forwarded(2, frame(NESTED, mac(2)), sent(1, frame(NESTED, mac(2), tag(100)))),
            forwarded(3, frame(NESTED, mac(3)), sent(U1, frame(NESTED, mac(3), tag(200)), flooded=True)),
        ),
    ),
    Row(
        "rejected forged transmits are not learned",
        ("S-064",),
        world(vnic(1, access(100, learn=True)), vnic(2, V100), uplink(U1)),
        (
            dropped(1, frame(BROADCAST, NESTED), "FORGED_TX"),
            forwarded(2, frame(NESTED, mac(2)), sent(U1, frame(NESTED, mac(2), tag(100)), flooded=True)),
        ),
    ),
    Row(
        "unknown unicast goes to ports that learn and flood, and to the uplink",
        ("S-070", "S-071"),
        NESTING,
        (
            forwarded(
                4,
                frame(OUTSIDE, mac(4)),
                sent(1, frame(OUTSIDE, mac(4)), flooded=True),
                sent(3, frame(OUTSIDE, mac(4)), flooded=True),
                sent(U1, frame(OUTSIDE, mac(4), tag(100)), flooded=True),
            ),
            forwarded(
                1,
                frame(OUTSIDE, mac(1)),
                sent(3, frame(OUTSIDE, mac(1)), flooded=True),
                sent(U1, frame(OUTSIDE, mac(1), tag(100)), flooded=True),
            ),
            forwarded(
                U1,
                frame(NESTED, OUTSIDE, tag(100)),
                sent(1, frame(NESTED, OUTSIDE), flooded=True),
                sent(3, frame(NESTED, OUTSIDE), flooded=True),
            ),
        ),
    ),
    Row(
        "a learned MAC moves with its sender",
        ("S-072",),
        NESTING,
        (
            hear(1, NESTED, 2, 3, 4),
            replace(hear(2, NESTED, 1, 3, 4), moved=True, learned={2: 1}),
            forwarded(4, frame(NESTED, mac(4)), sent(2, frame(NESTED, mac(4)))),
            dropped(2, frame(NESTED, mac(2)), "SAME_PORT"),
        ),
    ),
    Row(
        "a vNIC's own MAC is not taken over by a learning port",
        ("S-073",),
        NESTING,
        (
            dropped(1, frame(BROADCAST, mac(4)), "PORT_SECURITY"),
            forwarded(2, frame(mac(4), mac(2)), sent(4, frame(mac(4), mac(2)))),
        ),
    ),
    Row(
        "the vNIC's own MAC in another VLAN may be learned there",
        ("S-073", "S-089a"),
        world(vnic(1, access(200, learn=True, forged_ok=True)), vnic(2, V200), vnic(4, V100), uplink(U1)),
        (
            forwarded(
                1,
                frame(BROADCAST, mac(4)),
                sent(2, frame(BROADCAST, mac(4))),
                sent(U1, frame(BROADCAST, mac(4), tag(200))),
            ),
            forwarded(2, frame(mac(4), mac(2)), sent(1, frame(mac(4), mac(2)))),
        ),
    ),
    Row(
        "learned MACs of a gone port are unknown again",
        ("S-074",),
        NESTING,
        (
            hear(1, NESTED, 2, 3, 4),
            becomes(world(vnic(2, LEARNS_ONLY), vnic(3, LEARNS), vnic(4, V100), uplink(U1))),
            forwarded(
                4,
                frame(NESTED, mac(4)),
                sent(3, frame(NESTED, mac(4)), flooded=True),
                sent(U1, frame(NESTED, mac(4), tag(100)), flooded=True),
            ),
        ),
    ),
    Row(
        "so are those learned in a VLAN that the port left",
        ("S-074", "S-056"),
        world(vnic(1, LEARNS), vnic(4, V100), uplink(U1)),
        (
            hear(1, NESTED, 4),
            becomes(world(vnic(1, access(200, learn=True, forged_ok=True)), vnic(4, V100), uplink(U1))),
            forwarded(4, frame(NESTED, mac(4)), sent(U1, frame(NESTED, mac(4), tag(100)), flooded=True)),
        ),
    ),
    Row(
        "and those that are forgotten",
        ("S-069",),
        NESTING,
        (
            hear(1, NESTED, 2, 3, 4),
            becomes(NESTING, forget=True),
            forwarded(
                2,
                frame(NESTED, mac(2)),
                sent(1, frame(NESTED, mac(2)), flooded=True),
                sent(3, frame(NESTED, mac(2)), flooded=True),
                sent(U1, frame(NESTED, mac(2), tag(100)), flooded=True),
            ),
        ),
    ),
]

UNICAST = [
    Row(
        "known unicast: exactly one copy, nothing on the uplinks",
        ("S-080",),
        TRIO,
        (forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))),),
    ),
    Row(
        "unknown unicast: one copy to the sender's uplink, none to other vNICs",
        ("S-081",),
        TRIO,
        (
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U1, frame(OUTSIDE, mac(1), tag(100)), flooded=True)),
            forwarded(2, frame(OUTSIDE, mac(2)), sent(U2, frame(OUTSIDE, mac(2), tag(100)), flooded=True)),
        ),
    ),
    Row(
        "unicast from the network to nobody here",
        ("S-082",),
        TRIO,
        (dropped(U1, frame(OUTSIDE2, OUTSIDE, tag(100)), "UNKNOWN_UNICAST"),),
    ),
    Row(
        "a vNIC that sends to itself",
        ("S-091", "S-085"),
        TRIO,
        (dropped(1, frame(mac(1), mac(1)), "SAME_PORT"),),
    ),
    Row(
        "a local receiver whose link is down gets nothing, and neither does the uplink",
        ("S-090",),
        world(vnic(1, V100), vnic(2, V100, link_up=False), uplink(U1)),
        (
            forwarded(1, frame(mac(2), mac(1)), lost(2, "LINK_DOWN")),
            forwarded(U1, frame(mac(2), OUTSIDE, tag(100)), lost(2, "LINK_DOWN")),
            forwarded(1, frame(BROADCAST, mac(1)), lost(2, "LINK_DOWN"), sent(U1, frame(BROADCAST, mac(1), tag(100)))),
        ),
    ),
    Row(
        "no uplink in use: the outside can't be reached, local switching goes on",
        ("S-093", "S-157"),
        world(vnic(1, V100), vnic(2, V100), uplink(U1), teams={0: ()}),
        (
            dropped(1, frame(OUTSIDE, mac(1)), "UPLINK_INACTIVE"),
            forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))),
            forwarded(1, frame(BROADCAST, mac(1)), sent(2, frame(BROADCAST, mac(1)))),
        ),
    ),
    Row(
        "the uplink's link is down but the team still names it",
        ("S-093",),
        world(vnic(1, V100), uplink(U1, link_up=False)),
        (forwarded(1, frame(OUTSIDE, mac(1)), lost(U1, "LINK_DOWN")),),
    ),
    Row(
        "a switch without uplinks is an internal switch",
        ("S-094",),
        world(vnic(1, V100), vnic(2, V100), vnic(3, V200)),
        (
            forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))),
            forwarded(1, frame(BROADCAST, mac(1)), sent(2, frame(BROADCAST, mac(1)))),
            dropped(3, frame(BROADCAST, mac(3)), "NO_RECEIVER"),
            dropped(1, frame(OUTSIDE, mac(1)), "UPLINK_INACTIVE"),
        ),
    ),
]


def _everywhere(to: bytes) -> Row:
    return Row(
        f"from a vNIC to {to.hex(':')}: every other port of the VLAN and exactly one uplink",
        ("S-083", "S-085"),
        world(vnic(1, V100), vnic(2, V100), vnic(3, V100), vnic(4, V200), uplink(U1), uplink(U2)),
        tuple(
            forwarded(
                lport,
                frame(to, mac(lport)),
                *(sent(other, frame(to, mac(lport))) for other in (1, 2, 3) if other != lport),
                sent(up, frame(to, mac(lport), tag(100))),
            )
            for lport, up in ((1, U1), (2, U2), (3, U1))
        ),
    )


FLOODS = [
    _everywhere(BROADCAST),
    _everywhere(MULTICAST),
    _everywhere(bytes.fromhex("333300000001")),
    Row(
        "broadcast of the network: every port of the VLAN that uses this uplink, no uplink",
        ("S-084", "S-086"),
        TRIO,
        (
            forwarded(
                U1,
                frame(BROADCAST, OUTSIDE, tag(100)),
                sent(1, frame(BROADCAST, OUTSIDE)),
                sent(3, frame(BROADCAST, OUTSIDE)),
                lost(2, "REVERSE_TEAMING"),
            ),
        ),
    ),
    Row(
        "never from uplink to uplink, even if nobody here wants the frame",
        ("S-086",),
        world(vnic(1, V200), uplink(U1), uplink(U2)),
        (
            dropped(U1, frame(BROADCAST, OUTSIDE, tag(100)), "NO_RECEIVER"),
            dropped(U1, frame(MULTICAST, OUTSIDE, tag(100)), "NO_RECEIVER"),
            dropped(U2, frame(OUTSIDE2, OUTSIDE, tag(100)), "UNKNOWN_UNICAST"),
        ),
    ),
    Row(
        "our own frame reflected by the network is for nobody",
        ("S-087", "S-111"),
        TRIO,
        (
            dropped(U2, frame(BROADCAST, mac(1), tag(100)), "RPF_LOCAL_SRC"),
            dropped(U1, frame(mac(2), mac(1), tag(100)), "RPF_LOCAL_SRC"),
        ),
    ),
    Row(
        "also when the source was learned here",
        ("S-087",),
        world(vnic(1, LEARNS), vnic(2, V100), uplink(U1)),
        (hear(1, NESTED, 2), dropped(U1, frame(BROADCAST, NESTED, tag(100)), "RPF_LOCAL_SRC")),
    ),
    Row(
        "the reflection is judged per VLAN: a firewall outside may bridge 100 to 200",
        ("S-089a",),
        world(vnic(1, V100), vnic(2, V200), uplink(U1)),
        (forwarded(U1, frame(BROADCAST, mac(1), tag(200)), sent(2, frame(BROADCAST, mac(1)))),),
    ),
    Row(
        "the reflection is dropped on a one-uplink team too, and without reverse teaming",
        ("S-089b", "S-128"),
        world(vnic(1, V100), vnic(2, V100), uplink(U1), reverse_teaming=False),
        (dropped(U1, frame(BROADCAST, mac(1), tag(100)), "RPF_LOCAL_SRC"),),
    ),
    Row(
        "after the entry is gone the announcement of the new host gets through",
        ("S-089", "S-258"),
        TRIO,
        (
            dropped(U2, frame(BROADCAST, mac(1), tag(100), ethertype=0x8035), "RPF_LOCAL_SRC"),
            becomes(world(vnic(2, V100), vnic(3, V100), uplink(U1), uplink(U2))),
            forwarded(
                U2,
                frame(BROADCAST, mac(1), tag(100), ethertype=0x8035),
                sent(2, frame(BROADCAST, mac(1), ethertype=0x8035)),
                lost(3, "REVERSE_TEAMING"),
            ),
        ),
    ),
]

TRUNK = trunk("1,100,200", native=1)
PHYSICAL = world(
    switch_port(1, TRUNK), switch_port(2, TRUNK), switch_port(3, V100), switch_port(4, V200), switch_port(5, access(1))
)
SWITCH = [
    Row(
        "a physical switch learns and floods: unknown to all ports of the VLAN",
        ("S-063", "S-070"),
        PHYSICAL,
        (
            forwarded(
                1,
                frame(mac(31), mac(30), tag(100)),
                sent(2, frame(mac(31), mac(30), tag(100)), flooded=True),
                sent(3, frame(mac(31), mac(30)), flooded=True),
            ),
            forwarded(3, frame(mac(30), mac(31)), sent(1, frame(mac(30), mac(31), tag(100)))),
            forwarded(1, frame(mac(31), mac(30), tag(100)), sent(3, frame(mac(31), mac(30)))),
            dropped(1, frame(mac(30), mac(32), tag(100)), "SAME_PORT"),
        ),
    ),
    Row(
        "its native VLAN travels untagged between trunks and to access ports",
        ("S-083", "S-036"),
        PHYSICAL,
        (
            forwarded(
                1, frame(BROADCAST, mac(30)), sent(2, frame(BROADCAST, mac(30))), sent(5, frame(BROADCAST, mac(30)))
            ),
            forwarded(
                4,
                frame(BROADCAST, mac(31)),
                sent(1, frame(BROADCAST, mac(31), tag(200))),
                sent(2, frame(BROADCAST, mac(31), tag(200))),
            ),
        ),
    ),
    Row(
        "a MAC that reappears on another port is followed there",
        ("S-072", "S-257"),
        PHYSICAL,
        (
            forwarded(
                1,
                frame(BROADCAST, mac(30), tag(200)),
                sent(2, frame(BROADCAST, mac(30), tag(200))),
                sent(4, frame(BROADCAST, mac(30))),
            ),
            replace(
                forwarded(
                    2,
                    frame(BROADCAST, mac(30), tag(200)),
                    sent(1, frame(BROADCAST, mac(30), tag(200))),
                    sent(4, frame(BROADCAST, mac(30))),
                ),
                moved=True,
            ),
            forwarded(4, frame(mac(30), mac(31)), sent(2, frame(mac(30), mac(31), tag(200)))),
        ),
    ),
]

STALE = replace(TRIO, members={100: (1, 2, 3, 9, U2)})
BOUND = replace(TRIO, static_macs={**TRIO.static_macs, MacAddress(OUTSIDE2): U2})
DEFENCES = [
    Row(
        "a receiver list with a gone port and an uplink in it: neither gets a copy it must not get",
        ("S-083", "S-242"),
        STALE,
        (
            forwarded(
                1,
                frame(BROADCAST, mac(1)),
                sent(2, frame(BROADCAST, mac(1))),
                sent(3, frame(BROADCAST, mac(1))),
                sent(U1, frame(BROADCAST, mac(1), tag(100))),
            ),
            forwarded(
                U1,
                frame(BROADCAST, OUTSIDE, tag(100)),
                sent(1, frame(BROADCAST, OUTSIDE)),
                sent(3, frame(BROADCAST, OUTSIDE)),
                lost(2, "REVERSE_TEAMING"),
            ),
        ),
    ),
    Row(
        "a MAC bound to an uplink is reached by vNICs, never from another uplink",
        ("S-086",),
        BOUND,
        (
            forwarded(1, frame(OUTSIDE2, mac(1)), sent(U2, frame(OUTSIDE2, mac(1), tag(100)))),
            forwarded(U1, frame(OUTSIDE2, OUTSIDE, tag(100)), lost(U2, "REVERSE_TEAMING")),
        ),
    ),
]

ROWS: list[Row] = [*DEFENCES, *MAC_TABLE, *UNICAST, *FLOODS, *SWITCH]
