"""Lines against the command table: parsing, abbreviation, errors with a caret, and what may come next.

All commands of a mode are walked side by side, word by word.  An exact keyword beats everything; else arguments that
accept the word and keywords that it abbreviates go on together, and it is ambiguous when it abbreviates two keywords.
Commands of the parent modes work too (vsm.cli.command.PARENTS): the innermost mode that understands the line wins, and
when none does the error of the one that got furthest is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vsm.cli.arguments import INVALID, Mismatch
from vsm.cli.command import PARENTS, Command, Form, Mode
from vsm.cli.syntax import START, Argument, Element, Keyword, Syntax, compile_syntax
from vsm.cli.words import WORDS
from vsm.model.state import State

AMBIGUOUS = "Ambiguous command"
INCOMPLETE = "Incomplete command"
FORM_HELP = {Form.NO: "Negate a command or set its defaults", Form.DEFAULT: "Set a command to its defaults"}
CR = "<CR>"
Allowed = Callable[[Command, Sequence[str | None], bool], bool]
"""Whether a command may be given that begins with these words, or (True) is no more than these; None is a value that is
not known yet."""
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the line and where it starts."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Variant:
    """A command in one of its forms."""

    command: Command
    form: Form
    syntax: Syntax


@dataclass(frozen=True, slots=True)
class Match:
    """A line understood."""

    command: Command
    form: Form
    words: tuple[str, ...]
    args: Mapping[str, Any]
    exact: bool
    """The first word was given in full."""
    said: tuple[str, ...] = ()
    """The whole command in order: keywords in full, values as they were typed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A line not understood: the caret goes under ``offset``."""

    message: str
    offset: int

    @property
    def rank(self) -> tuple[int, bool, bool]:
        """Order of failures: the one that got furthest says most, and at the same place the more precise one."""
        return (self.offset, self.message == AMBIGUOUS, self.message != INVALID)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may come next, with a line of help."""

    word: str
    help: str


@dataclass(frozen=True, slots=True)
class _Path:
    """How far into a variant the line has been followed."""

    variant: Variant
    at: int = START
    words: tuple[str, ...] = ()
    args: tuple[tuple[str, Any], ...] = ()
    said: tuple[str, ...] = ()

    def next(self) -> Iterator[tuple[int, Element]]:
        """The positions that may follow."""
        syntax = self.variant.syntax
        return ((position, syntax.elements[position]) for position in syntax.after[self.at])

    def keyword(self, position: int, word: str) -> _Path:
        return _Path(self.variant, position, (*self.words, word), self.args, (*self.said, word))

    def argument(self, position: int, name: str, value: Any, text: str) -> _Path:
        return _Path(self.variant, position, self.words, (*self.args, (name, value)), (*self.said, text))

    @property
    def complete(self) -> bool:
        return self.at in self.variant.syntax.final

    def allowed(self, ask: Allowed | None, whole: bool = False) -> bool:
        """Whether the command may be given if it goes on from here; what can only follow is taken as said."""
        if ask is None:
            return True
        begun: list[str | None] = list(self.said if self.variant.form is Form.SET else self.said[1:])
        at, syntax = self.at, self.variant.syntax
        while not whole and at not in syntax.final and len(syntax.after[at]) == 1:
            at = syntax.after[at][0]
            element = syntax.elements[at]
            begun.append(element.word if isinstance(element, Keyword) else None)
        return ask(self.variant.command, begun, whole)

    def help(self, element: Element) -> str:
        """One line about the element."""
        command = self.variant.command
        if isinstance(element, Argument):
            return command.words.get(f"<{element.name}>", element.type.help)
        if self.at == START and self.variant.form is not Form.SET:
            return FORM_HELP[self.variant.form]
        return command.words.get(element.word) or WORDS[element.word]


