"""The agent's hold on the mobility program: started if the host has a mobility address, told of moves before the tables
change, and asked to let go what waits once a port is active (vem/agent/moves.py says which moves there are)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from dvswitch.mac import MacAddress
from vem.agent import moves
from vem.agent.compile import Compiled
from vem.datapath.engine import EngineError
from vem.datapath.mobility import Counts, MobilityProgram, Session

if TYPE_CHECKING:
    from vem.agent.datapath_side import Datapath
    from vem.agent.holdings import Holdings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MoveView:
    """One move, for people."""

    veth: int
    role: str
    """"source" or "target"."""
    peer: str
    counts: Counts


class MobilitySide:
    """Made at start; without an address there is no program, and frames for vEths that left are only counted."""

    def __init__(self, datapath: Datapath, holdings: Holdings, address: tuple[str, int] | None) -> None:
        self._datapath, self._holdings = datapath, holdings
        self._moves = holdings.moves
        self._program: MobilityProgram | None = None
        self._sessions: dict[int, Session] = {}
        if address is not None:
            self._start(address)

    def _start(self, address: tuple[str, int]) -> None:
        spaces = [uplink.config.plug.netns for uplink in self._holdings.uplinks.values()]
        self._program = MobilityProgram(self._datapath.kind, spaces[0] if spaces else "", address)
        self._moves.tunnel = self._holdings.lports.assign(moves.KEY)
        self._holdings.own_plugs[self._moves.tunnel] = self._program.plug

    @property
    def endpoint(self) -> str:
        """What Hello tells: ADDRESS:PORT or [ADDRESS]:PORT, "" = frames can't be passed on to this host."""
        if self._program is None or self._program.endpoint is None:
            return ""
        address, port = self._program.endpoint
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

    def overlay(self, compiled: Compiled) -> Compiled:
        """With what moves; the program is told first, so that it knows every frame that the new tables bring it."""
        now = time.monotonic()
        self._moves.follow(compiled.wanted, self._holdings.attachments.plugged(), now)
        self._tell()
        image = self._moves.overlay(compiled.image, self._holdings.indexes.policies.get)
        return compiled if image is compiled.image else replace(compiled, image=image)

    def _tell(self) -> None:
        wanted = self._moves.sessions() if self._program else {}
        for ident, session in wanted.items():
            if self._program and self._sessions.get(ident) != session:
                self._program.set(session)
                self._sessions[ident] = session

    async def settle(self) -> bool:
        """The tables are in force: end what is over, let go what waited; whether the tables should change once more."""
        if self._program is None:
            return False
        wanted = self._moves.sessions()
        for ident in self._sessions.keys() - wanted.keys():
            self._program.remove(ident, back=self._is_back(self._sessions.pop(ident)))
        for ident, lport in self._moves.awaited():
            port = self._datapath.image.ports.get(lport)
            if port is not None and port.held:
                self._program.gate(ident)
        ready = self._moves.to_open()
        for ident in ready:
            try:
                await asyncio.to_thread(self._program.open, ident)
            except EngineError as error:
                log.error("what waited for a moving vEth is not delivered", reason=str(error))
            self._moves.opened(ident)
        return bool(ready)

    def _is_back(self, ended: Session) -> bool:
        """Whether a source's vEth forwards here again: its move was cancelled."""
        port = self._datapath.image.ports.get(ended.lport)
        return ended.peer is not None and port is not None and not port.moved and not port.blocked

    def announced(self, mac: MacAddress, vlan: int) -> None:
        """The network brought the announcement of a vEth that has left (Punt.FOLLOWED): it delivers no more of its
        frames here in this VLAN, and what it had delivered before is in the tunnel."""
        for item in self._moves.gone.values():
            if self._program and item.port.mac == mac and item.port.forward:
                self._program.end(item.lport, vlan)

    def view(self) -> list[MoveView]:
        """Moves that are followed now, by vEth."""
        if self._program is None:
            return []
        named = {item.forward.id: item.port.veth for item in self._moves.coming.values()}
        named |= {item.port.forward.id: veth for veth, item in self._moves.gone.items() if item.port.forward}
        rows = []
        for ident, session in self._sessions.items():
            peer = "{}:{}".format(*session.peer) if session.peer else ""
            role = "source" if session.peer else "target"
            rows.append(MoveView(named.get(ident, 0), role, peer, self._program.counts(ident)))
        return sorted(rows, key=lambda row: row.veth)

    async def close(self) -> None:
        """What waits is lost."""
        if self._program is not None:
            await asyncio.to_thread(self._program.close)


__all__ = ["MobilitySide", "MoveView"]
