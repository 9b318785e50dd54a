"""Rows: teaming by source MAC, IP hash, explicit order and pin, and the way back of each (S-115 to S-144, G10)."""

from __future__ import annotations

from dataclasses import replace

from tests.rows.row import Row, becomes, dropped, forwarded, lost, sent
from tests.rows.world import (
    BROADCAST,
    OUTSIDE,
    TEST_TYPE,
    VGT,
    access,
    frame,
    ipv4,
    ipv6,
    mac,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)
from vem.datapath.image import Image, Method, Policy

UPLINKS = tuple(range(10, 18))
U1, U2, U3 = UPLINKS[:3]
V100 = access(100)
FORGES = access(100, forged_ok=True)
EVEN, ODD = bytes.fromhex("020000000c02"), bytes.fromhex("020000000c03")
"""MACs behind a vNIC, by their last bytes."""


def by(method: Method, n: int = 2, policy: Policy = V100) -> Image:
    """vNICs 1 and 2, whose port ids would take uplinks 0 and 1, and n uplinks."""
    ports = [vnic(lport, policy) for lport in (1, 2)]
    return world(*ports, *(uplink(lport) for lport in UPLINKS[:n]), method=method)


def up(src: bytes, body: bytes, ethertype: int) -> tuple[bytes, bytes]:
    """A frame for the outside as a vNIC sends it, and as an uplink does."""
    bare = frame(OUTSIDE, src, ethertype=ethertype, body=body)
    return bare, frame(OUTSIDE, src, tag(100), ethertype=ethertype, body=body)


def _heard(dst: bytes) -> tuple[bytes, bytes]:
    """A frame of the network, as it comes by an uplink and as a vNIC gets it."""
    return frame(dst, OUTSIDE, tag(100)), frame(dst, OUTSIDE)


SOURCE_MAC = [
    Row(
        "the last byte of the source MAC counts, frame by frame",
        ("S-132",),
        by(Method.SOURCE_MAC, policy=FORGES),
        tuple(
            forwarded(1, frame(OUTSIDE, src), sent(expect, frame(OUTSIDE, src, tag(100)), flooded=True))
            for src, expect in ((mac(1), U2), (mac(2), U1), (EVEN, U1), (ODD, U2))
        ),
    ),
    Row(
        "over three uplinks",
        ("S-132",),
        by(Method.SOURCE_MAC, 3, FORGES),
        tuple(
            forwarded(1, frame(OUTSIDE, src), sent(expect, frame(OUTSIDE, src, tag(100)), flooded=True))
            for src, expect in ((mac(1), U2), (bytes.fromhex("0200000000ff"), U1), (bytes.fromhex("020000000bfe"), U3))
        ),
    ),
    Row(
        "reverse teaming by source MAC asks for the uplink of the MAC that is addressed",
        ("S-115", "S-075", "S-126"),
        by(Method.SOURCE_MAC, policy=access(100, forged_ok=True, learn=True)),
        (
            forwarded(U2, _heard(mac(1))[0], sent(1, _heard(mac(1))[1])),
            forwarded(U1, _heard(mac(1))[0], lost(1, "REVERSE_TEAMING")),
            replace(
                forwarded(1, frame(OUTSIDE, EVEN), sent(U1, frame(OUTSIDE, EVEN, tag(100)), flooded=True)),
                learned={1: 1},
            ),
            forwarded(U1, _heard(EVEN)[0], sent(1, _heard(EVEN)[1])),
            forwarded(U2, _heard(EVEN)[0], lost(1, "REVERSE_TEAMING")),
        ),
    ),
    Row(
        "and what is addressed to everyone comes by the uplink of the port's own MAC",
        ("S-115", "S-116"),
        by(Method.SOURCE_MAC),
        (
            forwarded(U1, _heard(BROADCAST)[0], lost(1, "REVERSE_TEAMING"), sent(2, _heard(BROADCAST)[1])),
            forwarded(U2, _heard(BROADCAST)[0], sent(1, _heard(BROADCAST)[1]), lost(2, "REVERSE_TEAMING")),
        ),
    ),
]


def _ip_hash(title: str, rules: tuple[str, ...], n: int, expect: int, body: bytes, ethertype: int) -> Row:
    before, after = up(mac(1), body, ethertype)
    return Row(
        f"{title} over {n} uplinks",
        rules,
        by(Method.IP_HASH, n),
        (forwarded(1, before, sent(UPLINKS[expect], after, flooded=True)),),
    )


