"""Configurations kept beside the one in force: startup-config, checkpoints, and what a timed edit will return to.

They are kept as text (vsm/config/render.py): it outlives changes of the model, and people can read and compare it.
Being part of the State they change in the same transaction as the configuration, so that either both are stored or
neither.  vsm/config/archive.py says what happens to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_CHECKPOINTS = 10


@dataclass(frozen=True, slots=True)
class Saved:
    """A configuration as it was at some time."""

    text: str
    time: float
    """Unix time of saving."""
    user: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """An edit that will be taken back unless somebody confirms it."""

    text: str
    """The configuration to return to."""
    deadline: float
    """Unix time: it counts on while the supervisor is down."""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """What is kept."""

    startup: Saved | None = None
    """None: nothing was ever saved.  With empty text: erased."""
    pending: Pending | None = None
    checkpoints: Mapping[str, Saved] = field(default_factory=dict)
    """By name."""
