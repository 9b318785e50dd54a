"""What `show running-config all` adds: the defaults that hold because nobody in the chain says anything."""

from __future__ import annotations

from vsm.model.settings import DEFAULTS, ChannelMode, Settings
from vsm.model.state import Config, ProfileType
from vsm.policy.check_settings import GUESTS_ONLY
from vsm.policy.inherit import ATTRIBUTES

_UPLINKS_ONLY = ("cdp", "mtu", "channel")
_NO_LINE = {"channel": ChannelMode.NONE}
"""Defaults that no line says."""
_BESIDE = {"mac_limit_allow": "mac_limit", "pin_backup": "pin"}
"""Attributes that are only ever said together with another."""


def with_defaults(config: Config, own: Settings, inherited: Settings, kind: ProfileType) -> Settings:
    """``own`` and the defaults of what neither it nor ``inherited`` says."""
    found: dict[str, object] = {}
    for name in ATTRIBUTES:
        value = getattr(own, name)
        if value is None and getattr(inherited, _BESIDE.get(name, name)) is None and _applies(name, kind):
            switch_wide = getattr(config.port_defaults, name)
            value = getattr(DEFAULTS, name) if switch_wide is None else switch_wide
            value = None if name in _NO_LINE and _NO_LINE[name] == value else value
        found[name] = value
    return Settings(**found)  # type: ignore[arg-type]


def _applies(name: str, kind: ProfileType) -> bool:
    return name not in (_UPLINKS_ONLY if kind is ProfileType.VETHERNET else GUESTS_ONLY)
