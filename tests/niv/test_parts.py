"""The parts of a VIS in one engine: whose number is whose, and what comes of several Images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from dvswitch.errors import Unavailable
from dvswitch.mac import MacAddress
from physical.niv import merge
from physical.niv.hub import Hub
from physical.niv.lists import VifLists, expanded
from physical.niv.merge import Place
from physical.niv.numbers import FIRST, FOREIGN, Numbering
from physical.niv.part import PartEngine, plug_of
from vem.datapath.engine import EngineError, Plug
from vem.datapath.image import Group, Image, Niv, Policy, Port, Tagging
from vem.datapath.user import UserEngine

NOBODY = MacAddress(bytes(6))
WEB = Policy(vlan=10)
TRUNK = Policy(trunk=True, vlan=1, forged_ok=True, learn=True, unknown_flood=True)


def mac(number: int) -> MacAddress:
    return MacAddress(b"\x02\x00\x00\x00\x03" + bytes((number,)))


def nic(number: int, **changes: object) -> Port:
    port = Port(policy=1, number=number, mac=mac(number), port_id=number)
    return replace(port, **changes)  # type: ignore[arg-type]


def card(*numbers: int, **changes: object) -> Image:
    """NICs with their vEths' numbers as lports."""
    return Image(
        ports={n: nic(n, **changes) for n in numbers},
        policies={0: Policy(blocked=True), 1: WEB},
        static_macs={mac(n): n for n in numbers},
        members={10: numbers},
    )


def plain() -> Image:
    """Port 1 leads to a NIV host, port 8 does not."""
    link = Port(policy=8, number=1, mac=NOBODY, niv=Niv.BRIDGE, tagging=Tagging.VNTAG, plain=False)
    ports = {1: link, 8: Port(policy=8, number=8, mac=NOBODY)}
    policy = Policy(vlan=10, forged_ok=True, learn=True, unknown_flood=True)
    return Image(ports=ports, policies={8: policy}, members={10: (8,)}, unknown_members={10: (8,)})


def test_numbers_stay_and_outlive_the_program() -> None:
    numbers = Numbering()
    assert [numbers.lport("a", 1), numbers.lport("b", 1), numbers.lport("", 1)] == [FIRST, FIRST + 1, 1]
    assert numbers.policy("a", 0) == 0 != numbers.policy("a", 1)
    again = Numbering(numbers.saved())
    assert again.lport("b", 1) == FIRST + 1
    assert (again.owner(FIRST + 1), again.owner(8), again.owner(999)) == (("b", 1), ("", 8), None)
    again.keep_only("b", (), ())
    assert again.known("b", 1) is None


def test_there_is_an_end_of_numbers() -> None:
    numbers = Numbering()
    with pytest.raises(Unavailable, match="switch ports of this VIS"):
        for local in range(1, 1023):
            numbers.lport("a", local)


def test_an_image_there_and_back() -> None:
    numbers = Numbering()
    image = card(1, 2)
    places = {1: Place(1, 7), 2: Place(1, 9)}
    out = merge.outward(image, lambda n: numbers.lport("a", n), lambda n: numbers.policy("a", n), places)
    assert {port.vif for port in out.ports.values()} == {7, 9}
    assert merge.inward(out, numbers.lports("a"), numbers.policies("a")) == (image, places)


def test_a_nic_that_is_nowhere_is_down() -> None:
    out = merge.outward(card(1), lambda n: n + 100, lambda n: n + 100, {})
    assert not out.ports[101].link_up
    assert not out.static_macs and out.members == {10: ()}, "what is for it may be behind a plain port by now"


def test_a_veth_that_has_left_is_remembered_although_its_nic_is_gone_too() -> None:
    """What still comes for it may have to be passed on, by the one way that the VIS has for all cards."""
    image = card(1, moved=True, blocked=True, forward=True)
    image = replace(image, ports={**image.ports, 2: Port(0, 0, NOBODY, tunnel=True)})
    out = merge.outward(image, lambda n: n + 100, lambda n: n + 100, {})
    assert out.static_macs == {mac(1): 101} and set(out.ports) == {101}
    whole = merge.merge(plain(), [out], tunnel=200)
    assert whole.control.tunnel == 200 and whole.ports[200].tunnel and whole.ports[101].forward
    assert merge.merge(plain(), [out]).control.tunnel == 0


