"""`mobility forward` at a VIS (docs/mobility-forward.md): one mobility program (vem/datapath/mobility.py) for all.

To a card it is a program of its own, which speaks the card's lports; the port of the switch that leads to the program
is the hub's.
"""

from __future__ import annotations

from dataclasses import replace

from physical.niv.hub import Hub
from vem.datapath.engine import Plug
from vem.datapath.mobility import Counts, MobilityProgram, Session


class CardMobility:
    """What one card has of it (vem.agent.mobility_side.Program)."""

    plug: Plug | None = None
    """Nothing that a card would plug in."""

    def __init__(self, program: MobilityProgram, hub: Hub, part: str) -> None:
        self._program, self._hub, self._part = program, hub, part

    @property
    def endpoint(self) -> tuple[str, int] | None:
        """See MobilityProgram; it is the same for all cards of a VIS."""
        return self._program.endpoint

    def set(self, session: Session) -> None:
        """See MobilityProgram."""
        self._program.set(replace(session, lport=self._hub.number(self._part, session.lport)))

    def gate(self, ident: int) -> None:
        """See MobilityProgram."""
        self._program.gate(ident)

    def open(self, ident: int) -> None:
        """See MobilityProgram."""
        self._program.open(ident)

    def remove(self, ident: int, back: bool = False) -> None:
        """See MobilityProgram."""
        self._program.remove(ident, back)

    def end(self, lport: int, vlan: int) -> None:
        """See MobilityProgram."""
        self._program.end(self._hub.number(self._part, lport), vlan)

    def counts(self, ident: int) -> Counts:
        """See MobilityProgram."""
        return self._program.counts(ident)

    def close(self) -> None:
        """The program is the VIS's: it goes on for the other cards."""


class VisMobility:
    """Runs from construction to close()."""

    def __init__(self, hub: Hub, address: tuple[str, int]) -> None:
        """EngineError: nothing can listen there, or the switch does not take the port."""
        self._hub, self._program = hub, MobilityProgram(hub.engine.kind, "", address)
        try:
            hub.set_tunnel(self._program.plug)
        except BaseException:
            self._program.close()
            raise

    def of(self, part: str) -> CardMobility:
        """A card's."""
        return CardMobility(self._program, self._hub, part)

    def close(self) -> None:
        """After the engine; what waits is lost."""
        self._program.close()


__all__ = ["CardMobility", "VisMobility"]
