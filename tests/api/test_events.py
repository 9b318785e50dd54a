"""The event stream: gapless, filtered, cut off rather than served with gaps; and events made from any two States."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dvswitch.errors import Unavailable
from dvswitch.mac import MacAddress
from tests.support.fabric_rig import host, mac, with_profile
from vsm.events.bus import EventBus, News
from vsm.events.derive import happened
from vsm.mobility.machine import Input, begin, step
from vsm.mobility.reports import AttachReport, attached, detached
from vsm.model import lifecycle
from vsm.model.state import Module, Nic, State, Uplink


async def test_listeners_hear_from_their_call_on_and_only_what_they_asked_for() -> None:
    bus = EventBus(lambda: 12.5)
    bus.publish(News("veth", "vethernet 1", "attached", "too early"))
    every, few = bus.listen(), bus.listen(["config"])
    bus.publish(News("veth", "vethernet 1", "moved", "It moved.", 1))
    bus.publish(News("config", "vlans", "changed", "They changed."))
    async with asyncio.timeout(60):
        heard = [await anext(every), await anext(every)]
        assert [(event.sequence, event.news.what, event.time) for event in heard] == [
            (2, "moved", 12.5),
            (3, "changed", 12.5),
        ]
        assert (await anext(few)).sequence == 3


async def test_a_listener_that_falls_behind_is_cut_off() -> None:
    bus = EventBus(lambda: 0.0)
    events = bus.listen()
    for number in range(10_005):
        bus.publish(News("config", str(number), "changed", ""))
    heard = 0
    with pytest.raises(Unavailable, match="events behind"):
        async for event in events:
            heard += 1
            assert event.sequence == heard
    assert heard == 10_000


def test_the_steps_of_a_life_are_told() -> None:
    state, told = State(), []

    def go(new: State) -> None:
        nonlocal state
        told.append([(news.kind, news.object, news.what) for news in happened(state, new)])
        state = new

    report = AttachReport(3, Nic("web1"), MacAddress.parse(mac(1)), "web")
    go(with_profile("web")(state))
    go(with_profile("web", vlan=20)(state))
    go(lifecycle.joined(state, 1, Module(0, host(1), "kvm-1")))
    go(lifecycle.joined(state, 1, Module(0, host(2), "kvm-2")))
    go(lifecycle.uplink_seen(state, Uplink(3, 1, "eth1", link_up=True)))
    go(attached(state, report))
    go(begin(state, 1, 4))
    go(step(state, 1, Input.COMMIT))
    go(step(state, 1, Input.DRAINED))
    go(step(state, 1, Input.APPLIED))
    go(detached(state, 4, 1, 2))
    go(replace(state, inventory=replace(state.inventory, veths={})))
    go(state)
    slots = ("config", "slots", "changed")
    vlans = ("config", "vlans", "changed")
    assert told == [
        [vlans, ("profile", "port-profile web", "created")],
        [vlans, ("profile", "port-profile web", "changed")],
        [slots, ("module", "module 3", "joined")],
        [slots, ("module", "module 4", "joined")],
        [("uplink", "ethernet 3/1", "created")],
        [("veth", "vethernet 1", "attached")],
        [("migration", "vethernet 1", "prepared")],
        [("migration", "vethernet 1", "paused")],
        [("veth", "vethernet 1", "moved"), ("migration", "vethernet 1", "activated")],
        [("migration", "vethernet 1", "done")],
        [("veth", "vethernet 1", "detached")],
        [("veth", "vethernet 1", "removed")],
        [],
    ]
