"""Refuses edits that would cut the way to a host, take away a port group in use, or change who holds the ports of
modules under migration, unless they are forced.

Which ports that way goes over only the operator knows; he marks their profiles, on the host's kernel NIC and on its
uplinks: `system vlan LIST` (these VLANs must keep working) or `capability l3control` (all of the port's VLANs).
"""

from __future__ import annotations

from collections.abc import Iterator

from dvswitch.errors import Conflict
from dvswitch.vlan import VlanSet
from vsm.model.cards import niv_slots
from vsm.model.state import PortProfile, State
from vsm.policy.catalog import withdrawn
from vsm.policy.impact import Loss, impact
from vsm.policy.ports import profile_of

FORCE = "use 'configure session' and 'commit force' if that is meant"


def guard(before: State, after: State) -> None:
    """Conflict if the edit would cut a marked port off, take the mark off a profile in use, or a port group away."""
    for problem in cuts(before, after):
        raise Conflict(*problem, FORCE)


def cuts(before: State, after: State) -> Iterator[tuple[str, str]]:
    """(subject, problem) of everything that guard() objects to."""
    yield from _cut_off(before, after)
    yield from withdrawn(before, after)
    yield from _handed_over(before, after)


def _handed_over(before: State, after: State) -> Iterator[tuple[str, str]]:
    """A vEth on the move waits for whoever held it when the move began."""
    if before.config.slots is after.config.slots:
        return
    changed = niv_slots(before) ^ niv_slots(after)
    for move in before.inventory.moves.values():
        for slot in sorted({move.source, move.target} & changed):
            yield f"vem {slot}", f"vethernet {move.veth} is migrating from or to it, which a change of mode disturbs"


def _cut_off(before: State, after: State) -> Iterator[tuple[str, str]]:
    if before.config is after.config or not any(map(marked, before.config.profiles.values())):
        return
    slots = _slots_of_marked(before)
    for name in slots:
        known = before.config.profiles[name]
        new = after.config.profiles.get(name)
        if new is None or (known.l3control and not new.l3control) or known.system_vlans - new.system_vlans:
            yield f"port-profile {name}", "is in use and marks ports that must keep working"
    for loss in impact(before, after, set().union(*slots.values())).losses:
        gone = loss.vlans & must_work(before, loss)
        if gone:
            yield f"interface {loss.port}", f"would lose {_text(gone)}, which must keep working"


def marked(profile: PortProfile) -> bool:
    """Whether the ports of the profile must keep working."""
    return profile.l3control or bool(profile.system_vlans)


def must_work(state: State, loss: Loss) -> VlanSet:
    """The VLANs in which the port of ``loss`` must keep working."""
    profile = state.config.profiles.get(profile_of(state, loss.port))
    if profile is None or not marked(profile):
        return VlanSet()
    return loss.vlans if profile.l3control and not profile.system_vlans else profile.system_vlans


def _slots_of_marked(state: State) -> dict[str, set[int]]:
    """Marked profiles in use, and where they are."""
    names = {profile.name for profile in state.config.profiles.values() if marked(profile)}
    found: dict[str, set[int]] = {}
    for veth in state.inventory.veths.values():
        if veth.profile in names and veth.slot is not None:
            found.setdefault(veth.profile, set()).add(veth.slot)
    for uplink in state.inventory.uplinks.values():
        if uplink.profile in names:
            found.setdefault(uplink.profile, set()).add(uplink.slot)
    return found


def _text(vlans: VlanSet) -> str:
    return f"vlan {vlans}" if vlans != VlanSet.of([0]) else "its untagged frames"
