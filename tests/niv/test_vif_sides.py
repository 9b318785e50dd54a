"""VIF control: both pure sides against each other, step by step and at random."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from dvswitch.vif.bridge import PortState
from dvswitch.vif.host import Refusal
from dvswitch.vif.host_link import LinkState
from dvswitch.vif.messages import Granted, NicKey, Phase, State, Tagging
from tests.niv.cables import HOST, VIS, Scene, wish

SETTLED = 20.0
"""Seconds in which everything that can come about has come about on good cables."""


def states(scene: Scene) -> list[LinkState]:
    return [view.state for view in scene.host.links()]


def test_a_nic_gets_a_vif_and_learns_what_became_of_its_veth() -> None:
    scene = Scene()
    scene.set_wishes(wish(1), wish(2))
    scene.run(0.1)
    assert states(scene) == [LinkState.UP]
    view = scene.host.links()[0]
    assert (view.vis_uuid, view.vis_name, view.vis_port, view.tagging) == (VIS, "vis1", "0/1", Tagging.VNTAG)
    assert scene.bound() == scene.granted() == {"uuid-1/0": (1, 1), "uuid-2/0": (1, 2)}
    assert scene.host.bindings()["uuid-1/0"].state is State.PENDING

    scene.vis.set_state(HOST, "uuid-1/0", Granted(NicKey("x"), 0, 7, 3, Phase.ACTIVE, State.FORWARDING))
    scene.run(0.01)
    bound = scene.host.bindings()["uuid-1/0"]
    assert (bound.veth, bound.generation, bound.phase, bound.state) == (7, 3, Phase.ACTIVE, State.FORWARDING)


def test_a_link_is_empty_only_when_the_vis_has_heard_so() -> None:
    """Until then the VIS may send to the VIFs, so the host must know them."""
    scene = Scene()
    scene.set_wishes(wish(1))
    scene.run(0.1)
    scene.cables[1].loss = 1.0
    scene.set_wishes()
    scene.run(1.0)
    assert scene.granted() and states(scene) == [LinkState.UP]
    assert not scene.host.links()[0].empty
    scene.cables[1].loss = 0.0
    scene.run(2.0)
    assert not scene.granted()
    assert scene.host.links()[0].empty


def test_a_detached_nic_is_forgotten_and_its_vif_comes_last() -> None:
    scene = Scene()
    scene.set_wishes(wish(1), wish(2))
    scene.run(0.1)
    scene.set_wishes(wish(2))
    scene.run(0.1)
    assert scene.granted() == {"uuid-2/0": (1, 2)}
    scene.set_wishes(wish(2), wish(3))
    scene.run(0.1)
    assert scene.bound()["uuid-3/0"] == (1, 3)


def test_a_change_of_the_nic_is_told() -> None:
    scene = Scene()
    scene.set_wishes(wish(1, prepare=True))
    scene.run(0.1)
    scene.set_wishes(wish(1, link_up=False, request="r2"))
    scene.run(0.1)
    (nic,) = scene.vis.nics()
    assert (nic.attach.prepare, nic.attach.request, nic.link_up) == (False, "r2", False)
    scene.vis.set_state(HOST, "uuid-1/0", Granted(NicKey("x"), 0, 7, 3, Phase.ACTIVE, State.FORWARDING, request="r1"))
    scene.run(0.1)
    assert scene.host.bindings()["uuid-1/0"].request == "r1", "what was asked since then is not answered yet"


def test_a_nic_that_went_and_came_back_is_another_one() -> None:
    scene = Scene()
    scene.set_wishes(wish(1), wish(2))
    scene.run(0.1)
    before = {nic.key.ident: nic.life for nic in scene.vis.nics()}
    scene.set_wishes(wish(2))
    scene.set_wishes(wish(1), wish(2, link_up=False))
    scene.run(0.1)
    after = {nic.key.ident: nic.life for nic in scene.vis.nics()}
    assert after["uuid-1/0"] != before["uuid-1/0"] and after["uuid-2/0"] == before["uuid-2/0"]


def test_all_vifs_taken_is_a_refusal_that_names_link_and_figure() -> None:
    scene = Scene(last_vif=2)
    scene.set_wishes(wish(1), wish(2), wish(3))
    scene.run(0.1)
    (refusal,) = scene.host.take_refusals()
    assert refusal == Refusal(wish(3).nic, "r1", refusal.reason)
    assert "link 0/1: all its 2 VIFs are taken" in refusal.reason
    assert len(scene.vis.nics()) == 2
    scene.set_wishes(wish(2), wish(3, request="r2"))
    scene.run(0.1)
    assert scene.bound()["uuid-3/0"] == (1, 1)
    assert scene.host.take_refusals() == []


def test_what_the_supervisor_refuses_has_no_vif_and_is_told_once() -> None:
    scene = Scene()
    scene.set_wishes(wish(1))
    scene.run(0.1)
    scene.vis.refuse(HOST, "uuid-1/0", "port-profile web does not exist")
    scene.run(30)
    assert [refusal.reason for refusal in scene.host.take_refusals()] == ["port-profile web does not exist"]
    assert scene.vis.nics() == []
    assert scene.bound() == {"uuid-1/0": (1, 0)}


def test_a_nic_that_no_frame_can_name_is_refused_here() -> None:
    scene = Scene()
    scene.set_wishes(wish(1, profile="p" * 300))
    scene.run(0.1)
    (refusal,) = scene.host.take_refusals()
    assert "port-profile" in refusal.reason
    assert scene.vis.nics() == []


def test_nics_share_the_uplinks_and_move_when_one_is_lost() -> None:
    scene = Scene(uplinks=2)
    scene.run(0.1)
    scene.set_wishes(*(wish(n) for n in range(1, 5)))
    scene.run(0.1)
    assert sorted(uplink for uplink, _ in scene.bound().values()) == [1, 1, 2, 2]
    before = scene.bound()
    scene.set_cable(1, False)
    scene.run(0.1)
    assert {uplink for uplink, _ in scene.bound().values()} == {2}
    assert scene.bound() == scene.granted()
    stayed = {ident for ident, (uplink, _) in before.items() if uplink == 2}
    assert all(scene.bound()[ident] == before[ident] for ident in stayed)
    scene.set_cable(1, True)
    scene.run(SETTLED)
    assert {uplink for uplink, _ in scene.bound().values()} == {2}, "nobody asked for moving back"
    scene.set_wishes(*(wish(n, uplink=1) for n in range(1, 5)))
    scene.run(0.1)
    assert {uplink for uplink, _ in scene.bound().values()} == {1}
    assert scene.bound() == scene.granted()
    assert {ident: scene.bound()[ident] for ident in before.keys() - stayed} == {
        ident: before[ident] for ident in before.keys() - stayed
    }, "back where it was a NIC has the VIF that it had"


def test_a_lost_link_comes_back_with_the_same_vifs() -> None:
    scene = Scene()
    scene.set_wishes(wish(1), wish(2))
    scene.run(0.1)
    before = scene.bound()
    scene.set_cable(1, False)
    scene.run(60)
    assert states(scene) == [LinkState.DOWN]
    assert scene.bound() == scene.granted() == before
    assert not any(nic.link_up for nic in scene.vis.nics())
    scene.set_cable(1, True)
    scene.run(0.1)
    assert states(scene) == [LinkState.UP]
    assert scene.bound() == scene.granted() == before


@pytest.mark.parametrize("remembers", [True, False])
def test_a_restarted_vis_takes_over_what_the_host_has(remembers: bool) -> None:
    scene = Scene()
    scene.set_wishes(wish(1), wish(2), wish(3))
    scene.run(0.1)
    scene.set_wishes(wish(3))
    scene.run(0.1)
    before = scene.bound()
    scene.start_vis(scene.vis.saved() if remembers else ([], []))
    assert scene.granted() == (before if remembers else {})
    scene.run(0.1)
    assert scene.bound() == scene.granted() == before == {"uuid-3/0": (1, 3)}


def test_a_restarted_host_keeps_its_vifs_and_what_it_lost_meanwhile_goes() -> None:
    scene = Scene(uplinks=2)
    scene.run(0.1)
    scene.set_wishes(*(wish(n) for n in range(1, 7)))
    scene.run(0.1)
    before = scene.bound()
    for ident in ("uuid-1/0", "uuid-2/0"):
        del scene.wishes[ident]
    scene.start_host()
    assert scene.bound() == {ident: before[ident] for ident in scene.wishes}, "in force before anybody answers"
    scene.run(SETTLED)
    assert scene.bound() == scene.granted() == {ident: before[ident] for ident in scene.wishes}
    assert all(bound.confirmed for bound in scene.host.bindings().values())


def test_a_dead_vis_changes_nothing_and_is_found_again() -> None:
    scene = Scene()
    scene.set_wishes(wish(1))
    scene.run(0.1)
    before = scene.bound()
    scene.cables[1].loss = 1.0
    scene.run(60)
    assert states(scene) == [LinkState.SILENT]
    assert scene.vis.ports()[0].state is PortState.SILENT
    assert scene.bound() == scene.granted() == before
    scene.cables[1].loss = 0.0
    scene.run(10)
    assert states(scene) == [LinkState.UP]
    assert scene.bound() == scene.granted() == before


def test_nics_leave_a_silent_link_for_one_that_speaks() -> None:
    scene = Scene(uplinks=2)
    scene.run(0.1)
    scene.set_wishes(wish(1, uplink=1), wish(2, uplink=2))
    scene.run(0.1)
    scene.set_wishes(wish(1), wish(2))
    scene.cables[1].loss = 1.0
    scene.run(SETTLED)
    assert {uplink for uplink, _ in scene.bound().values()} == {2}
    assert scene.bound() == scene.granted()


def test_another_host_on_the_link_ends_the_first_ones_nics_after_a_while() -> None:
    scene = Scene()
    scene.set_wishes(wish(1))
    scene.run(0.1)
    scene.host_uuid = HOST[:-1] + "2"
    scene.start_host()
    scene.set_wishes(wish(5, held=(0, 0)))
    scene.run(0.5)
    by_host = {nic.host: (nic.key.ident, nic.port, nic.vif) for nic in scene.vis.nics()}
    assert by_host == {HOST: ("uuid-1/0", 0, 0), scene.host_uuid: ("uuid-5/0", 1, 2)}
    scene.run(SETTLED)
    assert [nic.host for nic in scene.vis.nics()] == [scene.host_uuid]


def test_lists_and_the_end_of_untagged_frames_reach_the_other_side() -> None:
    scene = Scene()
    scene.set_wishes(wish(1), wish(2))
    scene.set_lists(1, {4096: (1, 2), 16383: tuple(range(1, 4096))})
    scene.run(0.1)
    assert scene.host.lists() == {(1, 4096): (1, 2), (1, 16383): tuple(range(1, 4096))}
    assert scene.vis.ports()[0].held == scene.vis.ports()[0].lists == scene.lists[1]
    scene.set_lists(1, {4096: (1,)})
    scene.set_mode(True, Tagging.VNTAG, True)
    scene.run(0.1)
    assert scene.host.lists() == {(1, 4096): (1,)}
    assert scene.vis.ports()[0].final
    assert not scene.host.links()[0].final
    scene.vis.set_final(1, True)
    scene.run(0.1)
    assert scene.host.links()[0].final
    scene.start_vis(scene.vis.saved())
    assert scene.vis.ports()[0].final
    assert scene.vis.ports()[0].tagging is Tagging.VNTAG


def test_tagging_is_agreed_and_may_change() -> None:
    scene = Scene()
    scene.set_wishes(wish(1))
    scene.run(0.1)
    before = scene.bound()
    scene.set_mode(True, Tagging.ETAG, False)
    scene.run(0.1)
    assert scene.vis.ports()[0].tagging is scene.host.links()[0].tagging is Tagging.ETAG
    assert scene.bound() == scene.granted() == before


def test_no_tagging_in_common_is_told_with_its_reason() -> None:
    scene = Scene(taggings=(Tagging.ETAG,))
    scene.set_wishes(wish(1))
    scene.run(5)
    (view,) = scene.host.links()
    assert view.state is LinkState.ASKING
    assert "port 0/1 has no tagging in common with the host; it can do etag" in view.reason
    assert scene.sent < 40, "it asks less and less often"


def test_a_host_that_leaves_the_mode_takes_its_nics_along() -> None:
    scene = Scene()
    scene.set_wishes(wish(1))
    scene.run(0.1)
    scene.set_mode(False, Tagging.VNTAG, False)
    scene.run(0.1)
    assert states(scene) == [LinkState.FOUND]
    assert scene.vis.nics() == []


def test_a_host_without_the_mode_only_looks() -> None:
    scene = Scene()
    scene.set_mode(False, Tagging.VNTAG, False)
    scene.set_wishes(wish(1))
    scene.run(SETTLED)
    assert states(scene) == [LinkState.FOUND]
    assert scene.vis.nics() == []
    assert scene.host.links()[0].vis_uuid == VIS


def test_a_quiet_session_costs_little() -> None:
    scene = Scene()
    scene.set_wishes(*(wish(n) for n in range(1, 200)))
    scene.run(1)
    before = scene.sent
    scene.run(100)
    assert scene.sent - before <= 100 * 4 + 10


# --- at random --------------------------------------------------------------------------------------------------


class Program:
    """Random happenings on bad cables; what must hold at every instant is looked at all the time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.scene = Scene(uplinks=self.random.randint(1, 3), seed=seed, last_vif=self.random.choice((6, 4095)))
        for cable in self.scene.cables.values():
            cable.loss, cable.doubled, cable.slow = self.random.choice((0, 0.1, 0.4)), 0.2, True

    def run(self) -> None:
        for _ in range(self.random.randint(5, 15)):
            self.random.choice(self.happenings())()
            self.scene.run(self.random.choice((0.0, 0.01, 0.3, 2.0, 9.0)), self.watch)
        self.settle()

    def happenings(self) -> list:
        scene = self.scene
        return [
            self.change_wishes,
            self.change_wishes,
            self.change_cable,
            self.change_lists,
            self.change_mode,
            self.change_states,
            scene.start_host,
            lambda: scene.start_vis(scene.vis.saved()),
            scene.start_vis,
        ]

    def change_wishes(self) -> None:
        scene, numbers = self.scene, range(1, 9)
        ident = {n: wish(n).nic.ident for n in numbers}
        known = {n: scene.wishes[ident[n]] for n in numbers if ident[n] in scene.wishes}
        n = self.random.choice(numbers)
        if n in known and self.random.random() < 0.5:
            del known[n]
        else:
            changes = {"uplink": self.random.randint(0, scene.uplinks), "link_up": self.random.random() < 0.8}
            known[n] = replace(known.get(n) or wish(n), request=f"r{self.random.random()}", **changes)
        scene.set_wishes(*known.values())

    def change_cable(self) -> None:
        number = self.random.choice(list(self.scene.cables))
        self.scene.set_cable(number, not self.scene.cables[number].up)

    def change_lists(self) -> None:
        vifs = tuple(sorted(self.random.sample(range(1, 7), self.random.randint(0, 3))))
        lists = {4096 + self.random.randint(0, 2): vifs} if vifs else {}
        self.scene.set_lists(self.random.choice(list(self.scene.cables)), lists)

    def change_mode(self) -> None:
        self.scene.set_mode(self.random.random() < 0.9, self.random.choice(list(Tagging)), self.random.random() < 0.5)

    def change_states(self) -> None:
        for nic in self.scene.vis.nics():
            state = Granted(nic.key, 0, 5, self.random.randint(1, 9), Phase.ACTIVE, State.FORWARDING)
            self.scene.vis.set_state(HOST, nic.key.ident, state)

    def watch(self) -> None:
        """No two NICs of a link have the same VIF, on either side; a NIC has one at most."""
        for found in (self.scene.granted(), self.scene.bound()):
            vifs = [place for place in found.values() if place[1]]
            assert len(vifs) == len(set(vifs))

    def settle(self) -> None:
        """On good cables both sides come to the same."""
        scene = self.scene
        for number, cable in scene.cables.items():
            cable.loss, cable.doubled, cable.slow = 0, 0, False
            scene.set_cable(number, True)
        scene.set_mode(True, scene.mode[1], scene.mode[2])
        for number in scene.cables:
            scene.vis.set_final(number, scene.mode[2])
        scene.run(SETTLED, self.watch)
        assert set(states(scene)) == {LinkState.UP}
        refused = {ident for ident, bound in scene.bound().items() if not bound[1]}
        assert {ident: place for ident, place in scene.bound().items() if ident not in refused} == scene.granted()
        assert scene.bound().keys() == scene.wishes.keys()
        assert not refused or scene.last_vif == 6, "who is refused, and why?"
        lists = {(number, ident): vifs for number, told in scene.lists.items() for ident, vifs in told.items()}
        assert scene.host.lists() == lists
        assert all(view.held == view.lists for view in scene.vis.ports())
        views = zip(scene.vis.ports(), scene.host.links(), strict=True)
        assert all(port.final == link.final == scene.mode[2] and port.tagging is link.tagging for port, link in views)
        for nic in scene.vis.nics():
            bound, wished = scene.host.bindings()[nic.key.ident], scene.wishes[nic.key.ident]
            assert (bound.veth, bound.generation, bound.state) == (
                nic.state.veth,
                nic.state.generation,
                nic.state.state,
            )
            assert (nic.attach.request, nic.attach.link_up) == (wished.request, wished.link_up)
            assert wished.uplink in (0, bound.uplink)


def test_random_programs() -> None:
    seeds = [int(os.environ["DVS_SEED"])] if "DVS_SEED" in os.environ else [random.getrandbits(32) for _ in range(40)]
    for seed in seeds:
        try:
            Program(seed).run()
        except AssertionError as error:
            raise AssertionError(f"DVS_SEED={seed}: {error}") from error
