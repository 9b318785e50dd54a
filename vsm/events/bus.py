"""What happens, told to whoever listens: a stream of events with a gapless sequence per start of the supervisor.

Events are made from the difference of two States (vsm/events/derive.py) and by the fabric (modules that come and go).
A listener that does not keep up is cut off with an error rather than served with gaps.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from dataclasses import dataclass

from dvswitch.errors import DvsError, Unavailable

_ANEW = "watch from now on, and look at the state"
SOON = 0.002
"""Seconds for which an event may wait until hosts have been told of its cause."""
_DEPTH = 10_000
"""Events a listener may lag behind, and that are kept for those that come back."""


class EventsLost(DvsError):
    """The events that a listener wants to resume from are not known any more."""


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened, before it has a place in the sequence."""

    kind: str
    """module, veth, profile, config, migration, uplink or host (what a module reports of its frames)."""
    object: str
    """In the operator's words: "vethernet 5"."""
    what: str
    """One word: attached, moved, changed, absent, ..."""
    text: str
    """One sentence."""
    veth: int = 0
    """For kinds veth and migration."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, with its place in the sequence."""

    sequence: int
    time: float
    """Unix time."""
    news: News
    revision: int = 0
    """Of the state in force."""


class EventBus:
    """Numbers events and hands them to every listener.  Single-threaded, like the supervisor."""

    def __init__(self, clock: Callable[[], float], revision: Callable[[], int] = lambda: 0) -> None:
        self._clock, self._revision = clock, revision
        self.start = secrets.token_hex(8)
        """Names this start of the supervisor."""
        self._sequence = 0
        self._later: deque[tuple[Callable[[], Iterable[News]], float, int]] = deque()
        """What is still to be told, with the time and revision when it happened."""
        self._recent: deque[Event] = deque(maxlen=_DEPTH)
        self._subscribers: list[Callable[[Event], None]] = []
        self._queues: set[asyncio.Queue[Event | None]] = set()

    @property
    def sequence(self) -> int:
        """Of the last event."""
        self.settle()
        return self._sequence

    def publish(self, news: News) -> None:
        """Tell all listeners."""
        self.settle()
        self._tell(news, self._clock(), self._revision())

    def publish_soon(self, found: Callable[[], Iterable[News]]) -> None:
        """Tell all listeners of what ``found`` finds, before anything that is published after this, but let those go
        first who have been woken by the same thing: hosts wait for what happens, people read of it."""
        self._later.append((found, self._clock(), self._revision()))
        if len(self._later) == 1:
            asyncio.get_running_loop().call_later(SOON, self.settle)

    def settle(self) -> None:
        """Tell now what was left for soon."""
        while self._later:
            found, moment, revision = self._later.popleft()
            for news in found():
                self._tell(news, moment, revision)

    def _tell(self, news: News, moment: float, revision: int) -> None:
        self._sequence += 1
        event = Event(self._sequence, moment, news, revision)
        self._recent.append(event)
        for subscriber in self._subscribers:
            subscriber(event)
        for queue in tuple(self._queues):
            if queue.qsize() >= _DEPTH:
                self._queues.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    def subscribe(self, subscriber: Callable[[Event], None]) -> None:
        """Call ``subscriber`` with every event from now on, in place."""
        self._subscribers.append(subscriber)

    def listen(self, kinds: Collection[str] = ()) -> AsyncIterator[Event]:
        """Events of these kinds (none given: all) from this call on; Unavailable if the caller falls too far behind."""
        self.settle()
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._queues.add(queue)
        return self._deliver(queue, kinds)

    def resume(self, start: str, after: int, kinds: Collection[str] = ()) -> AsyncIterator[Event]:
        """Likewise, but from the event behind ``after`` on; EventsLost if it, or the start, is not known any more."""
        if start != self.start:
            raise EventsLost("event stream", "the supervisor was started anew since then", _ANEW)
        if not self.sequence - len(self._recent) <= after <= self.sequence:
            raise EventsLost("event stream", f"event {after} is not known, or not any more", _ANEW)
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        for event in self._recent:
            if event.sequence > after:
                queue.put_nowait(event)
        self._queues.add(queue)
        return self._deliver(queue, kinds)

    async def _deliver(self, queue: asyncio.Queue[Event | None], kinds: Collection[str]) -> AsyncIterator[Event]:
        try:
            while (event := await queue.get()) is not None:
                if not kinds or event.news.kind in kinds:
                    yield event
        finally:
            self._queues.discard(queue)
        raise Unavailable("event stream", f"the listener is {_DEPTH} events behind", "open it again")
