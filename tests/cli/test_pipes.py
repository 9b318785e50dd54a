"""Filters behind show commands."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from tests.cli.test_golden import CHANNELS, SHOWN, _row
from tests.cli.test_golden import terminal as golden_terminal
from tests.support.switches import Terminal
from vsm.cli.session import Session


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("show hostname | count", "1\n"),
        ("show hostname | exclude vsm", ""),
        (
            "show vlan brief | include web",
            "10   web                              active    Eth3/1, Veth1, Veth2, Veth3\n",
        ),
        ("show running-config | begin svs", "svs-domain\n  domain id 100\n"),
        ("show running-config | last 1", "  domain id 100\n"),
        ("show running-config | last 2 | head 1", "svs-domain\n"),
        ("show running-config | head -n 1", "!Command: show running-config\n"),
        ("show running-config | section ^vem.4", "vem 4\n  host id 1d2f8a10-55aa-4c1e-9a41-0c0ffee00034\n"),
        ("show running-config | section '^vlan 10|^svs'", "vlan 10\n  name web\nsvs-domain\n  domain id 100\n"),
        ("show running-config | include vlan.10$|^svs", "vlan 10\n  switchport access vlan 10\nsvs-domain\n"),
        ("show running-config | grep -i SVS", "svs-domain\n"),
        ("show running-config | inc vlan | exc switchport | count", "3\n"),
        ("show hostname | no-more", "vsm-a\n"),
        ("show hostname | wc", "       1       1       6\n"),
    ],
)
def test_filters(line: str, output: str) -> None:
    assert Terminal().run(line).output == output


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|a)*$", "((a+)(b?))*c", ".*.*.*.*.*x", "(a{2,})+"])
def test_an_expression_that_could_stall_the_supervisor_is_refused(expression: str) -> None:
    reply = Terminal().run(f"show running-config | include {expression}")
    assert not reply.ok and "% Too complex regular expression at '^' marker." in reply.output


@pytest.mark.parametrize("expression", ["'^ip(v6)* access-list'", "Veth.*up|down", "[*+]+ \\+\\*", "^ +[a-z]+ +[0-9]+"])
def test_ordinary_expressions_are_not(expression: str) -> None:
    assert Terminal().run(f"show running-config | include {expression}").ok


def test_only_what_has_rows_has_json() -> None:
    assert Terminal().run("show running-config | json").output == " " * 29 + "^\n% Invalid command at '^' marker.\n"
    assert Terminal().run("show version | json | include x").ok
    assert not Terminal().run("show version | include x | json").ok


def test_a_bar_in_a_description_is_text() -> None:
    terminal = Terminal()
    assert terminal.configure("interface vethernet 1", "description left | right").ok
    assert terminal.state.config.descriptions["Vethernet1"] == "left | right"


def test_xml_has_the_values_of_json() -> None:
    terminal = Terminal()
    terminal.configure("interface vethernet 1", "description <&\u2028>")
    terminal.run("end")
    root = ElementTree.fromstring(terminal.run("show vlan brief | xml").output)
    listed = json.loads(terminal.run("show vlan brief | json").output)["TABLE_vlanbriefxbrief"]
    rows = [{item.tag: item.text or "" for item in row} for row in root.iter("ROW_vlanbriefxbrief")]
    assert rows == listed["ROW_vlanbriefxbrief"]
    assert ElementTree.fromstring(terminal.run("show interface | xml").output).tag == "show"
    assert not terminal.run("show running-config | xml").ok


def test_who_only_looks_writes_no_file() -> None:
    terminal = Terminal()
    watching = Session("watching", role="network-operator")
    for line in (
        "show hostname > out",
        "show hostname >> out",
        "show hostname | redirect out",
        "show vlan | i x | app out",
    ):
        reply = terminal.service.execute(watching, line)
        assert reply.output == "% Permission denied for the role\n" and not reply.ok
    assert not terminal.files.exists("out")
    assert terminal.service.execute(watching, "show hostname | count").ok


def test_filters_behind_every_show_command() -> None:
    """Over all commands of the table: what filters give fits what there is without."""
    terminals = {channels: golden_terminal(CHANNELS[0] if channels else "show version") for channels in (True, False)}
    lines = {_row(line): line for line in reversed(SHOWN) if line.startswith("show ")}
    for number, line in enumerate(lines.values()):
        if line not in ("show cli history", "show terminal"):  # told anew by every line
            _check_filters(terminals[line.startswith(CHANNELS)], line, to_file=number % 10 == 0)


def _check_filters(terminal: Terminal, line: str, to_file: bool) -> None:
    whole = terminal.run(line).output
    told = whole.splitlines()

    def filtered(text: str) -> list[str]:
        reply = terminal.run(f"{line} | {text}")
        assert reply.ok, reply.output
        return reply.output.splitlines()

    assert filtered("count") == [str(len(told))], line
    assert filtered("exclude .") == [text for text in told if not text], line
    assert filtered("section ^ | last 3") == told[-3:], line
    if to_file:
        assert filtered("redirect shown") == [] and terminal.files.text("shown") == whole, line
    shown = terminal.run(f"{line} | json")
    if shown.ok:
        assert json.loads("\n".join(filtered("json-pretty"))) == json.loads(shown.output), line
        assert ElementTree.fromstring("\n".join(filtered("xml"))).tag == "show", line
