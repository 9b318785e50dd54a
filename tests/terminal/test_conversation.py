"""Conversations with an interpreter of the test's own: help, completion, paging, Ctrl-C, messages, idleness."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import many
from vsm.cli.grammar import Candidate
from vsm.cli.service import Help
from vsm.terminal.conversation import MAX_NEWS, MAX_STREAM, Conversation, Reply, Screen
from vsm.terminal.inbox import DEPTH, Inbox
from vsm.terminal.pager import Pager

PATIENCE = 20.0


class Parrot:
    """Says what it was told; "long N" gives N lines, "hang" never ends, "exit" does."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.cancelled = False
        self.hanging = asyncio.Event()
        self.length = 0
        self.together = 1
        self.heaps: list[int] = []
        self.live, self.go_on = asyncio.Event(), asyncio.Event()

    async def execute(self, line: str) -> Reply:
        if line:
            self.lines.append(line)
        if line.startswith("length "):
            self.length = int(line.split()[1])
        if line == "hang":
            self.hanging.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        output = f"{line}.\n" if line else ""
        if line.startswith("long "):
            output = "".join(f"line {number}\n" for number in range(int(line.split()[1])))
        return Reply(output, "sw# ", True, line == "exit", self.length)

    async def execute_some(self, lines: Sequence[str], part: Callable[[str], None]) -> Sequence[Reply]:
        self.heaps.append(len(lines))
        if lines[0] == "live":
            for number in range(3):
                part(f"part {number}\n")
            self.live.set()
            await self.go_on.wait()
            part("\x1b[31mlast part\n")
            part("x" * (MAX_STREAM + 1))
        return [await self.execute(line) for line in lines[: self.together]]

    async def help(self, line: str) -> Help:
        words = ("interface", "interfere", "show", "<name>")
        begun = "" if line.endswith(" ") or not line else line.split()[-1]
        found = [Candidate(word, f"about {word}") for word in words if word.startswith(begun)]
        return Help(found, "" if found else "    ^\n% Nothing begins so.\n", self.length)


class Talk:
    """A conversation under way."""

    def __init__(self, echo: bool = True, idle: Callable[[], float] = lambda: 0.0) -> None:
        self.parrot, self.text = Parrot(), ""
        self.gate = asyncio.Event()
        self.gate.set()
        self.inbox = Inbox(asyncio.get_running_loop().time)
        self.conversation = Conversation(Screen(self._write, echo=echo), self.inbox, self.parrot, idle)
        self.task = asyncio.create_task(self.conversation.run())
        self._more = asyncio.Event()

    async def _write(self, text: str) -> None:
        await self.gate.wait()
        self.text += text
        self._more.set()

    def type(self, keys: str) -> None:
        self.text = ""
        self.inbox.feed(keys.encode())

    async def shows(self, end: str) -> str:
        """Wait until what was written ends so."""
        async with asyncio.timeout(PATIENCE):
            while not self.text.endswith(end):
                self._more.clear()
                await self._more.wait()
        return self.text

    async def end(self) -> None:
        self.inbox.close()
        async with asyncio.timeout(PATIENCE):
            await self.task


async def started(**options: bool) -> Talk:
    talk = Talk(**options)
    await talk.shows("sw# ")
    return talk


async def test_a_line_and_its_answer() -> None:
    talk = await started()
    talk.type("hello\r")
    assert await talk.shows("sw# ") == "hello\nhello.\nsw# "
    talk.type("one\rtwo\r\nthree\n")
    await talk.shows("three.\nsw# ")
    assert talk.parrot.lines == ["hello", "one", "two", "three"]
    talk.type("exit\r")
    await asyncio.wait_for(talk.task, PATIENCE)


