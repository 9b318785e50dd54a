"""Bad input over the CLI and the real protocol: a clear error that names the object, and nothing has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
import pytest

from dvswitch import client
from dvswitch.v1 import fabric_pb2, manager_pb2
from dvswitch.v1.types_pb2 import Plug
from tests.e2e.scenes import DB, WEB, WireScene, wire_scene
from tests.support.fabric import CALL_SECONDS, DOMAIN, Fabric, wire

FABRIC_SESSION = "/dvswitch.v1.Fabric/Session"
OPERATOR_EXECUTE = "/dvswitch.v1.Operator/Execute"
HOST_ATTACH = "/dvswitch.v1.Host/Attach"
MAC = "02:00:00:00:20:01"


@pytest.fixture(scope="module")
def scene() -> Iterator[WireScene]:
    with wire_scene() as made:
        made.fabric.attach_forwarding(made.alpha, "first", mac=MAC, profile=WEB, plug=plug(made, "first"))
        yield made


def plug(scene: WireScene, name: str) -> Plug:
    return wire(scene.path / f"port.{name}", scene.path / f"guest.{name}")


@pytest.fixture(autouse=True)
def unchanged(scene: WireScene) -> Iterator[None]:
    """Configuration, vEths and modules are after every test what they were before it."""
    before = observed(scene.fabric)
    yield
    assert observed(scene.fabric) == before
    for host in scene.fabric.hosts.values():
        host.process.check_running()


def observed(fabric: Fabric) -> tuple[str, list[tuple[int, str, str, int]], str]:
    veths = sorted((info.veth, info.mac, info.profile, info.slot) for info in fabric.veths().values())
    return fabric.running_config(), veths, fabric.cli("show port-profile brief")


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["vlan 4095"], "(1-4094)"),
        ([f"port-profile type vethernet {WEB}", "switchport access vlan 4095"], "(1-4094)"),
        ([f"port-profile type vethernet {WEB}", f"inherit port-profile {WEB}"], WEB),
        ([f"port-profile type vethernet {WEB}", "inherit port-profile nosuch"], "nosuch"),
        (["port-profile type nonsense web"], "Invalid command at '^' marker"),
    ],
)
def test_a_bad_line_is_refused(scene: WireScene, lines: list[str], named: str) -> None:
    """What is wrong is named, or pointed at in the line as NX-OS does."""
    assert named in scene.fabric.refusal(*lines)


def test_a_loop_of_profiles_is_refused(scene: WireScene) -> None:
    """The second `inherit` closes the loop; the first one is taken back afterwards."""
    fabric = scene.fabric
    fabric.configure(f"port-profile type vethernet {WEB}\ninherit port-profile {DB}")
    answer = fabric.refusal(f"port-profile type vethernet {DB}", f"inherit port-profile {WEB}")
    fabric.configure(f"port-profile type vethernet {WEB}\nno inherit port-profile {DB}")
    assert WEB in answer and DB in answer


@pytest.mark.parametrize(
    ("mac", "profile", "named"),
    [
        ("02:00:00:00:20:02", "nosuch", "nosuch"),
        (MAC, WEB, MAC),
        ("03:00:00:00:20:03", WEB, "03:00:00:00:20:03"),
        ("nonsense", WEB, "nonsense"),
    ],
    ids=["unknown profile", "duplicate MAC", "multicast MAC", "no MAC"],
)
def test_a_bad_attach_is_refused(scene: WireScene, mac: str, profile: str, named: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        scene.fabric.attach(scene.beta, "second", mac=mac, profile=profile, plug=plug(scene, "second"))
    assert named in str(refused.value.details())
    assert len(scene.fabric.status(scene.beta).ports) == 1  # the uplink


def test_a_migration_of_nobody_is_refused(scene: WireScene) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        scene.fabric.migrate(4711, manager_pb2.MigrateRequest.BEGIN, "beta")
    assert "4711" in str(refused.value.details())


def test_a_module_of_another_domain_is_refused(scene: WireScene) -> None:
    hello = fabric_pb2.Hello(protocol=1, domain=DOMAIN + 1, host_uuid="6a5ab6e8-0000-4000-8000-000000000001")
    with client.open_channel(f"unix:{scene.fabric.socket}") as channel:
        session = client.fabric_stub(channel).Session(
            iter([fabric_pb2.ModuleMessage(hello=hello)]), timeout=CALL_SECONDS
        )
        with pytest.raises(grpc.RpcError) as refused:
            next(session)
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert str(DOMAIN + 1) in str(refused.value.details())


def truncated_hello() -> bytes:
    hello = fabric_pb2.Hello(protocol=1, domain=DOMAIN, host_uuid="6a5ab6e8-0000-4000-8000-000000000002")
    return fabric_pb2.ModuleMessage(hello=hello).SerializeToString()[:-10]


def truncated_attach() -> bytes:
    return manager_pb2.AttachRequest(mac="02:00:00:00:20:04", profile=WEB).SerializeToString()[:-3]


@pytest.mark.parametrize(
    ("socket", "method", "message"),
    [
        ("operator.sock", OPERATOR_EXECUTE, lambda: b"\x0a\x7fx"),
        ("alpha.sock", HOST_ATTACH, truncated_attach),
    ],
)
def test_a_truncated_request_ends_the_call(
    scene: WireScene, socket: str, method: str, message: Callable[[], bytes]
) -> None:
    with client.open_channel(f"unix:{scene.path / socket}") as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(method, bytes, bytes)(message(), timeout=CALL_SECONDS, wait_for_ready=True)
    assert refused.value.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)


@pytest.mark.parametrize("message", [truncated_hello(), b"", b"\xff" * 64], ids=["truncated", "empty", "garbage"])
def test_a_broken_opening_ends_the_session(scene: WireScene, message: bytes) -> None:
    with client.open_channel(f"unix:{scene.fabric.socket}") as channel:
        session = iter(channel.stream_stream(FABRIC_SESSION, bytes, bytes)(iter([message]), timeout=CALL_SECONDS))
        with pytest.raises(grpc.RpcError) as refused:
            next(session)
    assert refused.value.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)