def test_groups_go_to_members_and_to_all_plain_ports_of_the_vlan() -> None:
    group = Group(10, b"\xe1\x00\x00\x05")
    listening = replace(card(101), groups={group: (101,)})
    assert merge.merge(plain(), [listening, card(102)]).groups == {group: (8, 101)}


def test_of_two_cards_with_one_mac_the_higher_generation_has_it() -> None:
    old, new = card(101, generation=1), card(102, generation=2)
    new = replace(new, static_macs={mac(101): 102})
    for cards in ([old, new], [new, old]):
        assert merge.merge(plain(), cards).static_macs[mac(101)] == 102


def test_a_list_is_used_when_its_host_goes_by_it_and_until_it_goes_by_the_next() -> None:
    image = merge.merge(
        plain(),
        [merge.outward(card(1, 2, 3, 4), lambda n: n + 100, lambda n: n + 100, {n: Place(1, n) for n in (1, 2, 3, 4)})],
    )
    lists = VifLists(Image(), {})
    assert lists.complete(image, Image()).vif_lists == {}
    told = lists.to_tell(image)[1]
    assert list(told.values()) == [(1, 2, 3, 4)]
    lists.held = {1: told}
    complete = lists.complete(image, image)
    assert list(complete.vif_lists.values()) == [(101, 102, 103, 104)]
    assert expanded(complete) == image
    again = VifLists(complete, {1: told})
    assert again.complete(image, complete) == complete, "a VIS that starts again goes on with its lists"
    shut = replace(image, ports={**image.ports, 104: replace(image.ports[104], blocked=True)})
    still = lists.complete(shut, complete)
    assert (still.members, still.vif_lists) == (complete.members, complete.vif_lists), "an edit waits for no host"
    both = lists.to_tell(still)[1]
    assert sorted(both.values()) == [(1, 2, 3), (1, 2, 3, 4)], "as long as it is in use its host must know it"
    assert lists.complete(image, still) == complete, "and it is the right one again if the edit is undone"
    shorter = lists.complete(shut, still)
    lists.held = {1: lists.to_tell(shorter)[1]}
    follows = lists.complete(shut, shorter)
    assert list(follows.vif_lists.values()) == [(101, 102, 103)] and 104 in follows.members[10]
    assert list(lists.to_tell(follows)[1].values()) == [(1, 2, 3)]
    fewer = replace(image, members={10: (8, 101, 102)})
    assert lists.complete(fewer, follows).vif_lists == {}, "somebody on it does not get the flood any more"


@pytest.fixture
def hub() -> Iterator[Hub]:
    engine = UserEngine()
    engine.plug(1, Plug("memory"))
    engine.plug(8, Plug("memory"))
    yield Hub(engine, Numbering())
    engine.close(keep=False)


def vntag(frame: bytes, vif: int) -> bytes:
    return frame[:12] + b"\x89\x26" + vif.to_bytes(4, "big") + frame[12:]


def test_parts_share_an_engine_and_see_their_own(hub: Hub) -> None:
    switch, one, two = PartEngine(hub), PartEngine(hub, "one"), PartEngine(hub, "two")
    switch.set_image(plain())
    for part, number in ((one, 1), (two, 2)):
        part.plug(number, plug_of(Place(1, number)))
        part.set_image(card(number))
        assert part.plugged() == {number: plug_of(Place(1, number))}
        assert part.image() == card(number)
    native = hub.engine
    assert isinstance(native, UserEngine)
    frame = mac(2).octets + mac(1).octets + b"\x08\x00" + bytes(46)
    native.inject(1, vntag(frame, 1))
    assert native.take(1) == frame[:12] + bytes.fromhex("8926 8002 8001") + frame[12:]
    assert (one.counters()[1].rx_frames, two.counters()[2].tx_frames) == (1, 1)
    assert set(one.counters()) == {1}
    trace = one.trace(1, frame)
    assert trace.out >= FOREIGN
    one.emit(1, frame)
    assert native.take(1) == frame[:12] + bytes.fromhex("8926 8001 0000") + frame[12:]
    two.close(keep=False)
    assert set(hub.image.ports) == {1, 8, hub.numbering.lport("one", 1)}


