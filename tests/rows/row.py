"""What a row is, and how it is judged.

A row is a world (tables) and steps; a step is a frame and its fate, or a change of the world.  The fate alone gives
the counters that every port must show afterwards, so each row also checks that every frame is accounted for:
received = forwarded + drops on the way in, and copies = sent + drops on the way out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from tests.rows.backend import Backend
from vem.datapath.apply import apply_image
from vem.datapath.image import Counters, Fate, Image, Niv

BROADCAST = b"\xff" * 6
ETHERNET_MIN = 60
SERVICE_TAG = 4
NIV_TYPES = (b"\x89\x26", b"\x89\x3f")
"""Bytes."""


@dataclass(frozen=True)
class Copy:
    """One receiver: the frame as it leaves, or why it did not."""

    lport: int
    frame: bytes = b""
    reason: str = ""
    service: bool = False
    """For the mobility program: its outer tag counts for nothing."""
    flooded: bool = False
    """A unicast frame sent because nobody owns its destination."""
    link: int = 0
    """It leaves by the NIC of that NIV link."""
    shared: bool = False
    """The frame of the copy before is this receiver's too."""
    counts: int = 0
    """Bytes that count, if not all of the frame."""


@dataclass(frozen=True)
class Step:
    """A frame in by ``lport`` and what must become of it; or, with ``world``, new tables."""

    lport: int = 0
    frame: bytes = b""
    drop: str = ""
    """Dropped on the way in for that reason; ``copies``, if any, are those of a mirror."""
    copies: tuple[Copy, ...] = ()
    gso: int = 0
    moved: bool = False
    """The source MAC was learned elsewhere before."""
    learner: int = 0
    """The port that learned it, if that is not ``lport`` but the LAG it belongs to."""
    learned: Mapping[int, int] | None = None
    """MACs that ports have learned after this step."""
    world: Image | None = None
    back_to: int = 0
    """From the mobility program, as if that lport had just sent it; its service tag counts for nothing."""
    tunnelled: bool = False
    """From the mobility program, for a vEth; likewise."""
    held: bool = False
    """Goes to the mobility program to come back: counts for nothing yet."""
    forget: bool = False
    """With ``world``: learned MACs are forgotten too."""
    counts_at: int = 0
    """The port of the VIF that it is from, where ``counts`` bytes of it count."""
    counts: int = 0


@dataclass(frozen=True)
class Row:
    """A case."""

    title: str
    rules: tuple[str, ...]
    world: Image
    steps: tuple[Step, ...]
    engines: tuple[str, ...] = ("user", "kernel")
    needs_short_frames: bool = False
    """A frame shorter than an Ethernet header comes in."""

    @property
    def id(self) -> str:
        """For pytest: rules and title."""
        return f"{'+'.join(self.rules)} {self.title}"

    @property
    def shows_service_tags(self) -> bool:
        """Of copies, or of frames that are delivered: records of the kernel's test runs know neither."""
        return any(step.tunnelled or any(copy.service for copy in step.copies) for step in self.steps)

    @property
    def needs_gso(self) -> bool:
        return any(step.gso for step in self.steps)


def sent(lport: int, frame: bytes, *, flooded: bool = False) -> Copy:
    """A copy that is delivered, exactly so."""
    return Copy(lport, frame, flooded=flooded)


def lost(lport: int, reason: str) -> Copy:
    """A copy that is dropped on the way out."""
    return Copy(lport, reason=reason)


def forwarded(lport: int, frame: bytes, *copies: Copy, gso: int = 0) -> Step:
    """A frame with at least one receiver."""
    assert copies
    return Step(lport, frame, copies=copies, gso=gso)


def dropped(lport: int, frame: bytes, reason: str, *shown: Copy, gso: int = 0) -> Step:
    """A frame that nobody gets, but mirrors may show."""
    return Step(lport, frame, drop=reason, copies=shown, gso=gso)


def becomes(world: Image, *, forget: bool = False) -> Step:
    """From here on the tables are these."""
    return Step(world=world, forget=forget)


# --- counters ----------------------------------------------------------------------------------------------------


