"""Whether a module can take a vEth over as it is (S-256): asked before a migration begins, so that none fails half-way.

Pure.  What counts is what the vEth has where it is now: a target must not take a VLAN or a way out of the host from it.
A guest that has no way out of its host today does not need one tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dvswitch.errors import NotFound, Unavailable
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vsm.model import lifecycle
from vsm.model.interfaces import Ethernet
from vsm.model.settings import UNTAGGED
from vsm.model.state import Nic, State, Uplink, Veth
from vsm.policy.compile import wanted
from vsm.policy.wanted import ALL_VLANS, PolicySpec, Wanted

_NEXT = "choose another target, or give that host what it lacks"


def check_target(state: State, number: int, target: int, refusals: Mapping[str, str]) -> None:
    """Raise what module ``target`` lacks for vEth ``number``; ``refusals``: what it said it can't do, by object.

    NotFound: no such vEth or module.  Conflict, Unavailable: no room, profile not in use, VLAN, uplink or MTU missing.
    """
    veth = state.inventory.veths.get(number)
    if veth is None:
        raise NotFound(f"vethernet {number}", "does not exist")
    if not _prepared_there(state, veth, target):
        lifecycle.check_room(state, target)
    policy = _policy(state, veth)
    here, there = wanted(state, veth.slot or target), wanted(state, target)
    needed = vlans(policy) & reachable(state, veth.slot, here) if veth.slot is not None else VlanSet()
    ways = [uplink for uplink in _uplinks(state, target) if _carries(there, uplink) & needed]
    if there.mode.niv:
        return  # It is the VIS's ports that its guests leave by.
    _check_vlans(veth, target, needed, there, ways)
    _check_mtu(veth, target, needed, there, ways, refusals)


def check_nic(state: State, nic: Nic, mac: MacAddress, profile: str, target: int, refusals: Mapping[str, str]) -> None:
    """Raise what keeps module ``target`` from running a NIC that a hypervisor is about to start there, or to move there
    from where it is: what attaching it would be refused for, and what check_target() says of its vEth."""
    state = lifecycle.provisioned(state, nic, mac, profile)
    veth = lifecycle.find_veth(state, nic, mac)
    assert veth is not None, "provisioned() has just made or found it"
    _check_enabled(state, veth)
    if veth.slot is None:
        lifecycle.check_room(state, target)
    elif veth.slot != target:
        check_target(state, veth.number, target, refusals)


def known_as(state: State, nic: Nic, mac: MacAddress) -> Veth | None:
    """The vEth of that VM with that address, whichever NIC it is by its own count: a hypervisor that unplugs one counts
    those behind it anew."""
    mine = [veth for veth in state.inventory.veths.values() if veth.mac == mac and veth.nic.key[0] == nic.key[0]]
    return min(mine, key=lambda veth: (veth.slot is None, veth.number), default=None)


def vlans(policy: PolicySpec) -> VlanSet:
    """VLANs that ports with this policy carry."""
    return policy.allowed if policy.trunk else VlanSet.of([policy.vlan])


def reachable(state: State, slot: int, have: Wanted) -> VlanSet:
    """VLANs that leave the module in ``slot`` by any of its uplinks, whatever the state of their links; behind a VIS it
    is not the uplinks' policies that limit them."""
    if have.mode.niv:
        return ALL_VLANS
    found = VlanSet()
    for uplink in _uplinks(state, slot):
        found |= _carries(have, uplink)
    return found


def _prepared_there(state: State, veth: Veth, target: int) -> bool:
    move = state.inventory.moves.get(veth.number)
    return veth.slot == target or (move is not None and move.target == target)


def _policy(state: State, veth: Veth) -> PolicySpec:
    """What the vEth is to be on any host; Unavailable while its profile lets it be nothing."""
    _check_enabled(state, veth)
    if veth.slot is None:
        raise Unavailable(_subject(veth), "is plugged in nowhere", "attach it on its target instead")
    spec = wanted(state, veth.slot)
    return spec.policies[spec.ports[veth.number].policy]


def _check_enabled(state: State, veth: Veth) -> None:
    profile = state.config.profiles.get(veth.profile)
    if profile is None:
        raise Unavailable(_subject(veth), f"its port-profile {veth.profile} does not exist", "create it first")
    if not profile.enabled:
        raise Unavailable(_subject(veth), f"its port-profile {veth.profile} is disabled", "enter 'state enabled' there")


def _uplinks(state: State, slot: int) -> list[Uplink]:
    return [uplink for uplink in state.inventory.uplinks.values() if uplink.slot == slot and uplink.present]


def _carries(have: Wanted, uplink: Uplink) -> VlanSet:
    """VLANs of an uplink as configured; none while it is shut down or has no usable profile."""
    spec = have.uplinks.get(uplink.number)
    policy = have.policies.get(spec.policy) if spec else None
    if spec is None or policy is None or spec.shutdown or policy.shutdown:
        return VlanSet()
    return vlans(policy)


def _check_vlans(veth: Veth, target: int, needed: VlanSet, there: Wanted, ways: Iterable[Uplink]) -> None:
    """Each VLAN must leave the target by an uplink whose link is up."""
    if not needed:
        return
    carried, linked = VlanSet(), VlanSet()
    for uplink in ways:
        carried |= _carries(there, uplink)
        linked |= _carries(there, uplink) if uplink.link_up else VlanSet()
    if missing := needed - carried:
        raise Unavailable(_subject(veth), f"no uplink of module {target} carries {_named(missing)}", _NEXT)
    if missing := needed - linked:
        problem = f"all uplinks of module {target} that carry {_named(missing)} are down"
        raise Unavailable(_subject(veth), problem, _NEXT)


def _check_mtu(
    veth: Veth, target: int, needed: VlanSet, there: Wanted, ways: Iterable[Uplink], refusals: Mapping[str, str]
) -> None:
    """A module says it of an uplink whose NIC can't carry what the switch sends (S-243): then another one must do."""
    if not needed:
        return
    fit, small = VlanSet(), []
    for uplink in ways:
        name = Ethernet(target, uplink.number).full
        told = next((why for thing, why in refusals.items() if _is_about(thing, uplink) and "mtu" in why.lower()), "")
        if told:
            small.append(f"{name}: {told}")
        else:
            fit |= _carries(there, uplink)
    if missing := needed - fit:
        problem = f"module {target} has no uplink in {_named(missing)} for frames of {there.switch.mtu} bytes"
        raise Unavailable(_subject(veth), f"{problem} ({'; '.join(small)})", _NEXT)


def _is_about(thing: str, uplink: Uplink) -> bool:
    """Modules name an uplink by its number or by its adapter."""
    words = thing.split()
    return thing == f"ethernet {uplink.number}" or bool(uplink.adapter and uplink.adapter in words)


def _named(missing: VlanSet) -> str:
    if missing == VlanSet.of([UNTAGGED]):
        return "untagged frames"
    return f"vlan {missing - VlanSet.of([UNTAGGED])}"


def _subject(veth: Veth) -> str:
    return f"vethernet {veth.number} ({veth.nic.vm})"


__all__ = ["check_nic", "check_target", "known_as", "reachable", "vlans"]
