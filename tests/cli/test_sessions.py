"""Configuration sessions: nothing before the commit, all of it with the commit, and what it would do is told before."""

from __future__ import annotations

import pytest

from tests.support.switches import NOW, Terminal
from vsm.config import archive


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_lines_are_collected_and_committed_together(terminal: Terminal) -> None:
    before = terminal.state
    assert terminal.run("configure session move").prompt == "vsm-a(config-s)# "
    assert terminal.run("vlan 50", "name fifty").prompt == "vsm-a(config-s-vlan)# "
    assert terminal.run("port-profile NEW", "switchport access vlan 50").prompt == "vsm-a(config-s-port-prof)# "
    assert terminal.run("interface vethernet 1-2").prompt == "vsm-a(config-s-if-range)# "
    terminal.run("shutdown", "exit", "hostname later")
    assert terminal.state is before and terminal.run("show hostname").output == "vsm-a\n"
    assert terminal.run("show configuration session move").output.splitlines() == [
        "config session named move",
        "0001  vlan 50",
        "0002    name fifty",
        "0003  port-profile NEW",
        "0004    switchport access vlan 50",
        "0005  interface vethernet 1-2",
        "0006    shutdown",
        "0007  hostname later",
        "Number of active configuration sessions = 1",
    ]
    reply = terminal.run("commit")
    assert reply.output == "Commit Successful\n" and reply.prompt == "later# "
    config = terminal.state.config
    assert config.vlans[50].name == "fifty" and config.profiles["NEW"].settings.access_vlan == 50
    assert config.overrides["Vethernet1"].shutdown and terminal.state.revision == before.revision + 1
    assert terminal.run("show configuration session").output == "Number of active configuration sessions = 0\n"


def test_mistakes_are_told_when_they_are_made(terminal: Terminal) -> None:
    terminal.run("configure session one", "vlan 50")
    mistakes = {"vlan 5000": "% Invalid number", "no vlan 1": "ERROR: Cannot remove", "vlna 4": "% Invalid command"}
    for line, told in mistakes.items():
        reply = terminal.run(line)
        assert not reply.ok and told in reply.output
    assert "\n0002" not in terminal.run("show configuration session one").output


def test_what_is_wrong_only_as_a_whole_is_told_by_verify_and_commit(terminal: Terminal) -> None:
    terminal.run("configure session one", "port-profile A", "inherit port-profile NOBODY")
    before = terminal.state
    for line in ("verify", "commit"):
        assert "parent port-profile NOBODY does not exist" in terminal.run(line).output
    assert terminal.state is before
    terminal.run("port-profile NOBODY", "exit")
    assert terminal.run("commit").ok


def test_abort_end_and_return(terminal: Terminal) -> None:
    before = terminal.state
    terminal.run("configure session one", "hostname other", "end", "configure session one")
    assert "hostname other" in terminal.run("show configuration session").output
    assert terminal.run("abort").prompt == "vsm-a# "
    assert terminal.state is before
    assert "does not exist" in terminal.run("show configuration session one").output
    assert not terminal.run("verify").ok, "a command of configuration sessions only"


def test_words_of_sessions_are_offered_within_them(terminal: Terminal) -> None:
    assert "verify" not in terminal.words("")
    terminal.run("configure session one")
    assert {"verify", "commit", "abort", "vlan", "show"} <= set(terminal.words(""))
    assert terminal.words("commit ") == ["force", "timeout", "<CR>"]
    assert "Ambiguous" in terminal.run("v").output
    assert terminal.run("vlan 50", "ver").ok


def test_verify_lists_what_is_touched_and_lost(terminal: Terminal) -> None:
    terminal.run("configure session one", "port-profile WEB", "switchport access vlan 20")
    assert terminal.run("verify").output == (
        "Modules affected: 3, 4\n"
        "Interfaces affected: 3\n"
        "  Vethernet1 (vm01, module 3)\n  Vethernet2 (vm02, module 3)\n  Vethernet3 (vm03, module 4)\n"
        "Interfaces that lose traffic: 3\n"
        "  Vethernet1 (vm01, module 3): vlan 10\n"
        "  Vethernet2 (vm02, module 3): vlan 10\n"
        "  Vethernet3 (vm03, module 4): vlan 10\n"
        "Verification Successful\n"
    )


def test_the_way_to_a_host_is_cut_by_force_only(terminal: Terminal) -> None:
    terminal.configure("port-profile WEB", "system vlan 10")
    terminal.run("end", "configure session one", "port-profile WEB", "shutdown")
    told = terminal.run("verify").output
    assert "WARNING: interface Vethernet1 would lose vlan 10, which must keep working\n" in told
    assert told.endswith("Verification failed: 'commit force' is needed\n")
    assert "interface Vethernet1: would lose vlan 10" in terminal.run("commit").output
    assert terminal.run("commit force").output == "Commit Successful\n"
    assert terminal.state.config.profiles["WEB"].settings.shutdown


def test_a_commit_may_be_timed(terminal: Terminal) -> None:
    before = terminal.state.config
    terminal.run("configure session one", "hostname other")
    assert "taken back in 600 seconds" in terminal.run("commit timeout 600").output
    assert not archive.due(terminal.state, NOW + 599) and archive.due(terminal.state, NOW + 600)
    assert archive.revert(terminal.state).state.config == before


def test_the_commit_is_applied_to_what_is_in_force_then(terminal: Terminal) -> None:
    terminal.run("configure session one", "port-profile DB", "description mine", "vlan 60")
    other = terminal.service
    for line in ("configure terminal", "hostname between", "vlan 70"):
        assert other.execute("other", line).ok
    assert terminal.run("commit").ok
    config = terminal.state.config
    assert (
        config.hostname == "between" and {60, 70} <= set(config.vlans) and config.profiles["DB"].description == "mine"
    )


def test_lines_that_can_not_be_applied_any_more_are_named(terminal: Terminal) -> None:
    terminal.run("configure session one", "interface vethernet 5", "description x")
    terminal.service.execute("other", "configure terminal")
    assert terminal.service.execute("other", "no interface vethernet 5").ok
    before = terminal.state
    for line in ("verify", "commit"):
        assert "line 1 ('interface vethernet 5'): interface Vethernet5: does not exist" in terminal.run(line).output
    assert terminal.state is before


def test_sessions_are_shared_and_limited(terminal: Terminal) -> None:
    for number in range(32):
        assert terminal.service.execute(f"s{number}", f"configure session n{number}").ok
    assert "there are 32 already" in terminal.run("configure session more").output
    assert terminal.run("configure session n3").ok
    terminal.service.execute("s3", "vlan 50")
    assert "vlan 50" in terminal.run("show configuration session n3").output
    terminal.run("abort")
    assert "does not exist" in terminal.service.execute("s3", "vlan 60").output
