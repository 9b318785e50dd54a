"""Takes in a module's counter reports a few ports at a time, so that no message waits for those of a thousand ports.

A session (vsm/fabric/session.py) hands its reports over as they come.  Whatever else it hears of a port follows what
was counted there before: settle() sees to that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from dvswitch.v1 import fabric_pb2

SLICE = 16
"""Ports that are taken in between two turns of the event loop."""


class Tally:
    """What one module has counted and nobody has looked at yet; ``take`` gets it port by port."""

    def __init__(self, take: Callable[[fabric_pb2.PortCounters], None]) -> None:
        self._take = take
        self._waiting: dict[tuple[int, int], fabric_pb2.PortCounters] = {}
        """By vEth and uplink, one of them 0."""
        self._turn: asyncio.Handle | None = None

    def add(self, ports: Iterable[fabric_pb2.PortCounters]) -> None:
        """The first ports now, the others soon."""
        for port in ports:
            key = port.veth, port.uplink
            if older := self._waiting.pop(key, None):
                self._take(older)  # it may be the last of another life
            self._waiting[key] = port
        if self._turn is None:
            self._next()

    def settle(self, veth: int) -> None:
        """Take in what was counted at this vEth."""
        if found := self._waiting.pop((veth, 0), None):
            self._take(found)

    def close(self) -> None:
        """Take in everything."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        while self._waiting:
            self._one()

    def _next(self) -> None:
        self._turn = None
        for _ in range(min(SLICE, len(self._waiting))):
            self._one()
        if self._waiting:
            self._turn = asyncio.get_running_loop().call_soon(self._next)

    def _one(self) -> None:
        self._take(self._waiting.pop(next(iter(self._waiting))))


__all__ = ["SLICE", "Tally"]
