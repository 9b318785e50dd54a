"""A host asks whether it could take a NIC: answered as a manager's CHECK is, and nothing is changed by it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dvswitch.errors import Unavailable
from dvswitch.v1 import fabric_pb2 as pb
from dvswitch.v1 import types_pb2
from tests.support.fabric_rig import Rig, mac
from tests.support.fake_module import FakeModule
from vem.agent.questions import MAX_WAITING, Questions


async def answer(module: FakeModule, number: int, **question: object) -> pb.MayTakeAnswer:
    await module.say(may_take=pb.MayTake(id=number, **question))  # type: ignore[arg-type]
    await module.until(lambda: any(each.may_take.id == number for each in module.received))
    return next(each.may_take for each in module.received if each.may_take.id == number)


async def test_the_supervisor_answers(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig, rig.module(1) as near, rig.module(2) as far:
        await near.attach("web1", mac(1), "web", index=2)
        await near.port_of("web1")
        before = rig.state
        nic = types_pb2.Nic(vm="web1")
        there = await answer(far, 1, nic=nic, mac=mac(1), profile="web")
        assert (there.reason, there.veth, there.index) == ("", 1, 2)
        no_profile = await answer(far, 2, nic=nic, mac=mac(2), profile="none")
        assert "port-profile none: does not exist" in no_profile.reason and not no_profile.veth
        assert "is malformed" in (await answer(far, 3, nic=nic, mac="x", profile="web")).reason
        assert "names no VM" in (await answer(far, 4, mac=mac(1), profile="web")).reason
        assert rig.state.inventory.veths == before.inventory.veths and not rig.state.inventory.moves


async def test_the_host_waits_for_its_answer_and_for_no_other() -> None:
    sent: list[pb.ModuleMessage] = []
    questions = Questions(lambda message: sent.append(message) is None)
    waiting = asyncio.create_task(questions.may_take(types_pb2.Nic(vm="a"), mac(1), "web", 60))
    await asyncio.sleep(0)  # it has begun
    questions.answered(pb.MayTakeAnswer(id=sent[0].may_take.id + 1, reason="another's"))
    questions.answered(pb.MayTakeAnswer(id=sent[0].may_take.id, reason="mine"))
    questions.answered(pb.MayTakeAnswer(id=sent[0].may_take.id, reason="twice"))
    assert (await waiting).reason == "mine"


async def test_a_question_that_is_not_answered() -> None:
    nic = types_pb2.Nic(vm="a")
    with pytest.raises(Unavailable, match="is away"):
        await Questions(lambda message: False).may_take(nic, mac(1), "web", 60)
    questions = Questions(lambda message: True)
    with pytest.raises(Unavailable, match="did not answer"):
        await questions.may_take(nic, mac(1), "web", 0.01)
    waiting = [asyncio.create_task(questions.may_take(nic, mac(1), "web", 60)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="questions to answer"):
        await questions.may_take(nic, mac(1), "web", 60)
    questions.lost()
    assert all(isinstance(each, Unavailable) for each in await asyncio.gather(*waiting, return_exceptions=True))
