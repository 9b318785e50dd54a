"""A fresh engine of either kind, for tests that put frames through it by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.kernel.rig import Switch
from vem.datapath.engine import Engine
from vem.datapath.user import UserEngine

KINDS = [pytest.param("user", id="user"), pytest.param("kernel", id="kernel", marks=pytest.mark.kernel)]
"""Parameters for a fixture."""


@contextmanager
def engine_of(kind: str) -> Iterator[Engine]:
    """Empty; gone afterwards with all it made."""
    if kind == "kernel":
        with Switch("by-hand") as switch:
            yield switch.open()
        return
    engine = UserEngine()
    try:
        yield engine
    finally:
        engine.close()
