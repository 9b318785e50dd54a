"""A terminal as far as an editor of lines needs one: what would stand on the screen."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(r"\x1b\[(\d*)([A-Z])")


class FakeScreen:
    """Rows of characters and a cursor; wraps as real terminals do, with the cursor hanging in the last column."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0

    def write(self, text: str) -> None:
        """Show ``text``; "\\n" is a new row and its beginning."""
        at = 0
        while at < len(text):
            if found := _SEQUENCE.match(text, at):
                self._sequence(int(found[1] or 1), found[2])
                at = found.end()
            else:
                self._character(text[at])
                at += 1

    @property
    def text(self) -> str:
        """Everything, with rows joined where they were wrapped."""
        return "".join("".join(row).ljust(self.width) for row in self.rows).rstrip()

    @property
    def cursor(self) -> int:
        """Characters before the cursor, as if all were one row."""
        return self.row * self.width + self.column

    def _character(self, character: str) -> None:
        if character == "\n":
            self._go(self.row + 1, 0)
        elif character == "\r":
            self._go(self.row, 0)
        elif character == "\b":
            self._go(self.row, max(0, min(self.column, self.width - 1) - 1))
        elif character != "\a":
            assert character.isprintable(), repr(character)
            if self.column >= self.width:
                self._go(self.row + 1, 0)
            cells = self.rows[self.row]
            cells.extend(" " * (self.column + 1 - len(cells)))
            cells[self.column] = character
            self.column += 1

    def _sequence(self, amount: int, what: str) -> None:
        if what == "A":
            assert self.row >= amount, "above what was written"
            self._go(self.row - amount, min(self.column, self.width - 1))
        elif what == "C":
            self.column = min(self.width - 1, self.column + amount)
        else:
            assert what == "J", what
            del self.rows[self.row][self.column :]
            del self.rows[self.row + 1 :]

    def _go(self, row: int, column: int) -> None:
        self.rows.extend([] for _ in range(row + 1 - len(self.rows)))
        self.row, self.column = row, column
