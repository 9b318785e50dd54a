"""The grammar engine: prefixes, ambiguity, errors with their caret, help, completion, modes."""

from __future__ import annotations

import pytest

from tests.support.switches import Terminal
from vsm.cli.syntax import compile_syntax

BAD_MAC = "Invalid mac address (allowed: 5254.0012.3456, 52:54:00:12:34:56)"


@pytest.mark.parametrize(
    ("enter", "line", "caret", "message"),
    [
        ([], "shwo version", 9, "Invalid command"),
        ([], "|", 7, "Incomplete command"),
        ([], "show", 11, "Incomplete command"),
        ([], "show  ", 11, "Incomplete command"),
        ([], "show interfaces", 21, "Invalid command"),
        ([], "show m", 12, "Ambiguous command"),
        ([], "show version brief", 20, "Invalid command"),
        ([], "  show quatsch", 14, "Invalid command"),
        ([], "show vlan id 5000", 20, "Invalid number, range is (1-4094)"),
        ([], "show interface vethernet x", 32, "Invalid interface format"),
        ([], "show mac address-table address 12", 38, BAD_MAC),
        ([], "show vlan | json extra", 24, "Invalid command"),
        ([], "show vlan | include", 26, "Incomplete command"),
        ([], "show vlan | nonsense", 19, "Invalid command"),
        ([], "show vlan |", 18, "Incomplete command"),
        ([], "show vlan | i [", 21, "Invalid regular expression"),
        (["configure"], "vlan 5000", 20, "Invalid number, range is (1-4094)"),
        (["configure"], "vlan 4095", 20, "Invalid number, range is (1-4094)"),
        (["configure"], "vlan 10-5", 20, "Invalid range"),
        (["configure"], "do show vlan id 0", 31, "Invalid number, range is (1-4094)"),
        (["configure"], "vem 2", 19, "Invalid number, range is (3-66)"),
        (["configure"], "hostname " + "x" * 64, 24, "String exceeded max length of (63)"),
        (["configure"], "port-profile " + "x" * 81, 28, "String exceeded max length of (80)"),
        (["configure", "interface vethernet 1"], "sh", 18, "Ambiguous command"),
        (["configure", "interface vethernet 1-2"], "mtu 9", 28, "Invalid number, range is (1500-9000)"),
        (["configure", "vem 5"], "host id nonsense", 32, "Invalid UUID"),
        (["configure", "port-profile WEB"], "mac-learning limit 0", 44, "Invalid number, range is (1-4096)"),
        (["configure", "port-profile WEB"], "mac-learning limit 4097", 44, "Invalid number, range is (1-4096)"),
        (["configure", "port-profile WEB"], "switchport access vlan 4095", 48, "Invalid number, range is (1-4094)"),
        (["configure", "port-profile WEB"], "teaming active 1,33", 40, "Invalid number, range is (1-32)"),
        (["configure", "port-profile WEB"], "teaming active 1,2,1", 40, "Uplink named twice"),
        (
            ["configure", "port-profile WEB"],
            "storm-control broadcast level pps 0",
            59,
            "Invalid number, range is (1-10000000)",
        ),
        (["configure"], "mac address-table aging-time 9", 44, "Invalid number, range is (10-918000)"),
        (["configure", "interface vethernet 1"], "vm mac 30:59:b7:00:11::22", 25, BAD_MAC),
    ],
)
def test_errors_point_at_the_offending_column(enter: list[str], line: str, caret: int, message: str) -> None:
    terminal = Terminal()
    reply = terminal.run(*enter, line)
    assert not reply.ok
    assert reply.output == f"{' ' * caret}^\n% {message} at '^' marker.\n"
    assert terminal.state.revision == 1, "nothing was changed"


def test_the_caret_stands_under_the_word_on_the_echoed_line() -> None:
    terminal = Terminal()
    prompt = terminal.configure("interface vethernet 1").prompt
    reply = terminal.run("switchport access vlan 4095")
    echoed, caret_line = prompt + "switchport access vlan 4095", reply.output.splitlines()[0]
    assert echoed[caret_line.index("^") :] == "4095"


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("sh mod", "show module"),
        ("sh int vet 1", "show interface vethernet 1"),
        ("sh int Veth1", "show interface vethernet 1"),
        ("sh int vethernet1-2", "show interface vethernet 1-2"),
        ("sh int e 3/1", "show interface ethernet 3/1"),
        ("SHOW INT ETH3/1", "show interface ethernet 3/1"),
        ("sh port-p b", "show port-profile brief"),
        ("sh run int vet 2", "show running-config interface vethernet 2"),
        ("copy run start", "copy running-config startup-config"),
    ],
)
def test_abbreviations(short: str, full: str) -> None:
    assert Terminal().run(short).output == Terminal().run(full).output != ""


