"""Rows: multicast by registered groups (S-230 to S-240), and storm control."""

from __future__ import annotations

from collections.abc import Callable

from tests.rows.row import Row, Step, becomes, dropped, forwarded, lost, sent
from tests.rows.world import (
    BROADCAST,
    OUTSIDE,
    OUTSIDE2,
    At,
    access,
    frame,
    igmp,
    ipv4,
    ipv6,
    mac,
    mld,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)
from vem.datapath.image import Group, Image, Policy, Storm

U1, U2 = 10, 11
V100 = access(100)
G4 = Group(100, bytes([239, 1, 1, 1]))
G4_MAC = bytes.fromhex("01005e010101")
TWIN = "239.129.1.1"
"""Has the same MAC."""
G6 = Group(100, bytes.fromhex("ff150000000000000000000000000042"))
G6_TEXT, G6_MAC = "ff15::42", bytes.fromhex("333300000042")
ALL_HOSTS = Group(100, bytes([224, 0, 0, 1]))
ALL_NODES = Group(100, bytes.fromhex("ff02") + bytes(13) + b"\x01")


Frames = Callable[..., bytes]
"""A frame from a source (or, in everyone(), with the source said) with these tags."""


def snooping(groups: dict[Group, tuple[int, ...]], *more: At, **control: object) -> Image:
    """vNICs 1, 2, 3 by turns on U1 and U2, in VLAN 100."""
    ports = [vnic(lport, V100) for lport in (1, 2, 3)]
    options: dict[str, object] = {"snooping": True, **control}
    return world(*ports, *more, uplink(U1), uplink(U2), groups=groups, **options)  # type: ignore[arg-type]


def v4(group: str, src: bytes, *tags: bytes, dst: bytes = G4_MAC) -> bytes:
    """Data for a group."""
    return frame(dst, src, *tags, ethertype=0x0800, body=ipv4("10.0.0.9", group))


def v6(group: str, src: bytes, *tags: bytes, dst: bytes = G6_MAC) -> bytes:
    return frame(dst, src, *tags, ethertype=0x86DD, body=ipv6("fe80::9", group))


def everyone(lport: int, make: Frames) -> Step:
    """Flooded from vNIC 1 to the others and the uplink; ``make(*tags)`` is the frame."""
    others = [sent(n, make()) for n in (1, 2, 3) if n != lport]
    return forwarded(lport, make(), *others, sent(U1, make(tag(100))))


