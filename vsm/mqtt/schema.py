"""The JSON Schema of all published documents, made from their dataclasses: `python -m vsm.mqtt.schema`.

docs/events.schema.json is its output; tests/check compares the two.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from vsm.mqtt.documents import Document

_TYPES: dict[type, str] = {bool: "boolean", int: "integer", str: "string", type(None): "null"}


def schema() -> dict[str, Any]:
    """One definition per document, by the first word of its class's name in small letters: "veth", "event"."""
    definitions = {kind.__name__.removesuffix("Document").lower(): _definition(kind) for kind in get_args(Document)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What a dvswitch supervisor publishes over MQTT",
        "$defs": definitions,
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in definitions],
    }


def _definition(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {
        "type": "object",
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "properties": {
            row.name: {"type": _type(hints[row.name]), "description": row.metadata["help"]} for row in fields(kind)
        },
        "required": [row.name for row in fields(kind)],
        "additionalProperties": False,
    }


def _type(hint: Any) -> str | list[str]:
    found = [_TYPES[each] for each in get_args(hint) or (hint,)]
    return found[0] if len(found) == 1 else found


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
