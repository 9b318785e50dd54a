"""Who says what: interface > its profile > the profile's parents > the switch's own lines > DEFAULTS (nexus-1000v
section 3.2, S-017)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from vsm.model.settings import DEFAULTS, Settings
from vsm.model.state import MAX_CHAIN, Config, PortProfile

ATTRIBUTES = tuple(field.name for field in fields(Settings))
"""Names of the inheritable attributes, in declaration order."""


def overlay(layers: Iterable[Settings]) -> Settings:
    """Attribute by attribute the first layer that says something."""
    said: dict[str, object] = {}
    for layer in layers:
        for name in ATTRIBUTES:
            value = getattr(layer, name)
            if value is not None:
                said.setdefault(name, value)
    return Settings(**said)  # type: ignore[arg-type]


def chain(config: Config, profile: str) -> list[PortProfile]:
    """The profile and its ancestors, nearest first.  Stops at a missing parent and after MAX_CHAIN levels."""
    found: list[PortProfile] = []
    while profile and len(found) < MAX_CHAIN and (level := config.profiles.get(profile)):
        found.append(level)
        profile = level.inherit
    return found


def said(config: Config, profile: str, own: Settings | None = None) -> Settings:
    """What somebody in the chain says; None where nobody does."""
    layers = [level.settings for level in chain(config, profile)]
    return overlay([own, *layers] if own else layers)


def effective(config: Config, profile: str, own: Settings | None = None) -> Settings:
    """What holds on a port of ``profile`` with the overrides ``own``: no attribute is None."""
    if own:
        return overlay([said(config, profile, own), config.port_defaults, DEFAULTS])
    known = _known[0]
    if known[0] is not config:
        known = _known[0] = (config, {})
    if profile not in known[1]:
        known[1][profile] = overlay([said(config, profile), config.port_defaults, DEFAULTS])
    return known[1][profile]


_known: list[tuple[Config, dict[str, Settings]]] = [(Config(), {})]
"""Of the configuration asked about last, what its profiles come to: a configuration never changes, and thousands of
ports ask about a few profiles."""
