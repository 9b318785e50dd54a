"""A line being edited on a terminal: keys in, what to write and what the operator wants out.  Pure.

A character at the end of the line is echoed as itself and nothing else, and changes inside a line that fits into one
row use backspaces and blanks only: programs that wait for their echo, and terminals that know no escape sequences, see
plain text.  Only a line that is longer than a row needs cursor movements, and gets them if the terminal has them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from vsm.terminal import keys
from vsm.terminal.keys import Key

MAX_LINE = 4096
"""Characters in a line, as the operator API has it."""
MAX_HISTORY = 500
_BELL = "\a"


class Wish(Enum):
    """What a key asked for beyond the line itself."""

    RUN = auto()
    HELP = auto()
    COMPLETE = auto()
    ABORT = auto()
    END = auto()
    """Back to exec mode."""
    LEAVE = auto()


@dataclass(frozen=True, slots=True)
class Effect:
    """What a key did."""

    output: str = ""
    """To be written; "\\n" begins a new row."""
    wish: Wish | None = None


class LineEditor:
    """One terminal's line and its history."""

    def __init__(self, width: int = 80, movable: bool = True) -> None:
        """``width`` in columns; ``movable``: the terminal understands cursor movements."""
        self.width, self.movable = width, movable
        self._prompt = ""
        self._line: list[str] = []
        self._at = 0
        self._hanging = False
        """The last column has just been filled: the terminal's cursor is still in that row."""
        self._history: list[str] = []
        self._place = 0
        """Where in the history; its length = the line being written."""
        self._draft = ""
        self._killed = ""
        self._literal = False

    @property
    def text(self) -> str:
        """The whole line."""
        return "".join(self._line)

    @property
    def before_cursor(self) -> str:
        """What help and completion go by."""
        return "".join(self._line[: self._at])

    def start(self, prompt: str) -> str:
        """Begin a new line; what to write."""
        self._prompt, self._line, self._at = prompt, [], 0
        self._place, self._draft, self._literal = len(self._history), "", False
        self._hanging = self._fills_rows()
        return prompt

    def redraw(self) -> str:
        """The prompt and the line once more, in a fresh row."""
        self._hanging = self._fills_rows()
        return self._prompt + self.text + self._back(self.text[self._at :])

    def feed(self, key: Key) -> Effect:
        """Do what ``key`` says."""
        literal, self._literal = self._literal, False
        if len(key) == 1 and (literal or key != "?"):
            return Effect(self._insert(key))
        if key == keys.ENTER:
            return self._finish()
        if key in _WISHES:
            return self._wish(key)
        action = _ACTIONS.get(key)
        return Effect(action(self) if action else _BELL)

    def complete_with(self, text: str) -> str:
        """Put ``text`` in at the cursor."""
        return "".join(self._insert(character) for character in text)

    # ---- the line as a whole

    def _finish(self) -> Effect:
        output = self._move_to(len(self._line)) + "\n"
        line = self.text.strip()
        if line and (not self._history or self._history[-1] != line):
            self._history.append(line)
            del self._history[:-MAX_HISTORY]
        return Effect(output, Wish.RUN)

    def _wish(self, key: Key) -> Effect:
        wish, shown = _WISHES[key]
        if key == "^D" and self._line:
            return Effect(self._delete())
        if wish is Wish.HELP:
            return Effect("?\n", wish)
        return Effect(self._move_to(len(self._line)) + shown if shown else "", wish)

    def _recall(self, step: int) -> str:
        place = self._place + step
        if not 0 <= place <= len(self._history):
            return _BELL
        if self._place == len(self._history):
            self._draft = self.text
        self._place = place
        return self._replace(self._history[place] if place < len(self._history) else self._draft)

    def _replace(self, text: str) -> str:
        return self._change(0, len(self._line), text, len(text))

    # ---- changes

    def _insert(self, key: Key) -> str:
        if len(self._line) >= MAX_LINE or not _one_column(key):
            return _BELL
        if self._at < len(self._line):
            return self._change(self._at, self._at, key, self._at + 1)
        self._line.append(key)
        self._at += 1
        self._hanging = self._fills_rows()
        return key

    def _backspace(self) -> str:
        return self._change(self._at - 1, self._at, "", self._at - 1) if self._at else _BELL

    def _delete(self) -> str:
        return self._change(self._at, self._at + 1, "", self._at) if self._at < len(self._line) else _BELL

    def _kill(self, start: int, end: int) -> str:
        if start == end:
            return ""
        self._killed = "".join(self._line[start:end])
        return self._change(start, end, "", start)

    def _kill_word(self) -> str:
        return self._kill(self._word_left(), self._at)

    def _yank(self) -> str:
        if len(self._line) + len(self._killed) > MAX_LINE:
            return _BELL
        return self._change(self._at, self._at, self._killed, self._at + len(self._killed))

    def _swap(self) -> str:
        if len(self._line) < 2 or not self._at:
            return _BELL
        first = min(self._at, len(self._line) - 1) - 1
        pair = self._line[first + 1] + self._line[first]
        return self._change(first, first + 2, pair, first + 2)

    def _change(self, start: int, end: int, text: str, cursor: int) -> str:
        """Replace start..end by ``text`` and leave the cursor at ``cursor``; what to write."""
        length = len(self._line)
        output = "" if self._wraps() else self._move_to(start)
        before = self._row() if self._wraps() else None
        self._line[start:end] = text
        if before is None and not self._wraps():
            rest = self.text[start:]
            blanks = " " * (length - len(self._line))
            self._at = cursor
            return output + rest + blanks + self._back(self.text[cursor:] + blanks)
        before = self._row() if before is None else before
        self._at = cursor
        return self._paint(before)

    # ---- the cursor

    def _move_to(self, place: int) -> str:
        if self._wraps() and self.movable and place != self._at:
            before = self._row()
            self._at = place
            return self._paint(before)
        back, forward = self._line[place : self._at], self._line[self._at : place]
        self._at = place
        return self._back("".join(back)) + "".join(forward)

    def _word_left(self) -> int:
        place = self._at
        while place and self._line[place - 1] == " ":
            place -= 1
        while place and self._line[place - 1] != " ":
            place -= 1
        return place

    def _word_right(self) -> int:
        place = self._at
        while place < len(self._line) and self._line[place] == " ":
            place += 1
        while place < len(self._line) and self._line[place] != " ":
            place += 1
        return place

    def _back(self, text: str) -> str:
        return "\b" * len(text)

    # ---- lines that are longer than a row

    def _fills_rows(self) -> bool:
        return (len(self._prompt) + len(self._line)) % max(1, self.width) == 0

    def _wraps(self) -> bool:
        return len(self._prompt) + len(self._line) >= self.width

    def _row(self) -> int:
        """The row of the cursor, counted from that of the prompt."""
        column = len(self._prompt) + self._at
        hanging = self._hanging and self._at == len(self._line) and column > 0
        return (column - hanging) // max(1, self.width)

    def _paint(self, row: int) -> str:
        """Write everything anew, from a cursor that is in ``row``."""
        if not self.movable:
            return "\n" + self.redraw()
        whole = self._prompt + self.text
        self._hanging = False
        output = "\r" + (f"\x1b[{row}A" if row else "") + "\x1b[J" + whole
        if self._fills_rows():
            output += " \r"  # makes the terminal begin the next row
        column = len(self._prompt) + self._at
        up = len(whole) // self.width - column // self.width
        output += f"\x1b[{up}A" if up else ""
        return output + "\r" + (f"\x1b[{column % self.width}C" if column % self.width else "")

    def _forward(self) -> str:
        return self._move_to(min(len(self._line), self._at + 1))


