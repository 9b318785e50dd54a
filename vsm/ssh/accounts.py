"""Who is let in.  The SSH server asks an Authenticator; LocalAccounts goes by the running configuration.

This is the seam for other sources of users, which `aaa authentication login` chooses: vsm/ssh/radius.py is one, and
TACACS+ would be another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from vsm.model.passwords import LONGEST, matches
from vsm.model.state import Config

_THREADS = 2
"""Password hashes computed at a time: each takes 16 MB and a processor for some 50 ms."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a password."""

    right: bool
    roles: tuple[str, ...] = ()
    """What the session may do whatever is configured; () = the roles of the user in the configuration."""


REFUSED = Admission(False)


class Authenticator(Protocol):
    """Knows users' secrets."""

    async def password(self, user: str, password: str) -> Admission:
        """Whether it is the user's password; LocalAccounts takes the same time whether or not there is such a user."""
        ...

    def has_key(self, user: str, key: str) -> bool:
        """Whether the user may log in with the public key "TYPE BASE64"."""
        ...


class LocalAccounts:
    """Users of the running configuration."""

    def __init__(self, config: Callable[[], Config]) -> None:
        """``config`` gives the configuration as it is now."""
        self._config = config
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="password")

    async def password(self, user: str, password: str) -> Admission:
        """See Authenticator."""
        account = self._config().users.get(user)
        stored = account.password if account else ""
        loop = asyncio.get_running_loop()
        return Admission(await loop.run_in_executor(self._pool, matches, password[: LONGEST + 1], stored))

    def has_key(self, user: str, key: str) -> bool:
        """See Authenticator."""
        account = self._config().users.get(user)
        return account is not None and key.split()[:2] in [known.split()[:2] for known in account.keys]

    def close(self) -> None:
        """Start no more hashing."""
        self._pool.shutdown(wait=False, cancel_futures=True)
