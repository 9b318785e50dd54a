"""What the datapath should hold, as values: the Python view of the tables in src/abi.h.

An Image is complete: everything an engine needs to forward, nothing about how NICs are plugged.  The agent compiles
one from wanted state (vem/agent), an engine can read one back (adoption), and the difference of two is what must be
written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet

VIF_MAX = 4095
"""VIFs of one link are 1 to this; the field for the sender in a VNTag has 12 bits."""
VIF_LIST_MAX = 16383
"""Lists of VIFs of one link have numbers up to this (14 bits); with E-TAG from 4096."""
LIST_RECEIVER = 0x8000
"""A receiver in a member list that is no lport but this plus the number of a list in ``Image.vif_lists``: one tagged
copy for all of that list, if all of them would take the frame, and all with the same VLAN tag; else a copy for each."""


class Tagging(Enum):
    """Which tag names the VIF on a NIV link."""

    NONE = 0
    """None is agreed on yet."""
    VNTAG = 1
    ETAG = 2


class Niv(Enum):
    """Which end of a NIV link a port is."""

    NONE = 0
    EXTENDER = 1
    """An uplink of a NIV host."""
    BRIDGE = 2
    """A port of a VIS where a NIV host is, or may be: frames of VIF control are shown to the agent."""


@dataclass(frozen=True, slots=True)
class Control:
    """struct dvs_control without the bank, which is the engine's own affair."""

    mtu: int = 1500
    reverse_teaming: bool = True
    keep_priority_tag: bool = False
    rpf_promiscuous: bool = True
    """Promiscuous ports too get no reflected frames of local origin (S-111)."""
    snooping: bool = False
    """Multicast goes by ``groups`` where a group is registered (S-232)."""
    moved: bool = False
    """Some port may be ``moved``."""
    tunnel: int = 0
    """lport of the port that leads to the mobility program; 0 = none."""
    niv: bool = False
    """What a vNIC sends goes to its port's ``link``, with the tag of its ``vif``; nothing is switched here."""
    vepa: bool = False
    """What a vNIC sends goes to its uplink, which gives it back: by the uplinks, MACs of this host may come in as
    sources, but nothing goes to the port that it is from (S-092)."""


@dataclass(frozen=True, slots=True)
class Port:
    """struct dvs_port."""

    policy: int
    """Key of Image.policies, 0..1023."""
    number: int
    """vEth number, or p of Ethernet m/p."""
    mac: MacAddress
    port_id: int = 0
    generation: int = 0
    uplink: bool = False
    link_up: bool = True
    blocked: bool = False
    mac_violation: bool = False
    awaited: bool = False
    """Blocked until its VM speaks here: a frame with the port's own MAC is shown to the agent (Punt.ARRIVED)."""
    pin: int = 0
    """lport of the one uplink this port uses (MAC pinning, failback=no, load-based); 0 = as its team's method says.
    The agent pins only to usable uplinks."""
    is_lag: bool = False
    """A LAG: no NIC of its own; its members in use are the uplinks of its policy's team."""
    lag: int = 0
    """lport of the LAG that this port is a member of; 0 = none.  A member is in no receiver list: its LAG is."""
    mirror_rx: int = 0
    """lport that is shown all that comes in here, dropped or not; 0 = none."""
    mirror_tx: int = 0
    """lport that is shown all that goes out here; 0 = none."""
    tunnel: bool = False
    """Its NIC is the mobility program (src/mobility.c)."""
    moved: bool = False
    """The vEth lives elsewhere: its MACs, learned ones too, are nobody's here."""
    forward: bool = False
    """... and what comes for them goes through the tunnel."""
    held: bool = False
    """What it sends waits in the mobility program."""
    releasing: bool = False
    """... as long as something that it sent before waits there."""
    niv: Niv = Niv.NONE
    tagging: Tagging = Tagging.NONE
    """On NIV links."""
    plain: bool = True
    """Of a NIV link: frames without the tag are let in, as by any other port; False: NIV_UNTAGGED, unless they are
    link-local control frames."""
    reflective: bool = False
    """Frames may go back out of the port that they came by (the relay that VEPA needs)."""
    link: int = 0
    """lport of the NIV link by which its frames come and go: on an IV its uplink, on a VIS the port where its host
    is (and then it needs no NIC of its own); 0 = none."""
    vif: int = 0
    """Its VIF on that link, 1..VIF_MAX; 0 = none yet."""


@dataclass(frozen=True, slots=True)
class Storm:
    """Storm control at ingress, frames a second per kind; 0 = no limit."""

    broadcast: int = 0
    multicast: int = 0
    unknown_unicast: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """struct dvs_policy."""

    trunk: bool = False
    vlan: int = 0
    """Access VLAN, or native VLAN of a trunk; 0 = untagged."""
    allowed: VlanSet = VlanSet()
    """Trunk only; may contain 0."""
    team: int = 0
    blocked: bool = False
    forged_ok: bool = False
    mac_changes_ok: bool = False
    learn: bool = False
    unknown_flood: bool = False
    bpdu_ok: bool = False
    mac_limit: int = 0
    """Learned MACs a port may have, 1..4096; 0 = as the table allows."""
    limit_allow: bool = False
    """Over the limit: forward without learning (S-067) instead of dropping (S-066)."""
    promiscuous: bool = False
    """Its ports receive every unicast frame of the VLANs they carry (S-102 ff.)."""
    storm: Storm = Storm()

    def carries(self, vlan: int) -> bool:
        """Whether ports with this policy belong to ``vlan`` (the C twin is dvs_carries)."""
        return vlan in self.vlans()

    def vlans(self) -> VlanSet:
        """Every VLAN carried; a trunk with a native VLAN can't carry untagged frames as VLAN 0."""
        if not self.trunk:
            return VlanSet.of([self.vlan])
        return self.allowed - VlanSet.of([0]) if self.vlan else self.allowed

    def tags(self, vlan: int) -> bool:
        """Whether a frame of that VLAN leaves with its tag (the C twin is dvs_egress_tag)."""
        return self.trunk and vlan != self.vlan


