"""How ports use a host's uplinks: `teaming` and `pinning` of vethernet profiles, `channel-group` of ethernet profiles.

Uplinks are named by number, the same on every host; a host that lacks one goes by the others of the list.
"""

from __future__ import annotations

from collections.abc import Callable

from vsm.cli.command import Call, Command
from vsm.cli.tables.setting import setting, settled, yes
from vsm.model.settings import NO_PIN, ChannelMode, PortMode, Settings, TeamMethod
from vsm.model.state import State
from vsm.policy.inherit import effective

_LIST = "<uplinks:uplink-list>"
_GROUPS = "<sgids:group-list>"
_METHODS = " | ".join(method.value for method in TeamMethod)


def beacon_note(state: State, call: Call) -> str:
    """Probes go out in the port's vlans, and a trunk's vlans are the guest's own (S-149)."""
    for name, holds in settled(state, call):
        if holds.team_beacon and holds.mode is PortMode.TRUNK:
            return f"Warning: {name} is a trunk: beacon probing does not cover the vlans that its guests tag"
    return ""


def _method(call: Call, _holds: Settings) -> TeamMethod:
    return next(method for method in TeamMethod if call.has(method.value))


def _numbers(attribute: str, word: str, nothing: str) -> Callable[[Settings], str]:
    def shown(said: Settings) -> str:
        return f"{word} {','.join(map(str, getattr(said, attribute))) or nothing}"

    return shown


def _order(word: str, text: str, nothing: str, about_nothing: str) -> Command:
    attribute = f"team_{word}"
    return setting(
        f"teaming {word} {{{_LIST} | {nothing}}}",
        text,
        attribute,
        lambda call, _holds: call.get("uplinks", ()),
        _numbers(attribute, f"teaming {word}", nothing),
        no=f"teaming {word} [{_LIST}]",
        words={word: text, nothing: about_nothing},
    )


def _yes_no(word: str, attribute: str, text: str) -> Command:
    return setting(
        f"teaming {word} {{yes | no}}",
        text,
        attribute,
        lambda call, _holds: call.has("yes"),
        lambda said: f"teaming {word} {yes(getattr(said, attribute))}",
        no=f"teaming {word} [yes | no]",
    )


def _sub_group_note(state: State, call: Call) -> str:
    """Sub-group 0 is the first uplink of relative pinning; as an uplink's number there is no 0."""
    profiles = state.config.profiles
    relative = any(effective(state.config, name).channel is ChannelMode.MAC_PINNING_RELATIVE for name in profiles)
    if relative or 0 not in (call.get("sgid"), *call.get("sgids", ())):
        return ""
    return "Warning: sub-group 0 is there with 'channel-group auto mode on mac-pinning relative' only"


def _pinning(said: Settings) -> str:
    if said.pin == NO_PIN:
        return "no pinning id"
    backup = ",".join(map(str, said.pin_backup or ()))
    return f"pinning id {said.pin}{f' backup {backup}' if backup else ''}"


def _channel(call: Call, _holds: Settings) -> ChannelMode:
    said = " ".join(word for word in call.words if word not in ("channel-group", "auto", "mode"))
    return ChannelMode(said or "on")


ROWS: tuple[Command, ...] = (
    setting(
        f"teaming method {{{_METHODS}}}",
        "How each frame or port gets its uplink",
        "team_method",
        _method,
        lambda said: f"teaming method {said.team_method.value if said.team_method else ''}",
        no=f"teaming method [{_METHODS}]",
    ),
    _order("active", "Uplinks in use, in order of preference", "auto", "All that carry the port's vlans, by number"),
    _order("standby", "Uplinks that take over when an active one fails, in order", "none", "Nobody takes over"),
    _order("unused", "Uplinks that the ports must not use", "none", "None is excluded"),
    _yes_no("failback", "team_failback", "Whether ports return to an active uplink that has recovered"),
    _yes_no("notify-switches", "team_notify", "Whether physical switches are told by RARP where a MAC address is"),
    setting(
        "teaming failure-detection {link | beacon}",
        "How a failed uplink is recognized",
        "team_beacon",
        lambda call, _holds: call.has("beacon"),
        lambda said: f"teaming failure-detection {'beacon' if said.team_beacon else 'link'}",
        no="teaming failure-detection [link | beacon]",
        note=beacon_note,
    ),
    setting(
        f"pinning id <sgid:0-32> [backup {_GROUPS}]",
        "Sub-group that the ports use while it works: number of an uplink; with mac-pinning relative its place, from 0",
        "pin",
        lambda call, _holds: call["sgid"],
        _pinning,
        no=f"pinning id [<sgid:0-32> [backup {_GROUPS}]]",
        beside={"pin_backup": lambda call: call.get("sgids", ())},
        note=_sub_group_note,
        words={"id": "By number", "backup": "Sub-groups to use instead, in order"},
    ),
    setting(
        "channel-group auto [mode {on [mac-pinning [relative]] | active | passive}]",
        "Bundle the uplinks of each host that have the profile",
        "channel",
        _channel,
        lambda said: f"channel-group auto mode {said.channel.value if said.channel else ''}",
        no="channel-group auto [mode {on [mac-pinning [relative]] | active | passive}]",
        words={"mode": "How the bundle is made", "active": "LACP, beginning by itself"},
    ),
)
"""Rows of profiles and interfaces."""
