"""The agent against a supervisor that speaks the real protocol, word by word as the test decides."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dvswitch.errors import Conflict, InvalidValue
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from tests.agent.supervisor import DB, PATIENCE, UPLINK, Bench, bench, mac, policy, port, until, uplink
from tests.support.recording_engine import RecordingEngine
from vem.agent import announce
from vem.agent.attaching import AttachRefused, PortState
from vem.agent.wanted import Nic
from vem.datapath.engine import EngineError, Plug
from vem.datapath.image import Counters, LearnedMac
from vem.datapath.user import UserEngine

QUIET = 0.15
"""Seconds without a frame that count as silence."""


@pytest.fixture
def path() -> Iterator[Path]:
    """A directory with a name short enough for unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="dva-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def recorded(path: Path) -> AsyncIterator[tuple[Bench, RecordingEngine]]:
    """An agent whose engine only remembers, in touch with its supervisor, with one uplink."""
    engine = RecordingEngine()
    async with bench(path, lambda: engine, (f"1,profile=UPLINK,wire=unix:{path}/u>unix:{path}/n",)) as made:
        yield made, engine


@pytest.fixture
async def real(path: Path) -> AsyncIterator[Bench]:
    """An agent with the user engine, in touch with its supervisor, with one uplink."""
    async with bench(path, UserEngine, (f"1,profile=UPLINK,wire=unix:{path}/u>unix:{path}/n",)) as made:
        yield made


class Guest:
    """The far end of a wire."""

    def __init__(self, path: Path, name: str, port: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path / name))
        self._socket.setblocking(False)
        self._port = str(path / port)

    def send(self, frame: bytes) -> None:
        self._socket.sendto(frame, self._port)

    async def receive(self, seconds: float = PATIENCE) -> bytes:
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().sock_recv(self._socket, 70000)

    async def silent(self) -> bool:
        with contextlib.suppress(TimeoutError):
            await self.receive(QUIET)
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def guests(path: Path) -> Iterator[dict[int, Guest]]:
    """Guests on the wires of vEths 5 and 6 and of the uplink (0)."""
    made = {0: Guest(path, "n", "u"), 5: Guest(path, "g5", "s5"), 6: Guest(path, "g6", "s6")}
    yield made
    for guest in made.values():
        guest.close()


def frame(source: int, target: int, text: bytes = b"hello") -> bytes:
    return mac(target).octets + mac(source).octets + b"\x08\x00" + text.ljust(50, b".")


# --- hello, updates, acknowledgements ---------------------------------------------------------------------------


