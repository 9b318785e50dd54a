"""The supervisor's heartbeats in one session (session.py): every so often, and at once when the module asks for one to
know that nothing that it has not heard yet lies before it (vem/agent/doubt.py)."""

from __future__ import annotations

from collections.abc import Callable

from dvswitch.v1 import fabric_pb2


class Beats:
    """``now``: a clock; ``interval`` in seconds."""

    def __init__(self, now: Callable[[], float], interval: float) -> None:
        self._now, self._interval = now, interval
        self._due = now() + interval
        self._sent = self._asked = 0

    @property
    def left(self) -> float:
        """Seconds until the next is due; not above 0: now."""
        return self._due - self._now()

    def next(self, revision: int) -> fabric_pb2.SupervisorMessage:
        """The next; to be sent behind all that the module should hear.  ``revision``: of what it was sent last."""
        self._due = self._now() + self._interval
        self._sent += 1
        beat = fabric_pb2.Heartbeat(sequence=self._sent, revision=revision, answers=self._asked)
        return fabric_pb2.SupervisorMessage(heartbeat=beat)

    def heard(self, message: fabric_pb2.Heartbeat) -> bool:
        """One of the module's; whether it wants an answer now."""
        if message.ask:
            self._asked, self._due = message.sequence, self._now()
        return message.ask


__all__ = ["Beats"]
