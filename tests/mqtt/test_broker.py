"""The life of a switch as a broker's listeners are told it: a real supervisor, real hosts, a real broker."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiomqtt
import jsonschema
import pytest

from dvswitch.v1 import manager_pb2
from physical.broker import free_port
from tests.support.broker import PROGRAM, V5, Listener, Mosquitto, listening, publish
from tests.support.fabric import UPLINK_PROFILE, Fabric, access_profile, home, wire
from tests.support.netns import run
from tests.support.processes import PATIENCE, Process

pytestmark = pytest.mark.slow
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "events.schema.json").read_text())
MAC = "02:00:00:00:50:01"
Step = manager_pb2.MigrateRequest


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with home() as path, Mosquitto(path) as started:
        yield started


def fabric_with(broker: Mosquitto, path: Path) -> Fabric:
    return Fabric(path, ("--ssh", "none", "--mqtt", f"unix:{broker.socket}"))


def check_schema(told: Listener) -> None:
    """Every message is of the kind that its topic says, as docs/events.schema.json describes it."""
    for topic, document in told.payloads:
        kind = topic.split("/")[2]
        schema = {"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}
        jsonschema.validate(document, schema)


def whats(told: Listener, kind: str) -> list[str]:
    return [event["what"] for event in told.events if event["kind"] == kind]


async def test_attach_migrate_detach(broker: Mosquitto) -> None:
    with home() as path, fabric_with(broker, path) as fabric:
        async with listening(broker) as told:
            await told.until(lambda: told.retained.get("dvs/100/status", {}).get("online"), "the supervisor is there")

            async def at(module: int | None) -> None:
                """What a topic holds is told, not what it held: a busy supervisor leaves out what is over."""
                await told.until(
                    lambda: told.retained.get("dvs/100/veth/1", {}).get("module", 0) == module, f"{module}"
                )

            await asyncio.to_thread(_plug_in, fabric, path)
            await at(3)
            await asyncio.to_thread(_move, fabric, path)
            await at(4)
            await asyncio.to_thread(_unplug, fabric)
            await told.until(lambda: "removed" in whats(told, "profile"), "the last step")
            await told.until(lambda: "dvs/100/profile/spare" not in told.retained, "the profile's topic cleared")
            await at(None)
            check_schema(told)
            assert told.content_types == {"application/json"}
            sequences = [event["sequence"] for event in told.events]
            assert sequences == sorted(set(sequences)) and len({event["start"] for event in told.events}) == 1
            assert told.gaps == []
            moves = [what for what in whats(told, "migration") if what != "cancelled"]
            assert moves == ["prepared", "paused", "activated", "done"]
            states = [document["state"] for topic, document in told.payloads if topic == "dvs/100/migration/1"]
            assert set(states) <= {"prepared", "paused", "activated"}, "states may be skipped when they are short"
            assert "dvs/100/migration/1" not in told.retained, "cleared when it was over"
            places = [document["module"] for topic, document in told.payloads if topic == "dvs/100/veth/1"]
            assert list(dict.fromkeys(places)) == [3, 4, None]
            assert told.retained["dvs/100/veth/1"]["state"] == "down"
            assert told.retained["dvs/100/module/3"]["connected"] is True
            fabric.vsm.end_cleanly()
            await told.until(lambda: not told.retained["dvs/100/status"]["online"], "the supervisor's farewell")


def _plug_in(fabric: Fabric, path: Path) -> None:
    """vEth 1 on alpha."""
    fabric.configure(UPLINK_PROFILE, access_profile("web", 10))
    alpha, _ = (fabric.add_host(name, "user") for name in ("alpha", "beta"))
    plug = wire(path / "a", path / "b")
    assert fabric.attach_forwarding(alpha, "web1", mac=MAC, profile="web", plug=plug) == 1


def _move(fabric: Fabric, path: Path) -> None:
    plug = wire(path / "c", path / "d")
    fabric.attach(fabric.hosts["beta"], "web1", mac=MAC, profile="web", plug=plug, prepare=True)
    fabric.migrate(1, Step.BEGIN, "beta")
    fabric.migrate(1, Step.COMMIT)


def _unplug(fabric: Fabric) -> None:
    fabric.detach(fabric.hosts["alpha"], 1)  # or it would be given the port back when beta lets go of it so soon
    fabric.detach(fabric.hosts["beta"], 1)
    fabric.configure(access_profile("spare", 20), "no port-profile spare")


async def test_a_killed_supervisor_is_told_by_its_last_will_and_clears_up_when_it_returns(broker: Mosquitto) -> None:
    with home() as path, fabric_with(broker, path) as fabric:
        fabric.configure(access_profile("web", 10), access_profile("db", 20))
        async with listening(broker) as told:
            await told.until(lambda: "dvs/100/profile/db" in told.retained, "the profiles")
            start = told.retained["dvs/100/status"]["start"]
            fabric.vsm.kill()
            await told.until(lambda: not told.retained["dvs/100/status"]["online"], "the last will")
            assert told.retained["dvs/100/status"]["start"] == start
            # While it was away somebody put in what is not there; it takes that back.
            await publish(broker, "dvs/100/profile/ghost", b"{}")
            await asyncio.to_thread(fabric.start_vsm)
            await told.until(lambda: told.retained["dvs/100/status"]["online"], "it is back")
            assert told.retained["dvs/100/status"]["start"] != start
            await told.until(lambda: "dvs/100/profile/ghost" not in told.retained, "what is not there is cleared")
            assert {"dvs/100/profile/web", "dvs/100/profile/db"} <= told.retained.keys()


async def test_a_broker_that_was_away_gets_all_events_and_the_present(broker: Mosquitto) -> None:
    with home() as path, fabric_with(broker, path) as fabric:
        async with listening(broker) as told:
            await told.until(lambda: told.retained.get("dvs/100/status", {}).get("online"), "the supervisor is there")
            fabric.configure(access_profile("first", 10))
            await told.until(lambda: told.retained.get("dvs/100/profile/first", {}).get("enabled"), "the first")
            await told.until(lambda: told.events and told.events[-1]["revision"] > 4, "its events")
            last = told.events[-1]["sequence"]
        broker.kill()
        fabric.configure(access_profile("second", 20))
        broker.start()
        async with listening(broker) as told:
            await told.until(lambda: told.retained.get("dvs/100/profile/second", {}).get("enabled"), "the second")
            await told.until(lambda: "dvs/100/profile/first" in told.retained, "the first, which the broker forgot")
            fabric.configure(access_profile("third", 30))
            await told.until(lambda: "dvs/100/profile/third" in told.retained, "the third")
            await told.until(lambda: any("third" in event["object"] for event in told.events), "its event")
            assert told.gaps == []
            # A connection that breaks may double what was under way, and whoever subscribes late misses what was sent
            # before; but what is told has no holes.
            heard = [event["sequence"] for event in told.events]
            assert heard == list(range(heard[0], heard[-1] + 1)) and heard[0] > last - 100


async def test_another_domain_means_other_topics(broker: Mosquitto) -> None:
    with home() as path, fabric_with(broker, path) as fabric:
        fabric.configure(access_profile("web", 10))
        async with listening(broker) as told:
            await told.until(lambda: "dvs/100/profile/web" in told.retained, "the profile")
            fabric.configure("svs-domain\ndomain id 200")
            await told.until(lambda: "dvs/200/profile/web" in told.retained, "the profile in the new domain")

            def old() -> list[str]:
                return [topic for topic in told.retained if topic.startswith("dvs/100/")]

            await told.until(lambda: old() == ["dvs/100/status"], "the old domain's topics are cleared")
            await told.until(lambda: not told.retained["dvs/100/status"]["online"], "the farewell there")
            await told.until(lambda: told.retained.get("dvs/200/status", {}).get("online"), "the greeting here")


async def test_forwarding_and_the_command_line_never_wait_for_the_broker(broker: Mosquitto) -> None:
    """A broker that accepts connections and answers nothing."""
    with home() as path:
        server = await asyncio.start_unix_server(lambda reader, writer: reader.read(), path / "mute.sock")
        with Fabric(path, ("--ssh", "none", "--mqtt", f"unix:{path / 'mute.sock'}")) as fabric:
            await asyncio.to_thread(fabric.configure, access_profile("web", 10))
            host = await asyncio.to_thread(fabric.add_host, "alpha", "user")
            plug = wire(path / "a", path / "b")
            await asyncio.to_thread(lambda: fabric.attach_forwarding(host, "web1", mac=MAC, profile="web", plug=plug))
        server.close()


DEPLOY = Path(__file__).parents[2] / "deploy" / "mosquitto"


async def test_the_shipped_configuration_lets_the_supervisor_write_and_others_read() -> None:
    """deploy/mosquitto with its paths and ports put elsewhere; the supervisor comes by TLS with a password."""
    with home() as path:
        ports = free_port(), free_port()
        _furnish(path, ports)
        with Process("mosquitto", [PROGRAM or "", "-c", str(path / "dvswitch.conf")], path / "mosquitto.log") as broker:
            broker.wait_ready(lambda: _listens(ports[0]) and _listens(ports[1]), "listens")
            (path / "password").write_text("first\n")
            secure = ("--mqtt", f"mqtts://vsm@localhost:{ports[0]}", "--mqtt-ca", str(path / "ca.pem"))
            with Fabric(path, ("--ssh", "none", *secure, "--mqtt-password-file", str(path / "password"))) as fabric:
                await asyncio.to_thread(fabric.configure, access_profile("web", 10))
                with pytest.raises(aiomqtt.MqttError):
                    async with aiomqtt.Client("127.0.0.1", ports[1], timeout=PATIENCE):
                        pass
                reader = aiomqtt.Client(
                    "127.0.0.1", ports[1], username="reader", password="second", protocol=V5, timeout=PATIENCE
                )
                async with reader as client:
                    with suppress(aiomqtt.MqttError):
                        await client.publish("dvs/100/profile/forged", b"{}", 1, True)
                    await client.subscribe("dvs/#", 1)
                    async with asyncio.timeout(PATIENCE):
                        async for message in client.messages:
                            assert "forged" not in str(message.topic)
                            if str(message.topic) == "dvs/100/profile/web":
                                break


def _furnish(path: Path, ports: tuple[int, int]) -> None:
    """Configuration, certificate and passwords as docs/events.md and the files themselves say."""
    text = (DEPLOY / "dvswitch.conf").read_text()
    text = text.replace("/etc/mosquitto/certs", str(path)).replace("/etc/mosquitto", str(path))
    text = text.replace("listener 8883", f"listener {ports[0]} 127.0.0.1").replace("1883 ", f"{ports[1]} ")
    (path / "dvswitch.conf").write_text("user root\n" + text)
    shutil.copy(DEPLOY / "dvswitch.acl", path)
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path / "broker.key")]
    run(*request, *names, "-out", str(path / "broker.pem"))
    shutil.copy(path / "broker.pem", path / "ca.pem")
    (path / "dvswitch.passwd").write_text("vsm:first\nreader:second\n")
    run("mosquitto_passwd", "-U", str(path / "dvswitch.passwd"))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
