"""Filters behind `|`: each takes the text of what came before and gives text (json and xml take the rows instead).

The last may write to a file instead of the screen: `| redirect FILE`, `| append FILE`, or `> FILE` and `>> FILE`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dvswitch.errors import InvalidValue
from vsm.cli.arguments import INVALID
from vsm.cli.grammar import AMBIGUOUS, INCOMPLETE, Candidate, Failure, Word, split
from vsm.cli.report import Report, as_json, as_xml
from vsm.store.bootflash import Bootflash, file_name

MAX_REPETITIONS = 4
"""Unbounded repetitions in an expression."""

Filter = Callable[[list[str]], list[str]]


@dataclass(frozen=True, slots=True)
class FilterKind:
    """A row of the filter table."""

    word: str
    help: str
    make: Callable[[str], Filter]
    """From the argument text (may be empty) to the filter; ValueError if the argument is bad."""
    argument: str = ""
    """Placeholder of the argument; "" = takes none."""
    required: bool = True


def _pattern(text: str) -> re.Pattern[str]:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if _costly(text):
        raise ValueError("Too complex regular expression")
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError("Invalid regular expression") from error


def _costly(expression: str) -> bool:
    """Whether matching might take more than a moment: filters run in the supervisor's only thread.

    Matching explodes when a repeated group can split its text in several ways, and slows down with every repetition.
    """
    bare = re.sub(r"\\.|\[(?:\\.|[^\]])*\]", "x", expression)
    repetitions = len(re.findall(r"[*+]|\{\d*,\}", bare))
    repeated_group = re.search(r"\)[*+{]", bare) is not None
    return repetitions > MAX_REPETITIONS or (repeated_group and (repetitions > 1 or "|" in bare))


def _include(text: str) -> Filter:
    pattern = _pattern(text)
    return lambda lines: [line for line in lines if pattern.search(line)]


def _exclude(text: str) -> Filter:
    pattern = _pattern(text)
    return lambda lines: [line for line in lines if not pattern.search(line)]


def _begin(text: str) -> Filter:
    pattern = _pattern(text)

    def begin(lines: list[str]) -> list[str]:
        start = next((n for n, line in enumerate(lines) if pattern.search(line)), len(lines))
        return lines[start:]

    return begin


def _section(text: str) -> Filter:
    """Matching lines with their deeper-indented children."""
    pattern = _pattern(text)

    def section(lines: list[str]) -> list[str]:
        found: list[str] = []
        depth: int | None = None
        for line in lines:
            indent = len(line) - len(line.lstrip())
            if depth is not None and (not line.strip() or indent <= depth):
                depth = None
            if depth is None and pattern.search(line):
                depth = indent
            if depth is not None:
                found.append(line)
        return found

    return section


def _grep(text: str) -> Filter:
    """``grep [-i] [-v] RE``."""
    words = text.split(" ")
    flags = {word for word in words if word in ("-i", "-v")}
    expression = " ".join(words[len([word for word in words if word in flags]) :])
    if not expression:
        raise ValueError(INCOMPLETE)
    pattern = re.compile(_pattern(expression).pattern, re.IGNORECASE if "-i" in flags else 0)
    return lambda lines: [line for line in lines if bool(pattern.search(line)) != ("-v" in flags)]


def _amount(text: str) -> int:
    found = re.fullmatch(r"(?:-n )?(\d{1,6})", text)
    if not found or int(found[1]) < 1:
        raise ValueError("Invalid number, range is (1-999999)")
    return int(found[1])


def _head(text: str) -> Filter:
    amount = _amount(text or "10")
    return lambda lines: lines[:amount]


def _last(text: str) -> Filter:
    amount = _amount(text or "10")
    return lambda lines: lines[-amount:]


def _word_count(lines: list[str]) -> list[str]:
    counts = (len(lines), sum(len(line.split()) for line in lines), sum(len(line) + 1 for line in lines))
    return ["".join(f"{count:>8}" for count in counts)]


def _file(text: str) -> Filter:
    try:
        file_name(text)
    except InvalidValue as error:
        raise ValueError("Invalid file name") from error
    return lambda lines: lines


_STRUCTURED: dict[str, Callable[[Report], str]] = {
    "json": as_json,
    "json-pretty": lambda report: as_json(report, pretty=True),
    "xml": as_xml,
}
_SINKS = ("append", "redirect")

FILTERS: tuple[FilterKind, ...] = (
    FilterKind("append", "Add the output to a file", _file, "FILE"),
    FilterKind("begin", "Begin with the line that matches", _begin, "LINE"),
    FilterKind("count", "Count number of lines", lambda _: lambda lines: [str(len(lines))]),
    FilterKind("egrep", "Print lines that match", _grep, "LINE"),
    FilterKind("exclude", "Exclude lines that match", _exclude, "LINE"),
    FilterKind("grep", "Print lines that match", _grep, "LINE"),
    FilterKind("head", "Display first lines", _head, "<1-999999>", required=False),
    FilterKind("include", "Include lines that match", _include, "LINE"),
    FilterKind("json", "Output in json format", lambda _: lambda lines: lines),
    FilterKind("json-pretty", "Output in json pretty print format", lambda _: lambda lines: lines),
    FilterKind("last", "Display last lines", _last, "<1-999999>", required=False),
    FilterKind("no-more", "Turn-off pagination for command output", lambda _: lambda lines: lines),
    FilterKind("redirect", "Write the output to a file", _file, "FILE"),
    FilterKind("section", "Show lines that match and the lines indented below them", _section, "LINE"),
    FilterKind("wc", "Count lines, words and characters", lambda _: _word_count),
    FilterKind("xml", "Output in xml format", lambda _: lambda lines: lines),
)
"""The filter table."""


def apply(report: Report, filters: list[Word], files: Bootflash) -> str | Failure:
    """The text after all filters; each filter is what stands between two bars, with its offset in the line."""
    chosen: list[tuple[FilterKind, Filter, str]] = []
    for position, word in enumerate(filters):
        found = _read(word)
        if isinstance(found, Failure):
            return found
        misplaced = position > 0 if found[0].word in _STRUCTURED else word is not filters[-1]
        if (found[0].word in (*_STRUCTURED, *_SINKS) and misplaced) or not _offered(report, found[0]):
            return Failure(INVALID, word.offset)
        chosen.append(found)
    text = report.text
    for kind, change, argument in chosen:
        if kind.word in _STRUCTURED:
            text = _STRUCTURED[kind.word](report)
        elif kind.word in _SINKS:
            write = files.append if kind.word == "append" else files.write
            write(argument, text.encode())
            text = ""
        else:
            text = "".join(f"{line}\n" for line in change(text.splitlines()))
    return text


def unpaged(line: str) -> bool:
    """Whether the line ends in `| no-more`."""
    _, filters = cut(line)
    return bool(filters) and len(filters[-1].text) > 1 and "no-more".startswith(filters[-1].text)


def writes(filters: list[Word]) -> bool:
    """Whether one of the filters writes to a file."""
    return any(not isinstance(found := _read(word), Failure) and found[0].word in _SINKS for word in filters)


def _offered(report: Report, kind: FilterKind) -> bool:
    return report.structured or kind.word not in _STRUCTURED


def cut(line: str) -> tuple[str, list[Word]]:
    """The command of a line and its filters with their offsets; bars within quotes don't count.

    A redirection counts as a filter.
    """
    line, redirection = _redirection(line)
    parts: list[Word] = []
    start = 0
    for at in [*_bars(line), len(line)]:
        piece = line[start:at]
        parts.append(Word(piece.strip(), start + len(piece) - len(piece.lstrip())))
        start = at + 1
    return line[: len(line) if len(parts) == 1 else _bars(line)[0]], parts[1:] + redirection


def _redirection(line: str) -> tuple[str, list[Word]]:
    """The line without ``> FILE`` or ``>> FILE`` at its end, and that as a filter."""
    found = re.search(r"\s(>>?)\s*([^\s>'\"|]+)\s*$", line)
    if not found or line.count("'", 0, found.start()) % 2 or line.count('"', 0, found.start()) % 2:
        return line, []
    word = "append" if found[1] == ">>" else "redirect"
    return line[: found.start()], [Word(f"{word} {found[2]}", found.start(2) - len(word) - 1)]


def candidates(text: str) -> list[Candidate]:
    """What may follow a bar, given what stands behind it so far."""
    words = split(text)
    if len(words) > 1 or (words and text[-1].isspace()):
        kind = next((kind for kind in FILTERS if kind.word == words[0].text), None)
        return [Candidate(kind.argument, "Pattern or number")] if kind and kind.argument and len(words) == 1 else []
    partial = words[0].text if words else ""
    return [Candidate(kind.word, kind.help) for kind in FILTERS if kind.word.startswith(partial)]


def _read(word: Word) -> tuple[FilterKind, Filter, str] | Failure:
    name, _, argument = word.text.partition(" ")
    exact = [kind for kind in FILTERS if kind.word == name]
    kinds = exact or [kind for kind in FILTERS if name and kind.word.startswith(name)]
    if len(kinds) != 1:
        return Failure((AMBIGUOUS if kinds else INVALID) if name else INCOMPLETE, word.offset)
    kind, argument = kinds[0], argument.strip()
    at_argument = word.offset + len(name) + 1
    if argument and not kind.argument:
        return Failure(INVALID, at_argument)
    if kind.argument and kind.required and not argument:
        return Failure(INCOMPLETE, word.offset + len(word.text))
    try:
        return kind, kind.make(argument), argument
    except ValueError as error:
        return Failure(str(error), at_argument)


def _bars(line: str) -> list[int]:
    """Offsets of the bars that separate filters.

    Within the argument of a filter that takes an expression a bar with no blank before it belongs to the expression.
    """
    found: list[int] = []
    quote = ""
    for at, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif found and character in "'\"":
            quote = character
        elif character == "|" and (not found or line[at - 1].isspace()):
            found.append(at)
    return found
