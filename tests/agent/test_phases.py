"""What a move changed is written down before it is told, without the whole state file (phases.py, saving.py)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dvswitch.errors import StorageError
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from tests.agent.supervisor import BASICS, WEB, bench, mac, policy, port, until
from tests.support.recording_engine import RecordingEngine
from vem.agent.convert import update_from
from vem.agent.phases import SLOT, Moved, PhaseFile, moved_between, overtaken
from vem.agent.state import StateFile
from vem.agent.wanted import Phase, Wanted, apply_update

ACTIVE, DRAINING, PREPARED = pb.Port.ACTIVE, pb.Port.DRAINING, pb.Port.PREPARED


@pytest.fixture
def path() -> Iterator[Path]:
    """A directory with a name short enough for unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="dvh-"))
    yield made
    shutil.rmtree(made)


def after(before: Wanted, *changes: fabric.Change) -> Wanted:
    """The next wanted state."""
    update = fabric.Update(revision=before.revision + 1, commit=True, changes=changes)
    return apply_update(before, update_from(update))


BASE = after(Wanted(), *BASICS, port(5, "web1"), port(6, "web2"))


def drained(veth: int, generation: int = 1, revision: int = 2) -> Moved:
    change = port(veth, f"web{veth - 4}", generation=generation, phase=DRAINING)
    return Moved(revision, after(BASE, change).ports[veth])


def test_a_change_of_phase_is_all_that_a_move_changes() -> None:
    moved = moved_between(BASE, after(BASE, port(5, "web1", phase=DRAINING)))
    assert moved is not None
    assert [(item.revision, item.port.veth, item.port.phase) for item in moved] == [(2, 5, Phase.DRAINING)]


def test_who_is_prepared_and_comes_is_known_though_the_state_file_is_not() -> None:
    coming = after(BASE, port(7, "web3", phase=PREPARED))
    here = after(coming, port(7, "web3"))
    for before, then in ((BASE, coming), (coming, here)):
        moved = moved_between(before, then)
        assert moved is not None
        assert overtaken(BASE, moved).ports == then.ports


def test_who_has_drained_may_be_forgotten() -> None:
    left = after(BASE, port(5, "web1", phase=DRAINING))
    assert moved_between(left, after(left, fabric.Change(remove_port=5))) == []


@pytest.mark.parametrize(
    "change",
    [
        port(7, "web3"),
        port(5, "web1", ident=WEB + 7, phase=DRAINING),
        port(5, "other", phase=DRAINING),
        port(5, "web1", shutdown=True),
        policy(WEB, "web", 11),
        fabric.Change(remove_port=5),
        fabric.Change(set_switch=pb.Switch(name="vsm", domain=1, mtu=9000)),
    ],
)
def test_whatever_else_changes_is_for_the_state_file(change: fabric.Change) -> None:
    assert moved_between(BASE, after(BASE, change, port(6, "web2", phase=DRAINING))) is None


def test_what_was_written_is_read_and_overtakes_the_state_file(path: Path) -> None:
    made = PhaseFile(path)
    made.write([drained(5)])
    made.write([drained(5), drained(6)])
    made.close()
    found = overtaken(BASE, PhaseFile(path).load())
    assert {port.phase for port in found.ports.values()} == {Phase.DRAINING}
    assert found.revision == BASE.revision


def test_a_write_that_was_cut_short_leaves_the_one_before(path: Path) -> None:
    made = PhaseFile(path)
    made.write([drained(5)])
    made.write([drained(5), drained(6)])
    made.close()
    data = bytearray((path / "moves").read_bytes())
    data[40] ^= 1  # the second write went to the first slot
    (path / "moves").write_bytes(data)
    assert [item.port.veth for item in PhaseFile(path).load()] == [5]


def test_a_file_that_goes_on_is_written_where_the_last_word_is_not(path: Path) -> None:
    for veth in (5, 6):
        made = PhaseFile(path)
        made.load()
        made.write([drained(veth)])
        made.close()
    data = (path / "moves").read_bytes()
    assert len(data) == 2 * SLOT
    assert all(data[at : at + 8] == b"dvmoves1" for at in (0, SLOT))
    assert [item.port.veth for item in PhaseFile(path).load()] == [6]


def test_nothing_and_rubbish_say_nothing(path: Path) -> None:
    assert PhaseFile(path).load() == []
    (path / "moves").write_bytes(b"dvmoves1" + bytes(100))
    assert PhaseFile(path).load() == []


def test_too_many_are_refused_and_left_to_the_state_file(path: Path) -> None:
    with pytest.raises(StorageError):
        PhaseFile(path).write([drained(5)] * (SLOT // 16))


@pytest.mark.parametrize(
    "record",
    [
        drained(5, revision=1),  # the state file is as new
        replace(drained(5), port=replace(drained(5).port, generation=0)),  # an earlier life
        replace(drained(5), port=replace(drained(5).port, mac=mac(9))),  # another NIC had the number
        replace(drained(5), revision=1, port=replace(drained(5).port, veth=9)),  # it is not here any more
    ],
)
def test_a_record_that_was_overtaken_does_not_count(record: Moved) -> None:
    assert overtaken(BASE, [record]) is BASE


@pytest.mark.parametrize(("before", "then"), [(ACTIVE, DRAINING), (PREPARED, ACTIVE)])
async def test_what_was_told_of_a_move_is_known_to_the_next_agent(
    path: Path, before: pb.Port.Phase, then: pb.Port.Phase
) -> None:
    """However the agent ends: the files are those of the instant at which the supervisor heard."""
    engine = RecordingEngine()
    uplinks = (f"1,profile=UPLINK,wire=unix:{path}/u>unix:{path}/n",)
    async with bench(path, lambda: engine, uplinks) as made:
        made.grant(phase=before)
        await made.attaching.attach(made.request(5, "web1", prepare=before == PREPARED))
        (path / "copy").mkdir()
        revision = await made.supervisor.update(port(5, "web1", phase=then))
        await until(lambda: revision in [ack.revision for ack in made.supervisor.all("ack")], "Ack")
        for name in ("state.json", "moves"):
            shutil.copy(path / name, path / "copy" / name)
    saved = StateFile(path / "copy").load()
    assert saved is not None
    assert saved.wanted.ports[5].phase.value == then
    at_the_end = StateFile(path).load()
    assert at_the_end is not None
    assert (at_the_end.wanted.revision, at_the_end.wanted.ports[5].phase.value) == (revision, then)