DATA = [
    Row(
        "a registered group's frames go to its members and the sender's uplink",
        ("S-232",),
        snooping({G4: (2,), G6: (3,)}),
        (
            forwarded(
                1,
                v4("239.1.1.1", mac(1)),
                sent(2, v4("239.1.1.1", mac(1))),
                sent(U1, v4("239.1.1.1", mac(1), tag(100))),
            ),
            forwarded(1, v6(G6_TEXT, mac(1)), sent(3, v6(G6_TEXT, mac(1))), sent(U1, v6(G6_TEXT, mac(1), tag(100)))),
            forwarded(2, v4("239.1.1.1", mac(2)), sent(U2, v4("239.1.1.1", mac(2), tag(100)))),
        ),
    ),
    Row(
        "from the network to the members only, each by its own uplink",
        ("S-232", "S-238"),
        snooping({G4: (1, 2)}),
        (
            forwarded(
                U1,
                v4("239.1.1.1", OUTSIDE, tag(100)),
                sent(1, v4("239.1.1.1", OUTSIDE)),
                lost(2, "REVERSE_TEAMING"),
            ),
            forwarded(
                U2,
                v4("239.1.1.1", OUTSIDE, tag(100)),
                lost(1, "REVERSE_TEAMING"),
                sent(2, v4("239.1.1.1", OUTSIDE)),
            ),
        ),
    ),
    Row(
        "a group without members here is filtered",
        ("S-232",),
        snooping({G4: ()}),
        (
            dropped(U1, v4("239.1.1.1", OUTSIDE, tag(100)), "MCAST_FILTER"),
            forwarded(1, v4("239.1.1.1", mac(1)), sent(U1, v4("239.1.1.1", mac(1), tag(100)))),
        ),
    ),
    Row(
        "its only member speaks and no uplink is in use",
        ("S-232", "S-093"),
        snooping({G4: (1,)}, teams={0: ()}),
        (dropped(1, v4("239.1.1.1", mac(1)), "MCAST_FILTER"),),
    ),
    Row(
        "by the group's address, not by the MAC that it shares with 31 others",
        ("S-232", "S-237"),
        snooping({G4: (2,)}),
        (everyone(1, lambda *tags: v4(TWIN, mac(1), *tags)),),
    ),
    Row(
        "in its VLAN only",
        ("S-232", "S-237"),
        snooping({Group(200, G4.address): (2,)}),
        (everyone(1, lambda *tags: v4("239.1.1.1", mac(1), *tags)),),
    ),
    Row(
        "unregistered groups, and those of every node, are flooded",
        ("S-237",),
        snooping({ALL_HOSTS: (2,), ALL_NODES: (2,), Group(100, bytes([224, 0, 0, 251])): ()}),
        (
            everyone(1, lambda *tags: v4("239.1.1.1", mac(1), *tags)),
            everyone(1, lambda *tags: v6(G6_TEXT, mac(1), *tags)),
            everyone(1, lambda *tags: v4("224.0.0.1", mac(1), *tags, dst=bytes.fromhex("01005e000001"))),
            everyone(1, lambda *tags: v4("224.0.0.251", mac(1), *tags, dst=bytes.fromhex("01005e0000fb"))),
            everyone(1, lambda *tags: v6("ff02::1", mac(1), *tags, dst=bytes.fromhex("333300000001"))),
        ),
    ),
    Row(
        "so is multicast that is not IP, and broadcast IP",
        ("S-237",),
        snooping({G4: (2,)}),
        (
            everyone(1, lambda *tags: frame(G4_MAC, mac(1), *tags)),
            everyone(1, lambda *tags: v4("239.1.1.1", mac(1), *tags, dst=BROADCAST)),
        ),
    ),
    Row(
        "without snooping groups mean nothing",
        ("S-231",),
        snooping({G4: (2,)}, snooping=False),
        (
            everyone(1, lambda *tags: v4("239.1.1.1", mac(1), *tags)),
            everyone(1, lambda *tags: frame(G4_MAC, mac(1), *tags, ethertype=0x0800, body=igmp(0x16, "239.1.1.1"))),
        ),
    ),
    Row(
        "membership comes and goes",
        ("S-233",),
        snooping({}),
        (
            everyone(1, lambda *tags: v4("239.1.1.1", mac(1), *tags)),
            becomes(snooping({G4: (2,)})),
            dropped(U1, v4("239.1.1.1", mac(1), tag(100)), "RPF_LOCAL_SRC"),
            forwarded(U2, v4("239.1.1.1", OUTSIDE, tag(100)), sent(2, v4("239.1.1.1", OUTSIDE))),
            becomes(snooping({G4: (2, 3), G6: (1,)})),
            forwarded(
                U1, v4("239.1.1.1", OUTSIDE, tag(100)), lost(2, "REVERSE_TEAMING"), sent(3, v4("239.1.1.1", OUTSIDE))
            ),
            becomes(snooping({G6: (2,)})),
            everyone(1, lambda *tags: v4("239.1.1.1", mac(1), *tags)),
            forwarded(U2, v6(G6_TEXT, OUTSIDE, tag(100)), sent(2, v6(G6_TEXT, OUTSIDE))),
        ),
    ),
    Row(
        "a blocked member gets nothing; one that left the VLAN is no member",
        ("S-240", "S-232"),
        world(
            vnic(1, V100),
            vnic(2, V100, blocked=True),
            vnic(3, access(200)),
            uplink(U1),
            groups={G4: (2, 3)},
            snooping=True,
        ),
        (forwarded(U1, v4("239.1.1.1", OUTSIDE, tag(100)), lost(2, "PORT_BLOCKED")),),
    ),
    Row(
        "trunk members get it with the tag",
        ("S-232", "S-035"),
        snooping({G4: (4,)}, vnic(4, trunk("0,100"), port_id=0)),
        (
            forwarded(U1, v4("239.1.1.1", OUTSIDE, tag(100)), sent(4, v4("239.1.1.1", OUTSIDE, tag(100)))),
            forwarded(4, v4("239.1.1.1", mac(4), tag(100)), sent(U1, v4("239.1.1.1", mac(4), tag(100)))),
        ),
    ),
    Row(
        "a promiscuous port sees registered groups too, and once if it is a member",
        ("S-103", "S-112", "S-232"),
        snooping({G4: (2, 4)}, *(vnic(n, access(100, promiscuous=True), port_id=0) for n in (4, 5))),
        (
            forwarded(
                1,
                v4("239.1.1.1", mac(1)),
                *(sent(n, v4("239.1.1.1", mac(1))) for n in (2, 4, 5)),
                sent(U1, v4("239.1.1.1", mac(1), tag(100))),
            ),
            forwarded(
                U1,
                v4("239.1.1.1", OUTSIDE, tag(100)),
                lost(2, "REVERSE_TEAMING"),
                *(sent(n, v4("239.1.1.1", OUTSIDE)) for n in (4, 5)),
            ),
        ),
    ),
]


