"""What a host gives VIF control and hears of it (host.py): wishes, bindings, refusals, and links for people."""

from __future__ import annotations

from dataclasses import dataclass

from dvswitch.mac import MacAddress
from dvswitch.vif.host_link import LinkState
from dvswitch.vif.messages import NicKey, Phase, State, Tagging


@dataclass(frozen=True, slots=True)
class Wish:
    """A NIC that wants a VIF."""

    nic: NicKey
    mac: MacAddress
    profile: str
    prepare: bool = False
    veth: int = 0
    """Known number; 0 = none."""
    generation: int = 0
    request: str = ""
    """Another one asks anew after a refusal."""
    link_up: bool = True
    """The guest's carrier."""
    effective: MacAddress | None = None
    """See vem.agent.attachments.Attachment."""
    uplink: int = 0
    """Where the agent wants it, if there is a session; 0 = anywhere."""
    held: tuple[int, int] = (0, 0)
    """Uplink and VIF that it has now (adoption); (0, 0) = none.  ``in_force``: the datapath goes by them."""
    in_force: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a NIC's frames go."""

    nic: NicKey
    uplink: int
    """0 = none."""
    vif: int = 0
    """0 = none (yet)."""
    veth: int = 0
    generation: int = 0
    phase: Phase = Phase.PREPARED
    state: State = State.PENDING
    detail: str = ""
    request: str = ""
    """Of the wish that the VIS has dealt with."""
    confirmed: bool = False
    """The VIS said so in a session with this HostSide; False: what the agent held before."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The VIS does not want a NIC."""

    nic: NicKey
    request: str
    reason: str


@dataclass(frozen=True, slots=True)
class LinkView:
    """An uplink, for the datapath and for people."""

    uplink: int
    state: LinkState
    vis_uuid: str = ""
    vis_name: str = ""
    vis_port: str = ""
    tagging: Tagging | None = None
    """Agreed in this session, or in the one before."""
    final: bool = False
    """The VIS lets tagged frames in only."""
    synced: bool = False
    """The VIS has told all it has: what is not bound now is not on its side."""
    reason: str = ""
    empty: bool = False
    """The VIS has heard that no NIC of this host is on this link."""


__all__ = ["Binding", "LinkView", "Refusal", "Wish"]
