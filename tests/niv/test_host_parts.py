"""The pure parts of a host in mode NIV: its stages, what it remembers, what is wanted of it, and its Image."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from dvswitch.vif.host import Binding, LinkView
from dvswitch.vif.host_link import LinkState
from dvswitch.vif.messages import NicKey, Phase, State, Tagging
from tests.agent.supervisor import BASICS, mac, port
from vem.agent.attachments import Attachment
from vem.agent.compile import Compiled, VethState
from vem.agent.convert import digest_of, update_from
from vem.agent.wanted import HostMode, ModeKind, Nic, Staging, Wanted, apply_update
from vem.agent.wanted import Phase as WantedPhase
from vem.datapath import image as img
from vem.datapath.engine import Plug
from vem.niv import dress, memory
from vem.niv.memory import Bound, Memory, merged
from vem.niv.overlay import Places, overlaid
from vem.niv.report import report
from vem.niv.stages import TABLE, Facts, Stage, following


def told(*changes: fabric.Change) -> Wanted:
    return apply_update(Wanted(), update_from(fabric.Update(revision=1, commit=True, changes=(*BASICS, *changes))))


def niv(*changes: fabric.Change) -> Wanted:
    return replace(told(*changes), mode=HostMode(ModeKind.NIV))


def nic(veth: int, **more: object) -> Attachment:
    made = Attachment(Nic(f"vm{veth}"), mac(veth), "web", Plug("veth", f"vm{veth}"), 10 + veth, veth=veth)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def bound(veth: int, vif: int = 1, **more: object) -> Bound:
    values: dict[str, object] = {"phase": Phase.ACTIVE, "state": State.FORWARDING, "generation": 1, **more}
    return Bound(1, vif, veth, **values)  # type: ignore[arg-type]


# --- stages -----------------------------------------------------------------------------------------------------


def test_the_way_there_and_back() -> None:
    way = [Stage.LOCAL]
    for facts in (
        Facts(True),
        Facts(True, joined=True),
        Facts(True, final=True),
        Facts(False, final=True),
        Facts(False, plain=True),
        Facts(False, released=True),
    ):
        way.append(following(way[-1], facts))
    assert way == [*Stage, Stage.LOCAL]


def test_whatever_happens_a_host_ends_where_it_is_wanted() -> None:
    """From every stage, in every order of facts, it gets to the end that is wanted once all facts are given."""
    wishes = {True: Stage.FINAL, False: Stage.LOCAL}
    for start, wanted, rest in itertools.product(Stage, (True, False), itertools.product((True, False), repeat=5)):
        stage = following(start, Facts(wanted, *rest))
        for _ in Stage:
            stage = following(stage, Facts(wanted, joined=True, final=wanted, plain=not wanted, released=not wanted))
        assert stage is wishes[wanted], (start, wanted, rest)


def test_a_silent_vis_does_not_hold_a_host_that_leaves() -> None:
    assert following(Stage.LEAVING, Facts(False)) is Stage.LEAVING
    assert following(Stage.LEAVING, Facts(False, overdue=True)) is Stage.RETURNING
    assert following(Stage.RETURNING, Facts(False, overdue=True)) is Stage.RETURNING, "it still tries to give back"


def test_an_iv_is_never_made_or_unmade_by_anything_but_these_steps() -> None:
    flips = {(here, to) for here, ways in TABLE.items() for _, to in ways if here.extends != to.extends}
    assert flips == {(Stage.JOINING, Stage.SWITCHED), (Stage.LEAVING, Stage.RETURNING)}


# --- memory -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", Stage)
def test_memory_survives_in_the_state_file(stage: Stage) -> None:
    kept = dress.kept(told(port(5, "vm5")), [nic(5)])
    made = Memory(stage, {"vm5/0": bound(5, detail="why")}, {1: Tagging.ETAG}, kept)
    found = memory.decoded(json.loads(json.dumps(made.encoded())))
    if stage is Stage.LOCAL:
        assert found == Memory()
        return
    assert (found.stage, found.bound, found.taggings) == (made.stage, made.bound, made.taggings)
    assert (found.kept.ports, found.kept.policies) == (
        (kept.ports, kept.policies) if stage is Stage.JOINING else ({}, {})
    )


def test_what_was_not_told_in_this_life_is_as_it_was() -> None:
    key, known = NicKey("vm5"), bound(5, 7)
    assert merged(Binding(key, 1, 7), known) == known
    assert merged(Binding(key, 2, 0), known) == replace(known, uplink=2, vif=0)
    assert merged(Binding(key, 2, 3, confirmed=True), known) == replace(known, uplink=2, vif=3), "it knows no vEth yet"
    fresh = Binding(key, 1, 7, 5, 2, Phase.ACTIVE, State.BLOCKED, "shut", confirmed=True)
    assert merged(fresh, known) == Bound(1, 7, 5, 2, Phase.ACTIVE, State.BLOCKED, "shut")
    assert not merged(Binding(key, 0), None).settled


# --- what is wanted ---------------------------------------------------------------------------------------------


def test_an_iv_has_ports_of_its_vis_and_a_policy_of_its_own() -> None:
    here = Memory(Stage.FINAL, {"vm5/0": bound(5), "vm6/0": Bound(1, 2), "vm7/0": bound(7, 3, phase=Phase.PREPARED)})
    found = dress.dressed(niv(), here, [nic(5), nic(6), nic(7)])
    assert {veth: (item.phase, item.policy) for veth, item in found.ports.items()} == {
        5: (WantedPhase.ACTIVE, dress.POLICY.id),
        7: (WantedPhase.PREPARED, dress.POLICY.id),
    }
    assert set(found.policies) == {9, dress.POLICY.id}, "its own, and that of the uplinks"
    assert not found.policies[dress.POLICY.id].team.notify


def test_a_port_that_leaves_is_the_viss_business() -> None:
    here = Memory(Stage.FINAL, {"vm5/0": bound(5, phase=Phase.DRAINING, state=State.BLOCKED)})
    assert dress.dressed(niv(), here, [nic(5)]).ports[5].phase is WantedPhase.ACTIVE


def test_a_host_that_joins_keeps_what_it_had_and_lets_nobody_new_in() -> None:
    before = told(port(5, "vm5"), port(8, "gone"))
    here = Memory(Stage.JOINING, {"vm5/0": bound(5), "vm6/0": bound(6, 2)}, {}, dress.kept(before, [nic(5)]))
    found = dress.dressed(niv(), here, [nic(5), nic(6)])
    assert found.ports[5] == before.ports[5] and set(found.ports) == {5, 6}
    assert found.policies[found.ports[5].policy] == before.policies[1]
    assert found.ports[6].shutdown


@pytest.mark.parametrize("stage", [Stage.LOCAL, Stage.RETURNING])
def test_a_host_that_switches_by_itself_has_what_it_was_told(stage: Stage) -> None:
    wanted = told(port(5, "vm5"))
    assert dress.dressed(wanted, Memory(stage, {"vm5/0": bound(5)}), [nic(5)]) is wanted


def test_what_is_told_counts_for_the_supervisor_not_what_is_made_of_it() -> None:
    staging = Staging()
    staging.dress = lambda wanted: dress.dressed(wanted, Memory(Stage.FINAL, {"vm5/0": bound(5)}), [nic(5)])
    staging.take(update_from(fabric.Update(revision=3, commit=True, changes=BASICS)))
    assert not staging.told.ports and set(staging.committed.ports) == {5} and staging.committed.revision == 3
    assert digest_of(staging.told) and staging.told.policies.keys() == {1, 2, 9}


def test_a_card_keeps_its_ports_until_the_host_takes_its_nics_back() -> None:
    plugged = [nic(5)]
    card = dress.CardPorts(lambda: plugged)
    assert card.dressed(told()) == told()
    held = niv(port(5, "vm5"), port(6, "vm6"))
    assert card.dressed(held) is held
    after = Wanted(2, held.switch)
    assert card.dressed(after).ports == {5: held.ports[5]} and set(card.dressed(after).policies) == {1}
    plugged.clear()
    assert card.dressed(after) == after


# --- the Image --------------------------------------------------------------------------------------------------

UPLINK, WEB, DB = 1, 15, 16
LINKS: dict[int, tuple[int, Tagging | None]] = {1: (UPLINK, Tagging.VNTAG)}


def compiled(mode: ModeKind = ModeKind.NIV) -> Compiled:
    ports = {
        UPLINK: img.Port(1, 1, mac(1), uplink=True, link_up=True),
        WEB: img.Port(2, 5, mac(5), link_up=True),
        DB: img.Port(2, 6, mac(6), link_up=True, blocked=True, awaited=True),
    }
    veths = {5: VethState(5, WEB, True, True, 1), 6: VethState(6, DB, True, False)}
    return Compiled(Wanted(1, mode=HostMode(mode)), img.Image(ports=ports), veths, ())


def test_mode_dvs_is_as_it_was() -> None:
    made = compiled(ModeKind.DVS)
    assert overlaid(made, Places(Stage.LOCAL, LINKS, {})) is made
    assert overlaid(compiled(ModeKind.VEPA), Places(Stage.LOCAL, LINKS, {})).image.control.vepa


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.LOCAL])
def test_links_vifs_and_lists(stage: Stage) -> None:
    lists = {(1, 4096): (1, 2, 9), (1, 4097): (9,), (2, 4096): (1,)}
    nics = {WEB: bound(5, 1), DB: bound(6, 2, phase=Phase.PREPARED, state=State.BLOCKED)}
    image = overlaid(compiled(), Places(stage, LINKS, nics, lists)).image
    link = image.ports[UPLINK]
    assert (link.niv, link.tagging, link.plain) == (img.Niv.EXTENDER, img.Tagging.VNTAG, stage is not Stage.FINAL)
    assert {lport: (image.ports[lport].link, image.ports[lport].vif) for lport in (WEB, DB)} == {
        WEB: (UPLINK, 1),
        DB: (UPLINK, 2),
    }
    assert image.control.niv == stage.extends
    assert image.ports[DB].blocked == (not stage.extends), "an IV lets the VIS decide, and hear who is awaited"
    assert image.vif_lists == {(UPLINK, 4096): (WEB, DB)}


def test_without_a_vif_a_nic_reaches_nobody() -> None:
    image = overlaid(compiled(), Places(Stage.FINAL, LINKS, {WEB: Bound(1, 0, 5)})).image
    assert (image.ports[WEB].link, image.ports[WEB].vif) == (0, 0) and image.control.niv


def test_lists_from_before_the_agent_hold_until_the_vis_speaks() -> None:
    before = {(UPLINK, 4096): (WEB, 99)}
    places = Places(Stage.FINAL, {1: (UPLINK, None)}, {WEB: bound(5)}, {}, before)
    image = overlaid(compiled(), places).image
    assert image.vif_lists == {(UPLINK, 4096): (WEB,)} and image.ports[UPLINK].tagging is img.Tagging.NONE


# --- the report -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        (LinkState.DOWN, "", fabric.NivLink.DOWN),
        (LinkState.FOUND, "", fabric.NivLink.FOUND),
        (LinkState.ASKING, "no tagging in common", fabric.NivLink.REFUSED),
        (LinkState.SYNCING, "", fabric.NivLink.UP),
        (LinkState.UP, "", fabric.NivLink.UP),
        (LinkState.SILENT, "", fabric.NivLink.DOWN),
    ],
)
def test_a_link_is_told_as_it_is(state: LinkState, reason: str, expected: int) -> None:
    views = [LinkView(1, state, "uuid", "vis1", "0/1", None, reason=reason), LinkView(2, LinkState.SEARCHING)]
    (link,) = report(views, {1: Tagging.ETAG}, [(nic(5), bound(5, 3)), (nic(6), Bound(2, 4))], True).links
    assert (link.uplink, link.vis_name, link.state, link.tagging) == (1, "vis1", expected, pb.Mode.ETAG)
    assert [(vif.veth, vif.vif, vif.carries, vif.vm) for vif in link.vifs] == [(5, 3, True, "vm5")]
    assert bool(link.reason) == (expected in (fabric.NivLink.DOWN, fabric.NivLink.REFUSED))
