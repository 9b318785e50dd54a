"""From what a module holds to what it should hold: the least list of changes, in an order that is always safe.

Additions run bottom-up (switch, policies, then the uplinks and ports that refer to them), removals top-down, so that
nothing ever refers to what is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from vsm.model.niv import HostMode
from vsm.policy.wanted import PolicySpec, PortSpec, SwitchSpec, UplinkSpec, Wanted


@dataclass(frozen=True, slots=True)
class SetSwitch:
    """Whole-switch settings are new or different."""

    switch: SwitchSpec


@dataclass(frozen=True, slots=True)
class SetMode:
    """Who switches the module's frames is different; one that holds nothing is in the default mode."""

    mode: HostMode


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """A policy is new or different."""

    policy: PolicySpec


@dataclass(frozen=True, slots=True)
class SetUplink:
    """An uplink is new or different."""

    uplink: UplinkSpec


@dataclass(frozen=True, slots=True)
class SetPort:
    """A port is new or different."""

    port: PortSpec


@dataclass(frozen=True, slots=True)
class RemovePort:
    """The port is no longer wanted here."""

    veth: int


@dataclass(frozen=True, slots=True)
class RemoveUplink:
    """The uplink is no longer known."""

    number: int


@dataclass(frozen=True, slots=True)
class RemovePolicy:
    """Nothing here refers to the policy any more."""

    policy: int


WantedChange = SetSwitch | SetMode | SetPolicy | SetUplink | SetPort | RemovePort | RemoveUplink | RemovePolicy

_Spec = TypeVar("_Spec")


def difference(old: Wanted | None, new: Wanted) -> list[WantedChange]:
    """What turns ``old`` (None: a module that holds nothing) into ``new``; empty when they are equal."""
    changes: list[WantedChange] = []
    if old is None or old.switch != new.switch:
        changes.append(SetSwitch(new.switch))
    before = old or Wanted(new.switch)
    if before.mode != new.mode:
        changes.append(SetMode(new.mode))
    changes += map(SetPolicy, _changed(before.policies, new.policies))
    changes += map(SetUplink, _changed(before.uplinks, new.uplinks))
    changes += map(SetPort, _changed(before.ports, new.ports))
    changes += map(RemovePort, _gone(before.ports, new.ports))
    changes += map(RemoveUplink, _gone(before.uplinks, new.uplinks))
    changes += map(RemovePolicy, _gone(before.policies, new.policies))
    return changes


def _changed(old: Mapping[int, _Spec], new: Mapping[int, _Spec]) -> Iterator[_Spec]:
    return (spec for key, spec in sorted(new.items()) if old.get(key) != spec)


def _gone(old: Mapping[int, _Spec], new: Mapping[int, _Spec]) -> list[int]:
    return sorted(old.keys() - new.keys())
