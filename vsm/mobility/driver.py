"""Carries migrations out: puts inputs to the machine (vsm/mobility/machine.py) as modules and managers deliver them.

One task per vEth that moves waits for the module concerned (PREPARED: for its manager, or the VM's frames) or for the
state's time-out, and takes the next step; the stored State says where a migration is and since when, so a restarted
supervisor simply starts the tasks again.  Steps of many migrations share their transactions (vsm/mobility/batch.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from dvswitch.errors import Conflict, DvsError, NotFound, Unavailable
from vsm.fabric.runtime import FabricRuntime
from vsm.mobility import machine
from vsm.mobility.admission import check_target
from vsm.mobility.batch import Batch
from vsm.mobility.machine import Input, Occasion
from vsm.model.lifecycle import slot_of_host
from vsm.model.migration import Move, MoveState
from vsm.model.state import State, Veth
from vsm.supervisor import Change, Supervisor

_RETRY = 1.0
"""Seconds before a step that the store refused is tried again."""
_ANSWERED = 0.002
"""Seconds from when the target has confirmed until that is stored as the move's end: the manager is answered first."""
_log = structlog.get_logger("vsm.mobility")


class Modules(Protocol):
    """What the driver asks of the fabric (vsm/fabric/service.py)."""

    def connected(self, slot: int) -> bool:
        """Whether the module has a session now."""
        ...

    def applied(self, slot: int, revision: int) -> bool:
        """Whether the module has all that the State of this revision means for it in its datapath."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a migration is after a manager's step."""

    veth: int
    state: MoveState
    generation: int
    slot: int
    """Where the vEth is active now; 0 = nowhere."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a migration stays in a state that waits for somebody, in seconds."""

    prepare: float = 3600.0
    """PREPARED: until a manager commits, or the VM's frames are seen on the target; then it is cancelled."""
    drain: float = 3.0
    """PAUSED: until the source has drained; then the target goes on without it, and at once without one that has been
    absent for so long.  CANCELLED: until the source forwards again."""
    apply: float = 30.0
    """ACTIVATED: until the target has confirmed; then the move is over, and a target that was away finds its port."""

    @property
    def by_state(self) -> dict[str, float]:
        """For people."""
        waits = ((MoveState.PREPARED, self.prepare), (MoveState.PAUSED, self.drain), (MoveState.ACTIVATED, self.apply))
        return {state.value: seconds for state, seconds in (*waits, (MoveState.CANCELLED, self.drain))}


