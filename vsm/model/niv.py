"""How a module's frames are switched (`mode` of `vem N`), and the ways of NIV hosts to a VIS: values.

In mode NIV a host tags and untags only; each of its NICs is a port of a VIS, which switches for it.  The part of the
VIS that holds the ports of one such host is the host's card; it speaks to the supervisor in the host's slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """Who speaks in a session of a slot; numbers as Hello.Role in fabric.proto."""

    HOST = 0
    """The module itself."""
    CARD = 1
    """The part of a VIS that holds the module's ports in mode NIV."""


class ModeKind(Enum):
    """Who switches a module's frames."""

    DVS = "dvs"
    """The module itself."""
    NIV = "niv"
    """A VIS."""
    VEPA = "vepa"
    """A neighbouring bridge that sends back what belongs to the module (reflective relay)."""


class Tagging(Enum):
    """What frames carry between a NIV host and its VIS."""

    NONE = ""
    """Not NIV, or not agreed."""
    VNTAG = "vntag"
    ETAG = "etag"


@dataclass(frozen=True, slots=True)
class HostMode:
    """`mode` of a module."""

    kind: ModeKind = ModeKind.DVS
    tagging: Tagging = Tagging.NONE
    """VNTAG or ETAG in mode NIV, else NONE."""

    @property
    def niv(self) -> bool:
        """Whether the module's ports are its card's."""
        return self.kind is ModeKind.NIV


DVS = HostMode()
"""The default."""


class LinkState(Enum):
    """Of an uplink on which a VIS was heard; in the order of NivLink.State in fabric.proto."""

    DOWN = "down"
    FOUND = "found"
    UP = "up"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Way:
    """A VIS to which a host said that it was connected last: kept with the State, so that the host's card can come
    back while the host's own agent is away."""

    uplink: int
    vis_uuid: str


@dataclass(frozen=True, slots=True)
class Card:
    """What is kept of a module's card."""

    through: str = ""
    """Host UUID of the VIS."""
    mobility: str = ""
    """Where frames of vEths that move from or to it can be passed on to, ADDRESS:PORT; "" = nowhere."""
