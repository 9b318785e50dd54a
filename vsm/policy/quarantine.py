"""Why a port is up or down, in the words of nexus-1000v section 4.

A port is quarantined, its binding kept, when its profile is missing or disabled; it leaves quarantine by itself when
the cause is gone.  vsm/policy/compile.py turns the same conditions into a blocked port; this module tells people.
"""

from __future__ import annotations

from vsm.model.interfaces import Ethernet, Vethernet
from vsm.model.settings import UNTAGGED, PortMode, Settings
from vsm.model.state import Config, PortProfile, ProfileType, State, Uplink, Veth
from vsm.policy.inherit import effective

UP, DOWN = "up", "down"
NONE = "none"
ADMIN_DOWN = "Administratively down"
LINK_DOWN = "Link not connected"
NOT_PARTICIPATING = "nonParticipating"
INACTIVE = "inactive"
QUARANTINED = "quarantined"


_FOR_NOBODY = "Interfaces whose port-profile can't be used; for internal use only"
QUARANTINE = {
    profile.name: profile
    for profile in (
        PortProfile("Unused_Or_Quarantine_Uplink", ProfileType.ETHERNET, description=_FOR_NOBODY, enabled=True),
        PortProfile("Unused_Or_Quarantine_Veth", ProfileType.VETHERNET, description=_FOR_NOBODY, enabled=True),
    )
}
"""The two built-in profiles, by name: what is in quarantine is shown as theirs, beside the profile it is bound to.
They are no part of the configuration, and nobody can make, change, inherit or publish a profile of these names."""


def quarantined(state: State) -> dict[str, list[str]]:
    """Full names of the interfaces in quarantine, by the built-in profile that they are shown under."""
    config, inventory = state.config, state.inventory
    uplinks = [
        Ethernet(*key).full
        for key, uplink in sorted(inventory.uplinks.items())
        if quarantine_cause(config, uplink.profile, ProfileType.ETHERNET)
    ]
    veths = [
        Vethernet(number).full
        for number, veth in sorted(inventory.veths.items())
        if quarantine_cause(config, veth.profile, ProfileType.VETHERNET)
    ]
    return dict(zip(QUARANTINE, (uplinks, veths), strict=True))


def quarantine_cause(config: Config, profile: str, wanted: ProfileType) -> str:
    """Why ``profile`` can't be used by a port that needs type ``wanted``; "" when it can."""
    found = config.profiles.get(profile)
    if not profile:
        return "no port-profile assigned"
    if found is None:
        return f"port-profile {profile} does not exist"
    if found.type is not wanted:
        return f"port-profile {profile} is of type {found.type.value}"
    return "" if found.enabled else f"port-profile {profile} is disabled"


def usable(config: Config, profile: str, wanted: ProfileType) -> PortProfile | None:
    """The profile, unless it puts its ports into quarantine."""
    return None if quarantine_cause(config, profile, wanted) else config.profiles[profile]


def carries_nothing(config: Config, settings: Settings) -> bool:
    """Whether an access port's VLAN does not exist or is not active (a trunk is only pruned)."""
    if settings.mode is not PortMode.ACCESS or settings.access_vlan == UNTAGGED:
        return False
    vlan = config.vlans.get(settings.access_vlan or 0)
    return vlan is None or not vlan.carries


def status(state: State, veth: Veth, link_up: bool = True) -> tuple[str, str]:
    """("up" or "down", reason) of a vEth; ``link_up`` is what its module observed last."""
    if veth.slot is None:
        return DOWN, NOT_PARTICIPATING
    name = Vethernet(veth.number).full
    return _status(state.config, name, veth.profile, ProfileType.VETHERNET, link_up)


def uplink_status(state: State, uplink: Uplink) -> tuple[str, str]:
    """("up" or "down", reason) of an uplink."""
    name = Ethernet(uplink.slot, uplink.number).full
    link_up = uplink.link_up and uplink.present
    return _status(state.config, name, uplink.profile, ProfileType.ETHERNET, link_up)


def _status(config: Config, name: str, profile: str, wanted: ProfileType, link_up: bool) -> tuple[str, str]:
    if quarantine_cause(config, profile, wanted):
        return DOWN, QUARANTINED
    settings = effective(config, profile, config.overrides.get(name))
    if settings.shutdown:
        return DOWN, ADMIN_DOWN
    if carries_nothing(config, settings):
        return DOWN, INACTIVE
    return (UP, NONE) if link_up else (DOWN, LINK_DOWN)
