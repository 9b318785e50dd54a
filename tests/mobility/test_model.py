"""All that may happen to a migration, in every order: what must hold does hold, and the search finds a planted mistake.

Each case gives the things that may happen, and how often; beside them every message may take any time, and the hosts
and the supervisor come back by themselves.  A session that breaks loses all that was on its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.mobility import model
from tests.mobility.explore import NONE_LEFT, Violated, explore, onward
from tests.mobility.model import System, successors
from vsm.mobility import machine
from vsm.mobility.machine import Input
from vsm.model.migration import MoveState
from vsm.model.state import Phase
from vsm.policy import compile as policy

UNPREPARED = [
    {"begins": 1, "commits": 1, "cancels": 1, "timeouts": 1},
    {"attaches": 1, "commits": 1, "cancels": 1, "frames": 1},
    {"begins": 1, "attaches": 1, "commits": 1, "cancels": 1},
]
PREPARED = [
    {"commits": 1, "repeats": 1, "cancels": 1, "frames": 1},
    {"commits": 2, "begins": 1, "frames": 2},
    {"commits": 1, "attaches": 1, "cancels": 1, "frames": 1},
    {"commits": 1, "detaches": 1, "timeouts": 1, "cancels": 1},
]
PREPARED_SLOW = [
    {"commits": 1, "supervisor_crashes": 1, "cancels": 1},
    {"commits": 1, "supervisor_crashes": 1, "timeouts": 1},
    {"commits": 1, "cuts": 1, "swaps": 1, "cancels": 1},
    {"commits": 1, "cuts": 1, "timeouts": 1, "frames": 1},
    {"commits": 1, "crashes": 1, "timeouts": 1, "frames": 1},
    {"commits": 1, "attaches": 1, "crashes": 1, "timeouts": 1},
    {"commits": 1, "crashes": 1, "timeouts": 1, "frames": 2},
]


@pytest.fixture(autouse=True)
def _rules() -> Iterator[None]:
    model.forget()
    yield
    model.forget()


def prepared() -> System:
    """The target's NIC is plugged in, known and silent, and all have heard of it."""
    now = System(left=replace(NONE_LEFT, attaches=1))
    now = dict(successors(now))[f"attach True on {model.TARGET}"]
    while following := [after for name, after in successors(now) if "takes" in name]:
        now = following[0]
    assert now.move is not None and now.move.state is MoveState.PREPARED
    return now


def may(start: System, happen: dict[str, int]) -> System:
    return replace(start, left=replace(NONE_LEFT, **happen))


def names(happen: dict[str, int]) -> str:
    return "+".join(f"{count} {name}" for name, count in happen.items())


@pytest.mark.parametrize("happen", UNPREPARED, ids=names)
def test_from_the_beginning(happen: dict[str, int]) -> None:
    assert explore(may(System(), happen)).states > 100


@pytest.mark.rules("S-255")
@pytest.mark.parametrize(
    "happen", [*PREPARED, *(pytest.param(case, marks=pytest.mark.slow) for case in PREPARED_SLOW)], ids=names
)
def test_once_it_is_prepared(happen: dict[str, int]) -> None:
    found = explore(may(prepared(), happen))
    assert found.states > 100 and found.activations


@pytest.mark.rules("S-255")
def test_a_vm_that_goes_on_where_it_was_gets_its_port_back_when_the_new_host_is_dead() -> None:
    source, target = model.SOURCE, model.TARGET
    now = may(prepared(), {"commits": 1, "crashes": 1, "frames": 1})
    for name in ("commit", *["takes", "driver"] * 6, f"host {target} dies", f"goes on, on {source}"):
        now = next((after for found, after in successors(now) if name in found), now)
    assert now.vm == source and now.move is None and now.up[0][-1] == ("seen", 0), now
    for name in [f"of {source}"] * len(now.up[0]):
        now = next((after for found, after in successors(now) if name in found), now)
    assert now.move is not None and now.move.target == source
    assert explore(may(now, {})).states > 1
    while (after := onward(now)) is not None:
        now = after
    assert model.forwarding(now) == [source] and now.veth[0] == source


def test_a_target_that_does_not_wait_for_the_source_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = MoveState.ACTIVATED, machine._activate
    monkeypatch.setitem(machine.TRANSITIONS, (MoveState.PREPARED, Input.COMMIT), hasty)
    monkeypatch.setitem(
        policy.MOVES,
        MoveState.ACTIVATED,
        replace(policy.MOVES[MoveState.ACTIVATED], source=Phase.ACTIVE),
    )
    with pytest.raises(Violated, match="two hosts forward"):
        explore(may(prepared(), {"commits": 1}))


def test_a_cancel_that_does_not_wait_for_the_target_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = MoveState.CANCELLED, machine._restore
    monkeypatch.setitem(machine.TRANSITIONS, (MoveState.ACTIVATED, Input.CANCEL), hasty)
    with pytest.raises(Violated, match="two hosts forward"):
        explore(may(prepared(), {"commits": 1, "cancels": 1}))


def test_a_source_that_goes_on_while_it_should_drain_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    places = policy.MOVES[MoveState.PAUSED]
    monkeypatch.setitem(policy.MOVES, MoveState.PAUSED, replace(places, target=Phase.ACTIVE))
    with pytest.raises(Violated, match="two hosts forward"):
        explore(may(prepared(), {"commits": 1}))


def test_counters_that_go_back_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "closed", lambda record, slot: type(record)())
    with pytest.raises(Violated, match=r"counters went back|frames are missing"):
        explore(may(prepared(), {"commits": 1, "frames": 1}))
