"""Commands for inheritable settings: the same rows in port profiles and on interfaces.

A row says how its arguments change a Settings value; where that value is kept (profile or overrides) is the business of
edit_settings().  `no` returns to what is inherited, except `no shutdown`, which says "up"; `default` always returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from dvswitch.errors import NotFound
from dvswitch.vlan import VlanSet
from vsm.cli.command import Call, Command, Edit, Mode, unsupported
from vsm.model.overrides import override
from vsm.model.settings import NOTHING, PortMode, Settings
from vsm.model.state import PortProfile, State
from vsm.policy.inherit import effective
from vsm.policy.ports import profile_of

Change = Callable[[Settings, Call, Settings], Settings]
"""(what is said here, the call, what holds here with everything inherited) -> what is to be said here."""


class HasSettings(Protocol):
    """What a row of this file renders."""

    @property
    def settings(self) -> Settings:
        """What is said on this object itself."""
        ...


def the_profile(state: State, name: str) -> PortProfile:
    """The profile that is being configured; NotFound if somebody has removed it since."""
    found = state.config.profiles.get(name)
    if found is None:
        raise NotFound(f"port-profile {name}", "does not exist")
    return found


def put_profile(state: State, profile: PortProfile) -> State:
    """Store a new or changed profile."""
    profiles = {**state.config.profiles, profile.name: profile}
    return replace(state, config=replace(state.config, profiles=profiles))


def edit_settings(state: State, call: Call, change: Change) -> State:
    """Apply ``change`` to the settings of the profile or interfaces that are being configured."""
    if call.position.mode is Mode.PROFILE:
        profile = the_profile(state, call.position.profile)
        holds = effective(state.config, profile.name)
        return put_profile(state, replace(profile, settings=change(profile.settings, call, holds)))
    for name in call.position.interfaces:
        own = state.config.overrides.get(name, NOTHING)
        holds = effective(state.config, profile_of(state, name), own)
        state = override(state, name, change(own, call, holds))
    return state


def _editor(change: Change) -> Edit:
    return lambda state, call: edit_settings(state, call, change)


def _clearer(attribute: str) -> Edit:
    return _editor(lambda own, _call, _holds: replace(own, **{attribute: None}))


def _setting(
    syntax: str,
    text: str,
    attribute: str,
    value: Callable[[Call, Settings], object],
    shown: Callable[[Settings], str],
    *,
    no: str,
    undo: Edit | None = None,
) -> Command:
    """The row of the setting ``attribute``; ``value`` gives its new value, ``shown`` its line once it is set."""

    def change(own: Settings, call: Call, holds: Settings) -> Settings:
        return replace(own, **{attribute: value(call, holds)})  # type: ignore[arg-type]

    def render(subject: HasSettings) -> Iterator[str]:
        if getattr(subject.settings, attribute) is not None:
            yield shown(subject.settings)

    return Command(
        modes=(Mode.PROFILE, Mode.INTERFACE),
        syntax=syntax,
        help=text,
        edit=_editor(change),
        no=no,
        undo=undo or _clearer(attribute),
        reset=_clearer(attribute),
        render=render,
    )


def _allowed(call: Call, holds: Settings) -> VlanSet:
    vlans: VlanSet = call.get("vlans", VlanSet())
    now = holds.allowed_vlans or VlanSet()
    if call.has("add"):
        return now | vlans
    if call.has("remove"):
        return now - vlans
    if call.has("except"):
        return VlanSet.all() - vlans
    return VlanSet.all() if call.has("all") else vlans


def _allowed_text(settings: Settings) -> str:
    vlans = "all" if settings.allowed_vlans == VlanSet.all() else str(settings.allowed_vlans)
    return f"switchport trunk allowed vlan {vlans}"


def _accept(value: bool | None) -> str:
    return "accept" if value else "reject"


def _shut(shutdown: bool) -> Edit:
    return _editor(lambda own, _call, _holds: replace(own, shutdown=shutdown))


SETTINGS: tuple[Command, ...] = (
    _setting(
        "switchport mode {access | trunk}",
        "How the port carries vlans: one untagged, or several tagged",
        "mode",
        lambda call, _holds: PortMode.TRUNK if call.has("trunk") else PortMode.ACCESS,
        lambda said: f"switchport mode {said.mode.value if said.mode else ''}",
        no="switchport mode [access | trunk]",
    ),
    _setting(
        "switchport access vlan <vlan:vlan-id>",
        "Vlan of an access port",
        "access_vlan",
        lambda call, _holds: call["vlan"],
        lambda said: f"switchport access vlan {said.access_vlan}",
        no="switchport access vlan [<vlan:vlan-id>]",
    ),
    _setting(
        "switchport trunk native vlan <vlan:vlan-id>",
        "Vlan of a trunk's untagged frames",
        "native_vlan",
        lambda call, _holds: call["vlan"],
        lambda said: f"switchport trunk native vlan {said.native_vlan}",
        no="switchport trunk native vlan [<vlan:vlan-id>]",
    ),
    _setting(
        "switchport trunk allowed vlan {<vlans:vlan-list> | add <vlans:vlan-list> | remove <vlans:vlan-list> "
        "| except <vlans:vlan-list> | all | none}",
        "Vlans that a trunk carries",
        "allowed_vlans",
        _allowed,
        _allowed_text,
        no="switchport trunk allowed vlan [<vlans:vlan-list>]",
    ),
    _setting(
        "mtu <mtu:1500-9000>",
        "Largest frame payload of an uplink, in bytes",
        "mtu",
        lambda call, _holds: call["mtu"],
        lambda said: f"mtu {said.mtu}",
        no="mtu [<mtu:1500-9000>]",
    ),
    _setting(
        "security forged-transmits {accept | reject}",
        "Whether a vNIC may send with a source MAC that is not its own",
        "forged_transmits",
        lambda call, _holds: call.has("accept"),
        lambda said: f"security forged-transmits {_accept(said.forged_transmits)}",
        no="security forged-transmits [accept | reject]",
    ),
    _setting(
        "security mac-changes {accept | reject}",
        "Whether a guest may change the MAC address of its vNIC",
        "mac_changes",
        lambda call, _holds: call.has("accept"),
        lambda said: f"security mac-changes {_accept(said.mac_changes)}",
        no="security mac-changes [accept | reject]",
    ),
    _setting(
        "mac-learning [enable | disable]",
        "Learn the MAC addresses behind the port",
        "mac_learning",
        lambda call, _holds: not call.has("disable"),
        lambda said: f"mac-learning {'enable' if said.mac_learning else 'disable'}",
        no="mac-learning [enable | disable]",
    ),
    _setting(
        "mac-learning unknown-flood {accept | reject}",
        "Whether a learning port receives unicast to unknown addresses",
        "unknown_flood",
        lambda call, _holds: call.has("accept"),
        lambda said: f"mac-learning unknown-flood {_accept(said.unknown_flood)}",
        no="mac-learning unknown-flood [accept | reject]",
    ),
    _setting(
        "mac-learning limit <limit:1-4096>",
        "How many MAC addresses are learned behind the port",
        "mac_limit",
        lambda call, _holds: call["limit"],
        lambda said: f"mac-learning limit {said.mac_limit}",
        no="mac-learning limit [<limit:1-4096>]",
    ),
    _setting(
        "shutdown",
        "Block the port administratively",
        "shutdown",
        lambda _call, _holds: True,
        lambda said: "shutdown" if said.shutdown else "no shutdown",
        no="shutdown",
        undo=_shut(False),
    ),
)
"""Rows of inheritable settings."""


def settings_lines(settings: Settings) -> list[str]:
    """Configuration lines of what ``settings`` says."""
    subject = _Bare(settings)
    return [line for row in SETTINGS if row.render for line in row.render(subject)]


class _Bare:
    """Settings by themselves, as something to render."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


LATER: tuple[Command, ...] = tuple(
    Command(modes=(Mode.PROFILE, Mode.INTERFACE), syntax=syntax, help=text, edit=unsupported(what))
    for syntax, text, what in (
        ("switchport mode private-vlan <rest:text>", "Private-vlan role of the port", "private-vlan"),
        ("switchport private-vlan <rest:text>", "Private vlans of the port", "private-vlan"),
        ("switchport port-security [<rest:text>]", "Secure MAC addresses", "port-security"),
        ("{ip | ipv6 | mac} port access-group <rest:text>", "Access list of the port", "port access-group"),
        ("service-policy <rest:text>", "QoS policy of the port", "service-policy"),
        ("channel-group auto [<rest:text>]", "Bundle the host's uplinks", "channel-group auto"),
    )
)
"""Understood, and refused until their effect is built."""
