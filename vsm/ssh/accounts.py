"""Who is let in.  The SSH server asks an Authenticator; LocalAccounts goes by the running configuration.

This is the seam for TACACS+ and RADIUS: another Authenticator, chosen by `aaa authentication login`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from vsm.model.passwords import LONGEST, matches
from vsm.model.state import Config

_THREADS = 2
"""Password hashes computed at a time: each takes 16 MB and a processor for some 50 ms."""


class Authenticator(Protocol):
    """Knows users' secrets."""

    async def password(self, user: str, password: str) -> bool:
        """Whether it is the user's password; takes the same time whether or not there is such a user."""
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

    async def password(self, user: str, password: str) -> bool:
        """See Authenticator."""
        account = self._config().users.get(user)
        stored = account.password if account else ""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, matches, password[: LONGEST + 1], stored)

    def has_key(self, user: str, key: str) -> bool:
        """See Authenticator."""
        account = self._config().users.get(user)
        return account is not None and key.split()[:2] in [known.split()[:2] for known in account.keys]

    def close(self) -> None:
        """Start no more hashing."""
        self._pool.shutdown(wait=False, cancel_futures=True)
