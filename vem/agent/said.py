"""Which line of the configuration says what holds on a port of this host, for traces.

The supervisor tells the lines with each policy (types.proto Policy.lines), as `show running-config` has them; what
nobody says is one of DEFAULTS.
"""

from __future__ import annotations

from collections.abc import Iterable

from dvswitch.v1 import types_pb2 as pb
from vem.agent.wanted import Phase, Policy, Port, Uplink, Wanted

DEFAULTS = {
    "mode": "switchport mode access",
    "access_vlan": "switchport access vlan 1",
    "native_vlan": "switchport trunk native vlan 1",
    "allowed_vlans": "switchport trunk allowed vlan all",
    "shutdown": "shutdown",
    "forged_transmits": "security forged-transmits reject",
    "mac_changes": "security mac-changes reject",
    "mac_learning": "mac-learning disable",
    "unknown_flood": "mac-learning unknown-flood accept",
    "mac_limit": "mac-learning limit 4096",
    "promiscuous": "security promiscuous reject",
    "bpdu_guard": "spanning-tree bpduguard enable",
    "team_method": "teaming method port-id",
}
"""What holds where no line says anything; of what is not here, nothing does."""
_ACCESS_ONLY, _TRUNK_ONLY = ("access_vlan",), ("native_vlan", "allowed_vlans")


def lines(wanted: Wanted, held: Port | Uplink | None, settings: Iterable[str], slot: int = 0) -> list[str]:
    """ "port-profile web: switchport access vlan 10" for each setting that matters on a port of host ``slot``."""
    policy = wanted.policies.get(held.policy) if held else None
    found: list[str] = []
    for setting in settings:
        if setting.startswith("system "):
            found += _switch(wanted, setting)
        elif setting == "blocked":
            found += _blocked(held, policy, slot)
        elif policy is not None:
            found += _one(policy, setting)
    return found


def _switch(wanted: Wanted, setting: str) -> list[str]:
    switch = wanted.switch
    mtu = switch.mtu if switch and switch.mtu else 1500
    if setting == "system mtu":
        return [f"system mtu {mtu}" if mtu != 1500 else "default: system mtu 1500"]
    return ["ip igmp snooping"] if switch and switch.snooping else []


def _blocked(held: Port | Uplink | None, policy: Policy | None, slot: int) -> list[str]:
    """Why frames don't pass a port that is there."""
    if held is None or policy is None:
        return ["no usable port-profile is assigned"]
    found = []
    if isinstance(held, Port) and held.phase is not Phase.ACTIVE:
        found.append(f"{held} is under migration: {held.phase.name.lower()} here")
    if held.shutdown:
        found.append(f"{_interface(held, slot)}: shutdown")
    if policy.shutdown:
        said = _said(policy)
        shut = said.get("shutdown", _default("shutdown"))
        found += [line for line in (shut, said.get("blocked", "")) if line and not line.endswith("no shutdown")]
    return found


def _interface(held: Port | Uplink, slot: int) -> str:
    return f"interface Vethernet{held.veth}" if isinstance(held, Port) else f"interface Ethernet{slot}/{held.number}"


def _one(policy: Policy, setting: str) -> list[str]:
    if setting in (_ACCESS_ONLY if policy.trunk else _TRUNK_ONLY):
        return []
    line = _said(policy).get(setting) or (_default(setting) if setting in DEFAULTS else "")
    return [line] if line else []


def _said(policy: Policy) -> dict[str, str]:
    """Lines by setting, each with its place."""
    told = pb.Policy.FromString(policy.wire).lines
    return {line.setting: f"{line.where}: {line.text}" if line.where else line.text for line in told}


def _default(setting: str) -> str:
    return f"default: {DEFAULTS[setting]}"
