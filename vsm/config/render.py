"""The running configuration as NX-OS text (nexus-1000v section 2.4), made from the rows of the command table.

Each row renders its own line (vsm.cli.command.Command.render); this file only knows the order of sections.  What
vsm/config/parse.py reads back is the same configuration; vsm/config/patch.py compares two of them section by section.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

import dvswitch
from dvswitch.vlan import VlanSet
from vsm.cli.command import Command, Mode
from vsm.cli.tables import aaa, connections, interface, profile, settings, system, terminals, users, vlan
from vsm.model.interfaces import MGMT0, Ethernet, Vethernet, parse_named
from vsm.model.settings import NOTHING
from vsm.model.state import Config, PortProfile, ProfileType, State
from vsm.policy.defaults import with_defaults
from vsm.policy.inherit import chain, said
from vsm.policy.ports import interfaces, port_channels

INTERFACE_ROWS = (*interface.BEFORE_SETTINGS, *settings.SETTINGS, *interface.AFTER_SETTINGS)
_BARE_ROWS = (*interface.BEFORE_SETTINGS, *interface.AFTER_SETTINGS)
_SWITCH_ROWS = (*users.FEATURES, *terminals.SYSTEM, *aaa.SERVERS, *aaa.LOGIN, *system.SYSTEM)
PROFILE_ROWS = (*profile.BEFORE_SETTINGS, *settings.SETTINGS, *profile.AFTER_SETTINGS)
TIME_FORMAT = "%a %b %e %H:%M:%S %Y"


class Detail(Enum):
    """How much of each object is shown."""

    SAID = ""
    """What was configured."""
    ALL = "all"
    """Defaults, too."""
    EXPANDED = "expand-port-profile"
    """On interfaces, what their port-profile says in the place of its name."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the configuration is shown; with nothing set, all of it."""

    interfaces: tuple[str, ...] | None = None
    """Full names; () = all interfaces."""
    profiles: tuple[str, ...] | None = None
    """Names; () = all profiles."""
    vlans: VlanSet | None = None
    """Empty = all VLANs."""
    detail: Detail = Detail.SAID

    @property
    def command(self) -> str:
        """The show command that has this scope."""
        words = ["show running-config"]
        if self.interfaces is not None:
            words += ["interface", ",".join(self.interfaces)]
        elif self.profiles is not None:
            words += ["port-profile", *self.profiles]
        elif self.vlans is not None:
            words += ["vlan", str(self.vlans) if self.vlans else ""]
        return " ".join(word for word in [*words, self.detail.value] if word)

    def includes(self, key: Key) -> bool:
        """Whether the section of this key is shown."""
        kind, name = key
        if self.interfaces is not None:
            return kind == "interface" and name in (self.interfaces or (name,))
        if self.profiles is not None:
            return kind == "port-profile" and name in (self.profiles or (name,))
        if self.vlans is not None:
            return kind in ("vlans", "vlan") and (kind == "vlans" or not self.vlans or name in self.vlans)
        return True


Key = tuple[str, Any]
"""(kind, name or number) of a section: ("interface", "Vethernet5"), ("vlan", 10), ("switch", "")."""
SaidLine = tuple[Command, str]
"""A row of the table and the line that it gave, without indentation."""


@dataclass(frozen=True, slots=True)
class Section:
    """An object of the configuration, as lines."""

    key: Key
    header: str
    """"" = the lines stand at the top level."""
    mode: Mode
    """Of the lines."""
    lines: tuple[SaidLine, ...]

    def text(self) -> Iterator[str]:
        """Its lines in the running configuration."""
        kind, _ = self.key
        if kind in ("interface", "line console", "svs-domain"):
            yield ""
        if self.header:
            yield self.header
        indent = "  " if self.header else ""
        yield from (f"{indent}{line}" for _, line in self.lines)


WHOLE = Scope()


def running_config(state: State, now: datetime, scope: Scope = WHOLE) -> str:
    """The configuration, or the part of it in ``scope``, with its header; ``now`` is what the header says."""
    return f"!Command: {scope.command}\n!Time: {now.strftime(TIME_FORMAT)}\n\n" + config_text(state, scope)


def config_text(state: State, scope: Scope = WHOLE) -> str:
    """The configuration without the header: the form in which it is kept."""
    body = (line for section in sections(state, scope) for line in section.text())
    return "".join(f"{line}\n" for line in [f"version {dvswitch.__version__}", *body])


