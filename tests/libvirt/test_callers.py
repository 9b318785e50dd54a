"""The hook and the `ovs-vsctl` stand-in against an agent whose answers the test decides: who a NIC is, what is vetoed,
and what a restart or a second call does."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from dvswitch.errors import DvsError
from dvswitch.v1 import manager_pb2 as manager
from dvswitch.v1 import manager_pb2_grpc
from tests.libvirt import samples
from tests.libvirt.samples import MAC, SECOND, UUID
from tests.support.fabric import home
from vem.libvirt.commandline import parse
from vem.libvirt.hook import Hook, main
from vem.libvirt.host import HostAgent
from vem.libvirt.notes import INCOMING_SECONDS, Notes
from vem.libvirt.settings import Settings, load
from vem.libvirt.vsctl import Vsctl

REASON = "vethernet 5 (vm): no uplink of module 4 carries vlan 10; choose another target"
SECONDS = 4.5
PENDING = manager.AttachReply.PENDING


class Agent(manager_pb2_grpc.HostServicer):
    """Does nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.attached: list[manager.AttachRequest] = []
        self.detached: list[manager.DetachRequest] = []
        self.asked: list[manager.MayTakeRequest] = []
        self.answer = manager.MayTakeReply()
        self.away = False
        self.state: manager.AttachReply.State.ValueType | None = None
        self.refusal = ""
        self.live: list[str] = []
        self.live_answer = "forwarding 5 "

    def Attach(self, request: manager.AttachRequest, context: Any) -> manager.AttachReply:
        self.attached.append(request)
        if self.refusal:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, self.refusal)
        usual = manager.AttachReply.PREPARED if request.prepare else manager.AttachReply.FORWARDING
        return manager.AttachReply(
            veth=0 if self.state == PENDING else 5,
            state=usual if self.state is None else self.state,
            detail="so it is",
            generation=7,
        )

    def Detach(self, request: manager.DetachRequest, context: Any) -> manager.DetachReply:
        self.detached.append(request)
        return manager.DetachReply(was_attached=True)

    def MayTake(self, request: manager.MayTakeRequest, context: Any) -> manager.MayTakeReply:
        self.asked.append(request)
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "supervisor: is away; ask again when it is back")
        return self.answer

    def Status(self, request: manager.StatusRequest, context: Any) -> manager.StatusReply:
        reply = manager.StatusReply()
        port = reply.ports.add(name="Veth5", adapter="vnet0")
        port.counters.rx_frames, port.counters.tx_bytes = 3, 400
        port.counters.drops_out["no_room"] = 2
        return reply


class Live(socketserver.StreamRequestHandler):
    """The agent's other socket."""

    def __init__(self, agent: Agent, *given: Any) -> None:
        self._agent = agent
        super().__init__(*given)

    def handle(self) -> None:
        self._agent.live.append(self.rfile.readline().decode())
        self.wfile.write(f"{self._agent.live_answer}\n".encode())


@dataclass
class Scene:
    agent: Agent
    settings: Settings
    said: list[str] = field(default_factory=list)
    now: float = 1000.0

    @property
    def notes(self) -> Notes:
        return Notes(self.settings.run_dir)

    def hook(self, operation: str, sub_operation: str = "begin", *interfaces: str) -> None:
        hook = Hook(self.settings, HostAgent(self.settings.socket), self.notes, self.said.append, lambda: self.now)
        hook.called(operation, sub_operation, lambda: samples.domain(*(interfaces or (samples.interface(),))))

    def run(self, words: list[str]) -> str:
        vsctl = Vsctl(self.settings, HostAgent(self.settings.socket), self.notes, self.said.append, lambda: self.now)
        return "".join(vsctl.run(command, SECONDS) for command in parse(words).commands)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with home() as path:
        agent = Agent()
        server = grpc.server(futures.ThreadPoolExecutor(2))
        manager_pb2_grpc.add_HostServicer_to_server(agent, server)
        server.add_insecure_port(f"unix:{path}/vem.sock")
        server.start()
        (path / "n1k.xml").write_text(samples.NETWORK)
        live = socketserver.ThreadingUnixStreamServer(f"{path}/vem.sock.live", partial(Live, agent))
        threading.Thread(target=live.serve_forever, args=[0.01]).start()
        yield Scene(agent, Settings(path / "vem.sock", path / "run", (path / "none", path)))
        live.shutdown()
        live.server_close()
        server.stop(None).wait()


