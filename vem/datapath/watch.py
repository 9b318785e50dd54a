"""What can be watched of frames, as values: captures, the last drops, and traces (S-245 ff.).

Both engines take and give these; events.py turns them into the structs of src/abi.h and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dvswitch.mac import MacAddress
from vem.datapath.image import Tagging

SNAPLEN_MAX = 1600
"""Bytes of a frame that a capture can keep."""


class Point(Enum):
    """Where on its way a frame is seen; numbers as DVS_AT_* in abi.h, in the order of the way (S-245b)."""

    VNIC_TX = 0
    """Came from a guest, as it came."""
    UPLINK_RCV = 1
    """Came from the network, as it came."""
    PORT_INPUT = 2
    """Enters the switch by a port, as it came."""
    DISPATCH = 3
    """Was admitted, its receivers are sought; tagged with its VLAN (S-245a)."""
    PORT_OUTPUT = 4
    """A receiver's copy, before the receiver's filters; tagged with its VLAN."""
    VNIC_RX = 5
    """Goes to a guest, as it goes."""
    UPLINK_SND = 6
    """Goes to the network, as it goes."""
    DROP = 7
    """A frame, or one receiver's copy, that goes nowhere (S-245e)."""

    @property
    def label(self) -> str:
        """As operators write it: "PortOutput"."""
        return _LABELS[self]

    @property
    def outward(self) -> bool | None:
        """From the port's view: True when leaving the switch, None where it is neither."""
        if self in (Point.PORT_OUTPUT, Point.VNIC_RX, Point.UPLINK_SND):
            return True
        return False if self in (Point.VNIC_TX, Point.UPLINK_RCV, Point.PORT_INPUT) else None


_LABELS = {
    Point.VNIC_TX: "VnicTx",
    Point.UPLINK_RCV: "UplinkRcv",
    Point.PORT_INPUT: "PortInput",
    Point.DISPATCH: "EtherswitchDispatch",
    Point.PORT_OUTPUT: "PortOutput",
    Point.VNIC_RX: "VnicRx",
    Point.UPLINK_SND: "UplinkSnd",
    Point.DROP: "Drop",
}
POINTS = {label.lower(): point for point, label in _LABELS.items()}
"""By label in lower case."""


@dataclass(frozen=True, slots=True)
class Capture:
    """Which frames to tell of; everything unless narrowed (S-245d)."""

    points: frozenset[Point] = frozenset(Point)
    lport: int = 0
    """Seen at this port; 0 = any."""
    uplink: int = 0
    """Seen at this port, or came in by it; 0 = any."""
    mac: MacAddress | None = None
    """Source or destination."""
    vlan: int | None = None
    ethertype: int = 0
    """Of the frame without its outer tag; 0 = any."""
    protocol: int | None = None
    """Of IPv4 or IPv6, 0..255."""
    count: int = 0
    """Ends after so many; 0 = no end."""
    snaplen: int = SNAPLEN_MAX
    """Bytes of each frame, 1..1600."""


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """A frame at one point of its way."""

    point: Point
    lport: int
    """Where; of a drop: the port that did not take it, or did not get it."""
    came_by: int
    """The lport by which the frame entered the switch."""
    packet: int
    """The same at all points of one frame's way."""
    time: float
    """time.monotonic() of the host."""
    frame: bytes
    """Tag in band where the point is tagged; cut off after the capture's snaplen (and the tag)."""
    length: int
    """Bytes of the whole frame, with the tag."""
    vlan: int
    """Where it belongs, as far as that was decided."""
    tci: int | None
    """Of its outer 802.1Q tag at that point."""
    reason: str
    """Name of the drop reason; "" elsewhere than at DROP."""


@dataclass(frozen=True, slots=True)
class CaptureState:
    """How a capture stands."""

    left: int
    """Frames until it ends by itself."""
    lost: int
    """Frames that should have been told of, but nobody took them fast enough."""