def sections(state: State, scope: Scope = WHOLE) -> Iterator[Section]:
    """The configuration object by object, in the order of the running configuration."""
    config, detail = state.config, scope.detail
    if scope.includes(("switch", "")):
        yield Section(
            ("switch", ""),
            "",
            Mode.CONFIG,
            _lines(_SWITCH_ROWS, config, detail),
        )
    for role in sorted(config.roles):
        if scope.includes(("role", role)):
            yield _section(("role", role), Mode.ROLE, users.ROLE_HEADER, users.ROLE, config.roles[role], detail)
    for user in sorted(config.users):
        if scope.includes(("user", user)):
            yield Section(("user", user), "", Mode.CONFIG, _lines(users.USERS, config.users[user], detail))
    for slot in sorted(config.slots):
        if scope.includes(("vem", slot)):
            yield _section(("vem", slot), Mode.VEM, system.VEM_HEADER, system.VEM, config.slots[slot], detail)
    if scope.includes(("vlans", "")):
        yield from _vlans(config, scope)
    if scope.includes(("port-profile default", "")):
        yield Section(("port-profile default", ""), "", Mode.CONFIG, _lines(profile.DEFAULTS, config, detail))
    for found in profile_order(config):
        if scope.includes(("port-profile", found.name)):
            yield _profile(config, found, detail)
    for name in _interface_names(state, scope):
        yield _interface(state, name, detail)
    if scope.includes(key := ("line console", "")):
        yield _section(key, Mode.CONSOLE, terminals.CONSOLE_HEADER, terminals.CONSOLE, config, detail)
    if scope.includes(("line", "")):
        yield _section(("line", ""), Mode.LINE, users.LINE_HEADER, users.LINE, config, detail)
    if scope.includes(("svs-domain", "")):
        yield _section(("svs-domain", ""), Mode.SVS_DOMAIN, system.SVS_HEADER, system.SVS_DOMAIN, config, detail)
    for name in sorted(config.connections):
        if scope.includes(key := ("svs connection", name)):
            known = config.connections[name]
            yield _section(key, Mode.SVS_CONNECTION, connections.HEADER, connections.ROWS, known, detail)


def profile_order(config: Config) -> list[PortProfile]:
    """All profiles by name, but parents before those that inherit from them."""
    return sorted(config.profiles.values(), key=lambda found: (len(chain(config, found.name)), found.name))


def _vlans(config: Config, scope: Scope) -> Iterator[Section]:
    numbers = [number for number in sorted(config.vlans) if scope.includes(("vlan", number))]
    listed = f"vlan {VlanSet.of(numbers)}"
    yield Section(("vlans", ""), "", Mode.CONFIG, ((vlan.HEADER, listed),) if numbers else ())
    for number in numbers:
        lines = _lines(vlan.ROWS, config.vlans[number], scope.detail)
        if lines:
            yield Section(("vlan", number), f"vlan {number}", Mode.VLAN, lines)


def _profile(config: Config, found: PortProfile, detail: Detail) -> Section:
    subject = profile.ProfileSubject(found, config.default_max_ports)
    if detail is Detail.ALL:
        settings = with_defaults(config, found.settings, said(config, found.inherit), found.type)
        subject = replace(subject, profile=replace(found, settings=settings))
    return _section(("port-profile", found.name), Mode.PROFILE, profile.HEADER, PROFILE_ROWS, subject, detail)


def _interface(state: State, name: str, detail: Detail) -> Section:
    subject = interface.subject_of(state, name)
    config = state.config
    if detail is not Detail.SAID and not isinstance(parse_named(name), Vethernet | Ethernet):
        detail = Detail.SAID
    if detail is Detail.ALL:
        kind = ProfileType.VETHERNET if name.startswith("V") else ProfileType.ETHERNET
        inherited = said(config, subject.profile)
        subject = replace(subject, settings=with_defaults(config, subject.settings, inherited, kind))
    elif detail is Detail.EXPANDED:
        subject = replace(subject, profile="", settings=said(config, subject.profile, subject.settings))
    # Nearly all interfaces say nothing of their own: their settings are not asked one by one.
    rows = _BARE_ROWS if subject.settings == NOTHING else INTERFACE_ROWS
    return _section(("interface", name), Mode.INTERFACE, interface.HEADER, rows, subject, detail)


def _interface_names(state: State, scope: Scope) -> list[str]:
    """mgmt0, port-channels and ports that exist, then those that are configured for a host that has not come yet."""
    if scope.interfaces:
        return list(scope.interfaces)
    if not scope.includes(("interface", "")):
        return []
    there = [MGMT0, *port_channels(state), *interfaces(state)]
    awaited = {*state.config.overrides, *state.config.descriptions} - set(there)
    return there + sorted(awaited, key=parse_named)


def _section(key: Key, mode: Mode, header: Command, rows: Iterable[Command], subject: Any, detail: Detail) -> Section:
    (_, title), *_ = _lines([header], subject, Detail.SAID)
    return Section(key, title, mode, _lines(rows, subject, detail))


def _lines(rows: Iterable[Command], subject: Any, detail: Detail) -> tuple[SaidLine, ...]:
    found: list[SaidLine] = []
    for row in rows:
        render = row.always if detail is Detail.ALL and row.always else row.render
        if render:
            found += [(row, line) for line in render(subject)]
    return tuple(found)
