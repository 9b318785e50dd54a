"""A running VIS: VIF control on its links, a card per host, its own session, and what has to survive it.

Everything runs on one event loop: ../vis.py calls step() whenever something came or is due; cards and session are
tasks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from dvswitch.mac import MacAddress
from dvswitch.vif import announcement
from dvswitch.vif.bridge import BridgeSide, PortState, PortView
from dvswitch.vif.messages import LAST_VIF, Tagging
from physical.niv.card import Card, Told, instance
from physical.niv.hub import Hub
from physical.niv.mobility import VisMobility
from physical.niv.module import Module
from physical.niv.part import PartEngine
from physical.niv.state import VisState
from physical.switch_config import NivPort, PortConfig
from vem.agent.agent import Identity
from vem.agent.session import Endpoint
from vem.agent.uplink_mtu import UplinkMtus
from vem.datapath import image as img
from vem.datapath.engine import Engine, EngineError, Plug
from vem.niv.side import TAG_BYTES

LINGER = 2.0
"""Seconds for which a card is kept whose host has neither a session nor a NIC."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class VisSettings:
    """What `vis run` was told."""

    identity: Identity
    endpoint: Endpoint
    directory: Path
    last_vif: int = LAST_VIF
    """Of every link."""
    mobility: tuple[str, int] | None = None
    """Where frames for VMs that move come in (`mobility forward`); None: nowhere."""


