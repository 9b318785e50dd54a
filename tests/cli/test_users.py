"""Users, roles, and what each may do."""

from __future__ import annotations

import pytest

from tests.support.switches import KEY, PASSWORD, Terminal, state
from vsm.cli.registry import COMMANDS
from vsm.cli.session import Session
from vsm.config.parse import load
from vsm.config.patch import patch
from vsm.config.render import config_text
from vsm.model import passwords
from vsm.model.state import State
from vsm.model.users import NETWORK_ADMIN, NETWORK_OPERATOR

DENIED = "% Permission denied for the role\n"


@pytest.fixture
def terminal() -> Terminal:
    """A switch and a session that may do everything."""
    return Terminal()


def as_role(terminal: Terminal, *rules: str, name: str = "probe") -> Session:
    """A session of a user whose only role has these rules."""
    terminal.configure(f"role name {name}", *rules, f"username {name} role {name}")
    return Session(name, user=name)


def test_a_password_is_kept_as_a_hash_only(terminal: Terminal) -> None:
    terminal.configure("username bob password Some-w0rd-1 role network-admin")
    user = terminal.state.config.users["bob"]
    assert user.roles == (NETWORK_ADMIN,) and passwords.matches("Some-w0rd-1", user.password)
    assert "Some-w0rd-1" not in repr(terminal.state)
    terminal.configure("username bob password 0 Other-w0rd-2", f"username eve password 5 {user.password}")
    users = terminal.state.config.users
    assert passwords.matches("Other-w0rd-2", users["bob"].password) and users["bob"].roles == (NETWORK_ADMIN,)
    assert passwords.matches("Some-w0rd-1", users["eve"].password) and users["eve"].roles == (NETWORK_OPERATOR,)


@pytest.mark.parametrize("weak", ["short1", "bob-bob-bob", "aaaaaaaa", "11111112", "bob"])
def test_weak_passwords_are_refused(terminal: Terminal, weak: str) -> None:
    terminal.run("configure terminal")
    reply = terminal.run(f"username bob password {weak}")
    assert not reply.ok and reply.output.startswith("ERROR: password of user bob: ") and weak not in reply.output[30:]
    assert "bob" not in terminal.state.config.users


@pytest.mark.parametrize(
    "line",
    [
        "username bob password 5 not-a-hash",
        "username bob password 5 $1$salt$md5ofthepassword",
        "username bob role nobody",
        "username bob sshkey ssh-ed25519 AAAA",
        "username bob sshkey ssh-dss AAAAB3NzaC1kc3MAAACBAP",
        "username b*b password Some-w0rd-1",
        "no username admin",
        "no username admin role network-admin",
        "no username watch role network-operator",
        "role name network-admin",
        "no role name network-operator",
        "feature tacacs+",
        "aaa authentication login default group tacacs+",
        "tacacs-server host 192.0.2.1",
        "aaa authentication login console group radius",
        "aaa group server radius ONES",
        "aaa accounting default group radius",
        "radius-server host 192.0.2.1",
        'radius-server host 192.0.2.1 key 7 "fewhg123"',
        "radius-server host 192.0.2.256 key secret",
        "radius-server key secret",
        "role name x ; rule 1 permit read",
    ],
)
def test_what_can_not_be_is_refused(terminal: Terminal, line: str) -> None:
    before = terminal.state
    terminal.run("configure terminal")
    reply = terminal.run(line)
    assert not reply.ok and terminal.state is before
    assert reply.output.startswith("ERROR: ") or "at '^' marker." in reply.output


def test_keys_and_roles_come_and_go(terminal: Terminal) -> None:
    terminal.configure("role name ops", "username bob", "username bob role ops", f"username bob sshkey {KEY}")
    assert terminal.state.config.users["bob"].roles == (NETWORK_OPERATOR, "ops")
    assert not terminal.run("no role name ops").ok, "it is in use"
    terminal.configure("no username bob role ops", "no role name ops", f"no username bob sshkey {KEY}")
    assert terminal.state.config.users["bob"].keys == () and "ops" not in terminal.state.config.roles
    terminal.configure("no username bob")
    assert "bob" not in terminal.state.config.users


