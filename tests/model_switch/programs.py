"""Writes random programs: a small host (host.py) is set up, changed, and sent frames of many kinds."""

from __future__ import annotations

import random

from dvswitch.vlan import VlanSet
from tests.model_switch.host import (
    GROUPS,
    SLOTS,
    UPLINKS,
    VNICS,
    Attach,
    Change,
    Detach,
    Edit,
    Host,
    Join,
    Link,
    Mirror,
    Move,
    Operation,
    Pin,
    Send,
    SendOwn,
    Settings,
    own_mac,
)
from tests.rows.world import BROADCAST, OUTSIDE, OUTSIDE2, igmp, mld, tag
from vem.datapath.image import Control, Group, Method, Policy, Storm

VLANS = (0, 100, 200)
LEARNABLE = tuple(bytes([2, 0, 0, 9, 0, number]) for number in range(1, 5))
"""MACs of stations behind vNICs."""
MULTICAST4, MULTICAST6 = bytes.fromhex("01005e010203"), bytes.fromhex("33330000abcd")
LINK_LOCAL = tuple(bytes.fromhex(f"0180c20000{last:02x}") for last in (0, 1, 2, 0x0E, 0x0F, 0x10))
CDP = bytes.fromhex("01000ccccccc")
GROUP4, GROUP6 = bytes([239, 1, 2, 3]), bytes([0xFF, 0x0E, *[0] * 12, 0xAB, 0xCD])
ALL4, ALL6 = bytes([224, 0, 0, 9]), bytes([0xFF, 2, *[0] * 13, 1])
"""Groups that are flooded even if somebody registers them."""
REPORTS = (
    *(b"\x08\x00" + igmp(kind, "239.1.2.3") for kind in (0x11, 0x12, 0x16, 0x17, 0x22)),
    *(b"\x86\xdd" + mld(kind, "ff0e::abcd") for kind in (130, 131, 132, 143)),
)
"""Membership reports, and queries."""
SWITCHES = tuple(
    kind + data + bytes(44) for kind in (b"\x88\xb5", b"\x88\xcc", b"\x88\x09") for data in (b"DVSB", b"\2\7")
)
"""Beacons, LLDP, LACP, and what only looks like them."""
STORMS = (Storm(), Storm(), Storm(), Storm(broadcast=1), Storm(multicast=1), Storm(unknown_unicast=1))
"""One frame a second: a program is over within the second, so that the second one is always too many."""


ACCESS = [(False, vlan, VlanSet()) for vlan in VLANS]
TRUNKS = [
    (True, native, VlanSet.parse(allowed, lowest=0))
    for allowed, native in [("0,100,200", 0), ("100,200", 0), ("100,200", 200), ("0,100", 100), ("200", 0)]
]
OWN = tuple(own_mac(number) for number in VNICS)
CHANGED = tuple(own_mac(number, True) for number in VNICS[:2])
STATIONS = (*OWN, *CHANGED, *LEARNABLE, OUTSIDE, OUTSIDE2)
SOURCES = (*STATIONS, bytes(6), BROADCAST)
EVERYBODY = (*[BROADCAST, MULTICAST4, MULTICAST4, MULTICAST6] * 3, *LINK_LOCAL, CDP)
TAGS = (
    *[()] * 8,
    *[(tag(vid),) for vid in (100, 100, 100, 200, 200, 0, 300, 4095)],
    (tag(100, 5, 1),),
    (tag(0, 6),),
    (tag(100, tpid=0x88A8),),
    (tag(100), tag(7)),
    (tag(200), tag(7, tpid=0x88A8)),
    (tag(100, tpid=0x88A8), tag(7)),
)


