"""Frames that nobody should send, a switch with everything on, and tables that no agent would write."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.rows.world import (
    BROADCAST,
    MULTICAST,
    OUTSIDE,
    access,
    frame,
    igmp,
    ipv4,
    ipv6,
    mac,
    mld,
    switch_port,
    tag,
    trunk,
    uplink,
    vnic,
    world,
)
from vem.datapath.image import Control, Group, Image, Method, Policy, Port, Storm, Team

GROUP4, GROUP6 = bytes([239, 1, 1, 1]), bytes.fromhex("ff150000000000000000000000000042")
BODIES = (
    (0x88B5, bytes(46)),
    (0x88B5, b"DVSB" + bytes(42)),
    (0x8809, bytes(110)),
    (0x88CC, bytes(60)),
    (0x8035, bytes(46)),
    (0x0806, bytes(46)),
    (0x0800, ipv4("10.0.0.1", "239.1.1.1")),
    (0x0800, igmp(0x16, "239.1.1.1")),
    (0x86DD, ipv6("fe80::1", "ff15::42")),
    (0x86DD, mld(143, "ff15::42")),
)
TARGETS = (
    mac(1),
    mac(2),
    BROADCAST,
    MULTICAST,
    OUTSIDE,
    bytes.fromhex("0180c2000000"),
    bytes.fromhex("0180c2000002"),
    bytes.fromhex("01000ccccccc"),
    bytes.fromhex("333300000042"),
)
SEEDS = [
    frame(to, source, *tags, ethertype=ethertype, body=body)
    for to in TARGETS
    for source in (mac(1), mac(2), mac(5), OUTSIDE)
    for tags in ((), (tag(100),), (tag(0, 5),), (tag(100), tag(7)), (tag(5, tpid=0x88A8), tag(100)))
    for ethertype, body in BODIES
]


def hostile(dice: Random) -> bytes:
    """Noise, or a sensible frame with bytes changed, cut short, or far too long."""
    if dice.random() < 0.3:
        return dice.randbytes(dice.randrange(0, 200))
    data = bytearray(dice.choice(SEEDS))
    for _ in range(dice.randrange(0, 4)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    if dice.random() < 0.2:
        del data[dice.randrange(len(data)) :]
    if dice.random() < 0.02:
        data += bytes(dice.randrange(1400, 65000))
    return bytes(data)


# --- a switch with everything on ---------------------------------------------------------------------------------

LAG, SHOWS = 30, 31
STORM = Storm(20, 20, 20)
CARELESS = trunk("0,1,100", learn=True, forged_ok=True, promiscuous=True, bpdu_ok=True, limit_allow=True)
LEARNS = access(100, learn=True, unknown_flood=True, forged_ok=True, mac_limit=50, storm=STORM, team=1)


def everything() -> Image:
    """Learning, limits, storm control, promiscuous ports, snooping, mirrors, teams of two methods, and a LAG."""
    carrier = trunk("0,100,200", storm=STORM)
    made = world(
        vnic(1, LEARNS, mirror_rx=SHOWS, mirror_tx=SHOWS),
        vnic(2, CARELESS),
        vnic(5, access(0, storm=STORM), pin=11),
        uplink(10, trunk("0-900", storm=STORM), mirror_rx=SHOWS),
        uplink(11, trunk("1-900", native=1)),
        switch_port(20, carrier, lag=LAG),
        switch_port(21, carrier, lag=LAG),
        switch_port(LAG, replace(carrier, team=2), is_lag=True),
        switch_port(SHOWS, access(999), blocked=True),
        teams={0: (10, 11), 1: (11, 10), 2: (20, 21)},
        method=Method.IP_HASH,
        groups={Group(100, GROUP4): (1, LAG), Group(100, GROUP6): (2,)},
        snooping=True,
        keep_priority_tag=True,
        rpf_promiscuous=False,
    )
    lists = {vlan: tuple(n for n in lports if n not in (20, 21)) for vlan, lports in made.members.items()}
    return replace(made, members=lists)


# --- tables that no agent would write -----------------------------------------------------------------------------

POOL = (1, 2, 3, 4, 5, 10, 11, 20, LAG, SHOWS, 1023)
"""lports that entries name, whether they are in use or not."""


def wild(dice: Random) -> Image:
    """Well-formed entries without any sense: LAGs of LAGs, mirrors of mirrors, lists in disorder with anybody twice,
    teams of what is not there."""
    policies = {number: _policy(dice) for number in range(4)}
    return Image(
        control=Control(dice.choice([0, 1500, 65535]), _some(dice), _some(dice), _some(dice), _some(dice)),
        ports={lport: _port(dice) for lport in POOL if dice.random() < 0.7},
        policies=policies,
        teams={number: Team(_lports(dice, 16), dice.choice(list(Method))) for number in range(3)},
        static_macs={MacAddress(mac(n)): dice.choice(POOL) for n in (1, 2, 3, 5)},
        members=_lists(dice),
        unknown_members=_lists(dice),
        promiscuous_members=_lists(dice),
        groups={Group(vlan, address): _lports(dice, 9) for vlan in (0, 100) for address in (GROUP4, GROUP6)},
    )


def _some(dice: Random) -> bool:
    return dice.random() < 0.5


def _lports(dice: Random, most: int) -> tuple[int, ...]:
    return tuple(dice.choice(POOL) for _ in range(dice.randrange(most + 1)))


def _lists(dice: Random) -> dict[int, tuple[int, ...]]:
    return {vlan: _lports(dice, 20) for vlan in (0, 1, 100, 200) if _some(dice)}


def _port(dice: Random) -> Port:
    def anybody() -> int:
        return dice.choice((0, 0, *POOL))

    return Port(
        policy=dice.randrange(6),
        number=1,
        mac=MacAddress(dice.choice((mac(1), mac(2), bytes(6), BROADCAST))),
        port_id=dice.randrange(1 << 32),
        uplink=_some(dice),
        link_up=dice.random() < 0.8,
        blocked=dice.random() < 0.1,
        mac_violation=dice.random() < 0.1,
        pin=anybody(),
        is_lag=_some(dice),
        lag=anybody(),
        mirror_rx=anybody(),
        mirror_tx=anybody(),
    )


def _policy(dice: Random) -> Policy:
    return Policy(
        trunk=_some(dice),
        vlan=dice.choice((0, 100, 4094)),
        allowed=VlanSet.of([0, 1, 100, 200]),
        team=dice.randrange(5),
        forged_ok=dice.random() < 0.8,
        learn=_some(dice),
        unknown_flood=_some(dice),
        bpdu_ok=_some(dice),
        mac_limit=dice.choice((0, 1, 4096)),
        limit_allow=_some(dice),
        promiscuous=_some(dice),
        storm=Storm(*(dice.choice((0, 1, 0xFFFFFFFF)) for _ in range(3))),
    )
