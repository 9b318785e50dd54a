"""A person or a program at a terminal, talking to a command line interpreter, wherever either of them is.

The SSH server (vsm/ssh) and `vsm cli` (vsm/shell.py) both give a screen to write to, an inbox of keys and an
interpreter; prompting, editing, help, completion, paging and Ctrl-C are the same for both and are here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from vsm.terminal import keys
from vsm.terminal.editor import LineEditor, Wish
from vsm.terminal.inbox import NEWS, Inbox
from vsm.terminal.pager import MORE, Pager, pieces

MAX_NEWS = 500
"""Messages kept for a terminal that is busy or slow; older ones are dropped, and how many is said."""
MAX_STREAM = 1_000_000
"""Characters of live output that are held for a slow terminal."""
_TOGETHER = 63
"""Lines of a paste that are handed over along with the first."""
_STEERING = {number: "?" for number in (*range(32), *range(127, 160)) if chr(number) not in "\n\t"}


class Suggestion(Protocol):
    """What may come next in a line."""

    @property
    def word(self) -> str:
        """A keyword, a <placeholder>, or <CR>."""
        ...

    @property
    def help(self) -> str:
        """One line."""
        ...


class Help(Protocol):
    """What `?` shows after a line."""

    @property
    def candidates(self) -> Iterable[Suggestion]:
        """What may come next."""
        ...

    @property
    def problem(self) -> str:
        """Where nothing can: what the line would be refused with."""
        ...

    @property
    def length(self) -> int:
        """Lines of a page; 0 = don't page."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What a line came to."""

    output: str
    """Lines end with a newline."""
    prompt: str
    ok: bool
    closed: bool
    """The session has ended."""
    length: int = 0
    """Lines of a page; 0 = don't page."""
    asks: bool = False
    """The prompt is a question, to which "n" is a refusal."""


class Interpreter(Protocol):
    """Where lines go."""

    async def execute(self, line: str) -> Reply:
        """Run a line; what can't be done is told in the reply."""
        ...

    async def execute_some(self, lines: Sequence[str], part: Callable[[str], None]) -> Sequence[Reply]:
        """Run the first line, and any after it that nobody has to look between; their replies.

        ``part`` may be given output that comes before the reply does.
        """
        ...

    async def help(self, line: str) -> Help:
        """What may come next after ``line``."""
        ...


@dataclass(slots=True)
class Screen:
    """Where output goes."""

    write: Callable[[str], Awaitable[None]]
    """Returns when the terminal has room for more, so that a slow one is waited for by its own session only."""
    echo: bool = True
    """A terminal; otherwise a pipe, which is neither echoed to nor paged for."""
    width: int = 80
    movable: bool = True
    """It understands cursor movements."""


class Stream:
    """Output on its way to a terminal that may be slow: bounded, what does not fit is left out."""

    def __init__(self) -> None:
        self._parts: asyncio.Queue[str | None] = asyncio.Queue()
        self._held = 0
        self._left_out = 0

    def add(self, text: str) -> None:
        """To be shown; never waits."""
        if self._held + len(text) > MAX_STREAM:
            self._left_out += 1
            return
        self._held += len(text)
        self._parts.put_nowait(text)

    def end(self) -> None:
        """Nothing more comes."""
        self._parts.put_nowait(None)

    async def show(self, write: Callable[[str], Awaitable[None]]) -> None:
        """Write what comes until the end."""
        while (text := await self._parts.get()) is not None:
            self._held -= len(text)
            await write(self._missed() + clean(text))
        await write(self._missed())

    def _missed(self) -> str:
        count, self._left_out = self._left_out, 0
        return f"({count} parts of the output were left out)\n" if count else ""


