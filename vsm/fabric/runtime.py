"""What the modules report, put in order for the rest of the supervisor (implements vsm.runtime.Runtime).

Sessions (vsm/fabric/session.py) write here; show commands, the manager API and the mobility driver read.  Nothing in
here is configuration, and only counters are ever stored (CounterBook, by the service loop).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from vsm.fabric.counters import CounterBook, Record, reporter
from vsm.fabric.mac_moves import MacMoves
from vsm.model.cards import niv_slots
from vsm.model.interfaces import Vethernet
from vsm.model.migration import Carried
from vsm.model.niv import Role
from vsm.model.state import State
from vsm.observed import ChannelStatus, ManagerStatus, Neighbor, NivLink, SessionCounts
from vsm.runtime import Counters, LogLine, MacRow, ModuleStatus, PortStatus

RETURN = 6.0
"""Seconds from the start of a VSM within which modules that are there have come back to it: twice as long as they wait
between two attempts at most."""
_LOG = 1000
"""Events that are kept for `show logging last`."""


class FabricRuntime:
    """Observed state of all modules.  Single-threaded, like the supervisor; ``clock`` gives Unix time."""

    def __init__(self, clock: Callable[[], float], records: Mapping[str, Record] | None = None) -> None:
        self._clock = clock
        self._started = clock()
        self._log: deque[LogLine] = deque(maxlen=_LOG)
        self._modules: dict[tuple[int, Role], ModuleStatus] = {}
        self._counts: defaultdict[tuple[int, Role], SessionCounts] = defaultdict(SessionCounts)
        self._links: dict[int, tuple[NivLink, ...]] = {}
        self.niv: set[int] = set()
        """Slots whose vEths are their cards'.  Kept by vsm/fabric/service.py."""
        self._ports: dict[int, tuple[int, PortStatus]] = {}
        self.mac_moves = MacMoves()
        self._macs: dict[tuple[int, Role], list[MacRow]] = {}
        self._channels: dict[int, dict[int, ChannelStatus]] = {}
        self._neighbors: dict[int, tuple[float, list[Neighbor]]] = {}
        self._drained: dict[tuple[int, int], tuple[int, tuple[Carried, ...]]] = {}
        self._plugged: set[tuple[int, Role, int]] = set()
        self.watchers: dict[object, ManagerStatus] = {}
        """Kept by vsm/api/catalog.py."""
        self._looking = False
        self.port_listeners: list[Callable[[int], None]] = []
        """Called with the number of each vEth that a module reported."""
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self.confirmed: set[int] = set()
        """vEths whose target forwards, and whose move only has to be stored as done; kept by vsm/mobility/driver.py."""
        self.timeouts: Mapping[str, float] = {}
        """Kept by vsm/mobility/driver.py."""
        self.final = asyncio.Event()
        """Set when last counters of a port came in, which no later report would bring again: to be stored soon."""
        self.book = CounterBook(records)
        """The counters of all ports."""

    # ---- vsm.runtime.Runtime

    def has_left(self, slot: int) -> bool:
        """Whether a module is away: it was there since this VSM started, or has had time enough to come."""
        status = self.module(slot)
        return not status.connected if status else self.uptime() >= RETURN

    def is_away(self, slot: int) -> bool:
        """Whether a module has no session now."""
        status = self.module(slot)
        return status is None or not status.connected

    def module(self, slot: int) -> ModuleStatus | None:
        """None: never seen since this VSM started."""
        return self._modules.get((slot, Role.HOST))

    def card(self, slot: int) -> ModuleStatus | None:
        """None: never seen since this VSM started."""
        return self._modules.get((slot, Role.CARD))

    def holder(self, slot: int) -> ModuleStatus | None:
        """Of whoever holds the module's ports: its card in mode NIV, else the module itself."""
        return self.card(slot) if slot in self.niv else self.module(slot)

    def links(self, slot: int) -> tuple[NivLink, ...]:
        """The module's ways to a VIS, as it told last."""
        return self._links.get(slot, ())

    def card_missing(self, slot: int) -> bool:
        """Whether a card should hold the slot's ports, and has no session."""
        status = self.card(slot)
        return slot in self.niv and not (status and status.connected)

    def refusals(self, slot: int) -> dict[str, str]:
        """What host and card of the slot could not do, by object."""
        found = (self._modules.get((slot, role)) for role in Role)
        return {thing: why for status in found if status for thing, why in status.refusals}

    def session_counts(self, slot: int, role: Role = Role.HOST) -> SessionCounts:
        """Kept by the module's sessions; zeros if there was none since this VSM started."""
        return self._counts[slot, role]

    def port(self, veth: int) -> PortStatus | None:
        """None: no module reports it."""
        found = self._ports.get(veth)
        return found[1] if found else None

    def counters(self, interface: str) -> Counters:
        """Of "Vethernet5" or "Ethernet3/1"; zeros if never reported."""
        return self.book.total(interface)

    def learned_macs(self) -> list[MacRow]:
        """Learned addresses of all connected modules."""
        return [row for _, rows in sorted(self._macs.items(), key=lambda item: item[0][0]) for row in rows]

    def channel(self, slot: int, policy: int) -> ChannelStatus | None:
        """None: the module has not told of it since this VSM started."""
        return self._channels.get(slot, {}).get(policy)

    def neighbors(self) -> list[Neighbor]:
        """Neighbours of all connected modules' uplinks that are still to be believed."""
        now = self._clock()
        aged = [
            replace(found, left=found.left - int(now - told))
            for _, (told, neighbors) in sorted(self._neighbors.items())
            for found in neighbors
        ]
        return [found for found in aged if found.left > 0]

    def managers(self) -> list[ManagerStatus]:
        """Hypervisor managers that watch the port groups now, by name."""
        return sorted(self.watchers.values(), key=lambda found: found.name)

    def recent(self) -> list[LogLine]:
        """The last events, the latest last."""
        return list(self._log)

    def patience(self) -> Mapping[str, float]:
        """Seconds that a migration may stay in a state, by the state's name."""
        return self.timeouts

    def uptime(self) -> float:
        """Seconds since this VSM started."""
        return self._clock() - self._started

    def happened(self, line: LogLine) -> None:
        """Keep an event."""
        self._log.append(line)

    # ---- written by sessions

    def connected(self, slot: int, role: Role = Role.HOST) -> None:
        """A session of the module, or of its card, was accepted."""
        self._modules[slot, role] = ModuleStatus(True, self._clock())
        self._counts[slot, role].inserted += 1
        self.notify()

    def disconnected(self, slot: int, role: Role = Role.HOST) -> None:
        """The session is over.  What was reported of ports in it still holds: they forward on."""
        who = slot, role
        known = self._modules.get(who, ModuleStatus(False, 0))
        self._modules[who] = replace(known, connected=False, since=self._clock())
        self._counts[who].removed += 1
        self._forget_macs(slot, role)
        if role is Role.HOST:
            self._neighbors.pop(slot, None)
        self._plugged = {place for place in self._plugged if place[:2] != who}
        self.notify()

    def progress(
        self, slot: int, sent: int, acked: int, refusals: tuple[tuple[str, str], ...] = (), role: Role = Role.HOST
    ) -> None:
        """How far a connected module, or its card, is."""
        known = self._modules[slot, role]
        self._modules[slot, role] = replace(known, sent_revision=sent, acked_revision=acked, refusals=refusals)
        self.notify()

    def port_reported(self, slot: int, veth: int, status: PortStatus) -> None:
        """A vEth's link or forwarding state."""
        self._ports[veth] = (slot, status)
        for listener in self.port_listeners:
            listener(veth)

    def macs_reported(self, slot: int, rows: list[MacRow], role: Role = Role.HOST) -> None:
        """All addresses that a module has learned."""
        self._macs[slot, role] = rows

    def _forget_macs(self, slot: int, role: Role) -> None:
        if self._macs.pop((slot, role), None) is not None:
            self.mac_moves.gone(slot)

    def links_reported(self, slot: int, links: tuple[NivLink, ...]) -> None:
        """All ways of a module to a VIS."""
        self._links[slot] = links
        self.notify()

    def channels_reported(self, slot: int, channels: Iterable[ChannelStatus]) -> None:
        """All channels of a module."""
        self._channels[slot] = {channel.policy: channel for channel in channels}

    def neighbors_reported(self, slot: int, neighbors: list[Neighbor]) -> None:
        """All neighbours that a module's uplinks have now."""
        self._neighbors[slot] = (self._clock(), neighbors)

    def drained(self, slot: int, veth: int, generation: int, carried: tuple[Carried, ...] = ()) -> None:
        """The vEth of that generation delivers and accepts nothing any more on that module, and left this behind."""
        self._drained[slot, veth] = generation, carried
        self.notify()

    def plugged(self, slot: int, veth: int, present: bool, role: Role = Role.HOST) -> None:
        """The vEth's NIC is, or is no longer, plugged in on that module, as its host or its card says."""
        (self._plugged.add if present else self._plugged.discard)((slot, role, veth))
        self.notify()

    def changed(self, old: State, new: State) -> None:
        """The State moved on: ports that left a module, or its host for its card, are over there."""
        self._modes_changed(new)
        if old.inventory.veths is new.inventory.veths:
            return
        for number, was in old.inventory.veths.items():
            now = new.inventory.veths.get(number)
            if now is was:
                continue
            if now is None:
                self.book.forget(Vethernet(number).full)
            elif was.slot is not None and now.slot != was.slot:
                for role in Role:
                    self.book.close(Vethernet(number).full, reporter(was.slot, role))
            if now is None or now.slot != was.slot:
                self._ports.pop(number, None)

    def _modes_changed(self, new: State) -> None:
        """Where the mode changes who holds a module's ports, what the one counted stays and the other goes on."""
        before, self.niv = self.niv, niv_slots(new)
        for slot in before ^ self.niv:
            leaving, coming = (Role.HOST, Role.CARD) if slot in self.niv else (Role.CARD, Role.HOST)
            self._forget_macs(slot, leaving)
            for veth in new.inventory.veths.values():
                if veth.slot == slot:
                    self.book.close(Vethernet(veth.number).full, reporter(slot, leaving))
                    self.book.open(Vethernet(veth.number).full, reporter(slot, coming))

    # ---- waited for by the mobility driver

    def is_drained(self, slot: int, veth: int, generation: int) -> bool:
        """Whether drained() told so, for this generation or a later one."""
        return self._drained.get((slot, veth), (-1, ()))[0] >= generation

    def carried(self, slot: int, veth: int) -> tuple[Carried, ...]:
        """What the vEth left behind when it drained there last."""
        return self._drained.get((slot, veth), (-1, ()))[1]

    def is_plugged(self, slot: int, veth: int) -> bool:
        """Whether the vEth's NIC is plugged in on that module, as far as the present session of whoever holds its ports
        told."""
        return (slot, Role.CARD if slot in self.niv else Role.HOST, veth) in self._plugged

    def notify(self) -> None:
        """Something changed: see, once for all that changes in this moment, whether that is what somebody waits for."""
        if self._waiting and not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        for entry in tuple(self._waiting):
            ready, future = entry
            if not future.done() and ready():
                future.set_result(None)

    async def until(self, ready: Callable[[], bool], seconds: float | None) -> bool:
        """Wait until ``ready()``, at most so long (None: for ever); whether it came true."""
        if ready():
            return True
        entry = (ready, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            await asyncio.wait_for(entry[1], seconds)
        except TimeoutError:
            return ready()
        finally:
            self._waiting.remove(entry)
        return True
