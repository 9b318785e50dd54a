"""Line editing: what stands on the screen is the prompt and the line, whatever keys are pressed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import many
from tests.terminal.screen import FakeScreen
from vsm.terminal.editor import _ACTIONS, LineEditor, Wish
from vsm.terminal.keys import KeyReader

PROMPT = "vsm# "
KEYS = st.sampled_from([*"ab c|", *sorted(set(_ACTIONS) - {"^L", "^R"}), "unknown"])


def typed(editor: LineEditor, keys: str) -> str:
    """Press keys given as a terminal sends them; what is written."""
    return "".join(editor.feed(key).output for key in KeyReader().feed(keys.encode()))


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("show vlan", "show vlan"),
        ("vlan\x01show \x05 brief", "show vlan brief"),
        ("abc\x02\x02X", "aXbc"),
        ("abc\x1b[D\x1b[DX\x1b[CY", "aXbYc"),
        ("abc\x7f\x08d", "ad"),
        ("abc\x01\x04", "bc"),
        ("abc\x01\x1b[3~", "bc"),
        ("one two\x17\x19\x19", "one twotwo"),
        ("one two\x01\x0b", ""),
        ("one two\x15x", "x"),
        ("one two\x1bb\x1bb\x1bfX", "oneX two"),
        ("ab\x14", "ba"),
        ("what\x16?", "what?"),
        ("a\x00b", "ab"),
        ("caf\u00e9", "caf\u00e9"),
    ],
)
def test_keys(keys: str, line: str) -> None:
    editor = LineEditor()
    editor.start(PROMPT)
    typed(editor, keys)
    assert editor.text == line


def test_history() -> None:
    editor = LineEditor()
    for line in ("first", "second", "second"):
        editor.start(PROMPT)
        typed(editor, f"{line}\r")
    editor.start(PROMPT)
    typed(editor, "draft\x1b[A")
    assert editor.text == "second"
    typed(editor, "\x10")
    assert editor.text == "first"
    typed(editor, "\x1b[A\x0e\x1b[B")
    assert editor.text == "draft"


def test_echo_of_typed_text_is_the_text() -> None:
    """However long the line and narrow the terminal: programs compare their echo."""
    for movable in (True, False):
        editor = LineEditor(width=24, movable=movable)
        editor.start(PROMPT)
        line = "description " + "x" * 300
        assert typed(editor, f"{line}\r") == f"{line}\n"


def test_no_escape_sequence_in_a_line_of_one_row() -> None:
    editor = LineEditor()
    output = editor.start(PROMPT) + typed(editor, "show vlan\x01\x06\x06\x0b\x19\x17abc\x1b[D\x7f\x14\x1b[A\x1b[B")
    assert "\x1b" not in output


@pytest.mark.parametrize(("key", "wish"), [("?", Wish.HELP), ("\t", Wish.COMPLETE), ("\x03", Wish.ABORT)])
def test_wishes(key: str, wish: Wish) -> None:
    editor = LineEditor()
    editor.start(PROMPT)
    effects = [editor.feed(key) for key in KeyReader().feed(f"show {key}".encode())]
    assert effects[-1].wish is wish and editor.text == "show "


def test_control_d_deletes_or_leaves() -> None:
    editor = LineEditor()
    editor.start(PROMPT)
    assert editor.feed("^D").wish is Wish.LEAVE
    editor.feed("x")
    assert editor.feed("^D").wish is None and editor.text == "x"


@given(st.lists(KEYS, max_size=120), st.sampled_from([7, 10, 24, 80]))
@settings(max_examples=many(400), deadline=None)
def test_the_screen_shows_the_line(keys: list[str], width: int) -> None:
    """After every key, on terminals so narrow that lines wrap all the time."""
    editor, screen = LineEditor(width=width), FakeScreen(width)
    screen.write(editor.start(PROMPT))
    editor._history, editor._place = ["show vlan", "x" * 2 * width], 2
    for key in keys:
        screen.write(editor.feed(key).output)
        assert screen.text == (PROMPT + editor.text).rstrip()
        assert screen.cursor == len(PROMPT) + editor._at
    screen.write(editor.feed("enter").output)
    rows = max(1, -(-len(PROMPT + editor.text) // width))
    assert screen.column == 0 and screen.row in (rows, rows + 1), "at the beginning of a row below the line"


@given(st.binary(max_size=400))
@settings(max_examples=many(300), deadline=None)
def test_any_bytes_are_keys(data: bytes) -> None:
    """In one piece or byte by byte, and Enter is heard after anything."""
    whole, pieces = KeyReader(), KeyReader()
    together = list(whole.feed(data))
    assert together == [key for byte in data for key in pieces.feed(bytes([byte]))]
    ending = [*whole.feed(b"\x18\r"), *whole.feed(b"\x18\r")]
    assert ending[-1] == "enter"
    editor = LineEditor(width=10)
    editor.start(PROMPT)
    for key in together:
        editor.feed(key)
