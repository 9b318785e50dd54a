"""Long output in pages.  Pure: it only knows how many rows of the terminal a piece of text takes."""

from __future__ import annotations

from collections.abc import Iterator

MORE = "--More--"
PIECE = 16_384
"""Characters of output that are handed on at once when there is no paging."""


class Pager:
    """Hands out a text by rows of a terminal ``width`` columns wide."""

    def __init__(self, text: str, width: int) -> None:
        self._lines = text.splitlines(keepends=True)
        self._width = max(1, width)
        self._at = 0

    @property
    def done(self) -> bool:
        """Whether everything has been handed out."""
        return self._at >= len(self._lines)

    def take(self, rows: int) -> str:
        """The next lines that fit into ``rows`` rows; at least one line."""
        start, left = self._at, rows
        while not self.done:
            left -= self._rows(self._lines[self._at])
            if left < 0 and self._at > start:
                break
            self._at += 1
        return "".join(self._lines[start : self._at])

    def fits(self, rows: int) -> bool:
        """Whether what is left fits into ``rows`` rows."""
        taken = 0
        for line in self._lines[self._at :]:
            taken += self._rows(line)
            if taken > rows:
                return False
        return True

    def _rows(self, line: str) -> int:
        return max(1, -(-len(line.rstrip("\r\n")) // self._width))


def pieces(text: str, size: int = PIECE) -> Iterator[str]:
    """``text`` in pieces of at most ``size`` characters."""
    return (text[start : start + size] for start in range(0, len(text), size))
