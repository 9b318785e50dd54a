"""Tests generated from the command table: every row, in every way of saying it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support.switches import HOSTS, Terminal, state
from vsm.cli.command import Command, Mode
from vsm.cli.grammar import Match
from vsm.cli.registry import COMMANDS, GRAMMAR
from vsm.cli.syntax import START, Element, Keyword, Syntax, compile_syntax
from vsm.cli.words import WORDS
from vsm.config.render import WHOLE, running_config
from vsm.model.passwords import hashed
from vsm.model.settings import PortMode, Settings
from vsm.model.state import PortProfile, ProfileType, State

NOW = datetime(2026, 11, 20, 20, 53, 10, tzinfo=UTC)
VALUES = {
    "vlan": "40",
    "vlans": "40-42,50",
    "mtu": "4000",
    "limit": "7",
    "level": "7",
    "sgid": "3",
    "average": "1",
    "peak": "1",
    "burst": "1",
    "sgids": "2,0",
    "uplinks": "2,1",
    "seconds": "59",
    "prefix": "02:aa",
    "interval": "60",
    "delay": "60",
    "count": "9",
    "channel": "1",
    "name": "NEW",
    "parent": "BASE",
    "profile": "WEB",
    "group": "pg",
    "connection": "KVM",
    "text": "some text",
    "rest": "anything at all",
    "slot": "7",
    "host": "192.0.2.9",
    "port": "1645",
    "times": "2",
    "uuid": "1d2f8a10-55aa-4c1e-9a41-0c0ffee00077",
    "mac": "5254.0000.0001",
    "domain": "7",
    "lines": "0",
    "columns": "511",
    "minutes": "5",
    "vm": "vm01",
    "user": "netops",
    "role": "network-operator",
    "secret": "Plain-secret-1",
    "hash": hashed("Plain-secret-1", bytes(16)),
    "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@host",
    "network": "192.0.2.0/24",
    "number": "7",
    "command": "show vlan *",
    "dst": "52:54:00:00:00:02",
    "frame": "ffff:00",
    "dir": "out",
    "point": "VnicRx",
    "protocol": "17",
    "size": "64",
    "snaplen": "64",
    "src": "5254.0000.0001",
    "type": "0x0806",
    "vrf": "management",
    "feature": "vlan",
    "banner": "#some text#",
    "line": "pts/0",
    "bits": "2048",
    "file": "base.cfg",
    "file0": "base.cfg",
    "file1": "base.cfg",
    "checkpoint0": "one",
    "checkpoint1": "one",
    "source": "bootflash:base.cfg",
    "target": "bootflash:other.cfg",
}
INTERFACES = {
    "<1-1048575>": "1",
    "<1-1048575>[,-]": "1-2",
    "<1-4096>[,-]": "1",
    "<3-66>/<1-32>": "3/1",
    "<3-66>/<1-32>[,-]": "3/1-2",
    "port-channelN": "Po1",
    "SCHEME://HOST/FILE": "tftp://192.0.2.1/x",
    "IFNAME": "Veth1",
    "IFNAME[,-]": "Veth1-2",
}
ENTER = {
    Mode.EXEC: [],
    Mode.CONFIG: ["configure terminal"],
    Mode.PROFILE: ["configure terminal", "port-profile PLAIN"],
    Mode.VLAN: ["configure terminal", "vlan 20"],
    Mode.INTERFACE: ["configure terminal", "interface vethernet 1"],
    Mode.VEM: ["configure terminal", "vem 7"],
    Mode.SVS_DOMAIN: ["configure terminal", "svs-domain"],
    Mode.SVS_CONNECTION: ["configure terminal", "svs connection KVM"],
    Mode.ROLE: ["configure terminal", "role name ops"],
    Mode.CONSOLE: ["configure terminal", "line console"],
    Mode.LINE: ["configure terminal", "line vty"],
    Mode.SESSION: ["configure session one"],
}


def element_of(element: Element) -> tuple[str, bool]:
    """A keyword itself, or a value that fits."""
    if isinstance(element, Keyword):
        return element.word, True
    return INTERFACES.get(element.type.placeholder) or VALUES[element.name], False


def spellings(syntax: Syntax) -> Iterator[list[tuple[str, bool]]]:
    """All ways through a syntax: lists of (word, whether it is a keyword)."""

    def follow(position: int, said: list[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
        if position in syntax.final:
            yield said
        for later in syntax.after[position]:
            element = syntax.elements[later]
            # Options that may be repeated: in the order of the text, and not more than three of them.
            if later <= position or (text([element_of(element)]).startswith("--") and text(said).count("--") == 3):
                continue
            yield from follow(later, [*said, element_of(element)])

    return follow(START, [])


def all_spellings(command: Command) -> list[list[tuple[str, bool]]]:
    forms = [command.syntax]
    if command.no is not None:
        forms += [f"no {command.no}"] if command.undo else []
        forms += [f"default {command.no}"]
    return [said for form in forms for said in spellings(compile_syntax(form)) if said]


def text(said: list[tuple[str, bool]]) -> str:
    return " ".join(word for word, _ in said)


def understood(mode: Mode, line: str) -> Command | None:
    match = GRAMMAR.parse(mode, line)
    return match.command if isinstance(match, Match) else None


def rows(*modes: Mode) -> list[Command]:
    return [command for command in COMMANDS if not modes or set(modes) & set(command.modes)]


def identify(command: Command) -> str:
    return f"{command.modes[0].name.lower()}: {command.syntax[:50]}"


@pytest.mark.parametrize("command", rows(), ids=identify)
def test_every_spelling_is_understood(command: Command) -> None:
    for mode in command.modes:
        for said in all_spellings(command):
            assert understood(mode, text(said)) is command, text(said)
            loud = " ".join(word.upper() if is_keyword else word for word, is_keyword in said)
            assert understood(mode, loud) is command, loud


@pytest.mark.parametrize("command", rows(), ids=identify)
def test_keywords_may_be_cut_down_to_what_is_unique(command: Command) -> None:
    """Each keyword by itself: the shortest beginning that isn't refused means the same row."""
    for mode in command.modes:
        said = all_spellings(command)[0]
        for at, (word, is_keyword) in enumerate(said):
            if not is_keyword:
                continue
            for length in range(1, len(word) + 1):
                line = text([*said[:at], (word[:length], True), *said[at + 1 :]])
                match = GRAMMAR.parse(mode, line)
                if isinstance(match, Match):
                    # Where a name or a shorter keyword (`ip` of `ipv6`) may stand, a beginning is taken for that.
                    # And what only `show` could begin is taken for it from anywhere: it changes nothing.
                    other = (*match.args.values(), *match.words, "s" if match.command.reports else "")
                    assert match.command is command or word[:length] in other, line
                    break
                taken = word[:length] in WORDS  # such as `mac` for `mac-learning`: another keyword in full
                assert taken or match.message == "Ambiguous command", f"{line}: {match.message}"