def _one_column(key: Key) -> bool:
    return len(key) == 1 and unicodedata.east_asian_width(key) not in "WF" and not unicodedata.combining(key)


_WISHES: dict[Key, tuple[Wish, str]] = {
    "?": (Wish.HELP, ""),
    keys.TAB: (Wish.COMPLETE, ""),
    "^C": (Wish.ABORT, "^C\n"),
    "^Z": (Wish.END, "^Z\n"),
    "^D": (Wish.LEAVE, "\n"),
}
"""Key -> wish, and what is shown for it."""


def _literally(editor: LineEditor) -> str:
    editor._literal = True
    return ""


_ACTIONS: dict[Key, Callable[[LineEditor], str]] = {
    keys.BACKSPACE: LineEditor._backspace,
    keys.DELETE: LineEditor._delete,
    keys.LEFT: lambda editor: editor._move_to(max(0, editor._at - 1)),
    keys.RIGHT: LineEditor._forward,
    keys.UP: lambda editor: editor._recall(-1),
    keys.DOWN: lambda editor: editor._recall(1),
    keys.HOME: lambda editor: editor._move_to(0),
    keys.END: lambda editor: editor._move_to(len(editor._line)),
    "word-left": lambda editor: editor._move_to(editor._word_left()),
    "word-right": lambda editor: editor._move_to(editor._word_right()),
    "delete-word": lambda editor: editor._kill(editor._at, editor._word_right()),
    "^A": lambda editor: editor._move_to(0),
    "^B": lambda editor: editor._move_to(max(0, editor._at - 1)),
    "^E": lambda editor: editor._move_to(len(editor._line)),
    "^F": LineEditor._forward,
    "^K": lambda editor: editor._kill(editor._at, len(editor._line)),
    "^L": lambda editor: "\n" + editor.redraw(),
    "^N": lambda editor: editor._recall(1),
    "^P": lambda editor: editor._recall(-1),
    "^R": lambda editor: "\n" + editor.redraw(),
    "^T": LineEditor._swap,
    "^U": lambda editor: editor._kill(0, editor._at),
    "^V": _literally,
    "^W": LineEditor._kill_word,
    "^Y": LineEditor._yank,
}
