"""What follows a port from host to host beside its configuration and counters (S-252): a registry of kinds of state.

Each kind says how its state is captured where the port drains, written for the wire, merged when a move was turned back
(the port then left something behind in more than one place), and installed where it goes on.  A feature that keeps
state about a port (ACL hits, secure addresses, leases, shapers, flow records, mirrors) makes a CarriedKind of it and
register()s it; nothing else on the way needs to know.  The supervisor hands the parcels on unread.

Pure: a kind sees the host through a Place, and what it wants done to the datapath it leaves there.  When which port is
captured and installed is the business of vem/agent/carrying.py.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog

from dvswitch.errors import DvsError, InvalidValue
from dvswitch.mac import MacAddress
from vem.agent.attachments import Attachment
from vem.datapath.image import LearnedMac
from vem.snooping.groups import Membership, Snooper

Json = Any
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Place:
    """A port on this host, as kinds of state see it."""

    attachment: Attachment
    now: float
    """time.monotonic()"""
    learned: Sequence[LearnedMac] = ()
    """Learned behind this port."""
    snooper: Snooper | None = None
    """None: nobody snoops here."""
    remember: list[LearnedMac] = field(default_factory=list)
    """install(): addresses that the datapath shall know once the port is active."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A state on its way; fabric.proto CarriedState."""

    kind: str
    version: int
    data: bytes


class CarriedKind(abc.ABC, Generic[T]):
    """One kind of state that follows a port."""

    name: str
    """On the wire: lower case, digits, '-', at most 32 characters.  Never given to another kind."""
    version: int = 1
    """Of the encoding; rises when an older host could not read it."""

    @abc.abstractmethod
    def capture(self, place: Place) -> T | None:
        """What the port has of it here; None: nothing worth carrying."""

    @abc.abstractmethod
    def merge(self, older: T, newer: T) -> T:
        """What holds after a port left something behind in two places, one after the other."""

    @abc.abstractmethod
    def install(self, place: Place, state: T) -> None:
        """Go on with it here.  What arose here since is newer, and stays.  Idempotent."""

    @abc.abstractmethod
    def encode(self, state: T) -> Json:
        """For json.dumps."""

    @abc.abstractmethod
    def decode(self, data: Json, version: int) -> T:
        """The inverse, of any version up to ours; may raise whatever bad data make it raise."""


KINDS: dict[str, CarriedKind[Any]] = {}
"""By name."""


def register(kind: CarriedKind[Any]) -> None:
    """From now on states of this kind follow every port; Conflict of names is a bug, and an InvalidValue."""
    if kind.name in KINDS:
        raise InvalidValue(f"carried state {kind.name}", "exists already", "choose another name")
    KINDS[kind.name] = kind


def capture(place: Place) -> list[Parcel]:
    """All that the port leaves behind here."""
    parcels = []
    for kind in KINDS.values():
        state = kind.capture(place)
        if state is not None:
            data = json.dumps(kind.encode(state), separators=(",", ":")).encode()
            parcels.append(Parcel(kind.name, kind.version, data))
    return parcels