class Vis:
    """Beside a Switch (on ``plain``): what makes it a VIS."""

    def __init__(self, settings: VisSettings, engine: Engine) -> None:
        settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._settings = settings
        self._state = VisState(settings.directory)
        held = {port.number: port.held for port in self._state.ports}
        self.hub = Hub(engine, self._state.numbering, self._state.save, held)
        self._mobility = VisMobility(self.hub, settings.mobility) if settings.mobility else None
        self.plain = PartEngine(self.hub)
        """The engine of the switch itself."""
        self.control = BridgeSide(settings.identity.host_uuid, settings.identity.name, instance(), settings.last_vif)
        self.module = Module(settings.identity, settings.endpoint, engine.kind, engine.incarnation)
        self.cards: dict[str, Card] = {}
        self._endings: dict[str, float] = {}
        """When a card's host was last seen, of cards that nobody needs."""
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._mtus = UplinkMtus()
        self._plugs: dict[int, Plug] = {}
        self._carried: dict[Plug, int] = {}
        self._image: img.Image | None = None
        self._failed: BaseException | None = None
        self.wake: Callable[[], None] = lambda: None
        """Asks for a step(); to be set by who calls it."""

    def add_ports(self, ports: Mapping[int, PortConfig], mac: Callable[[int], MacAddress]) -> None:
        """The switch's ports; once, before the rest."""
        for number, port in ports.items():
            if port.niv:
                self._plugs[number] = port.plug
                self.control.add_port(number, f"0/{number}", mac(number), port.niv)
        self.control.restore(self._state.nics, self._state.ports)

    def start(self, wake: Callable[[], None]) -> None:
        """Begin the session, and the cards of hosts known from before."""
        loop = asyncio.get_running_loop()
        self.wake = wake
        self.hub.on_change = lambda: _wake_in(loop, wake)
        self._run("", self.module.run())

    @property
    def keeps(self) -> bool:
        """What is in the datapath outlives this process."""
        return self.hub.engine.kind == "kernel"

    def check(self) -> None:
        """Raise the error that a part failed with (a bug)."""
        if self._failed is not None:
            raise self._failed

    async def stop(self) -> None:
        """End cards and session; the kernel engine forwards on."""
        self.hub.on_change = lambda: None
        for job in self._jobs.values():
            job.cancel()
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)
        for card in self.cards.values():
            await card.stop(keep=True)
        if not self.keeps:
            self._mtus.lower_to({})
        self._remember()

    def close(self) -> None:
        """After the engine."""
        if self._mobility:
            self._mobility.close()

    # --- links --------------------------------------------------------------------------------------------------

    def set_carrier(self, port: int, up: bool) -> None:
        """A NIV port's link; to be told as often as one likes."""
        self.control.set_carrier(port, up, time.monotonic())

    def announcement(self, port: int) -> tuple[tuple[bytes, int, bytes], ...]:
        """What the port's LLDPDUs say beside the usual."""
        value = announcement.encode(self.control.announcement(port))
        return ((announcement.ORGANISATION, announcement.SUBTYPE, value),)

    def take_seekers(self) -> set[int]:
        """Ports whose host asked for the LLDPDU."""
        return self.control.take_seekers()

    def receive(self, port: int, frame: bytes) -> None:
        """A VIF control frame came in."""
        self.control.receive(port, frame, time.monotonic())

    def followed(self, punt: img.PuntedFrame) -> None:
        """A plain port brought the announcement of a vEth that has left one of the cards."""
        for card in self.cards.values():
            card.followed(MacAddress(punt.frame[6:12]), punt.vlan, punt.time)

    def niv_ports(self) -> dict[int, NivPort]:
        """How the datapath has to take the NIV ports."""
        placed = {nic.port for nic in self.control.nics()}
        return {view.number: _niv_port(view, view.number in placed) for view in self.control.ports()}

    def step(self, now: float) -> float | None:
        """Do what is due; returns when something is due again (or None)."""
        self._tell_lists()
        self._settle_cards(now)
        self._fit_mtus()
        for port, frame in self.control.to_send(now):
            with suppress(EngineError):
                self.plain.emit(port, frame)
        for event in self.control.take_events():
            log.info("VIF control", text=event)
        self._remember()
        timers = [self.control.next_timer(), *(seen + LINGER for seen in self._endings.values())]
        return min((timer for timer in timers if timer is not None), default=None)

    def applied(self, ports: Mapping[int, NivPort]) -> None:
        """The datapath takes the NIV ports so now."""
        for number, port in ports.items():
            self.control.set_final(number, port.final)

    def _tell_lists(self) -> None:
        """What the hosts are to go by; the datapath uses what they say that they do."""
        views = self.control.ports()
        self._settle(lambda: self.hub.set_held({view.number: view.held for view in views if view.held}))
        image = self.hub.image
        if image is not self._image:
            self._image = image
            lists = self.hub.lists()
            for view in views:
                if lists.get(view.number, {}) != view.lists:
                    self.control.set_lists(view.number, lists.get(view.number, {}))

    def _fit_mtus(self) -> None:
        """Devices that lead to NIV hosts must carry what those send, and the tag."""
        wanted = {}
        for view in self.control.ports():
            plug, card = self._plugs[view.number], self.cards.get(view.host_uuid)
            if plug.device and view.tagging and card and card.mtu:
                wanted[plug] = card.mtu + TAG_BYTES[view.tagging]
        if wanted != self._carried:
            for error in self._mtus.raise_to(wanted):
                log.error("a link can't carry its host's longest frames", reason=str(error))
            self._mtus.lower_to(wanted)
            self._carried = wanted

    def _settle(self, change: Callable[[], None]) -> None:
        """Change tables; what the engine did not take is tried again at the next step."""
        try:
            change()
        except EngineError as error:
            log.error("the datapath did not take everything; trying again", reason=str(error))

    def _remember(self) -> None:
        self._state.keep(*self.control.saved())

    # --- cards --------------------------------------------------------------------------------------------------

    def _settle_cards(self, now: float) -> None:
        hosts, nics = self.control.hosts(), self.control.nics()
        for host, name in hosts.items():
            self._endings.pop(host, None)
            if host not in self.cards and host not in self._jobs:
                self._begin(host, name)
        for host, card in list(self.cards.items()):
            self._settle(partial(card.set_nics, [nic for nic in nics if nic.host == host]))
            if host not in hosts and now - self._endings.setdefault(host, now) >= LINGER:
                self._end(host)

    def _begin(self, host: str, name: str) -> None:
        identity = replace(self._settings.identity, host_uuid=host, name=name)
        vis = self._settings.identity.host_uuid
        mobility = self._mobility.of(host) if self._mobility else None
        card = Card(identity, vis, self._settings.endpoint, self._settings.directory, self.hub, self._told, mobility)
        log.info("card begins", host=name, uuid=host)
        self.cards[host] = card
        self._run(host, self._serve(card))

    async def _serve(self, card: Card) -> None:
        await card.start()
        self.wake()
        await card.run()

    def _end(self, host: str) -> None:
        """Nobody needs the card: its host has left the mode, or is gone for good."""
        card, job = self.cards.pop(host), self._jobs.pop(host)
        del self._endings[host]
        log.info("card ends", uuid=host)
        self._run(host, self._stop(card, job))

    async def _stop(self, card: Card, job: asyncio.Task[None]) -> None:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await card.stop(keep=False)
        self._jobs.pop(card.host, None)
        self.wake()

    def _run(self, name: str, job: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(job)  # type: ignore[arg-type]
        self._jobs[name] = task
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._failed = error
            self.wake()

    def _told(self, host: str, news: list[Told]) -> None:
        for item in news:
            if item.refused:
                self.control.refuse(host, item.ident, item.refused)
            else:
                self.control.set_state(host, item.ident, item.state)
        self.wake()


def _wake_in(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
    """From whatever thread."""
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(wake)


def _niv_port(view: PortView, placed: bool) -> NivPort:
    """A port without host and VIFs is a plain one that VIF control listens on."""
    used = placed or view.state in (PortState.SYNCING, PortState.UP)
    tagging = view.tagging if used and view.tagging else None
    return NivPort(_TAGGINGS[tagging], bool(tagging) and view.final)


_TAGGINGS: Mapping[Tagging | None, img.Tagging] = {
    None: img.Tagging.NONE,
    Tagging.VNTAG: img.Tagging.VNTAG,
    Tagging.ETAG: img.Tagging.ETAG,
}
