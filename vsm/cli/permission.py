"""What the roles of a session let it do: pure, from the configuration as it is when a line is run.

A role's rules are tried from the highest number down and the first that fits decides; nothing fits: denied.  With
several roles it is enough that one of them permits.  Commands about the session itself are open to everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vsm.cli.command import Command
from vsm.cli.features import features_of
from vsm.cli.session import Session
from vsm.model.state import Config
from vsm.model.users import NETWORK_ADMIN, NETWORK_OPERATOR, Access, Role, Rule

DENIED = "% Permission denied for the role\n"
_INTO_CONFIGURATION = ("configure", "configure terminal")
_READ = Role(NETWORK_OPERATOR, rules=(Rule(1, True, Access.READ),))


def roles_of(session: Session, config: Config) -> tuple[str, ...]:
    """The roles that the session has now; none when its user has been removed."""
    if session.role:
        return (session.role,)
    if not session.user:
        return (NETWORK_ADMIN,)  # the system's user that the supervisor runs as, on its own socket
    if session.granted:
        return session.granted
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


def _configures(role: Role) -> bool:
    """Configuration mode is of use to whoever may do something there."""
    return any(rule.permit and rule.access is not Access.READ for rule in role.rules)


def _permits(role: Role, command: Command, text: str) -> bool:
    if text in _INTO_CONFIGURATION:
        return _configures(role)
    for rule in reversed(role.rules):
        if _fits(rule, command, text):
            return rule.permit
    return False


def _fits(rule: Rule, command: Command, text: str) -> bool:
    if rule.access is Access.COMMAND:
        words = (re.escape(word).replace(r"\*", ".*") for word in rule.command.split())
        return re.match(r"\s+".join(words) + r"(\s|$)", text, re.IGNORECASE) is not None
    if rule.feature and rule.feature not in features_of(command):
        return False
    return rule.access is Access.READ_WRITE or command.show is not None or text.startswith("show ")


# ---- what is worth offering


def offered(config: Config, roles: Iterable[str], command: Command, begun: Sequence[str | None], whole: bool) -> bool:
    """Whether a command that begins like this, or with ``whole`` is no more than this, could be permitted; None stands
    for a value that is not known yet."""
    roles = tuple(roles)
    if command.open or NETWORK_ADMIN in roles:
        return bool(roles)
    return any(_may_permit(role, command, begun, whole) for name in roles if (role := _role(config, name)))


def _may_permit(role: Role, command: Command, begun: Sequence[str | None], whole: bool) -> bool:
    if " ".join(word or "" for word in begun) in _INTO_CONFIGURATION:
        return _configures(role)
    for rule in reversed(role.rules):
        if rule.access is not Access.COMMAND:
            if _fits(rule, command, command.syntax):
                return rule.permit
            continue
        pattern = rule.command.split()
        enough = len(begun) >= len(pattern)
        if rule.permit and (enough or not whole) and _agrees(pattern, begun):
            return True
        if not rule.permit and enough and all(map(_is_word, pattern, begun)):
            return False
    return False


def _agrees(pattern: Sequence[str], begun: Sequence[str | None]) -> bool:
    """Whether a command that begins like ``begun`` can begin like ``pattern``."""
    for wanted, word in zip(pattern, begun, strict=False):
        if word is not None and not _is_word(wanted, word):
            return False
        if "*" in wanted:
            return True  # what a star stands for may have blanks in it
    return True


def _is_word(wanted: str, word: str | None) -> bool:
    """Whether a word is what a rule's word says; a value that is not known yet is, where anything is."""
    if word is None:
        return wanted == "*"
    return re.fullmatch(re.escape(wanted).replace(r"\*", ".*"), word, re.IGNORECASE) is not None
