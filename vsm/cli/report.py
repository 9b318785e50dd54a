"""What a show command gives: rows, and the text made from them.

Text for people, JSON and XML for programs come from the same rows, so they can't disagree.  JSON has the shape of NX-OS
(nexus-1000v section 11.4): TABLE_x / ROW_x, a single row as an object, all values strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any
from xml.etree import ElementTree

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

    text: str
    """Lines, each ended by a newline; "" = nothing to show."""
    tables: tuple[Table, ...] = ()
    """Empty: the command has no JSON form."""
    top: Any = None
    """A row whose keys stand at the top level of the JSON object (as in `show version`)."""

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
    root = ElementTree.Element("show")
    _elements(root, data(report))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _elements(parent: ElementTree.Element, values: dict[str, Any]) -> None:
    for key, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            element = ElementTree.SubElement(parent, key)
            if isinstance(item, dict):
                _elements(element, item)
            else:
                element.text = _UNPRINTABLE.sub("?", item)


_UNPRINTABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML can't hold."""


def lines(*texts: str) -> str:
    """Text of these lines, without trailing blanks."""
    return "".join(text.rstrip() + "\n" for text in texts)


def _row(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in fields(row):
        value = getattr(row, item.name)
        if isinstance(value, Table):
            found |= _table(value)
        else:
            found[item.metadata.get("key", item.name)] = _row(value) if is_dataclass(value) else _value(value)
    return found


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