def moving(hub: Hub) -> tuple[PartEngine, PartEngine, Callable[[], list[int]]]:
    """A vEth behind VIF 1, of the card "one", is handed over to VIF 2 of the card "two"; what tells who gets its frames
    (0: other ports of the VLAN, as nobody here has it)."""
    switch, one, two = PartEngine(hub), PartEngine(hub, "one"), PartEngine(hub, "two")
    ports = {**plain().ports, 9: Port(policy=8, number=9, mac=NOBODY)}
    switch.set_image(replace(plain(), ports=ports, members={10: (8, 9)}, unknown_members={10: (8, 9)}))
    for part, number in ((one, 1), (two, 2)):
        part.plug(1, plug_of(Place(1, number)))
    native = hub.engine
    assert isinstance(native, UserEngine)
    native.plug(9, Plug("memory"))

    def takers() -> list[int]:
        native.inject(8, mac(1).octets + mac(77).octets + b"\x08\x00" + bytes(46))
        tagged = native.take(1)
        return ([int.from_bytes(tagged[14:16], "big") & 0xFFF] if tagged else []) + ([0] if native.take(9) else [])

    one.set_image(card(1, generation=1))
    two.set_image(replace(card(1, generation=2, awaited=True, blocked=True), static_macs={}, members={}))
    assert takers() == [1]
    one.set_image(card(1, generation=1, moved=True, blocked=True))
    assert takers() == [2]
    return one, two, takers


def test_a_move_that_is_cancelled_after_the_pause_has_a_taker_at_any_time(hub: Hub) -> None:
    """Whichever card hears of it first."""
    one, two, takers = moving(hub)
    two.set_image(Image())
    assert takers() == [1]
    one.set_image(card(1, generation=3))
    assert takers() == [1]
    one.set_image(card(1, generation=3, moved=True, blocked=True))
    assert takers() == [0], "it has left for somewhere else"


def test_a_move_that_the_source_hears_is_cancelled_first(hub: Hub) -> None:
    one, two, takers = moving(hub)
    one.set_image(card(1, generation=3))
    assert takers() == [1]
    two.set_image(Image())
    assert takers() == [1]


def test_who_moves_on_from_the_target_is_not_given_to_the_source(hub: Hub) -> None:
    _, two, takers = moving(hub)
    two.set_image(card(1, generation=2))
    assert takers() == [2]
    two.set_image(card(1, generation=2, moved=True, blocked=True))
    assert takers() == [0]
    two.set_image(Image())
    assert takers() == [0]


def test_what_is_refused(hub: Hub) -> None:
    part = PartEngine(hub, "one")
    with pytest.raises(EngineError, match="is no VIF"):
        part.plug(1, Plug("tap", device="tap0"))
    with pytest.raises(EngineError, match="can't be reached"):
        part.emit(1, bytes(60))
    with pytest.raises(EngineError, match="follow from the receivers"):
        part.set_vif_lists({})


def test_a_card_that_says_nothing_yet_keeps_what_was_found(hub: Hub) -> None:
    PartEngine(hub).set_image(plain())
    part = PartEngine(hub, "one")
    part.plug(1, plug_of(Place(1, 7)))
    part.set_image(card(1))
    again = Hub(hub.engine, Numbering(hub.numbering.saved()))
    PartEngine(again).set_image(plain())
    assert again.image == hub.image
    adopted = PartEngine(again, "one")
    assert adopted.plugged() == {1: plug_of(Place(1, 7))}
    assert adopted.image().ports == card(1).ports
    adopted.set_image(card(1))
    assert again.image == hub.image
    adopted.set_image(Image())
    assert set(again.image.ports) == {1, 8}


@pytest.mark.rules("S-246")
def test_a_veth_is_its_targets_as_soon_as_its_source_has_let_go() -> None:
    """Of hosts of one VIS; the target's VIF takes frames before the source's is closed."""
    policies = {0: Policy(blocked=True), 1: WEB}
    live = Image(ports={3: nic(5, vif=1, link=1)}, policies=policies, static_macs={mac(5): 3})
    gone = Image(ports={3: nic(5, vif=1, link=1, blocked=True, moved=True)}, policies=policies, static_macs={mac(5): 3})
    waits = Image(ports={4: nic(5, vif=2, link=2, blocked=True, awaited=True)}, policies=policies)
    before, after = merge.merge(plain(), [live, waits]), merge.merge(plain(), [gone, waits])
    assert before.static_macs[mac(5)] == 3 and before.ports[4].blocked
    assert after.static_macs[mac(5)] == 4 and not after.ports[4].blocked and after.ports[3].blocked
    between = merge.first(before, after)
    assert between.static_macs[mac(5)] == 4 and not between.ports[4].blocked and not between.ports[3].blocked
    assert merge.first(after, after) is after
