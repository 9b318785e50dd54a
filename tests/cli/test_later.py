"""What is not built is refused, what is true anyway is accepted, and what clients send while logging in works."""

from __future__ import annotations

import pytest

from tests.cli.test_table import ENTER, all_spellings, identify, text
from tests.support.switches import Terminal
from vsm.cli.command import Command
from vsm.cli.tables import later, show_later


@pytest.mark.parametrize("command", later.ROWS, ids=identify)
def test_what_is_not_built_is_refused_and_its_no_is_true(command: Command) -> None:
    for mode in command.modes:
        for said in all_spellings(command):
            terminal = Terminal()
            terminal.run(*ENTER[mode][:-1], *[line.replace("PLAIN", "WEB") for line in ENTER[mode][-1:]])
            before = terminal.state
            reply = terminal.run(text(said))
            negated = said[0][0] in ("no", "default")
            assert reply.ok == negated, text(said)
            assert negated or reply.output.endswith(" is not supported yet\n"), reply.output
            assert terminal.state == before


@pytest.mark.parametrize(
    "lines",
    [
        ("port-profile WEB", "port-binding static"),
        ("port-profile WEB", "no port-binding"),
        ("port-profile default port-binding static",),
        ("svs-domain", "svs mode L3 interface mgmt0"),
        ("svs-domain", "no control vlan"),
        ("svs-domain", "no packet vlan"),
        ("feature lacp",),
        ("no feature netflow",),
        ("no logging console",),
        ("no banner motd",),
    ],
)
def test_what_is_so_anyway_may_be_said(lines: tuple[str, ...]) -> None:
    terminal = Terminal()
    before = terminal.state
    assert terminal.configure(*lines).ok and terminal.state == before


def test_features_that_are_always_there_stay() -> None:
    assert Terminal().configure("no feature lacp").output == "ERROR: feature lacp: can't be disabled\n"
    assert Terminal().configure("feature netflow").output == "ERROR: this feature is not supported yet\n"


def test_older_words_for_max_ports() -> None:
    terminal = Terminal()
    terminal.configure("port-profile WEB", "vmware max-ports 99")
    assert "  max-ports 99\n" in terminal.run("show running-config port-profile WEB").output


def test_lines_that_clients_send_while_logging_in() -> None:
    terminal = Terminal()
    sent = ("terminal length 0", "terminal width 511", "terminal session-timeout 0", "terminal dont-ask")
    terminal.run(*sent, "no terminal dont-ask", "\x00", "", "configure terminal", "no logging console")
    assert terminal.run("end").prompt == "vsm-a# "


@pytest.mark.parametrize("depth", [4, 5])
def test_profiles_inherit_over_four_levels(depth: int) -> None:
    terminal = Terminal()
    terminal.configure("port-profile L1", "switchport access vlan 77", "max-ports 5", "system vlan 77")
    for level in range(2, depth):
        terminal.run(f"port-profile L{level}", f"inherit port-profile L{level - 1}")
    reply = terminal.run(f"port-profile L{depth}", f"inherit port-profile L{depth - 1}")
    assert reply.ok == (depth == 4) and (reply.ok or "more than 4 levels" in reply.output)
    if reply.ok:
        shown = terminal.run(f"show port-profile name L{depth}").output
        assert "  switchport access vlan 77\n" in shown and " max-ports: 32\n" in shown
        assert "system vlan" not in terminal.run(f"show running-config port-profile L{depth}").output
        assert "inherited by port-profile L4" in terminal.run("no port-profile L3").output
        assert "inherits from itself" in terminal.run("port-profile L1", "inherit port-profile L4").output


@pytest.mark.parametrize("command", show_later.ROWS, ids=identify)
def test_show_commands_of_what_is_not_built_name_it(command: Command) -> None:
    for said in all_spellings(command):
        reply = Terminal().run(text(said))
        assert not reply.ok and reply.output.startswith("ERROR: ") and reply.output.endswith(" is not supported yet\n")
