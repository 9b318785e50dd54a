"""Whatever is typed or loaded: an answer and no exception; what is refused changes nothing, what is taken is valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dvswitch.errors import DvsError
from tests.cli.test_table import ENTER, INTERFACES, VALUES, all_spellings
from tests.support.examples import many
from tests.support.switches import Terminal, state
from vsm.cli.command import Mode
from vsm.cli.pipe import FILTERS
from vsm.cli.registry import COMMANDS
from vsm.config.parse import load, merge, replace_with
from vsm.config.render import config_text
from vsm.policy.check import check

SETTINGS = settings(max_examples=many(60), deadline=None, suppress_health_check=list(HealthCheck))

LINES = sorted({" ".join(word for word, _ in said) for command in COMMANDS for said in all_spellings(command)[:12]})
WORDS = sorted({word for line in LINES for word in line.split()} | set(INTERFACES.values()) | set(VALUES.values()))
GARBAGE = st.text(max_size=30)
NASTY = st.sampled_from(
    [
        *(
            "99999999999999999999",
            "-1",
            "0",
            "1-",
            "1-4094",
            "'",
            '"',
            "|",
            ">",
            ">>",
            "\\",
            "?",
            "%",
            "!",
            "\x00",
            "\t",
        ),
        *("é", "../../etc/passwd", "bootflash:", "bootflash:base.cfg", "(((((a+)+)+)+)+", "Veth1", "x" * 300, "no"),
    ]
)


VALUE = st.sampled_from(WORDS) | NASTY | GARBAGE


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A line of the table with words exchanged, left out, doubled or cut."""
    words = draw(st.sampled_from(LINES)).split()
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(words)))
        change = draw(st.sampled_from(["replace", "remove", "insert", "cut"]))
        other = draw(VALUE)
        if change == "insert" or at == len(words):
            words.insert(at, other)
        elif change == "remove":
            del words[at]
        else:
            words[at] = other if change == "replace" else words[at][: draw(st.integers(0, 5))]
    return " ".join(words)


FILTER_TEXT = st.builds(lambda kind, value: f" | {kind.word} {value}", st.sampled_from(FILTERS), VALUE)
TYPED = mutated() | mutated() | GARBAGE | st.builds(str.__add__, mutated(), FILTER_TEXT)
ANYWHERE = st.sampled_from([*(line for mode in Mode for line in ENTER[mode][-1:]), "end", "exit", "y", ""])


@given(st.lists(TYPED | ANYWHERE, max_size=12))
@SETTINGS
def test_any_line_is_answered_and_only_what_is_taken_has_an_effect(lines: list[str]) -> None:
    terminal = Terminal()
    for line in ["configure terminal", *lines]:
        before, files = terminal.state, terminal.files.files()
        reply = terminal.service.execute("test", line)
        assert reply.prompt.endswith(" ") and (not reply.output or reply.output.endswith("\n"))
        if not reply.ok:
            assert terminal.state is before and terminal.files.files() == files, line
            assert reply.output.startswith("ERROR: ") or reply.output.splitlines()[-1].endswith(" at '^' marker."), line
        check(terminal.state)
        for candidate in terminal.service.complete("test", line):
            assert candidate.help


@given(st.lists(mutated() | GARBAGE | st.sampled_from(config_text(state()).splitlines()), max_size=25), st.booleans())
@SETTINGS
def test_any_text_is_loaded_whole_or_refused(lines: list[str], indent: bool) -> None:
    start = state()
    text = "\n".join(f"  {line}" if indent and number % 3 else line for number, line in enumerate(lines))
    _attempt(load, text)
    _attempt(merge, text)
    loaded = _attempt(lambda text, base: replace_with(text, base).state, text)
    if loaded:
        # What could be loaded is what is in force: saved and loaded again it stays the same.
        assert replace_with(config_text(loaded), loaded).state == loaded
    effort = _attempt(lambda text, base: replace_with(text, base, best_effort=True).state, text)
    assert effort is None or set(start.config.slots) <= set(effort.config.slots)


def _attempt(way: Any, text: str) -> Any:
    try:
        loaded = way(text, state())
    except DvsError as error:
        assert str(error)
        return None
    check(loaded)
    return loaded


@pytest.mark.parametrize("line", ["show file junk", "copy bootflash:junk running-config", "configure replace junk"])
@given(st.binary(max_size=200))
@settings(SETTINGS, max_examples=many(25))
def test_any_file_can_be_looked_at_and_loaded(line: str, content: bytes) -> None:
    terminal = Terminal()
    before = terminal.state
    terminal.files.write("junk", content)
    reply = terminal.run(line)
    assert reply.ok or (reply.output.startswith("ERROR: ") and terminal.state is before)