def test_an_operator_reads_everything_and_changes_nothing(terminal: Terminal) -> None:
    session = Session("look", user="watch")
    for line in ("show running-config", "show users", "dir", "terminal length 5", "where", "end"):
        assert terminal.service.execute(session, line).ok, line
    before = terminal.state
    for line in ("configure terminal", "copy running-config startup-config", "reload", "write erase", "checkpoint a"):
        assert terminal.service.execute(session, line).output == DENIED, line
    assert terminal.state is before


def test_every_command_that_changes_something_needs_a_role() -> None:
    """Only lines about one's own session are open to all."""
    opened = [row.syntax for row in COMMANDS if row.open]
    assert all(row.act for row in COMMANDS if row.open)
    assert {syntax.split()[0] for syntax in opened} <= {"exit", "end", "where", "terminal", "{no"}


@pytest.mark.parametrize(
    ("rules", "permitted", "denied"),
    [
        (["rule 1 permit read"], ["show clock"], ["configure terminal", "reload"]),
        (["rule 1 permit read-write"], ["show clock", "configure terminal", "vlan 50"], []),
        (["rule 1 permit read-write", "rule 2 deny command vlan *"], ["configure terminal"], ["vlan 50", "no vlan 50"]),
        (["rule 2 permit read-write", "rule 1 deny command vlan *"], ["configure terminal", "vlan 50"], []),
        (["rule 1 permit command show vlan"], ["show vlan", "show vlan brief"], ["show clock", "show version"]),
        (["rule 1 permit command show v*"], ["show vlan", "show version"], ["show clock"]),
        (["rule 1 permit command vlan 5*"], ["configure terminal", "vlan 50"], ["vlan 60", "hostname x"]),
        (["rule 1 permit command vlan *"], ["conf t"], ["configure replace bootflash:x", "configure session s"]),
        (
            ["rule 1 permit read-write feature vlan", "rule 2 permit read"],
            ["conf t", "vlan 50", "no vlan 50", "show clock"],
            ["hostname x", "interface vethernet 1", "port-profile WEB"],
        ),
        (["rule 1 permit read feature vlan"], ["show vlan brief"], ["conf t", "show clock"]),
        (
            ["rule 1 permit read-write feature interface"],
            ["conf t", "interface vethernet 1", "shutdown", "show interface brief"],
            ["port-profile WEB", "show vlan"],
        ),
        (
            ["rule 1 permit read-write", "rule 2 deny read-write feature aaa"],
            ["conf t", "hostname x"],
            ["username admin password Some-w0rd-1", "role name more", "show user-account"],
        ),
        ([], ["where"], ["show clock", "configure terminal"]),
    ],
)
def test_rules(terminal: Terminal, rules: list[str], permitted: list[str], denied: list[str]) -> None:
    session = as_role(terminal, *rules)
    for line in permitted:
        assert terminal.service.execute(session, line).output != DENIED, line
    for line in denied:
        assert terminal.service.execute(session, line).output == DENIED, line


def test_abbreviations_do_not_get_around_a_rule(terminal: Terminal) -> None:
    session = as_role(
        terminal, "rule 1 permit read-write", "rule 2 deny command reload", "rule 3 deny command show ver"
    )
    for line in ("rel", "reloa", "RELOAD", "do reload"):
        assert terminal.service.execute(session, line).output == DENIED, line
    assert terminal.service.execute(session, "sh vers").ok, "a rule names whole words"


def test_a_change_of_role_takes_effect_at_once(terminal: Terminal) -> None:
    session = as_role(terminal, "rule 1 permit read")
    assert terminal.service.execute(session, "show clock").ok
    terminal.configure("role name probe", "no rule 1")
    assert terminal.service.execute(session, "show clock").output == DENIED
    terminal.configure("no username probe")
    assert terminal.service.execute(session, "show clock").closed
    assert not terminal.service.execute(session, "terminal length 0").ok


