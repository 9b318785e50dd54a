"""What VIF control says, as values (vif.proto); codec.py makes frames of them.

NICs and phases are the protocol's own here: neither the host's side nor the switch's side needs the other's classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dvswitch.mac import MacAddress

FIRST_VIF, LAST_VIF = 1, 4095
"""VIFs of a link; 0 is none."""
FIRST_LIST, LAST_LIST = 4096, 16383
"""VIF lists of a link."""


class Tagging(Enum):
    """How frames name their VIF; numbers as vem.datapath.image.Tagging and VifTagging."""

    VNTAG = 1
    ETAG = 2


class Phase(Enum):
    """Of a vEth where its NIC is; numbers as VifGranted.Phase."""

    PREPARED = 0
    ACTIVE = 1
    DRAINING = 2


class State(Enum):
    """What a vEth does; numbers as VifGranted.State."""

    PENDING = 0
    BLOCKED = 1
    FORWARDING = 2


@dataclass(frozen=True, slots=True, order=True)
class NicKey:
    """A virtual NIC of one host."""

    vm: str
    index: int = 0
    vm_uuid: str = ""
    adapter: str = ""

    @property
    def ident(self) -> str:
        """What makes it this NIC on its host: the VM's UUID, or its name where it has none, and the index."""
        return f"{self.vm_uuid or self.vm}/{self.index}"

    def __str__(self) -> str:
        return f"{self.vm or self.vm_uuid} nic {self.index}"


@dataclass(frozen=True, slots=True)
class Seek:
    """Is there a VIS?"""


@dataclass(frozen=True, slots=True)
class Hello:
    """Begins a session."""

    host_uuid: str
    host_name: str
    uplink: int
    taggings: tuple[Tagging, ...]
    """The best first."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """Answers Hello."""

    instance: int
    """Of the VIS, 64 bits."""
    vis_uuid: str
    vis_name: str
    port: str
    tagging: Tagging
    last_vif: int = LAST_VIF
    keep_alive: float = 1.0
    """Seconds, to the millisecond."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The session that the frame names is not known."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attach:
    """A NIC wants a VIF, or something about it changed; see VifAttach."""

    nic: NicKey
    mac: MacAddress
    profile: str
    prepare: bool = False
    veth: int = 0
    generation: int = 0
    request: str = ""
    vif: int = 0
    link_up: bool = True
    effective: MacAddress | None = None
    moves: int = 0
    in_force: bool = False


@dataclass(frozen=True, slots=True)
class Detach:
    """The NIC is gone."""

    nic: NicKey


@dataclass(frozen=True, slots=True)
class Mode:
    """Whether untagged frames are at an end."""

    final: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """A NIC's VIF, and what became of its vEth."""

    nic: NicKey
    vif: int
    veth: int = 0
    generation: int = 0
    phase: Phase = Phase.PREPARED
    state: State = State.PENDING
    detail: str = ""
    request: str = ""
    """Of the Attach that this is the answer to; as long as it is another one, that has not been dealt with."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The attach can't be done."""

    nic: NicKey
    request: str
    reason: str


@dataclass(frozen=True, slots=True)
class Released:
    """The NIC's VIF is taken back."""

    nic: NicKey
    reason: str


@dataclass(frozen=True, slots=True)
class ListTold:
    """To whom frames for a list go; no VIFs: the list is no more."""

    id: int
    vifs: tuple[int, ...] = ()
    """Sorted."""


@dataclass(frozen=True, slots=True)
class Synced:
    """Everything was said."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The sender lives, and what it said comes to this digest."""

    digest: int


Message = Attach | Detach | Mode | Granted | Refused | Released | ListTold | Synced | KeepAlive
"""Numbered messages of a session."""
Control = Seek | Hello | Welcome | Reset
"""What stands alone in a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    instance: int = 0
    """Of the host's side, 64 bits."""
    session: int = 0
    sequence: int = 0
    acknowledged: int = 0
    messages: tuple[Message, ...] = ()
    control: Control | None = None
