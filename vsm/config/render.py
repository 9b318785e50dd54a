"""The running configuration as NX-OS text (nexus-1000v section 2.4), made from the rows of the command table.

Each row renders its own line (vsm.cli.command.Command.render); this file only knows the order of sections.  What
vsm/config/parse.py reads back is the same configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dvswitch
from dvswitch.vlan import VlanSet
from vsm.cli.command import Command
from vsm.cli.tables import interface, profile, settings, system, users, vlan
from vsm.model.interfaces import parse_interface
from vsm.model.state import Config, PortProfile, State
from vsm.policy.inherit import chain
from vsm.policy.ports import interfaces

INTERFACE_ROWS = (*interface.BEFORE_SETTINGS, *settings.SETTINGS, *interface.AFTER_SETTINGS)
PROFILE_ROWS = (*profile.BEFORE_SETTINGS, *settings.SETTINGS, *profile.AFTER_SETTINGS)
TIME_FORMAT = "%a %b %e %H:%M:%S %Y"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the configuration is shown; with nothing set, all of it."""

    interfaces: tuple[str, ...] | None = None
    """Full names; () = all interfaces."""
    profiles: tuple[str, ...] | None = None
    """Names; () = all profiles."""
    vlans: bool = False

    @property
    def command(self) -> str:
        """The show command that has this scope."""
        words = ["show running-config"]
        if self.interfaces is not None:
            words += ["interface", ",".join(self.interfaces)]
        elif self.profiles is not None:
            words += ["port-profile", *self.profiles]
        elif self.vlans:
            words.append("vlan")
        return " ".join(word for word in words if word)


WHOLE = Scope()


def running_config(state: State, now: datetime, scope: Scope = WHOLE) -> str:
    """The configuration, or the part of it in ``scope``, with its header; ``now`` is what the header says."""
    head = [f"!Command: {scope.command}", f"!Time: {now.strftime(TIME_FORMAT)}", "", f"version {dvswitch.__version__}"]
    return "".join(f"{line}\n" for line in [*head, *_body(state, scope)])


def profile_order(config: Config) -> list[PortProfile]:
    """All profiles by name, but parents before those that inherit from them."""
    return sorted(config.profiles.values(), key=lambda found: (len(chain(config, found.name)), found.name))


def _body(state: State, scope: Scope) -> Iterator[str]:
    if scope.interfaces is not None:
        yield from _interfaces(state, scope.interfaces)
    elif scope.profiles is not None:
        yield from _profiles(state.config, scope.profiles)
    elif scope.vlans:
        yield from _vlans(state.config)
    else:
        yield from _everything(state)


def _everything(state: State) -> Iterator[str]:
    config = state.config
    yield from _rows(users.FEATURES, config)
    for name in sorted(config.roles):
        yield from _section(users.ROLE_HEADER, users.ROLE, config.roles[name])
    yield from _rows(users.USERS, config)
    yield from _rows(system.SYSTEM, config)
    for slot in sorted(config.slots):
        yield from _section(system.VEM_HEADER, system.VEM, config.slots[slot])
    yield from _vlans(config)
    yield from _rows(profile.DEFAULTS, config)
    yield from _profiles(config, ())
    yield from _interfaces(state, ())
    if terminals := list(_rows(users.LINE, config)):
        yield ""
        yield from _rows([users.LINE_HEADER], config)
        yield from _indented(terminals)
    yield ""
    yield from _section(system.SVS_HEADER, system.SVS_DOMAIN, config)


def _vlans(config: Config) -> Iterator[str]:
    yield from _rows([vlan.HEADER], config)
    for number in sorted(config.vlans):
        said = list(_rows(vlan.ROWS, config.vlans[number]))
        if said:
            yield f"vlan {VlanSet.of([number])}"
            yield from _indented(said)


def _profiles(config: Config, names: tuple[str, ...]) -> Iterator[str]:
    for found in profile_order(config):
        if not names or found.name in names:
            subject = profile.ProfileSubject(found, config.default_max_ports)
            yield from _section(profile.HEADER, PROFILE_ROWS, subject)


def _interfaces(state: State, names: tuple[str, ...]) -> Iterator[str]:
    for name in names or _all_interfaces(state):
        yield ""
        yield from _section(interface.HEADER, INTERFACE_ROWS, interface.subject_of(state, name))


def _all_interfaces(state: State) -> list[str]:
    """Interfaces that exist, then those that are configured for a host that has not come yet."""
    there = list(interfaces(state))
    awaited = {*state.config.overrides, *state.config.descriptions} - set(there)
    return there + sorted(awaited, key=parse_interface)


def _section(header: Command, rows: Iterable[Command], subject: Any) -> Iterator[str]:
    yield from _rows([header], subject)
    yield from _indented(_rows(rows, subject))


def _rows(rows: Iterable[Command], subject: Any) -> Iterator[str]:
    for row in rows:
        if row.render:
            yield from row.render(subject)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
