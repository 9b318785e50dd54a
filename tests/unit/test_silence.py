"""Which part of a silence is the network's own (tests/support/silence.py)."""

from __future__ import annotations

from tests.support.silence import TESTED, UNTOUCHED, Flow, parse

SAID = """\
started
mark early 90.0
mark late 960.0
mark late 970.0
gap 0 100.0 400.0
gap 1 50.0 250.0
gap 1 390.0 900.0
gap 0 1000.0 1050.0
lost 0 110.0 300.0 39
lost 0 1001.0 1001.0 1
lost 1 70.0 70.0 1
flow 0 800 760 0 0
flow 1 800 799 2 1
"""


def test_what_both_flows_suffer_is_the_machines_doing() -> None:
    report = parse(SAID)
    assert [round(report.longest(flow), 3) for flow in (TESTED, UNTOUCHED)] == [0.3, 0.51]
    assert round(report.own_share(), 3) == 0.14  # from 250 to 390 only the tested flow was silent
    assert report.flows == (Flow(800, 760, 0, 0), Flow(800, 799, 2, 1))
    assert (report.missing(), report.missing(UNTOUCHED)) == (40, 1)
    assert report.own_missing() == 1  # at 70 ms the other flow lost something, too


def test_what_happens_after_a_mark_is_its_doing() -> None:
    report = parse(SAID)
    early, late = report.after("early"), report.after("late")
    assert [round(part.longest(), 3) for part in (early, late)] == [0.3, 0.05]
    assert (early.missing(), late.missing()) == (39, 1)
    assert late.missing(UNTOUCHED) == 0


def test_no_silence_at_all() -> None:
    assert parse("flow 0 1 1 0\nflow 1 1 1 0").own_share() == 0.0
