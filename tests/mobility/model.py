"""A supervisor, two hosts, a VM and all that may go wrong between them, as values: what test_model.py explores.

The rules are the product's own: the migration's table (vsm/mobility/machine.py), the judgement of reports
(vsm/mobility/reports.py), what each module should have in each state and the difference to what it was sent
(vsm/policy), the sum of counters (vsm/fabric/counters.py); on the hosts the NICs' records and the compilation of the
datapath's tables (vem/agent).  Written anew here is only what joins them: sessions that break and open again, queues of
messages, clocks that may run out at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Self, TypeVar

from dvswitch.errors import DvsError
from dvswitch.mac import MacAddress
from tests.support.fabric_rig import with_profile
from vem.agent import wanted as host_side
from vem.agent.attachments import Attachment, Attachments
from vem.agent.compile import Indexes, PluggedNic, compile_image
from vem.datapath.engine import Plug
from vsm.fabric.counters import Place as Life
from vsm.fabric.counters import Record, closed, reported
from vsm.mobility import machine, reports
from vsm.mobility.machine import Input
from vsm.mobility.reports import AttachReport
from vsm.model.migration import Move, MoveState
from vsm.model.state import Config, Inventory, Module, Nic, Phase, State, VemSlot, Veth
from vsm.policy.compile import wanted
from vsm.policy.difference import RemovePort, SetPort, difference
from vsm.policy.wanted import Wanted
from vsm.runtime import Counters

SOURCE, TARGET = 3, 4
SLOTS = (SOURCE, TARGET)
MAC = MacAddress.parse("52:54:00:00:00:01")
NIC = Nic("vm")
HOST_NIC = host_side.Nic("vm")
Place = tuple[Phase, int]
"""Of the vEth on a host: its phase and generation there."""
Message = tuple[object, ...]
Book = tuple[int, tuple[tuple[int, str, int, int, bool, int], ...]]
"""vsm.fabric.counters.Record, of values that can be hashed."""


class Value:
    """What the search copies and looks up all the time: a hash is worked out once, and a copy costs no constructor."""

    def but(self, **changes: object) -> Self:
        """The same with other fields, as dataclasses.replace()."""
        made = object.__new__(type(self))
        fields = {**self.__dict__, **changes}
        fields.pop("_hash", None)
        assert len(fields) == len(self.__dataclass_fields__), changes
        made.__dict__.update(fields)
        return made


Kind = TypeVar("Kind", bound=type[Value])


def hashed_once(kind: Kind) -> Kind:
    """Keep the hash with the value."""
    work_out = kind.__hash__

    def remembered(self: Value) -> int:
        found: int | None = self.__dict__.get("_hash")
        if found is None:
            found = self.__dict__["_hash"] = work_out(self)
        return found

    kind.__hash__ = remembered  # type: ignore[assignment]
    return kind


@hashed_once
@dataclass(frozen=True)
class Host(Value):
    """An agent, its engine and the NIC; the first four outlive the agent's process."""

    port: Place | None = None
    """The wanted state it has committed."""
    plugged: bool = False
    known: bool = False
    """It knows the vEth's number."""
    prepare: bool = False
    generation: int = 0
    alive: bool = True
    frames: int = 0
    """Counted since the engine was opened."""
    incarnation: int = 0
    life: int = 1
    """Of the port's counters."""
    drained: int = 0
    """Generation it has told of as drained, in this session."""


@hashed_once
@dataclass(frozen=True)
class Left(Value):
    """How often each thing may still happen."""

    begins: int = 1
    commits: int = 1
    cancels: int = 1
    attaches: int = 1
    detaches: int = 0
    cuts: int = 1
    crashes: int = 0
    supervisor_crashes: int = 0
    repeats: int = 0
    swaps: int = 0
    timeouts: int = 1
    frames: int = 1


