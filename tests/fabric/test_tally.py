"""A long counter report is taken in slice by slice, in whatever order the rest needs it, and each port of it once."""

from __future__ import annotations

import asyncio

from dvswitch.v1 import fabric_pb2
from vsm.fabric.tally import SLICE, Tally


def _report(ports: int, generation: int = 1) -> list[fabric_pb2.PortCounters]:
    return [fabric_pb2.PortCounters(veth=number, generation=generation) for number in range(1, ports + 1)]


def test_a_short_report_is_taken_in_at_once() -> None:
    taken: list[int] = []
    Tally(lambda port: taken.append(port.veth)).add(_report(SLICE))
    assert taken == list(range(1, SLICE + 1))


def test_others_have_their_turn_within_a_long_report() -> None:
    async def check() -> None:
        taken: list[int] = []
        tally = Tally(lambda port: taken.append(port.veth))
        tally.add([*_report(4 * SLICE), fabric_pb2.PortCounters(uplink=1)])
        seen = []
        while len(taken) <= 4 * SLICE:
            seen.append(len(taken))
            await asyncio.sleep(0)
        assert taken == [*range(1, 4 * SLICE + 1), 0]
        assert max(after - before for before, after in zip([0, *seen], [*seen, len(taken)], strict=True)) <= SLICE

    asyncio.run(check())


def test_what_was_counted_at_a_port_comes_before_what_else_is_said_of_it() -> None:
    async def check() -> None:
        taken: list[int] = []
        tally = Tally(lambda port: taken.append(port.veth))
        tally.add(_report(3 * SLICE))
        for _ in range(2):
            tally.settle(3 * SLICE)
        assert taken[-1] == 3 * SLICE and len(taken) == SLICE + 1
        tally.settle(4 * SLICE)  # nothing was counted there
        for _ in range(3):
            await asyncio.sleep(0)
        assert sorted(taken) == list(range(1, 3 * SLICE + 1))

    asyncio.run(check())


def test_reports_that_come_together_share_the_turns_and_none_of_a_port_is_left_out() -> None:
    async def check() -> None:
        taken: list[tuple[int, int]] = []
        tally = Tally(lambda port: taken.append((port.veth, port.generation)))
        tally.add(_report(2 * SLICE, generation=1))
        tally.add(_report(4 * SLICE, generation=2)[3 * SLICE :])
        assert len(taken) == SLICE
        tally.add(_report(2 * SLICE, generation=3)[SLICE:])
        assert taken[SLICE:] == [(number, 1) for number in range(SLICE + 1, 2 * SLICE + 1)]
        tally.close()
        assert len(taken) == 4 * SLICE and set(taken[2 * SLICE :]) == {
            *((number, 2) for number in range(3 * SLICE + 1, 4 * SLICE + 1)),
            *((number, 3) for number in range(SLICE + 1, 2 * SLICE + 1)),
        }
        await asyncio.sleep(0)
        assert len(taken) == 4 * SLICE

    asyncio.run(check())
