"""Both engines do what the reference model does, for random programs: the same frames to the same ports, the same drop
reasons, counters and learned addresses.

Each run draws new programs from a seed that it prints; DVS_SEED=<number> repeats one.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from dvswitch.mac import MacAddress
from tests.model_switch.model import Model
from tests.model_switch.programs import SLOTS, UPLINKS, Features, Host, Operation, Send, SendOwn, programs
from tests.rows.backend import Backend, BackendKind, backends
from tests.rows.row import Ledger, check_accounts, differences, take_step
from vem.datapath.apply import apply_image
from vem.datapath.image import Image, Method

SEED = int(os.environ.get("DVS_SEED", random.randrange(1 << 32)))
FEW, MANY = 10, 250
SHORTEN_SECONDS = 20
STEPS = 40
"""Operations of a program, about 35 of them frames: MANY programs are 8,750 frames on each of two back ends."""
LPORTS = (*SLOTS, *UPLINKS)
FEATURES = Features(methods=(Method.PORT_ID,), promiscuous=False, limit=False, pin=False, snooping=False)


class Race:
    """An engine and the model, side by side."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.engine = backend.engine
        self.model = Model()
        self.host = Host()
        self.ledger = Ledger()
        self.image = Image()
        for lport in LPORTS:
            self.engine.clear_counters(lport)

    def run(self, program: list[Operation]) -> None:
        """Every operation on both; then the books."""
        try:
            for number, operation in enumerate(program, start=1):
                self._step(operation, f"operation {number}: {operation}")
            counters = self.engine.counters(LPORTS)
            assert differences(counters, self.ledger) == []
            check_accounts(counters)
            self._compare_learned("at the end")
        finally:
            self.engine.forget(self.engine.learned())
            apply_image(self.engine, self.image, Image())

    def _step(self, operation: Operation, label: str) -> None:
        if isinstance(operation, SendOwn):
            operation = operation.now(self.host)
        if isinstance(operation, Send):
            self._send(operation, label)
            return
        operation.on(self.host)
        self._become(self.host.image())
        self._compare_learned(label)

    def _send(self, send: Send, label: str) -> None:
        if send.lport not in self.image.ports:
            return  # nobody is plugged in there
        step = self.model.receive(send.lport, send.data)
        take_step(self.backend, step, label)
        self.ledger.enter(step)

    def _become(self, image: Image) -> None:
        """As the agent does it: the tables, then forget what is not valid any more."""
        self.backend.prepare(image)
        apply_image(self.engine, self.image, image)
        self.image = image
        self.model.become(image)
        kept = {(vlan, MacAddress(mac), lport) for (vlan, mac), lport in self.model.learned.items()}
        self.engine.forget(e for e in self.engine.learned() if (e.vlan, e.mac, e.lport) not in kept)

    def _compare_learned(self, label: str) -> None:
        found = {(entry.vlan, entry.mac.octets): entry.lport for entry in self.engine.learned()}
        assert found == self.model.learned, label


_KINDS = [pytest.param(kind, id=kind.name, marks=kind.marks) for kind in backends()]


@pytest.fixture(scope="module", params=_KINDS)
def running(request: pytest.FixtureRequest) -> Iterator[Backend]:
    kind: BackendKind = request.param
    backend: Backend = kind.open()
    yield backend
    backend.close()


def disagrees(backend: Backend, program: list[Operation]) -> str:
    """What went wrong; "" if nothing did."""
    try:
        Race(backend).run(program)
    except AssertionError as error:
        return str(error) or repr(error)
    return ""


def shortened(program: list[Operation], fails: Callable[[list[Operation]], object]) -> list[Operation]:
    """As many operations left out as the time allows, so that it still fails."""
    end = time.monotonic() + SHORTEN_SECONDS
    at = len(program) - 1
    while at >= 0 and time.monotonic() < end:
        part = program[:at] + program[at + 1 :]
        if fails(part):
            program = part
        at -= 1
    return program


def race(backend: Backend, examples: int) -> None:
    """So many random programs."""

    @seed(SEED)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),  # shortened() is quicker than hypothesis where every try loads tables
        suppress_health_check=list(HealthCheck),
    )
    @given(programs(FEATURES, STEPS))
    def run(program: list[Operation]) -> None:
        try:
            Race(backend).run(program)
        except AssertionError as error:
            short = shortened(program, lambda part: disagrees(backend, part))
            lines = "\n".join(map(repr, short))
            raise AssertionError(f"seed {SEED}: {disagrees(backend, short) or error}\nafter\n{lines}") from None

    print(f"seed {SEED}: repeat with DVS_SEED={SEED}")
    try:
        run()
    except AssertionError as error:
        pytest.fail(str(error), pytrace=False)


def test_a_few_random_programs(running: Backend) -> None:
    race(running, FEW)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_many_random_programs(running: Backend) -> None:
    race(running, MANY)
