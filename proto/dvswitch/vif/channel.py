"""The numbered messages of one session on one link: delivered once and in order, or not at all (docs/vif-control.md).

Go-back-N: what is not acknowledged in time is sent again as it was, later and later; frames out of order are thrown
away and asked for again by the acknowledgement.  Both sides have one Channel each per session; who the session is
with, and when it is over, host.py and bridge.py decide.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Iterator
from typing import Any

from dvswitch.vif import codec
from dvswitch.vif.messages import (
    Attach,
    Detach,
    Frame,
    Granted,
    ListTold,
    Message,
    Mode,
    Refused,
    Released,
)

WINDOW = 16
"""Frames on their way at once."""
FIRST_WAIT, LONGEST_WAIT = 0.25, 4.0
"""Seconds until the first and between later repetitions."""
_ROOM = codec.MAX_BODY - 48
"""Bytes for messages: session, numbers and the like take less than the rest."""


class Channel:
    """One side's end.  All methods take ``now`` in seconds of any clock that never goes back."""

    def __init__(self) -> None:
        self._queue: deque[Message] = deque()
        self._sent: deque[tuple[int, tuple[Message, ...]]] = deque()
        self._next, self._expected = 1, 1
        self._owes_answer = False
        self._again, self._wait = math.inf, FIRST_WAIT

    @property
    def idle(self) -> bool:
        """Everything was said and acknowledged."""
        return not self._queue and not self._sent

    def say(self, *messages: Message) -> None:
        """Queue messages."""
        self._queue.extend(messages)

    def receive(self, frame: Frame) -> tuple[Message, ...]:
        """The messages that are new; none if the frame came before, or is not the next one."""
        self._note_answer(frame.acknowledged)
        if not frame.sequence:
            return ()
        self._owes_answer = True
        if frame.sequence != self._expected:
            return ()
        self._expected += 1
        return frame.messages

    def _note_answer(self, acknowledged: int) -> None:
        if acknowledged >= self._next:
            return  # nothing that we said: a frame of somebody's invention
        while self._sent and self._sent[0][0] <= acknowledged:
            self._sent.popleft()
            self._wait, self._again = FIRST_WAIT, -math.inf
        if not self._sent:
            self._again = math.inf

    def to_send(self, now: float) -> Iterator[Frame]:
        """Frames that are due, without instance and session."""
        if self._again == -math.inf:
            self._again = now + self._wait
        if now >= self._again:
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            self._again = now + self._wait
            for sequence, messages in self._sent:
                yield self._frame(sequence, messages)
        while self._queue and len(self._sent) < WINDOW:
            messages = self._take()
            if not self._sent:
                self._again = now + self._wait
            self._sent.append((self._next, messages))
            self._next += 1
            yield self._frame(self._next - 1, messages)
        if self._owes_answer:
            yield self._frame(0, ())

    def _frame(self, sequence: int, messages: tuple[Message, ...]) -> Frame:
        self._owes_answer = False
        return Frame(sequence=sequence, acknowledged=self._expected - 1, messages=messages)

    def _take(self) -> tuple[Message, ...]:
        """As many messages as fit into a frame, at least one."""
        taken: list[Message] = []
        room = _ROOM
        while self._queue and (not taken or codec.size(self._queue[0]) <= room):
            taken.append(self._queue.popleft())
            room -= codec.size(taken[-1])
        return tuple(taken)

    def next_timer(self) -> float:
        """When to_send() has something at the latest; infinity: never."""
        if self._owes_answer or (self._queue and len(self._sent) < WINDOW):
            return -math.inf
        return self._again


class Ledger:
    """What one side said in a session, as it stands: the other side keeps the same, and compares digests."""

    def __init__(self) -> None:
        self.attaches: dict[str, Attach] = {}
        """By NicKey.ident."""
        self.answers: dict[str, Granted | Refused] = {}
        """By NicKey.ident."""
        self.lists: dict[int, tuple[int, ...]] = {}
        self.final = False
        self._sum = 0

    def note(self, message: Message) -> None:
        """The message was said."""
        match message:
            case Attach(nic):
                self._put(self.attaches, nic.ident, message)
            case Detach(nic):
                self._put(self.attaches, nic.ident, None)
            case Granted(nic) | Refused(nic):
                self._put(self.answers, nic.ident, message)
            case Released(nic):
                self._put(self.answers, nic.ident, None)
            case ListTold(number, vifs):
                old = self.lists.pop(number, ())
                self._sum ^= (_mark(ListTold(number, old)) if old else 0) ^ (_mark(message) if vifs else 0)
                if vifs:
                    self.lists[number] = vifs
            case Mode(final):
                self.final = final

    def _put(self, entries: dict[str, Any], key: str, message: Message | None) -> None:
        old = entries.pop(key, None)
        self._sum ^= (_mark(old) if old else 0) ^ (_mark(message) if message else 0)
        if message:
            entries[key] = message

    def digest(self) -> int:
        """64 bits over everything that stands: XOR of each message's own, so that a change costs no more with many."""
        return self._sum ^ int(self.final)


def _mark(message: Message) -> int:
    return int.from_bytes(hashlib.blake2b(codec.wire(message), digest_size=8).digest(), "big")


__all__ = ["FIRST_WAIT", "LONGEST_WAIT", "WINDOW", "Channel", "Ledger"]
