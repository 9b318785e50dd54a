"""The whole command table, and the grammar compiled from it once."""

from __future__ import annotations

from vsm.cli.command import Command
from vsm.cli.grammar import Grammar
from vsm.cli.tables import (
    candidate,
    checkpoints,
    connections,
    files,
    guards,
    host_interfaces,
    interface,
    later,
    modules,
    profile,
    settings,
    show,
    show_host,
    show_later,
    system,
    terminals,
    users,
    vlan,
)
from vsm.cli.tables import exec as session_commands

COMMANDS: tuple[Command, ...] = (
    *session_commands.ROWS,
    *files.ROWS,
    *files.LATER,
    *checkpoints.ROWS,
    *candidate.ROWS,
    *show.ROWS,
    *show_host.MACHINE,
    *show_host.ABSENT,
    *show_later.ROWS,
    *modules.ROWS,
    *users.FEATURES,
    users.ROLE_HEADER,
    *users.ROLE,
    *users.USERS,
    *users.AAA,
    users.LINE_HEADER,
    *users.LINE,
    terminals.CONSOLE_HEADER,
    *terminals.CONSOLE,
    *terminals.ROWS,
    *terminals.SYSTEM,
    *system.SYSTEM,
    guards.PRESET,
    system.VEM_HEADER,
    *system.VEM,
    vlan.HEADER,
    *vlan.ROWS,
    *vlan.LATER,
    *profile.DEFAULTS,
    profile.HEADER,
    *profile.BEFORE_SETTINGS,
    *settings.SETTINGS,
    guards.SHAPING,
    *profile.AFTER_SETTINGS,
    interface.HEADER,
    host_interfaces.MGMT_HEADER,
    *host_interfaces.ROWS,
    *interface.BEFORE_SETTINGS,
    *interface.AFTER_SETTINGS,
    *later.ROWS,
    *later.TRUE_ANYWAY,
    system.SVS_HEADER,
    *system.SVS_DOMAIN,
    connections.HEADER,
    *connections.ROWS,
)
"""One row per command."""

GRAMMAR = Grammar(COMMANDS)
