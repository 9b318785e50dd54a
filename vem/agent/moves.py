"""Moves of vEths as this host sees them: what has gone from here and for how long it is still followed, what is coming.

Pure: fed with what is wanted, tells the mobility program's sessions, and what the Image has beside what compile.py put
into it.  A vEth that has left is remembered for its window, whatever becomes of the supervisor or of the NIC here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from dvswitch.mac import MacAddress
from vem.agent import wanted as want
from vem.agent.attachments import Attachment
from vem.agent.wanted import Phase
from vem.datapath.image import Image, Port
from vem.datapath.mobility import Session

KEY = "mobility"
"""Owner of the lport that leads to the mobility program."""
UNFOLLOWED = 5.0
"""Seconds for which frames for a vEth that has moved away are counted as such where they are not forwarded."""
LINGER = 2.0
"""Seconds that a target waits longer than its source, whose last frames may be on the way."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A vEth that has left."""

    port: want.Port
    policy: want.Policy
    lport: int
    key: str
    """Owner of the lport."""
    until: float


@dataclass(frozen=True, slots=True)
class Coming:
    """A vEth that moves, or has just moved, here; with forwarding only."""

    port: want.Port
    forward: want.Forward
    lport: int
    opened: bool = False
    until: float | None = None
    """None: not active yet."""


@dataclass(slots=True)
class Moves:
    """All of them."""

    tunnel: int = 0
    """lport that leads to the mobility program; 0 = this host has none."""
    gone: dict[int, Gone] = field(default_factory=dict)
    """By vEth."""
    coming: dict[int, Coming] = field(default_factory=dict)
    """By session."""
    _leaving: dict[int, Session] = field(default_factory=dict)
    """Sessions of vEths that are still here."""

    def follow(self, wanted: want.Wanted, plugged: Iterable[Attachment], now: float) -> None:
        """Take note of what is wanted and plugged in."""
        here = {item.veth: item for item in plugged if item.veth}
        named: set[int] = set()
        self._leaving = {}
        for veth, port in wanted.ports.items():
            if port.forward is None and port.phase is not Phase.DRAINING and veth not in self.gone:
                continue
            if veth in here:
                self._follow(port, here[veth], wanted, now)
            if port.forward:
                named.add(port.forward.id)
        self.gone = {veth: item for veth, item in self.gone.items() if item.until > now}
        self.coming = {ident: item for ident, item in self.coming.items() if _lasts(ident, item, named, now)}

    def _follow(self, port: want.Port, item: Attachment, wanted: want.Wanted, now: float) -> None:
        policy, forward = wanted.policies.get(port.policy), port.forward if self.tunnel else None
        known = self.gone.get(port.veth)
        if port.phase is Phase.ACTIVE:
            self.gone.pop(port.veth, None)
        elif port.phase is Phase.DRAINING and policy:
            fresh = known is None or known.port.generation != port.generation
            until = now + (forward.seconds if forward else UNFOLLOWED) if fresh or known is None else known.until
            self.gone[port.veth] = Gone(replace(port, forward=forward), policy, item.lport, item.key, until)
        if forward and forward.peer and port.phase is Phase.ACTIVE:
            self._leaving[forward.id] = _session(forward, item.lport)
        elif forward and not forward.peer:
            self._arrive(port, forward, item.lport, now)

    def _arrive(self, port: want.Port, forward: want.Forward, lport: int, now: float) -> None:
        known = self.coming.get(forward.id)
        until = known.until if known else None
        if until is None and port.phase is Phase.ACTIVE:
            until = now + forward.seconds + LINGER
        self.coming[forward.id] = Coming(port, forward, lport, known.opened if known else False, until)

    # --- what follows -------------------------------------------------------------------------------------------

    def policies(self) -> dict[int, want.Policy]:
        """Policies of vEths that have left, which the supervisor may have taken back already."""
        return {item.policy.id: item.policy for item in self.gone.values()}

    def lport_keys(self) -> set[str]:
        """Owners whose lports are still needed."""
        return {KEY, *(item.key for item in self.gone.values())}

    def sessions(self) -> dict[int, Session]:
        """What the mobility program should have."""
        found = dict(self._leaving)
        for gone in self.gone.values():
            if gone.port.forward:
                found[gone.port.forward.id] = _session(gone.port.forward, gone.lport)
        for ident, item in self.coming.items():
            found[ident] = _session(item.forward, item.lport)
        return found

    def awaited(self) -> list[tuple[int, int]]:
        """Sessions whose port is not active yet, and its lport."""
        return [(ident, item.lport) for ident, item in self.coming.items() if item.until is None]

    def to_open(self) -> list[int]:
        """Sessions whose port has become active."""
        return [ident for ident, item in self.coming.items() if item.until is not None and not item.opened]

    def opened(self, ident: int) -> None:
        """What waited there has been delivered."""
        self.coming[ident] = replace(self.coming[ident], opened=True)

    def due(self) -> float | None:
        """When a window ends."""
        ends = [item.until for item in self.gone.values()]
        ends += [item.until for item in self.coming.values() if item.until is not None]
        return min(ends, default=None)

    def overlay(self, image: Image, index_of: Callable[[int], int | None]) -> Image:
        """The Image with all that; ``index_of``: a policy's index by its id."""
        if not self.tunnel and not self.gone:
            return image
        ports, static = dict(image.ports), dict(image.static_macs)
        if self.tunnel:
            ports[self.tunnel] = Port(0, 0, MacAddress(bytes(6)), tunnel=True)
        for item in self.gone.values():
            there = ports.get(item.lport)
            # One that is prepared to come straight back is awaited here all the same.
            awaited = there is not None and there.number == item.port.veth and there.awaited
            port = ports[item.lport] = _gone(item, index_of(item.policy.id) or 0, awaited)
            static.setdefault(port.mac, item.lport)
        for arrival in self.coming.values():
            found = ports.get(arrival.lport)
            if found and found.number == arrival.port.veth:
                ports[arrival.lport] = replace(found, held=not arrival.opened, releasing=arrival.opened)
        moved = bool(self.gone or self._leaving or self.coming)
        control = replace(image.control, tunnel=self.tunnel, moved=moved)
        return replace(image, control=control, ports=ports, static_macs=static)


def _gone(item: Gone, policy: int, awaited: bool) -> Port:
    return Port(
        policy,
        item.port.veth,
        item.port.mac,
        port_id=item.port.veth,
        generation=item.port.generation & 0xFFFFFFFF,
        blocked=True,
        awaited=awaited,
        moved=True,
        forward=item.port.forward is not None,
    )


def _session(forward: want.Forward, lport: int) -> Session:
    return Session(forward.id, forward.key, lport, forward.seconds, forward.peer)


def _lasts(ident: int, item: Coming, named: set[int], now: float) -> bool:
    """Until its window ends; a move that was cancelled before it was activated ends at once."""
    return item.until > now if item.until is not None else ident in named


__all__ = ["KEY", "Coming", "Gone", "Moves"]
