"""How rows for inheritable settings are made: the same row in port profiles and on interfaces.

A row says how its arguments change a Settings value; where that value is kept (profile or overrides) is the business of
edit_settings().  `no` returns to what is inherited, except `no shutdown`, which says "up"; `default` always returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from dvswitch.errors import NotFound
from vsm.cli.command import Call, Command, Edit, Mode
from vsm.cli.tables.host_interfaces import is_port, sayable
from vsm.model.overrides import override
from vsm.model.settings import NOTHING, Settings
from vsm.model.state import PortProfile, State
from vsm.policy.inherit import effective
from vsm.policy.ports import port_settings, profile_of

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
        new = change(own, call, holds)
        state = override(state, name, new if is_port(name) else sayable(state, name, new))
    return state


def editor(change: Change) -> Edit:
    """An edit that applies ``change`` wherever the operator is."""
    return lambda state, call: edit_settings(state, call, change)


def clearer(*attributes: str) -> Edit:
    """An edit after which these are inherited again."""
    nothing = dict.fromkeys(attributes)
    return editor(lambda own, _call, _holds: replace(own, **nothing))


def settled(state: State, call: Call) -> list[tuple[str, Settings]]:
    """What holds now on the objects that are being configured, by their names."""
    if call.position.mode is Mode.PROFILE:
        name = call.position.profile
        return [(f"port-profile {name}", effective(state.config, name))]
    return [(f"interface {name}", port_settings(state, name)) for name in call.position.interfaces]


def accept(value: bool | None) -> str:
    """The word for a bool."""
    return "accept" if value else "reject"


def yes(value: bool | None) -> str:
    """The word for a bool."""
    return "yes" if value else "no"


def setting(
    syntax: str,
    text: str,
    attribute: str,
    value: Callable[[Call, Settings], object],
    shown: Callable[[Settings], str],
    *,
    no: str,
    undo: Edit | None = None,
    beside: Mapping[str, Callable[[Call], object]] | None = None,
    note: Callable[[State, Call], str] | None = None,
    words: Mapping[str, str] | None = None,
) -> Command:
    """The row of the setting ``attribute``: ``value`` gives its new value, ``shown`` its line once it is set, and
    ``beside`` the values of attributes that are only ever said together with it."""
    others = beside or {}

    def change(own: Settings, call: Call, holds: Settings) -> Settings:
        also = {name: find(call) for name, find in others.items()}
        return replace(own, **{attribute: value(call, holds), **also})  # type: ignore[arg-type]

    def render(subject: HasSettings) -> Iterator[str]:
        if getattr(subject.settings, attribute) is not None:
            yield shown(subject.settings)

    clear = clearer(attribute, *others)
    return Command(
        modes=(Mode.PROFILE, Mode.INTERFACE),
        syntax=syntax,
        help=text,
        edit=editor(change),
        no=no,
        undo=undo or clear,
        reset=clear,
        render=render,
        note=note,
        words=words or {},
    )
