"""dvswitch.client and the example programs against a supervisor of its own process, by unix socket and mutual TLS."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dvswitch.client import BlockingSupervisor, EventsLost, Refused, Supervisor, TlsFiles, rows
from dvswitch.errors import Conflict, InvalidValue
from dvswitch.v1 import types_pb2
from tests.api.test_daemon import SETUP, Process, environment, home, run, vsm  # noqa: F401 - fixtures
from tests.support.fabric_rig import host, mac
from tests.support.fake_module import PATIENCE, FakeModule

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
async def client(vsm: Process) -> AsyncIterator[Supervisor]:  # noqa: F811
    await vsm.run_lines(*SETUP)
    async with Supervisor(vsm.operator) as found:
        yield found


async def test_show_has_data_text_and_revision(client: Supervisor) -> None:
    shown = await client.show("show vlan brief")
    names = [row["vlanshowbr-vlanname"] for row in rows(shown, "vlanbriefxbrief")]
    assert names == ["default", "VLAN0010"] and "VLAN0010" in shown.text
    await client.configure(["vlan 10", "name web"])
    again = await client.show("show vlan brief")
    assert again.revision == shown.revision + 1 and "web" in again.text
    assert (await client.show("show running-config")).data is None
    assert rows(await client.show("show interface virtual"), "interface") == []
    for command, words in (("show nonsense", "Invalid"), ("configure terminal", "no show command")):
        with pytest.raises(InvalidValue, match=words):
            await client.show(command)


async def test_a_script_without_asyncio(client: Supervisor, vsm: Process) -> None:  # noqa: F811
    def script() -> list[str]:
        with BlockingSupervisor(vsm.operator) as found:
            done = found.configure(["vlan 40", "name forty"])
            assert done.changed and not found.configure(["vlan 40"]).changed
            assert "forty" in found.show("show vlan brief").text and found.execute("show hostname").output == "vsm\n"
            assert "".join(found.live("show hostname")) == "vsm\n"
            with pytest.raises(Conflict, match="vlan 5000"):
                list(found.live("vlan 5000"))
            with pytest.raises(InvalidValue, match="Invalid"):
                found.show("show nonsense")
            assert found.attach(types_pb2.Nic(vm="web1"), profile="web", mac=mac(1)).veth == 1
            assert [veth.nic.vm for veth in found.veths()] == ["web1"]
            groups = found.port_groups("KVM")
            assert next(groups).catalog == {}
            groups.close()
            return [found.show("show clock").text]

    assert "UTC" in (await asyncio.to_thread(script))[0]


async def test_lines_are_applied_all_or_none(client: Supervisor) -> None:
    before = await client.show("show running-config port-profile")
    lines = ["port-profile type vethernet db", "switchport access vlan 10", "switchport access vlan 5000"]
    with pytest.raises(InvalidValue, match=r"line 3 \(.switchport access vlan 5000.\)"):
        await client.configure(lines)
    with pytest.raises(InvalidValue, match="line 1: has a line break"):
        await client.configure(["vlan 20\nvlan 21"])
    assert (await client.show("show running-config port-profile")).revision == before.revision
    tried = await client.configure(lines[:2], dry_run=True)
    assert tried.changed and tried.changes == ("port-profile type vethernet db", "  switchport access vlan 10")
    assert tried.revision == before.revision
    done = await client.configure(lines[:2])
    assert done.changed and done.revision == before.revision + 1 and done.changes == tried.changes
    assert not (await client.configure(lines[:2])).changed
    assert (await client.execute("configure terminal")).prompt == "vsm(config)# "
    with pytest.raises(Conflict, match="vlan 5000"):
        await client.execute("vlan 5000")


async def test_a_role_holds_for_programs_too(client: Supervisor, vsm: Process) -> None:  # noqa: F811
    async with Supervisor(vsm.operator, role="network-operator") as reader:
        assert (await reader.show("show vlan brief")).data
        with pytest.raises((Refused, InvalidValue), match="does not permit 'vlan 20'"):
            await reader.configure(["vlan 20"])
    assert "VLAN0020" not in (await client.show("show vlan brief")).text


class Relay:
    """A unix socket before the supervisor's, whose connections can be cut."""

    def __init__(self, address: str, target: str) -> None:
        self._path, self._target = address.removeprefix("unix:"), target.removeprefix("unix:")
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(self._target)
        self._writers += [writer, there[1]]
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_events_go_on_after_a_lost_connection(client: Supervisor, vsm: Process, home: Path) -> None:  # noqa: F811
    address, heard = f"unix:{home}/relay", []
    async with Relay(address, vsm.operator) as relay, Supervisor(address) as far:
        events = far.events(kinds=["profile"])
        first = asyncio.ensure_future(anext(events))
        while not (await client.configure(["no port-profile p0"])) or not first.done():
            await client.configure(["port-profile p0"])  # until the watch stands
        start = first.result().sequence
        for number in range(1, 6):
            await client.configure([f"port-profile p{number}"])
            relay.cut()
            async with asyncio.timeout(PATIENCE):
                while f"port-profile p{number}" not in [event.object for event in heard]:
                    heard.append(await anext(events))
    numbers = [event.sequence for event in heard]
    assert numbers == sorted(set(numbers)) and numbers[0] > start
    assert [event.object for event in heard][-5:] == [f"port-profile p{number}" for number in range(1, 6)]


