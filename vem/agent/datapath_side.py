"""The agent's hold on the engine: which Image and which plugs it has now, and how to bring it to those it should have.

All engine calls of the agent are here, made on the engine's own thread but for small edits (engine_thread.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from vem.agent import ageing
from vem.agent.engine_thread import EngineThread
from vem.agent.uplink_mtu import UplinkMtus
from vem.datapath.apply import apply_image
from vem.datapath.engine import Engine, EngineError, Plug
from vem.datapath.image import Counters, Image, LearnedMac, PuntedFrame
from vem.datapath.watch import Capture, CapturedFrame, LastDrop, Trace

SMALL_PORTS, SMALL_TABLES = 4, 256
"""Ports that differ, and ports and VLANs that there are, in an edit that is small."""
COUNTED_TOGETHER = 32
"""Ports whose counters are read in one go."""
log = structlog.get_logger(__name__)


class Datapath:
    """One engine, its Image and plugs as last written or read back."""

    def __init__(self, thread: EngineThread, engine: Engine) -> None:
        self._thread = thread
        self._engine = engine
        self.image = Image()
        self.plugs: dict[int, Plug] = {}
        self.links: dict[int, bool] = {}
        """Carrier by lport; NICs that are not there count as down."""
        self.last: dict[int, Counters] = {}
        """Counters that the last converge() was asked for."""
        self.removals = 0
        """Learned addresses that were removed by hand so far."""
        self._mtus = UplinkMtus()

    @classmethod
    async def open(cls, factory: Callable[[], Engine]) -> Datapath:
        """Open the engine and read back what it holds (adoption)."""
        thread = EngineThread()
        try:
            engine = await thread.open(factory)
        except BaseException:
            await thread.close(keep=True)
            raise
        datapath = cls(thread, engine)
        datapath.image = await thread.call(engine.image)
        datapath.plugs = dict(await thread.call(engine.plugged))
        return datapath

    @property
    def kind(self) -> str:
        """ "kernel" or "user"."""
        return self._engine.kind

    @property
    def incarnation(self) -> str:
        """See Engine."""
        return self._engine.incarnation

    async def close(self, keep: bool) -> None:
        """See Engine.close."""
        if not keep:
            await self._thread.call(self._mtus.lower_to, {})
        await self._thread.close(keep)

    # --- NICs ---------------------------------------------------------------------------------------------------

    async def plug(self, lport: int, plug: Plug) -> None:
        """Plug one NIC in; EngineError if that can't be done."""
        await self._thread.call(self._plug, lport, plug)

    def _plug(self, lport: int, plug: Plug) -> None:
        if lport in self.plugs and self.plugs[lport] != plug:
            self._unplug(lport)
        self._engine.plug(lport, plug)
        self.plugs[lport] = plug
        self.links[lport] = self._engine.link_up(lport)

    def _unplug(self, lport: int) -> None:
        self._engine.unplug(lport)
        self.plugs.pop(lport, None)
        self.links.pop(lport, None)

    async def plug_all(self, wanted: Mapping[int, Plug]) -> dict[int, EngineError]:
        """Plug in what is missing; returns the errors of those that could not be."""
        if all(lport in self.links and self._is_plugged(lport, plug) for lport, plug in wanted.items()):
            return {}
        return await self._thread.call(self._plug_all, wanted)

    def _plug_all(self, wanted: Mapping[int, Plug]) -> dict[int, EngineError]:
        errors: dict[int, EngineError] = {}
        for lport, plug in wanted.items():
            if self._is_plugged(lport, plug) and lport in self.links:
                continue
            try:
                self._plug(lport, plug)
            except EngineError as error:
                errors[lport] = error
                self.links[lport] = False
        return errors

    def _is_plugged(self, lport: int, plug: Plug) -> bool:
        held = self.plugs.get(lport)
        return held is plug or held == plug

    async def unplug_others(self, keep: Collection[int]) -> None:
        """Unplug every NIC that is not on one of these lports."""
        if self.plugs.keys() <= set(keep) and self.links.keys() <= set(keep):
            return
        await self._thread.call(self._unplug_others, keep)

    def _unplug_others(self, keep: Collection[int]) -> None:
        for lport in self.plugs.keys() - set(keep):
            try:
                self._unplug(lport)
            except EngineError as error:
                log.warning("unplugging failed", lport=lport, reason=str(error))
        for lport in self.links.keys() - set(keep):
            del self.links[lport]

    async def poll_links(self, lports: Collection[int]) -> bool:
        """Look at the carriers of these; whether any changed.  A NIC that has gone is unplugged, to be plugged anew."""
        return await self._thread.call(self._poll_links, lports)

    def _poll_links(self, lports: Collection[int]) -> bool:
        before = dict(self.links)
        for lport in lports:
            if lport not in self.plugs:
                continue
            try:
                self.links[lport] = self._engine.link_up(lport)
            except EngineError:
                self._unplug(lport)
                self.links[lport] = False
        return before != self.links

    # --- tables -------------------------------------------------------------------------------------------------

    async def converge(
        self, image: Image, mtus: Mapping[Plug, int] | None = None, count: Collection[int] = ()
    ) -> list[EngineError]:
        """Bring the tables to ``image``; on EngineError the Image is read back, so that trying again is right.

        ``mtus``: bytes that NICs of uplinks must be able to carry; returns the errors of those that can't.  ``count``:
        lports whose counters are read after that, into ``last``.
        """
        mtus = mtus or {}
        if self._engine.prompt and self._mtus.settled(mtus) and self._is_small(image):
            return await self._thread.brief(self._converge, image, mtus, count)
        return await self._thread.call(self._converge, image, mtus, count)

    def _is_small(self, image: Image) -> bool:
        """Whether the tables need only a few edits, and none needs a look at what was learned."""
        old = self.image
        if max(len(image.ports), len(image.members)) > SMALL_TABLES or old.policies != image.policies:
            return False
        ports = old.ports
        changed = sum(ports.get(lport) is not port for lport, port in image.ports.items())
        changed += len(ports.keys() - image.ports.keys())
        return changed <= SMALL_PORTS and len(ports) <= SMALL_TABLES and not ageing.may_leave_stale(old, image)

    def _converge(self, image: Image, mtus: Mapping[Plug, int], count: Collection[int]) -> list[EngineError]:
        self.last = {}
        errors = self._mtus.raise_to(mtus)
        self._change_tables(image)
        self._mtus.lower_to(mtus)
        if count:
            self.last = self._engine.counters(count)
        return errors

    def _change_tables(self, image: Image) -> None:
        old = self.image
        try:
            apply_image(self._engine, old, image)
        except EngineError:
            self.image = self._engine.image()
            raise
        self.image = image
        if ageing.may_leave_stale(old, image):
            self._forget(ageing.stale(self._engine.learned(), image))

    def _forget(self, macs: Iterable[LearnedMac]) -> None:
        gone = list(macs)
        self._engine.forget(gone)
        self.removals += len(gone)

    async def clear_counters(self, lport: int) -> None:
        """The lport gets a new owner."""
        await self._thread.call(self._engine.clear_counters, lport)

    # --- what it saw --------------------------------------------------------------------------------------------

    async def counters(self, lports: Iterable[int] | None = None) -> dict[int, Counters]:
        """See Engine.counters.  All ports' of an engine that is prompt are read a few at a time, with others' turns
        between."""
        if lports is not None or not self._engine.prompt:
            return await self._thread.call(self._engine.counters, lports)
        every, found = list(self.image.ports), dict[int, Counters]()
        for at in range(0, len(every), COUNTED_TOGETHER):
            found |= await self._thread.brief(self._engine.counters, every[at : at + COUNTED_TOGETHER])
            await asyncio.sleep(0)
        return found

    async def learned(self) -> list[LearnedMac]:
        """See Engine.learned."""
        return await self._thread.call(self._engine.learned)

    async def learned_counts(self) -> dict[int, int]:
        """See Engine.learned_counts."""
        return await self._thread.call(self._engine.learned_counts)

    async def remember(self, macs: Iterable[LearnedMac]) -> None:
        """See Engine.remember."""
        await self._thread.call(self._engine.remember, list(macs))

    async def age(self, limit: float) -> None:
        """Remove learned MACs not seen for ``limit`` seconds, and what else the engine keeps for nobody."""
        await self._thread.call(self._age, limit)

    def _age(self, limit: float) -> None:
        if any(policy.learn for policy in self.image.policies.values()) and (learned := self._engine.learned()):
            self._forget(ageing.aged(learned, limit))
        self._engine.tidy(time.monotonic())

    @property
    def event_fd(self) -> int:
        """Readable while punted() has something; -1 = never."""
        return self._engine.event_fd()

    async def punted(self) -> list[PuntedFrame]:
        """See Engine."""
        return await self._thread.call(self._engine.punted)

    async def trace(self, lport: int, frame: bytes) -> Trace:
        """See Engine.trace."""
        return await self._thread.call(self._engine.trace, lport, frame)

    async def last_drops(self, lports: Collection[int] | None = None) -> list[LastDrop]:
        """See Engine.last_drops."""
        return await self._thread.call(self._engine.last_drops, lports)

    async def capture(self, capture: Capture | None) -> None:
        """See Engine.capture."""
        await self._thread.call(self._engine.capture, capture)

    async def captured(self) -> list[CapturedFrame]:
        """See Engine.captured, but waits until there is something."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        fd = self._engine.capture_fd()
        loop.add_reader(fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(fd)
        return await self._thread.call(self._engine.captured)

    async def emit(self, frames: Iterable[tuple[int, bytes]]) -> None:
        """Send frames of our own, each out of an lport; those that can't be sent are lost, as frames may be."""
        if batch := list(frames):
            await self._thread.call(self._emit, batch)

    def _emit(self, frames: list[tuple[int, bytes]]) -> None:
        for lport, frame in frames:
            try:
                self._engine.emit(lport, frame)
            except EngineError as error:
                log.warning("control frame not sent", lport=lport, reason=str(error))
