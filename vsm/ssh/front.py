"""The SSH server as part of the supervisor: made from its options, switched by `feature ssh`, fed with messages."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import structlog

from dvswitch.errors import DvsError
from vsm.cli.service import CliService
from vsm.cli.session import Session
from vsm.cli.show.logging import log_line
from vsm.events.bus import Event, EventBus
from vsm.model.state import State
from vsm.options import Options
from vsm.runtime import LogLine
from vsm.ssh.accounts import LocalAccounts
from vsm.ssh.radius import RadiusAccounts
from vsm.ssh.secrets import host_key, new_host_key
from vsm.ssh.server import SshServer, Surroundings
from vsm.store.bootflash import Bootflash
from vsm.supervisor import Supervisor

_log = structlog.get_logger("vsm.ssh")


class SshFront:
    """Lets users in while the configuration says so."""

    def __init__(
        self, options: Options, supervisor: Supervisor, cli: CliService, bus: EventBus, files: Bootflash
    ) -> None:
        self._options, self._supervisor, self._cli = options, supervisor, cli
        self._accounts = LocalAccounts(lambda: supervisor.state.config)
        around = Surroundings(
            lines=cli, begin=self._begin, end=cli.logins.end,
            sessions=lambda: len(cli.logins.sessions),
            limit=lambda: supervisor.state.config.session_limit,
            banner=lambda: supervisor.state.config.banner,
            roles=self._roles,
            accounts=RadiusAccounts(lambda: supervisor.state.config, self._accounts),
            bootflash=files,
        )  # fmt: skip
        self._server = SshServer(around, host_key(options.data), options.login_penalty_s)
        self._switching: asyncio.Task[None] | None = None
        cli.logins.host_key = self._server.public_key
        cli.logins.make_key = self._make_key
        supervisor.subscribe(self._changed)
        bus.subscribe(self._announce)

    async def start(self) -> list[str]:
        """Listen, unless `no feature ssh` is configured; the addresses.

        An address that was asked for must be free; the default one may be another supervisor's.
        """
        if not self._supervisor.state.config.ssh:
            return []
        taken: list[str] = []
        for address in self._options.ssh_addresses:
            try:
                taken.append(await self._server.listen(address))
            except DvsError as error:
                if self._options.ssh:
                    raise
                _log.warning("ssh is not served", reason=str(error))
        self._cli.logins.addresses = tuple(taken)
        return taken

    async def _make_key(self, kind: str, bits: int) -> str:
        """A new host key, kept on disk before it is used; StorageError leaves the old one in use."""
        self._server.use_key(await asyncio.to_thread(new_host_key, self._options.data, kind, bits))
        self._cli.logins.host_key = self._server.public_key
        return self._server.public_key

    async def stop(self) -> None:
        """Disconnect everybody."""
        if self._switching:
            self._switching.cancel()
            await asyncio.gather(self._switching, return_exceptions=True)
        await self._server.stop()
        self._accounts.close()

    def _begin(self, session: Session) -> None:
        self._cli.logins.begin(session, time.time(), self._supervisor.state.config.exec_timeout)

    def _roles(self, user: str) -> tuple[str, ...]:
        found = self._supervisor.state.config.users.get(user)
        return found.roles if found else ()

    def _changed(self, old: State, new: State) -> None:
        if old.config.ssh != new.config.ssh:
            self._switching = asyncio.create_task(self._switch(self._switching))

    async def _switch(self, before: asyncio.Task[None] | None) -> None:
        """Do what the configuration says by now."""
        if before:
            await asyncio.gather(before, return_exceptions=True)
        if self._supervisor.state.config.ssh and not self._cli.logins.addresses:
            with suppress(DvsError):  # told by start()
                await self.start()
        elif not self._supervisor.state.config.ssh:
            self._cli.logins.addresses = ()
            await self._server.hush()

    def _announce(self, event: Event) -> None:
        news = event.news
        line = LogLine(time.time(), news.kind, news.object, news.what, news.text)
        self._server.announce(log_line(line, self._supervisor.state.config.hostname))
