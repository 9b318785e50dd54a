"""The switch as the rules say it, one method per paragraph, slow and obviously right.

Written from the rules (S-001 ff.), not from the C code; what the rules leave open is marked `ours`, and told in
docs/semantics.md.  It reads the ports, policies and teams of an Image, and nothing else: who receives what follows from
them, not from the lists that the datapath is given.

A frame is bytes as on the wire, tags in band.  A result is a Step of tests/rows/row.py, so that the same code as for
packet rows judges deliveries, drop reasons and counters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.rows.row import Copy, Step
from vem.datapath.image import Group, Image, LearnedMac, Method, Policy, Port

TPID, FOREIGN_TPID = 0x8100, 0x88A8
RESERVED_VID = 4095
ETHERNET_HEADER, ETHERNET_MIN, TAG = 14, 60, 4
ZERO, BROADCAST = bytes(6), b"\xff" * 6
CDP = bytes.fromhex("01000ccccccc")
LINK_LOCAL = bytes.fromhex("0180c20000")
BPDU = bytes.fromhex("0180c2000000")
IPV4, IPV6, SLOW, LLDP = 0x0800, 0x86DD, 0x8809, 0x88CC
BEACON = b"\x88\xb5DVSB"
ALL_SYSTEMS, ALL_NODES = bytes([224, 0, 0]), bytes([0xFF, 2, *[0] * 13, 1])


class Dropped(Exception):
    """The frame ends here; the text is the reason's name."""


@dataclass
class Frame:
    """A frame on its way through the switch."""

    lport: int
    dst: bytes
    src: bytes
    tag: tuple[int, int] | None
    """TPID and TCI of the outermost tag."""
    rest: bytes
    """From the type after that tag on."""
    vlan: int = 0
    unknown: bool = False
    """Unicast that nobody here owns."""
    reflected: bool = False
    """Our own frame, sent back by the network."""
    filtered: bool = False
    """For a registered multicast group."""
    moved: bool = False
    """Its source was learned on another port before."""
    nic: int = 0
    """Where it really came in, if lport is a LAG."""

    @classmethod
    def parse(cls, lport: int, data: bytes) -> Frame:
        """S-002; ours: a tag that is cut off is a runt too."""
        if len(data) < ETHERNET_HEADER:
            raise Dropped("RUNT")
        tag, rest = None, data[12:]
        if _is_tag(rest):
            if len(rest) < TAG + 2:
                raise Dropped("RUNT")
            tag, rest = (_word(rest, 0), _word(rest, 2)), rest[4:]
        if _is_tag(rest) and len(rest) < TAG + 2:
            raise Dropped("RUNT")
        return cls(lport, data[:6], data[6:12], tag, rest, nic=lport)

    @property
    def multicast(self) -> bool:
        """Broadcast included."""
        return bool(self.dst[0] & 1)

    @property
    def foreign(self) -> bool:
        """An 802.1ad tag: carried along, never matched (S-045)."""
        return self.tag is not None and self.tag[0] == FOREIGN_TPID

    @property
    def tci(self) -> int:
        """Of an 802.1Q tag; 0 if there is none."""
        return self.tag[1] if self.tag and not self.foreign else 0

    @property
    def vid(self) -> int:
        return self.tci & 0xFFF

    @property
    def kind(self) -> int:
        """The type behind its outer tag."""
        return _word(self.rest, 0)

    @property
    def priority_tagged(self) -> bool:
        """VID 0: no VLAN, only a priority (S-042)."""
        return self.tag is not None and not self.foreign and not self.vid

    @property
    def payload(self) -> int:
        """Bytes that count against the MTU: not the header, nor one or two tags (S-004)."""
        return len(self.rest) - 2 - (TAG if _is_tag(self.rest) else 0)


