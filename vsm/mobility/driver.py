"""Carries migrations out: puts inputs to the machine (vsm/mobility/machine.py) as modules and managers deliver them.

One task per vEth that is PAUSED, ACTIVATED or CANCELLED waits for the module concerned and takes the next step; the
stored State says where a migration is, so a restarted supervisor simply starts the tasks again.  A migration that is
PREPARED waits for its manager.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog

from dvswitch.errors import Conflict, DvsError, NotFound, Unavailable
from vsm.fabric.runtime import FabricRuntime
from vsm.mobility import machine
from vsm.mobility.machine import Input
from vsm.model.lifecycle import slot_of_host
from vsm.model.state import Move, MoveState, State, Veth
from vsm.supervisor import Supervisor

_RETRY = 1.0
"""Seconds before a step that the store refused is tried again."""
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


class Mobility:
    """Runs all migrations.  ``drain_timeout`` is how long a source may take to answer, in seconds."""

    def __init__(
        self, supervisor: Supervisor, runtime: FabricRuntime, modules: Modules, drain_timeout: float = 3.0
    ) -> None:
        self._supervisor, self._runtime, self._modules = supervisor, runtime, modules
        self._drain_timeout = drain_timeout
        self._tasks: dict[int, asyncio.Task[None]] = {}
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

    async def begin(self, number: int, target: int, seconds: float) -> Outcome:
        """Prepare module ``target``; returns once the NIC is plugged in there and the module is ready for it.

        Unavailable, Conflict or NotFound: the target can't take it, or did not get ready in time; nothing has changed.
        """
        veth = self._veth(number)
        if not self._modules.connected(target):
            raise Unavailable(f"module {target}", "is not connected", "start its agent, or choose another target")
        state = self._supervisor.transact(lambda state: machine.begin(state, number, target))
        revision = state.revision

        def ready() -> bool:
            gone = self._move(number) is None
            return gone or (self._modules.applied(target, revision) and self._runtime.is_plugged(target, number))

        in_time = await self._runtime.until(ready, seconds)
        problem = self._refusal(target, number) if in_time else self._not_ready(target, number, revision)
        if problem:
            self._put(number, Input.CANCEL)
            raise Unavailable(f"vethernet {number} ({veth.nic.vm})", problem, "the vEth stays where it is")
        return self._outcome(number)

    async def commit(self, number: int, seconds: float) -> Outcome:
        """Move now; returns once the target forwards, or Unavailable when that takes longer (it goes on by itself)."""
        move = self._move(number)
        if move is None:
            return self._repeated(number)
        self._supervisor.transact(lambda state: machine.step(state, number, Input.COMMIT))
        if not await self._runtime.until(lambda: self._move(number) is None, seconds):
            now = self._move(number)
            assert now is not None
            raise Unavailable(
                f"vethernet {number}",
                f"its migration to module {now.target} is '{now.state.value}', the module has not confirmed yet",
                "it goes on by itself; commit again to wait for it",
            )
        return self._outcome(number)

    async def cancel(self, number: int, seconds: float) -> Outcome:
        """Everything back to the source; returns once the source forwards again or did not answer in time."""
        self._supervisor.transact(lambda state: machine.step(state, number, Input.CANCEL))
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
            while (move := self._move(number)) is not None and move.state is not MoveState.PREPARED:
                given = await self._next_input(move)
                if self._move(number) == move and not self._put(number, given):
                    await asyncio.sleep(_RETRY)
        finally:
            # At once, not by a callback: whatever changes the move next must start a new task.
            self._tasks.pop(number, None)

    async def _next_input(self, move: Move) -> Input:
        """Wait for what moves the migration on, or for somebody else to have done so."""
        if move.state is MoveState.PAUSED:
            return await self._drained(move)
        settles = move.target if move.state is MoveState.ACTIVATED else move.source
        revision = self._supervisor.state.revision
        patience = self._drain_timeout if move.state is MoveState.CANCELLED else None
        await self._runtime.until(
            lambda: self._modules.applied(settles, revision) or self._move(move.veth) != move, patience
        )
        return Input.APPLIED

    async def _drained(self, move: Move) -> Input:
        drained = await self._runtime.until(
            lambda: (
                self._runtime.is_drained(move.source, move.veth, move.generation - 1) or self._move(move.veth) != move
            ),
            self._drain_timeout,
        )
        if not drained:
            _log.warning("source does not answer, going on without it", veth=move.veth, source=move.source)
        return Input.DRAINED if drained else Input.DRAIN_TIMEOUT

    def _put(self, number: int, given: Input) -> bool:
        """Put an input to the machine; False if it was not taken."""
        try:
            self._supervisor.transact(lambda state: machine.step(state, number, given))
        except DvsError as error:
            _log.warning("migration step failed", veth=number, step=given.value, reason=str(error))
            return False
        return True

    # ---- answers

    def _move(self, number: int) -> Move | None:
        return self._supervisor.state.inventory.moves.get(number)

    def _veth(self, number: int) -> Veth:
        veth = self._supervisor.state.inventory.veths.get(number)
        if veth is None:
            raise NotFound(f"vethernet {number}", "does not exist")
        return veth

    def _outcome(self, number: int, ended: MoveState = MoveState.DONE) -> Outcome:
        veth, move = self._veth(number), self._move(number)
        state = move.state if move and ended is MoveState.DONE else ended
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
        status = self._runtime.module(target)
        refusals = dict(status.refusals) if status else {}
        reason = refusals.get(f"vethernet {number}", "")
        return f"module {target} refuses it: {reason}" if reason else ""

    def _not_ready(self, target: int, number: int, revision: int) -> str:
        if not self._modules.applied(target, revision):
            return f"module {target} did not get ready in time"
        return f"the NIC was not plugged in on module {target} in time (attach it there with 'prepare')"
