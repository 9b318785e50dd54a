"""Which engine calls are made on the engine's own thread, and which in place: never two at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

from dvswitch.mac import MacAddress
from vem.agent.datapath_side import COUNTED_TOGETHER, SMALL_PORTS, Datapath
from vem.agent.engine_thread import QUICK, EngineThread
from vem.datapath.image import Image, Policy, Port
from vem.datapath.user import UserEngine

TURNS = 64
"""Quick calls after which the last slow one is forgotten: each counts as much as all before it."""


async def _settle(thread: EngineThread) -> None:
    """Have it find that calls are quick."""
    for _ in range(TURNS):
        if await thread.brief(threading.get_ident) == threading.get_ident():
            return
    raise AssertionError("calls that take no time are made on the thread for ever")


def test_brief_calls_are_made_in_place_once_they_have_proved_quick() -> None:
    async def check() -> None:
        thread = EngineThread()
        assert await thread.brief(threading.get_ident) != threading.get_ident(), "nobody knew how long it would take"
        await _settle(thread)
        await thread.brief(time.sleep, 20 * QUICK)
        assert await thread.brief(threading.get_ident) != threading.get_ident(), "the last one was slow"
        await _settle(thread)
        await thread.close(keep=False)

    asyncio.run(check())


def test_a_brief_call_waits_its_turn_behind_a_call_that_nobody_waits_for_any_more() -> None:
    async def check() -> None:
        thread, began, go_on, order = EngineThread(), threading.Event(), threading.Event(), list[str]()
        await _settle(thread)

        def long() -> None:
            began.set()
            go_on.wait()
            order.append("long")

        waiting = asyncio.create_task(thread.call(long))
        await asyncio.to_thread(began.wait)
        given_up = asyncio.create_task(thread.call(order.append, "never"))
        await asyncio.sleep(0)
        for task in (waiting, given_up):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        behind = asyncio.create_task(thread.brief(order.append, "brief"))
        await asyncio.sleep(0)
        go_on.set()
        await behind
        assert order == ["long", "brief"]
        await thread.close(keep=False)

    asyncio.run(check())


def test_small_edits_alone_are_made_in_place() -> None:
    def image(ports: int, vlan: int = 10, learn: bool = False, generation: int = 1) -> Image:
        made = {
            lport: Port(1, lport, MacAddress(bytes([2, 0, 0, 0, 0, lport])), lport, generation=generation)
            for lport in range(1, ports + 1)
        }
        return Image(ports=made, policies={0: Policy(blocked=True), 1: Policy(vlan=vlan, learn=learn)})

    async def places(*images: Image) -> list[bool]:
        """Whether the last of these edits was made in place, once quick ones would be."""
        datapath = await Datapath.open(UserEngine)
        where: list[int] = []
        apply = datapath._change_tables
        datapath._change_tables = lambda image: (where.append(threading.get_ident()), apply(image))[1]  # type: ignore
        try:
            for each in images:
                await _settle(datapath._thread)
                assert await datapath.converge(each) == []
                assert datapath.image == each == await datapath._thread.call(datapath._engine.image)
        finally:
            await datapath.close(keep=False)
        return [ident == threading.get_ident() for ident in where]

    base = image(20)
    few = Image(ports={**base.ports, 3: image(20, generation=2).ports[3]}, policies=base.policies)
    assert asyncio.run(places(base, few)) == [False, True]
    assert asyncio.run(places(base, image(20, vlan=11))) == [False, False], "policies"
    many = {**base.ports, **dict(list(image(20, generation=2).ports.items())[: SMALL_PORTS + 1])}
    assert asyncio.run(places(base, Image(ports=many, policies=base.policies))) == [False, False], "many ports"
    learning = image(20, learn=True)
    gone = {lport: port for lport, port in learning.ports.items() if lport != 3}
    forgetting = Image(ports=gone, policies=learning.policies)
    assert asyncio.run(places(learning, forgetting)) == [False, False], "all that was learned must be looked through"


def test_all_counters_are_read_a_few_at_a_time_and_in_place() -> None:
    async def check() -> None:
        datapath = await Datapath.open(UserEngine)
        ports = {lport: Port(0, lport, MacAddress(bytes([2, 0, 0, 0, 0, lport])), lport) for lport in range(1, 101)}
        await datapath.converge(Image(ports=ports, policies={0: Policy(vlan=10)}))
        for lport in (1, 50, 100):
            datapath._engine.inject(lport, b"\xff" * 6 + bytes([2, 0, 0, 0, 0, lport]) + bytes(60))
        every = datapath._engine.counters()
        assert [lport for lport, counters in every.items() if counters.rx_frames] == [1, 50, 100]
        calls: list[tuple[int, int]] = []
        read = datapath._engine.counters
        datapath._engine.counters = lambda lports: (  # type: ignore[method-assign]
            calls.append((len(list(lports)), threading.get_ident())),
            read(lports),
        )[1]
        await _settle(datapath._thread)
        assert await datapath.counters() == every
        assert max(ports for ports, _ in calls) <= COUNTED_TOGETHER < len(every)
        assert calls[0][1] == threading.get_ident()
        await datapath.close(keep=False)

    asyncio.run(check())