def _igmp(kind: int, group: str) -> Frames:
    return lambda src, *tags: frame(G4_MAC, src, *tags, ethertype=0x0800, body=igmp(kind, group))


def _mld(kind: int) -> Frames:
    return lambda src, *tags: frame(G6_MAC, src, *tags, ethertype=0x86DD, body=mld(kind, "ff02::16"))


REPORTS = {
    "IGMPv1 report": _igmp(0x12, "239.1.1.1"),
    "IGMPv2 report": _igmp(0x16, "239.1.1.1"),
    "IGMP leave": _igmp(0x17, "224.0.0.2"),
    "IGMPv3 report": _igmp(0x22, "224.0.0.22"),
    "MLDv1 report": _mld(131),
    "MLD done": _mld(132),
    "MLDv2 report": _mld(143),
}


def _report(name: str, make: Frames) -> Row:
    heard = make(OUTSIDE, tag(100))
    mine, up = make(mac(1)), make(mac(1), tag(100))
    return Row(
        f"{name} goes to the uplink only, and from there to nobody",
        ("S-236",),
        snooping({G4: (2, 3)}),
        (forwarded(1, mine, sent(U1, up)), dropped(U1, heard, "MCAST_FILTER")),
    )


CONTROL = [
    *(_report(name, make) for name, make in REPORTS.items()),
    Row(
        "queries are flooded",
        ("S-236", "S-237"),
        snooping({G4: (2,)}),
        (
            everyone(
                1,
                lambda *tags: frame(
                    bytes.fromhex("01005e000001"), mac(1), *tags, ethertype=0x0800, body=igmp(0x11, "224.0.0.1")
                ),
            ),
            everyone(
                1,
                lambda *tags: frame(
                    bytes.fromhex("333300000001"), mac(1), *tags, ethertype=0x86DD, body=mld(130, "ff02::1")
                ),
            ),
        ),
    ),
    Row(
        "a query for one group goes to its members",
        ("S-236", "S-232"),
        snooping({G4: (2,)}),
        (
            forwarded(
                U2,
                frame(G4_MAC, OUTSIDE, tag(100), ethertype=0x0800, body=igmp(0x11, "239.1.1.1")),
                sent(2, frame(G4_MAC, OUTSIDE, ethertype=0x0800, body=igmp(0x11, "239.1.1.1"))),
            ),
        ),
    ),
    Row(
        "a report that no uplink can take",
        ("S-236", "S-093"),
        snooping({}, teams={0: ()}),
        (dropped(1, frame(G4_MAC, mac(1), ethertype=0x0800, body=igmp(0x16, "239.1.1.1")), "UPLINK_INACTIVE"),),
    ),
    Row(
        "promiscuous ports see reports",
        ("S-236", "S-103"),
        snooping({}, vnic(4, access(100, promiscuous=True), port_id=0)),
        (
            forwarded(
                1,
                frame(G4_MAC, mac(1), ethertype=0x0800, body=igmp(0x16, "239.1.1.1")),
                sent(4, frame(G4_MAC, mac(1), ethertype=0x0800, body=igmp(0x16, "239.1.1.1"))),
                sent(U1, frame(G4_MAC, mac(1), tag(100), ethertype=0x0800, body=igmp(0x16, "239.1.1.1"))),
            ),
        ),
    ),
]