def test_names_are_case_sensitive_and_may_begin_like_keywords() -> None:
    terminal = Terminal()
    assert terminal.run("show port-profile name web").output == "ERROR: port-profile web: does not exist\n"
    for name in ("t", "d", "TYPES", "defaults"):
        assert terminal.configure(f"port-profile {name}").ok
        assert name in terminal.state.config.profiles
    assert not terminal.run("port-profile default").ok


def test_modes_prompts_and_ways_out() -> None:
    terminal = Terminal()
    assert terminal.run("conf t").output == "Enter configuration commands, one per line.  End with CNTL/Z.\n"
    for line, prompt in [
        ("port-profile WEB", "vsm-a(config-port-prof)# "),
        ("vlan 10", "vsm-a(config-vlan)# "),
        ("interface vethernet 1", "vsm-a(config-if)# "),
        ("interface vethernet 1-2", "vsm-a(config-if-range)# "),
        ("vem 3", "vsm-a(config-vem-slot)# "),
        ("svs-domain", "vsm-a(config-svs-domain)# "),
        ("exit", "vsm-a(config)# "),
        ("exit", "vsm-a# "),
        ("configure", "vsm-a(config)# "),
        ("vlan 10", "vsm-a(config-vlan)# "),
        ("end", "vsm-a# "),
    ]:
        assert terminal.run(line).prompt == prompt
    reply = terminal.run("exit")
    assert reply.closed and reply.ok
    assert not terminal.run("show clock").closed, "the name may be used for a new session"


def test_commands_of_other_modes_work_from_within() -> None:
    terminal = Terminal()
    terminal.configure("interface vethernet 1", "show version", "do show version", "hostname vsm-b")
    assert terminal.run("show hostname").output == "vsm-b\n"
    assert terminal.run("port-profile WEB").prompt == "vsm-b(config-port-prof)# "
    assert terminal.run("configure terminal").prompt == "vsm-b(config)# "
    assert terminal.run("where").output == "conf      test\n"


def test_comments_and_blank_lines_do_nothing() -> None:
    terminal = Terminal()
    for line in ("", "   ", "! a comment", "  ! another", "\x00"):
        reply = terminal.run(line)
        assert reply.ok and reply.output == ""
    assert terminal.run("show cli history").output == "    0  show cli history\n"


def test_help_lists_what_may_come_next() -> None:
    terminal = Terminal()
    assert {"show", "configure", "exit"} <= set(terminal.words(""))
    assert terminal.words("sh") == ["show"]
    assert terminal.words("show port-profile ") == [
        "brief",
        "expand-interface",
        "name",
        "sync-status",
        "usage",
        "virtual",
        "<CR>",
        "|",
    ]
    assert terminal.words("show port-profile name ") == ["WORD", "BASE", "DB", "UPLINK", "WEB"] or set(
        terminal.words("show port-profile name ")
    ) == {"WORD", "BASE", "DB", "UPLINK", "WEB"}
    assert terminal.words("show port-profile name D") == ["DB"]
    assert set(terminal.words("show vlan | ")) >= {"include", "json", "section"}
    assert terminal.words("show vlan | inc") == ["include"]
    assert terminal.words("show nonsense ") == []
    terminal.configure("port-profile WEB")
    assert {"switchport", "inherit", "no", "show"} <= set(terminal.words(""))
    assert terminal.words("switchport access vlan ") == ["<1-4094>", "untagged"]
    assert terminal.words("no switchport trunk ") == ["allowed", "native"]
    assert terminal.words("do sh") == ["show"]


def test_every_candidate_has_help() -> None:
    terminal = Terminal()
    terminal.configure("interface vethernet 1")
    pending = [""]
    while pending:
        line = pending.pop()
        for candidate in terminal.service.complete("test", line):
            assert candidate.help, (line, candidate)
            if candidate.word[0].isalpha() and candidate.word.islower() and len(line.split()) < 4:
                pending.append(f"{line}{candidate.word} ")


@pytest.mark.parametrize("text", ["{a | b", "a ]", "[a", "a > b"])
def test_malformed_syntax_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="syntax"):
        compile_syntax(text)