def test_a_start(scene: Scene) -> None:
    scene.hook("prepare", "begin", samples.PLAIN, samples.interface())
    scene.run(samples.add())
    (asked,), (request,) = scene.agent.asked, scene.agent.attached
    assert (asked.mac, asked.profile, asked.nic.vm_uuid) == (MAC, "web", UUID)
    assert (request.nic.vm, request.nic.vm_uuid, request.nic.index, request.nic.adapter) == ("vm", UUID, 1, "vnet0")
    assert (request.mac, request.profile, request.prepare, request.wait_ms) == (MAC, "web", False, 4500)
    assert any("tag=10 is ignored" in line for line in scene.said)
    assert scene.run(["iface-to-br", "vnet0"]) == "br0\n"


def test_a_domain_that_nobody_announced_and_a_nic_that_came_later(scene: Scene) -> None:
    scene.run(samples.add())
    scene.run(samples.add("vnet1", SECOND))
    scene.run(samples.add("vnet1", SECOND))
    assert [(each.nic.vm, each.nic.index) for each in scene.agent.attached] == [(UUID, 0), (UUID, 1), (UUID, 1)]


def test_a_migration_prepares_and_goes_live(scene: Scene) -> None:
    scene.agent.answer = manager.MayTakeReply(veth=5, index=2)
    scene.hook("migrate")
    scene.hook("prepare")
    assert len(scene.agent.asked) == 1  # the second is about the same arrival
    scene.run(samples.add())
    scene.run(samples.set_data("dvs1:vethernet=5:generation=7"))
    (request,) = scene.agent.attached
    assert request.prepare and request.nic.index == 2  # as the supervisor counts
    assert scene.agent.live == ["live vnet0 4.5\n"]
    note = scene.notes.domain(UUID)
    assert note is not None and not note.expected(scene.now)


def test_a_migration_that_never_came_does_not_make_the_next_start_one(scene: Scene) -> None:
    scene.hook("migrate")
    scene.now += INCOMING_SECONDS
    scene.hook("prepare")
    scene.run(samples.add())
    assert not scene.agent.attached[0].prepare


def test_a_source_tells_what_it_has(scene: Scene) -> None:
    assert scene.run(samples.get_data()) == "\n"  # nothing was plugged in by us
    scene.run(samples.add())
    assert scene.run(samples.get_data()) == '"dvs1:vethernet=5:generation=7"\n'
    assert '["rx_packets",3]' in scene.run(samples.STATISTICS) and '["tx_dropped",2]' in scene.run(samples.STATISTICS)


def test_another_vethernet_than_where_it_came_from(scene: Scene) -> None:
    scene.run(samples.add())
    with pytest.raises(DvsError, match="is vethernet 5 here and was 6"):
        scene.run(samples.set_data("dvs1:vethernet=6:generation=7"))


@pytest.mark.parametrize("operation", ["prepare", "migrate"])
def test_a_veto_is_in_the_supervisors_words(scene: Scene, operation: str) -> None:
    scene.agent.answer = manager.MayTakeReply(reason=REASON)
    with pytest.raises(DvsError) as raised:
        scene.hook(operation)
    assert str(raised.value) == REASON
    assert scene.notes.domain(UUID) is None


