"""Beside the Host service, one request in plain text on PATH.live: let the prepared port of a device go live.

    live DEVICE SECONDS        ->        STATE VETH DETAIL        or        refused 0 REASON

A hypervisor asks it while its guest stands still.  A program that had to load gRPC first would make that pause longer
by more than the rest of it takes (vem/libvirt/live.py asks; Host.Attach without `prepare` does the same).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from dvswitch.client import check_address
from dvswitch.errors import DvsError, InvalidValue, NotFound
from vem.agent.agent import Agent
from vem.agent.attaching import Attaching, AttachRequest

LONGEST = 60.0
"""Seconds that a caller may have it wait."""
_LINE_SECONDS = 5.0
"""Within which a caller says what it wants."""


class Live:
    """Serves one agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent, self._attaching = agent, Attaching(agent)

    async def called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of one caller."""
        with suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_LINE_SECONDS):
                line = await reader.readuntil()
            try:
                answer = await self._answer(line.decode(errors="replace").split())
            except DvsError as error:
                answer = f"refused 0 {error}"
            writer.write(f"{answer.replace(chr(10), ' ')}\n".encode())
            await writer.drain()
        writer.close()

    async def _answer(self, words: list[str]) -> str:
        match words:
            case ["live", device, seconds] if seconds.replace(".", "", 1).isdigit():
                outcome = await self._attaching.attach(self._request(device, min(float(seconds), LONGEST)))
                return f"{outcome.state.value} {outcome.veth} {outcome.detail}"
        raise InvalidValue("request", "is not understood", "say 'live DEVICE SECONDS'")

    def _request(self, device: str, seconds: float) -> AttachRequest:
        for found in self._agent.holdings.attachments.plugged():
            if found.adapter == device:
                return AttachRequest(found.nic, found.mac, found.profile, found.plug, wait=seconds)
        raise NotFound(f"interface {device}", "is not plugged in here")


@asynccontextmanager
async def serve(agent: Agent, path: Path) -> AsyncIterator[None]:
    """Serve beside the Host service's socket ``path``, whose owner no other agent can be, while the context is open."""
    beside = Path(f"{path}.live")
    check_address(f"unix:{beside}")
    _remove(beside)
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(Live(agent).called, beside, limit=1024)
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        _remove(beside)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
