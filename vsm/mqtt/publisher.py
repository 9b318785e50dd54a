"""Publishes the life of vEths, modules and migrations to an MQTT broker, for programs that want to be told.

The only part with a connection: what is said stands in documents.py, where in topics.py, in which order in outbox.py.
The supervisor never waits for it.  MQTT 5; a broker that knows only MQTT 3.1.1 gets that.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dvswitch.errors import DvsError
from vsm.events.bus import Event, EventBus
from vsm.model.state import State
from vsm.mqtt.address import Broker
from vsm.mqtt.documents import Document, Key, StatusDocument, all_keys, document_of, encode, event_document
from vsm.mqtt.outbox import Message, Outbox
from vsm.mqtt.topics import Topics
from vsm.mqtt.touched import touched, touches_all
from vsm.runtime import Runtime
from vsm.supervisor import Supervisor

_QOS = 1
"""At least once: a connection that breaks may double a message, never swallow it."""
_BATCH = 100
"""Messages under way at a time."""
_KEEPALIVE = 10
"""Seconds after which the broker, hearing nothing for half as long again, tells the last will."""
_CONNECT_PATIENCE, _PATIENCE = 5.0, 20.0
"""Seconds for the broker's first answer, and for each later one."""
_ANY_PORT = 1
"""The library wants a port for unix sockets, too, and does nothing with it."""
_FIRST_WAIT, _LAST_WAIT = 0.2, 5.0
"""Seconds between two tries to connect: doubled from the first to the last."""
_OTHER_VERSION = {
    aiomqtt.ProtocolVersion.V5: aiomqtt.ProtocolVersion.V311,
    aiomqtt.ProtocolVersion.V311: aiomqtt.ProtocolVersion.V5,
}
_log = structlog.get_logger("vsm.mqtt")


