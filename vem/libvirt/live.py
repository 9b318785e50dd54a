"""Asks this host's agent to let a device's prepared port go live, and waits: the guest stands still meanwhile.

Nothing but a socket is needed for that (vem/agent/live.py), so nothing else is loaded.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

SLACK = 2.0
"""Seconds that the answer may take beyond what the agent is asked to wait."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The agent's answer."""

    state: str
    """"forwarding", "blocked", "pending" or "prepared" (not live yet), "refused"."""
    veth: int
    detail: str

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing left to come."""
        return self.state in ("forwarding", "blocked")


def go_live(agent: Path, device: str, seconds: float) -> Outcome | None:
    """Within so many seconds; None if nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(seconds + SLACK)
            caller.connect(f"{agent}.live")
            caller.sendall(f"live {device} {seconds:.1f}\n".encode())
            line = caller.makefile("r", errors="replace").readline()
    except OSError:
        return None
    words = line.rstrip("\n").split(" ", 2)
    return Outcome(words[0], int(words[1]), words[2]) if len(words) == 3 and words[1].isdigit() else None