@hashed_once
@dataclass(frozen=True)
class System(Value):
    """All of it."""

    veth: tuple[int | None, int] = (SOURCE, 1)
    """Stored: slot and generation."""
    move: Move | None = None
    """Stored, without times."""
    hosts: tuple[Host, Host] = (Host((Phase.ACTIVE, 1), True, True, False, 1), Host())
    linked: tuple[bool, bool] = (True, True)
    down: tuple[tuple[Message, ...], tuple[Message, ...]] = ((), ())
    up: tuple[tuple[Message, ...], tuple[Message, ...]] = ((), ())
    sent: tuple[Place | None, Place | None] = ((Phase.ACTIVE, 1), None)
    """What each host was sent last, in this session."""
    drained: tuple[int, int] = (0, 0)
    """What the supervisor heard; not stored."""
    record: Book = (0, ())
    """The sum of counters, of the one counter there is: base and places."""
    vm: int = SOURCE
    """Where it runs."""
    waited_in_vain: bool = False
    """Somebody who could not be reached was left behind."""
    counted: int = 0
    """Frames that engines have counted."""
    left: Left = field(default_factory=Left)

    def __hash__(self) -> int:
        """Of what is quick to hash and tells nearly all apart."""
        queues = *map(len, self.down), *map(len, self.up)
        move = self.move and (self.move.generation, self.move.target)
        return hash((self.veth, move, self.hosts, self.linked, queues, self.drained, self.record, self.vm, self.left))


# ---- the supervisor


@cache
def _base() -> State:
    modules = {slot: Module(slot, f"host-{slot}", f"kvm-{slot}", max_ports=8) for slot in SLOTS}
    config = Config(slots={slot: VemSlot(slot, f"host-{slot}") for slot in SLOTS})
    return with_profile("web")(State(config, Inventory(modules=modules)))


@cache
def state_of(veth: tuple[int | None, int], move: Move | None) -> State:
    """The stored State."""
    base = _base()
    record = Veth(1, NIC, MAC, "web", veth[0], veth[1])
    return replace(base, inventory=replace(base.inventory, veths={1: record}, moves={1: move} if move else {}))


@cache
def place_of(veth: tuple[int | None, int], move: Move | None, slot: int) -> Place | None:
    """What the host in ``slot`` should have."""
    port = wanted(state_of(veth, move), slot).ports.get(1)
    return (port.phase, port.generation) if port else None


Stored = tuple[tuple[int | None, int], Move | None]


def transacted(now: System, change: Callable[..., State], *arguments: object) -> System | None:
    """The system after the transaction change(state, *arguments), with what hosts are sent then; None: refused."""
    found = _outcome(now.veth, now.move, change, arguments)
    if found is None:
        return None
    veth, move = found
    book = now.record
    if now.veth[0] is not None and veth[0] != now.veth[0]:
        book = _closed(book, now.veth[0])
    return pushed(now.but(veth=veth, move=move, record=book))


@cache
def _outcome(
    veth: tuple[int | None, int], move: Move | None, change: Callable[..., State], arguments: tuple[object, ...]
) -> Stored | None:
    try:
        after = change(state_of(veth, move), *arguments)
    except DvsError:
        return None
    record, found = after.inventory.veths[1], after.inventory.moves.get(1)
    return (record.slot, record.generation), replace(found, steps=(), asked_by="", carried=()) if found else None


def forget() -> None:
    """The product's rules may be others from here on (a test that plants a mistake)."""
    for memory in (_outcome, state_of, place_of, _reported, _closed):
        memory.cache_clear()


def counted_in_full(now: System) -> System:
    """Every host has reported its counters, as it does once a second."""
    for slot, host in zip(SLOTS, now.hosts, strict=True):
        now = _counted(now, slot, host.port[1] if host.port else 0, (host.incarnation, host.life), host.frames)
    return now


def pushed(now: System) -> System:
    """Sessions send what has changed for their hosts."""
    for at, slot in enumerate(SLOTS):
        place = place_of(now.veth, now.move, slot)
        if now.linked[at] and place != now.sent[at]:
            change = _difference(now.sent[at], place)
            now = now.but(down=_put(now.down, at, (*now.down[at], change)), sent=_put(now.sent, at, place))
    return now


@cache
def _difference(old: Place | None, new: Place | None) -> Message:
    """The one change that the real difference finds."""
    (change,) = [found for found in difference(_wanted(old), _wanted(new)) if isinstance(found, SetPort | RemovePort)]
    return ("set", change.port.phase, change.port.generation) if isinstance(change, SetPort) else ("remove",)


def _wanted(place: Place | None) -> Wanted:
    if place is None:
        return replace(wanted(_base(), SOURCE), ports={})
    full = wanted(state_of((SOURCE, place[1]), None), SOURCE)
    return replace(full, ports={1: replace(full.ports[1], phase=place[0], generation=place[1])})


# ---- hosts


