"""Tells at the end of a run how many random cases there were on each back end."""

from __future__ import annotations

import pytest

TITLE = "random programs"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests recorded as a property of that name, in whichever process they ran."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    lines = [value for report in reports for name, value in report.user_properties if name == TITLE]
    if lines:
        terminalreporter.section(TITLE)
    for line in lines:
        terminalreporter.line(str(line))
