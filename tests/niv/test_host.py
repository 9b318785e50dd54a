"""A host that becomes an Interface Virtualizer and back: its agent with real engines against VIF control's other side,
with every frame on the cable in sight."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from dvswitch.vif.host_link import LinkState
from dvswitch.vif.messages import Granted, NicKey, Phase, State
from tests.agent.supervisor import BASICS, mac, port, until, uplink
from tests.niv.far_end import DVS, NIV, NIV_ETAG, NivBench, niv_bench
from tests.support.engines import KINDS
from vem.agent.attaching import AttachRefused, PortState
from vem.agent.wanted import Nic
from vem.niv import side
from vem.niv.stages import Stage


@pytest.fixture
def path() -> Iterator[Path]:
    """A directory with a name short enough for unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="dvn-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(params=KINDS)
async def niv(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[NivBench]:
    """A host in mode DVS with two NICs that forward, either engine."""
    async with niv_bench(path, request.param) as made:
        made.bench.grant()
        for veth in (5, 6):
            outcome = await made.bench.attaching.attach(made.request(veth))
            assert outcome.state is PortState.FORWARDING
        yield made


@pytest.fixture
async def empty(path: Path) -> AsyncIterator[NivBench]:
    """A host of two uplinks in mode NIV without NICs, user engine."""
    async with niv_bench(path, "user", uplinks=2) as made:
        await made.bench.supervisor.applied(*BASICS, uplink(2), NIV)
        await made.stage(Stage.FINAL)
        yield made


def frame(source: int, target: int, text: bytes) -> bytes:
    return mac(target).octets + mac(source).octets + b"\x08\x00" + text.ljust(50, b".")


def up(vif: int, plain: bytes) -> bytes:
    """As an IV tags it (VNTag)."""
    return plain[:12] + b"\x89\x26" + vif.to_bytes(4, "big") + plain[12:]


def down(vif: int, plain: bytes) -> bytes:
    """As a VIS tags it (VNTag)."""
    return plain[:12] + b"\x89\x26" + (1 << 31 | vif << 16).to_bytes(4, "big") + plain[12:]


async def test_the_mode_changes_live_and_back(niv: NivBench) -> None:
    agent, supervisor = niv.bench.agent, niv.bench.supervisor
    niv.ground.guests[5].send(frame(5, 6, b"by the host"))
    await niv.heard(6, b"by the host")
    await niv.to_niv()
    places = niv.vis.places()
    assert {veth: place[0] for veth, place in places.items()} == {5: 1, 6: 1}
    reports = supervisor.all("niv")
    assert {vif.veth: (vif.vif, vif.carries) for vif in reports[-1].links[0].vifs} == {
        veth: (vif, True) for veth, (_, vif) in places.items()
    }
    assert (reports[-1].links[0].state, reports[-1].links[0].tagging) == (fabric.NivLink.UP, pb.Mode.VNTAG)

    niv.clear()
    niv.ground.guests[5].send(frame(5, 6, b"tagged"))
    assert await niv.vis.frame(1, b"tagged") == up(places[5][1], frame(5, 6, b"tagged"))
    assert await niv.silent(6, b"tagged"), "nothing is switched here"
    niv.ground.uplinks[1].send(down(places[6][1], frame(5, 6, b"hairpin")))
    assert await niv.heard(6, b"hairpin") == frame(5, 6, b"hairpin")
    tag = b"\x81\x00\x00\x0a"
    plain = frame(9, 6, b"no tag")
    niv.ground.uplinks[1].send(plain[:12] + tag + plain[12:])
    assert await niv.silent(6, b"no tag")

    # back: the supervisor tells the ports again
    told = len(supervisor.all("attached"))
    await supervisor.update(fabric.Change(set_mode=pb.Mode()), port(5, "vm5"), port(6, "vm6"))
    await niv.stage(Stage.LOCAL)
    await until(lambda: not niv.vis.places(), "VIFs given back")
    await until(lambda: len(supervisor.all("attached")) >= told + 2, "the supervisor is reminded of the NICs")
    niv.ground.guests[5].send(frame(5, 6, b"by the host again"))
    await niv.heard(6, b"by the host again")
    niv.clear()
    niv.ground.guests[6].send(frame(6, 99, b"out"))
    assert (await niv.vis.frame(1, b"out"))[12:16] == tag
    image = agent.datapath.image
    assert not image.control.niv and not any(item.vif or item.niv.value for item in image.ports.values())


async def test_etag_is_what_the_supervisor_chooses(niv: NivBench) -> None:
    await niv.to_niv(NIV_ETAG)
    niv.clear()
    niv.ground.guests[5].send(frame(5, 6, b"tagged"))
    vif = niv.vis.places()[5][1]
    got = await niv.vis.frame(1, b"tagged")
    assert got[12:20] == b"\x89\x3f" + vif.to_bytes(4, "big") + bytes(2)
    assert niv.bench.agent.niv.report().links[0].tagging == pb.Mode.ETAG  # type: ignore[union-attr]


async def test_lists_reach_their_vifs_but_for_the_sender(niv: NivBench) -> None:
    await niv.to_niv()
    vifs = {veth: vif for veth, (_, vif) in niv.vis.places().items()}
    niv.vis.core.set_lists(1, {4096: tuple(sorted(vifs.values()))})
    niv.vis.poke()
    await until(lambda: niv.bench.agent.datapath.image.vif_lists, "list in force")
    niv.clear()
    word = 1 << 31 | 1 << 30 | 4096 << 16 | 1 << 15 | vifs[5]
    plain = b"\xff" * 6 + frame(5, 0, b"to all")[6:]
    niv.ground.uplinks[1].send(plain[:12] + b"\x89\x26" + word.to_bytes(4, "big") + plain[12:])
    assert await niv.heard(6, b"to all") == plain
    assert await niv.silent(5, b"to all")
    niv.vis.core.set_lists(1, {})
    niv.vis.poke()
    await until(lambda: not niv.bench.agent.datapath.image.vif_lists, "list gone")


async def test_a_mode_without_a_vis_changes_nothing_yet(niv: NivBench) -> None:
    """Make before break: as long as no VIS answers for every NIC the host goes on switching, with its old ports."""
    niv.vis.grants = False
    gone = [fabric.Change(remove_port=veth) for veth in (5, 6)]
    await niv.bench.supervisor.applied(NIV, *gone)
    await until(lambda: all(vif for _, vif in niv.vis.places().values()) and len(niv.vis.places()) == 2, "VIFs")
    await niv.stage(Stage.JOINING)
    niv.ground.guests[5].send(frame(5, 6, b"still here"))
    await niv.heard(6, b"still here")
    vif = niv.vis.places()[6][1]
    await until(lambda: any(port.vif == vif for port in niv.bench.agent.datapath.image.ports.values()), "VIF in use")
    niv.ground.uplinks[1].send(down(vif, frame(9, 6, b"already there")))
    await niv.heard(6, b"already there")
    links = lambda: niv.bench.supervisor.all("niv")[-1].links  # noqa: E731
    await until(lambda: links()[0].state == fabric.NivLink.UP, "the supervisor hears that the link is up")
    assert not any(vif.carries for vif in links()[0].vifs)
    niv.vis.grants = True
    niv.vis.poke()
    await niv.stage(Stage.FINAL)


async def test_a_mode_taken_back_while_joining(niv: NivBench) -> None:
    niv.vis.grants = False
    await niv.bench.supervisor.applied(NIV, *[fabric.Change(remove_port=veth) for veth in (5, 6)])
    await until(lambda: len(niv.vis.places()) == 2, "VIFs")
    await niv.bench.supervisor.applied(DVS, port(5, "vm5"), port(6, "vm6"))
    await niv.stage(Stage.LOCAL)
    await until(lambda: not niv.vis.places(), "VIFs given back")
    niv.ground.guests[5].send(frame(5, 6, b"as ever"))
    await niv.heard(6, b"as ever")


async def test_an_agent_that_starts_again_alone_forwards_on(niv: NivBench) -> None:
    """Neither VIS nor supervisor is there: what was granted stays in force, in the kernel without a gap."""
    await niv.to_niv()
    vifs = {veth: vif for veth, (_, vif) in niv.vis.places().items()}
    niv.vis.core.set_lists(1, {4096: tuple(sorted(vifs.values()))})
    niv.vis.poke()
    await until(lambda: niv.bench.agent.datapath.image.vif_lists, "list in force")
    await niv.bench.agent.saving.now()
    held = niv.bench.agent.datapath.image
    niv.vis.grants = False
    receive, niv.vis.core.receive = niv.vis.core.receive, lambda *_: None  # type: ignore[method-assign]
    await niv.bench.supervisor.stop()
    await niv.bench.agent.stop(keep=True)
    await niv.bench.start_agent()
    agent = niv.bench.agent
    assert agent.niv.stage is Stage.FINAL
    if niv.ground.kind == "kernel":
        assert agent.datapath.image == held
    niv.clear()
    niv.ground.guests[5].send(frame(5, 6, b"alone"))
    assert await niv.vis.frame(1, b"alone") == up(vifs[5], frame(5, 6, b"alone"))
    niv.ground.uplinks[1].send(down(vifs[6], frame(5, 6, b"back")))
    await niv.heard(6, b"back")
    # the VIS has started again, too, and has forgotten everything
    del receive
    niv.vis.grants = True
    niv.vis.begin(instance=2)
    await until(lambda: {veth: vif for veth, (_, vif) in niv.vis.places().items()} == vifs, "the same VIFs")
    await until(lambda: all(bound.settled for _, bound in agent.niv.nics()), "granted again")
    assert agent.niv.stage is Stage.FINAL


# --- attach, detach, links (user engine: nothing here is the datapath's) ------------------------------------------


async def test_attach_and_detach_are_the_viss_business(empty: NivBench) -> None:
    supervisor = empty.bench.supervisor
    outcome = await empty.bench.attaching.attach(empty.request(5))
    assert (outcome.veth, outcome.state, outcome.generation) == (5, PortState.FORWARDING, 1)
    prepared = await empty.bench.attaching.attach(empty.request(6, prepare=True))
    assert (prepared.veth, prepared.state) == (6, PortState.PREPARED)
    (nic,) = [nic for nic in empty.vis.core.nics() if nic.attach.prepare]
    assert (nic.key.vm, nic.attach.profile) == ("vm6", "web")
    live = await empty.bench.attaching.attach(empty.request(6))
    assert (live.veth, live.state) == (6, PortState.FORWARDING)
    asked = {nic.key.vm: nic.attach.request for nic in empty.vis.core.nics()}
    again = await empty.bench.attaching.attach(empty.request(6))
    assert (again.veth, again.state) == (6, PortState.FORWARDING)
    now = {nic.key.vm: nic.attach.request for nic in empty.vis.core.nics()}
    assert now["vm6"] != asked["vm6"] and now["vm5"] == asked["vm5"], "whether it had left only the VIS can say"
    assert await empty.bench.attaching.detach(Nic("vm5"), 0)
    await until(lambda: set(empty.vis.places()) == {6}, "VIF given back")
    await until(lambda: empty.bench.agent.holdings.attachments.find(Nic("vm5")) is None, "forgotten")
    assert not supervisor.all("attached") and not supervisor.all("detached")
    shown = "".join([piece.decode() async for piece in empty.bench.agent.console.run(["show", "niv"])])
    assert "Stage: final" in shown and " vis1 " in shown and "vntag" in shown
    row = next(line for line in shown.splitlines() if "Veth6" in line)
    uplink_of, vif = empty.vis.places()[6]
    assert row.split()[3:] == [f"Eth3/{uplink_of}", str(vif), "active", "forwarding", "-"]


async def test_what_the_vis_sent_before_it_heard_of_a_detach_is_delivered(empty: NivBench) -> None:
    """The VIS has counted it.  Frames and what it says take the same cable."""
    await empty.bench.attaching.attach(empty.request(5))
    uplink, vif = empty.vis.places()[5]
    sent: list[bytes] = []

    def last_one() -> None:
        if not empty.vis.places() and not sent:
            sent.append(down(vif, frame(9, 5, b"the last one")))
            empty.ground.uplinks[uplink].send(sent[0])

    empty.vis.before_answers = last_one
    assert await empty.bench.attaching.detach(Nic("vm5"), 0)
    assert sent
    await empty.heard(5, b"the last one")
    assert empty.bench.agent.holdings.attachments.find(Nic("vm5")) is None


async def test_a_detach_waits_for_a_vis_that_is_just_being_started(empty: NivBench) -> None:
    """Which may send the NIC frames all the time: its datapath forwards on, and it remembers its VIFs."""
    await empty.bench.attaching.attach(empty.request(5))
    uplink, vif = empty.vis.places()[5]
    empty.vis.deaf = True
    empty.vis.begin(2, remembers=True)
    niv = empty.bench.agent.niv
    await until(lambda: {view.state for view in niv.links()} == {LinkState.ASKING}, "the host looks for the VIS")
    detached = asyncio.create_task(empty.bench.attaching.detach(Nic("vm5"), 0))
    await until(lambda: niv.stage.extends and not niv.wishes, "the NIC is not wished any more")
    empty.ground.uplinks[uplink].send(down(vif, frame(9, 5, b"while it is away")))
    await empty.heard(5, b"while it is away")
    assert not detached.done(), "the VIS does not know yet"
    sent: list[bytes] = []

    def last_one() -> None:
        if not empty.vis.places() and not sent:
            sent.append(down(vif, frame(9, 5, b"the last one")))
            empty.ground.uplinks[uplink].send(sent[0])

    assert set(empty.vis.places()) == {5}, "it has its VIFs again"
    empty.vis.before_answers, empty.vis.deaf = last_one, False
    assert await detached
    assert sent
    await empty.heard(5, b"the last one")
    assert empty.bench.agent.holdings.attachments.find(Nic("vm5")) is None


async def test_a_detach_does_not_wait_for_ever_for_a_vis_that_is_away(
    empty: NivBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side, "RETURNING", 0.2)
    await empty.bench.attaching.attach(empty.request(5))
    empty.vis.deaf = True
    empty.vis.begin(2, remembers=True)
    niv = empty.bench.agent.niv
    await until(lambda: {view.state for view in niv.links()} == {LinkState.ASKING}, "the host looks for the VIS")
    assert await empty.bench.attaching.detach(Nic("vm5"), 0)
    assert empty.bench.agent.holdings.attachments.find(Nic("vm5")) is None
    empty.vis.deaf = False
    await until(lambda: not empty.vis.places(), "the VIS hears of it when it is back")


async def test_a_refusal_at_the_vis_is_told_to_who_waits(empty: NivBench) -> None:
    empty.vis.grants = False
    core = empty.vis.core
    waiting = empty.bench.attaching.attach(empty.request(5))

    async def refuse() -> None:
        (nic,) = await until(core.nics, "attach")
        core.refuse(nic.host, nic.key.ident, "port-profile web: does not exist")
        empty.vis.poke()

    with pytest.raises(AttachRefused, match="does not exist"):
        await asyncio.gather(waiting, refuse())
    assert empty.bench.agent.holdings.attachments.find(Nic("vm5")) is None


async def test_a_port_that_the_vis_blocks_is_said_to_be_blocked(empty: NivBench) -> None:
    await empty.bench.attaching.attach(empty.request(5))
    empty.vis.grants = False
    (nic,) = empty.vis.core.nics()
    told = Granted(NicKey("x"), 0, 5, 1, Phase.ACTIVE, State.BLOCKED, "vethernet 5 is shut down")
    empty.vis.core.set_state(nic.host, nic.key.ident, told)
    empty.vis.poke()
    attachment = empty.bench.agent.holdings.attachments.by_veth(5)
    assert attachment is not None
    await until(lambda: empty.bench.agent.niv.why_blocked(attachment) == "vethernet 5 is shut down", "told")
    outcome = empty.bench.attaching.outcome(attachment)
    assert (outcome.state, outcome.detail) == (PortState.BLOCKED, "vethernet 5 is shut down")
    empty.ground.guests[5].send(frame(5, 6, b"for the VIS to drop"))
    await empty.vis.frame(empty.vis.places()[5][0], b"for the VIS to drop")


async def test_a_lost_link_moves_its_vifs_to_the_other(empty: NivBench) -> None:
    for veth in (5, 6):
        await empty.bench.attaching.attach(empty.request(veth))
    places = empty.vis.places()
    assert sorted(number for number, _ in places.values()) == [1, 2], "shared out"
    away = next(veth for veth, (number, _) in places.items() if number == 1)
    shut = fabric.Change(set_uplink=pb.Uplink(number=1, policy=9, shutdown=True))
    await empty.bench.supervisor.applied(shut)
    await until(lambda: empty.vis.places()[away][0] == 2, "moved")
    await until(
        lambda: empty.bench.agent.datapath.image.ports[_lport(empty, away)].link == _uplink(empty, 2), "in force"
    )
    empty.clear()
    empty.ground.guests[away].send(frame(away, 99, b"by the other"))
    assert await empty.vis.frame(2, b"by the other") == up(
        empty.vis.places()[away][1], frame(away, 99, b"by the other")
    )
    told = lambda: empty.bench.supervisor.all("niv")[-1].links  # noqa: E731
    await until(lambda: {vif.veth for link in told() if link.uplink == 2 for vif in link.vifs} == {5, 6}, "the report")


def _lport(made: NivBench, veth: int) -> int:
    attachment = made.bench.agent.holdings.attachments.by_veth(veth)
    assert attachment is not None
    return attachment.lport


def _uplink(made: NivBench, number: int) -> int:
    return made.bench.agent.holdings.uplinks[number].lport


async def test_a_vis_is_noticed_in_mode_dvs_without_a_word_of_ours(path: Path) -> None:
    async with niv_bench(path, "user") as made:
        made.vis.begin(instance=3)
        report = (await until(lambda: made.bench.supervisor.all("niv"), "report"))[-1]
        assert [(link.vis_name, link.vis_port, link.state) for link in report.links] == [
            ("vis1", "0/1", fabric.NivLink.FOUND)
        ]
        assert not made.vis.seen[1], "a host that switches by itself seeks nobody"


async def test_vepa_is_the_datapaths(path: Path) -> None:
    async with niv_bench(path, "user") as made:
        made.bench.grant()
        for veth in (5, 6):
            await made.bench.attaching.attach(made.request(veth))
        await made.bench.supervisor.applied(fabric.Change(set_mode=pb.Mode(kind=pb.Mode.VEPA)))
        made.clear()
        made.ground.guests[5].send(frame(5, 6, b"to the bridge"))
        got = await made.vis.frame(1, b"to the bridge")
        assert got[12:16] == b"\x81\x00\x00\x0a" and await made.silent(6, b"to the bridge")
        made.ground.uplinks[1].send(got)
        assert await made.heard(6, b"to the bridge") == frame(5, 6, b"to the bridge")
        await made.bench.supervisor.applied(DVS)
        made.ground.guests[5].send(frame(5, 6, b"direct"))
        await made.heard(6, b"direct")
