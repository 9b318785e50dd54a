"""The migration as a table: every state with every input, and what modules are told along the way."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvswitch.errors import Conflict, DvsError
from dvswitch.mac import MacAddress
from tests.support.fabric_rig import host, mac, with_profile
from vsm.mobility import machine
from vsm.mobility.machine import TRANSITIONS, Input, begin, step
from vsm.mobility.reports import AttachReport, Stale, attached, detached
from vsm.model import lifecycle
from vsm.model.migration import MoveState
from vsm.model.state import Module, Nic, Phase, State
from vsm.policy.compile import wanted

SOURCE, TARGET, THIRD = 3, 4, 5
PATHS: dict[MoveState | None, tuple[Input, ...]] = {
    None: (),
    MoveState.PREPARED: (Input.BEGIN,),
    MoveState.PAUSED: (Input.BEGIN, Input.COMMIT),
    MoveState.ACTIVATED: (Input.BEGIN, Input.COMMIT, Input.DRAINED),
    MoveState.CANCELLED: (Input.BEGIN, Input.CANCEL),
}
"""How to get into each state."""


def report(slot: int, vm: str = "web1", number: int = 1, **more: object) -> AttachReport:
    return AttachReport(slot, Nic(vm), MacAddress.parse(mac(number)), "web", **more)  # type: ignore[arg-type]


def settled() -> State:
    """Three modules; vEth 1 lives on the first."""
    state = with_profile("web")(State())
    for number in (1, 2, 3):
        state = lifecycle.joined(state, 1, Module(0, host(number), f"kvm-{number}"))
    return attached(state, report(SOURCE))


def walked(inputs: tuple[Input, ...], state: State | None = None) -> State:
    state = state or settled()
    for given_input in inputs:
        state = begin(state, 1, TARGET) if given_input is Input.BEGIN else step(state, 1, given_input)
    return state


def phases(state: State) -> dict[int, tuple[Phase, int]]:
    """Where vEth 1 is, in which phase and generation."""
    found = {slot: wanted(state, slot).ports.get(1) for slot in (SOURCE, TARGET, THIRD)}
    return {slot: (port.phase, port.generation) for slot, port in found.items() if port is not None}


def test_the_happy_road_drains_before_it_activates() -> None:
    assert phases(settled()) == {SOURCE: (Phase.ACTIVE, 1)}
    assert phases(walked(PATHS[MoveState.PREPARED])) == {SOURCE: (Phase.ACTIVE, 1), TARGET: (Phase.PREPARED, 2)}
    assert phases(walked(PATHS[MoveState.PAUSED])) == {SOURCE: (Phase.DRAINING, 1), TARGET: (Phase.PREPARED, 2)}
    assert phases(walked(PATHS[MoveState.ACTIVATED])) == {SOURCE: (Phase.DRAINING, 1), TARGET: (Phase.ACTIVE, 2)}
    done = walked((*PATHS[MoveState.ACTIVATED], Input.APPLIED))
    assert phases(done) == {TARGET: (Phase.ACTIVE, 2)} and not done.inventory.moves
    assert wanted(done, TARGET).ports[1].announce


@pytest.mark.parametrize("state", [MoveState.PREPARED, MoveState.PAUSED])
def test_cancel_returns_to_the_source_above_the_targets_generation(state: MoveState) -> None:
    back = walked((*PATHS[state], Input.CANCEL))
    assert phases(back) == {SOURCE: (Phase.ACTIVE, 3)}
    assert wanted(back, SOURCE).ports[1].announce
    assert not step(back, 1, Input.APPLIED).inventory.moves


def test_cancel_once_activated_moves_back_through_the_same_states() -> None:
    back = walked((*PATHS[MoveState.ACTIVATED], Input.CANCEL))
    assert phases(back) == {TARGET: (Phase.DRAINING, 2), SOURCE: (Phase.PREPARED, 3)}
    assert step(back, 1, Input.CANCEL) is back, "a repeated cancel must not turn round again"
    with pytest.raises(Conflict, match="taken back"):
        step(back, 1, Input.COMMIT)
    home = walked((Input.DRAINED, Input.APPLIED), back)
    assert phases(home) == {SOURCE: (Phase.ACTIVE, 3)} and not home.inventory.moves


@pytest.mark.parametrize(("state", "given_input"), list(itertools.product(PATHS, Input)))
def test_every_input_in_every_state_is_in_the_table_or_refused(state: MoveState | None, given_input: Input) -> None:
    before = walked(PATHS[state])
    row = TRANSITIONS.get((state, given_input))
    try:
        starts = given_input in (Input.BEGIN, Input.SEEN)
        after = begin(before, 1, TARGET, given_input) if starts else step(before, 1, given_input)
    except Conflict as error:
        assert row is None and "vethernet 1" in str(error)
        return
    assert row is not None
    move = after.inventory.moves.get(1)
    assert (move.state if move else MoveState.DONE) is row[0]


def test_the_docstring_shows_the_table_as_it_is() -> None:
    text = machine.__doc__ or ""
    rows = [line.split() for line in text.splitlines() if line.startswith("    ")][2:]
    shown = set()
    for words in rows:
        after = next(index for index, word in enumerate(words[1:], 1) if word in MoveState.__members__)
        state = None if words[0] == "(none)" else MoveState[words[0]]
        for name in " ".join(words[1:after]).split(", "):
            shown.add((state, Input[name], MoveState[words[after]]))
    assert shown == {(state, given_input, row[0]) for (state, given_input), row in TRANSITIONS.items()}


@given(st.lists(st.tuples(st.sampled_from(list(Input)), st.sampled_from([SOURCE, TARGET, THIRD])), max_size=12))
def test_whatever_happens_at_most_one_host_is_active_and_generations_rise(inputs: list[tuple[Input, int]]) -> None:
    state = settled()
    for given_input, slot in inputs:
        before = state
        try:
            if given_input in (Input.BEGIN, Input.SEEN):
                state = attached(state, report(slot, prepare=given_input is Input.BEGIN))
            elif given_input in (Input.SOURCE_GONE, Input.TARGET_GONE):
                state = detached(state, slot, 1, 99)
            else:
                state = step(state, 1, given_input)
        except DvsError:
            assert state is before
        places = phases(state)
        active = [generation for phase, generation in places.values() if phase is Phase.ACTIVE]
        assert len(active) <= 1
        if active and any(phase is Phase.PREPARED for phase, _ in places.values()):
            assert max(places.values(), key=lambda place: place[1])[0] is Phase.PREPARED
        assert state.inventory.veths[1].generation >= before.inventory.veths[1].generation
        assert state.inventory.veths[1].number == 1


def test_begin_says_what_is_in_the_way() -> None:
    state = settled()
    with pytest.raises(Conflict, match="lives on module 3 already"):
        begin(state, 1, SOURCE)
    with pytest.raises(DvsError, match="module 9"):
        begin(state, 1, 9)
    under_way = begin(state, 1, TARGET)
    assert begin(under_way, 1, TARGET) is under_way
    with pytest.raises(Conflict, match="from module 3 to module 4"):
        begin(under_way, 1, THIRD)
    with pytest.raises(Conflict, match="plugged in nowhere"):
        begin(lifecycle.released(state, 1), 1, TARGET)


# ---- what hosts report


def test_a_nic_plugged_in_elsewhere_is_a_seen_move() -> None:
    state = attached(settled(), report(TARGET))
    assert phases(state) == {SOURCE: (Phase.DRAINING, 1), TARGET: (Phase.PREPARED, 2)}


def test_a_nic_plugged_in_to_be_prepared_begins_a_migration_and_later_commits_it() -> None:
    prepared = attached(settled(), report(TARGET, prepare=True))
    assert prepared.inventory.moves[1].state is MoveState.PREPARED
    assert attached(prepared, report(TARGET)).inventory.moves[1].state is MoveState.PAUSED


def test_attaching_again_where_it_lives_changes_nothing() -> None:
    state = settled()
    assert attached(state, report(SOURCE)) is state
    assert attached(state, report(SOURCE, veth=1, generation=1)) is state


def test_the_higher_generation_wins_and_the_stale_claim_is_sent_away() -> None:
    """S-255."""
    moved = walked((*PATHS[MoveState.ACTIVATED], Input.APPLIED))
    with pytest.raises(Stale, match="on module 4"):
        attached(moved, report(SOURCE, veth=1, generation=1))
    with pytest.raises(Stale):
        attached(moved, report(SOURCE, veth=1, generation=2))
    assert phases(attached(moved, report(THIRD, veth=1, generation=7))) == {THIRD: (Phase.ACTIVE, 7)}


def test_a_stale_claim_stays_silent_as_long_as_who_has_the_vm_is_away() -> None:
    """Its VM may have failed with that host, and go on here: then it speaks (seen())."""
    moved = walked((*PATHS[MoveState.ACTIVATED], Input.APPLIED))
    stale = report(SOURCE, veth=1, generation=1)
    assert attached(moved, stale, lambda slot: slot == TARGET) is moved
    with pytest.raises(Stale):
        attached(moved, stale, lambda slot: slot == SOURCE)


def test_reminders_during_a_migration_change_nothing() -> None:
    for state in (walked(PATHS[MoveState.PREPARED]), walked(PATHS[MoveState.PAUSED])):
        assert attached(state, report(SOURCE, veth=1, generation=1)) is state
        assert attached(state, report(TARGET, veth=1, generation=2, prepare=True)) is state


def test_a_vm_that_vanishes_during_its_migration_is_nowhere_but_keeps_its_number() -> None:
    state = walked(PATHS[MoveState.ACTIVATED])
    gone = detached(state, TARGET, 1, 2)
    assert phases(gone) == {} and gone.inventory.veths[1].slot is None and not gone.inventory.moves
    again = attached(gone, report(THIRD))
    assert phases(again) == {THIRD: (Phase.ACTIVE, 3)}


def test_a_detach_from_a_place_that_was_left_is_void() -> None:
    moved = walked((*PATHS[MoveState.ACTIVATED], Input.APPLIED))
    assert detached(moved, SOURCE, 1, 1) is moved
    assert detached(moved, SOURCE, 77, 1) is moved


def test_prepared_ports_need_a_profile_that_exists() -> None:
    with pytest.raises(DvsError, match="port-profile none"):
        attached(settled(), replace(report(TARGET, prepare=True), profile="none"))
