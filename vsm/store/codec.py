"""Model values to and from plain JSON data, driven by the dataclasses' own annotations.

The store (vsm/store/sqlite.py) keeps one JSON text per object; this file is all it knows about their shape, so a field
added to the model with a default needs no change here and old stores still load.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet

Json = Any
"""What json.loads returns."""

_TEXT_TYPES: dict[type, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    MacAddress: (str, MacAddress.parse),
    VlanSet: (str, lambda text: VlanSet.parse(text, lowest=0)),
}
_PLAIN_TYPES = (int, str, float, bool)


def encode(value: Any) -> Json:
    """``value`` as JSON data; unset defaults are left out of dataclasses, so equal values give equal data."""
    kind = cast("Any", type(value))
    return _encoder(kind)(value)


@cache
def _encoder(kind: type) -> Callable[[Any], Json]:
    """The encoder of one type.  Everybody who moves or is counted waits for these, so nothing is looked up twice."""
    if kind in _TEXT_TYPES:
        return _TEXT_TYPES[kind][0]
    if issubclass(kind, Enum):
        return lambda value: value.value
    if is_dataclass(kind):
        return _dataclass_encoder(kind)
    if issubclass(kind, Mapping):
        return lambda value: [[encode(key), encode(item)] for key, item in sorted(value.items())]
    if issubclass(kind, tuple | list):
        return lambda value: [encode(item) for item in value]
    if issubclass(kind, bool | int | float | str | types.NoneType):
        return lambda value: value
    raise InvalidValue("stored value", f"type {kind.__name__} has no stored form")


def _dataclass_encoder(kind: Any) -> Callable[[Any], Json]:
    """Of the fields that differ from their defaults."""
    known = [(item.name, item.default) for item in fields(kind)]

    def told(value: Any) -> Json:
        found = {}
        for name, default in known:
            here = getattr(value, name)
            if here is default or (default is not MISSING and here == default):
                continue
            found[name] = here if type(here) in _PLAIN_TYPES else encode(here)
        return found

    return told


def decode(kind: Any, data: Json) -> Any:
    """The value of annotated type ``kind`` that ``data`` stands for; InvalidValue if it can't be one."""
    try:
        return _decoder(kind)(data)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvalidValue("stored value", f"is no {kind}: {error}") from error


@cache
def hints(kind: type) -> dict[str, Any]:
    """Resolved annotations of a dataclass's fields, in field order."""
    known = get_type_hints(kind)
    return {item.name: known[item.name] for item in fields(kind)}


@cache
def _decoder(kind: Any) -> Callable[[Json], Any]:
    """The decoder of one annotated type."""
    origin, args = get_origin(kind), get_args(kind)
    if kind in _TEXT_TYPES:
        return _TEXT_TYPES[kind][1]
    if origin in (Union, types.UnionType):
        return _optional(args)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(*args)
    if origin is tuple:
        return _tuple(args)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if is_dataclass(kind):
        return _dataclass(kind)
    if kind in (bool, int, float, str):
        return _plain(kind)
    raise InvalidValue("stored value", f"type {kind} has no stored form")


def _plain(kind: type) -> Callable[[Json], Any]:
    def read(data: Json) -> Any:
        if type(data) is not kind and not (kind is float and type(data) is int):
            raise TypeError(f"{data!r} is not {kind.__name__}")
        return data

    return read


def _optional(args: tuple[Any, ...]) -> Callable[[Json], Any]:
    inner = [item for item in args if item is not types.NoneType]
    if len(inner) != 1 or len(args) != 2:
        raise InvalidValue("stored value", f"a choice of {args} has no stored form")
    read = _decoder(inner[0])
    return lambda data: None if data is None else read(data)


def _mapping(key: Any, item: Any) -> Callable[[Json], Any]:
    read_key, read_item = _decoder(key), _decoder(item)
    return lambda data: {read_key(k): read_item(v) for k, v in data}


def _tuple(args: tuple[Any, ...]) -> Callable[[Json], Any]:
    if len(args) == 2 and args[1] is Ellipsis:
        read = _decoder(args[0])
        return lambda data: tuple(read(item) for item in data)
    readers = [_decoder(arg) for arg in args]
    return lambda data: tuple(read(item) for read, item in zip(readers, data, strict=True))


def _dataclass(kind: Any) -> Callable[[Json], Any]:
    def read(data: Json) -> Any:
        readers = _field_decoders(kind)
        return kind(**{name: readers[name](item) for name, item in data.items()})

    return read


@cache
def _field_decoders(kind: Any) -> dict[str, Callable[[Json], Any]]:
    """Decoders by field name; looked up late, so that a type may refer to itself."""
    return {name: _decoder(hint) for name, hint in hints(kind).items()}
