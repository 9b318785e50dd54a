"""Bytes from a terminal as keys: characters are themselves, everything else has a name ("enter", "left", "^A").

Pure and without a clock: an escape sequence may arrive in pieces, and nonsense costs at most itself.  NUL is dropped,
since clients send it to keep a connection alive.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

Key = str
"""One printable character, or a name of several characters."""

ENTER, TAB, BACKSPACE, DELETE = "enter", "tab", "backspace", "delete"
LEFT, RIGHT, UP, DOWN, HOME, END = "left", "right", "up", "down", "home", "end"
UNKNOWN = "unknown"
"""A key that has no meaning here."""

_CONTROLS = {"\r": ENTER, "\n": ENTER, "\t": TAB, "\x7f": BACKSPACE, "\b": BACKSPACE}
_ARROWS = {"A": UP, "B": DOWN, "C": RIGHT, "D": LEFT, "H": HOME, "F": END}
_NUMBERED = {"1": HOME, "3": DELETE, "4": END, "7": HOME, "8": END}
_WITH_ESCAPE = {"b": "word-left", "f": "word-right", "d": "delete-word", "\x7f": "^W", "\b": "^W"}
_LONGEST = 32
"""Characters of an escape sequence; what is longer is none."""


class KeyReader:
    """Follows one terminal's input."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._sequence = ""
        """An escape sequence of which more is to come."""
        self._after_return = False

    def feed(self, data: bytes) -> Iterator[Key]:
        """The keys that ``data`` completes."""
        for character in self._decoder.decode(data):
            if character == "\x00":
                continue
            key = self._escaped(character) if self._sequence else self._plain(character)
            if key:
                yield key

    def _plain(self, character: str) -> Key | None:
        after_return, self._after_return = self._after_return, character == "\r"
        if character == "\n" and after_return:
            return None  # CR LF is one key
        if character == "\x1b":
            self._sequence = character
            return None
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character < " ":
            return "^" + chr(ord(character) + 64)
        return character if character.isprintable() else UNKNOWN

    def _escaped(self, character: str) -> Key | None:
        if character in "\x1b\x03\r\n":
            # The sequence was cut off; these must never be lost to one.
            self._sequence = ""
            return self._plain(character)
        sequence = self._sequence + character
        if sequence in ("\x1b[", "\x1bO") or (sequence.startswith("\x1b[") and character in "0123456789;?"):
            self._sequence = sequence if len(sequence) < _LONGEST else ""
            return None
        self._sequence = ""
        if len(sequence) == 2:
            return _WITH_ESCAPE.get(character, UNKNOWN)
        if character == "~":
            return _NUMBERED.get(sequence[2:-1].partition(";")[0], UNKNOWN)
        return _ARROWS.get(character, UNKNOWN)