async def test_a_session_of_the_operator_api_may_have_a_role(terminal: Terminal) -> None:
    assert (await terminal.service.run("watcher", "show clock", NETWORK_OPERATOR)).ok
    assert (await terminal.service.run("watcher", "configure terminal")).output == DENIED, "it keeps it"
    assert (await terminal.service.run("other", "show clock", "no-such-role")).output == DENIED
    assert (await terminal.service.run("own", "configure terminal")).ok


def test_the_first_user_survives_a_foreign_configuration() -> None:
    loaded = load("hostname other\nusername eve role network-admin\n", state())
    assert sorted(loaded.config.users) == ["admin", "eve"]
    assert loaded.config.users["admin"] == state().config.users["admin"]


@pytest.mark.parametrize(
    "lines",
    [
        ["username watch role network-admin"],
        ["no username watch"],
        ["no username watch sshkey"],
        ["username watch password Some-w0rd-1"],
        ["username admin password Some-w0rd-1"],
        [f"username admin sshkey {KEY}"],
        ["role name ports", "rule 1 deny read", "rule 9 permit read"],
        ["role name ports", "no rule 1"],
        ["no role name ports"],
        ["role name new", "username watch role new", "no username watch role network-operator"],
        ["no feature ssh", "line vty", "exec-timeout 5"],
        ["radius-server host 192.0.2.1 key one timeout 3", "radius-server host ::1 key two auth-port 1645"],
        [
            "radius-server timeout 9",
            "radius-server retransmit 0",
            "aaa authentication login default group radius local",
        ],
    ],
)
def test_a_rollback_patch_restores_users(lines: list[str]) -> None:
    terminal = Terminal()
    before = terminal.state
    terminal.configure(*lines)
    changed = terminal.state
    assert restored(changed, before) == before.config and restored(before, changed) == changed.config


def restored(now: State, target: State) -> object:
    """The configuration after the lines that turn ``now`` into ``target`` were typed."""
    terminal = Terminal(now)
    terminal.configure(*patch(now, target))
    return terminal.state.config


def test_hashes() -> None:
    stored = passwords.hashed(PASSWORD, bytes(range(16)))
    assert passwords.is_hash(stored) and passwords.matches(PASSWORD, stored)
    assert not passwords.matches(PASSWORD + "x", stored) and not passwords.matches("", "")
    assert not passwords.matches(PASSWORD, "") and not passwords.matches(PASSWORD, stored[:-1])
    assert not passwords.is_hash(stored.replace("ln=14", "ln=20")), "a login must not cost a gigabyte"
    assert passwords.hashed(PASSWORD, bytes(16)) != stored


def test_radius_servers_keep_their_order_and_place(terminal: Terminal) -> None:
    lines = [
        "radius-server host radius.example.net key 0 Shared-1 timeout 3",
        "radius-server host 2001:db8::1 key 0 Shared-2 auth-port 1645 retransmit 0",
        "aaa authentication login default group radius local",
    ]
    terminal.configure(*lines)
    shown = [line for line in config_text(terminal.state).splitlines() if line.startswith(("radius", "aaa"))]
    assert shown == lines
    assert load(config_text(terminal.state), state()).config == terminal.state.config
    terminal.configure("radius-server host radius.example.net key New")
    assert [(one.host, one.key, one.timeout) for one in terminal.state.config.radius] == [
        ("radius.example.net", "New", None),
        ("2001:db8::1", "Shared-2", None),
    ]
    terminal.configure(*(f"radius-server host 192.0.2.{n} key x" for n in range(6)), "no radius-server host 192.0.2.0")
    terminal.configure("radius-server host 192.0.2.9 key x")
    assert terminal.run("radius-server host 192.0.2.10 key x").output.startswith("ERROR: radius-server: there are 8")
    assert "group radius local" in terminal.run("do show aaa authentication").output
