"""Shells and commands over SSH."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.ssh.rig import PATIENCE, PROMPT, Rig, permit, terminal, until
from vsm.events.bus import News


async def test_a_shell(rig: Rig) -> None:
    async with await rig.connect() as connection, terminal(connection) as typist:
        assert await typist.says("show hostname\r") == f"show hostname\r\nvsm-a\r\n{PROMPT}"
        await typist.says("configure terminal\r", "vsm-a(config)# ")
        await typist.says("hostname other\r", "other(config)# ")
        refused = await typist.says("vlan 5000\r", "other(config)# ")
        assert refused.splitlines()[1:3] == [" " * 20 + "^", "% Invalid number, range is (1-4094) at '^' marker."]
        await typist.says("\x1a", "other# ")
        typist.process.stdin.write("exit\r")
        await asyncio.wait_for(typist.process.wait_closed(), PATIENCE)
        assert typist.process.exit_status == 0


async def test_pages_follow_the_window(rig: Rig) -> None:
    async with await rig.connect() as connection, terminal(connection) as typist:
        page = await typist.says("show running-config\r", "--More--")
        assert rows(page) in (23, 24), "a line that takes two rows is not torn"
        await typist.says("q")
        typist.process.change_terminal_size(80, 10)
        page = await typist.says("show running-config\r", "--More--")
        assert rows(page) in (9, 10)
        await typist.says("\x03")
        await typist.says("terminal length 0\r")
        typist.process.change_terminal_size(80, 12)
        assert "--More--" not in await typist.says("show running-config\r", f"domain id 100\r\n{PROMPT}")
        await typist.says("terminal length 5\r")
        assert "--More--" not in await typist.says("show running-config | no-more\r", f"domain id 100\r\n{PROMPT}")


def rows(page: str) -> int:
    """Rows of a terminal of 80 columns above the last."""
    return sum(max(1, -(-len(line) // 80)) for line in page.splitlines()[:-1])


async def test_commands_without_a_shell(rig: Rig) -> None:
    async with await rig.connect() as connection:
        done = await connection.run("show clock")
        assert done.exit_status == 0 and "UTC" in str(done.stdout)
        done = await connection.run("conf t ; vlan 77 ; name seven")
        assert done.exit_status == 0 and rig.supervisor.state.config.vlans[77].name == "seven"
        done = await connection.run("conf t ; vlan 5000 ; hostname never")
        assert done.exit_status == 1 and "Invalid number" in str(done.stdout)
        assert rig.supervisor.state.config.hostname == "vsm-a"
        await until(lambda: not rig.cli.logins.sessions)
        assert (await connection.run("", subsystem="netconf")).exit_status == 1


async def test_lines_from_a_pipe(rig: Rig) -> None:
    async with await rig.connect() as connection:
        done = await connection.run(input="show hostname\nconfigure terminal\nvlan 78\n")
        assert f"{PROMPT}vsm-a\n" in str(done.stdout) and "show hostname" not in str(done.stdout)
        assert 78 in rig.supervisor.state.config.vlans and done.exit_status == 0


async def test_roles(rig: Rig) -> None:
    rig.add_user("look", "network-operator")
    rig.add_user("vlans", "vlanner", rules=[permit(1, "show vlan"), permit(2, "vlan *"), permit(3, "name *")])
    async with await rig.connect("look") as connection:
        assert (await connection.run("show running-config")).exit_status == 0
        assert (await connection.run("conf t")).stdout == "% Permission denied for the role\n"
        assert (await connection.run("terminal length 0")).exit_status == 0
    async with await rig.connect("vlans") as connection:
        assert (await connection.run("conf t ; vlan 66 ; name six")).exit_status == 0
        assert (await connection.run("show vlan brief")).exit_status == 0
        for line in ("show version", "conf t ; hostname x", "conf t ; interface vethernet 1", "copy run start"):
            assert "% Permission denied" in str((await connection.run(line)).stdout), line


async def test_a_question_may_be_refused_by_control_c(rig: Rig) -> None:
    async with await rig.connect() as connection, terminal(connection) as typist:
        await typist.says("copy running-config startup-config\r")
        assert rig.supervisor.state.archive.startup is not None
        asked = await typist.says("write erase\r", "[n] ")
        assert "(y/n)" in asked
        await typist.says("\x03")
        assert rig.supervisor.state.archive.startup.text
        await typist.says("write erase\r", "[n] ")
        await typist.says("y\r")
        assert not rig.supervisor.state.archive.startup.text
        unanswered = await connection.run("copy running-config startup-config ; write erase")
        assert unanswered.exit_status == 1 and "nobody can answer" in str(unanswered.stdout)
        assert rig.supervisor.state.archive.startup.text
        assert (await connection.run("terminal dont-ask ; write erase")).exit_status == 0
        assert not rig.supervisor.state.archive.startup.text


async def test_a_bug_costs_a_line_and_not_the_session(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    async with await rig.connect() as connection, terminal(connection) as typist:
        monkeypatch.setattr("vsm.cli.pipe.apply", broken)
        shown = await typist.says("show clock\r")
        assert "ERROR: this line has failed inside the supervisor" in shown and "a bug" not in shown
        monkeypatch.undo()
        assert "UTC" in await typist.says("show clock\r")


async def test_who_is_here(rig: Rig) -> None:
    async with await rig.connect() as connection, terminal(connection) as typist:
        shown = await typist.says("show users\r")
        assert "admin        pts/0" in shown and "(127.0.0.1) session=ssh *" in shown
        await typist.says("username someone password Some-w0rd\x03")
        await typist.says("where\r")
        assert str((await connection.run("show users")).stdout).count("session=ssh") == 2
    await until(lambda: not rig.cli.logins.sessions)


async def test_messages_only_where_they_were_asked_for(rig: Rig) -> None:
    async with await rig.connect() as connection, terminal(connection) as quiet, terminal(connection) as loud:
        await loud.says("terminal monitor\r")
        await loud.says("sho", "sho")
        rig.bus.publish(News("module", "module 3", "absent", "Module 3 is absent."))
        shown = await loud.shows(f"{PROMPT}sho")
        assert "%MODULE-3-ABSENT: Module 3 is absent." in shown
        await loud.says("w clock\r")
        await loud.says("terminal no monitor\r")
        rig.bus.publish(News("module", "module 3", "absent", "Module 3 is absent."))
        assert "ABSENT" not in await loud.says("show clock\r")
        assert "ABSENT" not in await quiet.says("show clock\r")
        refused = await connection.run("terminal monitor")
        assert refused.exit_status == 1 and "ERROR" in str(refused.stdout)


async def test_passwords_are_not_in_the_history(rig: Rig) -> None:
    async with await rig.connect() as connection, terminal(connection) as typist:
        await typist.says("configure terminal\r", "(config)# ")
        await typist.says("username bob password 0 Deep-secret-9\r", "(config)# ")
        await typist.says("end\r")
        shown = await typist.says("show cli history\r")
        assert "username bob password 0 *" in shown and "Deep-secret-9" not in shown
        shown = await typist.says("show running-config | include bob\r", f"operator\r\n{PROMPT}")
        assert "password 5 $scrypt$" in shown and "Deep-secret-9" not in shown
    async with await rig.connect("bob", password="Deep-secret-9") as connection:
        assert (await connection.run("show clock")).exit_status == 0


@pytest.mark.parametrize("seed", range(3))
async def test_any_bytes_leave_a_session_that_works(rig: Rig, seed: int) -> None:
    """Random input, with words and controls in it: nothing but prompts and refusals comes back."""
    chance = random.Random(seed)
    words = [b"show ", b"conf t\r", b"vlan ", b"\x1b[", b"\r", b"|", b"?", b"\t", b"\x03", b"\x16", b"\xff", b" 1-9"]
    async with await rig.connect() as connection, connection.create_process(encoding=None, term_type="vt100") as talk:
        for _ in range(150):
            piece = chance.choice(words) if chance.random() < 0.7 else chance.randbytes(chance.randint(1, 30))
            talk.stdin.write(piece.replace(b"\x04", b""))
        talk.stdin.write(b"\x03\x03\x15\x1a\x03show hostname\r\x15show clock | inc UTC\r")
        async with asyncio.timeout(PATIENCE):
            shown = await talk.stdout.readuntil(b" UTC ")
        assert b"Traceback" not in shown and b"ERROR: the session" not in shown
        talk.close()


@pytest.mark.slow
async def test_fifty_sessions_and_one_that_does_not_read(rig: Rig) -> None:
    """Every one gets its answers; what the slow one has not taken stays with it."""
    async with await rig.connect() as slow:
        stuck = await slow.create_process(term_type="vt100", window=4096)
        stuck.stdout.channel.pause_reading()
        stuck.stdin.write("terminal length 0\r" + "show running-config\r" * 400)
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(_work(rig, number))
        stuck.close()
    assert {80 + number for number in range(50)} <= set(rig.supervisor.state.config.vlans)


async def _work(rig: Rig, number: int) -> None:
    async with await rig.connect() as connection, terminal(connection) as typist:
        for _ in range(3):
            assert "Kernel uptime" in await typist.says("show version | no-more\r", f"second(s)\r\n{PROMPT}")
        await typist.says("configure terminal\r", "(config)# ")
        await typist.says(f"vlan {80 + number}\r", "(config-vlan)# ")
