"""A real MQTT broker (mosquitto) on a unix socket, and a listener that keeps what it is told."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from tests.support.processes import PATIENCE, Process

V5 = aiomqtt.ProtocolVersion.V5
PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


class Mosquitto(Process):
    """The broker; keeps nothing when it ends.  ``more`` are lines for its configuration."""

    def __init__(self, path: Path, *more: str) -> None:
        if PROGRAM is None:
            pytest.skip("needs mosquitto: deploy/setup.sh test")
        self.socket = path / "mqtt.sock"
        config = path / "mosquitto.conf"
        # Started by root it would become another user, who may not write here.
        lines = ["user root", f"listener 0 {self.socket}", "allow_anonymous true", "persistence false"]
        lines += more
        config.write_text("\n".join(lines) + "\n")
        super().__init__("mosquitto", [PROGRAM, "-c", str(config)], path / "mosquitto.log")

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        super().start()
        self.wait_ready(self._answers, "listens")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False


@dataclass
class Listener:
    """What was told on the topics of one subscription."""

    retained: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the topic holds now; cleared topics are not in it."""
    events: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    payloads: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Everything with its topic, in order."""
    content_types: set[str] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, message: aiomqtt.Message) -> None:
        """A message came."""
        topic, payload = str(message.topic), bytes(message.payload)  # type: ignore[arg-type]
        if "/sync/" in topic:
            return
        if not payload:
            self.retained.pop(topic, None)
        else:
            self._document(topic, json.loads(payload))
            self.content_types.add(getattr(message.properties, "ContentType", ""))
        self._news.set()

    def _document(self, topic: str, document: dict[str, Any]) -> None:
        self.payloads.append((topic, document))
        if "/event/" in topic:
            self.events.append(document)
        elif topic.endswith("/gap"):
            self.gaps.append(document)
        else:
            self.retained[topic] = document

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for messages until the condition holds."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not told: {what}; last: {self.payloads[-5:]}") from None


@asynccontextmanager
async def listening(broker: Mosquitto | int, topics: str = "dvs/#") -> AsyncIterator[Listener]:
    """Subscribe, to the broker or at a port of loopback; ends with the connection."""
    found = Listener()
    old = aiomqtt.ProtocolVersion.V311
    made = aiomqtt.Client("127.0.0.1", broker, protocol=old) if isinstance(broker, int) else _client(broker)
    async with made as client:
        await client.subscribe(topics, 1)

        async def read() -> None:
            with suppress(aiomqtt.MqttError):
                async for message in client.messages:
                    found.take(message)

        task = asyncio.create_task(read())
        try:
            yield found
        finally:
            task.cancel()
            await asyncio.wait([task])


async def publish(broker: Mosquitto, topic: str, payload: bytes) -> None:
    """As some other client would: retained."""
    async with _client(broker) as client:
        await client.publish(topic, payload, 1, True)


def _client(broker: Mosquitto) -> aiomqtt.Client:
    return aiomqtt.Client(str(broker.socket), 1, transport="unix", protocol=V5, timeout=PATIENCE)
