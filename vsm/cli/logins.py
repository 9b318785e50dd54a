"""Sessions of users who logged in over the network, and what there is to know of the way they came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from vsm.cli.session import Session


@dataclass(slots=True)
class Logins:
    """Kept by the SSH server (vsm/ssh), looked at by show commands."""

    sessions: list[Session] = field(default_factory=list)
    """In the order in which they began."""
    host_key: str = ""
    """Public key of the SSH server, as "TYPE BASE64"; "" = it has not run."""
    make_key: Callable[[str, int], Awaitable[str]] | None = None
    """Has the SSH server use a new host key of a kind ("rsa", "ecdsa", "ed25519") and so many bits from now on; gives
    the public key.  None = it does not run."""
    addresses: tuple[str, ...] = ()
    """Where it listens, as "ADDRESS:PORT"."""

    def begin(self, session: Session, now: float, timeout: int) -> None:
        """A user has come; ``now`` in Unix time, ``timeout`` in minutes."""
        session.began = session.used = now
        session.timeout = timeout
        self.sessions.append(session)

    def end(self, session: Session) -> None:
        """The session is over; nothing is run in it any more."""
        session.closed = True
        if session in self.sessions:
            self.sessions.remove(session)
