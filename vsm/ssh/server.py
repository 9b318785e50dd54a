"""The SSH server: users log in, get a command line or run a command, and copy files to and from `bootflash:`.

Everything runs in the supervisor's event loop; only passwords are hashed elsewhere.  A client that does not read holds
up its own session and nothing else: what is waiting for it is bounded by the channel's window and one piece of output.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncssh
import structlog

from dvswitch.errors import InvalidValue, Unavailable
from vsm.cli.session import Session
from vsm.model.users import NETWORK_ADMIN, NETWORK_OPERATOR
from vsm.ssh.accounts import REFUSED, Admission, Authenticator
from vsm.ssh.files import BootflashServer, Rights
from vsm.ssh.session import Lines, Login, Shell, run_command
from vsm.store.bootflash import Bootflash

KEX = (
    "mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "diffie-hellman-group16-sha512",
)  # fmt: skip
CIPHERS = (
    "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com",
    "aes256-ctr", "aes192-ctr", "aes128-ctr",
)  # fmt: skip
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
SIGNATURES = (
    "ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512", "rsa-sha2-256",
)  # fmt: skip
MAX_STRANGERS = 128
"""Connections at a time that have not logged in."""
MAX_TRIES = 3
"""Wrong passwords on one connection."""
_LOGIN_TIMEOUT = 60
_KEEPALIVE, _KEEPALIVES_LOST = 30, 3
"""Seconds between probes of a silent client, and how many it may leave unanswered."""
_KNOWN_ORIGINS = 1024
_GRANTED = "granted_roles"
"""What a connection knows of the roles that came with its login."""
_log = structlog.get_logger("vsm.ssh")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the server works with."""

    lines: Lines
    begin: Callable[[Session], None]
    end: Callable[[Session], None]
    sessions: Callable[[], int]
    """How many there are."""
    limit: Callable[[], int]
    banner: Callable[[], str]
    """What is shown before a login; "" = nothing."""
    roles: Callable[[str], tuple[str, ...]]
    """Of a user; empty when there is none."""
    accounts: Authenticator
    bootflash: Bootflash