@pytest.mark.parametrize("command", rows(), ids=identify)
def test_every_word_and_command_has_help(command: Command) -> None:
    assert command.help and command.help[0].isupper() and not command.help.endswith(".")
    for word in {*compile_syntax(command.syntax).words(), *compile_syntax(command.no or "").words()}:
        assert command.words.get(word) or WORDS[word]
    kinds = (command.edit or command.enter, command.show, command.ask, command.act, command.do)
    assert sum(bool(what) for what in kinds) == 1


def test_no_help_is_left_over() -> None:
    said = {word for row in COMMANDS for form in (row.syntax, row.no or "") for word in compile_syntax(form).words()}
    assert set(WORDS) <= said


def plain_switch() -> State:
    """The sample switch with profiles that say nothing, to say things in."""
    start = state()
    plain = {
        name: PortProfile(name, kind, policy_id=number)
        for name, kind, number in (("PLAIN", ProfileType.VETHERNET, 90), ("PLAINUP", ProfileType.ETHERNET, 91))
    }
    plain["PLAINTRUNK"] = PortProfile("PLAINTRUNK", policy_id=92, settings=Settings(mode=PortMode.TRUNK))
    slots = {slot: bound for slot, bound in start.config.slots.items() if slot in HOSTS}
    config = replace(start.config, profiles={**start.config.profiles, **plain}, slots=slots)
    return replace(start, config=config, inventory=replace(start.inventory, next_policy_id=93))


def editable() -> list[tuple[Mode, Command]]:
    return [
        (mode, command)
        for command in COMMANDS
        for mode in command.modes
        if command.edit and command.undo and command.render and not command.enter and command.syntax != "feature ssh"
    ]


