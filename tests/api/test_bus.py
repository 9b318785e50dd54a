"""The event bus: what is told soon is told in order, as of the moment it happened (vsm/events/bus.py)."""

from __future__ import annotations

import asyncio

import pytest

from vsm.events import bus as bus_module
from vsm.events.bus import Event, EventBus, News


def news(what: str) -> News:
    return News("veth", "vethernet 1", what, f"It {what}.")


class Clocked:
    """A bus whose time and revision are the same number, and who listens to it."""

    def __init__(self) -> None:
        self.now = 0
        self.bus = EventBus(lambda: float(self.now), lambda: self.now)
        self.heard: list[Event] = []
        self.bus.subscribe(self.heard.append)

    def told(self) -> list[tuple[int, str, float, int]]:
        return [(event.sequence, event.news.what, event.time, event.revision) for event in self.heard]


async def test_what_is_told_soon_comes_before_what_is_published_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "SOON", 1e6)
    made = Clocked()
    made.now = 1
    made.bus.publish_soon(lambda: [news("moved"), news("changed")])
    made.now = 2
    made.bus.publish_soon(lambda: [news("detached")])
    assert not made.heard, "nobody waits for it"
    made.now = 3
    made.bus.publish(news("attached"))
    assert made.told() == [(1, "moved", 1, 1), (2, "changed", 1, 1), (3, "detached", 2, 2), (4, "attached", 3, 3)]


async def test_who_begins_to_listen_does_not_get_what_happened_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "SOON", 1e6)
    made = Clocked()
    made.bus.publish_soon(lambda: [news("moved")])
    assert made.bus.sequence == 1
    made.bus.publish_soon(lambda: [news("changed")])
    events = made.bus.listen()
    made.bus.publish(news("detached"))
    assert (await anext(events)).news.what == "detached"


async def test_it_is_told_by_itself() -> None:
    made = Clocked()
    made.bus.publish_soon(lambda: [news("moved")])
    async with asyncio.timeout(60):
        while not made.heard:  # noqa: ASYNC110 - the bus has no other way to say so
            await asyncio.sleep(0.001)
    assert made.told() == [(1, "moved", 0, 0)]
