"""Rows: promiscuous ports (S-100 to S-119; golden G2), and how many MACs a port may learn (S-065 to S-073)."""

from __future__ import annotations

from dataclasses import replace

from tests.rows.row import Copy, Row, Step, dropped, forwarded, lost, sent
from tests.rows.world import (
    BROADCAST,
    OUTSIDE,
    OUTSIDE2,
    access,
    frame,
    mac,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)
from vem.datapath.image import Image, Policy

U1, U2 = 10, 11
V100 = access(100)
WATCHES = access(100, promiscuous=True)
E, D, W = 1, 2, 3
"""A sender on U1, a receiver on U2, and the watcher on U1, as their port ids have it."""


def watched(watcher: Policy = WATCHES, **control: object) -> Image:
    """The scene of golden G2."""
    return world(vnic(E, V100), vnic(D, V100), vnic(W, watcher), uplink(U1), uplink(U2), **control)  # type: ignore[arg-type]


def four_rows(watcher: Policy, *seen_tags: bytes) -> tuple[Step, ...]:
    """S-105 to S-110: who sees what, by both uplinks.  The watcher gets frames with these tags."""
    inside, out = frame(mac(D), mac(E)), frame(OUTSIDE, mac(D))
    to_d, to_nobody = frame(mac(D), OUTSIDE, tag(100)), frame(OUTSIDE2, OUTSIDE, tag(100))

    def seen(dst: bytes, src: bytes, flooded: bool = False) -> Copy:
        return sent(W, frame(dst, src, *seen_tags), flooded=flooded)

    return (
        forwarded(E, inside, sent(D, inside), seen(mac(D), mac(E))),
        forwarded(D, out, seen(OUTSIDE, mac(D), True), sent(U2, frame(OUTSIDE, mac(D), tag(100)), flooded=True)),
        forwarded(U2, to_d, sent(D, frame(mac(D), OUTSIDE)), lost(W, "REVERSE_TEAMING")),
        forwarded(U1, to_d, lost(D, "REVERSE_TEAMING"), seen(mac(D), OUTSIDE)),
        forwarded(U1, to_nobody, seen(OUTSIDE2, OUTSIDE, True)),
        forwarded(U2, to_nobody, lost(W, "REVERSE_TEAMING")),
    )


G2 = [
    Row(
        "the four rows, and each receiver's own uplink decides",
        ("S-102", "S-105", "S-106", "S-107", "S-108", "S-109", "S-110", "S-119", "G2"),
        watched(),
        four_rows(WATCHES),
    ),
    Row(
        "a watcher of another port group of the VLAN sees the same",
        ("S-103", "G2"),
        watched(access(100, promiscuous=True, mac_changes_ok=True)),
        four_rows(WATCHES),
    ),
    Row(
        "a trunk sees the VLANs that it carries, with their tags",
        ("S-104", "G2"),
        watched(trunk("0,100", promiscuous=True)),
        four_rows(WATCHES, tag(100)),
    ),
    *(
        Row(
            f"a watcher {where} sees nothing",
            ("S-103", "G2"),
            watched(policy),
            (
                forwarded(E, frame(mac(D), mac(E)), sent(D, frame(mac(D), mac(E)))),
                forwarded(E, frame(OUTSIDE, mac(E)), sent(U1, frame(OUTSIDE, mac(E), tag(100)), flooded=True)),
                dropped(U1, frame(OUTSIDE2, OUTSIDE, tag(100)), "UNKNOWN_UNICAST"),
            ),
        )
        for where, policy in (
            ("in another VLAN", access(101, promiscuous=True)),
            ("on a trunk of other VLANs", trunk("0,101,200", promiscuous=True)),
        )
    ),
    Row(
        "without the policy a port sees its own frames only, whatever its guest asks for",
        ("S-100", "S-016"),
        watched(V100),
        (
            forwarded(E, frame(mac(D), mac(E)), sent(D, frame(mac(D), mac(E)))),
            dropped(U1, frame(OUTSIDE2, OUTSIDE, tag(100)), "UNKNOWN_UNICAST"),
        ),
    ),
]

