"""What an edit would do to traffic before it is done: modules and ports touched, and which ports lose which VLANs.

Compares what every module should have before and after (vsm/policy/compile.py).  A port forwards in the VLANs of its
policy while neither is shut; it reaches the network in those that an uplink of its host carries, too.  Whether links
are up and guests are running is not asked: an edit is judged by what it allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dvswitch.vlan import VlanSet
from vsm.model.interfaces import Ethernet, Vethernet
from vsm.model.state import State
from vsm.policy.compile import wanted
from vsm.policy.difference import difference
from vsm.policy.wanted import ALL_VLANS, PolicySpec, PortSpec, UplinkSpec, Wanted


@dataclass(frozen=True, slots=True)
class Loss:
    """VLANs in which a port would stop forwarding."""

    port: str
    """Full name."""
    slot: int
    vlans: VlanSet
    """0 = untagged frames."""
    uplinks: bool = False
    """The port itself still carries them, but its host's uplinks do not any more."""


@dataclass(frozen=True, slots=True)
class Impact:
    """What an edit would touch."""

    modules: tuple[int, ...] = ()
    """Slots of modules that would be told something new."""
    ports: tuple[str, ...] = ()
    """Full names of the ports whose treatment would change."""
    losses: tuple[Loss, ...] = ()


def impact(before: State, after: State, slots: set[int] | None = None) -> Impact:
    """What the step from ``before`` to ``after`` touches on all modules, or those in ``slots``."""
    if before.config == after.config and before.inventory == after.inventory:
        return Impact()
    places = sorted(_slots(before) | _slots(after) if slots is None else slots)
    # One State after the other: compilation keeps an index of the latest.
    olds, news = ([wanted(state, slot) for slot in places] for state in (before, after))
    modules: list[int] = []
    ports: list[str] = []
    losses: list[Loss] = []
    for slot, old, new in zip(places, olds, news, strict=True):
        modules += [slot] if difference(old, new) else []
        ports += _touched(slot, old, new)
        losses += _losses(slot, old, new)
    return Impact(tuple(modules), tuple(ports), tuple(losses))


def _slots(state: State) -> set[int]:
    inventory = state.inventory
    there = {veth.slot for veth in inventory.veths.values() if veth.slot is not None}
    return {*inventory.modules, *there, *(slot for slot, _ in inventory.uplinks)}


def _touched(slot: int, old: Wanted, new: Wanted) -> Iterator[str]:
    for number in sorted(old.uplinks.keys() | new.uplinks.keys()):
        before, after = old.uplinks.get(number), new.uplinks.get(number)
        if _treatment(old, before) != _treatment(new, after):
            yield Ethernet(slot, number).full
    for number in sorted(old.ports.keys() | new.ports.keys()):
        if _treatment(old, old.ports.get(number)) != _treatment(new, new.ports.get(number)):
            yield Vethernet(number).full


def _treatment(whole: Wanted, port: PortSpec | UplinkSpec | None) -> tuple[object, PolicySpec | None]:
    """Everything that decides about a port's frames; policies that come to the same are the same, whoever says so."""
    if port is None:
        return None, None
    policy = whole.policies.get(port.policy)
    return replace(port, policy=0), policy and replace(policy, id=0, profile="", layers=(), blocked=("", ""))


def _losses(slot: int, old: Wanted, new: Wanted) -> Iterator[Loss]:
    before, after = _reach(old), _reach(new)
    for number, uplink in old.uplinks.items():
        gone = _forwarded(old, uplink) - _forwarded(new, new.uplinks.get(number))
        if gone:
            yield Loss(Ethernet(slot, number).full, slot, gone)
    for number, port in old.ports.items():
        had, has = _forwarded(old, port), _forwarded(new, new.ports.get(number))
        if had - has:
            yield Loss(Vethernet(number).full, slot, had - has)
        elif (had & before) - after:
            yield Loss(Vethernet(number).full, slot, (had & before) - after, uplinks=True)


def _reach(whole: Wanted) -> VlanSet:
    """VLANs that some uplink carries; behind a VIS it is not the uplinks' policies that limit them."""
    if whole.mode.niv:
        return ALL_VLANS
    found = VlanSet()
    for uplink in whole.uplinks.values():
        found = found | _forwarded(whole, uplink)
    return found


def _forwarded(whole: Wanted, port: PortSpec | UplinkSpec | None) -> VlanSet:
    policy = whole.policies.get(port.policy) if port else None
    if port is None or policy is None or port.shutdown or policy.shutdown:
        return VlanSet()
    return policy.allowed if policy.trunk else VlanSet.of([policy.vlan])
