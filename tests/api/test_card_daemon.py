"""A host in mode NIV, its VIS and its card at a supervisor of its own process: over a restart, with certificates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from dvswitch.client import TlsFiles
from dvswitch.v1 import fabric_pb2 as pb
from dvswitch.v1 import types_pb2
from tests.api.test_daemon import SETUP, Process, run
from tests.support.fabric import home as short_directory
from tests.support.fabric_rig import host, mac
from tests.support.fake_module import PATIENCE, FakeModule

pytestmark = pytest.mark.slow
HOST, VIS, OTHER = 1, 9, 8
NIV = ("configure terminal", "vem 3", "mode niv tagging etag", "end")
DVS = ("configure terminal", "vem 3", "no mode", "end")


@pytest.fixture
def home() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.fixture
async def vsm(home: Path) -> AsyncIterator[Process]:
    process = Process(home)
    await process.start()
    yield process
    await process.end()


def vis(address: str, number: int = VIS, tls: TlsFiles | None = None) -> FakeModule:
    module = FakeModule(address, host(number), f"vis-{number}", tls=tls)
    module.hello.type = pb.Hello.VIS
    return module


def card(address: str, through: int = VIS, tls: TlsFiles | None = None) -> FakeModule:
    module = FakeModule(address, host(HOST), "kvm-1", tls=tls)
    module.hello.role, module.hello.through, module.hello.incarnation = pb.Hello.CARD, host(through), "card"
    return module


async def tell_way(module: FakeModule, number: int, *vifs: pb.NivLink.Vif) -> None:
    link = pb.NivLink(
        uplink=1, vis_uuid=host(number), vis_name=f"vis-{number}", vis_port="p1", tagging=types_pb2.Mode.ETAG,
        state=pb.NivLink.UP, vifs=vifs,
    )  # fmt: skip
    await module.say(niv=pb.NivReport(links=[link]))


async def shows(vsm: Process, line: str, *texts: str) -> str:
    """Wait until a show command says all this."""
    async with asyncio.timeout(PATIENCE):
        while True:
            told = await vsm.run_lines(line)
            if all(text in told for text in texts):
                return told
            await asyncio.sleep(0.05)


async def test_a_host_goes_to_niv_over_a_restart_and_back(vsm: Process) -> None:
    await vsm.run_lines(*SETUP)
    module, held = FakeModule(vsm.fabric, host(HOST), "kvm-1"), card(vsm.fabric)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(module)
        await module.synced()
        await module.attach("web1", mac(1), "web")
        await module.port_of("web1")
        switch = await stack.enter_async_context(vis(vsm.fabric))
        await switch.synced()
        await tell_way(module, VIS)
        await shows(vsm, "show niv", "vis-9", "up")
        await module.count(1, rx_frames=100)
        await shows(vsm, "show interface vethernet 1 counters", "100")
        await vsm.run_lines(*NIV)
        await stack.enter_async_context(held)
        await held.until(lambda: 1 in held.holding.ports)
        await held.attach("web1", mac(1), "web", veth=1, generation=1)
        await tell_way(module, VIS, pb.NivLink.Vif(veth=1, vif=7, carries=True))
        await held.count(1, rx_frames=20)
        await shows(vsm, "show interface vethernet 1 counters", "120")
        text = await shows(vsm, "show module", "3    niv   etag     connected  vis-9")
        assert "Virtual Interface Switch" in text
        assert "Veth1        3    7" in await vsm.run_lines("show vif")
        await vsm.end()
    await vsm.start()
    async with held:
        await held.synced()
        assert 1 in held.holding.ports
        await shows(vsm, "show module", "powered-dn", "3    niv   etag     connected")
        await held.count(1, rx_frames=25)
        await shows(vsm, "show interface vethernet 1 counters", "125")
        await vsm.run_lines("configure terminal", "vlan 20", "port-profile web", "switchport access vlan 20", "end")
        await held.until(lambda: {policy.vlan for policy in held.holding.policies.values()} == {20})
        async with module:
            await module.synced()
            assert not module.holding.ports and module.holding.mode.kind == types_pb2.Mode.NIV
            await vsm.run_lines(*DVS)
            await module.until(lambda: 1 in module.holding.ports)
            await held.until(lambda: not held.holding.ports)
            await module.count(1, rx_frames=105)
            await shows(vsm, "show interface vethernet 1 counters", "130")


@pytest.fixture
async def secure(home: Path) -> AsyncIterator[Process]:
    tls = str(home / "tls")
    assert run("pki", "init", "--tls-dir", tls).returncode == 0
    for name in (host(HOST), host(OTHER), "vis-9"):
        assert run("pki", "issue", name, "--tls-dir", tls).returncode == 0
    process = Process(home, "--listen", "127.0.0.1:0", "--tls-dir", tls)
    await process.start()
    yield process
    await process.end()


async def test_a_card_shows_the_certificate_of_its_vis(secure: Process) -> None:
    address, directory = secure.addresses[0], secure.directory / "tls"
    own, other, of_vis = (TlsFiles.in_directory(directory, name) for name in (host(HOST), host(OTHER), "vis-9"))
    async with FakeModule(address, host(HOST), "kvm-1", tls=own) as module, vis(address, tls=of_vis) as switch:
        await module.synced()
        await switch.synced()
        await tell_way(module, VIS)
        await shows(secure, "show niv", "vis-9", "up")
        await secure.run_lines(*NIV)
        async with card(address, tls=of_vis) as right:
            await right.synced()
        for wrong in (own, other):
            async with card(address, tls=wrong) as refused:
                error = await refused.finished()
            assert isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.PERMISSION_DENIED, error
