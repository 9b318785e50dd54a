"""The supervisor as a process: starting, stopping, kill -9, its command line, TLS, and what it refuses to do."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from dvswitch.client import TlsFiles, manager_stub, open_aio_channel, operator_stub
from dvswitch.v1 import fabric_pb2, manager_pb2, operator_pb2, types_pb2
from tests.support.fabric_rig import host, mac
from tests.support.fake_module import PATIENCE, FakeModule
from vsm.main import main

pytestmark = pytest.mark.slow

SETUP = (
    "configure terminal", "vlan 10", "port-profile type vethernet web", "switchport access vlan 10",
    "no shutdown", "state enabled", "end",
)  # fmt: skip
FAST = ("--heartbeat-ms", "100", "--absent-s", "60", "--counters-ms", "100", "--persist-s", "0.1", "--drain-s", "60")


class Process:
    """A supervisor in its own process."""

    def __init__(self, directory: Path, *more: str) -> None:
        self.directory, self.more = directory, more
        self.data = directory / "d"
        self.fabric, self.operator = f"unix:{self.data}/fabric.sock", f"unix:{self.data}/operator.sock"
        self.addresses: list[str] = []

    async def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        argv = [sys.executable, "-m", "vsm.main", "run", "--data", str(self.data), *FAST, *self.more]
        if "--ssh" not in self.more:
            argv += ["--ssh", "none"]
        self.child = await asyncio.create_subprocess_exec(
            *argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        )
        assert self.child.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = (await self.child.stdout.readline()).decode()
        if not line.startswith("vsm ready"):
            raise AssertionError((await self.end()).decode())
        self.addresses = line.split()[2:]

    async def end(self, how: signal.Signals = signal.SIGTERM) -> bytes:
        """Stop it, wait for it; what it logged."""
        if self.child.returncode is None:
            self.child.send_signal(how)
        async with asyncio.timeout(PATIENCE):
            _, errors = await self.child.communicate()
        return errors

    async def run_lines(self, *lines: str) -> str:
        """Run CLI lines in one session, all of which must be taken; their output."""
        channel = open_aio_channel(self.operator)
        try:
            stub, text = operator_stub(channel), ""
            for line in lines:
                reply = await stub.Execute(operator_pb2.ExecuteRequest(session="t", line=line), timeout=PATIENCE)
                assert reply.ok, reply.output
                text += reply.output
            return text
        finally:
            await channel.close()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(["proto", "."])}


@dataclass(frozen=True, slots=True)
class Done:
    """What a `vsm` command came to."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str) -> Done:
    """`vsm` with these arguments, to its end; in this process, because starting one costs most of a second."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = main(arguments)
    return Done(code, out.getvalue(), errors.getvalue())


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory with a name short enough for unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="vsm-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def vsm(home: Path) -> AsyncIterator[Process]:
    process = Process(home)
    await process.start()
    yield process
    if process.child.returncode is None:
        await process.end()


async def total(address: str, manager: Any = None) -> int:
    """Frames counted on vEth 1, as a manager hears it."""
    channel = open_aio_channel(address)
    try:
        reply = await manager_stub(channel).ListVeths(manager_pb2.ListVethsRequest(), timeout=PATIENCE)
        return next(info.counters.rx_frames for info in reply.veths if info.veth == 1)
    finally:
        await channel.close()


async def counted(vsm: Process, frames: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await total(vsm.operator) != frames:  # noqa: ASYNC110 - polled, with a deadline
            await asyncio.sleep(0.02)


async def stored(vsm: Process, frames: int) -> None:
    """Wait until the supervisor has put its counters on disk."""
    async with asyncio.timeout(PATIENCE):
        while not re.search(rf"\b{frames}\b", on_disk(vsm.data / "vsm.db")):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


def on_disk(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        return " ".join(data for (data,) in store.execute("SELECT data FROM counters"))


async def plugged(vsm: Process, module: FakeModule) -> None:
    await module.synced()
    await module.attach("web1", mac(1), "web")
    await module.port_of("web1")


async def test_it_stops_cleanly_and_leaves_no_socket(vsm: Process) -> None:
    data_mode = stat.S_IMODE(vsm.data.stat().st_mode)
    modes = {stat.S_IMODE((vsm.data / name).stat().st_mode) for name in ("fabric.sock", "operator.sock")}
    assert data_mode == 0o700 and modes == {0o600}
    async with FakeModule(vsm.fabric, host(1)) as module:
        await module.synced()
        await vsm.end(signal.SIGTERM)
        error = await module.finished()
    assert vsm.child.returncode == 0
    assert isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.UNAVAILABLE
    assert not list(vsm.data.glob("*.sock"))


async def test_what_an_operator_was_told_survives_kill_9(vsm: Process) -> None:
    await vsm.run_lines(*SETUP)
    await vsm.end(signal.SIGKILL)
    await vsm.start()
    assert "switchport access vlan 10" in await vsm.run_lines("show running-config")


async def test_a_module_resumes_without_an_update_and_counters_go_on_after_kill_9(vsm: Process) -> None:
    await vsm.run_lines(*SETUP)
    module = FakeModule(vsm.fabric, host(1))
    async with module:
        await plugged(vsm, module)
        await module.count(1, rx_frames=100)
        await counted(vsm, 100)
        await stored(vsm, 100)  # must not be counted twice
        await module.count(1, rx_frames=150)
        await counted(vsm, 150)
        await vsm.end(signal.SIGKILL)
    await vsm.start()
    module.received.clear()
    async with module:
        await module.synced()
        assert module.updates() == []
        assert 100 <= await total(vsm.operator) <= 150
        await module.count(1, rx_frames=160)
        await counted(vsm, 160)
        await module.count(1, incarnation="2", rx_frames=5)
        await counted(vsm, 165)


async def test_counters_are_all_stored_at_a_clean_stop(vsm: Process) -> None:
    await vsm.run_lines(*SETUP)
    async with FakeModule(vsm.fabric, host(1)) as module:
        await plugged(vsm, module)
        await module.count(1, rx_frames=77)
        await counted(vsm, 77)
    await vsm.end()
    await vsm.start()
    assert await total(vsm.operator) == 77


@pytest.mark.parametrize("step", ["commit", "cancel"])
async def test_a_supervisor_killed_between_begin_and_commit(vsm: Process, step: str) -> None:
    await vsm.run_lines(*SETUP)
    source, target = FakeModule(vsm.fabric, host(1), "kvm-1"), FakeModule(vsm.fabric, host(2), "kvm-2")
    async with source, target:
        await plugged(vsm, source)
        await target.synced()
        await target.attach("web1", mac(1), "web", prepare=True)
        await target.port_of("web1")
        await vsm.end(signal.SIGKILL)
    await vsm.start()
    channel = open_aio_channel(vsm.operator)
    async with source, target:
        await source.synced()
        await target.synced()
        assert source.holding.ports[1].phase == types_pb2.Port.ACTIVE
        assert target.holding.ports[1].phase == types_pb2.Port.PREPARED
        wanted = manager_pb2.MigrateRequest.COMMIT if step == "commit" else manager_pb2.MigrateRequest.CANCEL
        request = manager_pb2.MigrateRequest(nic=types_pb2.Nic(vm="web1"), step=wanted, timeout_ms=60_000)
        reply = await manager_stub(channel).Migrate(request)
        assert (reply.state, reply.slot) == (("done", 4) if step == "commit" else ("cancelled", 3))
    await channel.close()


async def test_events_are_gapless_and_say_what_happened(vsm: Process) -> None:
    channel = open_aio_channel(vsm.operator)
    watch = operator_stub(channel).Watch(operator_pb2.WatchRequest())
    await watch.initial_metadata()
    await vsm.run_lines(*SETUP)
    async with FakeModule(vsm.fabric, host(1), "kvm-1") as module:
        await plugged(vsm, module)
    events: list[operator_pb2.Event] = []
    async with asyncio.timeout(PATIENCE):
        async for event in watch:
            events.append(event)
            if (event.kind, event.what) == ("module", "absent"):
                break
    sequence = [event.sequence for event in events]
    assert sequence == list(range(sequence[0], sequence[0] + len(events)))
    told = [(event.kind, event.object, event.what) for event in events]
    for expected in (
        ("profile", "port-profile web", "created"), ("module", "module 3", "joined"),
        ("module", "module 3", "connected"), ("veth", "vethernet 1", "attached"),
    ):  # fmt: skip
        assert expected in told
    [attached] = [event for event in events if event.kind == "veth" and event.what == "attached"]
    assert (attached.veth.nic.vm, attached.veth.slot) == ("web1", 3)
    bad = operator_stub(channel).Watch(operator_pb2.WatchRequest(kinds=["weather"]))
    with pytest.raises(grpc.aio.AioRpcError, match="weather"):
        await bad.read()
    await channel.close()


async def test_the_command_line_is_a_thin_client(vsm: Process) -> None:
    def call(*lines: str) -> Done:
        return run("exec", "--connect", vsm.operator, *lines)

    done = await asyncio.to_thread(call, *SETUP, "show running-config")
    assert done.returncode == 0 and "port-profile type vethernet web" in done.stdout
    wrong = await asyncio.to_thread(call, "show nonsense", "show version")
    assert wrong.returncode == 1 and "Invalid command" in wrong.stdout and "version" not in wrong.stdout
    away = await asyncio.to_thread(run, "exec", "--connect", f"unix:{vsm.directory}/none.sock", "show version")
    assert away.returncode == 1 and "is it running" in away.stderr
    channel = open_aio_channel(vsm.operator)
    reply = await operator_stub(channel).Complete(operator_pb2.CompleteRequest(session="c", line="show mo"))
    assert "module" in [candidate.word for candidate in reply.candidates]
    with pytest.raises(grpc.aio.AioRpcError, match="5000 characters"):
        await operator_stub(channel).Execute(operator_pb2.ExecuteRequest(session="c", line="x" * 5000))
    await channel.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "127.0.0.1:0"], "vsm pki init"),
        (["--listen", "nonsense"], "unix:/path or host:port"),
        (["--listen", "unix:/" + "x" * 120], "shorter"),
        (["--operator", "127.0.0.1:0"], "must be a unix socket"),
        (["--domain", "5000"], "1-4095"),
        (["--heartbeat-ms", "soon"], "--heartbeat-ms"),
        (["--data", "/dev/null/x"], "--data"),
        (["--log-level", "loud"], "loud"),
        (["--listen", "127.0.0.1:0", "--tls-dir", "/dev/null/x"], "vsm pki issue vsm"),
    ],
)
def test_what_it_cannot_do_is_refused_with_the_next_step(home: Path, arguments: list[str], words: str) -> None:
    done = run("run", "--data", str(home / "d"), *arguments)
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr


async def test_a_second_supervisor_on_the_same_store_is_refused(vsm: Process) -> None:
    done = await asyncio.to_thread(run, "run", "--data", str(vsm.data))
    assert done.returncode == 1 and "in use by another supervisor" in done.stderr
    assert await vsm.run_lines("show version")


async def test_a_socket_that_another_supervisor_serves_is_not_taken_away(vsm: Process, home: Path) -> None:
    (home / "other").mkdir()
    second = Process(home / "other", "--listen", vsm.fabric)
    with pytest.raises(AssertionError, match="in use by another process"):
        await second.start()
    async with FakeModule(vsm.fabric, host(1)) as module:
        await module.synced()


# ---- TLS


@pytest.fixture
async def secure(home: Path) -> AsyncIterator[Process]:
    tls = str(home / "tls")
    assert run("pki", "init", "--tls-dir", tls).returncode == 0
    for name in (host(1), "kvm-2"):
        assert run("pki", "issue", name, "--tls-dir", tls).returncode == 0
    process = Process(home, "--listen", "127.0.0.1:0", "--tls-dir", tls)
    await process.start()
    yield process
    await process.end()


def test_keys_are_private_and_an_authority_is_not_overwritten(home: Path) -> None:
    tls = str(home / "tls")
    assert run("pki", "issue", "a", "--tls-dir", tls).returncode == 1
    assert run("pki", "init", "--tls-dir", tls).returncode == 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home / "tls").glob("*.key")} == {0o600}
    again = run("pki", "init", "--tls-dir", tls)
    assert again.returncode == 1 and "authority already" in again.stderr
    assert "not usable" in run("pki", "issue", "../evil", "--tls-dir", tls).stderr


async def test_hosts_with_their_own_certificate_are_let_in(secure: Process) -> None:
    tls = secure.directory / "tls"
    for name, number in ((host(1), 1), ("kvm-2", 2)):
        files = TlsFiles.in_directory(tls, name)
        async with FakeModule(secure.addresses[0], host(number), f"kvm-{number}", tls=files) as module:
            await module.synced()


async def test_a_certificate_of_another_host_is_refused(secure: Process) -> None:
    files = TlsFiles.in_directory(secure.directory / "tls", "kvm-2")
    async with FakeModule(secure.addresses[0], host(1), "kvm-1", tls=files) as module:
        error = await module.finished()
    assert isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "its certificate is for 'kvm-2'" in str(error)


@pytest.mark.parametrize("how", ["foreign authority", "no certificate", "no TLS"])
async def test_strangers_are_refused(secure: Process, home: Path, how: str) -> None:
    address = secure.addresses[0]
    ca = (home / "tls" / "ca.pem").read_bytes()
    named = [("grpc.ssl_target_name_override", "vsm")]
    if how == "foreign authority":
        assert run("pki", "init", "--tls-dir", str(home / "other")).returncode == 0
        assert run("pki", "issue", host(1), "--tls-dir", str(home / "other")).returncode == 0
        files = TlsFiles.in_directory(home / "other", host(1))
        credentials = grpc.ssl_channel_credentials(ca, files.key.read_bytes(), files.certificate.read_bytes())
        channel = grpc.aio.secure_channel(address, credentials, options=named)
    elif how == "no certificate":
        channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(ca), options=named)
    else:
        channel = grpc.aio.insecure_channel(address)
    try:
        call = channel.stream_stream("/dvswitch.v1.Fabric/Session")()
        hello = fabric_pb2.Hello(protocol=1, domain=1, host_uuid=host(1))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async with asyncio.timeout(PATIENCE):
                await call.write(fabric_pb2.ModuleMessage(hello=hello).SerializeToString())
                await call.read()
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        await channel.close()


async def test_a_hosts_certificate_cannot_pose_as_the_supervisor(secure: Process, home: Path) -> None:
    impostor = grpc.aio.server()
    files = TlsFiles.in_directory(home / "tls", "kvm-2")
    pair = (files.key.read_bytes(), files.certificate.read_bytes())
    port = impostor.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await impostor.start()
    own = TlsFiles.in_directory(home / "tls", host(1))
    channel = open_aio_channel(f"127.0.0.1:{port}", own)
    try:
        with pytest.raises(grpc.aio.AioRpcError, match="CERTIFICATE_VERIFY_FAILED"):
            await manager_stub(channel).ListVeths(manager_pb2.ListVethsRequest(), timeout=PATIENCE)
    finally:
        await channel.close()
        await impostor.stop(0)
