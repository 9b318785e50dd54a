"""What becomes of a vEth whose guest changes its MAC address (S-011 to S-015)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dvswitch.errors import NotFound
from tests.agent.supervisor import WEB, Bench, bench, mac, policy
from tests.support.recording_engine import RecordingEngine
from vem.agent.wanted import Nic
from vem.datapath.image import Port

EFFECTIVE = mac(0x77)


@pytest.fixture
def path() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="dva-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def host(path: Path) -> AsyncIterator[tuple[Bench, RecordingEngine]]:
    """An agent with vEths 5 and 6, on lports 1 and 2."""
    engine = RecordingEngine()
    async with bench(path, lambda: engine) as made:
        made.grant()
        for veth in (5, 6):
            await made.attaching.attach(made.request(veth, f"web{veth}"))
        yield made, engine


def port_of(engine: RecordingEngine, lport: int = 1) -> Port:
    return engine.image().ports[lport]


@pytest.mark.parametrize("forged", [False, True])
async def test_rejected_changes_cut_the_receiver_off(host: tuple[Bench, RecordingEngine], forged: bool) -> None:
    made, engine = host
    await made.supervisor.applied(policy(WEB, "web", 10, forged_transmits=forged))
    assert not await made.attaching.set_mac(Nic("web5"), EFFECTIVE)
    port = port_of(engine)
    assert port.mac_violation and not port.blocked  # S-011; S-015: what it sends is judged as before
    assert port.mac == mac(5) and engine.image().static_macs == {mac(5): 1, mac(6): 2}
    assert await made.attaching.set_mac(Nic("web5"), mac(5))
    assert not port_of(engine).mac_violation  # S-012


async def test_accepted_changes_move_the_static_entry(host: tuple[Bench, RecordingEngine]) -> None:
    made, engine = host
    await made.supervisor.applied(policy(WEB, "web", 10, mac_changes=True))
    assert await made.attaching.set_mac(Nic("web5"), EFFECTIVE)
    assert engine.image().static_macs == {EFFECTIVE: 1, mac(6): 2}  # S-013
    assert port_of(engine).mac == EFFECTIVE and not port_of(engine).mac_violation  # S-014: forged is judged by this one
    await made.supervisor.applied(policy(WEB, "web", 10))
    assert port_of(engine).mac == mac(5) and port_of(engine).mac_violation  # S-011, by a later edit


async def test_nobody_takes_anothers_address(host: tuple[Bench, RecordingEngine]) -> None:
    made, engine = host
    await made.supervisor.applied(policy(WEB, "web", 10, mac_changes=True))
    assert not await made.attaching.set_mac(Nic("web5"), mac(6))
    assert engine.image().static_macs == {mac(5): 1, mac(6): 2} and port_of(engine).mac_violation
    assert not port_of(engine, 2).blocked
    assert "belongs to another vEth" in made.agent.compiled.refusals[0].reason


async def test_the_address_survives_a_restart(host: tuple[Bench, RecordingEngine], path: Path) -> None:
    made, engine = host
    await made.supervisor.applied(policy(WEB, "web", 10, mac_changes=True))
    await made.attaching.set_mac(Nic("web5"), EFFECTIVE)
    before = engine.image()
    await made.agent.stop(keep=False)
    fresh = RecordingEngine()
    async with bench(path, lambda: fresh, supervisor=False):
        assert fresh.image() == before
    with pytest.raises(NotFound, match="is not attached here"):
        await made.attaching.set_mac(Nic("nobody"), EFFECTIVE)
