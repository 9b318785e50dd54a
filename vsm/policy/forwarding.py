"""Which moves have their frames passed on, and what the two hosts are told for it (`mobility forward`): pure.

Both hosts must have a mobility address.  A move's id and key come from the switch's secret and from what makes this
move different from all others, so they are the same after a restart of the supervisor and never used twice.
"""

from __future__ import annotations

import hashlib
import hmac

from dvswitch.mobility import KEY_BYTES
from vsm.model.cards import mobility_of
from vsm.model.interfaces import Vethernet
from vsm.model.migration import Move, MoveState
from vsm.model.state import State, Veth
from vsm.policy.inherit import effective
from vsm.policy.wanted import ForwardSpec

_FOLLOWED = (MoveState.PREPARED, MoveState.PAUSED, MoveState.ACTIVATED)


def forwarding(state: State, veth: Veth, move: Move) -> tuple[ForwardSpec | None, ForwardSpec | None]:
    """What source and target of the move are told; (None, None): its frames are not passed on."""
    secret = state.inventory.mobility_secret
    source, target = mobility_of(state, move.source), mobility_of(state, move.target)
    if move.state not in _FOLLOWED or not secret or not (source and target):
        return None, None
    if source == target:
        return None, None  # two hosts of one VIS, which knows by itself where the VM is
    own = state.config.overrides.get(Vethernet(veth.number).full)
    seconds = effective(state.config, veth.profile, own).mobility_forward or 0
    if not seconds:
        return None, None
    text = f"{veth.number}:{move.generation}:{move.source}:{move.target}"
    made = hmac.digest(bytes.fromhex(secret), text.encode(), hashlib.sha256)
    ident = int.from_bytes(made[:8], "little") or 1
    key = made[8 : 8 + KEY_BYTES]
    return ForwardSpec(ident, key, seconds, target), ForwardSpec(ident, key, seconds)


__all__ = ["forwarding"]
