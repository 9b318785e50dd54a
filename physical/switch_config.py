"""What a modelled physical switch is told: its ports, LAGs and mirrors, and which of them its flavour can do.

The three flavours are those of shops: an *unmanaged* switch passes everything and can't be asked anything, a *smart*
one has VLANs and a page to look at, a *managed* one also port mirroring, LAGs, LLDP and a command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from dvswitch.errors import Conflict, InvalidValue
from dvswitch.vif.messages import Tagging
from dvswitch.vlan import VlanSet, check_vlan
from physical.options import parse_pairs
from physical.wire import Wire
from vem.datapath import image as img
from vem.datapath.engine import Plug
from vem.datapath.image import Method, Policy

MAX_PORT = 48
MAX_LAG = 8
MAX_MEMBERS = 8
MAX_MIRROR = 4
FIRST_LAG = 64
"""lport of LAG n: FIRST_LAG + n."""
_HASHES = {"mac": Method.SOURCE_MAC, "ip": Method.IP_HASH}
_DIRECTIONS = ("rx", "tx", "both")
_TAGGINGS = {"on": tuple(Tagging), "vntag": (Tagging.VNTAG,), "etag": (Tagging.ETAG,)}


class Flavour(Enum):
    """What kind of switch it is."""

    UNMANAGED = "unmanaged"
    SMART = "smart"
    MANAGED = "managed"


@dataclass(frozen=True, slots=True)
class PortConfig:
    """A port of the switch, as --port says."""

    number: int
    """1-48."""
    plug: Plug
    trunk: bool = False
    vlan: int = 1
    """Access VLAN, or native VLAN of a trunk."""
    allowed: VlanSet = VlanSet.all()
    """Trunk only."""
    shutdown: bool = False
    has_vlans: bool = False
    """Whether it was told anything of VLANs."""
    niv: tuple[Tagging, ...] = ()
    """It may be a link to a NIV host, with one of these tags."""

    @classmethod
    def parse(cls, text: str) -> PortConfig:
        """Read "1,wire=LOCAL>REMOTE,mode=access,vlan=10" or "2,device=eth1,mode=trunk,allowed=1-4094,native=1", the
        second also with "niv=on|vntag|etag"; "mode=niv" is a trunk of everything with niv=on."""
        words = ("mode", "vlan", "allowed", "native")
        number, pairs = parse_pairs("port", text, (), ("wire", "device", *words, "niv"))
        subject, mode = f"port {number}", pairs.get("mode", "access")
        if mode == "niv":
            mode = "trunk"
            pairs.setdefault("niv", "on")
        if not 1 <= number <= MAX_PORT:
            raise InvalidValue(subject, f"is out of range 1-{MAX_PORT}")
        if mode not in ("access", "trunk"):
            raise InvalidValue(subject, f"mode '{mode}' is unknown", "use access, trunk or niv")
        if mode == "access" and "niv" in pairs:
            raise InvalidValue(subject, "a link to a NIV host carries several VLANs", "give it mode=trunk")
        if "niv" in pairs:
            _choice(subject, "niv", pairs["niv"], tuple(_TAGGINGS))
        for key in ("vlan",) if mode == "trunk" else ("allowed", "native"):
            if key in pairs:
                raise InvalidValue(subject, f"'{key}' does not go with mode {mode}")
        vlan = pairs.get("native" if mode == "trunk" else "vlan", "1")
        if not vlan.isdecimal():
            raise InvalidValue(subject, f"vlan '{vlan}' is no number")
        return cls(
            number,
            _plug(subject, pairs),
            mode == "trunk",
            check_vlan(int(vlan), subject),
            VlanSet.parse(pairs.get("allowed", "1-4094"), subject),
            has_vlans=any(word in pairs for word in words),
            niv=_TAGGINGS[pairs["niv"]] if "niv" in pairs else (),
        )

    def policy(self) -> Policy:
        """What the datapath is told."""
        return Policy(
            trunk=self.trunk,
            vlan=self.vlan,
            allowed=self.allowed if self.trunk else VlanSet(),
            forged_ok=True,
            learn=True,
            unknown_flood=True,
        )


@dataclass(frozen=True, slots=True)
class NivPort:
    """How a NIV port is used now."""

    tagging: img.Tagging = img.Tagging.NONE
    """NONE: no NIV host is there; frames pass as on any trunk."""
    final: bool = False
    """Tagged frames only."""


def _plug(subject: str, pairs: Mapping[str, str]) -> Plug:
    if ("wire" in pairs) == ("device" in pairs):
        raise InvalidValue(subject, "needs either 'wire' or 'device'", "give one: wire=LOCAL>REMOTE or device=NAME")
    if "device" in pairs:
        return Plug("raw", device=pairs["device"])
    wire = Wire.parse(pairs["wire"])
    return Plug("wire", local=str(wire.local), remote=str(wire.remote))


@dataclass(frozen=True, slots=True)
class LagConfig:
    """Ports that are one, as --lag says."""

    number: int
    """1-8."""
    ports: tuple[int, ...]
    lacp: bool = False
    """False: static, all ports that are open belong to it."""
    active: bool = True
    fast: bool = True
    """LACPDUs every second: a cut cable shows no other sign."""
    method: Method = Method.SOURCE_MAC

    @property
    def lport(self) -> int:
        """The port that it is to the MAC table and to receiver lists."""
        return FIRST_LAG + self.number

    @classmethod
    def parse(cls, text: str) -> LagConfig:
        """Read "1,ports=1-2,mode=static|active|passive,rate=fast|slow,hash=mac|ip"; active, fast, mac if not said."""
        number, pairs = parse_pairs("LAG", text, ("ports",), ("mode", "rate", "hash"))
        subject, mode = f"LAG {number}", pairs.get("mode", "active")
        _in_range(subject, number, MAX_LAG)
        _choice(subject, "mode", mode, ("static", "active", "passive"))
        _choice(subject, "rate", pairs.get("rate", "fast"), ("fast", "slow"))
        _choice(subject, "hash", pairs.get("hash", "mac"), tuple(_HASHES))
        ports = _numbers(subject, pairs["ports"])
        if len(ports) > MAX_MEMBERS:
            raise InvalidValue(subject, f"has {len(ports)} ports", f"at most {MAX_MEMBERS} can be one")
        return cls(
            number,
            ports,
            lacp=mode != "static",
            active=mode != "passive",
            fast=pairs.get("rate", "fast") == "fast",
            method=_HASHES[pairs.get("hash", "mac")],
        )


@dataclass(frozen=True, slots=True)
class MirrorConfig:
    """A monitor session, as --mirror says: what some ports see is shown on another, which does nothing else."""

    number: int
    """1-4."""
    sources: tuple[int, ...]
    to: int
    rx: bool = True
    tx: bool = True

    @classmethod
    def parse(cls, text: str) -> MirrorConfig:
        """Read "1,source=1-3,to=8,direction=rx|tx|both"; both if not said."""
        number, pairs = parse_pairs("mirror", text, ("source", "to"), ("direction",))
        subject, direction = f"mirror {number}", pairs.get("direction", "both")
        _in_range(subject, number, MAX_MIRROR)
        _choice(subject, "direction", direction, _DIRECTIONS)
        to = _numbers(subject, pairs["to"])
        if len(to) != 1:
            raise InvalidValue(subject, f"can't show on {len(to)} ports", "give one")
        return cls(number, _numbers(subject, pairs["source"]), to[0], direction != "tx", direction != "rx")


def _in_range(subject: str, number: int, most: int) -> None:
    if not 1 <= number <= most:
        raise InvalidValue(subject, f"is out of range 1-{most}")


def _choice(subject: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidValue(subject, f"{name} '{value}' is unknown", f"use {', '.join(choices)}")


def _numbers(subject: str, text: str) -> tuple[int, ...]:
    """Port numbers, written like VLANs: "1,3-5"."""
    numbers = tuple(VlanSet.parse(text, subject))
    if not numbers or numbers[-1] > MAX_PORT:
        raise InvalidValue(subject, f"'{text}' are not ports", f"ports are 1-{MAX_PORT}")
    return numbers


@dataclass(frozen=True, slots=True)
class SwitchConfig:
    """Everything a switch is told; Conflict or InvalidValue when it does not fit together."""

    ports: Mapping[int, PortConfig]
    lags: tuple[LagConfig, ...] = ()
    mirrors: tuple[MirrorConfig, ...] = ()
    flavour: Flavour = Flavour.MANAGED
    lag_of: Mapping[int, LagConfig] = field(init=False)
    """By member's number."""

    @classmethod
    def of(
        cls,
        ports: Iterable[PortConfig],
        lags: Iterable[LagConfig] = (),
        mirrors: Iterable[MirrorConfig] = (),
        flavour: Flavour = Flavour.MANAGED,
    ) -> SwitchConfig:
        """Conflict when a port is said twice."""
        by_number: dict[int, PortConfig] = {}
        for port in ports:
            if port.number in by_number:
                raise Conflict(f"port {port.number}", "is said twice")
            by_number[port.number] = port
        return cls(by_number, tuple(lags), tuple(mirrors), flavour)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lag_of", self._check_lags())
        self._check_mirrors()
        self._check_flavour()

    def _check_lags(self) -> dict[int, LagConfig]:
        found: dict[int, LagConfig] = {}
        for lag in self.lags:
            subject = f"LAG {lag.number}"
            if sum(other.number == lag.number for other in self.lags) > 1:
                raise Conflict(subject, "is said twice")
            self._check_ports(subject, lag.ports)
            if niv := [port for port in lag.ports if self.ports[port].niv]:
                raise Conflict(subject, f"port {niv[0]} may be a link to a NIV host", "each of those stands alone")
            if taken := [port for port in lag.ports if port in found]:
                raise Conflict(subject, f"port {taken[0]} is in LAG {found[taken[0]].number}")
            if len({self.ports[port].policy() for port in lag.ports}) > 1:
                raise Conflict(subject, "its ports differ in mode or VLANs", "give all of them the same")
            found.update(dict.fromkeys(lag.ports, lag))
        return found

    def _check_mirrors(self) -> None:
        shown: set[tuple[int, str]] = set()
        for mirror in self.mirrors:
            subject = f"mirror {mirror.number}"
            if sum(other.number == mirror.number for other in self.mirrors) > 1:
                raise Conflict(subject, "is said twice")
            self._check_ports(subject, (*mirror.sources, mirror.to))
            if (
                self.ports[mirror.to].niv
                or mirror.to in self.lag_of
                or any(mirror.to in other.sources for other in self.mirrors)
            ):
                raise Conflict(subject, f"port {mirror.to} can't show: it carries traffic of its own")
            for source in mirror.sources:
                for direction in [name for name, wanted in (("rx", mirror.rx), ("tx", mirror.tx)) if wanted]:
                    if (source, direction) in shown:
                        raise Conflict(subject, f"port {source} {direction} is shown by another mirror")
                    shown.add((source, direction))

    def _check_ports(self, subject: str, ports: tuple[int, ...]) -> None:
        for port in ports:
            if port not in self.ports:
                raise InvalidValue(subject, f"port {port} does not exist")

    def _check_flavour(self) -> None:
        subject = f"{self.flavour.value} switch"
        if self.flavour is not Flavour.MANAGED and (self.lags or self.mirrors):
            raise InvalidValue(subject, "has neither LAGs nor port mirroring", "take a managed one")
        if self.flavour is not Flavour.MANAGED and any(port.niv for port in self.ports.values()):
            raise InvalidValue(subject, "has no NIV ports", "take a managed one")
        if self.flavour is Flavour.UNMANAGED and any(port.has_vlans for port in self.ports.values()):
            raise InvalidValue(subject, "knows no VLANs", "take a smart or a managed one")


__all__ = ["FIRST_LAG", "MAX_PORT", "Flavour", "LagConfig", "MirrorConfig", "NivPort", "PortConfig", "SwitchConfig"]
