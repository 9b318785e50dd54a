"""What the host asks the supervisor and waits for: whether it could take a NIC.

One per session (vem/agent/session.py); a question is lost with it and may be asked again, it changes nothing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from dvswitch.errors import Unavailable
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb

MAX_WAITING = 256
"""Questions under way."""
SUPERVISOR = "supervisor"


class Questions:
    """Sends questions, and matches answers to them.  ``send``: whether the message found a session."""

    def __init__(self, send: Callable[[fabric.ModuleMessage], bool]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[fabric.MayTakeAnswer]] = {}

    async def may_take(self, nic: pb.Nic, mac: str, profile: str, seconds: float) -> fabric.MayTakeAnswer:
        """The supervisor's answer; Unavailable if it is away, or does not answer within so many seconds."""
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable(SUPERVISOR, f"has {MAX_WAITING} questions to answer", "ask again")
        number = next(self._numbers)
        answer: asyncio.Future[fabric.MayTakeAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            question = fabric.MayTake(id=number, nic=nic, mac=mac, profile=profile)
            if not self._send(fabric.ModuleMessage(may_take=question)):
                raise Unavailable(SUPERVISOR, "is away", "ask again when it is back")
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise Unavailable(SUPERVISOR, f"did not answer within {seconds:g} seconds", "ask again") from None
        finally:
            del self._waiting[number]

    def answered(self, message: fabric.MayTakeAnswer) -> None:
        """An answer has come; one that nobody waits for is dropped."""
        answer = self._waiting.get(message.id)
        if answer is not None and not answer.done():
            answer.set_result(message)

    def lost(self) -> None:
        """The session is over: nobody will answer."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unavailable(SUPERVISOR, "was lost before it answered", "ask again"))
