"""Syntax strings of the command table, compiled.

    switchport trunk allowed vlan {<vlans:vlan-list> | add <vlans:vlan-list> | all | none}

Words are keywords, ``<name:type>`` an argument (types: vsm/cli/arguments.py), ``{a | b}`` a choice, ``[x]`` an option,
``[a | b]*`` options in any order, as often as one likes.
The result is a position automaton: each keyword or argument of the string is a position, and `after` says which
positions may follow which.  vsm/cli/grammar.py walks the automata of all commands of a mode side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from vsm.cli.arguments import ArgumentType, argument_type

START = -1
"""The position before the first word."""
_TOKEN = re.compile(r"\s*([{}\[\]|]|<[^>]+>|[^\s{}\[\]|<>]+)")


@dataclass(frozen=True, slots=True)
class Keyword:
    """A fixed word."""

    word: str


@dataclass(frozen=True, slots=True)
class Argument:
    """A value to be given."""

    name: str
    type: ArgumentType


Element = Keyword | Argument


@dataclass(slots=True)
class Syntax:
    """A compiled syntax string."""

    text: str
    elements: list[Element] = field(default_factory=list)
    after: dict[int, list[int]] = field(default_factory=lambda: {START: []})
    """Positions that may follow a position, in the order of the text."""
    final: set[int] = field(default_factory=set)
    """Positions at which the command may end."""

    def words(self) -> list[str]:
        """All keywords in it."""
        return [element.word for element in self.elements if isinstance(element, Keyword)]


@dataclass(frozen=True, slots=True)
class _Part:
    """First and last positions of a part of the string, and whether the part may be left out."""

    first: list[int]
    last: list[int]
    empty: bool


def compile_syntax(text: str) -> Syntax:
    """Compile ``text``; ValueError for one that is malformed."""
    syntax = Syntax(text)
    tokens = list(_tokens(text))
    part = _sequence(tokens, syntax)
    if tokens:
        raise ValueError(f"unexpected '{tokens[0]}' in syntax '{text}'")
    syntax.after[START] = part.first
    syntax.final = set(part.last) | ({START} if part.empty else set())
    return syntax


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if not found:
            raise ValueError(f"malformed syntax '{text}'")
        yield found[1]
        at = found.end()


def _sequence(tokens: list[str], syntax: Syntax) -> _Part:
    whole = _Part([], [], True)
    while tokens and tokens[0] not in "|}]":
        whole = _join(whole, _one(tokens, syntax), syntax)
    return whole


def _join(left: _Part, right: _Part, syntax: Syntax) -> _Part:
    for position in left.last:
        known = syntax.after[position]
        known += [follower for follower in right.first if follower not in known]
    first = left.first + right.first if left.empty else left.first
    last = left.last + right.last if right.empty else right.last
    return _Part(first, last, left.empty and right.empty)


def _one(tokens: list[str], syntax: Syntax) -> _Part:
    token = tokens.pop(0)
    if token == "{":
        return _choice(tokens, syntax, "}")
    if token == "[":
        part = _choice(tokens, syntax, "]")
        return _repeated(tokens, _Part(part.first, part.last, True), syntax)
    position = len(syntax.elements)
    syntax.elements.append(_element(token))
    syntax.after[position] = []
    return _Part([position], [position], False)


def _repeated(tokens: list[str], part: _Part, syntax: Syntax) -> _Part:
    if tokens and tokens[0] == "*":
        tokens.pop(0)
        _join(part, part, syntax)
    return part


def _choice(tokens: list[str], syntax: Syntax, end: str) -> _Part:
    parts = [_sequence(tokens, syntax)]
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        parts.append(_sequence(tokens, syntax))
    if not tokens or tokens.pop(0) != end:
        raise ValueError(f"'{end}' is missing in syntax '{syntax.text}'")
    return _Part(
        [position for part in parts for position in part.first],
        [position for part in parts for position in part.last],
        any(part.empty for part in parts),
    )


def _element(token: str) -> Element:
    if not token.startswith("<"):
        return Keyword(token)
    name, _, kind = token[1:-1].partition(":")
    return Argument(name, argument_type(kind or name))