V4 = ipv4("192.168.100.11", "192.168.100.12")
V4_FAR = ipv4("10.0.0.1", "192.168.100.12")
V6 = ipv6("2001:db8::11", "2001:db8::1:2")
OTHER = bytes(range(50))
"""Words 0c0d0e0f and 10111213 are where IPv4 has its addresses."""
IP_HASH = [
    *(
        _ip_hash("last octets of IPv4 addresses", ("S-133",), n, expect, V4, 0x0800)
        for n, expect in ((2, 1), (3, 1), (4, 3), (8, 7))
    ),
    _ip_hash("not the whole addresses", ("S-133", "S-134"), 3, 1, V4_FAR, 0x0800),
    *(_ip_hash("words of what is not IP", ("S-135",), n, 0x1C1C1C1C % n, OTHER, TEST_TYPE) for n in (2, 3, 5, 7)),
    *(_ip_hash("last octets of IPv6 addresses", ("S-136",), n, 0x13 % n, V6, 0x86DD) for n in (2, 3, 4)),
    _ip_hash("what is too short to tell", ("S-135",), 2, 0, bytes(46), TEST_TYPE),
    Row(
        "addresses behind a second tag",
        ("S-133", "S-046"),
        world(vnic(1, trunk(VGT)), uplink(U1), uplink(U2), method=Method.IP_HASH),
        (
            forwarded(
                1,
                frame(OUTSIDE, mac(1), tag(100), tag(7), ethertype=0x0800, body=V4),
                sent(U2, frame(OUTSIDE, mac(1), tag(100), tag(7), ethertype=0x0800, body=V4), flooded=True),
            ),
            forwarded(
                1,
                frame(OUTSIDE, mac(1), tag(100), ethertype=0x0800, body=ipv4("10.0.0.2", "10.0.0.4")),
                sent(
                    U1,
                    frame(OUTSIDE, mac(1), tag(100), ethertype=0x0800, body=ipv4("10.0.0.2", "10.0.0.4")),
                    flooded=True,
                ),
            ),
        ),
    ),
    Row(
        "two flows of one vNIC take two uplinks, and so do broadcasts",
        ("S-133", "S-083"),
        by(Method.IP_HASH),
        tuple(
            forwarded(
                1,
                frame(BROADCAST, mac(1), ethertype=0x0800, body=ipv4("10.0.0.1", to)),
                sent(2, frame(BROADCAST, mac(1), ethertype=0x0800, body=ipv4("10.0.0.1", to))),
                sent(expect, frame(BROADCAST, mac(1), tag(100), ethertype=0x0800, body=ipv4("10.0.0.1", to))),
            )
            for to, expect in (("10.0.0.255", U1), ("10.0.0.254", U2))
        ),
    ),
    Row(
        "any member brings frames in",
        ("S-120", "G10"),
        by(Method.IP_HASH, 3),
        tuple(forwarded(lport, _heard(mac(1))[0], sent(1, _heard(mac(1))[1])) for lport in UPLINKS[:3]),
    ),
    Row(
        "an uplink that is not a member does not",
        ("S-121", "S-144", "G10"),
        world(vnic(1, V100), uplink(U1), uplink(U2), uplink(U3), teams={0: (U1, U2)}, method=Method.IP_HASH),
        (
            forwarded(U1, _heard(mac(1))[0], sent(1, _heard(mac(1))[1])),
            forwarded(U3, _heard(mac(1))[0], lost(1, "UPLINK_INACTIVE")),
            forwarded(U3, _heard(BROADCAST)[0], lost(1, "UPLINK_INACTIVE")),
        ),
    ),
    Row(
        "reflected frames are dropped as in every team",
        ("S-089b", "S-087"),
        by(Method.IP_HASH),
        tuple(dropped(lport, frame(BROADCAST, mac(1), tag(100)), "RPF_LOCAL_SRC") for lport in (U1, U2)),
    ),
]

CHANNEL = [
    Row(
        "a LAG beside a single uplink: its hash spreads over its members, the other one is unused until it takes over",
        ("S-140", "S-120", "S-121", "G10"),
        world(vnic(1, V100), uplink(U1), uplink(U2), uplink(U3), teams={0: (U1, U2)}, method=Method.IP_HASH),
        (
            *(
                forwarded(1, up(mac(1), ipv4("10.0.0.1", to), 0x0800)[0], sent(by_which, after, flooded=True))
                for to, by_which in (("10.0.0.3", U1), ("10.0.0.2", U2))
                for after in (up(mac(1), ipv4("10.0.0.1", to), 0x0800)[1],)
            ),
            *(forwarded(lport, _heard(mac(1))[0], sent(1, _heard(mac(1))[1])) for lport in (U1, U2)),
            forwarded(U3, _heard(mac(1))[0], lost(1, "UPLINK_INACTIVE")),
            becomes(world(vnic(1, V100), uplink(U1), uplink(U2), uplink(U3), teams={0: (U3,)})),
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U3, frame(OUTSIDE, mac(1), tag(100)), flooded=True)),
            forwarded(U1, _heard(mac(1))[0], lost(1, "REVERSE_TEAMING")),
            forwarded(U3, _heard(mac(1))[0], sent(1, _heard(mac(1))[1])),
        ),
    ),
    Row(
        "a learned address by IP hash comes in by any member",
        ("S-075", "S-120"),
        by(Method.IP_HASH, policy=access(100, forged_ok=True, learn=True)),
        (
            replace(forwarded(1, frame(mac(2), EVEN), sent(2, frame(mac(2), EVEN))), learned={1: 1}),
            *(forwarded(lport, _heard(EVEN)[0], sent(1, _heard(EVEN)[1])) for lport in (U1, U2)),
        ),
    ),
]

