"""Who may log in, and what roles let them do.  Values only; who is let in is decided in vsm/ssh, what a line needs in
vsm/cli/permission.py."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

NETWORK_ADMIN, NETWORK_OPERATOR = "network-admin", "network-operator"
BUILT_IN = (NETWORK_ADMIN, NETWORK_OPERATOR)
"""Roles that always exist: everything, and looking only."""
ADMIN = "admin"
"""The user that the first start makes; can't be removed."""
MAX_RULES = 256
MAX_KEYS = 16
"""Public keys of a user."""


class Access(Enum):
    """What a rule of a role is about; the value is the word in the configuration."""

    COMMAND = "command"
    READ = "read"
    """All show commands."""
    READ_WRITE = "read-write"
    """All commands."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a role; of several that fit, the one with the highest number decides."""

    number: int
    """1-MAX_RULES."""
    permit: bool
    access: Access
    command: str = ""
    """With Access.COMMAND: how the command begins, in full words; * stands for anything."""
    feature: str = ""
    """With the others: only commands of this feature (vsm/cli/features.py); "" = all."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role that the operator made."""

    name: str
    description: str = ""
    rules: tuple[Rule, ...] = ()
    """By number, ascending."""


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    name: str
    password: str = ""
    """Hash (vsm/model/passwords.py); "" = can't log in by password."""
    roles: tuple[str, ...] = (NETWORK_OPERATOR,)
    """What any of them permits is permitted."""
    keys: tuple[str, ...] = ()
    """Public keys, each as "TYPE BASE64 [COMMENT]"."""
