"""What is said on an interface itself, and the policy of its own that this calls for.

Of a port-channel only `shutdown` can be said, which its members carry (vsm/policy/compile.py).  A port whose overrides
change how frames are treated gets its own policy id; `shutdown` and `cdp` do not, because the port carries
them by itself.  Ids are never reused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from vsm.model.interfaces import Ethernet, Named, Vethernet, parse_named
from vsm.model.settings import NOTHING, Settings
from vsm.model.state import Inventory, State

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_JUST_SHUTDOWN = Settings(shutdown=True)


def override(state: State, name: str, settings: Settings) -> State:
    """Say ``settings`` on the interface ``name`` (full name), in place of what it said so far."""
    config = state.config
    if settings == NOTHING:
        overrides = _without(config.overrides, name)
    else:
        overrides = {**config.overrides, name: settings}
    state = replace(state, config=replace(config, overrides=overrides))
    own_policy = replace(settings, cdp=None) not in (NOTHING, _JUST_SHUTDOWN)
    return replace(state, inventory=_own_policy(state.inventory, parse_named(name), own_policy))


def describe(state: State, name: str, text: str) -> State:
    """Set the operator's description of an interface; "" removes it."""
    config = state.config
    found = {**config.descriptions, name: text} if text else _without(config.descriptions, name)
    return replace(state, config=replace(config, descriptions=found))


def forget(state: State, name: str) -> State:
    """Remove everything said on an interface: to be called when the interface ceases to exist."""
    return describe(override(state, name, NOTHING), name, "")


def _own_policy(inventory: Inventory, interface: Named, wanted: bool) -> Inventory:
    new_id = inventory.next_policy_id if wanted else 0
    match interface:
        case Vethernet(number):
            veth = inventory.veths.get(number)
            if veth is None or bool(veth.policy_id) == wanted:
                return inventory
            inventory = replace(inventory, veths={**inventory.veths, number: replace(veth, policy_id=new_id)})
        case Ethernet(slot, number):
            key, policies = (slot, number), inventory.uplink_policies
            if (key in policies) == wanted:
                return inventory
            policies = {**policies, key: new_id} if wanted else _without(policies, key)
            inventory = replace(inventory, uplink_policies=policies)
        case _:
            return inventory
    return replace(inventory, next_policy_id=inventory.next_policy_id + wanted)


def _without(mapping: Mapping[_Key, _Value], key: _Key) -> Mapping[_Key, _Value]:
    return {k: value for k, value in mapping.items() if k != key} if key in mapping else mapping
