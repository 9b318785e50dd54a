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

pytestmark = pytest.mark.slow

PROFILE = f"port-profile type vethernet {WEB}"
FABRIC_SESSION = "/dvswitch.v1.Fabric/Session"
OPERATOR_EXECUTE = "/dvswitch.v1.Operator/Execute"
HOST_ATTACH = "/dvswitch.v1.Host/Attach"
MAC = "02:00:00:00:20:01"


@pytest.fixture(scope="module")
def scene() -> Iterator[WireScene]:
    with wire_scene() as made:
        made.fabric.attach_forwarding(made.alpha, "first", mac=MAC, profile=WEB, plug=plug(made, "first"))
        yield made


def test_beacons_do_not_go_with_an_ip_hash(scene: WireScene) -> None:
    """S-148: the second of the two lines is refused; the first is taken back."""
    refused = scene.fabric.refusal(PROFILE, "teaming method ip-hash", "teaming failure-detection beacon")
    scene.fabric.configure(f"{PROFILE}\nno teaming method")
    assert f"port-profile {WEB}: teaming failure-detection beacon can't be used with teaming method ip-hash" in refused
    assert "use 'teaming failure-detection link' or another method" in refused


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
        # What an operator gets wrong: the object, the value, and what is allowed.
        ([PROFILE, "switchport trunk allowed vlan 10,4095"], "Invalid number, range is (1-4094)"),
        ([PROFILE, "switchport trunk native vlan 4095"], "Invalid number, range is (1-4094)"),
        (
            [PROFILE, "teaming unused 1,2"],
            f"port-profile {WEB}: a team of unused uplinks only (1,2); name those to use with 'teaming active', "
            "uplinks are 1-32",
        ),
        (
            [PROFILE, "teaming active 33"],
            "Invalid number, range is (1-32)",
        ),
        ([PROFILE, "pinning id 33"], "Invalid number, range is (0-32)"),
        ([PROFILE, "storm-control broadcast level pps 10000001"], "Invalid number, range is (1-10000000)"),
        ([PROFILE, "mac-learning limit 4097"], "Invalid number, range is (1-4096)"),
        (["system mtu 1279"], "Invalid number, range is (1280-9190)"),
        (
            ["do trace interface vethernet 1 --dst 30:59:b7:00:11::22"],
            "Invalid mac address (allowed: 5254.0012.3456, 52:54:00:12:34:56)",
        ),
        (["mac pool prefix 30:59:b7:00:11::22"], "Invalid mac prefix"),
        (["do show mac address-table address 30:59:b7:00:11::22"], "Invalid mac address"),
        (
            [PROFILE, "shaping output average 2000 peak 1000 burst 100"],
            f"port-profile {WEB}: shaping: peak 1000 kbit/s is below average 2000 kbit/s; peak may be 2000-100000000",
        ),
        (
            [PROFILE, "shaping output average 1000 peak 2000 burst 100"],
            f"port-profile {WEB}: traffic shaping is not supported yet",
        ),
        (["vlan 10", "private-vlan isolated"], "vlan 10: private-vlan is not supported yet"),
        (["vlan 10", "private-vlan association 20,30"], "vlan 10: private-vlan is not supported yet"),
        (
            [PROFILE, "switchport mode private-vlan host"],
            f"port-profile {WEB}: private-vlan is not supported yet",
        ),
        (["interface vethernet 1", "service-policy input x"], "interface Vethernet1: service-policy is not supported"),
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
