"""Which rules the tests of a run have shown: a table at the end of `make test`, and a failure if one is missing.

A test says which rules it shows in one of three ways: `@pytest.mark.rules("S-120", "S-121")`, numbers in its own text
(docstring, or the remark behind an assertion), or a parameter with a field `rules` (packet rows).  Only tests that ran
and passed count.

    tests/rules.txt             every rule: number and title
    docs/semantics.md           rules that don't apply, in the table "Rules that do not apply", with the reason

The check is made with --rules, for runs of the whole suite; a run of a part can't know what is missing.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RULES = HERE / "rules.txt"
SEMANTICS = HERE.parent / "docs" / "semantics.md"
NUMBER = re.compile(r"\bS-\d{3}[a-f]?\b")
NOT_APPLICABLE = "## Rules that do not apply"
COLUMNS = 10
CITES = "cites"
"""Attribute of a report."""


def titles() -> dict[str, str]:
    """Every rule that must be shown."""
    lines = (line.split(maxsplit=1) for line in RULES.read_text().splitlines() if line)
    return {line[0]: line[1] for line in lines}


def not_applicable() -> set[str]:
    """First cells of the table's rows."""
    _, _, section = SEMANTICS.read_text().partition(NOT_APPLICABLE)
    rows = (line.split("|")[1] for line in section.partition("\n## ")[0].splitlines() if line.startswith("| S-"))
    return {number for cell in rows for number in NUMBER.findall(cell)}


def cited(item: pytest.Item) -> set[str]:
    """The rules that a test shows."""
    found = {number for marker in item.iter_markers("rules") for number in marker.args}
    if function := getattr(item, "function", None):
        found |= _numbers_in(inspect.unwrap(function))
    call = getattr(item, "callspec", None)
    for value in call.params.values() if call else ():
        rules = getattr(value, "rules", ())
        found.update(rule for rule in rules if isinstance(rule, str))
    return {number for number in found if NUMBER.fullmatch(number)}


@cache
def _numbers_in(function: Callable[..., object]) -> frozenset[str]:
    try:
        return frozenset(NUMBER.findall(inspect.getsource(function)))
    except OSError:
        return frozenset()


class Citing:
    """Writes on each report which rules its test shows; reports travel between the processes of a run."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call":
            setattr(report, CITES, sorted(cited(item)))
        return report


@dataclass(eq=False)
class Coverage:
    """The tally of one run; also the plugin that keeps it, in the process that hears of every test."""

    shown: dict[str, set[str]] = field(default_factory=dict)
    """Rule -> tests."""
    collect_only: bool = False

    def add(self, test: str, rules: Iterable[str]) -> None:
        for rule in rules:
            self.shown.setdefault(rule, set()).add(test)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self.collect_only:
            for item in session.items:
                self.add(item.nodeid, cited(item))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.add(report.nodeid, getattr(report, CITES, ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """As root nothing is skipped, so that a missing rule is a fault."""
        if self.problems() and os.geteuid() == 0 and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("rules")
        for line in [*self.table(), *self.problems()]:
            terminalreporter.line(line)

    def table(self) -> list[str]:
        """Figures, and the numbers of what is not covered."""
        rules, other = titles(), not_applicable()
        covered = [rule for rule in rules if rule in self.shown]
        missing = [rule for rule in rules if rule not in self.shown and rule not in other]
        outside = sorted(other - self.shown.keys())
        lines = [f"covered {len(covered)}, not applicable {len(outside)}, missing {len(missing)}, of {len(rules)}"]
        lines += _wrapped("not applicable", outside)
        return lines + [f"missing: {rule} {rules[rule]}" for rule in missing]

    def problems(self) -> list[str]:
        """What must not be."""
        rules, other = titles(), not_applicable()
        lines = [
            f"{rule} {title}: no test that passed shows it"
            for rule, title in rules.items()
            if rule not in self.shown and rule not in other
        ]
        lines += [
            f"{rule} is in {SEMANTICS.name} as not applicable, but shown" for rule in sorted(other & self.shown.keys())
        ]
        lines += [f"{rule} is not in {RULES.name}" for rule in sorted(other - rules.keys())]
        return lines


def _wrapped(label: str, rules: list[str]) -> list[str]:
    return [f"{label}: {' '.join(rules[at : at + COLUMNS])}" for at in range(0, len(rules), COLUMNS)]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rules", action="store_true", help="tell which rules were shown; fail if one is missing")


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--rules"):
        return
    config.pluginmanager.register(Citing())
    if not hasattr(config, "workerinput"):
        collect_only = bool(config.getoption("collectonly"))
        config.pluginmanager.register(Coverage(collect_only=collect_only), "rule-coverage")
