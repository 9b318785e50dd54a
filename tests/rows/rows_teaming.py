"""Rows: uplink pinning by port id, reverse teaming, and the golden scenarios G1, G4, G5 (S-115 to S-130)."""

from __future__ import annotations

from tests.rows.row import Row, becomes, dropped, forwarded, lost, sent
from tests.rows.world import (
    BROADCAST,
    OUTSIDE,
    VGT,
    access,
    frame,
    mac,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)

U1, U2, U3 = 10, 11, 12
EST, V100, V300 = access(0), access(100), access(300)
PINNED = world(vnic(1, V100), vnic(2, V100), uplink(U1), uplink(U2))
"""1 uses U1, 2 uses U2."""
TO_ALL = frame(BROADCAST, OUTSIDE, tag(100))
HEARD = frame(BROADCAST, OUTSIDE)


def to(lport: int) -> bytes:
    """Unicast of the network in VLAN 100."""
    return frame(mac(lport), OUTSIDE, tag(100))


def got(lport: int) -> bytes:
    """What a VST vNIC receives of it."""
    return frame(mac(lport), OUTSIDE)


def out(lport: int) -> bytes:
    """A vNIC's frame to the outside, as the uplink sends it."""
    return frame(OUTSIDE, mac(lport), tag(100))


def _choice(port_id: int, *uplinks: int, expect: int) -> Row:
    return Row(
        f"port id {port_id:#x} over {len(uplinks)} uplinks",
        ("S-130",),
        world(vnic(1, V100, port_id=port_id), *(uplink(number) for number in uplinks)),
        (
            forwarded(1, frame(OUTSIDE, mac(1)), sent(expect, out(1), flooded=True)),
            forwarded(expect, to(1), sent(1, got(1))),
            *(forwarded(other, to(1), lost(1, "REVERSE_TEAMING")) for other in uplinks if other != expect),
        ),
    )


PINNING = [
    _choice(0x03000009, U1, U2, expect=U2),
    _choice(0x03000009, U1, U2, U3, expect=U1),
    _choice(5, U1, U2, U3, expect=U3),
    _choice(7, U1, expect=U1),
    Row(
        "the team's order counts, not the uplinks' numbers",
        ("S-130",),
        world(vnic(1, V100), uplink(U1), uplink(U2), teams={0: (U2, U1)}),
        (forwarded(1, frame(OUTSIDE, mac(1)), sent(U2, out(1), flooded=True)),),
    ),
    Row(
        "per port, not per port group",
        ("S-131",),
        PINNED,
        (
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U1, out(1), flooded=True)),
            forwarded(2, frame(OUTSIDE, mac(2)), sent(U2, out(2), flooded=True)),
        ),
    ),
]

