"""A small host and what may happen to it: the state behind the tables, and operations on it.

A program is a list of operations on a fixed set of names (lports, vNICs, port groups, uplinks), so that any part of a
program is a program, and a failing one can be made short.  An operation that makes no sense in the state that it
finds (detach from an empty lport) does nothing.

There are two kinds of host.  On a virtual switch the slots take vNICs, and 20 to 22 are uplinks.  On a physical one the
slots are its ports, and 20 to 22 the members of its LAG.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.rows.world import OUTSIDE
from vem.datapath.image import Control, Group, Image, Method, Policy, Port, Storm, Team

SLOTS = (1, 2, 3, 4, 5, 6)
"""lports for vNICs."""
UPLINKS = (20, 21, 22)
LAG, SHOWS = 23, 24
"""lports of the LAG, and of the port on which others are mirrored."""
VNICS = (1, 2, 3, 4, 5, 6, 7)
GROUPS = (1, 2, 3, 4)
UPLINK_POLICY = {20: 5, 21: 6, 22: 5}
LAG_POLICY, MEMBER_POLICY, SHOWS_POLICY = 7, 8, 9
LAG_TEAM = 5
NOBODY = MacAddress(bytes(6))


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
    physical: bool = False
    mirrors: dict[int, tuple[bool, bool]] = field(default_factory=dict)
    """lport -> whether SHOWS is shown what comes in there, and what goes out."""
    control: Control = field(default_factory=Control)
    joined: dict[Group, frozenset[int]] = field(default_factory=dict)
    """Multicast groups, by vNIC number."""

    def image(self) -> Image:
        """All tables, as an agent would compile them."""
        ports = {lport: self._port(vnic) for lport, vnic in self.vnics.items()}
        ports |= self._lag() if self.physical else {lport: self._uplink(lport) for lport in UPLINKS}
        ports[SHOWS] = Port(SHOWS_POLICY, SHOWS, NOBODY, blocked=True)
        return Image(
            control=self.control,
            ports={lport: self._mirrored(lport, port) for lport, port in ports.items()},
            policies={**{number: self._policy(number) for number in GROUPS}, **_fixed_policies()},
            teams=self._teams(),
            static_macs={} if self.physical else {ports[lport].mac: lport for lport in self.vnics},
            members=self._lists(lambda policy: True),
            unknown_members=self._lists(lambda policy: policy.learn and policy.unknown_flood),
            promiscuous_members=self._lists(lambda policy: policy.promiscuous),
            groups=self._registered(),
        )

    def _teams(self) -> dict[int, Team]:
        """Of port groups; a physical switch has the LAG's only, used as the first port group would."""
        teams = {number: Team(self._usable(order), method) for number, (method, order) in self.orders.items()}
        return {LAG_TEAM: teams[GROUPS[0]]} if self.physical else teams

    def _usable(self, order: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(uplink for uplink in order if uplink not in self.down - self.unnoticed)

    def _policy(self, group: int) -> Policy:
        if self.physical:
            return replace(self.groups[group], forged_ok=True)
        return replace(self.groups[group], team=group)

    def _mirrored(self, lport: int, port: Port) -> Port:
        comes, goes = self.mirrors.get(lport, (False, False))
        return replace(port, mirror_rx=comes * SHOWS, mirror_tx=goes * SHOWS)

    def _port(self, vnic: Vnic) -> Port:
        if self.physical:
            return Port(vnic.group, vnic.number, NOBODY, link_up=vnic.link_up, blocked=vnic.blocked)
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

    def _lag(self) -> dict[int, Port]:
        members = {
            lport: Port(MEMBER_POLICY, lport, NOBODY, link_up=lport not in self.down, lag=LAG) for lport in UPLINKS
        }
        return {**members, LAG: Port(LAG_POLICY, LAG, NOBODY, is_lag=True)}

    def _lists(self, wanted: Callable[[Policy], bool]) -> dict[int, tuple[int, ...]]:
        lists: dict[int, tuple[int, ...]] = {}
        policies = {lport: self.groups[vnic.group] for lport, vnic in self.vnics.items()}
        if self.physical:
            policies[LAG] = CARRIER
        for lport, policy in sorted(policies.items()):
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


CARRIER = Policy(
    trunk=True,
    allowed=VlanSet.parse("0,100,200", lowest=0),
    learn=True,
    unknown_flood=True,
    forged_ok=True,
    mac_limit=3,
)
"""What the LAG carries, and so its members."""


def _fixed_policies() -> dict[int, Policy]:
    return {
        5: Policy(trunk=True, allowed=VlanSet.parse("0-4094", lowest=0)),
        6: Policy(trunk=True, allowed=VlanSet.parse("100,200", lowest=0), vlan=200, storm=Storm(1, 1, 1)),
        LAG_POLICY: replace(CARRIER, team=LAG_TEAM),
        MEMBER_POLICY: CARRIER,
        SHOWS_POLICY: Policy(vlan=999),
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
class Mirror:
    """What a port sends or receives is shown elsewhere, or not any more."""

    lport: int
    comes: bool
    goes: bool

    def on(self, host: Host) -> None:
        host.mirrors[self.lport] = self.comes, self.goes


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


Operation = Attach | Detach | Move | Change | Pin | Edit | Link | Mirror | Settings | Join | Send | SendOwn
