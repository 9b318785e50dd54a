"""What a show command gives: rows, and the text made from them.

Text for people, JSON and XML for programs come from the same rows, so they can't disagree.  JSON has the shape of NX-OS
(nexus-1000v section 11.4): TABLE_x / ROW_x, a single row as an object, all values strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

RULE = "-" * 80
"""The line above and below column titles."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind.  Rows are dataclasses; a field's JSON key is metadata "key", else its name; a field that is a
    Table, or another such row, stands inside its row."""

    name: str
    """x of TABLE_x."""
    rows: Sequence[Any]
    always: bool = False
    """Whether an empty one has an empty ROW_x; else TABLE_x is empty."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a show command."""

    said: str | Callable[[], str]
    """The text, or what makes it where that takes long: programs ask for the rows only."""
    tables: tuple[Table, ...] = ()
    """Empty: the command has no JSON form."""
    top: Any = None
    """A row whose keys stand at the top level of the JSON object (as in `show version`)."""

    @property
    def text(self) -> str:
        """Lines, each ended by a newline; "" = nothing to show."""
        return self.said if isinstance(self.said, str) else self.said()

    @property
    def structured(self) -> bool:
        """Whether there is a JSON form."""
        return bool(self.tables) or self.top is not None


def data(report: Report) -> dict[str, Any]:
    """The report as JSON data."""
    found: dict[str, Any] = _row(report.top) if report.top is not None else {}
    for table in report.tables:
        found |= _table(table)
    return found


def as_json(report: Report, pretty: bool = False) -> str:
    """The report as JSON text."""
    return json.dumps(data(report), indent=2 if pretty else None) + "\n"


def as_xml(report: Report) -> str:
    """The report as XML text: elements in the place of JSON's keys."""
    text = "\n".join(_elements({"show": data(report)}, ""))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_UNPRINTABLE.sub("?", text)}\n'


def _elements(values: dict[str, Any], indent: str) -> Iterator[str]:
    """Lines; written out here, since a tree of a million elements takes seconds."""
    for key, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if not item:
                yield f"{indent}<{key} />"
            elif isinstance(item, dict):
                yield f"{indent}<{key}>"
                yield from _elements(item, indent + "  ")
                yield f"{indent}</{key}>"
            else:
                yield f"{indent}<{key}>{escape(item)}</{key}>"


_UNPRINTABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML can't hold."""


def lines(*texts: str) -> str:
    """Text of these lines, without trailing blanks."""
    return "".join(text.rstrip() + "\n" for text in texts)


def _row(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, key in _keys(row.__class__):
        value = getattr(row, name)
        if isinstance(value, str):
            found[key] = value
        elif isinstance(value, Table):
            found |= _table(value)
        else:
            found[key] = str(value) if type(value) is int else _row(value) if is_dataclass(value) else _value(value)
    return found


@cache
def _keys(kind: type) -> tuple[tuple[str, str], ...]:
    """(field, key) of a kind of row, once for tens of thousands of them."""
    return tuple((item.name, item.metadata.get("key", item.name)) for item in fields(kind))


def _table(table: Table) -> dict[str, Any]:
    rows = [_row(row) for row in table.rows]
    return {
        f"TABLE_{table.name}": {f"ROW_{table.name}": rows[0] if len(rows) == 1 else rows}
        if rows or table.always
        else {}
    }


def _value(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return ",".join(str(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
