"""show users, user-account, role, ssh, feature and aaa."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dvswitch.errors import NotFound
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.session import Session
from vsm.cli.tables.users import rule_text
from vsm.model.users import BUILT_IN, NETWORK_ADMIN, NETWORK_OPERATOR, Role

_HELP = {
    NETWORK_ADMIN: "Predefined network admin role: all commands",
    NETWORK_OPERATOR: "Predefined network operator role: show commands",
}
_BUILT_IN_RULES = {NETWORK_ADMIN: "read-write", NETWORK_OPERATOR: "read"}


@dataclass(frozen=True, slots=True)
class LoginRow:
    """A session."""

    name: str
    line: str
    time: str
    idle: str
    pid: str
    comment: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A user."""

    user: str = field(metadata={"key": "usr_name"})
    roles: tuple[str, ...] = field(metadata={"key": "role"})
    keys: int


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role."""

    role: str = field(metadata={"key": "role_name"})
    description: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """A feature that can be switched."""

    name: str = field(metadata={"key": "cfcFeatureName2"})
    instance: int = field(metadata={"key": "cfcFeatureCtrlInstanceNum2"})
    status: str = field(metadata={"key": "cfcFeatureCtrlOpStatus2"})


@dataclass(frozen=True, slots=True)
class SshRow:
    """The SSH server."""

    status: str
    addresses: tuple[str, ...]
    sessions: int
    limit: int


def show_users(view: View, _call: Call) -> Report:
    """Sessions over SSH; * is the one that asks."""
    rows = [_login(view, session) for session in view.logins.sessions]
    table = (
        f"{row.name:<12} {row.line:<12} {row.time:<12} {row.idle:<9} {row.pid:>7} {row.comment}"
        for row in (LoginRow("NAME", "LINE", "TIME", "IDLE", "PID", "COMMENT"), *rows)
    )
    return Report(lines(*table), (Table("sessions", rows),))


def _login(view: View, session: Session) -> LoginRow:
    began = datetime.fromtimestamp(session.began, UTC).strftime("%b %e %H:%M")
    minutes = int(max(0.0, view.now.timestamp() - session.used) // 60)
    idle = f"{minutes // 60:02}:{minutes % 60:02}" if minutes else "."
    mark = " *" if session is view.session else ""
    # All sessions are served by the supervisor's own process.
    return LoginRow(session.user, session.line, began, idle, str(os.getpid()), f"({session.origin}) session=ssh{mark}")


def show_accounts(view: View, call: Call) -> Report:
    """Users and their roles."""
    users = view.state.config.users
    name = call.get("user")
    if name and name not in users:
        raise NotFound(f"user {name}", "does not exist")
    rows = [AccountRow(user.name, user.roles, len(user.keys)) for _, user in sorted(users.items())]
    rows = [row for row in rows if name in (None, row.user)]
    text = lines(*(line for row in rows for line in _account(row)))
    return Report(text, (Table("template", rows),))


def _account(row: AccountRow) -> list[str]:
    texts = [f"user:{row.user}", "        this user account has no expiry date", f"        roles:{' '.join(row.roles)}"]
    return [*texts, f"        public keys:{row.keys}"] if row.keys else texts


def show_roles(view: View, call: Call) -> Report:
    """Roles and what they permit."""
    known = view.state.config.roles
    name = call.get("role")
    if name and name not in BUILT_IN and name not in known:
        raise NotFound(f"role {name}", "does not exist")
    built_in = [RoleRow(role, _HELP[role], (f"rule 1 permit {_BUILT_IN_RULES[role]}",)) for role in BUILT_IN]
    rows = [row for row in (*built_in, *(_role(role) for _, role in sorted(known.items()))) if name in (None, row.role)]
    return Report("\n".join(_role_text(row) for row in rows), (Table("role", rows),))


def _role(role: Role) -> RoleRow:
    return RoleRow(role.name, role.description, tuple(rule_text(rule) for rule in role.rules))


def _role_text(row: RoleRow) -> str:
    rules = (f"    {rule}" for rule in row.rules)
    return lines(f"Role: {row.role}", f"  Description: {row.description or 'none'}", "  Rules:", *rules)


def show_ssh_server(view: View, _call: Call) -> Report:
    """Whether and where one may log in."""
    config, logins = view.state.config, view.logins
    row = SshRow("enabled" if config.ssh else "disabled", logins.addresses, len(logins.sessions), config.session_limit)
    text = lines(
        f"ssh version 2 is {row.status}",
        f"listening on {', '.join(row.addresses) or 'no address'}",
        f"{row.sessions} of {row.limit} sessions",
    )
    return Report(text, top=row)


def show_ssh_key(view: View, _call: Call) -> Report:
    """The key by which clients know the switch, and its fingerprint."""
    return Report(lines(*_key_lines(view.logins.host_key)))


def _key_lines(key: str) -> list[str]:
    if not key:
        return ["no host key: the ssh server has not run yet"]
    return [key, f"fingerprint: {fingerprint(key)}"]


def fingerprint(key: str) -> str:
    """Of a public key "TYPE BASE64", as OpenSSH prints it."""
    import base64
    import hashlib

    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def show_features(view: View, _call: Call) -> Report:
    """What can be switched on and off."""
    rows = [FeatureRow("sshServer", 1, "enabled" if view.state.config.ssh else "disabled")]
    text = lines(
        "Feature Name          Instance  State",
        "--------------------  --------  --------",
        *(f"{row.name:<20}  {row.instance:<8}  {row.status}" for row in rows),
    )
    return Report(text, (Table("cfcFeatureCtrlTable", rows),))


@dataclass(frozen=True, slots=True)
class BannerRow:
    """The text before a login."""

    banner: str


def show_banner(view: View, _call: Call) -> Report:
    """What a client sees before it logs in."""
    text = view.state.config.banner
    return Report(lines(*text.splitlines()), top=BannerRow(text))


def show_aaa(view: View, _call: Call) -> Report:
    """How users are checked."""
    return Report(lines(f"         default: {view.state.config.login_by.value}"))
