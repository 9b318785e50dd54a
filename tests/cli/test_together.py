"""Lines of a paste and of many sessions share a save; one that fails is told to those it concerns, and no others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dvswitch.errors import StorageError
from tests.support.fake_runtime import FakeRuntime
from tests.support.switches import MemoryStore, state
from vsm.cli.service import CliReply, CliService
from vsm.cli.session import Session
from vsm.model.state import State
from vsm.store.bootflash import Bootflash
from vsm.supervisor import Supervisor


class Counting(MemoryStore):
    """Counts saves; refuses those of a state with a vlan that is in ``bad``."""

    def __init__(self, start: State) -> None:
        super().__init__(start)
        self.saves = 0
        self.bad: set[int] = set()

    def save(self, old: State, new: State) -> None:
        if self.bad & set(new.config.vlans):
            raise StorageError("store", "is full", "free space")
        self.saves += 1
        super().save(old, new)


class Rig:
    def __init__(self, path: Path) -> None:
        self.store = Counting(state())
        self.supervisor = Supervisor(self.store)
        self.told: list[tuple[int, int]] = []
        self.supervisor.subscribe(lambda old, new: self.told.append((old.revision, new.revision)))
        self.cli = CliService(self.supervisor, FakeRuntime(), lambda: 0.0, files=Bootflash(path))

    async def paste(self, session: Session, lines: list[str]) -> list[CliReply]:
        """As a terminal does: what was not run along with the first line is handed over again."""
        replies: list[CliReply] = []
        while len(replies) < len(lines):
            replies += await self.cli.run_some(session, lines[len(replies) :])
            # Whatever has been answered is stored.
            assert self.store.load() is self.supervisor.state
        return replies


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_a_paste_costs_few_saves_and_is_answered_line_by_line(rig: Rig) -> None:
    lines = ["configure terminal"]
    for number in range(100, 130):
        lines += [f"vlan {number}", f"name v{number}"]
    lines += ["vlan 5000", "show hostname", "vlan 131", "end"]
    replies = await rig.paste(Session("s"), lines)
    assert [reply.prompt for reply in replies[:3]] == ["vsm-a(config)# ", *["vsm-a(config-vlan)# "] * 2]
    assert [reply.ok for reply in replies[-4:]] == [False, True, True, True] and "vsm-a\n" in replies[-3].output
    assert rig.supervisor.state.config.vlans[129].name == "v129" and 131 in rig.supervisor.state.config.vlans
    assert rig.store.saves <= 20 < 61, "one for each line without"
    assert rig.told[0][0] == 1 and all(
        old == before for (_, before), (old, _) in zip(rig.told, rig.told[1:], strict=False)
    )
    assert rig.supervisor.state.revision == 1 + 61


async def test_many_sessions_share_a_save(rig: Rig) -> None:
    sessions = [Session(f"s{number}") for number in range(20)]
    await asyncio.gather(*(rig.cli.run(session, "configure terminal") for session in sessions))
    replies = await asyncio.gather(*(rig.cli.run(one, f"vlan {200 + n}") for n, one in enumerate(sessions)))
    assert all(reply.ok for reply in replies) and rig.store.saves <= 10
    assert {200 + n for n in range(20)} <= set(rig.supervisor.state.config.vlans)


async def test_a_save_that_fails_concerns_the_lines_at_fault_only(rig: Rig) -> None:
    rig.store.bad = {301, 303}
    sessions = [Session(f"s{number}") for number in range(5)]
    await asyncio.gather(*(rig.cli.run(session, "configure terminal") for session in sessions))
    work = [rig.paste(one, [f"vlan {300 + n}", "exit", "show hostname"]) for n, one in enumerate(sessions)]
    outcomes = await asyncio.gather(*work)
    assert [replies[0].ok for replies in outcomes] == [True, False, True, False, True]
    assert "is full" in outcomes[1][0].output
    assert outcomes[1][0].prompt == "vsm-a(config)# " and outcomes[0][0].prompt == "vsm-a(config-vlan)# "
    assert all("vsm-a" in replies[-1].output for replies in outcomes if replies[0].ok)
    assert {300, 302, 304} == {n for n in rig.supervisor.state.config.vlans if n >= 300}
    assert rig.store.load() is rig.supervisor.state
    assert [line for line in sessions[1].history if line.startswith("vlan")] == []


async def test_what_nobody_waits_for_any_more_is_not_run(rig: Rig) -> None:
    session = Session("s")
    await rig.cli.run(session, "configure terminal")
    given_up = asyncio.ensure_future(rig.cli.run(session, "vlan 400"))
    await asyncio.sleep(0)
    given_up.cancel()
    await rig.cli.run(session, "vlan 401")
    assert {400, 401} & set(rig.supervisor.state.config.vlans) == {401}


async def test_a_command_that_does_more_is_stored_at_once_with_what_was_waiting(rig: Rig) -> None:
    """A checkpoint in the same turn as another session's edit holds it, and one save is enough for both."""
    one, two = Session("one"), Session("two")
    await rig.cli.run(one, "configure terminal")
    saves = rig.store.saves
    await asyncio.gather(rig.cli.run(one, "vlan 500"), rig.cli.run(two, "checkpoint c"))
    assert rig.store.saves <= saves + 2
    assert "500" in rig.supervisor.state.archive.checkpoints["c"].text
