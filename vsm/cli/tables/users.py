"""Who may log in, over what, and what each role permits: username, role, feature ssh, line vty."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from dvswitch.errors import Conflict, InvalidValue, NotFound
from vsm.cli.command import Call, Command, Mode, Position, unsupported
from vsm.cli.tables.terminals import exec_timeout
from vsm.model import passwords
from vsm.model.state import Config, State
from vsm.model.users import ADMIN, BUILT_IN, MAX_KEYS, NETWORK_OPERATOR, Access, Role, Rule, User

CONFIG = (Mode.CONFIG,)


def _config(state: State, **values: Any) -> State:
    return replace(state, config=replace(state.config, **values))


# ---- users


def _user(state: State, call: Call) -> User:
    found = state.config.users.get(call["user"])
    if found is None:
        raise NotFound(f"user {call['user']}", "does not exist")
    return found


def _put_user(state: State, user: User) -> State:
    return _config(state, users={**state.config.users, user.name: user})


def _set_user(state: State, call: Call) -> State:
    known = state.config.users.get(call["user"])
    user = known or User(call["user"], roles=())
    if call.get("hash"):
        user = replace(user, password=call["hash"])
    elif call.get("secret") and not passwords.matches(call["secret"], user.password):
        user = replace(user, password=_hash(call["secret"], user.name))
    if role := call.get("role"):
        if role not in BUILT_IN and role not in state.config.roles:
            raise NotFound(f"role {role}", "does not exist", f"make it with 'role name {role}' first")
        user = replace(user, roles=tuple(dict.fromkeys((*user.roles, role))))
    return _put_user(state, user if user.roles else replace(user, roles=(NETWORK_OPERATOR,)))


def _hash(secret: str, user: str) -> str:
    if problem := passwords.weakness(secret, user):
        raise InvalidValue(f"password of user {user}", problem, "choose a better one")
    return passwords.hashed(secret, os.urandom(16))


def _add_key(state: State, call: Call) -> State:
    user = state.config.users.get(call["user"]) or User(call["user"])
    keys = tuple(dict.fromkeys((*user.keys, call["key"])))
    if len(keys) > MAX_KEYS:
        raise Conflict(f"user {user.name}", f"has {MAX_KEYS} keys already", "remove one first")
    return _put_user(state, replace(user, keys=keys))


def _remove_user(state: State, call: Call) -> State:
    if call.has("role"):
        return _take_role(state, call)
    if call.has("sshkey"):
        user = _user(state, call)
        gone = call.get("key")
        return _put_user(state, replace(user, keys=tuple(key for key in user.keys if gone and key != gone)))
    name = call["user"]
    if name == ADMIN:
        raise Conflict(f"Cannot remove user {ADMIN}", "it is the last that can always log in")
    return _config(state, users={other: user for other, user in state.config.users.items() if other != name})


def _take_role(state: State, call: Call) -> State:
    user = _user(state, call)
    roles = tuple(role for role in user.roles if role != call["role"])
    if user.name == ADMIN:
        raise Conflict(f"user {ADMIN}", "keeps its roles")
    if not roles:
        raise Conflict(f"user {user.name}", f"has no other role than {call['role']}", "give it another one first")
    return _put_user(state, replace(user, roles=roles))


def _lines(user: User) -> Iterator[str]:
    # Clients read the name up to the word `role`, and with a password two blanks stand before it.
    password = f" password 5 {user.password} " if user.password else ""
    yield f"username {user.name}{password} role {user.roles[0]}"
    yield from (f"username {user.name} role {role}" for role in user.roles[1:])
    yield from (f"username {user.name} sshkey {key}" for key in user.keys)


# ---- roles


def _add_role(state: State, call: Call) -> State:
    name = call["role"]
    if name in BUILT_IN:
        raise Conflict(f"role {name}", "is built in and can't be changed", "make another one")
    return _config(state, roles={name: Role(name), **state.config.roles})


def _remove_role(state: State, call: Call) -> State:
    name = call["role"]
    holder = next((user.name for user in state.config.users.values() if name in user.roles), None)
    if name in BUILT_IN:
        raise Conflict(f"Cannot remove role {name}", "it is built in")
    if holder:
        raise Conflict(f"Cannot remove role {name}", f"in use by user {holder}", "take it from the user first")
    return _config(state, roles={other: role for other, role in state.config.roles.items() if other != name})


def _change_role(change: Callable[[Role, Call], Role]) -> Callable[[State, Call], State]:
    def edit(state: State, call: Call) -> State:
        role = state.config.roles.get(call.position.role)
        if role is None:
            raise NotFound(f"role {call.position.role}", "does not exist")
        return _config(state, roles={**state.config.roles, role.name: change(role, call)})

    return edit


def _with_rule(role: Role, call: Call) -> Role:
    access = next(access for access in Access if access.value in call.words)
    rule = Rule(call["number"], call.has("permit"), access, call.get("command", ""), call.get("feature", ""))
    return replace(role, rules=tuple(sorted((*_other_rules(role, call), rule), key=lambda rule: rule.number)))


def _other_rules(role: Role, call: Call) -> tuple[Rule, ...]:
    return tuple(rule for rule in role.rules if rule.number != call["number"])


def rule_text(rule: Rule) -> str:
    """The rule as it is typed."""
    verb = "permit" if rule.permit else "deny"
    feature = f"feature {rule.feature}" if rule.feature else ""
    return f"rule {rule.number} {verb} {rule.access.value} {rule.command}{feature}".rstrip()


_NAME = "username <user:user-name>"
_RULE = "<number:1-256>"

FEATURES: tuple[Command, ...] = (
    Command(
        modes=CONFIG,
        syntax="feature ssh",
        help="Let users log in by SSH",
        edit=lambda state, _call: _config(state, ssh=True),
        no="feature ssh",
        undo=lambda state, _call: _config(state, ssh=False),
        reset=lambda state, _call: _config(state, ssh=True),
        render=lambda config: [] if config.ssh else ["no feature ssh"],
        words={"feature": "Switch a feature on"},
    ),
    Command(
        modes=CONFIG,
        syntax="feature {telnet | tacacs+ | ldap | nxapi}",
        help="Switch on a feature that this switch does not have",
        edit=unsupported("this feature"),
        words={"feature": "Switch a feature on"},
    ),
)

USERS: tuple[Command, ...] = (
    Command(
        modes=CONFIG,
        syntax=f"{_NAME} [password {{0 <secret:secret> | 5 <hash:password-hash> | <secret:secret>}}] "
        "[role <role:role-name>]",
        help="Create a user, set its password, add a role",
        edit=_set_user,
        no=f"{_NAME} [role <role:role-name> | sshkey [<key:sshkey>]]",
        undo=_remove_user,
        render=_lines,
        several=True,
        words={
            "password": "Password for logging in",
            "0": "The password follows as it is",
            "5": "The hash of the password follows, as in the running configuration",
            "role": "Add a role",
            "sshkey": "Public keys for logging in",
        },
    ),
    Command(
        modes=CONFIG,
        syntax=f"{_NAME} sshkey <key:sshkey>",
        help="Let a user log in with a key",
        edit=_add_key,
        words={"sshkey": "Public key for logging in"},
    ),
)

ROLE_HEADER = Command(
    modes=CONFIG,
    syntax="role name <role:role-name>",
    help="Create or configure a role",
    edit=_add_role,
    enter=lambda call: Position(Mode.ROLE, role=call["role"]),
    no="role name <role:role-name>",
    undo=_remove_role,
    render=lambda role: [f"role name {role.name}"],
    words={"role": "What users may do", "name": "Name of the role"},
)

ROLE: tuple[Command, ...] = (
    Command(
        modes=(Mode.ROLE,),
        syntax="description <text:text>",
        help="Describe the role",
        edit=_change_role(lambda role, call: replace(role, description=call["text"])),
        no="description [<text:text>]",
        undo=_change_role(lambda role, _call: replace(role, description="")),
        render=lambda role: [f"description {role.description}"] if role.description else [],
    ),
    Command(
        modes=(Mode.ROLE,),
        syntax=f"rule {_RULE} {{permit | deny}} {{command <command:rule-command> "
        "| {read | read-write} [feature <feature:feature>]}",
        help="Permit or deny commands; of the rules that fit, the one with the highest number decides",
        edit=_change_role(_with_rule),
        no=f"rule {_RULE}",
        undo=_change_role(lambda role, call: replace(role, rules=_other_rules(role, call))),
        render=lambda role: [rule_text(rule) for rule in role.rules],
        several=True,
        words={
            "command": "Commands that begin like this",
            "feature": "Commands of one feature",
            "<number>": "Number of the rule",
        },
    ),
    Command(
        modes=(Mode.ROLE,),
        syntax=f"rule {_RULE} {{permit | deny}} {{read | read-write}} feature-group <name:word>",
        help="Permit or deny the commands of several features",
        edit=unsupported("a rule for a group of features"),
        words={"<number>": "Number of the rule"},
    ),
    Command(
        modes=(Mode.ROLE,),
        syntax="{interface | vlan | vrf} policy deny",
        help="Permit commands for some objects only",
        edit=unsupported("a policy of a role"),
        no="{interface | vlan | vrf} policy deny",
        undo=lambda state, _call: state,
        words={
            "interface": "Interfaces",
            "vrf": "Tables of routes",
            "policy": "Which ones",
            "deny": "None but those named",
        },
    ),
)

LINE_HEADER = Command(
    modes=CONFIG,
    syntax="line vty",
    help="Configure SSH terminals",
    enter=lambda _call: Position(Mode.LINE),
    render=lambda _config: ["line vty"],
    words={"line": "Terminals", "vty": "Terminals over SSH"},
)

LINE: tuple[Command, ...] = (
    exec_timeout(Mode.LINE, "exec_timeout", "an unused session"),
    Command(
        modes=(Mode.LINE,),
        syntax="session-limit <count:1-256>",
        help="Set how many sessions there may be at a time",
        edit=lambda state, call: _config(state, session_limit=call["count"]),
        no="session-limit [<count:1-256>]",
        undo=lambda state, _call: _config(state, session_limit=Config().session_limit),
        render=lambda config: (
            [f"session-limit {config.session_limit}"] if config.session_limit != Config().session_limit else []
        ),
    ),
)
