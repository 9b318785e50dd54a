"""Random programs: a small host is set up, changed, and sent frames of many kinds.

A program is a list of operations on a fixed set of names (lports, vNICs, port groups, uplinks), so that any part of a
program is a program, and hypothesis can make a failing one short.  An operation that makes no sense in the state that it
finds (detach from an empty lport) does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.rows.row import Step
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
        default_factory=lambda: {number: (Method.PORT_ID, UPLINKS[:2]) for number in GROUPS}
    )
    """How a port group uses the uplinks."""
    down: set[int] = field(default_factory=set)
    """Uplinks without link."""
    unnoticed: set[int] = field(default_factory=set)
    """Of those, the ones that teams still contain."""
    control: Control = Control()
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
        _, order = self.orders[vnic.group]
        return Port(
            policy=vnic.group,
            number=vnic.number,
            mac=MacAddress(own_mac(vnic.number, accepted)),
            port_id=vnic.number,
            link_up=vnic.link_up,
            blocked=vnic.blocked,
            mac_violation=vnic.changed_mac and not accepted,
            pin=vnic.pin if vnic.pin in self._usable(order) else 0,
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
    every = VlanSet.parse("0-4094", lowest=0)
    return {5: Policy(trunk=True, allowed=every), 6: Policy(trunk=True, allowed=VlanSet.parse("100", lowest=0), vlan=200)}


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


Operation = Attach | Detach | Move | Change | Pin | Edit | Link | Settings | Join | Send


# --- strategies ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Features:
    """What the engines can do."""

    methods: Sequence[Method] = tuple(Method)
    promiscuous: bool = True
    limit: bool = True
    pin: bool = True
    snooping: bool = True


def programs(features: Features, length: int) -> st.SearchStrategy[list[Operation]]:
    """Programs of that many operations, after a host has been filled."""
    changes = st.one_of(_ports(features), _edits(features), _switch(features))
    steps = st.lists(st.one_of(*[sends()] * 6, changes), min_size=length, max_size=length)
    return st.builds(lambda edits, ports, rest: [*edits, *ports, *rest], _setup(features), _filled(), steps)


def _setup(features: Features) -> st.SearchStrategy[list[Operation]]:
    return st.tuples(*(_edit(features, st.just(group)) for group in GROUPS)).map(list)


def _filled() -> st.SearchStrategy[list[Operation]]:
    def attached(groups: list[int]) -> list[Operation]:
        return [Attach(lport, number, group) for lport, number, group in zip(SLOTS, VNICS, groups, strict=False)]

    return st.lists(st.sampled_from(GROUPS), min_size=4, max_size=len(SLOTS)).map(attached)


def _ports(features: Features) -> st.SearchStrategy[Operation]:
    lports, flags = st.sampled_from(SLOTS), st.sampled_from(["link_up", "blocked", "changed_mac"])
    choices: list[st.SearchStrategy[Operation]] = [
        st.builds(Attach, lports, st.sampled_from(VNICS), st.sampled_from(GROUPS)),
        st.builds(Detach, lports),
        st.builds(Move, lports, lports),
        st.builds(Change, lports, flags),
    ]
    if features.pin:
        choices.append(st.builds(Pin, lports, st.sampled_from((0, *UPLINKS))))
    return st.one_of(choices)


def _edits(features: Features) -> st.SearchStrategy[Operation]:
    return _edit(features, st.sampled_from(GROUPS))


def _edit(features: Features, group: st.SearchStrategy[int]) -> st.SearchStrategy[Operation]:
    orders = st.permutations(UPLINKS).flatmap(lambda order: st.integers(0, 3).map(lambda n: tuple(order[:n])))
    return st.builds(Edit, group, policies(features), st.sampled_from(features.methods), orders)


def policies(features: Features) -> st.SearchStrategy[Policy]:
    """Access ports and trunks, with any mixture of settings."""
    often = st.sampled_from([True, True, True, False])
    flag = st.booleans()
    places = st.one_of(
        st.sampled_from(VLANS).map(lambda vlan: (False, vlan, VlanSet())),
        st.sampled_from([("0,100,200", 0), ("100,200", 0), ("100,200", 200), ("0,100", 100), ("200", 0)]).map(
            lambda place: (True, place[1], VlanSet.parse(place[0], lowest=0))
        ),
    )

    def policy(place: tuple[bool, int, VlanSet], flags: tuple[bool, ...], limit: int) -> Policy:
        forged, changes, learn, flood, bpdu, promiscuous, allow, blocked = flags
        return Policy(
            trunk=place[0],
            vlan=place[1],
            allowed=place[2],
            blocked=blocked,
            forged_ok=forged,
            mac_changes_ok=changes,
            learn=learn,
            unknown_flood=learn and flood,
            bpdu_ok=bpdu,
            mac_limit=limit if features.limit and learn else 0,
            limit_allow=allow and features.limit,
            promiscuous=promiscuous and features.promiscuous,
        )

    rarely = st.sampled_from([False] * 7 + [True])
    flags = st.tuples(often, flag, flag, flag, flag, flag, flag, rarely)
    return st.builds(policy, places, flags, st.sampled_from([0, 1, 2, 3]))


def _switch(features: Features) -> st.SearchStrategy[Operation]:
    mostly = st.sampled_from([True] * 5 + [False])
    snooping = st.booleans() if features.snooping else st.just(False)
    control = st.builds(
        lambda mtu, teaming, priority, rpf, snoop: Control(mtu, teaming, priority, rpf, snoop),
        st.sampled_from([1500, 1280]),
        mostly,
        st.booleans(),
        mostly if features.promiscuous else st.just(True),
        snooping,
    )
    choices: list[st.SearchStrategy[Operation]] = [
        st.builds(Link, st.sampled_from(UPLINKS), st.booleans()),
        control.map(Settings),
    ]
    if features.snooping:
        groups = st.builds(Group, st.sampled_from(VLANS), st.sampled_from([GROUP4, GROUP6]))
        choices.append(st.builds(Join, groups, st.sampled_from(VNICS)))
    return st.one_of(choices)


# --- frames ----------------------------------------------------------------------------------------------------------

_OWN = tuple(own_mac(number) for number in VNICS)
_CHANGED = tuple(own_mac(number, True) for number in VNICS[:2])
_STATIONS = (*_OWN, *_CHANGED, *LEARNABLE, OUTSIDE, OUTSIDE2)
_GROUPS = (BROADCAST, BROADCAST, BROADCAST, MULTICAST4, MULTICAST6, *LINK_LOCAL, CDP)
_TAGS = (
    *[()] * 6,
    *[(tag(vid),) for vid in (100, 100, 200, 0, 300, 4095)],
    (tag(100, 5, 1),),
    (tag(0, 6),),
    (tag(100, tpid=0x88A8),),
    (tag(100), tag(7)),
    (tag(200), tag(7, tpid=0x88A8)),
    (tag(100, tpid=0x88A8), tag(7)),
)


def sends() -> st.SearchStrategy[Operation]:
    """Frames from guests (mostly with their own MAC) and from the network."""
    destinations = st.one_of(st.sampled_from(_STATIONS), st.sampled_from(_GROUPS))
    rest = (destinations, st.sampled_from(_TAGS), bodies())
    by_guest = st.builds(_guest_frame, st.sampled_from(SLOTS), st.one_of(st.none(), st.sampled_from(_SOURCES)), *rest)
    by_network = st.builds(_frame, st.sampled_from(UPLINKS), st.sampled_from((*[OUTSIDE] * 8, *_SOURCES)), *rest)
    return st.one_of(by_guest, by_network)


_SOURCES = (*_STATIONS, bytes(6), BROADCAST)


@dataclass(frozen=True)
class SendOwn:
    """A frame with whatever MAC the vNIC on this lport has now."""

    lport: int
    data: bytes

    def on(self, host: Host) -> None:
        """See Send."""

    def now(self, host: Host) -> Send:
        """The frame as the guest writes it."""
        vnic = host.vnics.get(self.lport)
        source = own_mac(vnic.number, vnic.changed_mac) if vnic else OUTSIDE
        return Send(self.lport, self.data[:6] + source + self.data[12:])


def _guest_frame(
    lport: int, source: bytes | None, dst: bytes, tags: tuple[bytes, ...], body: bytes
) -> Send | SendOwn:
    if source is None:
        return SendOwn(lport, dst + bytes(6) + b"".join(tags) + body)
    return _frame(lport, source, dst, tags, body)


def _frame(lport: int, source: bytes, dst: bytes, tags: tuple[bytes, ...], body: bytes) -> Send:
    return Send(lport, dst + source + b"".join(tags) + body)


def bodies() -> st.SearchStrategy[bytes]:
    """Type and payload: other protocols, IPv4, IPv6, short and long ones.  Tagged frames without payload are a matter of
    packet rows: Linux itself drops them before the kernel engine sees them."""
    octets = st.integers(0, 255)
    other = st.builds(
        lambda size, seed: b"\x88\xb5" + bytes((seed + i) & 255 for i in range(size)),
        st.sampled_from([2, 3, 12, 46, 46, 46, 1276, 1280, 1281, 1500, 1501]),
        octets,
    )
    ipv4 = st.builds(
        lambda src, dst: b"\x08\x00\x45\x00\x00\x1c" + bytes(4) + b"\x40\xfd\x00\x00\x0a\x00\x00" + src + dst + bytes(26),
        octets.map(lambda last: bytes([last])),
        st.one_of(st.just(GROUP4), octets.map(lambda last: bytes([10, 0, 0, last]))),
    )
    ipv6 = st.builds(
        lambda src, dst: b"\x86\xdd\x60\x00\x00\x00\x00\x00\xfd\x40" + bytes(15) + src + dst,
        octets.map(lambda last: bytes([last])),
        st.one_of(st.just(GROUP6), octets.map(lambda last: bytes(15) + bytes([last]))),
    )
    return st.one_of(other, ipv4, ipv6)


__all__ = ["Features", "Host", "Operation", "Send", "SendOwn", "Step", "programs"]
