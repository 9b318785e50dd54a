"""Both engines do what the reference model does, for random programs: the same frames to the same ports, the same drop
reasons, counters and learned addresses.

Each run writes new programs from a seed that a failure names; DVS_SEED=<number> repeats them.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.model_switch.model import Model
from tests.model_switch.programs import SLOTS, UPLINKS, Author, Features, Host, Operation, Send, SendOwn
from tests.rows.backend import Backend, BackendKind, backends
from tests.rows.row import Ledger, check_accounts, differences, take_step
from vem.datapath.apply import apply_image
from vem.datapath.image import Image

SEED = int(os.environ.get("DVS_SEED", random.randrange(1 << 32)))
FEW, MANY = 10, 170
ROUNDS, FRAMES = 6, 10
"""Of a program: MANY programs send 10,200 frames."""
SHORTEN_SECONDS = 20
LPORTS = (*SLOTS, *UPLINKS)
FEATURES = Features()


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
                self._step(operation, f"operation {number}")
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
            self._become(self.host.image(), label)
            self._send(operation, label)
        else:
            operation.on(self.host)

    def _send(self, send: Send, label: str) -> None:
        if send.lport not in self.image.ports:
            return  # nobody is plugged in there
        step = self.model.receive(send.lport, send.data)
        take_step(self.backend, step, label)
        self.ledger.enter(step)

    def _become(self, image: Image, label: str) -> None:
        """As the agent does it: the tables, then forget what is not valid any more."""
        if image == self.image:
            return
        self._compare_learned(f"before {label}")
        self.backend.prepare(image)
        apply_image(self.engine, self.image, image)
        self.image = image
        before = dict(self.model.learned)
        self.model.become(image)
        if before != self.model.learned:
            self.engine.forget(entry for entry in self.engine.learned() if not self.model.knows(entry))

    def _compare_learned(self, label: str) -> None:
        found = {(entry.vlan, entry.mac.octets): entry.lport for entry in self.engine.learned()}
        assert found == self.model.learned, label
        assert self.engine.learned_counts() == Counter(found.values()), label


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


def race(backend: Backend, programs: int) -> None:
    """So many random programs."""
    for number in range(programs):
        program = Author(random.Random(f"{SEED}-{number}"), FEATURES).program(ROUNDS, FRAMES)
        if problem := disagrees(backend, program):
            short = shortened(program, lambda part: disagrees(backend, part))
            told = "\n".join([disagrees(backend, short) or problem, "after", *map(repr, short)])
            pytest.fail(f"DVS_SEED={SEED} program {number}: {told}", pytrace=False)


@pytest.mark.rules("S-076")
def test_a_few_random_programs(running: Backend) -> None:
    """Frames are compared byte by byte: nobody's source MAC is rewritten."""
    race(running, FEW)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_many_random_programs(running: Backend) -> None:
    race(running, MANY)
