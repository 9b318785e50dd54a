"""What migrations wait for, and how long; what modules say meanwhile; many steps in one transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from dvswitch.errors import Conflict, NotFound, StorageError
from dvswitch.v1 import fabric_pb2
from tests.mobility.test_driver import ACTIVE, BEGIN, COMMIT, DRAINING, PREPARED, Stage, stage
from tests.support.fabric_rig import Rig, with_profile
from vsm.mobility.batch import Batch
from vsm.mobility.driver import Patience
from vsm.model.migration import MoveState
from vsm.model.state import State

__all__ = ["stage"]
CHECK = 3


def steps(rig: Rig) -> list[tuple[str, str]]:
    """State and cause of each step of the last move that is over."""
    past = rig.state.inventory.past_moves
    return [(step.state.value, step.cause) for step in past[max(past)].steps]


async def over(stage: Stage) -> None:
    await stage.rig.until(lambda: not stage.rig.state.inventory.moves)


async def test_a_prepared_move_that_nobody_wants_any_more_is_cancelled(stage: Stage) -> None:
    stage.rig.mobility.patience = Patience(prepare=2.0)  # until the NIC is plugged in, too
    await stage.prepared()
    await over(stage)
    assert [name for name, _ in steps(stage.rig)] == ["prepared", "cancelled", "done"]
    assert steps(stage.rig)[1][1] == "prepare time-out"
    await stage.target.until(lambda: 1 not in stage.target.holding.ports)
    assert stage.phase(stage.source) == ACTIVE


async def test_a_target_that_never_confirms_has_the_port_nevertheless(stage: Stage) -> None:
    await stage.prepared()
    stage.rig.mobility.patience = Patience(apply=0.3)
    stage.target.acks = False
    assert (await stage.migrate(COMMIT)).state == "done"
    assert steps(stage.rig)[-1] == ("done", "apply time-out")
    await stage.source.until(lambda: 1 not in stage.source.holding.ports)
    await stage.target.until(lambda: stage.phase(stage.target) == ACTIVE)


async def test_a_move_that_was_answered_ends_although_the_supervisor_did(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsm.mobility.driver._ANSWERED", 1e6)
    await stage.prepared()
    assert ((await stage.migrate(COMMIT)).state, stage.phase(stage.target)) == ("done", ACTIVE)
    assert (await stage.migrate(COMMIT)).state == "done"
    begun = asyncio.create_task(stage.migrate(BEGIN, "kvm-1", timeout_ms=200))
    with pytest.raises(grpc.aio.AioRpcError):  # it waits for the end of the other, which does not come here
        await begun
    assert stage.rig.state.inventory.moves[1].state is MoveState.ACTIVATED
    await stage.rig.close()
    await stage.target.close()
    async with Rig(tmp_path) as again:
        assert (again.state.inventory.veths[1].slot, again.state.inventory.veths[1].generation) == (4, 2)
        monkeypatch.undo()
        await stage.target.open()
        await again.until(lambda: not again.state.inventory.moves)
        assert steps(again)[-1] == ("done", "applied")
        await stage.target.close()


async def test_a_new_move_may_begin_as_soon_as_one_is_answered(stage: Stage) -> None:
    await stage.prepared()
    assert (await stage.migrate(COMMIT)).state == "done"
    assert (await stage.migrate(BEGIN, "kvm-1")).state == "prepared"


async def test_a_source_that_was_absent_for_long_is_not_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.prepared()
    await stage.source.close()
    await stage.rig.until(lambda: not stage.rig.fabric.connected(3))
    hour = 3600.0
    stage.rig.mobility.patience = Patience(drain=hour)
    monkeypatch.setattr(stage.rig.mobility, "_clock", lambda: time.time() + hour)
    assert (await stage.migrate(COMMIT)).state == "done"
    await over(stage)
    assert ("activated", "module 3 is absent") in steps(stage.rig)


async def test_the_time_of_a_state_counts_over_restarts(stage: Stage, tmp_path: Path) -> None:
    await stage.prepared()
    await stage.rig.close()
    async with Rig(tmp_path, prepare_timeout=0.2) as again:
        await again.until(lambda: again.state.inventory.moves[1].state is MoveState.CANCELLED)
        assert again.state.inventory.moves[1].steps[-1].cause == "prepare time-out"


@pytest.mark.rules("S-246")
async def test_a_vm_that_is_seen_on_the_target_has_moved(stage: Stage) -> None:
    await stage.prepared()
    for module, generation in ((stage.source, 2), (stage.target, 1), (stage.target, 3)):
        await module.say(seen={"veth": 1, "generation": generation})
    await stage.rig.until(lambda: stage.rig.fabric.connected(3) and stage.rig.fabric.connected(4))
    assert (await stage.migrate(CHECK, "kvm-2")).state == "prepared", "nobody else is believed"
    await stage.target.say(seen={"veth": 1, "generation": 2})
    await over(stage)
    assert steps(stage.rig)[1] == ("paused", "seen")
    assert stage.rig.state.inventory.veths[1].slot == 4


@pytest.mark.rules("S-252")
async def test_what_the_source_leaves_behind_reaches_the_target_first(stage: Stage) -> None:
    await stage.prepared()
    stage.source.drains = False
    committed = asyncio.create_task(stage.migrate(COMMIT))
    await stage.source.until(lambda: stage.phase(stage.source) == DRAINING)
    left = [{"kind": "learned-macs", "version": 1, "data": b"\x00\xff"}, {"kind": "of-tomorrow", "version": 7}]
    await stage.source.say(drained={"veth": 1, "generation": 1, "carried": left})
    await committed
    order = [
        message.WhichOneof("message")
        for message in stage.target.received
        if message.HasField("install")
        or any(change.set_port.phase == ACTIVE and change.set_port.veth for change in message.update.changes)
    ]
    assert order == ["install", "update"]
    (told,) = [message.install for message in stage.target.received if message.HasField("install")]
    assert told == fabric_pb2.InstallState(
        veth=1, generation=2, carried=[fabric_pb2.CarriedState(**item) for item in left]
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "left",
    [[{"kind": "x", "data": bytes(200_000)}], [{"kind": f"k{n}"} for n in range(17)], [{"kind": "No Kind"}]],
    ids=["too long", "too many", "no name"],
)
async def test_a_module_that_leaves_too_much_is_not_listened_to(stage: Stage, left: list[dict[str, object]]) -> None:
    await stage.source.say(drained={"veth": 1, "generation": 1, "carried": left})
    await stage.rig.until(lambda: not stage.rig.fabric.connected(3))


async def test_asking_changes_nothing(stage: Stage) -> None:
    before = stage.rig.state
    assert (await stage.migrate(CHECK, "kvm-2")).slot == 3
    await stage.target.close()
    await stage.rig.until(lambda: not stage.rig.fabric.connected(4))
    for step in (CHECK, BEGIN):
        with pytest.raises(grpc.aio.AioRpcError, match="not connected"):
            await stage.migrate(step, "kvm-2")
    assert stage.rig.state.inventory.moves == before.inventory.moves == {}
    assert stage.phase(stage.target) is None or stage.phase(stage.target) != PREPARED


# ---- many at once


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path) as found:
        yield found


async def test_changes_of_the_same_moment_are_stored_together(rig: Rig) -> None:
    """Each stands or falls by itself."""

    def refused(state: State) -> State:
        raise Conflict("this one", "is refused")

    batch, before = Batch(rig.supervisor), rig.state.revision
    asked = [with_profile(f"p{number}") for number in range(9)]
    outcomes = await asyncio.gather(*map(batch.transact, [*asked, refused]), return_exceptions=True)
    assert isinstance(outcomes[-1], Conflict) and rig.state.revision == before + 1
    assert {f"p{number}" for number in range(9)} <= rig.state.config.profiles.keys()
    assert all(outcome is rig.state for outcome in outcomes[:-1])


async def test_nobody_waits_when_all_have_come(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUIET", "CROWD", "LONGEST"):
        monkeypatch.setattr(f"vsm.mobility.batch.{name}", 1e6)
    batch, before = Batch(rig.supervisor), rig.state.revision
    asked = (batch.transact(with_profile(f"p{number}"), 3) for number in range(3))
    async with asyncio.timeout(60):
        await asyncio.gather(*asked)
    assert rig.state.revision == before + 1


async def test_who_came_with_others_is_expected_to_come_with_others_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"QUIET": 0.0, "LIKELY": 1e6, "CROWD": 0.0}.items():
        monkeypatch.setattr(f"vsm.mobility.batch.{name}", seconds)
    batch = Batch(rig.supervisor)
    async with asyncio.timeout(60):
        await batch.transact(with_profile("alone"), 3)  # although two more might have come
        await asyncio.gather(*(batch.transact(with_profile(name)) for name in ("one", "two")))
        before = rig.state.revision
        first = asyncio.create_task(batch.transact(with_profile("three"), 2))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not first.done() and rig.state.revision == before
        await asyncio.gather(first, batch.transact(with_profile("four"), 2))
    assert rig.state.revision == before + 1


async def test_a_full_disk_is_told_to_all(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(old: object, new: object) -> None:
        raise StorageError("store", "did not take the change: disk full", "free space")

    monkeypatch.setattr(rig.store, "save", full)
    batch, before = Batch(rig.supervisor), rig.state
    asked = (batch.transact(with_profile(name)) for name in ("a", "b"))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StorageError, StorageError] and rig.state is before


async def test_last_counters_are_stored_with_the_step_that_follows(rig: Rig) -> None:
    rig.store.beside = lambda: ({"Vethernet1": {"base": {"rx_frames": 7}}}, lambda: told.append(True))
    told: list[bool] = []
    rig.supervisor.transact(lambda state: replace(state, config=replace(state.config, hostname="other")))
    assert rig.store.load_counters()["Vethernet1"] == {"base": {"rx_frames": 7}} and told == [True]


async def test_nobody_else_migrates(rig: Rig) -> None:
    with pytest.raises(NotFound):
        rig.mobility.check(1, 3)
