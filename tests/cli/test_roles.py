"""Rules of roles by command and by feature, and that help offers only what a role may give."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.test_table import all_spellings, text
from tests.cli.test_users import as_role
from tests.support.examples import many
from tests.support.switches import Terminal, state
from vsm.cli.command import Command, Mode
from vsm.cli.features import FEATURES, features_of
from vsm.cli.permission import offered, permitted
from vsm.cli.registry import COMMANDS
from vsm.cli.tables.users import rule_text
from vsm.config.render import config_text
from vsm.model.users import Access, Role, Rule

RULES = [
    Rule(1, permit, access, command, feature)
    for permit in (True, False)
    for access, command, feature in [
        (Access.READ, "", ""),
        (Access.READ_WRITE, "", ""),
        (Access.READ, "", "vlan"),
        (Access.READ_WRITE, "", "interface"),
        *(
            (Access.COMMAND, command, "")
            for command in ("show vlan *", "show v*", "show * brief", "vlan 4*", "*", "reload")
        ),
    ]
]
SPELLED = [
    (command, text(said))
    for command in COMMANDS
    if Mode.EXEC in command.modes or Mode.CONFIG in command.modes
    for said in all_spellings(command)[:2]
    if said[0][0] not in ("no", "default")
]


@pytest.fixture
def terminal() -> Terminal:
    """A switch and a session that may do everything."""
    return Terminal()


@pytest.mark.parametrize(
    ("rules", "begun", "offered", "hidden"),
    [
        (["rule 1 permit read"], "", "show exit", "configure reload copy trace"),
        (["rule 1 permit command show vlan brief"], "", "show", "reload copy"),
        (["rule 1 permit command show vlan brief"], "show ", "vlan", "version interface"),
        (["rule 1 permit command show vlan brief"], "show vlan ", "brief", "id summary <CR>"),
        (["rule 1 permit command show v*"], "show ", "vlan version", "clock"),
        (["rule 1 permit command vlan *"], "", "configure", "show reload"),
        (["rule 1 permit command vlan *"], "configure ", "terminal <CR>", "session replace"),
        (["rule 1 permit read-write", "rule 2 deny command reload"], "", "show configure copy", "reload"),
        (["rule 1 permit read-write", "rule 2 deny command show vlan *"], "show vlan ", "<CR>", "brief id"),
        (["rule 1 permit read feature vlan"], "show ", "vlan", "clock interface"),
    ],
)
def test_help_offers_what_the_role_may_give(
    terminal: Terminal, rules: list[str], begun: str, offered: str, hidden: str
) -> None:
    words = {candidate.word for candidate in terminal.service.complete(as_role(terminal, *rules), begun)}
    assert words >= set(offered.split()) and not words & set(hidden.split())


def test_help_in_configuration_mode_offers_what_the_role_may_give(terminal: Terminal) -> None:
    session = as_role(terminal, "rule 1 permit read-write feature vlan", "rule 2 permit command no hostname")
    terminal.service.execute(session, "configure terminal")
    words = {candidate.word for candidate in terminal.service.complete(session, "")}
    assert words >= {"vlan", "no", "default", "exit"} and not words & {"hostname", "interface", "username"}
    negated = {candidate.word for candidate in terminal.service.complete(session, "no ")}
    assert "vlan" in negated and not negated & {"hostname", "interface", "username"}
    assert "<1-4094>[,-]" in {candidate.word for candidate in terminal.service.complete(session, "vlan ")}


@given(st.lists(st.sampled_from(RULES), max_size=4), st.sampled_from(SPELLED))
@settings(max_examples=many(200), deadline=None)
def test_what_is_permitted_is_offered(rules: list[Rule], said: tuple[Command, str]) -> None:
    """Whatever the rules: no word on the way to a command that the role may give is hidden."""
    command, line = said
    numbered = [replace(rule, number=number) for number, rule in enumerate(rules, start=1)]
    config = replace(state().config, roles={"probe": Role("probe", "", tuple(numbered))})
    words = line.split()
    if permitted(config, ["probe"], command, line):
        for count in range(1, len(words) + 1):
            assert offered(config, ["probe"], command, words[:count], False), (rules, line, count)
        assert offered(config, ["probe"], command, words, True), (rules, line)


def test_every_feature_has_commands() -> None:
    assert {feature for row in COMMANDS for feature in features_of(row)} == set(FEATURES)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rule 1 permit read feature nonsense", "Unknown feature, choose from aaa, acl, cdp"),
        ("rule 1 permit read feature-group L2", "a rule for a group of features is not supported yet"),
        ("vlan policy deny", "a policy of a role is not supported yet"),
    ],
)
def test_rules_that_are_none(terminal: Terminal, line: str, told: str) -> None:
    reply = terminal.configure("role name probe", line)
    assert not reply.ok and told in reply.output


def test_rules_are_shown_as_they_are_typed(terminal: Terminal) -> None:
    lines = ["rule 1 permit read feature vlan", "rule 2 deny read-write feature aaa", "rule 3 permit command show v*"]
    terminal.configure("role name probe", *lines)
    assert [rule_text(rule) for rule in terminal.state.config.roles["probe"].rules] == lines
    assert "role name probe\n  " + "\n  ".join(lines) in config_text(terminal.state)
    assert terminal.words("rule 4 permit read feature v") == ["vlan"]