@dataclass(frozen=True, slots=True)
class LastDrop:
    """The last frame that was dropped at a port for a reason."""

    lport: int
    reason: str
    """Name of the reason."""
    inward: bool
    """True: on its way into the switch; False: a copy on its way out of this port."""
    came_by: int
    """The lport by which the frame entered the switch."""
    time: float
    """time.monotonic() of the host."""
    head: bytes
    """Its first 64 bytes, without the outer tag."""
    length: int
    """Bytes of the whole frame, without the outer tag."""
    vlan: int
    tci: int | None
    """Of the outer tag it came with."""


@dataclass(frozen=True, slots=True)
class NivTag:
    """A VNTag or E-TAG: what is behind its EtherType, without E-TAG's extensions, which are 0 here."""

    tagging: Tagging
    word: int
    """32 bits."""

    @classmethod
    def of(cls, tagging: int, word: int) -> NivTag | None:
        """By DVS_NIV_*; None for DVS_NIV_NONE."""
        return cls(Tagging(tagging), word) if tagging else None

    def __bytes__(self) -> bytes:
        word = self.word.to_bytes(4, "big")
        return b"\x89\x26" + word if self.tagging is Tagging.VNTAG else b"\x89\x3f" + word + bytes(2)

    def __str__(self) -> str:
        return self._vntag() if self.tagging is Tagging.VNTAG else self._etag()

    def _vntag(self) -> str:
        word, list_ = self.word, "list " if self.word & 0x40000000 else "VIF "
        if not word & 0x80000000:
            return f"VNTag from VIF {word & 0xFFF}"
        looped = f", not to VIF {word & 0xFFF}" if word & 0x8000 else ""
        return f"VNTag to {list_}{word >> 16 & 0x3FFF}{looped}"

    def _etag(self) -> str:
        vif, ingress = self.word & 0x3FFF, self.word >> 16 & 0xFFF
        looped = f", not to VIF {ingress}" if ingress else ""
        return f"E-TAG of {'list' if vif > 0xFFF else 'VIF'} {vif}{looped}"


def niv_tag(frame: bytes) -> NivTag | None:
    """The NIV tag that a frame begins with."""
    found = {b"\x89\x26": Tagging.VNTAG, b"\x89\x3f": Tagging.ETAG}.get(frame[12:14])
    tag = NivTag(found, int.from_bytes(frame[14:18], "big")) if found else None
    return tag if tag and len(frame) >= 14 + len(bytes(tag)) else None


class Step(Enum):
    """A step of the pipeline; numbers as DVS_STEP_* in abi.h."""

    PARSE = 1
    PORT = 2
    ADMIT = 3
    CONTROL = 4
    CLASSIFY = 5
    LOCAL_SOURCE = 6
    LEARN = 7
    LOOKUP = 8
    STORM = 9
    NIV = 10
    """The NIV tag that the frame came with, or that it gets instead of being switched."""


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step and its outcome."""

    step: Step
    reason: str
    """"" = go on, else the drop reason's name."""


@dataclass(frozen=True, slots=True)
class TraceCopy:
    """One receiver of a traced frame."""

    lport: int
    reason: str
    """"" = delivered, else the drop reason's name."""
    tci: int | None
    """Of the 802.1Q tag it would leave with."""
    niv: NivTag | None = None
    """The NIV tag it would leave with, outside of the 802.1Q tag."""
    link: int = 0
    """The port by whose NIC it would leave (a VIS's link); 0 = its own."""
    shared: bool = False
    """The copy before, which is for a list of VIFs, is this one's too."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What the loaded pipeline would do with a frame; nothing was counted, learned or sent."""

    reason: str
    """"" = forwarded to the receivers in copies, else why it would be dropped on the way in."""
    steps: tuple[TraceStep, ...]
    copies: tuple[TraceCopy, ...]
    vlan: int
    out: int
    """The one receiver, when it is not flooded."""
    out_uplink: int
    """The uplink that gets a copy of a flooded frame."""
    flooded: bool
    unknown: bool
    """Nobody owns the destination MAC."""
    punt: int
    """DVS_PUNT_* number: the agent would see it; 0 = no."""
    niv: NivTag | None = None
    """The NIV tag that it came with."""
