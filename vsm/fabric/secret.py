"""The switch's secret of which keys for moves are made (vsm/policy/forwarding.py): made when the first host joins."""

from __future__ import annotations

import secrets
from dataclasses import replace

from vsm.model.state import State

_BYTES = 32


def with_secret(state: State) -> State:
    """The State with a secret, its own or a fresh one."""
    if state.inventory.mobility_secret:
        return state
    return replace(state, inventory=replace(state.inventory, mobility_secret=secrets.token_hex(_BYTES)))


__all__ = ["with_secret"]
