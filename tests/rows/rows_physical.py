"""Rows: what physical switches do besides (S-158, and the managed switch of S0): LAGs and port mirroring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.rows.row import Row, becomes, dropped, forwarded, lost, sent
from tests.rows.world import (
    BROADCAST,
    OUTSIDE,
    OUTSIDE2,
    TEST_TYPE,
    At,
    access,
    frame,
    ipv4,
    ipv6,
    mac,
    sized,
    switch_port,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)
from vem.datapath.image import Image, Method, Port, Team

V100 = access(100)
LAG, M1, M2 = 20, 5, 6
"""A LAG and its two members; by source MAC, even last bytes leave by M1 and odd ones by M2."""
EVEN, ODD = OUTSIDE, OUTSIDE2


def with_lag(*ports: At, method: Method = Method.SOURCE_MAC, members: tuple[int, ...] = (M1, M2)) -> Image:
    """A world with that LAG, a trunk."""
    carrier = trunk("100,200")
    lag = replace(switch_port(LAG, replace(carrier, team=1)), port=_lag_port())
    made = world(
        *ports, *(switch_port(lport, carrier, lag=LAG) for lport in (M1, M2)), lag, teams={1: Team(members).uplinks}
    )
    lists = {vlan: tuple(n for n in lports if n not in (M1, M2)) for vlan, lports in made.members.items()}
    return replace(made, members=lists, unknown_members=lists, teams={1: Team(members, method)})


def _lag_port() -> Port:
    return replace(switch_port(LAG, V100).port, is_lag=True)


TWO = with_lag(switch_port(1, V100), switch_port(2, V100))
EMPTY = with_lag(switch_port(1, V100), members=())

LAGS = [
    Row(
        "a flood gives a LAG one copy, by the member that the hash picks",
        ("S-158",),
        TWO,
        (
            forwarded(
                1, frame(BROADCAST, EVEN), sent(2, frame(BROADCAST, EVEN)), sent(M1, frame(BROADCAST, EVEN, tag(100)))
            ),
            forwarded(
                1, frame(BROADCAST, ODD), sent(2, frame(BROADCAST, ODD)), sent(M2, frame(BROADCAST, ODD, tag(100)))
            ),
        ),
    ),
    Row(
        "what comes by a member never goes back to the LAG",
        ("S-158",),
        TWO,
        (
            forwarded(
                M1, frame(BROADCAST, EVEN, tag(100)), sent(1, frame(BROADCAST, EVEN)), sent(2, frame(BROADCAST, EVEN))
            ),
            dropped(M2, frame(EVEN, ODD, tag(100)), "SAME_PORT"),
            dropped(M2, frame(BROADCAST, ODD, tag(200)), "NO_RECEIVER"),
        ),
    ),
    Row(
        "an address behind a LAG is learned once, whichever member it speaks by",
        ("S-158", "S-072"),
        TWO,
        (
            forwarded(
                M1, frame(BROADCAST, EVEN, tag(100)), sent(1, frame(BROADCAST, EVEN)), sent(2, frame(BROADCAST, EVEN))
            ),
            forwarded(
                M2, frame(BROADCAST, EVEN, tag(100)), sent(1, frame(BROADCAST, EVEN)), sent(2, frame(BROADCAST, EVEN))
            ),
            forwarded(1, frame(EVEN, ODD), sent(M2, frame(EVEN, ODD, tag(100)))),
        ),
    ),
    Row(
        "a lost member's share goes by the others, and by none is a drop",
        ("S-158", "S-090"),
        TWO,
        (
            becomes(with_lag(switch_port(1, V100), switch_port(2, V100), members=(M1,))),
            forwarded(
                1, frame(BROADCAST, ODD), sent(2, frame(BROADCAST, ODD)), sent(M1, frame(BROADCAST, ODD, tag(100)))
            ),
            becomes(EMPTY),
            forwarded(1, frame(BROADCAST, ODD), lost(LAG, "LINK_DOWN")),
        ),
    ),
]

HASHED = with_lag(switch_port(1, V100), switch_port(2, trunk("100,200")), method=Method.IP_HASH, members=(M1, M2))


def _hashes(name: str, ethertype: int, body: Callable[[int], bytes], *tags: bytes, lport: int = 1) -> Row:
    """Two flows, whose hashes are even and odd, leave by the two members."""
    steps = []
    for last, member in ((2, M1), (3, M2)):
        came = frame(BROADCAST, EVEN, *tags, ethertype=ethertype, body=body(last))
        other = frame(BROADCAST, EVEN, *tags[1:], ethertype=ethertype, body=body(last))
        tagged = frame(BROADCAST, EVEN, tag(100), *tags[1:], ethertype=ethertype, body=body(last))
        steps.append(forwarded(lport, came, sent(3 - lport, tagged if lport == 1 else other), sent(member, tagged)))
    return Row(f"a LAG by IP hash: {name}", ("S-133", "S-135", "S-136", "S-140", "S-158"), HASHED, tuple(steps))


LAG_HASHES = [
    _hashes("IPv4", 0x0800, lambda last: ipv4("10.0.0.4", f"10.0.0.{last}")),
    _hashes("IPv6", 0x86DD, lambda last: ipv6("fe80::4", f"fe80::{last}")),
    _hashes("what is not IP", TEST_TYPE, lambda last: bytes(19) + bytes([last]) + bytes(30)),
    _hashes("tagged", 0x0800, lambda last: ipv4("10.0.0.4", f"10.0.0.{last}"), tag(100), lport=2),
    _hashes("IPv4 behind two tags", 0x0800, lambda last: ipv4("10.0.0.4", f"10.0.0.{last}"), tag(100), tag(7), lport=2),
    Row(
        "a LAG by IP hash is entered by any member, and an address behind it is learned once",
        ("S-120", "S-158"),
        HASHED,
        (
            *(
                forwarded(
                    member,
                    frame(BROADCAST, EVEN, tag(100)),
                    sent(1, frame(BROADCAST, EVEN)),
                    sent(2, frame(BROADCAST, EVEN, tag(100))),
                )
                for member in (M1, M2)
            ),
            dropped(M1, frame(EVEN, ODD, tag(100)), "SAME_PORT"),
        ),
    ),
]

TAGGED = trunk("100,200", 200)
MIRRORED = world(
    switch_port(1, V100, mirror_rx=9, mirror_tx=9), switch_port(2, TAGGED, mirror_tx=8), switch_port(3, V100)
)


def showing(made: Image) -> Image:
    """With ports 8 and 9, which show and do nothing else."""
    shows = {lport: replace(switch_port(lport, V100).port, policy=0, blocked=True) for lport in (8, 9)}
    return replace(made, ports={**made.ports, **shows})


MIRRORS = [
    Row(
        "a mirrored port shows what comes in, and what goes out, as it is on the wire",
        ("S-161",),
        showing(MIRRORED),
        (
            forwarded(
                1,
                frame(BROADCAST, EVEN),
                sent(9, frame(BROADCAST, EVEN)),
                sent(2, frame(BROADCAST, EVEN, tag(100))),
                sent(8, frame(BROADCAST, EVEN, tag(100))),
                sent(3, frame(BROADCAST, EVEN)),
            ),
            forwarded(2, frame(EVEN, ODD, tag(100, 5)), sent(1, frame(EVEN, ODD)), sent(9, frame(EVEN, ODD))),
        ),
    ),
    Row(
        "a port that shows takes nothing in and gets no other traffic",
        ("S-161",),
        showing(MIRRORED),
        (
            dropped(9, frame(BROADCAST, EVEN), "PORT_BLOCKED"),
            forwarded(
                3,
                frame(BROADCAST, ODD),
                sent(1, frame(BROADCAST, ODD)),
                sent(9, frame(BROADCAST, ODD)),
                sent(2, frame(BROADCAST, ODD, tag(100))),
                sent(8, frame(BROADCAST, ODD, tag(100))),
            ),
        ),
    ),
    Row(
        "what a mirrored uplink sends is shown as long as it is on the wire, and no other copy of it",
        ("S-161", "S-001"),
        showing(world(vnic(1, access(100)), vnic(2, access(100)), uplink(4, mirror_tx=9), vnic(5, access(100)))),
        (
            forwarded(
                1,
                sized(42, BROADCAST, mac(1)),
                sent(2, sized(42, BROADCAST, mac(1))),
                sent(5, sized(42, BROADCAST, mac(1))),
                sent(4, sized(60, BROADCAST, mac(1), tag(100))),
                sent(9, sized(60, BROADCAST, mac(1), tag(100))),
            ),
            forwarded(1, sized(42, mac(2), mac(1)), sent(2, sized(42, mac(2), mac(1)))),
        ),
    ),
    Row(
        "what a mirror shows on an uplink is padded there",
        ("S-161", "S-001"),
        world(vnic(1, access(100)), vnic(2, access(100), mirror_rx=4, mirror_tx=4), uplink(4)),
        (
            forwarded(
                1,
                sized(42, mac(2), mac(1)),
                sent(2, sized(42, mac(2), mac(1))),
                sent(4, sized(60, mac(2), mac(1))),
            ),
            forwarded(
                2,
                sized(42, mac(1), mac(2)),
                sent(4, sized(60, mac(1), mac(2))),
                sent(1, sized(42, mac(1), mac(2))),
            ),
        ),
    ),
]
ROWS = [*LAGS, *LAG_HASHES, *MIRRORS]