def install(place: Place, parcels: Iterable[Parcel]) -> None:
    """Go on with what was left behind elsewhere, oldest first; what this host can't read is left out, and logged."""
    merged: dict[str, Any] = {}
    for parcel in parcels:
        kind = KINDS.get(parcel.kind)
        if kind is None or not 1 <= parcel.version <= kind.version:
            log.warning("carried state left out: not known here", kind=parcel.kind, version=parcel.version)
            continue
        try:
            state = kind.decode(json.loads(parcel.data), parcel.version)
        except (DvsError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            log.warning("carried state left out: malformed", kind=parcel.kind, reason=str(error))
            continue
        known = merged.get(kind.name)
        merged[kind.name] = state if known is None else kind.merge(known, state)
    for name, state in merged.items():
        KINDS[name].install(place, state)


# --- the first kinds --------------------------------------------------------------------------------------------------


class LearnedMacs(CarriedKind[dict[tuple[MacAddress, int], float]]):
    """Addresses of guests within the guest, by (MAC, VLAN), with their age in seconds."""

    name = "learned-macs"

    def capture(self, place: Place) -> dict[tuple[MacAddress, int], float] | None:
        """All that the port has learned."""
        return {(entry.mac, entry.vlan): entry.age for entry in place.learned} or None

    def merge(
        self, older: dict[tuple[MacAddress, int], float], newer: dict[tuple[MacAddress, int], float]
    ) -> dict[tuple[MacAddress, int], float]:
        """All of both: who spoke in neither place for long ages out here."""
        return older | newer

    def install(self, place: Place, state: dict[tuple[MacAddress, int], float]) -> None:
        """They are entered as just seen: the move itself must not age anybody out."""
        lport = place.attachment.lport
        place.remember += [LearnedMac(mac, vlan, lport, age) for (mac, vlan), age in state.items()]

    def encode(self, state: dict[tuple[MacAddress, int], float]) -> Json:
        """[[MAC, VLAN, age], ...]"""
        return [[str(mac), vlan, round(age, 1)] for (mac, vlan), age in state.items()]

    def decode(self, data: Json, version: int) -> dict[tuple[MacAddress, int], float]:
        """See encode()."""
        return {(MacAddress.station(mac), int(vlan)): float(age) for mac, vlan, age in data}


class Groups(CarriedKind[list[Membership]]):
    """Multicast groups that guests behind the port joined (S-239), and routers among them."""

    name = "groups"

    def capture(self, place: Place) -> list[Membership] | None:
        """As the snooper knows them."""
        return (place.snooper.memberships(place.attachment.lport, place.now) if place.snooper else None) or None

    def merge(self, older: list[Membership], newer: list[Membership]) -> list[Membership]:
        """The newer word of each host about each group."""
        told = {(item.vlan, item.address, item.host): item for item in (*older, *newer)}
        return list(told.values())

    def install(self, place: Place, state: list[Membership]) -> None:
        """Until the guests are asked again, which they are at once."""
        if place.snooper is not None:
            place.snooper.take_over(place.attachment.lport, state, place.now)

    def encode(self, state: list[Membership]) -> Json:
        """[[VLAN, group, host, seconds left, null or sources], ...], addresses in hexadecimal"""
        return [
            [
                item.vlan,
                item.address.hex(),
                item.host.hex(),
                round(item.left, 1),
                item.sources and [source.hex() for source in item.sources],
            ]
            for item in state
        ]

    def decode(self, data: Json, version: int) -> list[Membership]:
        """See encode()."""
        return [
            Membership(
                int(vlan),
                bytes.fromhex(address),
                bytes.fromhex(host),
                float(left),
                None if sources is None else tuple(bytes.fromhex(source) for source in sources),
            )
            for vlan, address, host, left, sources in data
        ]


class OwnAddress(CarriedKind[MacAddress]):
    """The address that the guest gave its NIC: while its profile does not allow that, it hears nothing (S-011)."""

    name = "own-address"

    def capture(self, place: Place) -> MacAddress | None:
        """None: the one it was attached with."""
        return place.attachment.effective

    def merge(self, older: MacAddress, newer: MacAddress) -> MacAddress:
        """A guest has one at a time."""
        return newer

    def install(self, place: Place, state: MacAddress) -> None:
        """Unless the hypervisor here has told already."""
        if place.attachment.effective is None and state != place.attachment.mac:
            place.attachment.effective = state

    def encode(self, state: MacAddress) -> Json:
        """As text."""
        return str(state)

    def decode(self, data: Json, version: int) -> MacAddress:
        """See encode()."""
        return MacAddress.station(data)


for _kind in (LearnedMacs(), Groups(), OwnAddress()):
    register(_kind)