class Grammar:
    """The command table, ready to parse."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._variants: dict[Mode, list[Variant]] = {mode: [] for mode in Mode}
        for command in commands:
            for variant in _variants(command):
                for mode in command.modes:
                    self._variants[mode].append(variant)
        self._by_word: dict[tuple[Mode, str], list[Variant]] = {}
        """What _beginning() found: most lines of a long text begin with one of few words."""

    def parse(self, mode: Mode, line: str, beside: Mode | None = None) -> Match | Failure:
        """Understand a line in a mode; ``beside`` is a mode whose commands work, too."""
        words = split(line)
        failures: list[Failure] = []
        layers = tuple(_layers(mode, beside))
        for layer in layers:
            result = self._match(layer, words, line)
            if isinstance(result, Failure):
                failures.append(result)
            elif self._shadows(layers, words, result):
                return Failure(AMBIGUOUS, words[0].offset)
            else:
                return result
        # What an inner mode finds ambiguous must not be taken for the beginning of an outer mode's command.
        doubtful = [failure for failure in failures if words and failure == Failure(AMBIGUOUS, words[0].offset)]
        return doubtful[0] if doubtful else max(failures, key=lambda failure: failure.rank)

    def candidates(
        self, mode: Mode, line: str, state: State, beside: Mode | None = None, allowed: Allowed | None = None
    ) -> list[Candidate]:
        """What may come next at the end of ``line``: words beginning with its last word, or the next words.

        ``allowed`` tells for a command whether it may be given if it begins like this; None = they all may.
        """
        words = split(line)
        partial = words.pop().text if words and not line[-1].isspace() else ""
        found: dict[str, str] = {}
        for layer in _layers(mode, beside):
            paths = self._walk(layer, words, line)
            if not isinstance(paths, Failure):
                for path in paths:
                    _offer(path, partial, bool(words), state, found, allowed)
        candidates = [Candidate(word, text) for word, text in found.items() if word != CR]
        end = [Candidate(CR, found[CR])] if CR in found else []
        return sorted(candidates, key=_candidate_order) + end

    def _match(self, mode: Mode, words: list[Word], line: str) -> Match | Failure:
        paths = self._walk(mode, words, line)
        if isinstance(paths, Failure):
            return paths
        done = [path for path in paths if path.complete]
        if not done:
            return Failure(INCOMPLETE, len(line.rstrip()))
        path = done[0]
        exact = bool(path.words) and words[0].text.lower() == path.words[0].lower()
        words_said = path.words if path.variant.form is Form.SET else path.words[1:]
        return Match(path.variant.command, path.variant.form, words_said, dict(path.args), exact, path.said)

    def _shadows(self, layers: Iterable[Mode], words: list[Word], match: Match) -> bool:
        """Whether a single abbreviated word also begins another keyword in another mode in reach.

        `sh` in interface mode could be `shutdown` or `show`: too dangerous to guess.
        """
        if len(words) > 1 or match.exact:
            return False
        starts = {
            element.word
            for other in layers
            for variant in self._variants[other]
            for _, element in _Path(variant).next()
            if isinstance(element, Keyword) and _abbreviates(words[0].text, element.word)
        }
        return len(starts) > 1

    def _beginning(self, mode: Mode, words: list[Word]) -> list[Variant]:
        """The commands of a mode that the first word may begin; all of them when it begins none."""
        if not words:
            return self._variants[mode]
        word = words[0].text.lower()
        found = self._by_word.get((mode, word))
        if found is None:
            found = [variant for variant in self._variants[mode] if _may_begin(variant, word)] or self._variants[mode]
            if len(self._by_word) < _REMEMBERED:
                self._by_word[mode, word] = found
        return found

    def _walk(self, mode: Mode, words: list[Word], line: str) -> list[_Path] | Failure:
        paths = [_Path(variant) for variant in self._beginning(mode, words)]
        for word in words:
            step = _step(paths, word, line)
            if isinstance(step, Failure):
                return step
            paths, rest = step
            if rest:
                break
        return paths


def _may_begin(variant: Variant, word: str) -> bool:
    elements = (variant.syntax.elements[position] for position in variant.syntax.after[START])
    return any(isinstance(element, Argument) or _abbreviates(word, element.word) for element in elements)


def split(line: str) -> list[Word]:
    """The words of a line."""
    return [Word(found[0], found.start()) for found in re.finditer(r"\S+", line)]


def _variants(command: Command) -> Iterator[Variant]:
    yield Variant(command, Form.SET, compile_syntax(command.syntax))
    if command.no is None:
        return
    if command.undo:
        yield Variant(command, Form.NO, compile_syntax(f"no {command.no}"))
    if command.reset or command.undo:
        yield Variant(command, Form.DEFAULT, compile_syntax(f"default {command.no}"))


def _layers(mode: Mode | None, beside: Mode | None = None) -> Iterator[Mode]:
    while mode is not None:
        if mode is Mode.EXEC and beside:
            yield beside
        yield mode
        mode = PARENTS.get(mode)


def _abbreviates(text: str, keyword: str) -> bool:
    return keyword.lower().startswith(text.lower())


def _step(paths: list[_Path], word: Word, line: str) -> tuple[list[_Path], bool] | Failure:
    """Follow one word: the paths that go on, and whether it took the rest of the line."""
    exact: list[_Path] = []
    prefix: dict[str, list[_Path]] = {}
    argument: list[_Path] = []
    took_rest = False
    messages: list[str] = []
    for path in paths:
        for position, element in path.next():
            if isinstance(element, Keyword):
                if element.word.lower() == word.text.lower():
                    exact.append(path.keyword(position, element.word))
                elif _abbreviates(word.text, element.word):
                    prefix.setdefault(element.word, []).append(path.keyword(position, element.word))
                continue
            try:
                text = line[word.offset :].rstrip() if element.type.rest else word.text
                argument.append(path.argument(position, element.name, element.type.parse(text), text))
                took_rest = took_rest or element.type.rest
            except Mismatch as mismatch:
                messages.append(mismatch.message)
    if exact:
        return exact, False
    if len(prefix) == 1 or (prefix and argument):
        shortened = next(iter(prefix.values())) if len(prefix) == 1 else []
        return argument + shortened, took_rest
    if argument:
        return argument, took_rest
    if prefix:
        return Failure(AMBIGUOUS, word.offset)
    return _no_way(paths, word, messages)


def _no_way(paths: list[_Path], word: Word, messages: list[str]) -> Failure:
    """Nothing fits: say what was wrong with the value, or point at the first character that fits nothing."""
    telling = [message for message in messages if message != INVALID]
    if telling:
        return Failure(telling[0], word.offset)
    keywords = [element.word for path in paths for _, element in path.next() if isinstance(element, Keyword)]
    fits = max((_common(word.text, keyword) for keyword in keywords), default=0)
    return Failure(INVALID, word.offset + fits)


def _common(text: str, keyword: str) -> int:
    """Length of the common beginning."""
    length = 0
    for a, b in zip(text.lower(), keyword.lower(), strict=False):
        if a != b:
            break
        length += 1
    return length


def _offer(
    path: _Path, partial: str, begun: bool, state: State, found: dict[str, str], allowed: Allowed | None
) -> None:
    """Add what may follow ``path`` and begins with ``partial``."""
    if path.complete and not partial and begun and path.allowed(allowed, whole=True):
        found.setdefault(CR, path.variant.command.help)
    for position, element in path.next():
        text = path.help(element)
        if isinstance(element, Keyword):
            if _abbreviates(partial, element.word) and path.keyword(position, element.word).allowed(allowed):
                found.setdefault(element.word, text)
            continue
        if not path.allowed(allowed):
            continue
        known = [word for word in element.type.known(state) if word.startswith(partial)] if element.type.known else []
        if not partial or (not known and _accepts(element, partial)):
            found.setdefault(element.type.placeholder, text)
        for word in known:
            if path.argument(position, element.name, word, word).allowed(allowed):
                found.setdefault(word, text)


def _accepts(element: Argument, text: str) -> bool:
    try:
        element.type.parse(text)
    except Mismatch:
        return False
    return True


def _candidate_order(candidate: Candidate) -> tuple[bool, str]:
    return (not candidate.word.startswith("<"), candidate.word.lower())
