"""Reads options of the form "3,mode=trunk,allowed=1,10-20": a number, then words; used by guests and the switch."""

from __future__ import annotations

import re
from collections.abc import Collection

from dvswitch.errors import InvalidValue

_KEY = re.compile(r"[a-z_]+")


def parse_pairs(
    subject: str, text: str, required: Collection[str], optional: Collection[str]
) -> tuple[int, dict[str, str]]:
    """The number and the words; InvalidValue for unknown, doubled or missing ones.

    A piece without "=" continues the value before it, so that values may hold commas ("allowed=1,10-20").
    """
    head, *pieces = text.split(",")
    if not head.isdecimal():
        raise InvalidValue(f"{subject} '{text}'", "does not begin with its number")
    pairs: dict[str, str] = {}
    last = ""
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if equals and _KEY.fullmatch(key):
            if key in pairs:
                raise InvalidValue(f"{subject} {head}", f"'{key}' is said twice")
            last, pairs[key] = key, value
        elif last:
            pairs[last] += f",{piece}"
        else:
            raise InvalidValue(f"{subject} {head}", f"'{piece}' is no key=value")
    _check_keys(f"{subject} {head}", pairs, required, optional)
    return int(head), pairs


def _check_keys(subject: str, pairs: Collection[str], required: Collection[str], optional: Collection[str]) -> None:
    known = (*required, *optional)
    for key in pairs:
        if key not in known:
            raise InvalidValue(subject, f"'{key}' is unknown", f"use {', '.join(known)}")
    for key in required:
        if key not in pairs:
            raise InvalidValue(subject, f"'{key}' is missing")