REFLECTED = frame(BROADCAST, mac(W), tag(100))
"""The watcher's own broadcast, come back by the network."""
PROMISCUOUS = [
    Row(
        "exactly one copy to who is addressed and watches",
        ("S-112", "S-084", "S-083"),
        watched(),
        (
            forwarded(E, frame(mac(W), mac(E)), sent(W, frame(mac(W), mac(E)))),
            forwarded(U1, frame(mac(W), OUTSIDE, tag(100)), sent(W, frame(mac(W), OUTSIDE))),
            forwarded(
                E,
                frame(BROADCAST, mac(E)),
                sent(D, frame(BROADCAST, mac(E))),
                sent(W, frame(BROADCAST, mac(E))),
                sent(U1, frame(BROADCAST, mac(E), tag(100))),
            ),
        ),
    ),
    Row(
        "exactly one copy to who is flooded to and watches",
        ("S-112", "S-070"),
        world(
            vnic(1, V100),
            vnic(2, access(100, learn=True, unknown_flood=True, forged_ok=True, promiscuous=True)),
            vnic(3, access(100, learn=True, unknown_flood=True, forged_ok=True)),
            vnic(4, WATCHES),
            uplink(U1),
        ),
        (
            forwarded(
                1,
                frame(OUTSIDE, mac(1)),
                *(sent(lport, frame(OUTSIDE, mac(1)), flooded=True) for lport in (2, 3, 4)),
                sent(U1, frame(OUTSIDE, mac(1), tag(100)), flooded=True),
            ),
            forwarded(
                U1,
                frame(OUTSIDE2, OUTSIDE, tag(100)),
                *(sent(lport, frame(OUTSIDE2, OUTSIDE), flooded=True) for lport in (2, 3, 4)),
            ),
        ),
    ),
    Row(
        "who watches does not hear itself",
        ("S-085", "S-102"),
        watched(),
        (
            forwarded(W, frame(mac(D), mac(W)), sent(D, frame(mac(D), mac(W)))),
            forwarded(W, frame(OUTSIDE, mac(W)), sent(U1, frame(OUTSIDE, mac(W), tag(100)), flooded=True)),
            dropped(W, frame(mac(W), mac(W)), "SAME_PORT"),
        ),
    ),
    Row(
        "two who watch see each other's frames",
        ("S-102", "S-106"),
        world(vnic(1, WATCHES), vnic(2, WATCHES), uplink(U1), teams={0: ()}),
        (forwarded(1, frame(OUTSIDE, mac(1)), sent(2, frame(OUTSIDE, mac(1)), flooded=True)),),
    ),
    Row(
        "a watcher that is blocked or unplugged gets nothing",
        ("S-240", "S-090"),
        world(
            vnic(1, V100), vnic(2, V100), vnic(3, WATCHES, blocked=True), vnic(4, WATCHES, link_up=False), uplink(U1)
        ),
        (
            forwarded(
                1,
                frame(mac(2), mac(1)),
                sent(2, frame(mac(2), mac(1))),
                lost(3, "PORT_BLOCKED"),
                lost(4, "LINK_DOWN"),
            ),
        ),
    ),
    Row(
        "a reflected frame is dropped for those who watch too",
        ("S-111", "S-087"),
        watched(),
        tuple(dropped(lport, REFLECTED, "RPF_LOCAL_SRC") for lport in (U1, U2)),
    ),
    Row(
        "unless the switch is told to show it, then by their own uplink",
        ("S-111", "S-119"),
        watched(rpf_promiscuous=False),
        (
            forwarded(U1, REFLECTED, sent(W, frame(BROADCAST, mac(W)))),
            forwarded(U2, REFLECTED, lost(W, "REVERSE_TEAMING")),
            forwarded(U1, frame(mac(D), mac(E), tag(100)), sent(W, frame(mac(D), mac(E)))),
        ),
    ),
    Row(
        "in a VLAN where nobody watches it is dropped as ever",
        ("S-111", "S-087"),
        world(vnic(1, V100), vnic(2, access(200, promiscuous=True)), uplink(U1), rpf_promiscuous=False),
        (dropped(U1, frame(BROADCAST, mac(1), tag(100)), "RPF_LOCAL_SRC"),),
    ),
    Row(
        "a bridge guest: frames of others pass it only where forged transmits are accepted",
        ("S-113", "S-017"),
        world(vnic(1, V100), vnic(2, replace(WATCHES, forged_ok=True)), vnic(3, WATCHES), uplink(U1), teams={0: ()}),
        (
            forwarded(1, frame(OUTSIDE, mac(1)), *(sent(n, frame(OUTSIDE, mac(1)), flooded=True) for n in (2, 3))),
            forwarded(2, frame(mac(1), OUTSIDE), sent(1, frame(mac(1), OUTSIDE)), sent(3, frame(mac(1), OUTSIDE))),
            dropped(3, frame(mac(1), OUTSIDE), "FORGED_TX"),
        ),
    ),
    Row(
        "without the policy a bridge guest never sees the unicast",
        ("S-114",),
        world(vnic(1, V100), vnic(2, access(100, forged_ok=True)), uplink(U1), teams={0: ()}),
        (
            forwarded(1, frame(BROADCAST, mac(1)), sent(2, frame(BROADCAST, mac(1)))),
            dropped(1, frame(OUTSIDE, mac(1)), "UPLINK_INACTIVE"),
        ),
    ),
]


