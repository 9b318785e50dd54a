"""What an agent remembers of mode NIV, also over its restart: how far the change of mode is, and where each NIC's
frames go.  A host whose VIS and supervisor are both away when its agent starts forwards on by it.

Values and JSON; side.py fills it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.vif.host import Binding
from dvswitch.vif.messages import Phase, State, Tagging
from vem.agent.convert import snapshot_to, update_from
from vem.agent.wanted import Wanted, apply_update
from vem.niv.stages import Stage


@dataclass(frozen=True, slots=True)
class Bound:
    """A NIC's place behind the VIS, as it was told last."""

    uplink: int
    """Number; 0 = none."""
    vif: int
    """0 = none."""
    veth: int = 0
    """0 = not told yet."""
    generation: int = 0
    phase: Phase = Phase.PREPARED
    state: State = State.PENDING
    detail: str = ""
    """Why it does not forward, for people."""
    request: str = ""
    """Of the attach that this answers; not remembered over a restart, as those who wait are not."""

    @property
    def settled(self) -> bool:
        """It has a VIF, and the supervisor has said what becomes of the vEth."""
        return bool(self.vif) and self.state is not State.PENDING


def merged(binding: Binding, known: Bound | None) -> Bound:
    """What VIF control says of a NIC; what it has not been told in this life is as it was."""
    if known is not None and not (binding.confirmed and binding.veth):
        return replace(known, uplink=binding.uplink, vif=binding.vif, detail=binding.detail or known.detail)
    return Bound(
        binding.uplink,
        binding.vif,
        binding.veth,
        binding.generation,
        binding.phase,
        binding.state,
        binding.detail,
        binding.request,
    )


@dataclass(slots=True)
class Memory:
    """All of it."""

    stage: Stage = Stage.LOCAL
    bound: dict[str, Bound] = field(default_factory=dict)
    """By NicKey.ident."""
    taggings: dict[int, Tagging] = field(default_factory=dict)
    """By uplink: what was agreed on last."""
    kept: Wanted = field(default_factory=Wanted)
    """In JOINING: the ports, and their policies, that the host still switches by itself."""

    def encoded(self) -> dict[str, Any]:
        """For JSON; empty in a host that never left mode DVS."""
        if self.stage is Stage.LOCAL:
            return {}
        found: dict[str, Any] = {
            "stage": self.stage.value,
            "taggings": {str(uplink): tagging.value for uplink, tagging in self.taggings.items()},
            "bound": {ident: _row(bound) for ident, bound in self.bound.items()},
        }
        if self.stage is Stage.JOINING:
            found["kept"] = base64.b64encode(snapshot_to(self.kept).SerializeToString(deterministic=True)).decode()
        return found


def decoded(data: Mapping[str, Any]) -> Memory:
    """The inverse; any of ValueError, KeyError, TypeError, AttributeError, DvsError if it is none."""
    if not data:
        return Memory()
    return Memory(
        Stage(data["stage"]),
        {str(ident): _bound(*row) for ident, row in data["bound"].items()},
        {int(uplink): Tagging(value) for uplink, value in data["taggings"].items()},
        _wanted(data.get("kept", "")),
    )


def _row(bound: Bound) -> list[Any]:
    place = [bound.uplink, bound.vif, bound.veth, bound.generation]
    return [*place, bound.phase.value, bound.state.value, bound.detail]


def _bound(uplink: int, vif: int, veth: int, generation: int, phase: int, state: int, detail: str) -> Bound:
    return Bound(int(uplink), int(vif), int(veth), int(generation), Phase(phase), State(state), str(detail))


def _wanted(text: str) -> Wanted:
    message = fabric.Update()
    message.ParseFromString(base64.b64decode(text, validate=True))
    return apply_update(Wanted(), update_from(message))


__all__ = ["Bound", "Memory", "decoded", "merged"]