def test_without_the_supervisor(scene: Scene) -> None:
    """What is started here goes on with what the host holds; what would come from elsewhere had better stay there."""
    scene.agent.away = True
    scene.hook("prepare")
    with pytest.raises(DvsError, match="not known whether this host can take"):
        scene.hook("migrate")
    scene.settings = Settings(scene.settings.socket, scene.settings.run_dir, takes_unasked=True)
    scene.hook("migrate")
    scene.agent.state = manager.AttachReply.PENDING
    with pytest.raises(DvsError, match="a VM is not moved"):
        scene.run(samples.add())
    assert scene.agent.detached and scene.notes.port("vnet0") is None


def test_without_an_agent(scene: Scene) -> None:
    scene.settings = Settings(scene.settings.run_dir / "nobody", scene.settings.run_dir)
    with pytest.raises(DvsError, match="start 'vem run'"):
        scene.hook("prepare")


def test_a_refused_port_leaves_no_note(scene: Scene) -> None:
    scene.agent.refusal = "port-profile web: all 2 ports are in use; raise its max-ports"
    with pytest.raises(DvsError) as raised:
        scene.run(samples.add())
    assert str(raised.value) == scene.agent.refusal and scene.notes.port("vnet0") is None
    with pytest.raises(DvsError, match="names no port-profile"):
        scene.run(samples.add(profile=""))


def test_out_again(scene: Scene) -> None:
    scene.run(samples.add())
    scene.run(samples.delete())
    scene.run(samples.delete())
    assert [each.nic.index for each in scene.agent.detached] == [0]
    with pytest.raises(DvsError, match="is not plugged in here"):
        scene.run(["del-port", "vnet0"])


def test_what_was_left_is_unplugged(scene: Scene) -> None:
    """libvirtd was killed: the domain's next device finds the last one's port, and its end finds all of them."""
    scene.hook("prepare")
    scene.run(samples.add("vnet0"))
    scene.hook("reconnect")
    scene.run(samples.add("vnet7"))
    assert len(scene.agent.detached) == 1 and scene.notes.port("vnet0") is None
    scene.hook("release", "end")
    scene.hook("release", "end")
    assert len(scene.agent.detached) == 2 and scene.notes.domain(UUID) is None and not scene.notes.ports_of(UUID)


def test_only_our_bridge(scene: Scene) -> None:
    scene.settings = Settings(scene.settings.socket, scene.settings.run_dir, bridge="dvs0")
    with pytest.raises(DvsError, match="bridge br0: is not this switch; it is called dvs0"):
        scene.run(samples.add())


def test_what_does_not_go_live_at_once(scene: Scene) -> None:
    scene.run(samples.add())
    scene.agent.live_answer = "prepared 5 silent until a migration activates it"
    scene.run(samples.set_data("of another switch"))
    assert "first frame will make it go live" in scene.said[-1]
    scene.agent.live_answer = "refused 0 the supervisor's reason"
    with pytest.raises(DvsError, match="the supervisor's reason"):
        scene.run(samples.set_data("x"))
    scene.settings = Settings(scene.settings.run_dir / "nobody", scene.settings.run_dir)
    with pytest.raises(DvsError, match="the agent does not answer"):
        scene.run(samples.set_data("x"))


def test_other_operations_are_not_read(scene: Scene) -> None:
    assert main(["vm", "started", "begin", "-"]) == main(["vm", "release", "begin", "-"]) == 0
    assert main(["vm"]) == 1
    assert not scene.agent.asked


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("socket = 5", "no text"),
        ("colour = 'x'", "unknown keys: colour"),
        ("supervisor-away = 'x'", "is unknown"),
        ("=", "can't"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "libvirt.toml"
    file.write_text(text)
    with pytest.raises(DvsError, match=problem):
        load(file)


def test_settings(tmp_path: Path) -> None:
    file = tmp_path / "libvirt.toml"
    file.write_text("socket = '/x.sock'\nsupervisor-away = 'allow'\n")
    settings = load(file)
    assert settings.socket == Path("/x.sock") and settings.takes_unasked and settings.run_dir == Settings().run_dir
