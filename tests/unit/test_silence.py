"""Which part of a silence is the network's own (tests/support/silence.py)."""

from __future__ import annotations

from tests.support.silence import TESTED, UNTOUCHED, parse

SAID = """\
started
gap 0 100.0 400.0
gap 1 50.0 250.0
gap 1 390.0 900.0
gap 0 1000.0 1050.0
flow 0 800 760 0
flow 1 800 799 2
"""


def test_what_both_flows_suffer_is_the_machines_doing() -> None:
    report = parse(SAID)
    assert [round(report.longest(flow), 3) for flow in (TESTED, UNTOUCHED)] == [0.3, 0.51]
    assert round(report.own_share(), 3) == 0.14  # from 250 to 390 only the tested flow was silent
    assert [(flow.sent, flow.received, flow.doubled) for flow in report.flows] == [(800, 760, 0), (800, 799, 2)]


def test_no_silence_at_all() -> None:
    assert parse("flow 0 1 1 0\nflow 1 1 1 0").own_share() == 0.0
