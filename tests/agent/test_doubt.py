"""What the supervisor said before a silence is not carried out until it has answered (vem/agent/doubt.py, session.py,
vsm/fabric/beats.py)."""

from __future__ import annotations

import asyncio
import time

import pytest

from dvswitch.v1.fabric_pb2 import Heartbeat
from vem.agent.doubt import Doubt
from vsm.fabric.beats import Beats

LONG = 60.0
"""Seconds that nobody waits here."""


def test_who_is_in_no_doubt_does_not_wait() -> None:
    asyncio.run(Doubt().over(LONG))


@pytest.mark.parametrize("how", ["answered", "answered later", "known anew"])
def test_doubt_ends_with_an_answer_or_with_a_new_session(how: str) -> None:
    async def run() -> list[str]:
        doubt, order = Doubt(), []
        doubt.begin(7)

        async def carry_out() -> None:
            await doubt.over(LONG)
            order.append("carried out")

        waiting = asyncio.create_task(carry_out())
        for _ in range(3):
            await asyncio.sleep(0)
        doubt.answered(6)  # of a question before
        doubt.answered(0)  # a heartbeat like others
        for _ in range(3):
            await asyncio.sleep(0)
        order.append("heard")
        if how == "known anew":
            doubt.end()
        else:
            doubt.answered(7 if how == "answered" else 8)
        await waiting
        return order

    assert asyncio.run(run()) == ["heard", "carried out"]


def test_without_an_answer_what_is_known_is_carried_out_after_all() -> None:
    async def run() -> None:
        doubt = Doubt()
        doubt.begin(1)
        start = time.monotonic()
        await doubt.over(0.05)
        assert time.monotonic() - start >= 0.05
        await doubt.over(LONG)  # and it is not waited for again

    asyncio.run(run())


def test_the_supervisor_answers_at_once_and_beats_on_from_there() -> None:
    now = [100.0]
    beats = Beats(lambda: now[0], 1.0)
    assert beats.left == 1.0
    assert not beats.heard(Heartbeat(sequence=3))
    assert beats.left == 1.0
    now[0] += 0.25
    assert beats.heard(Heartbeat(sequence=4, ask=True))
    assert beats.left == 0.0
    assert beats.next(11).heartbeat == Heartbeat(sequence=1, revision=11, answers=4)
    assert beats.left == 1.0
