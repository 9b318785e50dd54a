"""The table of rules fails a run that leaves one unshown (tests/coverage_rules.py)."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from tests.coverage_rules import Coverage, not_applicable, titles


def verdict(coverage: Coverage, before: pytest.ExitCode = pytest.ExitCode.OK) -> pytest.ExitCode:
    """The exit status of a run as root."""
    session: Any = SimpleNamespace(exitstatus=before)
    coverage.pytest_sessionfinish(session)
    return pytest.ExitCode(session.exitstatus)


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_a_rule_that_nothing_shows_fails_the_run() -> None:
    shown = {rule: {"a test"} for rule in titles().keys() - not_applicable()}
    assert verdict(Coverage(shown)) is pytest.ExitCode.OK
    rule = min(shown)
    del shown[rule]
    lacking = Coverage(shown)
    assert verdict(lacking) is pytest.ExitCode.TESTS_FAILED
    assert lacking.table()[0].split(", ")[2] == "missing 1"
    assert lacking.problems() == [f"{rule} {titles()[rule]}: no test that passed shows it"]


def test_a_rule_that_does_not_apply_must_not_be_shown() -> None:
    shown = {rule: {"a test"} for rule in titles()}
    assert len(Coverage(shown).problems()) == len(not_applicable()) > 0
    assert verdict(Coverage(shown)) is pytest.ExitCode.TESTS_FAILED
