"""The supervisor as a process: store, services and listeners put together, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
import structlog

from dvswitch.errors import InvalidValue, StorageError, Unavailable
from dvswitch.promptness import be_prompt
from dvswitch.v1 import fabric_pb2_grpc, manager_pb2_grpc, operator_pb2_grpc
from vsm.api.manager import ManagerService
from vsm.api.operator import OperatorService
from vsm.cli.service import CliService
from vsm.cli.tables.migration import SUPERVISOR
from vsm.config import archive
from vsm.events.bus import EventBus
from vsm.events.derive import happened
from vsm.fabric.counters import Record
from vsm.fabric.runtime import FabricRuntime
from vsm.fabric.service import FabricService
from vsm.listen import bind, make_server
from vsm.machine import SAMPLE_S, Machine
from vsm.mobility import console
from vsm.mobility.driver import Mobility
from vsm.model.state import Config, State
from vsm.options import Options
from vsm.ssh.secrets import with_admin
from vsm.store.bootflash import Bootflash
from vsm.store.codec import decode, encode
from vsm.store.sqlite import SqliteStore
from vsm.supervisor import Supervisor

READY = "vsm ready"
"""Begins the line on standard output that says that all addresses are being listened on."""
_GRACE = 1.0
"""Seconds that calls under way may take at shutdown."""
_RETRY = 0.2
_SOON = 0.1
"""Seconds until last counters of a port are stored, if nothing else is stored before."""
_ANSWER = 0.1
"""Seconds between the order to restart and its beginning: the answer goes out first."""
_log = structlog.get_logger("vsm")


if TYPE_CHECKING:
    from vsm.mqtt.publisher import Publisher
    from vsm.ssh.front import SshFront


class Daemon:
    """One supervisor.  Make it inside a running event loop."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._store = open_store(options.data)
        try:
            self._supervisor = Supervisor(self._store)
            self._first_start()
            records = {name: decode(Record, data) for name, data in self._store.load_counters().items()}
        except BaseException:
            self._store.close()
            raise
        self._runtime = FabricRuntime(time.time, records)
        self._store.beside = self._last_counters
        self._bus = EventBus(time.time, lambda: self._supervisor.state.revision)
        self._supervisor.subscribe(self._publish)
        self._fabric = FabricService(self._supervisor, self._runtime, self._bus, options.timing)
        self._files = Bootflash(options.data / "bootflash")
        self._machine = Machine()
        self._cli = CliService(
            self._supervisor,
            self._runtime,
            time.time,
            self._command,
            files=self._files,
            restart=self._restart,
            factory=self._factory(),
            machine=self._machine,
        )
        self._mobility = Mobility(self._supervisor, self._runtime, self._fabric, options.patience)
        self._ssh: SshFront | None = None
        self._events = self._publisher()
        self._servers: list[grpc.aio.Server] = []
        self._addresses: list[str] = []
        """What is being listened on."""
        self._tidied = 0
        """Revision up to which the store was last tidied up."""
        self._stopping = asyncio.Event()
        self._again = False

    async def run(self) -> bool:
        """Serve until SIGTERM, SIGINT or `reload`; whether it is to be started again."""
        stop = self._stopping
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        persist = asyncio.create_task(self._persist_regularly())
        sample = asyncio.create_task(self._sample_regularly())
        revert = asyncio.create_task(self._revert_in_time())
        published = asyncio.create_task(self._events.run()) if self._events else None
        try:
            await self._listen()
            self._mobility.start()
            be_prompt()
            print(READY, " ".join(self._addresses), flush=True)
            _log.info("serving", addresses=self._addresses, revision=self._supervisor.state.revision)
            await stop.wait()
        finally:
            persist.cancel()
            sample.cancel()
            revert.cancel()
            await self._stop()
            if published:
                published.cancel()
                await asyncio.wait([published], timeout=_GRACE)
        return self._again

    async def _listen(self) -> None:
        options = self._options
        fabric, operators = make_server(), make_server()
        self._servers += [fabric, operators]
        fabric_pb2_grpc.add_FabricServicer_to_server(self._fabric, fabric)  # type: ignore[no-untyped-call]
        operator = OperatorService(self._supervisor, self._runtime, self._cli, self._bus)
        operator_pb2_grpc.add_OperatorServicer_to_server(operator, operators)  # type: ignore[no-untyped-call]
        manager = ManagerService(self._supervisor, self._runtime, self._mobility)
        manager_pb2_grpc.add_ManagerServicer_to_server(manager, operators)  # type: ignore[no-untyped-call]
        for address in options.listen_addresses:
            self._addresses.append(bind(fabric, address, options.tls_dir))
        if not options.operator_address.startswith("unix:"):
            raise InvalidValue(
                f"operator address {options.operator_address}", "must be a unix socket", "write unix:PATH"
            )
        self._addresses.append(bind(operators, options.operator_address, None))
        self._addresses += [bind(operators, address, options.tls_dir) for address in options.operator_listen]
        await fabric.start()
        await operators.start()
        if options.ssh_addresses:
            await self._listen_ssh()

    async def _listen_ssh(self) -> None:
        from vsm.ssh.front import SshFront  # costs much of a start, and not everybody wants it

        self._ssh = SshFront(self._options, self._supervisor, self._cli, self._bus, self._files)
        self._addresses += [f"ssh:{address}" for address in await self._ssh.start()]

    def _publisher(self) -> Publisher | None:
        """Who tells an MQTT broker; None: nobody is to."""
        options = self._options
        if not options.mqtt:
            return None
        from vsm.mqtt.make import make_publisher

        made = make_publisher(options, self._supervisor, self._runtime, self._bus)
        self._runtime.port_listeners.append(made.port_reported)
        return made

    async def _stop(self) -> None:
        await self._mobility.stop()
        if self._ssh:
            await self._ssh.stop()
        self._fabric.stop()
        for server in self._servers:
            await server.stop(_GRACE)
        self._remove_sockets()
        with suppress(StorageError):
            self._persist()
        self._store.close()
        _log.info("stopped")

    def _remove_sockets(self) -> None:
        for address in self._addresses:
            if address.startswith("unix:"):
                Path(address.removeprefix("unix:")).unlink(missing_ok=True)

    def _first_start(self) -> None:
        """A fresh store takes the switch's name and domain from the options; one without users gets the first."""
        state, options = self._supervisor.state, self._options
        if not state.revision:
            state = replace(state, config=self._factory())
        if options.ssh_addresses:
            state = with_admin(state, options.data, options.admin_password_file)
        self._supervisor.transact(lambda _: state)

    def _factory(self) -> Config:
        """The configuration of a new switch."""
        return Config(hostname=self._options.hostname, domain=self._options.domain)

    async def _command(self, slot: int, words: Sequence[str], part: Callable[[str], None] | None = None) -> str:
        """An operator's command, for a module or for the supervisor's own migrations; ``part`` as of the fabric's."""
        if slot == SUPERVISOR:
            return await console.run(self._mobility, words)
        return await self._fabric.command(slot, words, part)

    def _restart(self) -> None:
        """Begin anew from the store, once the operator has been answered."""
        self._again = True
        asyncio.get_running_loop().call_later(_ANSWER, self._stopping.set)

    async def _revert_in_time(self) -> None:
        """Take timed edits back when their time is over."""
        changed = asyncio.Event()
        self._supervisor.subscribe(lambda _old, _new: changed.set())
        while True:
            changed.clear()
            self._revert_if_due()
            pending = self._supervisor.state.archive.pending
            # What is due and still there could not be stored: try again in a while.
            wait = max(_RETRY, pending.deadline - time.time()) if pending else None
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), wait)

    def _revert_if_due(self) -> None:
        if not archive.due(self._supervisor.state, time.time()):
            return
        remarks: list[str] = []

        def edit(state: State) -> State:
            loaded = archive.revert(state)
            remarks.extend(loaded.remarks)
            return loaded.state

        try:
            self._supervisor.transact(edit)
        except StorageError as error:
            _log.error("timed edit not taken back", reason=str(error))
            return
        _log.warning("timed edit taken back: nobody confirmed it", remarks=remarks)

    def _publish(self, old: State, new: State) -> None:
        if old.config is new.config:
            self._bus.publish_soon(lambda: happened(old, new))
            return
        for news in happened(old, new):  # an operator's next line may ask for them
            self._bus.publish(news)

    async def _persist_regularly(self) -> None:
        final, clock, every = self._runtime.final, asyncio.get_running_loop().time, self._options.timing.persist
        due = clock() + every
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(final.wait(), max(due - clock(), 0.0))
            final.clear()
            await asyncio.sleep(_SOON)
            if clock() < due and not self._runtime.book.urgent():
                continue  # a step of the port's life has stored them meanwhile
            with suppress(StorageError):
                self._persist()
            due = clock() + every
            await self._tidy()

    async def _tidy(self) -> None:
        """Have the store tidied up if there is anything to."""
        revision = self._supervisor.state.revision
        if revision != self._tidied:
            self._tidied = revision
            try:
                await asyncio.to_thread(self._store.tidy)
            except StorageError as error:
                _log.warning("store not tidied up", reason=str(error))

    async def _sample_regularly(self) -> None:
        """Have the load of the last minutes at hand."""
        while True:
            with suppress(Unavailable):
                self._machine.sample(time.time())
            await asyncio.sleep(SAMPLE_S)

    def _last_counters(self) -> tuple[dict[str, Any], Callable[[], None]]:
        """Counters that belong to the step of a port's life that is about to be stored."""
        book = self._runtime.book
        return {name: encode(record) for name, record in book.urgent().items()}, book.urgent_saved

    def _persist(self) -> None:
        """Store the counters that changed; StorageError is logged and the next time tries again."""
        changed, gone = self._runtime.book.unsaved()
        if not changed and not gone:
            return
        try:
            self._store.save_counters({name: encode(record) for name, record in changed.items()}, gone)
        except StorageError as error:
            _log.error("counters not stored", reason=str(error))
            raise
        self._runtime.book.saved()


def open_store(directory: Path) -> SqliteStore:
    """The store in the data directory, which is made if it is missing."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(directory, 0o700)
    except OSError as error:
        raise StorageError(
            f"data directory {directory}", f"can't be used: {error.strerror}", "choose another with --data"
        ) from error
    return SqliteStore(directory / "vsm.db")
