"""What an edit of one VIF costs a VIS with many, whose ports carry all VLANs: one table entry, and a small part of the
time that putting its tables together takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from dvswitch.vlan import VlanSet
from physical.niv.hub import Hub
from physical.niv.merge import Place
from physical.niv.numbers import PLAIN, Numbering
from tests.niv.test_parts import card, plain
from tests.support.recording_engine import RecordingEngine
from vem.agent.receivers import Group, receivers_of
from vem.datapath.image import Image, Policy

VIFS = range(1, 201)
EVERYTHING = VlanSet.parse("1-4094")
TIMES = 5


def trunks() -> Image:
    """The VIS's own ports, which carry all VLANs."""
    policy = Policy(trunk=True, allowed=EVERYTHING, vlan=1, forged_ok=True, learn=True, unknown_flood=True)
    lists = dict.fromkeys(EVERYTHING, (1, 8))
    return replace(plain(), policies={8: policy}, members=lists, unknown_members=lists)


def filled() -> tuple[Hub, RecordingEngine, Image]:
    """A VIS with a card of many VIFs, whose host goes by all lists; and the card's Image."""
    engine = RecordingEngine()
    hub, image = Hub(engine, Numbering()), card(*VIFS)
    hub.join(PLAIN)
    hub.join("a")
    hub.set_image(PLAIN, trunks())
    hub.set_image("a", image)
    for number in VIFS:
        hub.set_place("a", number, Place(1, number))
    hub.set_held(hub.lists())
    assert len(hub.image.vif_lists) == 1
    return hub, engine, image


def shut(image: Image, number: int) -> Image:
    """The card's Image with one vEth shut, all else being the same objects, as an agent compiles it."""
    return replace(image, ports={**image.ports, number: replace(image.ports[number], blocked=True)})


def test_an_edit_writes_one_entry() -> None:
    hub, engine, image = filled()
    engine.calls.clear()
    hub.set_image("a", shut(image, 7))
    assert engine.changes() == ["set_port"], "lists follow when the host knows the next ones"
    engine.calls.clear()
    hub.set_image("a", image)
    assert engine.changes() == ["set_port"]


def least(measure: Callable[[], object]) -> float:
    """Seconds of this thread's processor time, the least of some."""
    found = []
    for _ in range(TIMES):
        began = time.thread_time()
        measure()
        found.append(time.thread_time() - began)
    return min(found)


def test_an_edit_costs_a_small_part_of_all_the_tables() -> None:
    hub, _, image = filled()
    images = [image, shut(image, 7)]

    def edit() -> None:
        images.reverse()
        hub.set_image("a", images[0])

    def everything() -> None:
        anew = Hub(RecordingEngine(), Numbering())
        anew.join(PLAIN)
        anew.set_image(PLAIN, trunks())
        anew.join("a")
        anew.set_image("a", image)

    one, all_of_it = least(edit), least(everything)
    print(f"an edit takes {one * 1e3:.1f} ms, all the tables {all_of_it * 1e3:.1f} ms")
    assert one < all_of_it / 2


def test_receivers_are_worked_out_once_for_vlans_that_are_alike() -> None:
    trunk, access = Policy(trunk=True, allowed=EVERYTHING), Policy(vlan=10, learn=True, unknown_flood=True)
    found = receivers_of([Group.of(trunk, (3, 1)), Group.of(access, (2,))])
    assert (found.members[9], found.members[10]) == ((1, 3), (1, 2, 3))
    assert (found.unknown, found.promiscuous) == ({10: (2,)}, {})
    assert len({id(lports) for lports in found.members.values()}) == 2
