"""What the settings of a profile or interface must satisfy, each by itself and as a team of uplinks (part of
vsm/policy/check.py)."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from dvswitch.errors import Conflict, DvsError, InvalidValue
from dvswitch.mobility import SECONDS_RANGE
from dvswitch.vlan import MAX_VLAN, MIN_VLAN
from vsm.model.interfaces import MAX_UPLINK, Vethernet, parse_interface
from vsm.model.settings import NO_NATIVE, UNTAGGED, Settings, TeamMethod
from vsm.model.state import Config, PortProfile, ProfileType, State
from vsm.policy.inherit import chain, effective
from vsm.policy.ports import member_vlans, profile_of

PROFILE_MTU_RANGE = (1500, 9000)
MAC_LIMIT_RANGE = (1, 4096)
STORM_RANGE = (0, 10_000_000)
UPLINK_RANGE = (1, MAX_UPLINK)
GROUP_RANGE = (0, MAX_UPLINK)

_TEAM = ("team_method", "team_active", "team_standby", "team_unused", "team_failback", "team_notify", "team_beacon")
_team_of = attrgetter(*_TEAM)
_SILENT = (None,) * len(_TEAM)
GUESTS_ONLY = {
    "promiscuous": "security promiscuous",
    "bpdu_guard": "spanning-tree bpduguard",
    "storm_broadcast": "storm-control",
    "storm_multicast": "storm-control",
    "storm_unknown": "storm-control",
    **dict.fromkeys(_TEAM, "teaming"),
    "pin": "pinning",
    "mobility_forward": "mobility",
}
"""Attributes that mean nothing on an uplink, by the word of their command."""


def settings_problems(settings: Settings, subject: str, kind: ProfileType) -> Iterator[DvsError]:
    """What is wrong with each setting that is said on ``subject``."""
    yield from _vlans(settings, subject)
    yield from _ranges(settings, subject)
    yield from _kinds(settings, subject, kind)
    for uplinks in (settings.team_active, settings.team_standby, settings.team_unused):
        for number in uplinks or ():
            yield from out_of_range(f"{subject}: uplink", number, UPLINK_RANGE)
    for group in settings.pin_backup or ():
        yield from out_of_range(f"{subject}: pinning backup", group, GROUP_RANGE)
    for uplinks in (settings.team_active, settings.team_standby, settings.team_unused, settings.pin_backup):
        if len(set(uplinks or ())) < len(uplinks or ()):
            yield Conflict(subject, f"an uplink is named twice in {_text(uplinks or ())}")
    if settings.pin is not None and settings.pin in (settings.pin_backup or ()):
        yield Conflict(subject, f"pinning id {settings.pin} is its own backup", "name other uplinks as backup")


def out_of_range(subject: str, value: int | None, limits: tuple[int, int]) -> Iterator[DvsError]:
    """The problem of a value outside ``limits``; None is not said."""
    if value is not None and not limits[0] <= value <= limits[1]:
        yield InvalidValue(f"{subject} {value}", "out of range {}-{}".format(*limits))


def _vlans(settings: Settings, subject: str) -> Iterator[DvsError]:
    for vlan, lowest in ((settings.access_vlan, UNTAGGED), (settings.native_vlan, NO_NATIVE)):
        if vlan is not None and not lowest <= vlan <= MAX_VLAN:
            remedy = (
                "for guest tagging use a trunk with 'switchport trunk native vlan untagged'" if vlan == 4095 else ""
            )
            yield InvalidValue(subject, f"vlan {vlan} is out of range {MIN_VLAN}-{MAX_VLAN}", remedy)
    if settings.allowed_vlans is not None and UNTAGGED in settings.allowed_vlans:
        remedy = "use 'switchport trunk native vlan untagged' for untagged frames"
        yield InvalidValue(subject, "vlan 0 can't be allowed on a trunk", remedy)


def _ranges(settings: Settings, subject: str) -> Iterator[DvsError]:
    yield from out_of_range(f"{subject}: mac-learning limit", settings.mac_limit, MAC_LIMIT_RANGE)
    yield from out_of_range(f"{subject}: mtu", settings.mtu, PROFILE_MTU_RANGE)
    for level in (settings.storm_broadcast, settings.storm_multicast, settings.storm_unknown):
        yield from out_of_range(f"{subject}: storm-control level", level, STORM_RANGE)
    yield from out_of_range(f"{subject}: pinning id", settings.pin, GROUP_RANGE)
    yield from out_of_range(f"{subject}: mobility forward", settings.mobility_forward or None, SECONDS_RANGE)


def _kinds(settings: Settings, subject: str, kind: ProfileType) -> Iterator[DvsError]:
    if kind is ProfileType.ETHERNET:
        for attribute, word in GUESTS_ONLY.items():
            if getattr(settings, attribute) is not None:
                yield Conflict(subject, f"{word} applies to type vethernet only", "say it where the vNICs are")
        return
    if settings.mtu is not None:
        yield Conflict(subject, "mtu applies to type ethernet only", "set the switch's with 'system mtu'")
    if settings.cdp is not None:
        yield Conflict(subject, "cdp applies to type ethernet only", "say it where the uplinks are")
    if settings.channel is not None:
        yield Conflict(subject, "channel-group applies to type ethernet only", "say it in the uplinks' port-profile")


# ---- teams: what holds on an object, wherever it is said


def team_problems(state: State) -> Iterator[DvsError]:
    """What is wrong with the teams that result from inheritance, in profiles and on interfaces."""
    config = state.config
    # Nearly all say nothing about teams; those that do, and their heirs, are evaluated.
    speaking = {name for name, profile in config.profiles.items() if _says_team(profile.settings)}
    if not speaking and not any(map(_says_team, config.overrides.values())):
        return
    bundles = [profile for profile in config.profiles.values() if _bundles(config, profile)]
    for profile in config.profiles.values():
        if profile.type is ProfileType.VETHERNET and _inherits(config, profile.name, speaking):
            subject = f"port-profile {profile.name}"
            yield from _team(config, effective(config, profile.name), subject, bundles)
    for name, own in config.overrides.items():
        profile_name = profile_of(state, name)
        concerned = _says_team(own) or _inherits(config, profile_name, speaking)
        if concerned and isinstance(parse_interface(name), Vethernet):
            yield from _team(config, effective(config, profile_name, own), f"interface {name}", bundles)


def _says_team(settings: Settings) -> bool:
    return _team_of(settings) != _SILENT


def _inherits(config: Config, profile: str, speaking: set[str]) -> bool:
    return any(level.name in speaking for level in chain(config, profile))


def _bundles(config: Config, profile: PortProfile) -> bool:
    if profile.type is not ProfileType.ETHERNET:
        return False
    channel = effective(config, profile.name).channel
    return channel is not None and channel.bundles


def _team(config: Config, holds: Settings, subject: str, bundles: list[PortProfile]) -> Iterator[DvsError]:
    yield from _order(holds, subject)
    if not holds.team_beacon:
        return
    if holds.team_method is TeamMethod.IP_HASH:
        remedy = "use 'teaming failure-detection link' or another method"
        yield Conflict(subject, "teaming failure-detection beacon can't be used with teaming method ip-hash", remedy)
    for bundle in bundles:
        # Probes between the members of one port-channel would come back on any of them (S-148).
        if member_vlans(holds) & member_vlans(effective(config, bundle.name)):
            told = f"teaming failure-detection beacon can't be used over the port-channel of port-profile {bundle.name}"
            yield Conflict(subject, told, "use 'teaming failure-detection link', or mac-pinning on the uplinks")


def _order(holds: Settings, subject: str) -> Iterator[DvsError]:
    lists = {
        "active": holds.team_active or (),
        "standby": holds.team_standby or (),
        "unused": holds.team_unused or (),
    }
    for first, second in (("active", "standby"), ("active", "unused"), ("standby", "unused")):
        for number in lists[first]:
            if number in lists[second]:
                yield Conflict(subject, f"uplink {number} is both {first} and {second}", "name it in one list only")
    if lists["unused"] and not lists["active"] and not lists["standby"]:
        told = f"a team of unused uplinks only ({_text(lists['unused'])})"
        remedy = "name those to use with 'teaming active', uplinks are {}-{}".format(*UPLINK_RANGE)
        yield InvalidValue(subject, told, remedy)


def _text(uplinks: tuple[int, ...]) -> str:
    return ",".join(map(str, uplinks))
