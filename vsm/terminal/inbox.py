"""Keys that have arrived and not been used yet, and Ctrl-C, which must be heard while something runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from vsm.terminal.keys import ENTER, Key, KeyReader

DEPTH = 65_536
"""Keys that are taken in ahead; whoever feeds waits for room beyond that."""
NEWS = "news"
"""Wakes the reader although no key was pressed."""
_AHEAD = 1000
"""Characters of a line that is taken for a part of a paste."""


def _plain(key: Key) -> bool:
    """Whether the key types itself."""
    return len(key) == 1 and key.isascii() and key.isprintable() and key != "?"


class Inbox:
    """One terminal's input."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds, from any beginning."""
        self._reader = KeyReader()
        self._clock = clock
        self._keys: deque[Key] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._interrupt: Callable[[], object] | None = None
        self.closed = False
        self.used = clock()
        """When something was last received."""

    def feed(self, data: bytes) -> None:
        """Take in what the terminal sent."""
        self.used = self._clock()
        for key in self._reader.feed(data):
            if key == "^C" and self._interrupt:
                self._keys.clear()  # what was typed ahead belongs to what is being given up
                self._interrupt()
            else:
                self._keys.append(key)
        self._changed()

    def interrupt(self) -> None:
        """As if Ctrl-C had been pressed (an SSH signal or break)."""
        self.feed(b"\x03")

    def close(self) -> None:
        """The terminal is gone; what has arrived is still handed out."""
        self.closed = True
        self._changed()

    def poke(self) -> None:
        """Have next() return NEWS if it waits, or when it is called next."""
        if NEWS not in self._keys:
            self._keys.appendleft(NEWS)
        self._changed()

    def on_interrupt(self, call: Callable[[], object] | None) -> None:
        """What Ctrl-C does from now on; None: it is a key like others."""
        self._interrupt = call

    async def room(self) -> None:
        """Return when more may be fed."""
        await self._room.wait()

    async def next(self) -> Key | None:
        """The next key; None when the terminal is gone."""
        while not self._keys:
            if self.closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self.take()

    def take(self) -> Key | None:
        """The next key if it is there already."""
        key = self._keys.popleft() if self._keys else None
        if len(self._keys) < DEPTH:
            self._room.set()
        return key

    def lines_ahead(self, count: int) -> list[str]:
        """At most ``count`` lines that have arrived whole and need no editing, as a paste does; they stay here."""
        found: list[str] = []
        line: list[str] = []
        for key in self._keys:
            if key == ENTER:
                found.append("".join(line))
                line = []
            elif _plain(key):
                line.append(key)
            else:
                break
            if len(found) == count or len(line) > _AHEAD:
                break
        return found

    def _changed(self) -> None:
        self._wake.set()
        if len(self._keys) >= DEPTH:
            self._room.clear()
