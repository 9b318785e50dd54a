"""Passwords checked by RADIUS servers (RFC 2865), by way of pyrad; RadiusAccounts stands before LocalAccounts.

Requests carry a Message-Authenticator and an answer without one counts for nothing (CVE-2024-3596).  What a server says
of roles comes as cisco-av-pair `shell:roles="NAME NAME"`, as on NX-OS.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Callable, Iterable

import structlog
from pyrad.client_async import ClientAsync
from pyrad.dictionary import Dictionary
from pyrad.packet import AccessAccept

from vsm.model.radius import LoginBy, RadiusServer
from vsm.model.state import Config
from vsm.model.users import NETWORK_OPERATOR
from vsm.ssh.accounts import REFUSED, Admission, Authenticator

PATIENCE_S = 40.0
"""Seconds that all servers may take together: time is left for the local password before the login times out."""
_USER_NAME, _USER_PASSWORD, _NAS_IDENTIFIER = 1, 2, 32
_CISCO_AV_PAIR = (9, 1)
_LONGEST = 128
"""Bytes of a password that the protocol takes."""
_USER = re.compile(r"[!-~]{1,64}")
_ROLES = re.compile(r"shell:roles[=*]\s*\"?([^\"]*)\"?\s*")
_DICTIONARY = Dictionary(io.StringIO("VENDOR Cisco 9\nBEGIN-VENDOR Cisco\nATTRIBUTE Cisco-AVPair 1 string\n"))
_log = structlog.get_logger("vsm.ssh")
logging.getLogger("vsm.ssh.pyrad").setLevel(logging.CRITICAL)  # it would log whole answers; what matters is said here


class RadiusAccounts:
    """Asks the configured servers about passwords; keys are a matter of the users configured here."""

    def __init__(self, config: Callable[[], Config], local: Authenticator) -> None:
        """``config`` gives the configuration as it is now."""
        self._config, self._local = config, local

    async def password(self, user: str, password: str) -> Admission:
        """See Authenticator.  The first server that answers decides; the next one is asked when one is silent."""
        config = self._config()
        if config.login_by is LoginBy.LOCAL:
            return await self._local.password(user, password)
        secret = password.encode("utf-8", "surrogatepass")
        if not _USER.fullmatch(user) or not 0 < len(secret) <= _LONGEST:
            return REFUSED
        said = await _ask(config, user, secret)
        if said is not None:
            return said
        if config.login_by is LoginBy.RADIUS_LOCAL:
            return await self._local.password(user, password)
        return REFUSED

    def has_key(self, user: str, key: str) -> bool:
        """See Authenticator."""
        return self._local.has_key(user, key)


async def _ask(config: Config, user: str, password: bytes) -> Admission | None:
    """What the first server that answers says; None = all are silent."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            for server in config.radius:
                try:
                    return await _ask_one(config, server, user, password)
                except (OSError, UnicodeError) as error:  # TimeoutError among them; a name that is none
                    _log.warning("radius server does not answer", server=server.host, error=str(error))
    except TimeoutError:
        _log.warning("radius servers take too long", seconds=PATIENCE_S)
    return None


async def _ask_one(config: Config, server: RadiusServer, user: str, password: bytes) -> Admission:
    """What this server says; OSError or UnicodeError if nothing."""
    client = ClientAsync(
        server.host,
        auth_port=server.port,
        secret=server.key.encode(),
        dict=_DICTIONARY,
        retries=config.radius_retransmit if server.retransmit is None else server.retransmit,
        timeout=config.radius_timeout if server.timeout is None else server.timeout,
        enforce_ma=True,
        logger_name="vsm.ssh.pyrad",
    )
    try:
        await client.initialize_transports(enable_auth=True)
        request = client.CreateAuthPacket()
        request[_USER_NAME] = [user.encode()]
        request[_USER_PASSWORD] = [request.PwCrypt(password)]
        request[_NAS_IDENTIFIER] = [config.hostname.encode()]
        answer = await client.SendPacket(request)
    finally:
        await client.deinitialize_transports()
    if answer.code != AccessAccept:  # a challenge has nobody to answer it
        return REFUSED
    return Admission(True, roles_in(answer.get(_CISCO_AV_PAIR, [])))


def roles_in(pairs: Iterable[bytes]) -> tuple[str, ...]:
    """The roles that attributes give; network-operator where none says anything of roles."""
    found = [match for pair in pairs if (match := _ROLES.fullmatch(pair.decode("utf-8", "replace")))]
    names = tuple(dict.fromkeys(name for match in found for name in re.split(r"[\s,]+", match[1]) if name))
    return names or (NETWORK_OPERATOR,)