async def test_help_and_completion() -> None:
    talk = await started()
    talk.type("int?")
    shown = await talk.shows("sw# int")
    assert shown == "int?\n  interface  about interface\n  interfere  about interfere\nsw# int"
    talk.type("\t")
    await talk.shows("erf")
    talk.type("\t")
    assert await talk.shows("sw# interf") == "\ninterface  interfere\nsw# interf"
    talk.type("a\t5\r")
    await talk.shows("sw# ")
    assert talk.parrot.lines == ["interface 5"]


async def test_help_that_has_nothing_to_offer_says_why_and_a_long_list_has_pages() -> None:
    talk = await started()
    talk.type("rubbish?")
    assert await talk.shows("sw# rubbish") == "rubbish?\n    ^\n% Nothing begins so.\nsw# rubbish"
    talk.type("\x03length 4\r")
    await talk.shows("sw# ")
    talk.type("?")
    assert (await talk.shows("--More--")).count("about") == 3
    talk.type(" ")
    await talk.shows("sw# ")
    talk.type("?")
    await talk.shows("--More--")
    talk.type("\x03")
    assert "about" not in await talk.shows("sw# ")


async def test_lines_of_a_paste_are_handed_over_together_and_shown_one_by_one() -> None:
    talk = await started()
    talk.parrot.together = 3
    talk.type("".join(f"line {number}\r" for number in range(5)) + "half?")
    shown = await talk.shows("sw# half")
    assert shown.startswith("line 0\nline 0.\nsw# line 1\nline 1.\nsw# line 2\nline 2.\nsw# line 3\n")
    assert talk.parrot.lines == [f"line {number}" for number in range(5)]
    assert talk.parrot.heaps == [5, 2], "what is not a whole plain line is no part of it"
    talk.type("\x03hang\rnever\r")
    await talk.parrot.hanging.wait()
    talk.type("\x03")
    await talk.shows("^C\nsw# ")
    talk.type("after\r")
    await talk.shows("after.\nsw# ")
    assert talk.parrot.lines[5:] == ["hang", "after"]


async def test_what_comes_before_a_reply_is_shown_as_it_comes() -> None:
    talk = await started()
    talk.type("live\r")
    assert await talk.shows("part 2\n") == "live\npart 0\npart 1\npart 2\n"
    talk.parrot.go_on.set()
    shown = await talk.shows("sw# ")
    assert "?[31mlast part\n" in shown and "(1 parts of the output were left out)\n" in shown
    assert len(shown) < MAX_STREAM
    talk.parrot.go_on.clear()
    talk.parrot.live.clear()
    talk.type("live\r")
    await talk.parrot.live.wait()
    talk.type("\x03")
    assert "last" not in await talk.shows("^C\nsw# ")


async def test_control_keys() -> None:
    talk = await started()
    talk.type("rubbish\x03")
    assert await talk.shows("sw# ") == "rubbish^C\nsw# "
    talk.type("\x1a")
    await talk.shows("end.\nsw# ")
    talk.type("\x04")
    await asyncio.wait_for(talk.task, PATIENCE)
    assert talk.parrot.lines == ["end", "exit"]


async def test_control_c_ends_what_runs_and_forgets_what_was_typed_ahead() -> None:
    talk = await started()
    talk.type("hang\rtyped ahead\r")
    await talk.shows("hang\n")
    await asyncio.wait_for(talk.parrot.hanging.wait(), PATIENCE)
    talk.type("\x03")
    await talk.shows("^C\nsw# ")
    assert talk.parrot.cancelled and talk.parrot.lines == ["hang"]
    talk.type("next\r")
    await talk.shows("next.\nsw# ")
    await talk.end()