# --- how many MACs a port may learn ------------------------------------------------------------------------------


def nested(number: int) -> bytes:
    """A MAC behind a vNIC."""
    return bytes.fromhex("0200000001") + bytes([number])


def _limited(**more: object) -> Image:
    limited = access(100, learn=True, forged_ok=True, mac_limit=2, **more)
    return world(vnic(1, limited), vnic(2, limited), vnic(3, V100), uplink(U1))


def speaks(lport: int, number: int, learned: dict[int, int], moved: bool = False) -> Step:
    """A frame from behind a vNIC goes to vNIC 3."""
    seen = frame(mac(3), nested(number))
    return replace(forwarded(lport, seen, sent(3, seen)), learned=learned, moved=moved)


def refused(lport: int, number: int, learned: dict[int, int]) -> Step:
    """It is one MAC too many."""
    return replace(dropped(lport, frame(mac(3), nested(number)), "MAC_LIMIT"), learned=learned)


def known(number: int, lport: int) -> Step:
    """Traffic to that MAC finds the port."""
    seen = frame(nested(number), mac(3))
    return forwarded(3, seen, sent(lport, seen))


def unknown(number: int) -> Step:
    """Traffic to that MAC goes outside."""
    return forwarded(3, frame(nested(number), mac(3)), sent(U1, frame(nested(number), mac(3), tag(100)), flooded=True))


LIMIT = [
    Row(
        "a full port's new sources are dropped, those it has go on",
        ("S-065", "S-066", "S-068"),
        _limited(),
        (
            speaks(1, 1, {1: 1}),
            speaks(1, 2, {1: 2}),
            refused(1, 3, {1: 2}),
            speaks(1, 1, {1: 2}),
            unknown(3),
            known(2, 1),
            speaks(2, 3, {1: 2, 2: 1}),
            known(3, 2),
        ),
    ),
    Row(
        "or forwarded, but not learned",
        ("S-067",),
        _limited(limit_allow=True),
        (speaks(1, 1, {1: 1}), speaks(1, 2, {1: 2}), speaks(1, 3, {1: 2}), unknown(3), known(1, 1)),
    ),
    Row(
        "the vNIC's own MAC does not count",
        ("S-065", "S-060"),
        _limited(),
        (
            replace(forwarded(1, frame(mac(3), mac(1)), sent(3, frame(mac(3), mac(1)))), learned={}),
            speaks(1, 1, {1: 1}),
            speaks(1, 2, {1: 2}),
            forwarded(1, frame(mac(3), mac(1)), sent(3, frame(mac(3), mac(1)))),
        ),
    ),
    Row(
        "a MAC that moves makes room where it was",
        ("S-072", "S-066"),
        _limited(),
        (
            speaks(1, 1, {1: 1}),
            speaks(1, 2, {1: 2}),
            speaks(2, 1, {1: 1, 2: 1}, moved=True),
            speaks(1, 3, {1: 2, 2: 1}),
            known(1, 2),
        ),
    ),
    Row(
        "it does not move to a port that is full",
        ("S-072", "S-066"),
        _limited(),
        (
            speaks(1, 1, {1: 1}),
            speaks(2, 2, {1: 1, 2: 1}),
            speaks(2, 3, {1: 1, 2: 2}),
            refused(2, 1, {1: 1, 2: 2}),
            known(1, 1),
        ),
    ),
    Row(
        "those that are forgotten make room",
        ("S-069", "S-074", "S-066"),
        _limited(),
        (
            speaks(1, 1, {1: 1}),
            speaks(1, 2, {1: 2}),
            Step(world=_limited(), forget=True),
            speaks(1, 3, {1: 1}),
            speaks(1, 4, {1: 2}),
            refused(1, 5, {1: 2}),
        ),
    ),
    Row(
        "another vNIC's own MAC is refused, and says which port claimed it",
        ("S-073",),
        _limited(),
        (replace(dropped(1, frame(BROADCAST, mac(3)), "PORT_SECURITY"), learned={}),),
    ),
]

ROWS: list[Row] = [*G2, *PROMISCUOUS, *LIMIT]