class Method(Enum):
    """How a team picks the uplink of a frame; numbers as DVS_TEAM_* in abi.h."""

    PORT_ID = 0
    """Originating port id modulo n (S-130)."""
    SOURCE_MAC = 1
    """Last byte of the source MAC modulo n (S-132)."""
    IP_HASH = 2
    """XOR of the last bytes of the addresses modulo n; accepts from every member (S-120, S-133 ff.)."""
    EXPLICIT = 3
    """The first (S-137)."""


@dataclass(frozen=True, slots=True)
class Team:
    """struct dvs_team."""

    uplinks: tuple[int, ...] = ()
    """lports of the uplinks in use, in order; at most 16."""
    method: Method = Method.PORT_ID


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """A multicast group in a VLAN, as snooping tells them apart."""

    vlan: int
    address: bytes
    """4 bytes (IPv4) or 16 (IPv6)."""


@dataclass(frozen=True, slots=True)
class Image:
    """All tables."""

    control: Control = Control()
    ports: Mapping[int, Port] = field(default_factory=dict)
    """By lport, 1..1023."""
    policies: Mapping[int, Policy] = field(default_factory=dict)
    teams: Mapping[int, Team] = field(default_factory=dict)
    """By team number, 0..63."""
    static_macs: Mapping[MacAddress, int] = field(default_factory=dict)
    """Owner's lport; valid in every VLAN the port carries."""
    members: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """VLAN -> lports (no uplinks) that receive its broadcasts; sorted."""
    unknown_members: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """VLAN -> lports that also receive unknown unicast; sorted."""
    promiscuous_members: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """VLAN -> lports that receive everyone's unicast; sorted."""
    groups: Mapping[Group, tuple[int, ...]] = field(default_factory=dict)
    """Registered multicast groups -> lports (no uplinks) that joined; sorted."""
    vif_lists: Mapping[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    """(lport of the link, number of the list) -> lports with a VIF on that link; sorted.  On an IV: whom a frame for
    the list is for.  On a VIS: what ``LIST_RECEIVER`` + number stands for in ``members``, ``unknown_members`` and
    ``groups``; no two links may have lists of the same number there."""


@dataclass(frozen=True, slots=True)
class LearnedMac:
    """A learned entry of the MAC table."""

    mac: MacAddress
    vlan: int
    lport: int
    age: float
    """Seconds since last seen as a source."""


class Punt(Enum):
    """Why the agent gets to see a frame; numbers as DVS_PUNT_* in abi.h."""

    CONTROL = 1
    """LACP, LLDP or CDP; not forwarded.  Also from blocked ports."""
    BEACON = 2
    """A beacon probe (0x88b5 with "DVSB") that came by an uplink; not forwarded."""
    SNOOPED = 3
    """IGMP or MLD, with Control.snooping; forwarded too."""
    MOVED = 4
    """RARP or gratuitous ARP that came by an uplink with a local port's MAC (S-089); dropped.  Also what the network
    reflects of our own announcements."""
    ARRIVED = 5
    """Out of an awaited port, with its MAC: the VM runs here (S-246); dropped."""
    FOLLOWED = 6
    """RARP that came by an uplink with the MAC of a port that moved away: the network has heard of its new place."""


@dataclass(frozen=True, slots=True)
class PuntedFrame:
    """A frame that the datapath shows to the agent, beside what becomes of it."""

    lport: int
    """The port it came in by."""
    kind: Punt
    frame: bytes
    """As it came but without its outer tag; at most 1600 bytes."""
    vlan: int
    """Where it belongs; 0 = untagged, or it was taken out before that was known."""
    tci: int | None
    """Of its outer tag; None = it had none."""
    time: float
    """time.monotonic() when it came."""


@dataclass(slots=True)
class Counters:
    """struct dvs_counters, summed over CPUs; drops by reason name (dvswitch.drops), zeroes left out."""

    rx_frames: int = 0
    rx_bytes: int = 0
    rx_multicast: int = 0
    rx_broadcast: int = 0
    rx_forwarded: int = 0
    rx_copies: int = 0
    tx_frames: int = 0
    tx_bytes: int = 0
    tx_multicast: int = 0
    tx_broadcast: int = 0
    tx_flooded: int = 0
    mac_moves: int = 0
    """Learned MACs that came to this port from another (S-072)."""
    niv_rx_frames: int = 0
    """niv_*: of these, what went from a vNIC to a VIS with a NIV tag, or came so; there it counts for the vEth, too."""
    niv_rx_bytes: int = 0
    niv_rx_multicast: int = 0
    niv_rx_broadcast: int = 0
    niv_tx_frames: int = 0
    niv_tx_bytes: int = 0
    niv_tx_multicast: int = 0
    niv_tx_broadcast: int = 0
    drops_in: dict[str, int] = field(default_factory=dict)
    drops_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CopyFate:
    """What became of one receiver's copy in a test run or a trace (struct dvs_copy)."""

    lport: int
    reason: str
    """"" = delivered, else the drop reason's name."""
    frame: bytes
    """As it leaves (or would have left), tags included."""
    link: int = 0
    """It leaves by that port's NIC (a VIS's link), not by its own."""
    shared: bool = False
    """It is the same frame as that of the copy before: one for a list of VIFs."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a frame in a test run (struct dvs_trace)."""

    reason: str
    """"" = forwarded to the receivers in copies, else why it was dropped on the way in."""
    copies: tuple[CopyFate, ...]
