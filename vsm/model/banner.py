"""The text shown before a login (`banner motd #...#`): it stands between two of the same character, on any lines.

Whoever reads lines (a session, a configuration text) asks unfinished() whether the next line belongs to the banner.
"""

from __future__ import annotations

import re

from dvswitch.errors import InvalidValue

MAX_LINES = 40
MAX_LENGTH = 2000
"""Characters."""
_DELIMITERS = "#@^~%$&*+=/"
_BEGINS = re.compile(r"\s*ban(?:n(?:er?)?)?\s+m(?:o(?:td?)?)?\s+(\S)(.*)", re.IGNORECASE | re.DOTALL)


def unfinished(line: str) -> str:
    """The character that is still missing at the end of the banner that ``line`` begins; "" = nothing is missing."""
    found = _BEGINS.fullmatch(line)
    return found[1] if found and found[1] not in found[2] else ""


def read(text: str) -> str:
    """The banner written as ``text``, delimiters and all; InvalidValue."""
    body = text[1:-1]
    if len(text) < 2 or text[-1] != text[0] or text[0] in body:
        raise InvalidValue("banner", "must stand between two of the same character", "write banner motd #TEXT#")
    if not all(line.isprintable() for line in body.split("\n")):
        raise InvalidValue("banner", "has characters that can't be printed")
    if len(body) > MAX_LENGTH or body.count("\n") >= MAX_LINES:
        raise InvalidValue("banner", f"is longer than {MAX_LINES} lines or {MAX_LENGTH} characters")
    if not any(sign not in body for sign in _DELIMITERS):
        raise InvalidValue("banner", f"must leave out one of {_DELIMITERS}")
    return body


def written(body: str) -> str:
    """``body`` between delimiters, as read() reads it."""
    sign = next(sign for sign in _DELIMITERS if sign not in body)
    return f"{sign}{body}{sign}"