class Conversation:
    """One session."""

    def __init__(
        self, screen: Screen, inbox: Inbox, interpreter: Interpreter, idle: Callable[[], float] = lambda: 0.0
    ) -> None:
        """``idle`` gives the seconds without input after which the session ends; 0 = never."""
        self._screen, self._inbox, self._interpreter, self._idle = screen, inbox, interpreter, idle
        self._editor = LineEditor(screen.width, screen.movable)
        self._prompt = ""
        self._asked = False
        self._ahead: deque[Reply] = deque()
        """Of lines that have been run along with the one before them and are still to be read."""
        self._news: deque[str] = deque()
        self._missed = 0

    def resize(self, width: int) -> None:
        """The terminal has another width now."""
        self._screen.width = self._editor.width = max(1, width)

    def announce(self, text: str) -> None:
        """Show a message when nothing else is being written; never waits."""
        if len(self._news) >= MAX_NEWS:
            self._news.popleft()
            self._missed += 1
        self._news.append(text)
        self._inbox.poke()

    async def run(self, greeting: str = "") -> None:
        """Talk until the session ends, the terminal is gone, or it has been unused for too long."""
        talk = asyncio.create_task(self._talk(greeting))
        watch = asyncio.create_task(self._watch_idle())
        try:
            await asyncio.wait({talk, watch}, return_when=asyncio.FIRST_COMPLETED)
            if talk.done():
                talk.result()
        finally:
            for task in (talk, watch):
                task.cancel()
            await asyncio.gather(talk, watch, return_exceptions=True)

    async def _talk(self, greeting: str) -> None:
        reply = await self._interpreter.execute("")
        self._prompt = reply.prompt
        await self._screen.write(greeting + self._editor.start(self._prompt))
        while not reply.closed:
            line = await self._read_line()
            if line is None:
                return
            reply = await self._perform(line)
            self._prompt, self._asked = reply.prompt, reply.asks
            if not reply.closed:
                await self._screen.write(self._editor.start(self._prompt))

    async def _watch_idle(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            limit = self._idle()
            left = self._inbox.used + limit - loop.time() if limit else 1.0
            if left <= 0:
                break
            await asyncio.sleep(min(left, 1.0))
        with suppress(TimeoutError):
            # It may be a terminal that takes no more output that is being given up here.
            await asyncio.wait_for(self._screen.write("\nSession unused for too long, closing.\n"), 1.0)

    # ---- a line

    async def _read_line(self) -> str | None:
        """The next line to run; None when there is none any more."""
        output: list[str] = []
        await self._tell()
        while True:
            key = self._inbox.take()
            if key is None:
                await self._echo(output)
                key = await self._inbox.next()
            if key is None:
                return None
            if key == NEWS:
                await self._echo(output)
                await self._tell()
                continue
            effect = self._editor.feed(key)
            output.append(effect.output)
            if effect.wish is None:
                continue
            await self._echo(output)
            line = await self._grant(effect.wish)
            if line is not None:
                return line

    async def _echo(self, output: list[str]) -> None:
        if output and self._screen.echo:
            await self._screen.write("".join(output))
        output.clear()

    async def _grant(self, wish: Wish) -> str | None:
        """Do what a key asked for; the line to run, if that is what it asked for."""
        if wish is Wish.RUN:
            return self._editor.text
        if wish is Wish.END:
            return "end"
        if wish is Wish.LEAVE:
            return "exit"
        if wish is Wish.ABORT and self._asked:
            return "n"
        if wish is Wish.ABORT:
            await self._screen.write(self._editor.start(self._prompt))
        elif wish is Wish.HELP:
            await self._help()
        elif wish is Wish.COMPLETE:
            await self._complete()
        return None

    async def _help(self) -> None:
        found = await self._interpreter.help(self._editor.before_cursor)
        rows = help_text([(each.word, each.help) for each in found.candidates])
        await self._put_out(f"{rows}\n" if rows else found.problem, found.length)
        if self._news:
            await self._tell()
        else:
            await self._screen.write(self._editor.redraw())

    async def _complete(self) -> None:
        begun = begun_word(self._editor.before_cursor)
        found = await self._interpreter.help(self._editor.before_cursor)
        words = [each.word for each in found.candidates if not each.word.startswith("<") and each.word not in ("|", "")]
        words = [word for word in words if word.lower().startswith(begun.lower())]
        if len(words) == 1 and begun:
            await self._screen.write(self._put(begun, words[0] + " "))
            return
        common = common_length([word.lower() for word in words])
        if common > len(begun) > 0:
            await self._screen.write(self._put(begun, words[0][:common]))
        elif words:
            await self._screen.write("\n" + columns(words, self._screen.width) + self._editor.redraw())

    def _put(self, begun: str, word: str) -> str:
        return self._editor.complete_with(word[len(begun) :])

    async def _tell(self) -> None:
        """Show messages above the line."""
        texts = [f"({self._missed} messages were left out)\n"] if self._missed else []
        texts += self._news
        self._news.clear()
        self._missed = 0
        if texts:
            await self._screen.write("\n" + "".join(texts) + self._editor.redraw())

    # ---- what a line gives

    async def _perform(self, line: str) -> Reply:
        """Run a line and show what it gives; Ctrl-C gives both up."""
        task = asyncio.create_task(self._run(line))
        given_up = False

        def give_up() -> None:
            nonlocal given_up
            given_up = True
            task.cancel()
            self._ahead.clear()

        self._inbox.on_interrupt(give_up)
        try:
            return await task
        except asyncio.CancelledError:
            if not given_up or not task.cancelled():
                raise
            await self._screen.write("^C\n")
        finally:
            self._inbox.on_interrupt(None)
            task.cancel()
        return await self._interpreter.execute("")

    async def _run(self, line: str) -> Reply:
        if not self._ahead:
            self._ahead.extend(await self._execute([line, *self._inbox.lines_ahead(_TOGETHER)]))
        reply = self._ahead.popleft()
        await self._put_out(clean(reply.output), reply.length)
        await asyncio.sleep(0)  # a long paste must not keep others from their turn
        return reply

    async def _execute(self, lines: Sequence[str]) -> Sequence[Reply]:
        """Run lines, and show what comes before their replies as it comes."""
        stream = Stream()
        showing = asyncio.create_task(stream.show(self._screen.write))
        try:
            replies = await self._interpreter.execute_some(lines, stream.add)
            stream.end()
            await showing
        finally:
            showing.cancel()
        return replies

    async def _put_out(self, output: str, length: int) -> None:
        if length and self._screen.echo:
            await self._page(output, length)
        else:
            for piece in pieces(output):
                await self._screen.write(piece)

    async def _page(self, output: str, length: int) -> None:
        pager = Pager(output, self._screen.width)
        rows = max(1, length - 1)
        await self._screen.write(pager.take(rows))
        while not pager.done and (more := await self._ask_for_more(rows)):
            await self._screen.write(pager.take(more))

    async def _ask_for_more(self, rows: int) -> int:
        """Rows to show next; 0 = no more."""
        await self._screen.write(MORE)
        amounts = {" ": rows, "f": rows, keys.ENTER: 1, keys.DOWN: 1, **dict.fromkeys(("q", "Q", "^C", "^Z", "^D"), 0)}
        while (key := await self._inbox.next()) is not None and key not in amounts:
            pass
        await self._screen.write("\r" + " " * len(MORE) + "\r")
        return amounts[key] if key is not None else 0


def clean(text: str) -> str:
    """``text`` without what would steer a terminal: names that hosts and managers report are in it."""
    return text.translate(_STEERING)


def begun_word(line: str) -> str:
    """The word that is being written at the end of ``line``; "" between words."""
    return "" if not line or line[-1].isspace() else line.split()[-1]


def common_length(words: Sequence[str]) -> int:
    """Length of what all words begin with."""
    for length, letters in enumerate(zip(*words, strict=False)):
        if len(set(letters)) > 1:
            return length
    return min((len(word) for word in words), default=0)


def help_text(candidates: Sequence[tuple[str, str]]) -> str:
    """Candidates as two columns."""
    width = max((len(word) for word, _ in candidates), default=0)
    return "\n".join(f"  {word.ljust(width)}  {text}".rstrip() for word, text in candidates)


def columns(words: Sequence[str], width: int) -> str:
    """Words beside each other, as many as fit."""
    cell = max(len(word) for word in words) + 2
    count = max(1, width // cell)
    rows = [words[start : start + count] for start in range(0, len(words), count)]
    return "".join("".join(word.ljust(cell) for word in row).rstrip() + "\n" for row in rows)