@cache
def forwards(port: Place | None, plugged: bool, alive: bool) -> bool:
    """Whether the compiled tables let frames of the vEth pass."""
    if port is None or not plugged or not alive:
        return False
    phase, generation = port
    policy = host_side.Policy(1, "web", vlan=10)
    entry = host_side.Port(1, 1, MAC, HOST_NIC, generation, host_side.Phase[phase.name])
    wants = host_side.Wanted(1, host_side.Switch("vsm", 1), {1: policy}, {1: entry})
    compiled = compile_image(wants, [PluggedNic(1, MAC, 1)], [], Indexes())
    return compiled.veths[1].enabled and MAC in compiled.image.static_macs


def forwarding(now: System) -> list[int]:
    """Slots of the hosts where the vEth's frames pass."""
    return [slot for slot, host in zip(SLOTS, now.hosts, strict=True) if forwards(host.port, host.plugged, host.alive)]


def _bound(host: Host) -> Host:
    """What the NIC's record becomes by the wanted state (the agent's match)."""
    if not host.plugged or host.port is None:
        return host
    known, generation, prepare = _matched(host.port, host.known, host.generation, host.prepare)
    return host.but(known=known, generation=generation, prepare=prepare)


@cache
def _matched(port: Place, known: bool, generation: int, prepare: bool) -> tuple[bool, int, bool]:
    phase, wanted_generation = port
    attachment = Attachment(HOST_NIC, MAC, "web", Plug("memory"), 1, prepare, int(known), generation)
    entry = host_side.Port(1, 1, MAC, HOST_NIC, wanted_generation, host_side.Phase[phase.name])
    Attachments().bind(attachment, entry)
    return True, attachment.generation, attachment.prepare


def _passed(now: System, at: int, host: Host) -> System:
    """A pass of the agent is over, with this become of the host: what it tells."""
    host = _bound(host)
    if host.port and host.port[0] is Phase.DRAINING and host.plugged and host.drained != host.port[1]:
        host = host.but(drained=host.port[1])
        now = _said(now, at, ("drained", host.port[1], (host.incarnation, host.life), host.frames))
    return now.but(hosts=_put(now.hosts, at, host))


def _said(now: System, at: int, message: Message) -> System:
    """The host sends; without a session nothing is sent."""
    return now.but(up=_put(now.up, at, (*now.up[at], message))) if now.linked[at] else now