class Publisher:
    """One broker.  Make it before events begin; ``password`` is read anew with every connection."""

    def __init__(
        self,
        supervisor: Supervisor,
        runtime: Runtime,
        bus: EventBus,
        broker: Broker,
        prefix: str,
        *,
        password: Callable[[], str | None] = lambda: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._supervisor, self._runtime, self._broker, self._prefix = supervisor, runtime, broker, prefix
        self._password, self._tls = password, tls
        self._start = bus.start
        self._outbox = Outbox(bus.start)
        self._wake = asyncio.Event()
        self._protocol = aiomqtt.ProtocolVersion.V5
        self._accepted = False
        """There was a connection with this version."""
        self._all = False
        """Every object is to be looked at again: noted once, however many lines are pasted meanwhile."""
        self._troubled = ""
        """What was last complained of, so that it is said once."""
        bus.subscribe(self._happened)
        supervisor.subscribe(self._changed)

    async def run(self) -> None:
        """Publish until cancelled; then the broker is told that the supervisor is off."""
        wait = _FIRST_WAIT
        while True:
            try:
                await self._connection()
                wait = _FIRST_WAIT
            except (aiomqtt.MqttError, DvsError, OSError, TimeoutError) as error:
                self._complain(str(error))
                self._try_other_version(error)
                await asyncio.sleep(wait)
                wait = min(_LAST_WAIT, 2 * wait)

    # ---- what the supervisor tells

    def _happened(self, event: Event) -> None:
        self._outbox.happened(event_document(event, self._start))
        if event.news.kind == "module":
            self._outbox.touch([("module", slot) for slot in self._supervisor.state.inventory.modules])
        self._wake.set()

    def _changed(self, old: State, new: State) -> None:
        self._outbox.touch(touched(old, new))
        self._all = self._all or touches_all(old, new)
        self._wake.set()

    def port_reported(self, veth: int) -> None:
        """A module told of the link of this vEth."""
        self._outbox.touch([("veth", veth)])
        self._wake.set()

    # ---- a connection

    async def _connection(self) -> None:
        """From connecting until the switch's domain, and with it every topic, becomes another."""
        topics = self._topics()
        async with self._client(topics) as client:
            self._accepted = True
            await self._begin(client, topics)
            _log.info("publishing events", broker=str(self._broker), topics=topics.everything)
            self._troubled = ""
            try:
                while topics.base == self._topics().base:
                    await self._drain(client, topics)
                    await self._wake.wait()
                    self._wake.clear()
                await self._clear(client, topics, everything=True)
            finally:
                with suppress(aiomqtt.MqttError):
                    await client.publish(topics.status, encode(self._status(False)), _QOS, True, timeout=_PATIENCE)

    def _client(self, topics: Topics) -> aiomqtt.Client:
        broker = self._broker
        return aiomqtt.Client(
            broker.host,
            broker.port or _ANY_PORT,
            username=broker.user or None,
            password=self._password(),
            identifier=f"dvs-vsm-{self._supervisor.state.config.domain}-{self._start}",
            protocol=self._protocol,
            will=aiomqtt.Will(topics.status, encode(self._status(False)), _QOS, True),
            transport="unix" if broker.unix else "tcp",
            timeout=_CONNECT_PATIENCE,
            keepalive=_KEEPALIVE,
            tls_context=self._tls,
            max_inflight_messages=_BATCH,
        )

    async def _begin(self, client: aiomqtt.Client, topics: Topics) -> None:
        """Learn what the broker retains, tell that we are there, and all objects that there are."""
        self._outbox.broker_holds(await self._retained(client, topics))
        await self._clear(client, topics)
        await client.publish(topics.status, encode(self._status(True)), _QOS, True, self._json(), timeout=_PATIENCE)
        self._outbox.touch(all_keys(self._supervisor.state))

    async def _retained(self, client: aiomqtt.Client, topics: Topics) -> list[str]:
        """Topics with retained messages.  They come before what we publish ourselves after having subscribed."""
        found = []
        await client.subscribe(topics.everything, _QOS)
        await client.publish(topics.sync(self._start), b"sync", _QOS)
        async with asyncio.timeout(_PATIENCE):
            async for message in client.messages:
                if str(message.topic) == topics.sync(self._start):
                    break
                if message.retain:
                    found.append(str(message.topic))
        await client.unsubscribe(topics.everything)
        return found

    async def _clear(self, client: aiomqtt.Client, topics: Topics, *, everything: bool = False) -> None:
        keys = [] if everything else all_keys(self._supervisor.state)
        for message in self._outbox.clearing(topics, keys):
            await client.publish(message.topic, message.payload, _QOS, True, timeout=_PATIENCE)
            self._outbox.acknowledged(message)

    async def _drain(self, client: aiomqtt.Client, topics: Topics) -> None:
        """Send all that waits."""
        while batch := self._next(topics):
            sent = [asyncio.ensure_future(self._send(client, message)) for message in batch]
            done = await asyncio.gather(*sent, return_exceptions=True)
            failed = [result for result in done if isinstance(result, BaseException)]
            self._outbox.put_back(
                message for message, result in zip(batch, done, strict=True) if isinstance(result, BaseException)
            )
            if failed:
                raise failed[0]

    def _next(self, topics: Topics) -> list[Message]:
        if self._all:
            self._all = False
            self._outbox.touch(all_keys(self._supervisor.state))
        return self._outbox.take(topics, _BATCH, self._document)

    async def _send(self, client: aiomqtt.Client, message: Message) -> None:
        await client.publish(message.topic, message.payload, _QOS, message.retain, self._json(), timeout=_PATIENCE)
        self._outbox.acknowledged(message)

    # ---- values

    def _topics(self) -> Topics:
        return Topics(self._prefix, self._supervisor.state.config.domain)

    def _document(self, key: Key) -> Document | None:
        return document_of(self._supervisor.state, self._runtime, key)

    def _status(self, online: bool) -> StatusDocument:
        config = self._supervisor.state.config
        return StatusDocument(online, config.hostname, config.domain, self._start, version("dvswitch"))

    def _json(self) -> Properties | None:
        """Properties that say what a payload is; MQTT 3.1.1 has none."""
        if self._protocol is not aiomqtt.ProtocolVersion.V5:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = "application/json"
        return properties

    def _try_other_version(self, error: Exception) -> None:
        """A broker that is there and lets nobody in may know MQTT 3.1.1 only: some say so, some just hang up."""
        reason = error.__cause__ or error
        unreachable = isinstance(reason, OSError) and not isinstance(reason, TimeoutError)
        if not unreachable and not self._accepted:
            self._protocol = _OTHER_VERSION[self._protocol]

    def _complain(self, reason: str) -> None:
        if reason != self._troubled:
            _log.warning("can't publish events, trying on", broker=str(self._broker), reason=reason)
        self._troubled = reason