async def test_pages() -> None:
    talk = await started()
    talk.type("length 5\r")
    await talk.shows("sw# ")
    talk.type("long 12\r")
    assert (await talk.shows("--More--")).endswith("line 3\n--More--")
    talk.type("\r")
    assert await talk.shows("--More--") == "\r        \rline 4\n--More--"
    talk.type("\x00x ")
    assert (await talk.shows("--More--")).endswith("line 8\n--More--")
    talk.type("q")
    assert await talk.shows("sw# ") == "\r        \rsw# "
    talk.type("long 12\r")
    await talk.shows("--More--")
    talk.type("\x03")
    await talk.shows("^C\nsw# ")
    talk.type("long 4\r")
    assert "--More--" not in await talk.shows("sw# ")
    talk.type("length 0\rlong 200\r")
    assert "--More--" not in await talk.shows("line 199\nsw# ")
    await talk.end()


def test_a_wrapped_line_takes_several_rows() -> None:
    pager = Pager("x" * 25 + "\nshort\nlast\n", width=10)
    assert pager.take(3) == "x" * 25 + "\n" and pager.take(1) == "short\n" and pager.fits(1)


async def test_a_pipe_is_not_echoed_to() -> None:
    talk = await started(echo=False)
    talk.type("hello\n")
    assert await talk.shows("sw# ") == "hello.\nsw# "
    talk.inbox.feed(b"last\n")
    await talk.end()
    assert talk.parrot.lines == ["hello", "last"], "what came before the end is still run"


async def test_messages_stand_above_the_line() -> None:
    talk = await started()
    talk.type("sho")
    await talk.shows("sho")
    talk.text = ""
    talk.conversation.announce("news\n")
    assert await talk.shows("sho") == "\nnews\nsw# sho"
    talk.type("w\r")
    await talk.shows("show.\nsw# ")
    await talk.end()


async def test_messages_for_a_stuck_terminal_are_bounded() -> None:
    talk = await started()
    talk.gate.clear()
    for number in range(MAX_NEWS + 10):
        talk.conversation.announce(f"{number}\n")
    talk.text = ""
    talk.gate.set()
    shown = await talk.shows(f"{MAX_NEWS + 9}\nsw# ")
    assert "messages were left out" in shown and "\n0\n" not in shown
    await talk.end()


async def test_input_is_bounded() -> None:
    talk = await started()
    talk.gate.clear()
    talk.type("x")
    await asyncio.sleep(0)
    talk.type("x" * (DEPTH + 5000))
    full = asyncio.create_task(talk.inbox.room())
    await asyncio.sleep(0)
    assert not full.done()
    talk.gate.set()
    await asyncio.wait_for(full, PATIENCE)
    talk.type("\x15")
    await talk.end()


@pytest.mark.parametrize("stuck", [False, True])
async def test_an_unused_session_ends(stuck: bool) -> None:
    """Also one whose terminal takes no output."""
    talk = Talk(idle=lambda: 0.3)
    await talk.shows("sw# ")
    if stuck:
        talk.gate.clear()
        talk.type("long 5\r")
    await asyncio.wait_for(talk.task, PATIENCE)
    assert stuck or "unused" in talk.text


async def test_what_would_steer_a_terminal_is_not_shown() -> None:
    talk = await started()
    talk.parrot.execute = _steering  # type: ignore[method-assign]
    talk.type("x\r")
    assert "\x1b" not in await talk.shows("?[2Jvm\nsw# ")
    await talk.end()


async def _steering(line: str) -> Reply:
    return Reply("\x1b[2Jvm\n" if line else "", "sw# ", True, False)


@given(st.lists(st.binary(max_size=60), max_size=12))
@settings(max_examples=many(60), deadline=None)
def test_any_input_leaves_a_session_that_works(pieces: list[bytes]) -> None:
    asyncio.run(_survives(pieces))


async def _survives(pieces: list[bytes]) -> None:
    talk = await started()
    for piece in pieces:
        talk.inbox.feed(piece.replace(b"\x04", b"").replace(b"hang", b""))
        await asyncio.sleep(0)
    talk.inbox.feed(b"q\x1b[Z\x03\x03hello there\r")
    if "exit" not in talk.parrot.lines:
        await talk.shows("hello there.\nsw# ")
    await talk.end()
