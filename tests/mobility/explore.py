"""Breadth-first search through all that may happen to a model of a migration, with what must hold everywhere."""

from __future__ import annotations

from dataclasses import dataclass

from tests.mobility.model import (
    SLOTS,
    Left,
    System,
    counted_in_full,
    driven,
    forwarding,
    linked,
    received_by_host,
    successors,
    total,
    transacted,
)
from tests.mobility.model import received_by_supervisor as received
from vsm.mobility import machine
from vsm.mobility.machine import Input
from vsm.model.migration import MoveState

NONE_LEFT = Left(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class Violated(AssertionError):
    """A rule does not hold; the text is the way there."""


@dataclass
class Explored:
    """What a search found."""

    states: int
    activations: int
    """Ways into a state in which the target forwards."""


def explore(start: System, limit: int = 1_000_000) -> Explored:
    """Visit every state that can be reached; Violated at the first that should not be."""
    ways: dict[System, tuple[System | None, str]] = {start: (None, "")}
    recovered: set[System] = set()
    frontier, activations = [start], 0
    while frontier:
        following = []
        for now in frontier:
            try:
                _check(now)
                _recover(now, recovered)
                for name, after in successors(now):
                    if after not in ways:
                        _check_step(now, after)
                        ways[after] = (now, name)
                        following.append(after)
                        activations += SLOTS[1] in forwarding(after) and SLOTS[1] not in forwarding(now)
            except AssertionError as error:
                raise Violated(f"{error}\n{_way(ways, now)}") from error
        assert len(ways) < limit, f"more than {limit} states"
        frontier = following
    return Explored(len(ways), activations)


def _check(now: System) -> None:
    """Never two that forward, but for one left behind by a time-out: it has the lower generation."""
    both = forwarding(now)
    if len(both) < 2:
        return
    assert now.waited_in_vain, "two hosts forward"
    places = {slot: host.port for slot, host in zip(SLOTS, now.hosts, strict=True)}
    generations = {slot: place[1] for slot, place in places.items() if place}
    assert len(set(generations.values())) == 2, "two hosts forward with the same generation"


def _check_step(before: System, after: System) -> None:
    assert total(after.record) >= total(before.record), "counters went back"
    assert after.veth[1] >= before.veth[1], "a generation went back"


def _recover(now: System, known: set[System]) -> None:
    """All is well again and nobody asks for more: in the end one host forwards, the one that the State says."""
    path = []
    here: System | None = now.but(left=NONE_LEFT)
    while here is not None and here not in known:
        path.append(here)
        assert len(path) < 200, "nothing comes to rest"
        last, here = here, onward(here)
    known.update(path)
    if here is None and path:
        _check_rest(last)


def onward(now: System) -> System | None:
    """The next step of a recovery; None: at rest."""
    for at in (0, 1):
        host = now.hosts[at]
        if not host.alive:
            revived = host.but(alive=True, frames=0, incarnation=host.incarnation + 1)
            return now.but(hosts=(revived, now.hosts[1]) if at == 0 else (now.hosts[0], revived))
        if not now.linked[at]:
            return linked(now, at)
        if now.down[at]:
            return received_by_host(now, at)
        if now.up[at]:
            return received(now, at)
    waits_in_vain = now.move is not None and now.move.state is MoveState.PAUSED
    return driven(now) or (transacted(now, machine.step, 1, Input.DRAIN_TIMEOUT) if waits_in_vain else None)


def _check_rest(now: System) -> None:
    if not any(host.incarnation for host in now.hosts):
        assert total(counted_in_full(now).record) == now.counted, "frames are missing in the sum of counters"
    slot, generation = now.veth
    owners = forwarding(now)
    if slot is None or not now.hosts[SLOTS.index(slot)].plugged:
        assert owners == [], f"forwards on {owners}, but is plugged in nowhere"
        return
    assert owners == [slot], f"forwards on {owners}, belongs on {slot} (generation {generation}, {now.move})"


def _way(ways: dict[System, tuple[System | None, str]], end: System) -> str:
    steps = []
    here: System | None = end
    while here is not None:
        here, name = ways[here]
        steps.append(name)
    return "\n".join(filter(None, reversed(steps)))