class Mobility:
    """Runs all migrations; ``clock`` gives Unix time."""

    def __init__(
        self,
        supervisor: Supervisor,
        runtime: FabricRuntime,
        modules: Modules,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._supervisor, self._runtime, self._modules = supervisor, runtime, modules
        self.patience = patience or Patience()
        self._clock, self._batch = clock, Batch(supervisor)
        runtime.timeouts = self.patience.by_state
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._confirmed = runtime.confirmed
        self._unsubscribe = supervisor.subscribe(lambda old, new: self._changed(old, new))

    def start(self) -> None:
        """Go on with the migrations that the stored State tells of."""
        for number in self._supervisor.state.inventory.moves:
            self._ensure(number)

    async def stop(self) -> None:
        """Leave all migrations as they are."""
        self._unsubscribe()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- what managers ask for; each may be repeated

    def check(self, number: int, target: int) -> Outcome:
        """Where the vEth is, if module ``target`` can take it now; else Unavailable, Conflict or NotFound say what is
        in the way (S-256)."""
        self._veth(number)
        if not self._modules.connected(target):
            problem = "its card is not connected" if self._runtime.card_missing(target) else "is not connected"
            raise Unavailable(f"module {target}", problem, "start its agent, or choose another target")
        check_target(self._supervisor.state, number, target, self._runtime.refusals(target))
        return self._outcome(number)

    async def begin(self, number: int, target: int, seconds: float, by: str = "manager") -> Outcome:
        """Prepare module ``target``; returns once the NIC is plugged in there and the module is ready for it.

        Unavailable, Conflict or NotFound: the target can't take it, or did not get ready in time; nothing has changed.
        ``by``: who asks, for people.
        """
        await self._ended(number, seconds)
        self.check(number, target)
        veth, occasion = self._veth(number), self._occasion(by=by)
        state = await self._batch.transact(lambda state: machine.begin(state, number, target, Input.BEGIN, occasion))
        revision = state.revision

        def ready() -> bool:
            gone = self._move(number) is None
            return gone or (self._modules.applied(target, revision) and self._runtime.is_plugged(target, number))

        in_time = await self._runtime.until(ready, seconds)
        problem = self._refusal(target, number) if in_time else self._not_ready(target, number, revision)
        if problem:
            await self._put(number, Input.CANCEL, self._occasion(note=problem))
            raise Unavailable(f"vethernet {number} ({veth.nic.vm})", problem, "the vEth stays where it is")
        return self._outcome(number)

    async def commit(self, number: int, seconds: float) -> Outcome:
        """Move now; returns once the target forwards, or Unavailable when that takes longer (it goes on by itself).

        By then it is stored that the vEth lives there.  That the move is over is stored a moment later: should this
        process end in between, the next one finds the same out again.
        """
        move = self._move(number)
        if move is None:
            return self._repeated(number)
        await self._batch.transact(self._step(number, Input.COMMIT, self._occasion()), self._like(move))
        if not await self._runtime.until(lambda: self._is_over(number), seconds):
            now = self._move(number)
            assert now is not None
            raise Unavailable(
                f"vethernet {number}",
                f"its migration to module {now.target} is '{now.state.value}', the module has not confirmed yet",
                "it goes on by itself; commit again to wait for it",
            )
        return self._outcome(number)

    async def cancel(self, number: int, seconds: float, by: str = "manager") -> Outcome:
        """Everything back to the source; returns once the source forwards again or did not answer in time."""
        await self._ended(number, seconds)
        await self._batch.transact(self._step(number, Input.CANCEL, self._occasion(note=f"cancelled by {by}")))
        await self._runtime.until(lambda: self._move(number) is None, seconds)
        return self._outcome(number, MoveState.CANCELLED)

    def find_target(self, text: str) -> int:
        """The slot that "slot N", a host's UUID or its name means; NotFound otherwise."""
        state = self._supervisor.state
        if text.startswith("slot ") and text[5:].isdigit() and int(text[5:]) in state.inventory.modules:
            return int(text[5:])
        slot = slot_of_host(state.config, text)
        if slot is None:
            named = [slot for slot, module in state.inventory.modules.items() if module.host_name == text]
            if len(named) != 1:
                problem = "is the name of several hosts" if named else "is no host of this switch"
                raise NotFound(f"host '{text}'", problem, "give its UUID, or 'slot N' as 'show module' tells")
            slot = named[0]
        return slot

    # ---- tasks

    def _changed(self, old: State, new: State) -> None:
        if old.inventory.moves is new.inventory.moves:
            return
        for number, move in new.inventory.moves.items():
            if old.inventory.moves.get(number) is not move:
                self._ensure(number)

    def _ensure(self, number: int) -> None:
        if number not in self._tasks:
            drive = self._drive(number)
            self._tasks[number] = asyncio.get_running_loop().create_task(drive, name=f"migration of vethernet {number}")

    async def _drive(self, number: int) -> None:
        """Step after step until the migration is over or waits for its manager."""
        try:
            while (move := self._move(number)) is not None:
                given = await self._next_input(move)
                if self._move(number) == move and not await self._take(move, given):
                    await asyncio.sleep(_RETRY)
                self._confirmed.discard(number)
        finally:
            # At once, not by a callback: whatever changes the move next must start a new task.
            self._tasks.pop(number, None)

    async def _next_input(self, move: Move) -> Input:
        """Wait for what moves the migration on, or for somebody else to have done so."""
        ready, in_time, too_late, patience = self._awaited(move)
        left = patience - (self._clock() - self._waits_since(move))
        if await self._runtime.until(lambda: ready() or self._move(move.veth) != move, max(left, 0.0)):
            return in_time
        _log.warning("migration waited in vain", veth=move.veth, state=move.state.value, seconds=patience)
        return too_late

    def _waits_since(self, move: Move) -> float:
        """When the wait began: one for a source that was absent already counts from its last word."""
        source = self._runtime.holder(move.source)
        absent = move.state is MoveState.PAUSED and source is not None and not source.connected
        return min(move.since, source.since) if source and absent else move.since

    def _awaited(self, move: Move) -> tuple[Callable[[], bool], Input, Input, float]:
        """What a state waits for, the input that it brings, the input if it does not come, and within how many seconds
        from the state's beginning."""
        lives_on, revision = move.lives_on, self._supervisor.state.revision
        match move.state:
            case MoveState.PREPARED:
                return lambda: False, Input.COMMIT, Input.PREPARE_TIMEOUT, self.patience.prepare
            case MoveState.PAUSED:
                source, generation = move.source, move.generation - 1
                drained = lambda: self._runtime.is_drained(source, move.veth, generation)  # noqa: E731
                return drained, Input.DRAINED, Input.DRAIN_TIMEOUT, self.patience.drain
        patience = self.patience.apply if move.state is MoveState.ACTIVATED else self.patience.drain
        applied = lambda: self._modules.applied(lives_on, revision)  # noqa: E731
        return applied, Input.APPLIED, Input.APPLY_TIMEOUT, patience

    def _occasion(self, by: str = "", note: str = "") -> Occasion:
        return Occasion(self._clock(), by, note)

    def _occasion_of(self, given: Input, move: Move) -> Occasion:
        carried = self._runtime.carried(move.source, move.veth) if given is Input.DRAINED else ()
        absent = given is Input.DRAIN_TIMEOUT and not self._modules.connected(move.source)
        return Occasion(self._clock(), note=f"module {move.source} is absent" if absent else "", carried=carried)

    @staticmethod
    def _step(number: int, given: Input, occasion: Occasion) -> Change:
        return lambda state: machine.step(state, number, given, occasion)

    async def _take(self, move: Move, given: Input) -> bool:
        """Put what was waited for to the machine."""
        if given is Input.APPLIED and move.state is MoveState.ACTIVATED:
            self._confirmed.add(move.veth)
            self._runtime.notify()
            await asyncio.sleep(_ANSWERED)
            if self._move(move.veth) != move:
                return True
        return await self._put(move.veth, given, self._occasion_of(given, move), self._like(move))

    def _like(self, move: Move) -> int:
        """How many migrations are in the same state: no others can take the same step at the same time."""
        return sum(other.state is move.state for other in self._supervisor.state.inventory.moves.values())

    async def _put(self, number: int, given: Input, occasion: Occasion, expected: int = 0) -> bool:
        """Put an input to the machine; False if it was not taken.  ``expected``: as of Batch.transact."""
        try:
            await self._batch.transact(self._step(number, given, occasion), expected)
        except DvsError as error:
            _log.warning("migration step failed", veth=number, step=given.value, reason=str(error))
            return False
        return True

    # ---- answers

    def _is_confirmed(self, number: int) -> bool:
        """It is over in all but name."""
        move = self._move(number)
        return move is not None and move.state is MoveState.ACTIVATED and number in self._confirmed

    def _is_over(self, number: int) -> bool:
        return self._move(number) is None or self._is_confirmed(number)

    async def _ended(self, number: int, seconds: float) -> None:
        """A move that is over in all but name comes to its end."""
        await self._runtime.until(lambda: not self._is_confirmed(number), seconds)

    def _move(self, number: int) -> Move | None:
        return self._supervisor.state.inventory.moves.get(number)

    def _veth(self, number: int) -> Veth:
        veth = self._supervisor.state.inventory.veths.get(number)
        if veth is None:
            raise NotFound(f"vethernet {number}", "does not exist")
        return veth

    def _outcome(self, number: int, ended: MoveState = MoveState.DONE) -> Outcome:
        veth, move = self._veth(number), self._move(number)
        state = move.state if move and ended is MoveState.DONE and not self._is_confirmed(number) else ended
        return Outcome(number, state, veth.generation, veth.slot or 0)

    def _repeated(self, number: int) -> Outcome:
        """Commit without a migration: fine if it has just been done, which a moved vEth shows."""
        veth = self._veth(number)
        if veth.slot is None or veth.generation < 2:
            raise Conflict(f"vethernet {number} ({veth.nic.vm})", "is not migrating", "begin a migration first")
        return self._outcome(number)

    def _refusal(self, target: int, number: int) -> str:
        """What the target says against the port; "" if nothing."""
        if self._move(number) is None:
            return "the migration was taken back"
        reason = self._runtime.refusals(target).get(f"vethernet {number}", "")
        return f"module {target} refuses it: {reason}" if reason else ""

    def _not_ready(self, target: int, number: int, revision: int) -> str:
        if not self._modules.applied(target, revision):
            return f"module {target} did not get ready in time"
        return f"the NIC was not plugged in on module {target} in time (attach it there with 'prepare')"
