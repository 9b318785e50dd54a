"""Load-based teaming: feeds counters to vem/teaming/load.py and carries its moves out (S-138, S-139)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from vem.agent.compile import Compiled
from vem.agent.datapath_side import Datapath
from vem.agent.holdings import Holdings
from vem.agent.observed import known_speed
from vem.agent.uplinks import UplinkStatus
from vem.datapath.engine import EngineError
from vem.datapath.image import Counters
from vem.teaming.load import Bytes, LoadWatch, Move, PortLoad, UplinkLoad
from vem.teaming.team import Balance

SAMPLE = 5.0
"""Seconds between two looks at the counters."""
DEFAULT_SPEED = 10_000
"""Mbit/s of an uplink that does not say."""
log = structlog.get_logger(__name__)


class Balancer:
    """Moves ports of load-based profiles.  ``compiled`` gives the state in force, ``dirty`` asks for a pass."""

    def __init__(
        self, datapath: Datapath, holdings: Holdings, compiled: Callable[[], Compiled], dirty: Callable[[], None]
    ) -> None:
        self._datapath = datapath
        self._holdings = holdings
        self._compiled = compiled
        self._dirty = dirty
        self._watch = LoadWatch()

    async def run(self) -> None:
        """For ever; costs nothing while no profile is load-based."""
        while True:
            await asyncio.sleep(SAMPLE)
            with suppress(EngineError):
                await self.look(time.monotonic())

    async def look(self, now: float) -> list[Move]:
        """One look at the counters, and what follows."""
        ports = self._ports()
        if not ports:
            return []
        uplinks = self._holdings.uplinks
        counters = await self._datapath.counters([*ports.values(), *(item.lport for item in uplinks.values())])
        loads = {n: UplinkLoad(_bytes(counters, item.lport), speed(item)) for n, item in uplinks.items()}
        moves = self._watch.observe(now, loads, {v: self._load(v, lport, counters) for v, lport in ports.items()})
        for move in moves:
            log.info("port moved to a less busy uplink", veth=move.veth, uplink=move.uplink)
            self._holdings.teaming.pins.move(move.veth, move.uplink)
        if moves:
            self._dirty()
        return moves

    def _ports(self) -> dict[int, int]:
        """lports of the vEths that may be moved."""
        compiled, choices = self._compiled(), self._holdings.teaming.choices
        return {
            veth: state.lport
            for veth, state in compiled.veths.items()
            if (choice := choices.get(compiled.wanted.ports[veth].policy)) and choice.balance is Balance.LOAD
        }

    def _load(self, veth: int, lport: int, counters: Mapping[int, Counters]) -> PortLoad:
        compiled = self._compiled()
        choice = self._holdings.teaming.choices[compiled.wanted.ports[veth].policy]
        return PortLoad(_bytes(counters, lport), compiled.veths[veth].pinned_uplink, choice.uplinks)


def _bytes(counters: Mapping[int, Counters], lport: int) -> Bytes:
    found = counters.get(lport, Counters())
    return Bytes(found.rx_bytes, found.tx_bytes)


def speed(uplink: UplinkStatus) -> float:
    """Bits a second: as configured, else as the device says, else DEFAULT_SPEED."""
    return (known_speed(uplink) or DEFAULT_SPEED) * 1e6


__all__ = ["Balancer", "speed"]