EXPLICIT = [
    Row(
        "always the first in use",
        ("S-137", "S-115"),
        by(Method.EXPLICIT),
        (
            *(
                forwarded(
                    lport, frame(OUTSIDE, mac(lport)), sent(U1, frame(OUTSIDE, mac(lport), tag(100)), flooded=True)
                )
                for lport in (1, 2)
            ),
            forwarded(U1, _heard(BROADCAST)[0], sent(1, _heard(BROADCAST)[1]), sent(2, _heard(BROADCAST)[1])),
            forwarded(U2, _heard(BROADCAST)[0], lost(1, "REVERSE_TEAMING"), lost(2, "REVERSE_TEAMING")),
        ),
    ),
    Row(
        "a standby takes the place of one that failed, for all ports at once",
        ("S-137", "S-141", "S-123"),
        world(vnic(1, V100), uplink(U1), uplink(U2), teams={0: (U1,)}, method=Method.EXPLICIT),
        (
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U1, frame(OUTSIDE, mac(1), tag(100)), flooded=True)),
            forwarded(U2, _heard(mac(1))[0], lost(1, "REVERSE_TEAMING")),
            becomes(world(vnic(1, V100), uplink(U1), uplink(U2), teams={0: (U2,)}, method=Method.EXPLICIT)),
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U2, frame(OUTSIDE, mac(1), tag(100)), flooded=True)),
            forwarded(U2, _heard(mac(1))[0], sent(1, _heard(mac(1))[1])),
            forwarded(U1, _heard(mac(1))[0], lost(1, "REVERSE_TEAMING")),
        ),
    ),
]


def _pinned(method: Method, pin: int, team: tuple[int, ...] = (U1, U2, U3)) -> Image:
    ports = (vnic(1, V100, pin=pin), uplink(U1), uplink(U2), uplink(U3))
    return world(*ports, teams={0: team}, method=method)


PIN = [
    Row(
        f"a pin comes before {method.name}",
        ("S-130" if method is Method.PORT_ID else "S-137", "S-115", "S-143"),
        _pinned(method, U3),
        (
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U3, frame(OUTSIDE, mac(1), tag(100)), flooded=True)),
            forwarded(U3, _heard(mac(1))[0], sent(1, _heard(mac(1))[1])),
            *(forwarded(lport, _heard(mac(1))[0], lost(1, "REVERSE_TEAMING")) for lport in (U1, U2)),
        ),
    )
    for method in Method
] + [
    Row(
        "a pin to an uplink that the team does not use counts for nothing",
        ("S-144", "S-123"),
        _pinned(Method.PORT_ID, U3, (U2, U1)),
        (
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U2, frame(OUTSIDE, mac(1), tag(100)), flooded=True)),
            forwarded(U3, _heard(mac(1))[0], lost(1, "REVERSE_TEAMING")),
            becomes(_pinned(Method.PORT_ID, U3)),
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U3, frame(OUTSIDE, mac(1), tag(100)), flooded=True)),
            becomes(_pinned(Method.PORT_ID, U2)),
            forwarded(1, frame(OUTSIDE, mac(1)), sent(U2, frame(OUTSIDE, mac(1), tag(100)), flooded=True)),
        ),
    ),
    Row(
        "no uplink in use: no method finds one",
        ("S-093", "S-157"),
        _pinned(Method.IP_HASH, U3, ()),
        (
            dropped(1, frame(OUTSIDE, mac(1)), "UPLINK_INACTIVE"),
            forwarded(U3, _heard(mac(1))[0], lost(1, "REVERSE_TEAMING")),
        ),
    ),
]

ROWS: list[Row] = [*SOURCE_MAC, *IP_HASH, *CHANNEL, *EXPLICIT, *PIN]
