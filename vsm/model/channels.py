"""Numbers of port-channels: one for what each host makes of its uplinks with one policy.

A number is given when a module first reports the channel.  It stays for as long as the slot is bound to a host and the
profile (or the uplink's own policy) exists, whatever becomes of links, hosts and `channel-group` meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dvswitch.errors import Conflict
from vsm.model.interfaces import MAX_CHANNEL, PortChannel, parse_named
from vsm.model.overrides import forget
from vsm.model.state import State


def channels_seen(state: State, slot: int, policies: Iterable[int]) -> State:
    """The module in ``slot`` has channels made by these policies; Conflict when no number is left."""
    known = state.inventory.channels
    new = [policy for policy in dict.fromkeys(policies) if (slot, policy) not in known and _lives(state, slot, policy)]
    if not new:
        return state
    numbers = {key: number for key, number in known.items() if _lives(state, *key)}
    for policy in new:
        numbers[slot, policy] = _free(numbers.values())
    return with_channels(state, numbers)


def with_channels(state: State, numbers: Mapping[tuple[int, int], int]) -> State:
    """``state`` with these port-channels; what was said on one that is there no more is forgotten."""
    gone = set(state.inventory.channels.values()) - set(numbers.values())
    state = replace(state, inventory=replace(state.inventory, channels=numbers))
    for number in gone:
        state = forget(state, PortChannel(number).full)
    return state


def channel_key(state: State, name: str) -> tuple[int, int] | None:
    """The slot and policy of a port-channel by its full name; None if there is none, or it is something else."""
    found = parse_named(name)
    if not isinstance(found, PortChannel):
        return None
    return next((key for key, number in state.inventory.channels.items() if number == found.number), None)


def _lives(state: State, slot: int, policy: int) -> bool:
    own = (number for key, number in state.inventory.uplink_policies.items() if key[0] == slot)
    profiles = (profile.policy_id for profile in state.config.profiles.values())
    return slot in state.config.slots and (policy in profiles or policy in own)


def _free(used: Iterable[int]) -> int:
    taken = set(used)
    number = next(number for number in range(1, len(taken) + 2) if number not in taken)
    if number > MAX_CHANNEL:
        raise Conflict("port-channel", f"all {MAX_CHANNEL} numbers are in use", "remove profiles that make channels")
    return number