@pytest.mark.parametrize(
    ("mode", "command"), editable(), ids=lambda value: value.name if isinstance(value, Mode) else value.syntax[:40]
)
def test_said_shown_repeated_and_taken_back(mode: Mode, command: Command) -> None:
    terminal = Terminal(plain_switch())
    enter = ENTER[mode]
    if command.syntax.startswith(("mtu", "channel-group", "cdp enable")) and mode is not Mode.CONFIG:
        enter = ["configure terminal", "port-profile PLAINUP" if mode is Mode.PROFILE else "interface ethernet 3/1"]
    if mode is Mode.VEM:
        enter = ["configure terminal", "vem 3"]
    if command.syntax.startswith("system vlan"):
        enter = ["configure terminal", "port-profile PLAINTRUNK"]
    bare = text(next(spellings(compile_syntax(command.no or ""))))
    if not enter[-1].startswith("interface") or "inherit" not in command.syntax:
        terminal.run(*enter, f"default {bare}")
    before = terminal.state.config
    shown_before = running_config(terminal.state, NOW, WHOLE)
    line = text(list(spellings(compile_syntax(command.syntax)))[-1])
    if command.syntax.startswith("inherit port-profile") and mode is Mode.INTERFACE:
        assert terminal.run(*enter, line).ok and terminal.state.config == before
        return
    assert terminal.run(*enter, line).ok
    after = terminal.state
    assert after.config != before
    shown_after = Counter(running_config(after, NOW, WHOLE).splitlines())
    new = shown_after - Counter(shown_before.splitlines())
    assert [understood(mode, line) for line in new.elements() if line].count(command) == 1, (
        "one line more, and it says this"
    )
    assert terminal.run(line).ok and terminal.state is after, "repeating it changes nothing"
    assert terminal.run(f"default {bare}").ok
    assert terminal.state.config == before


SHOWN_BY_OTHERS = {
    "security preset {vds | vss}": "the three lines of `security default`",
    "username <user:user-name> sshkey <key:sshkey>": "the row of the user",
    "host {id | vmware id} <uuid:uuid>": "has no `no`: `no vem N` takes the slot back",
}
"""Rows that configure something and are not among editable(), and why."""


def test_every_row_that_configures_is_tested_above_or_has_no_effect() -> None:
    """What is neither shown and taken back, nor an object of its own, is refused or says what is so anyway."""
    tested = {command.syntax for _, command in editable()}
    left_over: set[str] = set()
    for command in COMMANDS:
        if not command.edit or command.enter or command.syntax in tested | {"feature ssh"}:
            continue
        for mode in command.modes:
            terminal = Terminal(plain_switch())
            before = terminal.run("where", *ENTER[mode]) and terminal.state.config
            reply = terminal.run(text(all_spellings(command)[-1]))
            if reply.ok and terminal.state.config != before:
                left_over.add(command.syntax)
    assert left_over == set(SHOWN_BY_OTHERS)


HEADERS = [row for row in COMMANDS if row.enter and row.edit and row.undo and not row.syntax.startswith("interface")]


@pytest.mark.parametrize("command", HEADERS, ids=identify)
def test_an_object_is_made_shown_and_removed(command: Command) -> None:
    terminal = Terminal(plain_switch())
    terminal.run("configure terminal")
    before = terminal.state.config
    for said in all_spellings(command):
        line = text(said).replace("network-operator", "NEW")
        if line.startswith(("no ", "default ")):
            continue
        assert terminal.run(line).ok and terminal.state.config != before
        shown = Counter(running_config(terminal.state, NOW, WHOLE).splitlines())
        new = shown - Counter(running_config(plain_switch(), NOW, WHOLE).splitlines())
        assert [understood(Mode.CONFIG, row) for row in new.elements() if row and row[0] != " "] == [command]
        after = terminal.state
        assert terminal.run(line).ok and terminal.state is after, "making it again changes nothing"
        assert terminal.run(f"no {line}").ok and terminal.state.config == before


@pytest.mark.parametrize("command", [row for row in COMMANDS if row.enter and row.no is None], ids=identify)
def test_a_mode_that_is_always_there_is_shown(command: Command) -> None:
    terminal = Terminal(plain_switch())
    terminal.run("configure terminal")
    before = terminal.state
    line = text(all_spellings(command)[0])
    prompt = terminal.run(line).prompt
    assert prompt.startswith("vsm-a(config-") and terminal.state is before
    assert line in running_config(terminal.state, NOW, WHOLE).splitlines()
