"""How often the agent reads the table of learned addresses (vem/agent/learned_look.py)."""

from __future__ import annotations

from dvswitch.mac import MacAddress
from vem.agent.datapath_side import Datapath
from vem.agent.learned_look import LONGEST, LearnedLook
from vem.datapath.image import Image, LearnedMac, Policy, Port
from vem.datapath.user import UserEngine

PORT = Port(policy=1, number=7, mac=MacAddress.parse("02:00:00:00:00:07"))
LEARNING = Image(ports={1: PORT}, policies={1: Policy(learn=True, forged_ok=True)})


def entry(last: int) -> LearnedMac:
    """Of port 1."""
    return LearnedMac(MacAddress(bytes((2, 0xEE, 0, 0, 0, last))), 0, 1, 0.0)


async def opened(image: Image) -> Datapath:
    """A real datapath."""
    datapath = await Datapath.open(UserEngine)
    await datapath.converge(image, {})
    return datapath


async def test_the_table_is_read_only_when_something_was_learned_or_removed() -> None:
    datapath = await opened(LEARNING)
    try:
        look = LearnedLook(datapath)
        assert await look.changed({}, False, 0.0) == []
        assert await look.changed({}, False, 1.0) is None
        await datapath.remember([entry(1)])
        found = await look.changed({}, False, 2.0)
        assert found and [one.mac for one in found] == [entry(1).mac]
        assert await look.changed({}, False, 3.0) is None
        await datapath.age(-1.0)
        await datapath.remember([entry(2)])  # as many as before
        found = await look.changed({}, False, 4.0)
        assert found and [one.mac for one in found] == [entry(2).mac]
        assert await look.changed({}, True, 5.0), "asked for in any case"
    finally:
        await datapath.close(keep=False)


async def test_a_table_that_takes_long_to_tell_is_read_less_often() -> None:
    datapath = await opened(LEARNING)
    try:
        look = LearnedLook(datapath)
        await look.changed({}, False, 0.0)
        look.told(0.2)
        await datapath.remember([entry(1)])
        assert await look.changed({}, False, 2.0) is None
        assert await look.changed({}, False, 2.3), "the change was not forgotten meanwhile"
        look.told(60.0)
        await datapath.remember([entry(2)])
        assert await look.changed({}, False, 60.0 + LONGEST), "a slow machine looks all the same"
    finally:
        await datapath.close(keep=False)


async def test_where_nobody_learns_nothing_is_read() -> None:
    datapath = await opened(Image())
    try:
        look = LearnedLook(datapath)
        assert await look.changed({}, False, 0.0) is None
        assert await look.changed({}, True, 1.0) == []
    finally:
        await datapath.close(keep=False)