class Model:
    """One switch of one host."""

    def __init__(self) -> None:
        self.image = Image()
        self.learned: dict[tuple[int, bytes], int] = {}
        """(VLAN, MAC) -> lport."""
        self.spent: set[tuple[int, str]] = set()
        """(lport, kind of frames): has had its one frame of this second."""

    # --- tables -------------------------------------------------------------------------------------------------

    def become(self, image: Image) -> None:
        """New tables.  Learned addresses of a port go when it goes, is shut, leaves the VLAN or learns no more, and
        give way to a vNIC's own (S-056, S-074)."""
        self.image = image
        self.learned = {key: lport for key, lport in self.learned.items() if self._may_keep(*key, lport)}

    def _may_keep(self, vlan: int, mac: bytes, lport: int) -> bool:
        port = self.image.ports.get(lport)
        if port is None or port.blocked or self._vnic_with(mac):
            return False
        return self.policy(lport).learn and self.policy(lport).carries(vlan)

    def knows(self, entry: LearnedMac) -> bool:
        """Whether that is an entry of its table."""
        return self.learned.get((entry.vlan, entry.mac.octets)) == entry.lport

    def port(self, lport: int) -> Port:
        return self.image.ports[lport]

    def policy(self, lport: int) -> Policy:
        return self.image.policies[self.port(lport).policy]

    def is_uplink(self, lport: int) -> bool:
        return lport in self.image.ports and self.port(lport).uplink

    def _vnic_with(self, mac: bytes) -> int:
        """The vNIC whose own MAC that is, or 0; S-011: a rejected MAC isn't its own."""
        for lport, port in self.image.ports.items():
            if port.mac.octets == mac != ZERO and not port.uplink:
                return lport
        return 0

    def owner(self, mac: bytes, vlan: int) -> int:
        """The port a MAC belongs to in a VLAN, or 0: a vNIC's own in every VLAN it carries (S-053), else learned."""
        lport = self._vnic_with(mac)
        if lport and self.policy(lport).carries(vlan):
            return lport
        return self.learned.get((vlan, mac), 0)

    # --- a frame ------------------------------------------------------------------------------------------------

    def receive(self, lport: int, data: bytes) -> Step:
        """What becomes of a frame that comes in by ``lport``."""
        try:
            frame = Frame.parse(lport, data)
        except Dropped as fate:
            return Step(lport, data, drop=str(fate))
        try:
            drop, copies = "", [self._copy(frame, receiver) for receiver in self._judge(frame)]
        except Dropped as fate:
            drop, copies = str(fate), []
        copies += list(self._shown(frame, data, copies))
        return Step(lport, data, drop=drop, copies=tuple(copies), moved=frame.moved, learner=frame.lport)

    def _judge(self, frame: Frame) -> list[int]:
        """Who gets it."""
        self._admit(frame)
        self._enter_lag(frame)
        self._classify(frame)
        self._check_reflection(frame)
        if not frame.reflected:
            self._group_storm(frame)
            self._learn(frame)
        return self._receivers(frame)

    def _shown(self, frame: Frame, data: bytes, copies: list[Copy]) -> Iterator[Copy]:
        """Ports may be mirrored: all that comes in, dropped or not, and all that goes out, neither padded (S-161)."""
        if watcher := self.image.ports[frame.nic].mirror_rx if frame.nic in self.image.ports else 0:
            yield Copy(watcher, data, flooded=frame.unknown)
        for copy in copies:
            if not copy.reason and (watcher := self.port(copy.lport).mirror_tx):
                yield Copy(watcher, self._tagged(frame, copy.lport), flooded=frame.unknown)

    # --- admission ----------------------------------------------------------------------------------------------

    def _admit(self, frame: Frame) -> None:
        if frame.lport not in self.image.ports:
            raise Dropped("NO_PORT")
        port, policy = self.port(frame.lport), self.policy(frame.lport)
        if port.blocked or policy.blocked:
            raise Dropped("PORT_BLOCKED")  # S-240, S-241
        if frame.payload > self.image.control.mtu:
            raise Dropped("OVERSIZE")  # S-004
        if frame.src[0] & 1 or frame.src == ZERO:
            raise Dropped("SRC_MAC_INVALID")  # S-006, S-007
        self._refuse_control_frames(frame, policy)
        if not port.uplink and not policy.forged_ok and frame.src != port.mac.octets:
            raise Dropped("FORGED_TX")  # S-008 to S-010, S-014
        self._keep_own_protocols(frame)

    def _refuse_control_frames(self, frame: Frame, policy: Policy) -> None:
        """S-018 to S-021; ours: the whole range 01-80-C2-00-00-0x."""
        by_uplink = self.is_uplink(frame.lport)
        if by_uplink and frame.dst == CDP:
            raise Dropped("RESERVED_MCAST")
        if frame.dst[:5] != LINK_LOCAL or frame.dst[5] > 0x0F:
            return
        if frame.dst == BPDU and not by_uplink:
            if policy.bpdu_ok:
                return
            raise Dropped("BPDU_GUARD")
        raise Dropped("RESERVED_MCAST")

    def _keep_own_protocols(self, frame: Frame) -> None:
        """What the switch itself speaks ends here: LACP and LLDP (S-018, S-019) and beacons (S-150)."""
        link_local = frame.dst[:5] == LINK_LOCAL and frame.dst[5] <= 0x0F and frame.kind in (SLOW, LLDP)
        beacon = self.is_uplink(frame.lport) and frame.multicast and frame.rest[:6] == BEACON
        if link_local or beacon:
            raise Dropped("RESERVED_MCAST")

    def _enter_lag(self, frame: Frame) -> None:
        """What comes by a member comes by its LAG (S-158)."""
        frame.lport = self.port(frame.nic).lag or frame.nic

    # --- storms -------------------------------------------------------------------------------------------------

    def _group_storm(self, frame: Frame) -> None:
        if frame.multicast:
            self._storm(frame, "broadcast" if frame.dst == BROADCAST else "multicast")

    def _storm(self, frame: Frame, kind: str) -> None:
        """For a limit of one frame a second, and within a second."""
        if not getattr(self.policy(frame.lport).storm, kind):
            return
        if (frame.lport, kind) in self.spent:
            raise Dropped("STORM")
        self.spent.add((frame.lport, kind))

    # --- VLANs --------------------------------------------------------------------------------------------------

    def _classify(self, frame: Frame) -> None:
        policy = self.policy(frame.lport)
        if policy.trunk:
            if frame.vid == RESERVED_VID or (frame.foreign and policy.vlan):
                raise Dropped("VLAN_MISMATCH")  # S-044; ours: a native VLAN takes no foreign tags
            frame.vlan = frame.vid or policy.vlan
            if not policy.carries(frame.vlan):
                raise Dropped("VLAN_MISMATCH")  # S-037, S-039
            return
        if frame.foreign or frame.vid:
            raise Dropped("VLAN_MISMATCH")  # S-040, S-041, S-045
        frame.vlan = policy.vlan

    def _leave(self, frame: Frame, receiver: int) -> bytes:
        """The frame as the receiver gets it."""
        data = self._tagged(frame, receiver)
        return data.ljust(ETHERNET_MIN, b"\0") if self.is_uplink(receiver) else data  # S-001, S-003

    def _tagged(self, frame: Frame, receiver: int) -> bytes:
        """S-030 to S-043."""
        return frame.dst + frame.src + self._tag(frame, receiver) + frame.rest

    def _tag(self, frame: Frame, receiver: int) -> bytes:
        policy = self.policy(receiver)
        priority = frame.tci & 0xF000
        if frame.foreign:
            assert frame.tag
            return _tag(*frame.tag)
        if not policy.trunk:
            return b""
        if frame.vlan != policy.vlan:
            return _tag(TPID, frame.vlan | priority)
        keeps = not self.is_uplink(receiver) or (priority and self.image.control.keep_priority_tag)
        return _tag(TPID, priority) if frame.priority_tagged and keeps else b""  # S-042, S-043

    # --- MAC table ----------------------------------------------------------------------------------------------

    def _check_reflection(self, frame: Frame) -> None:
        """A local MAC as source, from the network: for nobody (S-087, per VLAN: S-089a), or by S-111's knob for
        promiscuous ports only."""
        if self.is_uplink(frame.lport) and self.owner(frame.src, frame.vlan):
            frame.reflected = True
            if self.image.control.rpf_promiscuous or not self._promiscuous(frame):
                raise Dropped("RPF_LOCAL_SRC")

    def _learn(self, frame: Frame) -> None:
        policy, key = self.policy(frame.lport), (frame.vlan, frame.src)
        if self.is_uplink(frame.lport) or not policy.learn:
            return  # S-061, S-062
        owner = self._vnic_with(frame.src)
        if owner and self.policy(owner).carries(frame.vlan):
            if owner != frame.lport:
                raise Dropped("PORT_SECURITY")  # S-073
            return
        if self.learned.get(key) != frame.lport and self._full(frame.lport, policy):
            if policy.limit_allow:
                return  # S-067
            raise Dropped("MAC_LIMIT")  # S-066
        frame.moved = self.learned.get(key, frame.lport) != frame.lport
        self.learned[key] = frame.lport  # S-063, S-072

    def _full(self, lport: int, policy: Policy) -> bool:
        return bool(policy.mac_limit) and list(self.learned.values()).count(lport) >= policy.mac_limit  # S-065

    # --- who gets it --------------------------------------------------------------------------------------------

    def _receivers(self, frame: Frame) -> list[int]:
        if frame.reflected:
            return self._promiscuous(frame)
        if frame.multicast:
            return self._some(frame, [*self._listeners(frame), *self._way_out(frame)])
        owner = self.owner(frame.dst, frame.vlan)
        if owner == frame.lport:
            raise Dropped("SAME_PORT")  # S-085, S-091
        if owner:
            return [owner, *(lport for lport in self._promiscuous(frame) if lport != owner)]  # S-080, S-102, S-112
        frame.unknown = True
        self._storm(frame, "unknown_unicast")
        floods = [lport for lport in self._carriers(frame) if self._takes_unknown(lport)]
        return self._some(frame, [*floods, *self._way_out(frame)])  # S-070, S-081, S-082

    def _carriers(self, frame: Frame) -> Iterator[int]:
        """The vNICs of the frame's VLAN, but for the one it came from (S-085)."""
        for lport in sorted(self.image.ports):
            vnic = not self.is_uplink(lport) and not self.port(lport).lag
            if vnic and lport != frame.lport and self._accepts(lport, frame):
                yield lport

    def _accepts(self, lport: int, frame: Frame) -> bool:
        policy = self.policy(lport)
        return policy.carries(frame.vlan) and (policy.trunk or not frame.foreign)  # S-045

    def _takes_unknown(self, lport: int) -> bool:
        policy = self.policy(lport)
        return policy.promiscuous or (policy.learn and policy.unknown_flood)  # S-070, S-071, S-102

    def _promiscuous(self, frame: Frame) -> list[int]:
        """By VLAN, not by port group (S-103)."""
        return [lport for lport in self._carriers(frame) if self.policy(lport).promiscuous]

    def _listeners(self, frame: Frame) -> list[int]:
        """Who gets multicast: all; but for a registered group, those that joined (S-232, S-237), for a report nobody
        (S-236), and the promiscuous."""
        carriers = list(self._carriers(frame))
        if not self.image.control.snooping or frame.dst == BROADCAST:
            return carriers
        joined = None if self._is_report(frame) else self._joined(frame)
        frame.filtered = self._is_report(frame) or joined is not None
        return [n for n in carriers if not frame.filtered or n in (joined or ()) or self.policy(n).promiscuous]

    def _joined(self, frame: Frame) -> tuple[int, ...] | None:
        """The members of its group; None if that is not registered, or one that all listen to."""
        address = _group_address(frame.rest)
        if address is None or address[:3] == ALL_SYSTEMS or address == ALL_NODES:
            return None
        return self.image.groups.get(Group(frame.vlan, address))

    def _is_report(self, frame: Frame) -> bool:
        """IGMP of any version but queries; MLD, behind the options that it must have."""
        kind, packet = _packet(frame.rest)
        if kind == IPV4 and len(packet) > 24 and packet[9] == 2:
            return packet[(packet[0] & 15) * 4] in (0x12, 0x16, 0x17, 0x22)
        if kind == IPV6 and len(packet) > 48 and (packet[6], packet[40]) == (0, 58):
            return packet[48] in (131, 132, 143)
        return False

    def _way_out(self, frame: Frame) -> list[int]:
        """One uplink, never from uplink to uplink (S-083, S-086)."""
        uplink = 0 if self.is_uplink(frame.lport) else self.tx_uplink(frame.nic, frame)
        return [uplink] if uplink in self.image.ports and self._accepts(uplink, frame) else []

    def _some(self, frame: Frame, receivers: list[int]) -> list[int]:
        """There must be somebody (S-082, S-093)."""
        if receivers:
            return receivers
        report = frame.filtered and self._is_report(frame)
        if frame.filtered and not (report and not self.is_uplink(frame.lport)):
            raise Dropped("MCAST_FILTER")
        if not frame.unknown and not report:
            raise Dropped("NO_RECEIVER")
        if not self.is_uplink(frame.lport) and not self.tx_uplink(frame.nic, frame):
            raise Dropped("UPLINK_INACTIVE")
        raise Dropped("UNKNOWN_UNICAST" if frame.unknown else "NO_RECEIVER")

    # --- one receiver -------------------------------------------------------------------------------------------

    def _copy(self, frame: Frame, receiver: int) -> Copy:
        if self.port(receiver).is_lag:
            member = self._choose(receiver, frame.src, frame.rest)
            if not member:
                return Copy(receiver, reason="LINK_DOWN")
            receiver = member
        try:
            self._check_receiver(frame, receiver)
            self._reverse_teaming(frame, receiver)
        except Dropped as fate:
            return Copy(receiver, reason=str(fate))
        return Copy(receiver, self._leave(frame, receiver), flooded=frame.unknown)

    def _check_receiver(self, frame: Frame, receiver: int) -> None:
        port = self.port(receiver)
        if port.blocked or self.policy(receiver).blocked:
            raise Dropped("PORT_BLOCKED")  # S-240
        if not port.link_up:
            raise Dropped("LINK_DOWN")  # S-090
        if port.mac_violation:
            raise Dropped("MAC_CHANGED")  # S-011
        if not self._accepts(receiver, frame):
            raise Dropped("VLAN_MISMATCH")  # S-045

    def _reverse_teaming(self, frame: Frame, receiver: int) -> None:
        """From the network a port takes only what came by the uplink that it would send by (S-115, S-116, S-126)."""
        if not self.is_uplink(frame.lport) or not self.image.control.reverse_teaming:
            return  # S-118, S-128
        team = self.image.teams.get(self.policy(receiver).team)
        pinned = team and self.port(receiver).pin in team.uplinks
        if team and team.uplinks and team.method is Method.IP_HASH and not pinned:
            if frame.lport not in team.uplinks:
                raise Dropped("UPLINK_INACTIVE")  # S-121
            return  # S-120
        mine = self.owner(frame.dst, frame.vlan) == receiver
        mac = frame.dst if mine else self.port(receiver).mac.octets
        if self._choose(receiver, mac, b"") != frame.lport:
            raise Dropped("REVERSE_TEAMING")

    # --- teams --------------------------------------------------------------------------------------------------

    def tx_uplink(self, lport: int, frame: Frame) -> int:
        """The uplink that a port's frame leaves by; 0 = there is none (S-093)."""
        return self._choose(lport, frame.src, frame.rest)

    def _choose(self, lport: int, mac: bytes, rest: bytes) -> int:
        port = self.port(lport)
        team = self.image.teams.get(self.policy(lport).team)
        if not team or not team.uplinks:
            return 0
        if port.pin in team.uplinks:
            return port.pin  # ours: a pin counts as long as the team has that uplink
        turn = {
            Method.PORT_ID: port.port_id,  # S-130
            Method.SOURCE_MAC: mac[5],  # S-132
            Method.IP_HASH: _ip_hash(rest),
            Method.EXPLICIT: 0,  # S-137
        }[team.method]
        return team.uplinks[turn % len(team.uplinks)]


