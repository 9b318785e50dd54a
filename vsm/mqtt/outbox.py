"""What waits to be published, and in which order.  Pure and bounded: a broker that is away costs memory for ``limit``
events and one entry per object, nothing more.

Objects are remembered by name only: when they are sent their document is made from the state of then, so a broker that
comes back late gets the present and no history.  Events are history; beyond the limit the oldest go, and the next
message tells how many (a gap).  Objects go before events, so that who reads an event finds the state it speaks of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vsm.mqtt.documents import Document, EventDocument, GapDocument, Key, encode
from vsm.mqtt.topics import Topics

_NOTHING = hash(b"")
LIMIT = 10_000
"""Events kept while the broker is away."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to the broker."""

    topic: str
    payload: bytes
    """Empty with ``retain``: the object is gone."""
    retain: bool = False
    key: Key | None = None
    """The object it is about."""
    event: EventDocument | None = None
    """The event it tells of."""
    gap: GapDocument | None = None


class Outbox:
    """Filled by the supervisor, emptied by the publisher (vsm/mqtt/publisher.py)."""

    def __init__(self, start: str, limit: int = LIMIT) -> None:
        self._start, self._limit = start, limit
        self._events: deque[EventDocument] = deque()
        self._objects: dict[Key, None] = {}
        self._held: dict[str, int | None] = {}
        """What the broker retains of us, by topic: a hash of what it acknowledged; None = not known."""
        self._gap: GapDocument | None = None
        self.lost = 0
        """Events lost since the start."""

    def __len__(self) -> int:
        return len(self._events) + len(self._objects) + (self._gap is not None)

    def happened(self, event: EventDocument) -> None:
        """An event is to be told."""
        self._events.append(event)
        self._shorten()

    def touch(self, keys: Iterable[Key]) -> None:
        """The objects may have changed."""
        self._objects.update(dict.fromkeys(keys))

    def broker_holds(self, retained: Iterable[str]) -> None:
        """A connection begins: these topics are retained there, with contents that are not known."""
        self._held = dict.fromkeys(retained)

    def clearing(self, topics: Topics, keys: Iterable[Key]) -> list[Message]:
        """Messages that take back what the broker retains beside ``keys``."""
        wanted = {topics.of(key) for key in keys}
        stale = [topic for topic in self._held if topic not in wanted and topics.holds_object(topic)]
        return [Message(topic, b"", True) for topic in stale]

    def take(self, topics: Topics, most: int, make: Callable[[Key], Document | None]) -> list[Message]:
        """The next messages, taken out; what is not acknowledged must be put back()."""
        batch: list[Message] = []
        while self._objects and len(batch) < most:
            key = next(iter(self._objects))
            del self._objects[key]
            document, topic = make(key), topics.of(key)
            payload = encode(document) if document else b""
            if self._held.get(topic, _NOTHING) != hash(payload):
                batch.append(Message(topic, payload, True, key))
        if self._objects:
            return batch
        if self._gap and len(batch) < most:
            batch.append(Message(topics.gap, encode(self._gap), gap=self._gap))
            self._gap = None
        while self._events and len(batch) < most:
            event = self._events.popleft()
            batch.append(Message(topics.event(event.kind), encode(event), event=event))
        return batch

    def acknowledged(self, message: Message) -> None:
        """The broker has it."""
        if message.retain and message.payload:
            self._held[message.topic] = hash(message.payload)
        elif message.retain:
            self._held.pop(message.topic, None)

    def put_back(self, batch: Iterable[Message]) -> None:
        """These may not have arrived: they are first the next time."""
        for message in reversed(list(batch)):
            if message.event:
                self._events.appendleft(message.event)
            elif message.gap:
                self._gap = message.gap
            elif message.key:
                self._objects[message.key] = None
        self._shorten()

    def _shorten(self) -> None:
        while len(self._events) > self._limit:
            event = self._events.popleft()
            self.lost += 1
            if self._gap is None:
                self._gap = GapDocument(self._start, 1, event.sequence, event.sequence)
            else:
                first, last = min(self._gap.first, event.sequence), max(self._gap.last, event.sequence)
                self._gap = GapDocument(self._start, self._gap.lost + 1, first, last)
