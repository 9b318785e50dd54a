"""Which line of the configuration says what holds on a port: for modules, which name it when a frame is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cache

from vsm.cli.tables import guards, mobility
from vsm.cli.tables.settings import SETTINGS
from vsm.model.settings import DEFAULTS, Settings
from vsm.model.state import Config

_SWITCH_WIDE = (*guards.SWITCH_WIDE, mobility.SWITCH_WIDE)
_TOGETHER = {"mac_limit": ("mac_limit", "mac_limit_allow"), "pin": ("pin", "pin_backup")}
"""Attributes that one line says."""


@dataclass(frozen=True, slots=True)
class SaidLine:
    """A line and where it stands."""

    setting: str
    """The attribute of Settings that it says."""
    where: str
    """ "port-profile web", "interface Vethernet3"; "" = on its own, for the whole switch."""
    text: str


@dataclass(frozen=True, slots=True)
class _Bare:
    settings: Settings


def said_lines(layers: Iterable[tuple[str, Settings]]) -> list[SaidLine]:
    """The line in force for each attribute that any layer says; the nearest layer comes first, "" is the switch."""
    found: dict[str, SaidLine] = {}
    for where, layer in layers:
        for name in _lines():
            if name not in found and getattr(layer, name) is not None:
                found[name] = SaidLine(name, where, line_of(name, layer, switch_wide=not where))
    return list(found.values())


def default_lines() -> dict[str, str]:
    """What holds where nobody says anything, as lines, by attribute."""
    return {name: line_of(name, DEFAULTS) for name in _lines()}


def line_of(name: str, settings: Settings, switch_wide: bool = False) -> str:
    """The line that says this attribute's value, as the running configuration has it."""
    together = {item: getattr(settings, item) for item in _TOGETHER.get(name, (name,))}
    said = Settings(**together)
    if switch_wide:
        return next(line for row in _SWITCH_WIDE if row.render for line in row.render(Config(port_defaults=said)))
    return next(iter(_lines()[name](_Bare(said))))


@cache
def _lines() -> dict[str, Callable[[_Bare], Iterator[str]]]:
    """By attribute the row's render; attributes that are only said beside another have none."""
    rows: dict[str, Callable[[_Bare], Iterator[str]]] = {}
    for item in fields(Settings):
        for row in SETTINGS:
            alone = Settings(**{item.name: getattr(DEFAULTS, item.name)})
            if row.render and any(True for _ in row.render(_Bare(alone))):
                rows[item.name] = row.render  # type: ignore[assignment]
    return rows
