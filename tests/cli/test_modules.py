"""Commands that modules answer, as rows of the command table: help, completion, abbreviation, pipes, errors."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from dvswitch.errors import InvalidValue
from dvswitch.host_commands import ALIASES, COMMANDS, POINTS, VIEWS, view_of
from tests.support.switches import Terminal
from vem.datapath.watch import Point
from vsm.cli.registry import COMMANDS as ROWS

VETH = 1


def test_help_behind_execute_offers_what_a_host_can_do() -> None:
    terminal = Terminal()
    assert terminal.words("module vem 3 execute ") == ["capture", "card", "drops", "show", "trace", "vem", "vemcmd"]
    assert terminal.words("module vem 3 execute vem ") == ["capture", "drops", "show", "trace"]
    assert set(terminal.words("module vem 3 execute show ")) == {*VIEWS, *ALIASES} - {"port vlans"}
    assert terminal.words("module vem 3 execute show port ") == ["vlans", "<CR>", "|"]
    options = terminal.words("module vem 3 execute capture --count 3 ")
    assert {"--point", "--count", "--vlan", "<CR>", "|"} <= set(options)
    assert set(terminal.words("module vem 3 execute capture --point ")) == {"POINT", *POINTS}
    assert terminal.words("module vem 3 execute capture --point Vnic") == ["VnicRx", "VnicTx"]
    assert "--dst" in terminal.words("trace interface vethernet 1 ")
    assert terminal.words("show interface vethernet 1 drops ") == ["last", "<CR>", "|"]
    assert {candidate.help for candidate in terminal.service.complete("t", "module vem 3 execute show car")} == {
        VIEWS["card"]
    }


@pytest.mark.parametrize(
    ("line", "slot", "words"),
    [
        ("module vem 3 execute vem show card", 3, "show card"),
        ("mod vem 3 exe vemcmd sh port v", 3, "show port vlans"),
        ("module vem 3 execute show l2", 3, "show l2"),
        ("module vem 3 execute card show card", 3, "card show card"),
        ("module vem 3 execute card vem drops Veth1", 3, "card drops Veth1"),
        ("module vem 3 exec cap --cou 5 --po VnicRx --poi drop --port Veth1", 3, ""),
        ("module vem 3 execute capture --count 5 --point VnicRx --point drop --port Veth1", 3, None),
        ("module vem 3 execute trace --in Veth1 --dst 5254.0000.0002 --vlan 0", 3, None),
        ("module vem 3 execute drops Veth1 --last", 3, None),
        ("trace interface veth1 --dst 52:54:00:00:00:02", 3, "trace --in Veth1 --dst 52:54:00:00:00:02"),
        ("trace interface ethernet 3/1 --src 52:54:00:00:00:02 --vlan 10", 3, ""),
    ],
)
def test_what_the_module_is_asked(line: str, slot: int, words: str | None) -> None:
    """None: the words behind `execute`, as they are; "": see below."""
    terminal = Terminal()
    if "--po " in line:
        refused = terminal.run(line)
        assert not refused.ok and "Ambiguous command" in refused.output and not terminal.asked
        return
    assert terminal.run(line).ok
    wanted = line.split(" execute ")[-1] if words is None else words
    wanted = wanted or "trace --in Eth3/1 --src 52:54:00:00:00:02 --vlan 10"
    assert terminal.asked == [(slot, wanted.split())]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("module vem 3 execute", "Incomplete command"),
        ("module vem 3 execute fly", "Invalid command"),
        ("module vem 2 execute show card", "range is (3-66)"),
        ("module vem 3 execute capture --count 0", "range is (1-100000)"),
        ("module vem 3 execute capture --point Nowhere", "EtherswitchDispatch"),
        ("module vem 3 execute trace", "Incomplete command"),
        ("module vem 3 execute trace --in Veth1 --dst 30:59:b7:00:11::22", "Invalid mac address"),
        ("module vem 4 execute show card", "ERROR: module 4: is not connected"),
        ("trace interface vethernet 5", "ERROR: interface Vethernet5: is on no module"),
        ("show interface vethernet 77 drops", "ERROR: interface Vethernet77: does not exist"),
    ],
)
def test_what_is_refused(line: str, told: str) -> None:
    reply = Terminal().run(line)
    assert not reply.ok and told in reply.output


def test_the_module_refuses_in_its_own_words() -> None:
    terminal = Terminal()
    terminal.answers[3] = InvalidValue("module 3", "capture: another one is running on this host")
    reply = terminal.run("module vem 3 execute capture")
    assert not reply.ok and reply.output == "ERROR: module 3: capture: another one is running on this host\n"
    assert terminal.run("module vem 3 execute capture | include x").output == reply.output


def test_pipes_work_on_their_output() -> None:
    terminal = Terminal()
    assert terminal.run("module vem 3 execute show card | include means").output == "    what it means\n"
    assert terminal.run("module vem 3 execute show card | exclude means | count").output == "2\n"
    assert terminal.run("module vem 3 execute show card | no-more").output == terminal.answers[3]
    refused = terminal.run("module vem 3 execute show card | json")
    assert not refused.ok and "Invalid command" in refused.output
    rows = json.loads(terminal.run("show interface vethernet 1 drops | json").output)["TABLE_drops"]["ROW_drops"]
    assert {"interface": "Vethernet1", "direction": "in", "reason": "forged-tx", "frames": "230"}.items() <= (
        rows[0].items()
    )
    everywhere = terminal.run("show drops | include forged").output.splitlines()
    assert len(everywhere) == 2 and "230" in everywhere[0] and "230" not in everywhere[1]


def test_counts_stand_without_the_module() -> None:
    terminal = Terminal()
    del terminal.answers[3]
    output = terminal.run("show interface vethernet 1 drops").output
    assert "forged-tx" in output and "(last frames are not known: module 3: is not connected)" in output


def test_from_configuration_modes_too() -> None:
    assert Terminal().configure("do module vem 3 execute show card").ok
    assert Terminal().configure("interface vethernet 1", "show drops last").ok


def test_without_a_loop_such_a_command_is_refused() -> None:
    terminal = Terminal()
    reply = terminal.service.execute("t", "module vem 3 execute show card")
    assert not reply.ok and not terminal.asked


def test_a_slow_module_holds_up_nobody() -> None:
    """While one line waits, others are run: in other sessions, and in the same."""

    async def scene() -> list[str]:
        terminal, done = Terminal(), asyncio.Event()
        order: list[str] = []

        async def slow(_slot: int, _words: object) -> str:
            await done.wait()
            return "late\n"

        terminal.service._run_on_module = slow
        waiting = asyncio.create_task(terminal.service.run("one", "module vem 3 execute show card"))
        await asyncio.sleep(0)
        for session in ("one", "two"):
            order.append((await terminal.service.run(session, "show hostname")).output)
        done.set()
        order.append((await waiting).output)
        return order

    assert asyncio.run(scene()) == ["vsm-a\n", "vsm-a\n", "late\n"]


def test_one_list_names_them_all() -> None:
    assert tuple(point.label for point in Point) == POINTS
    syntaxes = [row.syntax for row in ROWS]
    for command in COMMANDS:
        assert any(syntax.endswith(f"execute [card] [vem | vemcmd] {command.syntax}") for syntax in syntaxes)
    assert view_of(["mac"]) == view_of(["l2"]) == view_of(["macs"]) == "macs"
    assert view_of(["port"]) == "port" and view_of(["port", "v"]) == "port vlans"
    assert view_of(["p"]) == view_of([]) == view_of(["nothing"]) == ""


def test_the_page_about_hosts_has_the_list() -> None:
    page = (Path(__file__).parents[2] / "docs" / "vem.md").read_text()
    assert all(f"| `vem show {name}` | {text} |" in page for name, text in VIEWS.items())
    assert all(f"`{alias}` for `{name}`" in page for alias, name in ALIASES.items())


def test_groups_of_hosts_that_answer() -> None:
    terminal = Terminal()
    assert terminal.run("show ip igmp snooping groups vlan 20 | include Veth").output.split()[:3] == [
        "20",
        "ff05::99",
        "3",
    ]
    del terminal.answers[3]
    alone = terminal.run("show ip igmp snooping groups")
    assert alone.ok and "(groups are not known: module 3: is not connected)" in alone.output
