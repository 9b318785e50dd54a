"""What the roles of a session let it do: pure, from the configuration as it is when a line is run.

A role's rules are tried from the highest number down and the first that fits decides; nothing fits: denied.  With
several roles it is enough that one of them permits.  Commands about the session itself are open to everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vsm.cli.command import Command
from vsm.cli.session import Session
from vsm.model.state import Config
from vsm.model.users import NETWORK_ADMIN, NETWORK_OPERATOR, Access, Role, Rule

DENIED = "% Permission denied for the role\n"
_READ = Role(NETWORK_OPERATOR, rules=(Rule(1, True, Access.READ),))


def roles_of(session: Session, config: Config) -> tuple[str, ...]:
    """The roles that the session has now; none when its user has been removed."""
    if session.role:
        return (session.role,)
    if not session.user:
        return (NETWORK_ADMIN,)  # the system's user that the supervisor runs as, on its own socket
    user = config.users.get(session.user)
    return user.roles if user else ()


def permitted(config: Config, roles: Iterable[str], command: Command, text: str) -> bool:
    """Whether a command may be given; ``text`` is it in full words, without `no`."""
    roles = tuple(roles)
    if command.open or NETWORK_ADMIN in roles:
        return bool(roles)
    return any(_permits(role, command, text) for name in roles if (role := _role(config, name)))


def _role(config: Config, name: str) -> Role | None:
    return _READ if name == NETWORK_OPERATOR else config.roles.get(name)


def _permits(role: Role, command: Command, text: str) -> bool:
    if text in ("configure", "configure terminal"):
        # Of use to whoever may do something there.
        return any(rule.permit and rule.access is not Access.READ for rule in role.rules)
    for rule in reversed(role.rules):
        if _fits(rule, command, text):
            return rule.permit
    return False


def _fits(rule: Rule, command: Command, text: str) -> bool:
    if rule.access is Access.COMMAND:
        words = (re.escape(word).replace(r"\*", ".*") for word in rule.command.split())
        return re.match(r"\s+".join(words) + r"(\s|$)", text, re.IGNORECASE) is not None
    return rule.access is Access.READ_WRITE or command.show is not None or text.startswith("show ")