# --- storm control: one frame a second, so that the second frame of a row is one too many -------------------------

ONCE = {
    "broadcast": Storm(broadcast=1),
    "multicast": Storm(multicast=1),
    "unknown unicast": Storm(unknown_unicast=1),
}
TARGET = {"broadcast": BROADCAST, "multicast": G4_MAC, "unknown unicast": OUTSIDE}


def _stormy(storm: Storm) -> Image:
    policy: Policy = access(100, storm=storm)
    return world(vnic(1, policy), vnic(2, policy), uplink(U1, trunk("100", storm=storm)))


def _goes(kind: str, lport: int) -> Step:
    """It is let in: to the other vNIC if it is for many, and up."""
    dst, src = TARGET[kind], mac(lport)
    flooded = kind == "unknown unicast"
    others = [] if flooded else [sent(3 - lport, frame(dst, src))]
    return forwarded(lport, frame(dst, src), *others, sent(U1, frame(dst, src, tag(100)), flooded=flooded))


STORM = [
    *(
        Row(
            f"{kind} over the rate is dropped, port by port; other kinds go on",
            ("S-083", "S-081"),
            _stormy(storm),
            (
                _goes(kind, 1),
                dropped(1, frame(TARGET[kind], mac(1)), "STORM"),
                _goes(kind, 2),
                dropped(2, frame(TARGET[kind], mac(2)), "STORM"),
                *(step for other in ONCE if other != kind for step in (_goes(other, 1), _goes(other, 1))),
                *(forwarded(1, frame(mac(2), mac(1)), sent(2, frame(mac(2), mac(1)))) for _ in range(2)),
            ),
        )
        for kind, storm in ONCE.items()
    ),
    Row(
        "an uplink's storms are limited too, before anybody looks who it is for",
        ("S-084", "S-082"),
        _stormy(Storm(1, 1, 1)),
        (
            forwarded(
                U1,
                frame(BROADCAST, OUTSIDE, tag(100)),
                sent(1, frame(BROADCAST, OUTSIDE)),
                sent(2, frame(BROADCAST, OUTSIDE)),
            ),
            dropped(U1, frame(BROADCAST, OUTSIDE, tag(100)), "STORM"),
            dropped(U1, frame(OUTSIDE2, OUTSIDE, tag(100)), "UNKNOWN_UNICAST"),
            dropped(U1, frame(OUTSIDE2, OUTSIDE, tag(100)), "STORM"),
        ),
    ),
    Row(
        "a reflected frame is no part of a storm",
        ("S-087",),
        _stormy(Storm(broadcast=1)),
        (
            *(dropped(U1, frame(BROADCAST, mac(1), tag(100)), "RPF_LOCAL_SRC") for _ in range(2)),
            forwarded(
                U1,
                frame(BROADCAST, OUTSIDE, tag(100)),
                sent(1, frame(BROADCAST, OUTSIDE)),
                sent(2, frame(BROADCAST, OUTSIDE)),
            ),
        ),
    ),
]

ROWS: list[Row] = [*DATA, *CONTROL, *STORM]