def _put(items: tuple, at: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (value, items[1]) if at == 0 else (items[0], value)


# ---- messages


def received_by_host(now: System, at: int) -> System:
    """The host takes the next message of the supervisor."""
    message, host = now.down[at][0], now.hosts[at]
    now = now.but(down=_put(now.down, at, now.down[at][1:]))
    match message:
        case ("set", phase, generation):
            host = host.but(port=(phase, generation))
        case ("remove",):
            host = host.but(port=None)
        case ("refused",):
            host = host.but(plugged=False, known=False, prepare=False)
    now = _passed(now, at, host)
    return _said(now, at, ("ack",)) if message[0] != "refused" else now


def received_by_supervisor(now: System, at: int, keep: bool = False) -> System:
    """The supervisor takes the next message of a host; ``keep``: it will come once more."""
    message, slot = now.up[at][0], SLOTS[at]
    if not keep:
        now = now.but(up=_put(now.up, at, now.up[at][1:]))
    match message:
        case ("drained", int(generation), incarnation, frames):
            now = now.but(drained=_put(now.drained, at, generation))
            return _counted(now, slot, generation, incarnation, frames)
        case ("counters", generation, incarnation, frames):
            return _counted(now, slot, generation, incarnation, frames)
        case ("seen", int(generation)):
            away = _away if now.veth[0] in SLOTS and not now.linked[SLOTS.index(now.veth[0])] else _there
            return transacted(now, reports.seen, slot, 1, generation, 0.0, away) or now
        case ("detached", int(generation), incarnation, frames):
            now = _counted(now, slot, generation, incarnation, frames)
            return transacted(now, reports.detached, slot, 1, generation) or now
        case ("attached", bool(known), int(generation), bool(prepare)):
            report = AttachReport(slot, NIC, MAC, "web", prepare, int(known), generation)
            after = transacted(now, reports.attached, report)
            return after or now.but(down=_put(now.down, at, (*now.down[at], ("refused",))))
    return now


def _away(_slot: int) -> bool:
    return True


def _there(_slot: int) -> bool:
    return False


def _counted(now: System, slot: int, generation: object, incarnation: object, frames: object) -> System:
    assert isinstance(generation, int) and isinstance(frames, int)
    engine, life = incarnation  # type: ignore[misc]
    return now.but(record=_reported(now.record, slot, str(engine), generation, frames, life))


@cache
def _reported(book: Book, slot: int, engine: str, generation: int, frames: int, life: int) -> Book:
    return _book(reported(record_of(book), slot, engine, generation, Counters(rx_frames=frames), life))


@cache
def _closed(book: Book, slot: int) -> Book:
    return _book(closed(record_of(book), slot))


@cache
def total(book: Book) -> int:
    """Frames, as people are shown them."""
    return record_of(book).total.rx_frames


def record_of(book: Book) -> Record:
    """The product's record of counters."""
    places = (Life(slot, inc, gen, Counters(rx_frames=n), over, life) for slot, inc, gen, n, over, life in book[1])
    return Record(Counters(rx_frames=book[0]), tuple(places))


def _book(record: Record) -> Book:
    places = ((it.slot, it.incarnation, it.generation, it.latest.rx_frames, it.closed, it.life) for it in record.places)
    return record.base.rx_frames, tuple(places)


def cut(now: System, at: int) -> System:
    """The session is lost, with all that was on its way."""
    return now.but(
        linked=_put(now.linked, at, False),
        down=_put(now.down, at, ()),
        up=_put(now.up, at, ()),
    )


def linked(now: System, at: int) -> System:
    """A session opens: the host tells of its NIC and of what it counted, the supervisor sends all that it wants."""
    host, slot = now.hosts[at].but(drained=0), SLOTS[at]
    place = place_of(now.veth, now.move, slot)
    now = now.but(
        linked=_put(now.linked, at, True),
        hosts=_put(now.hosts, at, host),
        down=_put(now.down, at, (("set", *place) if place else ("remove",),)),
        sent=_put(now.sent, at, place),
    )
    if host.plugged:
        now = _said(now, at, ("attached", host.known, host.generation if host.known else 0, host.prepare))
    return _said(now, at, ("counters", host.generation, (host.incarnation, host.life), host.frames))


# ---- what may happen next


def settled(now: System, slot: int) -> bool:
    """Whether the host has confirmed all that it was sent."""
    at = SLOTS.index(slot)
    return now.linked[at] and not now.down[at] and ("ack",) not in now.up[at]


def driven(now: System) -> System | None:
    """The step that the driver takes by itself now."""
    move = now.move
    if move is None:
        return None
    if move.state is MoveState.PAUSED and now.drained[SLOTS.index(move.source)] >= move.generation - 1:
        return transacted(now, machine.step, 1, Input.DRAINED)
    if move.lives_on and settled(now, move.lives_on):
        return transacted(now, machine.step, 1, Input.APPLIED)
    return None


TIMEOUTS = {
    MoveState.PREPARED: Input.PREPARE_TIMEOUT,
    MoveState.PAUSED: Input.DRAIN_TIMEOUT,
    MoveState.ACTIVATED: Input.APPLY_TIMEOUT,
    MoveState.CANCELLED: Input.APPLY_TIMEOUT,
}


def successors(now: System) -> Iterator[tuple[str, System]]:
    """Everything that may happen next, with its name."""
    yield from _deliveries(now)
    if (after := driven(now)) is not None:
        yield "driver", after
    yield from _orders(now)
    yield from _guest(now)
    yield from _mishaps(now)


def _deliveries(now: System) -> Iterator[tuple[str, System]]:
    for at, slot in enumerate(SLOTS):
        if now.down[at] and now.hosts[at].alive:
            yield f"host {slot} takes {now.down[at][0]}", received_by_host(now, at)
        if now.up[at]:
            yield f"supervisor takes {now.up[at][0]} of {slot}", received_by_supervisor(now, at)
        if not now.linked[at] and now.hosts[at].alive:
            yield f"host {slot} opens a session", linked(now, at)


def _orders(now: System) -> Iterator[tuple[str, System]]:
    """What managers say."""
    left = now.left
    if left.begins:
        for target in SLOTS:
            after = transacted(now, machine.begin, 1, target)
            if after is not None:
                yield f"begin to {target}", after.but(left=left.but(begins=left.begins - 1))
    for given, name in ((Input.COMMIT, "commits"), (Input.CANCEL, "cancels")):
        count = getattr(left, name)
        after = transacted(now, machine.step, 1, given) if count else None
        if after is not None:
            vm = now.move.target if given is Input.COMMIT and now.move else now.vm
            yield given.value, after.but(vm=vm, left=left.but(**{name: count - 1}))


def _guest(now: System) -> Iterator[tuple[str, System]]:
    """NICs that come and go, and frames of the VM where it runs."""
    left = now.left
    for at, slot in enumerate(SLOTS):
        host = now.hosts[at]
        if left.attaches and host.alive and not host.plugged:
            for prepare in (True, False):
                plugged = host.but(plugged=True, prepare=prepare, frames=0, life=host.life + 1)
                after = _said(now.but(vm=now.vm if prepare else slot), at, ("attached", False, 0, prepare))
                after = _passed(after, at, plugged)
                yield f"attach {prepare} on {slot}", after.but(left=left.but(attaches=left.attaches - 1))
        if left.attaches and host.alive and host.plugged and host.known and _has_left(host):
            after = _passed(_said(now.but(vm=slot), at, ("attached", False, 0, False)), at, host)
            yield f"attach again on {slot}", after.but(left=left.but(attaches=left.attaches - 1))
        if left.detaches and host.alive and host.plugged and host.known and now.vm != slot:
            gone = host.but(plugged=False, known=False, prepare=False)
            after = now.but(hosts=_put(now.hosts, at, gone))
            after = _said(after, at, ("detached", host.generation, (host.incarnation, host.life), host.frames))
            yield f"detach on {slot}", after.but(left=left.but(detaches=left.detaches - 1))
        if left.frames and host.alive and host.plugged and now.vm == slot:
            counts = host.but(frames=host.frames + 1)
            after = now.but(hosts=_put(now.hosts, at, counts), counted=now.counted + 1)
            if host.port and host.port[0] is Phase.PREPARED:
                after = _said(after, at, ("seen", host.port[1]))
            yield f"frame on {slot}", after.but(left=left.but(frames=left.frames - 1))
        if left.frames and not now.hosts[1 - at].alive and now.vm != slot and _lets_go_on(host):
            # Its frames are not counted: there is no port for them.
            after = _said(now.but(vm=slot), at, ("seen", 0))
            yield f"the VM goes on, on {slot}", after.but(left=left.but(frames=left.frames - 1))


def _lets_go_on(host: Host) -> bool:
    """The vEth has left for good, and its NIC is plugged in still (vem/agent/arrivals.py)."""
    return host.alive and host.plugged and host.known and not host.prepare and host.port is None


def _has_left(host: Host) -> bool:
    """The vEth has moved on, and its NIC is still plugged in (vem/agent/attaching.py)."""
    return not host.prepare and (host.port is None or host.port[0] is Phase.DRAINING)


def _mishaps(now: System) -> Iterator[tuple[str, System]]:
    left = now.left
    if left.timeouts and now.move is not None:
        given = TIMEOUTS[now.move.state]
        after = transacted(now, machine.step, 1, given)
        if after is not None:
            vain = now.waited_in_vain or given is Input.DRAIN_TIMEOUT
            yield given.value, after.but(waited_in_vain=vain, left=left.but(timeouts=left.timeouts - 1))
    if left.supervisor_crashes:
        after = cut(cut(now, 0), 1).but(drained=(0, 0))
        yield "supervisor dies", after.but(left=left.but(supervisor_crashes=left.supervisor_crashes - 1))
    for at, slot in enumerate(SLOTS):
        host = now.hosts[at]
        if left.cuts and now.linked[at]:
            yield f"session of {slot} lost", cut(now, at).but(left=left.but(cuts=left.cuts - 1))
        if left.crashes and host.alive:
            # The kernel forwards on without the agent, and counts on; with the user engine both begin anew.
            dead = host.but(alive=False)
            after = cut(now, at).but(hosts=_put(now.hosts, at, dead), left=left.but(crashes=left.crashes - 1))
            yield f"host {slot} dies", after
        if not host.alive:
            new = host.but(alive=True, frames=0, incarnation=host.incarnation + 1)
            yield f"host {slot} starts", now.but(hosts=_put(now.hosts, at, new))
        if left.repeats and now.up[at]:
            after = received_by_supervisor(now, at, keep=True)
            yield f"{now.up[at][0]} of {slot} twice", after.but(left=left.but(repeats=left.repeats - 1))
        if left.swaps and len(now.up[at]) > 1:
            first, second, *rest = now.up[at]
            after = now.but(up=_put(now.up, at, (second, first, *rest)))
            yield f"messages of {slot} overtake", after.but(left=left.but(swaps=left.swaps - 1))