REVERSE = [
    Row(
        "only from the uplink the port would send by",
        ("S-115",),
        PINNED,
        (
            forwarded(U1, TO_ALL, sent(1, HEARD), lost(2, "REVERSE_TEAMING")),
            forwarded(U2, TO_ALL, sent(2, HEARD), lost(1, "REVERSE_TEAMING")),
        ),
    ),
    Row(
        "plain unicast too",
        ("S-116", "S-109", "S-110"),
        PINNED,
        (
            forwarded(U1, to(1), sent(1, got(1))),
            forwarded(U2, to(1), lost(1, "REVERSE_TEAMING")),
            forwarded(U2, to(2), sent(2, got(2))),
            forwarded(U1, to(2), lost(2, "REVERSE_TEAMING")),
        ),
    ),
    Row(
        "flooded unknown unicast and learned addresses too",
        ("S-116", "S-075"),
        world(
            vnic(1, access(100, learn=True, unknown_flood=True, forged_ok=True)),
            vnic(2, access(100, learn=True, unknown_flood=True, forged_ok=True)),
            uplink(U1),
            uplink(U2),
        ),
        (
            forwarded(U1, to(9), sent(1, got(9), flooded=True), lost(2, "REVERSE_TEAMING")),
            forwarded(
                2, frame(OUTSIDE, mac(9)), sent(1, frame(OUTSIDE, mac(9)), flooded=True), sent(U2, out(9), flooded=True)
            ),
            forwarded(U2, to(9), sent(2, got(9))),
            forwarded(U1, to(9), lost(2, "REVERSE_TEAMING")),
        ),
    ),
    Row(
        "the same frame on both uplinks is received exactly once",
        ("S-117",),
        PINNED,
        (
            forwarded(U1, to(1), sent(1, got(1))),
            forwarded(U2, to(1), lost(1, "REVERSE_TEAMING")),
        ),
    ),
    Row(
        "frames between local ports are never filtered",
        ("S-118",),
        PINNED,
        (
            forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))),
            forwarded(
                2,
                frame(BROADCAST, mac(2)),
                sent(1, frame(BROADCAST, mac(2))),
                sent(U2, frame(BROADCAST, mac(2), tag(100))),
            ),
        ),
    ),
    Row(
        "ports that take unknown unicast are filtered the same way",
        ("S-119",),
        world(vnic(1, V100), vnic(2, access(100, learn=True, unknown_flood=True)), uplink(U1), uplink(U2)),
        (
            forwarded(U1, to(9), lost(2, "REVERSE_TEAMING")),
            forwarded(U2, to(9), sent(2, got(9), flooded=True)),
        ),
    ),
    Row(
        "one usable uplink: it passes, an unused one does not",
        ("S-122",),
        world(vnic(1, V100), vnic(2, V100), uplink(U1), uplink(U2), teams={0: (U1,)}),
        (
            forwarded(U1, TO_ALL, sent(1, HEARD), sent(2, HEARD)),
            forwarded(U2, TO_ALL, lost(1, "REVERSE_TEAMING"), lost(2, "REVERSE_TEAMING")),
            forwarded(U2, to(1), lost(1, "REVERSE_TEAMING")),
        ),
    ),
    Row(
        "no uplink in use: nothing of the network is delivered",
        ("S-122", "S-093"),
        world(vnic(1, V100), uplink(U1), teams={0: ()}),
        (forwarded(U1, to(1), lost(1, "REVERSE_TEAMING")),),
    ),
    Row(
        "the filter follows when the team changes",
        ("S-123",),
        PINNED,
        (
            forwarded(U2, to(1), lost(1, "REVERSE_TEAMING")),
            becomes(world(vnic(1, V100), vnic(2, V100), uplink(U1), uplink(U2), teams={0: (U2,)})),
            forwarded(U2, to(1), sent(1, got(1))),
            forwarded(U1, to(1), lost(1, "REVERSE_TEAMING")),
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U2, out(1), flooded=True)),
        ),
    ),
    Row(
        "an uplink that one group does not use still serves the other",
        ("S-124", "S-125", "S-144"),
        world(
            vnic(1, access(100, team=1)),
            vnic(2, access(100, team=2)),
            vnic(3, access(100, team=2)),
            uplink(U1),
            uplink(U2),
            teams={1: (U1,), 2: (U2,)},
        ),
        (
            forwarded(U2, TO_ALL, lost(1, "REVERSE_TEAMING"), sent(2, HEARD), sent(3, HEARD)),
            forwarded(U1, TO_ALL, sent(1, HEARD), lost(2, "REVERSE_TEAMING"), lost(3, "REVERSE_TEAMING")),
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U1, out(1), flooded=True)),
            forwarded(2, frame(OUTSIDE, mac(2)), sent(U2, out(2), flooded=True)),
        ),
    ),
    Row(
        "each receiver is judged by itself, never the frame as a whole",
        ("S-126",),
        world(vnic(1, V100), vnic(2, V100), vnic(3, V100), vnic(4, V100), uplink(U1), uplink(U2)),
        (
            forwarded(
                U1,
                TO_ALL,
                sent(1, HEARD),
                lost(2, "REVERSE_TEAMING"),
                sent(3, HEARD),
                lost(4, "REVERSE_TEAMING"),
            ),
        ),
    ),
    Row(
        "no uplink speaks for the whole team: ports hear the network by two at once, unknown unicast included",
        ("S-129", "S-115", "S-116"),
        world(
            vnic(1, access(100, learn=True, unknown_flood=True, forged_ok=True)),
            vnic(2, access(100, learn=True, unknown_flood=True, forged_ok=True)),
            uplink(U1),
            uplink(U2),
        ),
        (
            forwarded(U1, TO_ALL, sent(1, HEARD), lost(2, "REVERSE_TEAMING")),
            forwarded(U2, TO_ALL, sent(2, HEARD), lost(1, "REVERSE_TEAMING")),
            forwarded(U1, to(9), sent(1, got(9), flooded=True), lost(2, "REVERSE_TEAMING")),
            forwarded(U2, to(9), sent(2, got(9), flooded=True), lost(1, "REVERSE_TEAMING")),
        ),
    ),
    Row(
        "an uplink that no team has yet neither sends nor brings anything; once it is in a team it does",
        ("S-244",),
        world(vnic(1, V100), vnic(2, V100), uplink(U1), uplink(U2), teams={0: (U1,)}),
        (
            forwarded(2, frame(OUTSIDE, mac(2)), sent(U1, out(2), flooded=True)),
            forwarded(U2, TO_ALL, lost(1, "REVERSE_TEAMING"), lost(2, "REVERSE_TEAMING")),
            becomes(PINNED),
            forwarded(2, frame(OUTSIDE, mac(2)), sent(U2, out(2), flooded=True)),
            forwarded(U2, TO_ALL, lost(1, "REVERSE_TEAMING"), sent(2, HEARD)),
        ),
    ),
    Row(
        "with the filter off duplicates reach the guest",
        ("S-128",),
        world(vnic(1, V100), vnic(2, V100), uplink(U1), uplink(U2), reverse_teaming=False),
        (
            forwarded(U1, to(1), sent(1, got(1))),
            forwarded(U2, to(1), sent(1, got(1))),
        ),
    ),
]

