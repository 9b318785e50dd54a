"""Runs every row on every back end there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rows.backend import Backend, BackendKind, backends
from tests.rows.catalogue import ROWS
from tests.rows.row import Row, run_row

_KINDS = list(backends())


@pytest.fixture(scope="module", params=[pytest.param(kind, id=kind.name, marks=kind.marks) for kind in _KINDS])
def running(request: pytest.FixtureRequest) -> Iterator[tuple[BackendKind, Backend]]:
    """One engine for all rows: each row must find empty tables, and leave them."""
    kind: BackendKind = request.param
    backend: Backend = kind.open()
    yield kind, backend
    backend.close()


def suits(row: Row, kind: BackendKind) -> bool:
    """Whether the back end can put these frames in."""
    if row.needs_gso and not kind.supports_gso:
        return False
    if row.shows_service_tags and not kind.service_tags:
        return False
    return kind.engine in row.engines and (kind.short_frames or not row.needs_short_frames)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row: Row, running: tuple[BackendKind, Backend]) -> None:
    kind, backend = running
    if not suits(row, kind):
        pytest.skip(f"not for {kind.name}")
    run_row(backend, row)


def test_there_are_enough_rows_and_each_cites_a_rule() -> None:
    assert len(ROWS) >= 70
    assert all(row.rules and all(rule.startswith(("S-", "G")) for rule in row.rules) for row in ROWS)
    assert len({row.id for row in ROWS}) == len(ROWS)