class SshServer:
    """Listens where it is told to."""

    def __init__(self, around: Surroundings, host_key: bytes, penalty_s: float = 1.0) -> None:
        """``penalty_s``: how long the answer to a first wrong password takes; each further one of an address longer."""
        self.around = around
        self._key = asyncssh.import_private_key(host_key)
        self._listeners: list[asyncssh.SSHAcceptor] = []
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self.strangers = 0
        self._penalties = Penalties(penalty_s, time.monotonic)
        self._numbers: set[int] = set()
        self._shells: set[Shell] = set()

    @property
    def public_key(self) -> str:
        """The host key as "TYPE BASE64"."""
        return " ".join(self._key.export_public_key("openssh").decode().split()[:2])

    async def listen(self, address: str) -> str:
        """Listen at "HOST:PORT" too; the address with the port that was taken.  Unavailable if that can't be done."""
        host, port = split_address(address)
        try:
            listener = await asyncssh.listen(
                host, port,
                options=self._options(), server_factory=lambda: _Connection(self),
                process_factory=self._serve, sftp_factory=self._files, allow_scp=True,
                encoding=None, line_editor=False,
            )  # fmt: skip
        except OSError as error:
            raise Unavailable(
                f"ssh address {address}", f"can't be listened on: {error.strerror}", "choose another"
            ) from error
        self._listeners.append(listener)
        return f"{address.rpartition(':')[0]}:{listener.get_port()}"

    def use_key(self, host_key: bytes) -> None:
        """Clients that connect from now on see another host key."""
        self._key = asyncssh.import_private_key(host_key)
        for listener in self._listeners:
            listener.update(server_host_keys=[self._key])

    async def hush(self) -> None:
        """Listen nowhere any more; those who are logged in stay."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()
        for listener in listeners:
            await listener.wait_closed()

    async def stop(self) -> None:
        """Listen nowhere and disconnect everybody."""
        await self.hush()
        connections = tuple(self._connections)
        for connection in connections:
            connection.disconnect(asyncssh.DISC_BY_APPLICATION, "the supervisor stops")
        for connection in connections:
            connection.abort()

    def announce(self, text: str) -> None:
        """Show a message on the terminals that asked for messages."""
        for shell in self._shells:
            shell.announce(text)

    def _options(self) -> asyncssh.SSHServerConnectionOptions:
        return asyncssh.SSHServerConnectionOptions(
            server_host_keys=[self._key],
            server_version="dvswitch",
            kex_algs=KEX, encryption_algs=CIPHERS, mac_algs=MACS, signature_algs=SIGNATURES, compression_algs=["none"],
            login_timeout=_LOGIN_TIMEOUT,
            keepalive_interval=_KEEPALIVE, keepalive_count_max=_KEEPALIVES_LOST,
            agent_forwarding=False, x11_forwarding=False, gss_host=None, host_based_auth=False,
        )  # fmt: skip

    # ---- connections

    def begun(self, connection: asyncssh.SSHServerConnection) -> None:
        """Somebody has connected."""
        self._connections.add(connection)
        self.strangers += 1
        if self.strangers > MAX_STRANGERS:
            connection.abort()

    def ended(self, connection: asyncssh.SSHServerConnection, stranger: bool) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self.strangers -= stranger

    async def check_password(self, user: str, password: str, origin: str) -> Admission:
        """Whether the password is right; a wrong one is answered late."""
        admission = await self.around.accounts.password(user, password)
        if admission.right:
            self._penalties.forgive(origin)
            return admission
        _log.warning("login failed", user=user, origin=origin)
        await asyncio.sleep(self._penalties.add(origin))
        return REFUSED

    # ---- sessions

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        status = 1
        try:
            status = await self._session(process)
        except (asyncssh.Error, OSError):
            pass  # the client is gone, or took no output for too long
        except Exception as error:
            _log.error("session failed", error=repr(error), exc_info=True)
            _tell(process, "ERROR: the session has failed; the supervisor's log says why")
        with suppress(OSError):  # the channel is gone, but others of the connection may be there
            process.exit(status)

    async def _session(self, process: asyncssh.SSHServerProcess[bytes]) -> int:
        around = self.around
        if process.subsystem:
            _tell(process, "% This subsystem is not served here")
            return 1
        if around.sessions() >= around.limit():
            _tell(process, "% All sessions are in use, try again later")
            return 1
        number = next(number for number in range(len(self._numbers) + 1) if number not in self._numbers)
        self._numbers.add(number)
        session = self._new_session(process, number)
        session.hang_up = process.close
        around.begin(session)
        _log.info("session begins", user=session.user, origin=session.origin, line=session.line)
        try:
            return await self._talk(process, Login(around.lines, session))
        finally:
            around.end(session)
            self._numbers.discard(number)
            _log.info("session ends", user=session.user, origin=session.origin, line=session.line)

    async def _talk(self, process: asyncssh.SSHServerProcess[bytes], login: Login) -> int:
        if process.command is not None:
            return await run_command(process, login, process.command)
        shell = Shell(process, login)
        self._shells.add(shell)
        try:
            await shell.run()
        finally:
            self._shells.discard(shell)
        return 0

    def _new_session(self, process: asyncssh.SSHServerProcess[bytes], number: int) -> Session:
        user, peer = process.get_extra_info("username"), process.get_extra_info("peername")
        granted = process.get_extra_info(_GRANTED, ())
        return Session(f"{user}@{number}", user=user, granted=granted, line=f"pts/{number}", origin=_host(peer))

    def _files(self, channel: Any) -> asyncssh.SFTPServer:
        roles = channel.get_extra_info(_GRANTED, ()) or self.around.roles(channel.get_extra_info("username"))
        writes = NETWORK_ADMIN in roles
        return BootflashServer(channel, self.around.bootflash, Rights(writes or NETWORK_OPERATOR in roles, writes))


class _Connection(asyncssh.SSHServer):
    """Logging in, on one connection."""

    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._stranger = True
        self._tries = 0
        self._greeted = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """A client has come."""
        self._connection = conn
        self._origin = _host(conn.get_extra_info("peername"))
        self._server.begun(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._server.ended(self._connection, self._stranger)

    def begin_auth(self, username: str) -> bool:
        """Nobody gets in without."""
        if (text := self._server.around.banner()) and not self._greeted:
            self._connection.send_auth_banner(text.replace("\n", "\r\n") + "\r\n")
            self._greeted = True
        return True

    def auth_completed(self) -> None:
        """It is somebody we know."""
        self._stranger = False
        self._server.strangers -= 1

    def password_auth_supported(self) -> bool:
        """Yes."""
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        """Whether it is right."""
        admission = await self._server.check_password(username, password, self._origin)
        if admission.right:
            self._connection.set_extra_info(**{_GRANTED: admission.roles})
            return True
        self._tries += 1
        if self._tries >= MAX_TRIES:
            self._connection.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many wrong passwords")
        return False

    def public_key_auth_supported(self) -> bool:
        """Yes."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether it is one of the user's."""
        return self._server.around.accounts.has_key(username, key.export_public_key("openssh").decode())


class Penalties:
    """How long to make those wait who try passwords: doubled with each failure of an address, halved each minute."""

    _LONGEST = 16.0

    def __init__(self, first_s: float, clock: Callable[[], float]) -> None:
        self._first, self._clock = first_s, clock
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def add(self, origin: str) -> float:
        """Note a failure; seconds to wait."""
        now = self._clock()
        wait, then = self._failures.pop(origin, (0.0, now))
        wait *= math.exp2((then - now) / 60)
        wait = min(self._LONGEST * self._first, max(self._first, 2 * wait))
        self._failures[origin] = (wait, now)
        if len(self._failures) > _KNOWN_ORIGINS:
            self._failures.popitem(last=False)
        return wait

    def forgive(self, origin: str) -> None:
        """Somebody at that address knew a password."""
        self._failures.pop(origin, None)


def _tell(process: asyncssh.SSHServerProcess[bytes], text: str) -> None:
    with suppress(OSError):
        process.stderr.write(f"{text}\r\n".encode())


def split_address(address: str) -> tuple[str, int]:
    """ "HOST:PORT" or "[HOST]:PORT" as host and port; InvalidValue."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise InvalidValue(f"ssh address {address}", "is not understood", "write ADDRESS:PORT, as 127.0.0.1:2022")
    return host.strip("[]"), int(port)


def _host(peer: Any) -> str:
    return str(peer[0]) if isinstance(peer, tuple) and peer else "unknown"