async def test_events_of_an_earlier_start_are_lost_and_that_is_said(client: Supervisor, vsm: Process) -> None:  # noqa: F811
    events = client.events(objects=["vlans", "port-profile web"])
    first = asyncio.ensure_future(anext(events))
    while not first.done():
        await client.configure(["no vlan 30"])
        await client.configure(["vlan 30"])
    assert (first.result().kind, first.result().object) == ("config", "vlans")
    assert first.result().revision <= (await client.show("show clock")).revision
    await vsm.end(signal.SIGKILL)
    await vsm.start()
    with pytest.raises(EventsLost, match="started anew"):
        async with asyncio.timeout(PATIENCE):
            while True:
                await anext(events)


async def test_a_manager_attaches_migrates_and_detaches(client: Supervisor, vsm: Process) -> None:  # noqa: F811
    await client.configure(["port-profile web", "port-group WEB"])
    made = await client.attach(types_pb2.Nic(vm="web1"), port_group="WEB", mac=mac(1))
    source, target = FakeModule(vsm.fabric, host(1), "kvm-1"), FakeModule(vsm.fabric, host(2), "kvm-2")
    async with source, target:
        await source.synced()
        await target.synced()
        await source.attach("web1", mac(1), "web")
        await source.port_of("web1")
        await target.attach("web1", mac(1), "web", prepare=True)
        await target.port_of("web1")
        assert (await client.commit_migration(made.veth, 60)).slot == 4
        assert [veth.slot for veth in await client.veths()] == [4]
        assert (await client.detach(made.veth)).slot == 0


async def test_port_groups_go_on_through_kill_9(client: Supervisor, vsm: Process) -> None:  # noqa: F811
    watch = client.port_groups("KVM")
    async with asyncio.timeout(PATIENCE):
        assert (await anext(watch)).catalog == {}
        await client.configure(["port-profile web", "port-group WEB"])
        assert [group.name for group in (await anext(watch)).added] == ["WEB"]
        await vsm.end(signal.SIGKILL)
        await vsm.start()
        await vsm.run_lines("configure terminal", "port-profile web", "port-group SHOP")
        step = await anext(watch)
    assert [group.name for group in step.changed] == ["SHOP"] and not step.added and not step.removed


# ---- over TLS, and the examples


@asynccontextmanager
async def example(name: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / name), *arguments, stdout=subprocess.PIPE, env=environment()
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def says(child: asyncio.subprocess.Process, pattern: str) -> str:
    """Wait for a line."""
    assert child.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while line := (await child.stdout.readline()).decode():
            if re.search(pattern, line):
                return line
    raise AssertionError(f"it ended without {pattern}")


async def test_over_mutual_tls_with_an_operators_certificate_only(home: Path) -> None:  # noqa: F811
    tls = home / "tls"
    assert run("pki", "init", "--tls-dir", str(tls)).returncode == 0
    assert run("pki", "issue", "netops", "--operator", "--tls-dir", str(tls)).returncode == 0
    assert run("pki", "issue", host(1), "--tls-dir", str(tls)).returncode == 0
    more = ("--operator-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--tls-dir", str(tls))
    process = Process(home, *more)
    await process.start()
    fabric, _, address = process.addresses
    try:
        operator, stranger = TlsFiles.in_directory(tls, "netops"), TlsFiles.in_directory(tls, host(1))
        async with Supervisor(address, operator) as found:
            assert (await found.show("show hostname")).text == "vsm\n"
            async with example("follow.py", address, "profile", "--tls-dir", str(tls), "--name", "netops") as child:
                shown = asyncio.ensure_future(says(child, "port-profile web created"))
                while not shown.done():
                    await found.configure(["port-profile web"])
                    await found.configure(["no port-profile web"])
                await shown
        async with Supervisor(address, stranger) as refused:
            for call in (refused.show("show hostname"), refused.veths(), anext(refused.port_groups("KVM"))):
                with pytest.raises(Refused, match="is not an operator's"):
                    await call
            for stream in (refused.events(), refused.live("show hostname")):
                with pytest.raises(Refused, match="is not an operator's"):
                    await anext(stream)
        async with FakeModule(fabric, host(1), "netops", tls=operator) as module:
            assert "is an operator's" in str(await module.finished())
    finally:
        await process.end()


async def test_the_examples_do_what_they_say(client: Supervisor, vsm: Process) -> None:  # noqa: F811
    await client.attach(types_pb2.Nic(vm="web1"), profile="web", mac=mac(1))
    async with example("audit.py", vsm.operator, "--fix", "web:20") as child:
        await says(child, "switchport access vlan 20")
        await says(child, "Vethernet1 web1 web: nonParticipating")
        assert await child.wait() == 0
    async with example("port_groups.py", vsm.operator, "KVM") as child:
        await says(child, "= 0 port groups")
        await client.configure(["port-profile web", "port-group WEB", "max-ports 5"])
        await says(child, r"\+ WEB profile=web max-ports=5")
        await says(child, "= 1 port groups")