REPLY = bytes.fromhex("450000540000400040010000c0a8640bc0a8640c") + bytes(64)
"""An ICMP echo reply of 98 bytes in all."""
GOLDEN = [
    Row(
        "the reply on both uplinks: two copies decided, one received untagged, one dropped",
        ("G1", "S-245", "S-117"),
        PINNED,
        (
            forwarded(
                U1,
                frame(mac(1), OUTSIDE, tag(100), ethertype=0x0800, body=REPLY),
                sent(1, frame(mac(1), OUTSIDE, ethertype=0x0800, body=REPLY)),
            ),
            forwarded(
                U2,
                frame(mac(1), OUTSIDE, tag(100), ethertype=0x0800, body=REPLY),
                lost(1, "REVERSE_TEAMING"),
            ),
        ),
    ),
    Row(
        "a broadcast comes back on the other uplink: the local copy is the only one",
        ("G4", "S-088", "S-087"),
        PINNED,
        (
            forwarded(
                1,
                frame(BROADCAST, mac(1)),
                sent(2, frame(BROADCAST, mac(1))),
                sent(U1, frame(BROADCAST, mac(1), tag(100))),
            ),
            dropped(U2, frame(BROADCAST, mac(1), tag(100)), "RPF_LOCAL_SRC"),
        ),
    ),
    Row(
        "VLAN 300 among VGT, VST(300) and two EST: unicast and broadcast, both ways",
        ("G5", "S-034"),
        world(vnic(1, trunk(VGT)), vnic(2, V300), vnic(3, EST), vnic(4, EST), uplink(U1)),
        (
            forwarded(
                U1,
                frame(BROADCAST, OUTSIDE, tag(300)),
                sent(1, frame(BROADCAST, OUTSIDE, tag(300))),
                sent(2, frame(BROADCAST, OUTSIDE)),
            ),
            forwarded(U1, frame(mac(1), OUTSIDE, tag(300)), sent(1, frame(mac(1), OUTSIDE, tag(300)))),
            forwarded(U1, frame(mac(2), OUTSIDE, tag(300)), sent(2, frame(mac(2), OUTSIDE))),
            dropped(U1, frame(mac(3), OUTSIDE, tag(300)), "UNKNOWN_UNICAST"),
            forwarded(
                1,
                frame(BROADCAST, mac(1), tag(300)),
                sent(2, frame(BROADCAST, mac(1))),
                sent(U1, frame(BROADCAST, mac(1), tag(300))),
            ),
            forwarded(
                2,
                frame(BROADCAST, mac(2)),
                sent(1, frame(BROADCAST, mac(2), tag(300))),
                sent(U1, frame(BROADCAST, mac(2), tag(300))),
            ),
            forwarded(2, frame(OUTSIDE, mac(2)), sent(U1, frame(OUTSIDE, mac(2), tag(300)), flooded=True)),
            forwarded(
                3,
                frame(BROADCAST, mac(3)),
                *(sent(n, frame(BROADCAST, mac(3))) for n in (1, 4)),
                sent(U1, frame(BROADCAST, mac(3))),
            ),
        ),
    ),
]

ROWS: list[Row] = [*PINNING, *REVERSE, *GOLDEN]
