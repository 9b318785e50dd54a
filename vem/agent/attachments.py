"""The NICs of this host: what is plugged in, for whom, and how far the supervisor has got with it.

Pure bookkeeping; agent.py plugs, sends and waits.  The life of an attachment:

    WAITING --port wanted--> KNOWN --detach--> LEAVING --port not wanted any more--> (forgotten)
       |                                          |
       '--detach, refused--> (forgotten)          '--attach again--> KNOWN

LEAVING keeps lport and vEth number until the supervisor has taken note, so that a detach it did not hear of (it was
away) is told again, and a NIC that comes back meanwhile goes on with its counters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from dvswitch.errors import Conflict
from dvswitch.mac import MacAddress
from vem.agent.wanted import Nic, Phase, Port
from vem.datapath.engine import Plug
from vem.datapath.image import Counters


class Stage(Enum):
    """How far an attachment is."""

    WAITING = "waiting"
    KNOWN = "known"
    LEAVING = "leaving"


@dataclass(slots=True)
class Attachment:
    """One NIC on this host."""

    nic: Nic
    mac: MacAddress
    profile: str
    plug: Plug
    lport: int
    prepare: bool = False
    veth: int = 0
    generation: int = 0
    stage: Stage = Stage.WAITING
    request: str = ""
    """Of the PortAttached that asked for it; run-time only."""
    refused: str = ""
    """Why the supervisor refused it; run-time only."""
    last: Counters = field(default_factory=Counters)
    """LEAVING: final counters."""
    life: int = 0
    """Another number whenever the port's counters began at zero."""
    effective: MacAddress | None = None
    """What the guest set its NIC to, as far as somebody told; None: the MAC it was attached with."""
    held_at_start: Port | None = None
    """What was wanted for this NIC, with another profile, when it was attached: no answer yet; run-time only."""

    @property
    def key(self) -> str:
        """Owner's name for lports."""
        return nic_key(self.nic)

    @property
    def adapter(self) -> str:
        """What people know the NIC by."""
        return self.nic.adapter or self.plug.device or self.plug.local


def nic_key(nic: Nic) -> str:
    """Name under which a NIC owns its lport."""
    return f"nic {nic.vm or nic.vm_uuid}/{nic.index}"


class Attachments:
    """All of them, by lport."""

    def __init__(self) -> None:
        self._by_lport: dict[int, Attachment] = {}

    def __iter__(self) -> Iterator[Attachment]:
        return iter(tuple(self._by_lport.values()))

    def add(self, attachment: Attachment) -> None:
        """Take it in; its lport must be its own."""
        self._by_lport[attachment.lport] = attachment

    def remove(self, attachment: Attachment) -> None:
        """Forget it."""
        self._by_lport.pop(attachment.lport, None)

    def holds(self, attachment: Attachment) -> bool:
        """Whether this very one is in."""
        return self._by_lport.get(attachment.lport) is attachment

    def plugged(self) -> list[Attachment]:
        """Those whose NIC is (to be) plugged in."""
        return [attachment for attachment in self if attachment.stage is not Stage.LEAVING]

    def leaving(self) -> list[Attachment]:
        """Those that the supervisor must still take note of."""
        return [attachment for attachment in self if attachment.stage is Stage.LEAVING]

    def find(self, nic: Nic) -> Attachment | None:
        """By NIC, in any stage."""
        return next((attachment for attachment in self if attachment.nic.same(nic)), None)

    def by_veth(self, veth: int) -> Attachment | None:
        """By vEth number, in any stage."""
        return next((attachment for attachment in self if veth and attachment.veth == veth), None)

    def by_request(self, request: str) -> Attachment | None:
        """By the request of its PortAttached."""
        return next((attachment for attachment in self if request and attachment.request == request), None)

    def check_new(self, nic: Nic, plug: Plug) -> None:
        """Conflict if another NIC of this host is plugged in at the same place."""
        for other in self.plugged():
            if not other.nic.same(nic) and _same_place(other.plug, plug):
                place = plug.device or plug.local
                raise Conflict(f"attach {nic}", f"{place} is in use by {other.nic}", f"detach {other.nic} first")

    def bind(self, attachment: Attachment, port: Port) -> None:
        """The supervisor told which vEth this is."""
        attachment.veth, attachment.generation = port.veth, port.generation
        attachment.held_at_start = None
        if port.phase is Phase.ACTIVE:
            attachment.prepare = False
        if attachment.stage is Stage.WAITING:
            attachment.stage = Stage.KNOWN


def _same_place(one: Plug, other: Plug) -> bool:
    if one.kind == "wire" or other.kind == "wire":
        return one.kind == other.kind and one.local == other.local
    return (one.device, one.netns) == (other.device, other.netns)
