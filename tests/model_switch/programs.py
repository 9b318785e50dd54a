"""Random programs: a small host is set up, changed, and sent frames of many kinds.

A program is a list of operations on a fixed set of names (lports, vNICs, port groups, uplinks), so that any part of a
program is a program, and a failing one can be made short.  An operation that makes no sense in the state that it
finds (detach from an empty lport) does nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.rows.world import BROADCAST, OUTSIDE, OUTSIDE2, tag
from vem.datapath.image import Control, Group, Image, Method, Policy, Port, Team

SLOTS = (1, 2, 3, 4, 5, 6)
"""lports for vNICs."""
UPLINKS = (20, 21, 22)
VNICS = (1, 2, 3, 4, 5, 6, 7)
GROUPS = (1, 2, 3, 4)
VLANS = (0, 100, 200)
UPLINK_POLICY = {20: 5, 21: 6, 22: 5}
LEARNABLE = tuple(bytes([2, 0, 0, 9, 0, number]) for number in range(1, 5))
"""MACs of stations behind vNICs."""
MULTICAST4, MULTICAST6 = bytes.fromhex("01005e010203"), bytes.fromhex("33330000abcd")
LINK_LOCAL = tuple(bytes.fromhex(f"0180c20000{last:02x}") for last in (0, 1, 2, 0x0E, 0x0F, 0x10))
CDP = bytes.fromhex("01000ccccccc")
GROUP4, GROUP6 = bytes([239, 1, 2, 3]), bytes([0xFF, 0x0E, *[0] * 12, 0xAB, 0xCD])


def own_mac(vnic: int, changed: bool = False) -> bytes:
    """The initial MAC of a vNIC, or the one that its guest changes it to."""
    return bytes([2, 0, 0, 1, int(changed), vnic * 3])


# --- the host's state ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Vnic:
    """A vNIC that is plugged in."""

    number: int
    group: int
    link_up: bool = True
    blocked: bool = False
    changed_mac: bool = False
    pin: int = 0


@dataclass
class Host:
    """What an operator and the guests have made of it so far."""

    vnics: dict[int, Vnic] = field(default_factory=dict)
    groups: dict[int, Policy] = field(default_factory=lambda: {number: Policy() for number in GROUPS})
    orders: dict[int, tuple[Method, tuple[int, ...]]] = field(
        default_factory=lambda: dict.fromkeys(GROUPS, (Method.PORT_ID, UPLINKS[:2]))
    )
    """How a port group uses the uplinks."""
    down: set[int] = field(default_factory=set)
    """Uplinks without link."""
    unnoticed: set[int] = field(default_factory=set)
    """Of those, the ones that teams still contain."""
    control: Control = field(default_factory=Control)
    joined: dict[Group, frozenset[int]] = field(default_factory=dict)
    """Multicast groups, by vNIC number."""

    def image(self) -> Image:
        """All tables, as an agent would compile them."""
        ports = {lport: self._port(vnic) for lport, vnic in self.vnics.items()}
        uplinks = {lport: self._uplink(lport) for lport in UPLINKS}
        return Image(
            control=self.control,
            ports={**ports, **uplinks},
            policies={**{number: self._policy(number) for number in GROUPS}, **_uplink_policies()},
            teams={number: Team(self._usable(order), method) for number, (method, order) in self.orders.items()},
            static_macs={port.mac: lport for lport, port in ports.items()},
            members=self._lists(lambda policy: True),
            unknown_members=self._lists(lambda policy: policy.learn and policy.unknown_flood),
            promiscuous_members=self._lists(lambda policy: policy.promiscuous),
            groups=self._registered(),
        )

    def _usable(self, order: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(uplink for uplink in order if uplink not in self.down - self.unnoticed)

    def _policy(self, group: int) -> Policy:
        return replace(self.groups[group], team=group)

    def _port(self, vnic: Vnic) -> Port:
        accepted = vnic.changed_mac and self.groups[vnic.group].mac_changes_ok
        return Port(
            policy=vnic.group,
            number=vnic.number,
            mac=MacAddress(own_mac(vnic.number, accepted)),
            port_id=vnic.number,
            link_up=vnic.link_up,
            blocked=vnic.blocked,
            mac_violation=vnic.changed_mac and not accepted,
            pin=vnic.pin,
        )

    def _uplink(self, lport: int) -> Port:
        mac = MacAddress(bytes([2, 0, 0, 2, 0, lport]))
        return Port(UPLINK_POLICY[lport], lport, mac, uplink=True, link_up=lport not in self.down)

    def _lists(self, wanted: Callable[[Policy], bool]) -> dict[int, tuple[int, ...]]:
        lists: dict[int, tuple[int, ...]] = {}
        for lport in sorted(self.vnics):
            policy = self.groups[self.vnics[lport].group]
            for vlan in policy.vlans() if wanted(policy) else ():
                lists[vlan] = (*lists.get(vlan, ()), lport)
        return lists

    def _registered(self) -> dict[Group, tuple[int, ...]]:
        if not self.control.snooping:
            return {}
        return {
            group: tuple(lport for lport, vnic in sorted(self.vnics.items()) if vnic.number in joined)
            for group, joined in self.joined.items()
        }

    def place_of(self, number: int) -> int | None:
        """Where a vNIC is plugged in."""
        return next((lport for lport, vnic in self.vnics.items() if vnic.number == number), None)


def _uplink_policies() -> dict[int, Policy]:
    return {
        5: Policy(trunk=True, allowed=VlanSet.parse("0-4094", lowest=0)),
        6: Policy(trunk=True, allowed=VlanSet.parse("100,200", lowest=0), vlan=200),
    }


# --- operations ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attach:
    lport: int
    number: int
    group: int

    def on(self, host: Host) -> None:
        if self.lport not in host.vnics and host.place_of(self.number) is None:
            host.vnics[self.lport] = Vnic(self.number, self.group)


@dataclass(frozen=True)
class Detach:
    lport: int

    def on(self, host: Host) -> None:
        host.vnics.pop(self.lport, None)


@dataclass(frozen=True)
class Move:
    """Out here, in there, with all that belongs to it."""

    lport: int
    to: int

    def on(self, host: Host) -> None:
        if self.lport in host.vnics and self.to not in host.vnics:
            host.vnics[self.to] = host.vnics.pop(self.lport)


@dataclass(frozen=True)
class Change:
    """One property of a vNIC flips."""

    lport: int
    what: str

    def on(self, host: Host) -> None:
        if vnic := host.vnics.get(self.lport):
            host.vnics[self.lport] = replace(vnic, **{self.what: not getattr(vnic, self.what)})


@dataclass(frozen=True)
class Pin:
    lport: int
    uplink: int

    def on(self, host: Host) -> None:
        if vnic := host.vnics.get(self.lport):
            host.vnics[self.lport] = replace(vnic, pin=self.uplink)


@dataclass(frozen=True)
class Edit:
    """A port group gets another policy."""

    group: int
    policy: Policy
    method: Method
    order: tuple[int, ...]

    def on(self, host: Host) -> None:
        host.groups[self.group] = self.policy
        host.orders[self.group] = (self.method, self.order)


@dataclass(frozen=True)
class Link:
    """An uplink goes down or comes back; ``noticed``: teams do without it at once."""

    uplink: int
    noticed: bool

    def on(self, host: Host) -> None:
        if self.uplink in host.down:
            host.down.discard(self.uplink)
        else:
            host.down.add(self.uplink)
        host.unnoticed = (host.unnoticed - {self.uplink}) | (set() if self.noticed else {self.uplink})


@dataclass(frozen=True)
class Settings:
    """The whole switch."""

    control: Control

    def on(self, host: Host) -> None:
        host.control = self.control


@dataclass(frozen=True)
class Join:
    """A vNIC joins or leaves a multicast group, as snooping saw it; a group without members is not registered."""

    group: Group
    number: int

    def on(self, host: Host) -> None:
        joined = host.joined.pop(self.group, frozenset()) ^ {self.number}
        if joined:
            host.joined[self.group] = joined


@dataclass(frozen=True)
class Send:
    """A frame comes in."""

    lport: int
    data: bytes

    def on(self, host: Host) -> None:
        """Nothing but the MAC table remembers it."""

    def __repr__(self) -> str:
        return f"Send({self.lport}, {_short(self.data)})"


@dataclass(frozen=True)
class SendOwn:
    """A frame with whatever MAC the vNIC on this lport has now."""

    lport: int
    data: bytes

    def on(self, host: Host) -> None:
        """See Send."""

    def __repr__(self) -> str:
        return f"SendOwn({self.lport}, {_short(self.data)})"

    def now(self, host: Host) -> Send:
        """The frame as the guest writes it."""
        vnic = host.vnics.get(self.lport)
        source = own_mac(vnic.number, vnic.changed_mac) if vnic else OUTSIDE
        return Send(self.lport, self.data[:6] + source + self.data[12:])


def _short(data: bytes) -> str:
    fields = (data[:6].hex(":"), data[6:12].hex(":"), data[12:80].hex())
    return " ".join(fields) + (f"... ({len(data)} bytes)" if len(data) > 80 else "")


Operation = Attach | Detach | Move | Change | Pin | Edit | Link | Settings | Join | Send | SendOwn


# --- random ones -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Features:
    """What the engines can do."""

    methods: Sequence[Method] = tuple(Method)
    promiscuous: bool = True
    limit: bool = True
    pin: bool = True
    snooping: bool = True


ACCESS = [(False, vlan, VlanSet()) for vlan in VLANS]
TRUNKS = [
    (True, native, VlanSet.parse(allowed, lowest=0))
    for allowed, native in [("0,100,200", 0), ("100,200", 0), ("100,200", 200), ("0,100", 100), ("200", 0)]
]
OWN = tuple(own_mac(number) for number in VNICS)
CHANGED = tuple(own_mac(number, True) for number in VNICS[:2])
STATIONS = (*OWN, *CHANGED, *LEARNABLE, OUTSIDE, OUTSIDE2)
SOURCES = (*STATIONS, bytes(6), BROADCAST)
EVERYBODY = (BROADCAST, BROADCAST, BROADCAST, MULTICAST4, MULTICAST4, MULTICAST6, *LINK_LOCAL, CDP)
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

    def __init__(self, dice: random.Random, features: Features) -> None:
        self.dice = dice
        self.features = features

    def program(self, rounds: int, frames: int) -> list[Operation]:
        """A host is filled; then, so many times, one or two things change and so many frames are sent."""
        operations: list[Operation] = [self.edit(group) for group in GROUPS]
        for lport, number in zip(SLOTS, VNICS, strict=False):
            if self.dice.random() < 0.85:
                operations.append(Attach(lport, number, self.dice.choice(GROUPS)))
        for _ in range(rounds):
            operations += [self.send() for _ in range(frames)]
            operations += [self.change() for _ in range(self.dice.randint(1, 2))]
        return operations

    def _often(self, chance: float = 0.5) -> bool:
        return self.dice.random() < chance

    # --- changes ------------------------------------------------------------------------------------------------

    def change(self) -> Operation:
        """Any operation but a frame."""
        return self.dice.choice([self.port, self.port, self.group, self.link, self.settings, self.join])()

    def port(self) -> Operation:
        lport = self.dice.choice(SLOTS)
        kind = self.dice.randrange(5 if self.features.pin else 4)
        if kind == 0:
            return Attach(lport, self.dice.choice(VNICS), self.dice.choice(GROUPS))
        if kind == 1:
            return Detach(lport)
        if kind == 2:
            return Move(lport, self.dice.choice(SLOTS))
        if kind == 3:
            return Change(lport, self.dice.choice(["link_up", "blocked", "changed_mac"]))
        return Pin(lport, self.dice.choice((0, *UPLINKS)))

    def group(self) -> Operation:
        return self.edit(self.dice.choice(GROUPS))

    def edit(self, group: int) -> Operation:
        order = tuple(self.dice.sample(UPLINKS, self.dice.choice([0, 1, 2, 2, 3, 3])))
        return Edit(group, self.policy(), self.dice.choice(self.features.methods), order)

    def policy(self) -> Policy:
        trunk, vlan, allowed = self.dice.choice(ACCESS + TRUNKS)
        learn = self._often()
        limited = learn and self.features.limit and self._often()
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
            promiscuous=self.features.promiscuous and self._often(0.25),
        )

    def link(self) -> Operation:
        return Link(self.dice.choice(UPLINKS), self._often(0.75))

    def settings(self) -> Operation:
        return Settings(
            Control(
                mtu=self.dice.choice([1500, 1280]),
                reverse_teaming=self._often(0.85),
                keep_priority_tag=self._often(),
                rpf_promiscuous=not self.features.promiscuous or self._often(),
                snooping=self.features.snooping and self._often(0.7),
            )
        )

    def join(self) -> Operation:
        if not self.features.snooping:
            return self.port()
        return Join(Group(self.dice.choice(VLANS), self.dice.choice([GROUP4, GROUP6])), self.dice.choice(VNICS))

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
        """Type and payload: IPv4, IPv6, other protocols; short and long.  Tagged frames without payload are a matter of
        packet rows: Linux itself drops them before the kernel engine sees them."""
        one, other = self.dice.randrange(256), self.dice.randrange(256)
        kind = self.dice.randrange(4)
        if kind == 0:
            to = GROUP4 if self._often() else bytes([10, 0, 0, other])
            head = bytes.fromhex("450000300000000040fd00000a0000")
            return b"\x08\x00" + head + bytes([one]) + to + bytes(28)
        if kind == 1:
            to = GROUP6 if self._often() else bytes([*bytes(15), other])
            return b"\x86\xdd" + bytes.fromhex("600000000000fd40") + bytes([*bytes(15), one]) + to
        size = self.dice.choice([2, 3, 12, 46, 46, 46, 1276, 1280, 1281, 1500, 1501])
        return b"\x88\xb5" + bytes((one + other * i) & 255 for i in range(size))


__all__ = ["Author", "Features", "Host", "Operation", "Send", "SendOwn"]
