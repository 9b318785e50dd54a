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
from dataclasses import dataclass, field, replace

import pytest

from tests.model_switch.figures import TITLE
from tests.model_switch.host import LAG, SHOWS, SLOTS, UPLINKS, Host, Operation, Send, SendOwn
from tests.model_switch.model import Model
from tests.model_switch.niv_pair import NIV, SHORTEST, NivPair
from tests.model_switch.programs import Author
from tests.rows.backend import Backend, BackendKind, backends
from tests.rows.row import Ledger, check_accounts, differences, take_step
from vem.datapath.apply import apply_image
from vem.datapath.image import Image

SEED = int(os.environ.get("DVS_SEED", random.randrange(1 << 32)))
FEW, MANY = 500, 10_000
"""Cases.  A case is a frame that was judged: put into tables and an address table that random operations have made, and
compared with the model's answer."""
ROUNDS, FRAMES = 6, 10
"""Of a program: so many times the host changes, and so many frames are sent in between."""
SHORTEN_SECONDS = 20
Record = Callable[[str, object], None]
WANTED = frozenset(
    {"", "OVERSIZE", "SRC_MAC_INVALID", "PORT_BLOCKED", "LINK_DOWN", "FORGED_TX", "MAC_CHANGED", "VLAN_MISMATCH"}
    | {"RESERVED_MCAST", "BPDU_GUARD", "RPF_LOCAL_SRC", "UPLINK_INACTIVE", "REVERSE_TEAMING", "UNKNOWN_UNICAST"}
    | {"MCAST_FILTER", "MAC_LIMIT", "PORT_SECURITY", "STORM", "SAME_PORT", "NO_RECEIVER"}
)
"""Fates; a runt never reaches the kernel engine."""
LPORTS = (*SLOTS, *UPLINKS, LAG, SHOWS)
SECOND = 0.95
"""A program that is not over by then is broken off: what storm control lets in is not certain any more."""


class TooLate(Exception):
    """The machine was busy with other things."""


@dataclass
class Tally:
    """What was run."""

    cases: int = 0
    programs: int = 0
    changes: int = 0
    """States of the tables."""
    fates: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{self.cases} cases in {self.programs} programs, {self.changes} states of the tables"


class Race:
    """An engine and the model, side by side."""

    def __init__(self, backend: Backend, host: Host, tally: Tally | None = None) -> None:
        self.backend = backend
        self.engine = backend.engine
        self.model = Model()
        self.host = host
        self.tally = tally or Tally()
        self.ledger = Ledger()
        self.image = Image()
        self.began = 0.0
        for lport in LPORTS:
            self.engine.clear_counters(lport)

    def run(self, program: list[Operation]) -> None:
        """Every operation on both; then the books."""
        try:
            self._steps(program)
            counters = self.engine.counters(LPORTS)
            assert differences(counters, self.ledger) == []
            check_accounts(counters)
            self._compare_learned("at the end")
        finally:
            self.engine.forget(self.engine.learned())
            self._load(Image())
            if isinstance(self.backend, NivPair):
                self.backend.check_hosts()

    def _steps(self, program: list[Operation]) -> None:
        """A storm's second begins with the first frame; what is judged after it does not count."""
        try:
            for number, operation in enumerate(program, start=1):
                self._step(operation, f"operation {number}")
        except AssertionError as error:
            if self._late():
                raise TooLate from error
            raise

    def _late(self) -> bool:
        return bool(self.began and self.model.spent and time.monotonic() > self.began + SECOND)

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
        self.began = self.began or time.monotonic()
        if isinstance(self.backend, NivPair):
            send = replace(send, data=send.data.ljust(SHORTEST, b"\0"))
        step = self.model.receive(send.lport, send.data)
        take_step(self.backend, step, label)
        if self._late():
            raise TooLate
        self.ledger.enter(step, self.image)
        self.tally.cases += 1
        self.tally.fates.update({step.drop, *(copy.reason for copy in step.copies)})

    def _become(self, image: Image, label: str) -> None:
        """As the agent does it: the tables, then forget what is not valid any more."""
        if image == self.image:
            return
        self._compare_learned(f"before {label}")
        self.tally.changes += 1
        self._load(image)
        before = dict(self.model.learned)
        self.model.become(image)
        if before != self.model.learned:
            self.engine.forget(entry for entry in self.engine.learned() if not self.model.knows(entry))

    def _load(self, image: Image) -> None:
        if isinstance(self.backend, NivPair):
            self.backend.load(image)
        else:
            self.backend.prepare(image)
            apply_image(self.engine, self.image, image)
        self.image = image

    def _compare_learned(self, label: str) -> None:
        found = {(entry.vlan, entry.mac.octets): entry.lport for entry in self.engine.learned()}
        assert found == self.model.learned, label
        assert self.engine.learned_counts() == Counter(found.values()), label


_KINDS = [pytest.param(kind, id=kind.name, marks=kind.marks) for kind in (*backends(), *NIV)]


@pytest.fixture(scope="module", params=_KINDS)
def running(request: pytest.FixtureRequest) -> Iterator[Backend]:
    kind: BackendKind = request.param
    backend: Backend = kind.open()
    yield backend
    backend.close()


def disagrees(backend: Backend, author: Author, program: list[Operation], tally: Tally | None = None) -> str:
    """What went wrong; "" if nothing did."""
    try:
        Race(backend, author.start(), tally).run(program)
    except TooLate:
        return ""
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


def shortest(backend: Backend, author: Author, program: list[Operation]) -> str:
    """What is wrong, and after which operations."""
    program = shortened(program, lambda part: disagrees(backend, author, part))
    problem = disagrees(backend, author, program)
    return "\n".join([problem, f"after, physical={author.physical},", *map(repr, program)]) if problem else ""


def race(backend: Backend, cases: int) -> Tally:
    """As many random programs as it takes."""
    tally = Tally()
    while tally.cases < cases:
        author = Author(random.Random(f"{SEED}-{tally.programs}"))
        program = author.program(ROUNDS, FRAMES)
        if problem := disagrees(backend, author, program, tally):
            told = shortest(backend, author, program) or problem
            pytest.fail(f"DVS_SEED={SEED} program {tally.programs}: {told}", pytrace=False)
        tally.programs += 1
    return tally


@pytest.mark.rules("S-076")
def test_a_few_random_programs(running: Backend) -> None:
    """Frames are compared byte by byte: nobody's source MAC is rewritten."""
    race(running, FEW)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_random_programs(running: Backend, request: pytest.FixtureRequest, record_property: Record) -> None:
    """10,000 cases; every reason to drop a frame that the model knows was met."""
    tally = race(running, MANY)
    name = request.node.callspec.params["running"].name
    record_property(TITLE, f"{name}: {tally} (DVS_SEED={SEED})")
    assert tally.cases >= MANY
    assert WANTED - tally.fates.keys() == set()
    assert not isinstance(running, NivPair) or (running.hairpins and running.listed)
