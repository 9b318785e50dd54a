"""Decides after each pass which MACs have a new place, and announces them: at once while they are few, never more than
128 frames a tick (S-152, S-153)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Collection, Iterable

from dvswitch.mac import MacAddress
from vem.agent import announce
from vem.agent.compile import Compiled
from vem.agent.datapath_side import Datapath
from vem.agent.wanted import Phase
from vem.datapath.image import Image

PER_TICK = 128
TICK = 0.1
"""Seconds."""
_WITH_LEARNED = (announce.SCHEDULE[0], announce.SCHEDULE[-1])
"""Moments at which addresses behind a port are announced, too: there may be thousands."""
REMEMBER = 10.0
"""Seconds for which it is known what was announced."""


class Announcer:
    """A queue of frames and who fills it."""

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._frames: deque[announce.Frame] = deque()
        self._some = asyncio.Event()
        self._compiled: Compiled | None = None
        self.active: dict[int, int] = {}
        """Generations of the vEths that are active here; who is in here has not just moved here."""
        self.tasks: set[asyncio.Task[None]] = set()
        self._sent: dict[MacAddress, float] = {}

    async def run(self) -> None:
        """Send what is queued, for ever."""
        started, left = 0.0, 0
        while True:
            await self._some.wait()
            if (now := time.monotonic()) - started >= TICK:
                started, left = now, PER_TICK
            if not left:
                await asyncio.sleep(started + TICK - now)
                continue
            batch = [self._frames.popleft() for _ in range(min(left, len(self._frames)))]
            left -= len(batch)
            if not self._frames:
                self._some.clear()
            self._sent = {mac: when for mac, when in self._sent.items() if now - when < REMEMBER}
            self._sent.update((MacAddress(frame[6:12]), now) for _, frame in batch)
            await self._datapath.emit(batch)
            started = time.monotonic()  # when they are out, however long they waited for it

    def last_sent(self, mac: MacAddress) -> float:
        """When ``mac`` was last announced, as far as that is remembered."""
        return self._sent.get(mac, float("-inf"))

    async def moved(self, old: Image, compiled: Compiled, touched: Collection[int]) -> None:
        """The datapath went from ``old`` to what was compiled (``touched``: announce.touched).

        RARPs for vEths that have just moved here, by schedule, and one for each other MAC whose uplink is new (S-152).
        """
        self._compiled = compiled
        image, wanted, coming = self._datapath.image, compiled.wanted.ports, set()
        for veth, state in compiled.veths.items():
            port = wanted[veth]
            if port.announce and port.phase is Phase.ACTIVE and self.active.get(veth) != port.generation:
                coming.add(state.lport)
                self._later(veth, port.generation)
        self.active = {veth: port.generation for veth, port in wanted.items() if port.phase is Phase.ACTIVE}
        lports = [n for n in touched if n not in coming and self._notifies(image.ports[n].number)]
        learns = any(image.policies[image.ports[lport].policy].learn for lport in lports)
        learned = await self._datapath.learned() if learns else []
        self._add(announce.relocations(old, image, lports, learned))

    def _add(self, frames: Iterable[announce.Frame]) -> None:
        self._frames.extend(frames)
        if self._frames:
            self._some.set()

    def _notifies(self, veth: int) -> bool:
        """Not a profile with notify-switches off (S-154)."""
        wanted = self._compiled.wanted if self._compiled else None
        port = wanted.ports.get(veth) if wanted else None
        policy = wanted.policies.get(port.policy) if wanted and port else None
        return policy is not None and policy.team.notify

    def _later(self, veth: int, generation: int) -> None:
        task = asyncio.create_task(self._repeat(veth, generation))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _repeat(self, veth: int, generation: int) -> None:
        start = time.monotonic()
        for moment in announce.SCHEDULE:
            await asyncio.sleep(max(0.0, start + moment - time.monotonic()))
            if self.active.get(veth) != generation:
                return
            self._add(await self._announcements(veth, moment in _WITH_LEARNED))

    async def _announcements(self, veth: int, with_learned: bool) -> list[announce.Frame]:
        """Its own address in each VLAN, and what it has learned behind it (S-247)."""
        state, image = self._compiled.veths.get(veth) if self._compiled else None, self._datapath.image
        port = image.ports.get(state.lport) if state else None
        if state is None or port is None or not self._notifies(veth):
            return []
        uplink = announce.placed(image, state.lport, port.mac)
        own = announce.location(image, state.lport, uplink) if uplink else []
        if not with_learned or not image.policies[port.policy].learn:
            return own
        learned = await self._datapath.learned()
        return own + announce.behind(image, state.lport, learned)