class Author:
    """Writes programs; the same dice, the same programs."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.physical = dice.random() < 0.25
        """Whether it is about a physical switch."""

    def start(self) -> Host:
        """The state that the program begins in."""
        return Host(physical=self.physical)

    def program(self, rounds: int, frames: int) -> list[Operation]:
        """A host is filled; then, so many times, one or two things change and so many frames are sent."""
        operations: list[Operation] = [self.edit(group) for group in GROUPS]
        for lport, number in zip(SLOTS, VNICS, strict=False):
            if self.dice.random() < 0.85:
                operations.append(Attach(lport, number, self.dice.choice(GROUPS)))
        operations += [self.settings(), self.join(), self.join(), self.join(), self.mirror()]
        for _ in range(rounds):
            operations += [self.send() for _ in range(frames)]
            operations += [self.change() for _ in range(self.dice.randint(1, 2))]
        return operations

    def _often(self, chance: float = 0.5) -> bool:
        return self.dice.random() < chance

    # --- changes ------------------------------------------------------------------------------------------------

    def change(self) -> Operation:
        """Any operation but a frame."""
        return self.dice.choice([self.port, self.port, self.group, self.link, self.mirror, self.settings, self.join])()

    def port(self) -> Operation:
        lport = self.dice.choice(SLOTS)
        kind = self.dice.randrange(5)
        if kind == 0:
            return Attach(lport, self.dice.choice(VNICS), self.dice.choice(GROUPS))
        if kind == 1:
            return Detach(lport)
        if kind == 2:
            return Move(lport, self.dice.choice(SLOTS))
        if kind == 3:
            return Change(lport, self.dice.choice(["link_up", "blocked", "changed_mac", "changed_mac"]))
        return Pin(lport, self.dice.choice((0, *UPLINKS)))

    def group(self) -> Operation:
        return self.edit(self.dice.choice(GROUPS))

    def edit(self, group: int) -> Operation:
        order = tuple(self.dice.sample(UPLINKS, self.dice.choice([0, 1, 2, 2, 3, 3])))
        return Edit(group, self.policy(), self.dice.choice(list(Method)), order)

    def policy(self) -> Policy:
        trunk, vlan, allowed = self.dice.choice(ACCESS + TRUNKS)
        learn = self._often()
        limited = learn and self._often()
        return Policy(
            trunk=trunk,
            vlan=vlan,
            allowed=allowed,
            blocked=self._often(0.06),
            forged_ok=self._often(0.75),
            mac_changes_ok=self._often(),
            learn=learn,
            unknown_flood=self._often(),
            bpdu_ok=self._often(),
            mac_limit=self.dice.randint(1, 3) if limited else 0,
            limit_allow=limited and self._often(),
            promiscuous=self._often(0.25),
            storm=self.dice.choice(STORMS),
        )

    def link(self) -> Operation:
        return Link(self.dice.choice(UPLINKS), self._often(0.75))

    def settings(self) -> Operation:
        return Settings(
            Control(
                mtu=self.dice.choice([1500, 1280]),
                reverse_teaming=self._often(0.85),
                keep_priority_tag=self._often(),
                rpf_promiscuous=self._often(),
                snooping=not self.physical and self._often(0.7),
            )
        )

    def join(self) -> Operation:
        address = self.dice.choice([GROUP4, GROUP4, GROUP6, GROUP6, ALL4, ALL6])
        return Join(Group(self.dice.choice(VLANS), address), self.dice.choice(VNICS))

    def mirror(self) -> Operation:
        """What uplinks send is not mirrored: mirrors are a physical switch's, which has none."""
        lport = self.dice.choice((*SLOTS, *UPLINKS))
        return Mirror(lport, self._often(), (self.physical or lport in SLOTS) and self._often())

    # --- frames -------------------------------------------------------------------------------------------------

    def send(self) -> Operation:
        """From guests, mostly with their own MAC, or from the network."""
        destination = self.dice.choice(STATIONS if self._often(0.65) else EVERYBODY)
        rest = b"".join(self.dice.choice(TAGS)) + self.body()
        if self._often(0.4):
            source = OUTSIDE if self._often(0.75) else self.dice.choice(SOURCES)
            return Send(self.dice.choice(UPLINKS), destination + source + rest)
        lport = self.dice.choice(SLOTS)
        if self._often(0.6):
            return SendOwn(lport, destination + bytes(6) + rest)
        return Send(lport, destination + self.dice.choice(SOURCES) + rest)

    def body(self) -> bytes:
        """Type and payload: IPv4, IPv6, what switches say, other protocols; short and long.

        Tagged frames without payload are a matter of packet rows: Linux itself drops them before the kernel engine sees
        them.
        """
        one, other = self.dice.randrange(256), self.dice.randrange(256)
        kind = self.dice.randrange(6)
        if kind == 0:
            to = self.dice.choice([GROUP4, GROUP4, ALL4, bytes([10, 0, 0, other]), bytes([10, 0, 0, other])])
            head = bytes.fromhex("450000300000000040fd00000a0000")
            return b"\x08\x00" + head + bytes([one]) + to + bytes(28)
        if kind == 1:
            to = self.dice.choice([GROUP6, GROUP6, ALL6, bytes([*bytes(15), other]), bytes([*bytes(15), other])])
            return b"\x86\xdd" + bytes.fromhex("600000000000fd40") + bytes([*bytes(15), one]) + to
        if kind == 2:
            return self.dice.choice(REPORTS + SWITCHES)
        size = self.dice.choice([2, 3, 12, 46, 46, 46, 1276, 1280, 1281, 1500, 1501])
        return b"\x88\xb5" + bytes((one + other * i) & 255 for i in range(size))
