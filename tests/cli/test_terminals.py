"""Banner, line console, and ending the sessions of others."""

from __future__ import annotations

import pytest

from tests.support.switches import Terminal, state
from vsm.cli.session import Session
from vsm.config.parse import config_lines, load, merge
from vsm.config.patch import patch
from vsm.config.render import config_text


@pytest.mark.parametrize(
    ("lines", "banner", "shown"),
    [
        (["banner motd #Only for us#"], "Only for us", ["banner motd #Only for us#"]),
        (["banner motd @ No # here @"], " No # here ", ["banner motd @ No # here @"]),
        (["ban mo ^two", "  lines^"], "two\n  lines", ["banner motd #two", "  lines#"]),
        (["banner motd #", "!", "vlan 77", "", "#"], "\n!\nvlan 77\n\n", ["banner motd #", "!", "vlan 77", "", "#"]),
    ],
)
def test_a_banner_of_one_line_or_more(lines: list[str], banner: str, shown: list[str]) -> None:
    terminal = Terminal()
    assert terminal.configure(*lines).ok and terminal.state.config.banner == banner
    assert 77 not in terminal.state.config.vlans
    text = terminal.run("show running-config").output
    assert "\n".join(shown) in text
    assert load(text, state()).config.banner == banner
    undone = patch(terminal.state, state())
    assert undone == ["no banner motd"] and merge("\n".join(undone), terminal.state).config.banner == ""
    assert merge("\n".join(patch(state(), terminal.state)), state()).config.banner == banner


def test_the_prompt_says_that_a_banner_goes_on() -> None:
    terminal = Terminal()
    begun = terminal.configure("banner motd #Keep")
    assert (begun.output, begun.prompt) == ("Enter TEXT message.  End with the character '#'.\n", "> ")
    assert terminal.words("show ") == [], "nothing is completed inside"
    more = terminal.run("show version | out?")
    assert (more.output, more.prompt, terminal.state.config.banner) == ("", "> ", "")
    assert terminal.run("end#").prompt == "vsm-a(config)# "
    assert terminal.state.config.banner == "Keep\nshow version | out?\nend"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["banner motd #a#b"], "Banner must stand between two of the same character"),
        (["banner motd ##\x07#"], "Banner must stand"),
        (["banner motd #\x07#"], "Banner has characters that can't be printed"),
        ([f"banner motd #{'x' * 2001}#"], "Banner is longer than 40 lines or 2000 characters"),
        (["banner motd x#@^~%$&*+=/x"], "Banner must leave out one of"),
        (["banner motd #", *["x"] * 40], "ERROR: banner: is longer than 40 lines"),
    ],
)
def test_banners_that_are_none(lines: list[str], told: str) -> None:
    terminal = Terminal()
    reply = terminal.configure(*lines)
    assert not reply.ok and told in reply.output and reply.prompt == "vsm-a(config)# "
    assert terminal.state.config.banner == ""


def test_a_text_that_ends_inside_a_banner_is_refused_by_line() -> None:
    assert [line.number for line in config_lines("hostname a\nbanner motd #x\ny\n#\nvlan 5")] == [1, 2, 5]
    terminal = Terminal()
    terminal.files.write("half", b"hostname x\nbanner motd #never\nended\n")
    reply = terminal.run("copy bootflash:half running-config")
    assert not reply.ok and reply.output.startswith("ERROR: line 2 ('banner motd #never")


def test_local_sessions_end_when_the_console_says_so() -> None:
    terminal = Terminal()
    prompt = terminal.configure("line console").prompt
    assert prompt == "vsm-a(config-console)# "
    terminal.run("exec-timeout 60")
    assert "\nline console\n  exec-timeout 60\nline vty\n" in config_text(terminal.state)
    terminal.service.execute("new", "configure terminal")
    terminal.now += 45 * 60
    assert terminal.service.execute("new", "!").prompt == "vsm-a(config)# "
    terminal.now += 61 * 60
    assert terminal.service.execute("new", "!").prompt == "vsm-a# "
    assert not terminal.configure("line console", "speed 9600").ok


def test_sessions_of_others_are_ended() -> None:
    terminal = Terminal()
    hung_up: list[str] = []
    sessions = [Session(f"s{n}", user=user, line=f"pts/{n}") for n, user in enumerate(["admin", "watch", "watch"])]
    for session in sessions:
        session.hang_up = lambda name=session.name: hung_up.append(name)
        terminal.service.logins.begin(session, terminal.now, 30)
    assert terminal.run("clear line pts/9").output == "ERROR: line pts/9: is not logged in; see 'show users'\n"
    assert terminal.run("clear line pts/1").ok and hung_up == ["s1"]
    assert sessions[1].closed and not terminal.service.execute(sessions[1], "show clock").ok
    assert terminal.service.execute(sessions[0], "clear user admin").closed and hung_up == ["s1"], "one's own, at last"
    assert not terminal.run("clear user eve").ok


@pytest.mark.parametrize("line", ["ssh key rsa 2048", "ssh key ed25519 force"])
def test_a_key_is_made_where_the_server_runs(line: str) -> None:
    reply = Terminal().configure(line)
    assert not reply.ok and reply.output == "ERROR: ssh key: the ssh server does not run here\n"