@dataclass
class Ledger:
    """The counters that the steps so far must have left."""

    ports: dict[int, Counters] = field(default_factory=dict)

    def of(self, lport: int) -> Counters:
        return self.ports.setdefault(lport, Counters())

    def enter(self, step: Step, world: Image) -> None:
        """Book one step's frame."""
        if step.held:
            return
        came_by = world.ports.get(step.lport)
        up = world.control.niv and came_by is not None and not came_by.uplink and not step.drop
        port = self.of(step.back_to or step.counts_at or step.lport)
        port.rx_frames += 1
        port.rx_bytes += step.counts or len(step.frame) - (SERVICE_TAG if step.back_to or step.tunnelled else 0)
        self.of(step.learner or step.counts_at or step.lport).mac_moves += step.moved
        if len(step.frame) >= 14:
            port.rx_broadcast += step.frame[:6] == BROADCAST
            port.rx_multicast += bool(step.frame[0] & 1) and step.frame[:6] != BROADCAST
        if step.drop:
            port.drops_in[step.drop] = port.drops_in.get(step.drop, 0) + 1
        else:
            port.rx_forwarded += 1
        if up:
            _count(port, "niv_rx", step.frame, len(step.frame))
        port.rx_copies += len(step.copies)
        down = came_by is not None and came_by.niv is Niv.EXTENDER and step.frame[12:14] in NIV_TYPES
        for copy in step.copies:
            self._leave(copy, down)

    def _leave(self, copy: Copy, down: bool) -> None:
        port = self.of(copy.lport)
        if copy.reason:
            port.drops_out[copy.reason] = port.drops_out.get(copy.reason, 0) + 1
            return
        port.tx_frames += 1
        port.tx_bytes += copy.counts or len(copy.frame) - (SERVICE_TAG if copy.service else 0)
        port.tx_broadcast += copy.frame[:6] == BROADCAST
        port.tx_multicast += bool(copy.frame[0] & 1) and copy.frame[:6] != BROADCAST
        port.tx_flooded += copy.flooded
        if down:
            _count(port, "niv_tx", copy.frame, copy.counts or len(copy.frame))


def _count(port: Counters, what: str, frame: bytes, size: int) -> None:
    """Of these, what went by a NIV tag."""
    group = bool(frame[0] & 1)
    for name, more in (
        ("frames", 1),
        ("bytes", size),
        ("broadcast", frame[:6] == BROADCAST),
        ("multicast", group and frame[:6] != BROADCAST),
    ):
        setattr(port, f"{what}_{name}", getattr(port, f"{what}_{name}") + more)


def check_accounts(counters: Mapping[int, Counters]) -> None:
    """The invariants of struct dvs_counters (src/abi.h)."""
    for lport, port in counters.items():
        assert port.rx_frames == port.rx_forwarded + sum(port.drops_in.values()), f"lport {lport}: {port}"
    copies = sum(port.rx_copies for port in counters.values())
    ends = sum(port.tx_frames + sum(port.drops_out.values()) for port in counters.values())
    assert copies == ends, f"{copies} copies, {ends} of them accounted for"


def differences(found: Mapping[int, Counters], wanted: Ledger) -> list[str]:
    """Every counter that is not what the fates say, one line each."""
    lines = []
    for lport in sorted({*found, *wanted.ports}):
        left, right = found.get(lport, Counters()), wanted.of(lport)
        for name in (item.name for item in fields(Counters)):
            if getattr(left, name) != getattr(right, name):
                lines.append(f"lport {lport} {name}: is {getattr(left, name)}, should be {getattr(right, name)}")
    return lines


# --- running -----------------------------------------------------------------------------------------------------


def run_row(backend: Backend, row: Row) -> None:
    """Load the row's world into an engine with empty tables, take its steps, and empty the tables again."""
    world = _load(backend, Image(), row.world)
    touched = _ports(row)
    for lport in touched:
        backend.engine.clear_counters(lport)
    ledger = Ledger()
    try:
        for number, step in enumerate(row.steps, start=1):
            if step.world is not None:
                world = _load(backend, world, step.world)
                if step.forget:
                    backend.engine.forget(backend.engine.learned())
                continue
            take_step(backend, step, f"step {number}")
            ledger.enter(step, world)
            counters = backend.engine.counters(touched)
            assert differences(counters, ledger) == [], f"step {number}"
            check_accounts(counters)
            _check_learned(backend, world, step, f"step {number}")
    finally:
        backend.engine.forget(backend.engine.learned())
        apply_image(backend.engine, world, Image())


def _check_learned(backend: Backend, world: Image, step: Step, label: str) -> None:
    """The datapath's own count is that of its table, and what the row says."""
    if not any(policy.learn for policy in world.policies.values()):
        return
    counted = backend.engine.learned_counts()
    assert counted == Counter(entry.lport for entry in backend.engine.learned()), label
    assert step.learned is None or counted == step.learned, label


def _ports(row: Row) -> list[int]:
    worlds = [row.world, *(step.world for step in row.steps if step.world)]
    named = {step.lport for step in row.steps if step.world is None}
    return sorted(named.union(*(world.ports for world in worlds)))


def _load(backend: Backend, old: Image, new: Image) -> Image:
    backend.prepare(new)
    apply_image(backend.engine, old, new)
    return new


def take_step(backend: Backend, step: Step, label: str) -> None:
    """Put the frame in; what comes out, and the fate if it is told, must be as the step says."""
    fate, delivered = backend.send(step.lport, step.frame, step.gso)
    leaving = [copy for copy in step.copies if not copy.reason and not copy.shared]
    wanted = sorted((copy.link or copy.lport, copy.frame.hex()) for copy in leaving)
    assert sorted((lport, frame.hex()) for lport, frame in delivered) == wanted, label
    if fate is not None:
        assert fate.reason == step.drop, label
        assert _reasons(fate) == sorted((copy.lport, copy.reason) for copy in step.copies), label


def _reasons(fate: Fate) -> Iterable[tuple[int, str]]:
    return sorted((copy.lport, copy.reason) for copy in fate.copies)