async def test_hello_tells_what_is_held(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, _ = recorded
    first = made.supervisor.hellos[0]
    assert (first.protocol, first.domain, first.host_name, first.engine) == (1, 1, "alpha", "user")
    assert (first.revision, first.digest) == (0, "")
    await until(lambda: [state.number for state in made.supervisor.all("uplink")] == [1], "uplink report")
    await made.supervisor.stop()
    await until(lambda: not made.agent.connected, "session lost")
    await made.supervisor.start(made.address)
    await made.in_touch()
    again = made.supervisor.hellos[-1]
    assert again.revision == made.supervisor.revision and again.digest
    assert again.incarnation == first.incarnation


async def test_an_update_takes_effect_at_its_commit_only(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    made.grant()
    await made.attaching.attach(made.request(5, "web1"))
    await made.supervisor.update(policy(1, "web", 20), commit=False)
    heard = len(made.supervisor.all("heartbeat"))
    await until(lambda: len(made.supervisor.all("heartbeat")) > heard + 1, "time enough to take it")
    await made.agent.reconcile()
    index = engine.image().ports[2].policy
    assert engine.image().policies[index].vlan == 10
    engine.calls.clear()
    await made.supervisor.applied()
    assert engine.image().policies[index].vlan == 20
    assert engine.changes() == ["set_members", "set_config", "set_members"]


async def test_what_cannot_be_done_is_refused_by_name(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    bad = fabric.Change(set_policy=pb.Policy(id=7, profile="bad", vlan=4095))
    revision = await made.supervisor.update(bad, policy(8, "good", 30))
    refuse = (await until(lambda: made.supervisor.all("refuse"), "refusal"))[0]
    assert refuse.revision == revision
    assert [refusal.object for refusal in refuse.refusals] == ["policy 7 (bad)"]
    assert "vlan 4095 is out of range" in refuse.refusals[0].reason
    assert 30 in [entry.vlan for entry in engine.image().policies.values()]


async def test_an_engine_that_fails_is_refused_and_tried_again(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    engine.fail_on = "set_config"
    await made.supervisor.update(policy(8, "late", 30))
    refuse = (await until(lambda: made.supervisor.all("refuse"), "refusal"))[0]
    assert "was told to fail" in refuse.refusals[0].reason
    engine.fail_on = ""
    await until(lambda: 30 in [entry.vlan for entry in engine.image().policies.values()], "second try")


# --- attach and detach ------------------------------------------------------------------------------------------


async def test_attach_forwards_and_detach_ends_it(real: Bench, guests: dict[int, Guest]) -> None:
    real.grant()
    for veth, vm in ((5, "web1"), (6, "web2")):
        outcome = await real.attaching.attach(real.request(veth, vm))
        assert (outcome.veth, outcome.state) == (veth, PortState.FORWARDING)
        assert await guests[0].receive() == announce.rarp(mac(veth), 10)  # S-152
    guests[5].send(frame(5, 6))
    assert await guests[6].receive() == frame(5, 6)
    guests[6].send(frame(6, 99))
    assert (await guests[0].receive())[12:18] == b"\x81\x00\x00\x0a\x08\x00"
    assert await real.attaching.detach(Nic("web2"), 0)
    detached = (await until(lambda: real.supervisor.all("detached"), "PortDetached"))[0]
    assert (detached.veth, detached.last.rx_frames, detached.last.tx_frames) == (6, 1, 1)
    await real.supervisor.applied(fabric.Change(remove_port=6))
    await until(lambda: real.agent.holdings.attachments.find(Nic("web2")) is None, "forgotten")
    assert not await real.attaching.detach(Nic("web2"), 0)


async def test_a_refused_attach_is_undone_and_told_verbatim(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded

    async def refuse(attached: fabric.PortAttached) -> None:
        await made.supervisor.say(
            attach_refused=fabric.AttachRefused(request=attached.request, nic=attached.nic, reason="no such profile")
        )

    made.supervisor.answer_attach = refuse
    with pytest.raises(AttachRefused) as caught:
        await made.attaching.attach(made.request(5, "web1", "nope"))
    assert str(caught.value) == "no such profile"
    assert set(engine.plugged()) == {1} and set(engine.image().ports) == {1}


async def test_attaching_twice(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, _ = recorded
    made.grant()
    first = await made.attaching.attach(made.request(5, "web1"))
    assert await made.attaching.attach(made.request(5, "web1")) == first
    with pytest.raises(Conflict, match="attached with port-profile web; detach it first"):
        await made.attaching.attach(made.request(5, "web1", "db"))
    taken = made.request(5, "web1").plug
    with pytest.raises(Conflict, match="s5 is in use by web1 nic 0"):
        await made.attaching.attach(made.request(6, "web2", plug=taken))


async def test_bad_requests_leave_nothing(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    with pytest.raises(InvalidValue, match="names no VM"):
        await made.attaching.attach(made.request(5, ""))
    engine.fail_on = "plug"
    with pytest.raises(EngineError):
        await made.attaching.attach(made.request(5, "web1"))
    engine.fail_on = ""
    await made.agent.reconcile()
    assert set(engine.plugged()) == {1}
    assert "nic web1/0" not in made.agent.holdings.lports.owned()


async def test_an_unknown_nic_waits_blocked(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    outcome = await made.attaching.attach(made.request(5, "web1", wait=0.05))
    assert (outcome.veth, outcome.state) == (0, PortState.PENDING)
    assert engine.image().ports[2].blocked
    await made.supervisor.applied(port(5, "web1"))
    assert not engine.image().ports[2].blocked


async def test_a_new_owner_of_an_lport_starts_from_zero(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    made.grant()
    engine.counted[2] = Counters(rx_frames=99)
    await made.attaching.attach(made.request(5, "web1"))
    assert engine.counters([2])[2].rx_frames == 0


async def test_a_failed_pass_does_not_stop_a_nic_from_being_named(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, _ = recorded
    made.grant(shutdown=True)
    outcome = await made.attaching.attach(made.request(5, "web1"))
    assert (outcome.state, outcome.detail) == (PortState.BLOCKED, "vethernet 5 is shut down")


# --- headless ---------------------------------------------------------------------------------------------------


async def test_without_a_supervisor_known_nics_come_up_and_others_wait(real: Bench, guests: dict[int, Guest]) -> None:
    real.grant()
    for veth in (5, 6):
        await real.attaching.attach(real.request(veth, f"web{veth}"))
    await real.supervisor.stop()
    await until(lambda: not real.agent.connected, "session lost")
    assert await real.attaching.detach(Nic("web6"), 0)
    guests[5].send(frame(5, 6))
    assert await guests[6].silent()
    back = await real.attaching.attach(real.request(6, "web6"))
    assert back.state is PortState.FORWARDING
    guests[5].send(frame(5, 6))
    assert await guests[6].receive() == frame(5, 6)
    unknown = await real.attaching.attach(real.request(7, "new", wait=0.05))
    assert unknown.state is PortState.PENDING and "supervisor is away" in unknown.detail
    await real.supervisor.start(real.address)
    await until(lambda: 7 in real.agent.compiled.veths, "the waiting NIC gets its vEth")


async def test_a_detach_that_nobody_heard_is_told_again(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    made.grant()
    await made.attaching.attach(made.request(5, "web1"))
    await made.supervisor.stop()
    await until(lambda: not made.agent.connected, "session lost")
    engine.counted[2] = Counters(rx_frames=41)
    await made.attaching.detach(Nic("web1"), 0)
    await made.supervisor.start(made.address)
    detached = (await until(lambda: made.supervisor.all("detached"), "PortDetached"))[-1]
    assert (detached.veth, detached.last.rx_frames) == (5, 41)


async def test_a_supervisor_that_comes_back_finds_nothing_touched(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    made.grant()
    await made.attaching.attach(made.request(5, "web1"))
    engine.calls.clear()
    await made.supervisor.stop()
    await until(lambda: not made.agent.connected, "session lost")
    made.supervisor.heard.clear()
    await made.supervisor.start(made.address)
    await made.in_touch()
    reminder = (await until(lambda: made.supervisor.all("attached"), "reminder"))[0]
    assert (reminder.veth, reminder.generation, reminder.mac) == (5, 1, str(mac(5)))
    report = (await until(lambda: made.supervisor.all("counters"), "counters"))[0]
    assert {entry.veth for entry in report.ports if entry.veth} == {5}
    assert engine.changes() == []


async def test_a_silent_supervisor_is_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vem.agent.session.SILENCE", 0.3)
    async with bench(path, RecordingEngine) as made:
        made.supervisor.beats = False
        await until(lambda: len(made.supervisor.hellos) > 1, "a new session after silence")


# --- migration, first form --------------------------------------------------------------------------------------


async def test_a_prepared_port_is_silent_until_activated(real: Bench, guests: dict[int, Guest]) -> None:
    real.grant(phase=pb.Port.PREPARED)
    outcome = await real.attaching.attach(real.request(5, "web1", prepare=True))
    assert outcome.state is PortState.PREPARED
    assert real.supervisor.all("attached")[-1].prepare
    broadcast = b"\xff" * 6 + mac(99).octets + b"\x81\x00\x00\x0a\x08\x00" + bytes(50)
    guests[0].send(broadcast)
    guests[5].send(frame(5, 99))
    assert await guests[5].silent() and await guests[0].silent()
    await real.supervisor.applied(port(5, "web1", generation=2, announce=True))
    rarp = announce.rarp(mac(5), 10)
    assert [await guests[0].receive() for _ in announce.SCHEDULE] == [rarp] * len(announce.SCHEDULE)
    guests[0].send(broadcast)
    assert (await guests[5].receive())[:6] == b"\xff" * 6


async def test_a_prepared_nic_goes_live_when_it_is_attached_for_good(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded

    async def answer(attached: fabric.PortAttached) -> None:
        phase = pb.Port.PREPARED if attached.prepare else pb.Port.ACTIVE
        await made.supervisor.update(port(5, "web1", phase=phase))

    made.supervisor.answer_attach = answer
    prepared = await made.attaching.attach(made.request(5, "web1", prepare=True))
    assert prepared.state is PortState.PREPARED and engine.image().static_macs == {}
    live = await made.attaching.attach(made.request(5, "web1"))
    assert live.state is PortState.FORWARDING and engine.image().static_macs == {mac(5): 2}
    assert [(sent.veth, sent.prepare) for sent in made.supervisor.all("attached")] == [(0, True), (0, False)]


async def test_draining_takes_all_from_the_port_before_it_is_reported(
    recorded: tuple[Bench, RecordingEngine],
) -> None:
    made, engine = recorded
    made.grant()
    await made.supervisor.applied(policy(1, "web", 10, mac_learning=True, forged_transmits=True))
    await made.attaching.attach(made.request(5, "web1"))
    await made.attaching.attach(made.request(6, "web2"))
    engine.learned_macs = [LearnedMac(mac(77), 10, 2, 1.0), LearnedMac(mac(78), 10, 3, 1.0)]
    engine.counted[2] = Counters(rx_frames=12, drops_in={"PORT_BLOCKED": 1})
    engine.calls.clear()
    await made.supervisor.update(port(5, "web1", phase=pb.Port.DRAINING))
    drained = (await until(lambda: made.supervisor.all("drained"), "PortDrained"))[0]
    assert (drained.veth, drained.generation, drained.last.rx_frames) == (5, 1, 12)
    assert engine.changes() == ["set_port", "set_config", "set_members", "forget"]
    gone = engine.image().ports[2]
    assert gone.blocked and gone.moved and not gone.forward  # its addresses are nobody's here, learned ones too
    assert engine.image().control.moved and engine.image().members == {10: (3,)}
    await made.supervisor.applied(port(5, "web1", phase=pb.Port.DRAINING))
    assert len(made.supervisor.all("drained")) == 1


async def test_no_announcement_for_a_port_that_did_not_move(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    made.grant()
    await made.attaching.attach(made.request(5, "web1"))
    await until(lambda: engine.emitted == [(1, announce.rarp(mac(5), 10))], "announcement of the new vNIC")  # S-152
    await made.supervisor.applied(port(5, "web1", announce=True))
    await asyncio.sleep(QUIET)
    assert len(engine.emitted) == 1


# --- uplinks ----------------------------------------------------------------------------------------------------


async def test_a_lost_uplink_moves_its_ports_and_announces_them(path: Path) -> None:
    engine = RecordingEngine()
    uplinks = tuple(f"{n},profile=UPLINK,wire=unix:{path}/u{n}>unix:{path}/n{n}" for n in (1, 2))
    async with bench(path, lambda: engine, uplinks) as made:
        await made.supervisor.applied(uplink(2))
        made.grant()
        await made.attaching.attach(made.request(5, "web1"))
        assert made.agent.compiled.veths[5].pinned_uplink == 2
        await until(lambda: engine.emitted, "announcement of the new vNIC")
        engine.emitted.clear()
        engine.down.add(2)
        await until(lambda: made.agent.compiled.veths[5].pinned_uplink == 1, "pinned to what is left")
        await until(lambda: engine.emitted, "announcement")
        assert engine.emitted == [(1, announce.rarp(mac(5), 10))]
        states = await until(lambda: [s for s in made.supervisor.all("uplink") if not s.link_up], "uplink report")
        assert [state.number for state in states] == [2]
        ports = made.supervisor.all
        await until(lambda: [p.pinned_uplink for p in ports("port") if p.veth == 5][-1:] == [1], "port report")
        assert ports("port")[-1].forwarding


async def test_an_uplink_that_is_not_configured_any_more_is_reported_gone(path: Path) -> None:
    async with bench(path, RecordingEngine) as made:
        gone = (await until(lambda: made.supervisor.all("uplink"), "uplink report"))[0]
        assert (gone.number, gone.present) == (1, False)


# --- restart ----------------------------------------------------------------------------------------------------


async def test_a_restart_from_the_state_file_alone(path: Path) -> None:
    engine = RecordingEngine()
    async with bench(path, lambda: engine) as made:
        made.grant()
        await made.attaching.attach(made.request(5, "web1"))
        await made.attaching.attach(made.request(6, "web2"))
        before = engine.image()
    fresh = RecordingEngine()
    async with bench(path, lambda: fresh, supervisor=False) as made:
        assert fresh.image() == before
        assert fresh.plugged() == {1: made.request(5, "web1").plug, 2: made.request(6, "web2").plug}
    adopted = RecordingEngine()
    for lport, plug in fresh_plugs(made).items():
        adopted.plug(lport, plug)
    adopted._image = before
    adopted.calls.clear()
    async with bench(path, lambda: adopted, supervisor=False):
        assert adopted.calls == []


def fresh_plugs(made: Bench) -> dict[int, Plug]:
    return {1: made.request(5, "web1").plug, 2: made.request(6, "web2").plug}


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format":1}', "\0\0\0", '{"format":1,"wanted":"%%"}'])
async def test_a_corrupt_state_file_is_kept_aside_and_the_datapath_goes_on(path: Path, content: str) -> None:
    engine = RecordingEngine()
    uplinks = (f"1,profile=UPLINK,wire=unix:{path}/u>unix:{path}/n",)
    async with bench(path, lambda: engine, uplinks) as made:
        made.grant()
        await made.attaching.attach(made.request(5, "web1"))
    before = engine.image()
    (path / "state.json").write_text(content)
    engine.plug(3, Plug("memory"))
    engine.calls.clear()
    async with bench(path, lambda: engine, uplinks, supervisor=False) as made:
        assert engine.image() == before and engine.changes() == ["unplug"]
        assert (path / "state.corrupt").read_text() == content
        made.snapshot = (*made.snapshot, port(5, "web1"))
        await made.supervisor.start(made.address)
        await made.in_touch()
        reminder = (await until(lambda: made.supervisor.all("attached"), "reminder"))[0]
        assert (reminder.veth, reminder.nic.vm, reminder.profile) == (5, "web1", "web")
        assert {port_.number for port_ in engine.image().ports.values()} == {1, 5}
        assert engine.image().ports[2].mac == mac(5) and not engine.image().ports[2].blocked


async def test_what_is_not_wanted_is_swept_after_in_sync(path: Path) -> None:
    engine = RecordingEngine()
    async with bench(path, lambda: engine) as made:
        made.grant()
        await made.attaching.attach(made.request(5, "web1"))
        await made.attaching.attach(made.request(6, "web2"))
    (path / "state.json").unlink()
    async with bench(path, lambda: engine, supervisor=False) as made:
        assert {entry.number for entry in engine.image().ports.values()} == {5, 6}
        made.snapshot = (*made.snapshot, port(5, "web1"))
        await made.supervisor.start(made.address)
        await made.in_touch()
        await until(lambda: len(engine.image().ports) == 1, "swept")
        assert [entry.number for entry in engine.image().ports.values()] == [5]
        assert list(engine.plugged()) == [1]


async def test_profiles_can_be_changed_for_a_nic(recorded: tuple[Bench, RecordingEngine]) -> None:
    made, engine = recorded
    made.grant()
    await made.attaching.attach(made.request(5, "web1"))
    await made.supervisor.applied(port(5, "web1", DB))
    assert engine.image().policies[engine.image().ports[2].policy].vlan == 20
    await made.supervisor.applied(fabric.Change(remove_port=5), fabric.Change(remove_policy=DB))
    assert engine.image().ports[2].blocked
    assert UPLINK in made.agent.holdings.staging.committed.policies


async def test_a_nic_that_is_gone_at_restart_comes_up_when_it_is_back(path: Path) -> None:
    engine = RecordingEngine()
    async with bench(path, lambda: engine) as made:
        made.grant()
        await made.attaching.attach(made.request(5, "web1"))
    fresh = RecordingEngine()
    fresh.fail_on = "plug"
    async with bench(path, lambda: fresh, supervisor=False) as made:
        assert not made.agent.compiled.veths[5].forwarding and not fresh.image().ports[1].link_up
        fresh.fail_on = ""
        await until(lambda: made.agent.compiled.veths[5].forwarding, "plugged in again")
        assert fresh.image().ports[1].link_up


async def test_the_supervisors_ageing_time_beats_the_hosts(recorded: tuple[Bench, RecordingEngine]) -> None:
    """S-069: entries go by the switch's `mac address-table aging-time`, and by the host's own again without it."""
    made, engine = recorded
    await made.agent.stop(keep=True)
    made.mac_age = 1.0
    await made.start_agent()
    await made.in_touch()
    await made.supervisor.applied(policy(1, "web", 10, mac_learning=True, forged_transmits=True))
    switch = pb.Switch(name="vsm", domain=1, mtu=1500, mac_aging_s=10)
    await made.supervisor.applied(fabric.Change(set_switch=switch))
    engine.learned_macs = [LearnedMac(mac(77), 10, 2, 5.0), LearnedMac(mac(78), 10, 2, 11.0)]
    await until(lambda: len(engine.learned_macs) < 2, "ageing")
    assert [entry.mac for entry in engine.learned_macs] == [mac(77)]
    await made.supervisor.applied(fabric.Change(set_switch=pb.Switch(name="vsm", domain=1, mtu=1500)))
    await until(lambda: not engine.learned_macs, "ageing")


async def test_a_duplicate_address_is_told_to_the_supervisor(recorded: tuple[Bench, RecordingEngine]) -> None:
    """The agent's half of the event; which frames raise it is tested with the control plane."""
    made, _ = recorded
    made.agent._duplicate(mac(5), 1)
    (event,) = await until(lambda: made.supervisor.all("event"), "event")
    assert (event.kind, event.object) == ("duplicate_mac", "uplink 1") and str(mac(5)) in event.text
