"""The host agent: ties wanted state, NICs, engine and session together.

Whatever happens (an Update, an attach, a carrier that goes) ends in one reconcile pass: match, plug, compile, apply
the difference, unplug, report, save.  Passes run one at a time; what comes during one is folded into the next.

Without a supervisor (headless) the same passes run on the wanted state held, so forwarding, links and known NICs need
nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from dvswitch import __version__
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from vem.agent import announce, convert, observed
from vem.agent.ageing import DEFAULT_AGE
from vem.agent.announcer import Announcer
from vem.agent.arrivals import Arrivals
from vem.agent.attachments import Attachment, Stage
from vem.agent.balancer import Balancer
from vem.agent.carrying import Carrying
from vem.agent.compile import Compiled
from vem.agent.console import Console
from vem.agent.control_plane import ControlPlane
from vem.agent.datapath_side import Datapath
from vem.agent.discovery_side import HostFacts
from vem.agent.holdings import Holdings
from vem.agent.learned_look import LearnedLook
from vem.agent.links import Links
from vem.agent.mac_moves import MacMoves
from vem.agent.mobility_side import MobilitySide, Program
from vem.agent.remote import RemoteCommands
from vem.agent.reports import Reports, answer, attached, detached, duplicate, in_slices
from vem.agent.saving import Saving
from vem.agent.session import Endpoint, Session
from vem.agent.state import StateFile
from vem.agent.status import port_name
from vem.agent.uplinks import UplinkConfig
from vem.agent.wanted import Phase, Port, Refusal, Wanted
from vem.datapath.engine import Engine, EngineError
from vem.datapath.image import Image
from vem.niv.side import NivSide

PROTOCOL = 1
RETRY = 1.0
"""Seconds after which a pass that failed is tried again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What Hello says about this host."""

    host_uuid: str
    name: str
    domain: int
    system: str = ""
    address: str = ""
    max_ports: int = 1000


class Agent:
    """One host's agent.  Everything runs on the event loop; the engine has a thread of its own."""

    def __init__(
        self,
        identity: Identity,
        endpoint: Endpoint,
        uplinks: list[UplinkConfig],
        state: StateFile,
        open_engine: Callable[[], Engine],
        mac_age: float = DEFAULT_AGE,
        reverse_teaming: bool = True,
        rpf_promiscuous: bool = True,
        mobility: tuple[str, int] | Program | None = None,
    ) -> None:
        self.identity = identity
        self.session = Session(endpoint, self)
        self.console = Console(self)
        self._remote = RemoteCommands(self.console, lambda output: self.session.send(output))
        self.lock = asyncio.Lock()
        """Held while NICs, numbers and tables change."""
        self._uplink_configs, self._state, self._open_engine = uplinks, state, open_engine
        self._reverse_teaming, self._rpf_promiscuous = reverse_teaming, rpf_promiscuous
        self._mac_age, self._mobility_address = mac_age, mobility
        self.holdings: Holdings
        self.datapath: Datapath
        self.mobility: MobilitySide
        self.niv: NivSide
        self.compiled = Compiled(Wanted(), Image(), {}, ())
        self._reports = Reports()
        self._moves = MacMoves(lambda lport: port_name(self, lport, self.datapath.image))
        self._counters_every = 1.0
        self._unacked: list[tuple[int, float]] = []
        self._in_sync = self._report_all = self._stopped = False
        self._drained: dict[int, int] = {}
        self._absent: set[int] = set()
        self._dirty, self._passed = asyncio.Event(), asyncio.Event()
        self._due: asyncio.TimerHandle | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._tasks, self._finishing = set[asyncio.Task[None]](), set[asyncio.Task[None]]()

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the engine, adopt what it holds, bring it to the state held, and start looking for the supervisor."""
        saved = self._state.load()
        self.datapath = await Datapath.open(self._open_engine)
        self._announcer = Announcer(self.datapath)
        self.holdings = Holdings(saved, self.datapath.image, self.datapath.plugs)
        self.saving = Saving(self._state, self.holdings.saved)
        self.holdings.teaming.reverse = self._reverse_teaming
        self.holdings.teaming.rpf_promiscuous = self._rpf_promiscuous
        if not self._reverse_teaming:
            log.warning("reverse teaming is off: ports get duplicates, and frames they sent themselves (S-128)")
        for config in self._uplink_configs:
            self.holdings.add_uplink(config, self.identity.host_uuid)
        ports = self.holdings.staging.committed.ports.values()
        self._arrivals = Arrivals(self.holdings, lambda message: self.session.send(message))
        self._announcer.active = {port.veth: port.generation for port in ports if port.phase is Phase.ACTIVE}
        uuid, name = self.identity.host_uuid, self.identity.name
        self.niv = NivSide(self.datapath, self.holdings, uuid, name, self._dirty.set)
        self.control = ControlPlane(
            self.datapath,
            self.holdings,
            self._announcer,
            uuid,
            self._dirty.set,
            self._duplicate,
            HostFacts(name, self.identity.system, self.identity.address),
            self._arrivals.spoke,
            self.niv,
        )
        self.mobility = MobilitySide(self.datapath, self.holdings, self._mobility_address)
        self.control.followed = self.mobility.announced
        self._carrying = Carrying(self.datapath, self.holdings, self.control)
        self._balancer = Balancer(self.datapath, self.holdings, lambda: self.compiled, self._dirty.set)
        self._look = LearnedLook(self.datapath)
        self._links = Links(self.datapath, self.holdings, self.lock, self._dirty.set)
        async with self.lock:
            await self._pass()
        await self.saving.now()
        parts = (self._links, self.control, self._balancer, self._announcer, self.session)
        for job in (self._reconcile_loop, self._counter_loop, self._age_loop, *(part.run for part in parts)):
            self._spawn(job())

    async def run(self) -> None:
        """Until cancelled, or until a part of the agent fails (a bug): then that error."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def stop(self, keep: bool) -> None:
        """End; keep: leave the datapath forwarding if the engine can.  Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        tasks = (*self._tasks, *self._finishing, *self._announcer.tasks, *self._remote.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.saving.close()
        if not (keep and self.datapath.kind == "kernel"):
            await self.datapath.emit(self.control.discovery.farewells(time.monotonic()))
        await self.datapath.close(keep)
        await self.mobility.close()

    def _spawn(self, job: Coroutine[None, None, None]) -> None:
        self._tasks.add(asyncio.create_task(job))

    # --- what the session asks (SessionOwner) -------------------------------------------------------------------

    def hello(self) -> fabric.Hello:
        """Who we are and what we hold."""
        wanted = self.holdings.staging.told
        digest = convert.digest_of(wanted)
        return fabric.Hello(
            protocol=PROTOCOL,
            domain=self.identity.domain,
            host_uuid=self.identity.host_uuid,
            host_name=self.identity.name,
            engine=self.datapath.kind,
            version=__version__,
            system=self.identity.system,
            address=self.identity.address,
            max_ports=self.identity.max_ports,
            revision=wanted.revision if digest else 0,
            digest=digest,
            incarnation=self.datapath.incarnation,
            mobility=self.mobility.endpoint,
            modes=self.niv.modes,
        )

    def applied_revision(self) -> int:
        """Of the last Update that is in the datapath."""
        return self._unacked[0][0] - 1 if self._unacked else self.holdings.staging.committed.revision

    def welcomed(self, welcome: fabric.Welcome) -> None:
        """Tell the supervisor what is plugged in here."""
        self.holdings.slot = welcome.slot
        self._counters_every = max(0.1, welcome.counters_ms / 1000) if welcome.counters_ms else 1.0
        self._reports.reset()
        self._drained.clear()
        self._send_uplinks()
        self._send_attachments()

    def _send_attachments(self) -> None:
        for attachment in self.holdings.attachments:
            if attachment.stage is Stage.LEAVING:
                self.send_detached(attachment)
            else:
                self.send_attached(attachment)

    def updated(self, update: fabric.Update) -> None:
        """Desired state changed."""
        by_vis = self.niv.routes
        if self.holdings.staging.take(convert.update_from(update)):
            if by_vis and not self.niv.routes:
                self._send_attachments()  # which the supervisor knew of by the VIS
            self._unacked.append((update.revision, time.monotonic()))
            self._dirty.set()

    def installed(self, message: fabric.InstallState) -> None:
        """A moved port left this behind where it was: taken up when the port is active here."""
        self._carrying.hold(message)

    def in_sync(self, message: fabric.InSync) -> None:
        """From now on what is not wanted may go; reported in full after the next pass."""
        self._in_sync = self._report_all = True
        self._arrivals.again()
        self._dirty.set()

    def attach_refused(self, message: fabric.AttachRefused) -> None:
        """Unplug the NIC; who waits for it learns why."""
        found = self.holdings.attachments.by_request(message.request)
        attachment = found or self.holdings.attachments.find(convert.nic_from(message.nic))
        if attachment is None or attachment.stage is Stage.LEAVING:
            return
        log.warning("attach refused", nic=str(attachment.nic), reason=message.reason)
        attachment.refused = message.reason
        self.holdings.attachments.remove(attachment)
        self._dirty.set()

    def commanded(self, command: fabric.Command) -> None:
        """Run it beside everything else, and answer."""
        self._remote.begin(command)

    def command_cancelled(self, cancel: fabric.CancelCommand) -> None:
        """End it; nobody waits for its answer."""
        self._remote.cancel(cancel.id)

    def lost(self) -> None:
        """Nothing changes on the host; Updates that were not applied will come again."""
        self._remote.cancel_all()
        self.holdings.staging.forget_staged()
        self._unacked.clear()
        self._in_sync = self._report_all = False

    # --- reconcile ----------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """The supervisor is there and has sent everything."""
        return self.session.connected and self._in_sync

    async def reconcile(self) -> None:
        """Ask for a pass, and wait until one that began after this call is done."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._dirty.set()
        await done

    async def changed(self, seconds: float) -> None:
        """Wait for the end of a pass, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # (wait_for() may lose a cancellation that comes with the event)
                await self._passed.wait()

    async def _reconcile_loop(self) -> None:
        while True:
            await self._dirty.wait()
            await self.session.doubt.over()
            self._dirty.clear()
            waiting, self._waiting = self._waiting, []
            try:
                async with self.lock:
                    await self._pass()
            except EngineError as error:
                self._try_again(error)
            self._passed.set()
            self._passed = asyncio.Event()
            # The next pass does not wait for a slow disk.
            task = asyncio.create_task(self.saving.finish(waiting))
            self._finishing.add(task)
            task.add_done_callback(self._finishing.discard)

    async def _pass(self) -> None:
        unacked, report_all = tuple(self._unacked), self._report_all
        self.niv.follow()
        adopted = self.holdings.match(self._in_sync)
        plugs = self.holdings.plugs()
        absent = await self.datapath.plug_all(plugs)
        self._note_uplinks()
        await self._carrying.before()
        compiled, old = self._compile(), self.datapath.image
        failures = await self._converge(compiled)
        if not failures and await self.mobility.settle():
            await self._carrying.before()
            compiled = self._compile()
            failures = await self._converge(compiled)
        self.compiled = compiled
        touched: list[int] = []
        if not failures:
            await self._carrying.after()
            await self.niv.after(lambda: self._send_counters(full=True))
            touched = announce.touched(old, self.datapath.image)
            await self._announcer.moved(old, compiled, touched)
        await self.datapath.unplug_others(plugs.keys() | self.holdings.orphans.lports)
        self.holdings.free_lports(self.datapath.plugs.copy().keys())
        for attachment in adopted:
            self.send_attached(attachment)
        await self._acknowledge(unacked, [*compiled.refusals, *failures])
        await asyncio.sleep(0)  # That goes out first: what follows is nothing that a move waits for.
        self._note_absent(absent)
        if not failures:
            self.control.configure(compiled, touched)
        await self._report(report_all)

    def _compile(self) -> Compiled:
        """The Image for now; a pass is due when only time changes it."""
        now = time.monotonic()
        compiled = self.niv.overlay(self.mobility.overlay(self.holdings.compile(self.datapath.links, now)))
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if (due := self.holdings.due(now)) is not None:
            self._due = asyncio.get_running_loop().call_later(due - now, self._dirty.set)
        return compiled

    async def _converge(self, compiled: Compiled) -> list[Refusal]:
        self.saving.note(self.holdings.staging.told)
        last = [attachment.lport for attachment, _ in self._unreported(compiled.wanted)]
        try:
            small = await self.datapath.converge(compiled.image, self.niv.mtus(self.holdings.uplink_mtus()), last)
        except EngineError as error:
            self._try_again(error)
            return [Refusal(error.subject, str(error))]
        return [Refusal(error.subject, str(error)) for error in small]

    def _try_again(self, error: EngineError) -> None:
        log.error("the datapath did not take everything; trying again", reason=str(error))
        asyncio.get_running_loop().call_later(RETRY, self._dirty.set)

    def _note_absent(self, absent: Mapping[int, EngineError]) -> None:
        """Say once that a NIC can't be plugged; trying goes on."""
        for lport in absent.keys() - self._absent:
            log.warning("NIC is not there; its port stays down until it is", lport=lport, reason=str(absent[lport]))
        self._absent = set(absent)

    def _note_uplinks(self) -> None:
        for uplink in self.holdings.uplinks.values():
            uplink.present = uplink.lport in self.datapath.plugs
            uplink.link_up = uplink.present and self.datapath.links.get(uplink.lport, False)

    # --- telling the supervisor ---------------------------------------------------------------------------------

    async def _acknowledge(self, unacked: tuple[tuple[int, float], ...], problems: list[Refusal]) -> None:
        """The tables are in force: drained ports, and the Updates that are done."""
        await self._send_drained()
        now = time.monotonic()
        for item in unacked:
            if item in self._unacked:
                self._unacked.remove(item)
                self.session.send(answer(item[0], problems, now - item[1]))

    async def _report(self, report_all: bool) -> None:
        """Port and uplink states; everything once after InSync."""
        self._send_uplinks()
        if self._in_sync:
            states = self.compiled.veths
            self.session.send(*(fabric.ModuleMessage(port=state) for state in self._reports.ports(states)))
            self._send_observed()
            if niv := self._reports.niv(self.niv.report()):
                self.session.send(fabric.ModuleMessage(niv=niv))
        if report_all and self._in_sync:
            self._report_all = False
            await self._send_counters(full=True)

    def send_attached(self, attachment: Attachment, known: bool = True) -> bool:
        """PortAttached for a NIC; ``known``: as a reminder, if its number is known."""
        if self.niv.routes:
            return True  # VIF control tells it
        return self.session.send(attached(attachment, known))

    def send_detached(self, attachment: Attachment) -> bool:
        """PortDetached for a NIC whose vEth is known."""
        if not attachment.veth or self.niv.routes:
            return False
        return self.session.send(detached(attachment))

    def _send_uplinks(self) -> None:
        if not self.session.connected:
            return
        states = self._reports.uplinks(self.holdings.uplinks.values())
        unknown = self.holdings.staging.told.uplinks.keys() - self.holdings.uplinks.keys() if self._in_sync else ()
        gone = [fabric.UplinkState(number=number, present=False) for number in unknown]
        self.session.send(*(fabric.ModuleMessage(uplink=state) for state in [*states, *gone]))

    def _unreported(self, wanted: Wanted) -> list[tuple[Attachment, Port]]:
        """Ports that drain and are not reported as drained."""
        draining = self.holdings.draining(wanted)
        return [(item, port) for item, port in draining if self._drained.get(port.veth) != port.generation]

    async def _send_drained(self) -> None:
        """The entries are gone (a pass is over): final counters of ports that have moved away."""
        draining = self._unreported(self.compiled.wanted)
        if not draining or not self.session.connected:
            return
        lports, counters = [attachment.lport for attachment, _ in draining], self.datapath.last
        if not counters.keys() >= set(lports):
            counters = await self.datapath.counters(lports)
        for attachment, port in draining:
            last = convert.counters_to(convert.told(counters[attachment.lport]), attachment.life)
            carried = self._carrying.left(port.veth, port.generation)
            drained = fabric.PortDrained(veth=port.veth, generation=port.generation, last=last, carried=carried)
            if self.session.send(fabric.ModuleMessage(drained=drained)):
                self._drained[port.veth] = port.generation

    async def _send_counters(self, full: bool = False) -> None:
        began = self._lives()
        found = await self.datapath.counters()
        ports, lives = self.niv.counted(self.datapath.image.ports), self._lives()
        values = {lport: value for lport, value in found.items() if lives.get(lport) == began.get(lport)}
        for some in in_slices(values):
            if report := self._reports.counters(self.datapath.incarnation, ports, some, full, lives):
                self.session.send(fabric.ModuleMessage(counters=report))
            await asyncio.sleep(0)
        learned = await self._look.changed(values, full, time.monotonic())
        if learned is None:
            return
        if macs := self._reports.macs(ports, learned):
            self.session.send(fabric.ModuleMessage(macs=macs))
        for event in self._moves.look(ports, learned, values, time.monotonic()):
            log.warning("learned address moved", text=event.text)
            self.session.send(fabric.ModuleMessage(event=event))
        self._look.told(time.monotonic())

    def _lives(self) -> dict[int, int]:
        return {attachment.lport: attachment.life for attachment in self.holdings.attachments}

    def _send_observed(self) -> None:
        """Channels and neighbours, if they changed."""
        now, holdings = time.monotonic(), self.holdings
        usable = holdings.teaming.health.usable(now, holdings.up_delay)
        views = self.control.lacp.view(now)
        report = observed.channels(holdings.staging.committed, holdings.uplinks, usable, views, now)
        if channels := self._reports.channels(report):
            self.session.send(fabric.ModuleMessage(channels=channels))
        found = self.control.discovery.neighbours(now)
        if neighbors := self._reports.neighbors(found, lambda: observed.neighbors(found, now)):
            self.session.send(fabric.ModuleMessage(neighbors=neighbors))

    def _duplicate(self, mac: MacAddress, uplink: int) -> None:
        """S-269: to the log, and to the supervisor's events if it is in touch."""
        log.warning("duplicate MAC: a local port's address is used outside too", mac=str(mac), uplink=uplink)
        self.session.send(duplicate(mac, uplink))

    # --- loops --------------------------------------------------------------------------------------------------

    async def _counter_loop(self) -> None:
        while True:
            await asyncio.sleep(self._counters_every)
            if self.connected:
                self._send_observed()
                with suppress(EngineError):
                    await self._send_counters()

    async def _age_loop(self) -> None:
        while True:
            await asyncio.sleep(min(10.0, self.age_limit() / 10))
            with suppress(EngineError):
                await self.datapath.age(self.age_limit())

    def age_limit(self) -> float:
        """Seconds after which an address that is not seen goes: the switch's setting, else the host's."""
        switch = self.holdings.staging.committed.switch
        return (switch.mac_age if switch else 0.0) or self._mac_age