# --- bytes -------------------------------------------------------------------------------------------------------


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _is_tag(rest: bytes) -> bool:
    return _word(rest, 0) in (TPID, FOREIGN_TPID)


def _tag(tpid: int, tci: int) -> bytes:
    return tpid.to_bytes(2, "big") + tci.to_bytes(2, "big")


def _packet(rest: bytes) -> tuple[int, bytes]:
    """Type and packet, behind a second tag if there is one (S-046)."""
    if _is_tag(rest):
        rest = rest[TAG:]
    return _word(rest, 0), rest[2:]


def _ip_hash(rest: bytes) -> int:
    """S-133 to S-136; ours: a header that is cut off counts as 0."""
    kind, packet = _packet(rest)
    if len(packet) < (40 if kind == IPV6 else 20):
        return 0
    if kind == IPV6:
        return packet[23] ^ packet[39]
    if kind == IPV4:
        return packet[15] ^ packet[19]
    return int.from_bytes(packet[12:16], "big") ^ int.from_bytes(packet[16:20], "big")


def _group_address(rest: bytes) -> bytes | None:
    """The destination of an IP packet."""
    kind, packet = _packet(rest)
    if kind == IPV4 and len(packet) >= 20:
        return packet[16:20]
    if kind == IPV6 and len(packet) >= 40:
        return packet[24:40]
    return None
