"""A live migration of a test guest: QEMU's part, and how long the guest stood still for it.

target = guest.twin(where=other_host)
with target:
    passage = migrate(guest, target, paused=lambda: ...)
guest.stop()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.vm.qemu import Guest
from tests.vm.qmp import Qmp, QmpFailed

DOWNTIME_MS = 300
"""QEMU goes on copying until the rest takes no longer than this."""
NO_LIMIT = 1 << 33
"""Bytes a second."""


@dataclass(frozen=True)
class Passage:
    """When the guest stopped on the source and ran on the target; seconds since 1970."""

    stopped: float
    resumed: float

    @property
    def gap(self) -> float:
        """The hypervisor's own pause, in seconds."""
        return self.resumed - self.stopped


def migrate(source: Guest, target: Guest, channel: Path, *, rounds: int, paused: Callable[[], None]) -> Passage:
    """Move a running guest to one that waits (`Guest(incoming=True)`), and let it run there.

    ``channel``: a unix socket to be made.  ``rounds``: RARPs that QEMU sends on the target, 0 for a silent move.
    ``paused`` is called when the guest has stopped on the source, while QEMU copies the rest.
    """
    with Qmp(source.control) as there, Qmp(target.control) as here:
        _connect(there, here, channel)
        there.command("migrate-set-parameters", **{"downtime-limit": DOWNTIME_MS, "max-bandwidth": NO_LIMIT})
        here.command("migrate-set-parameters", **{"announce-rounds": rounds})
        there.command("migrate", uri=f"unix:{channel}")
        stopped = there.wait_event("STOP")
        paused()
        there.wait_event("MIGRATION completed")
        return Passage(stopped, here.wait_event("RESUME"))


def begin_and_give_up(source: Guest, target: Guest, channel: Path) -> None:
    """Start a migration that takes for ever, and cancel it: the guest runs on where it is."""
    with Qmp(source.control) as there, Qmp(target.control) as here:
        _connect(there, here, channel)
        there.command("migrate-set-parameters", **{"max-bandwidth": 1 << 20})
        there.command("migrate", uri=f"unix:{channel}")
        there.wait_event("MIGRATION active")
        there.command("migrate_cancel")
        there.wait_event("MIGRATION cancelled")


def _connect(there: Qmp, here: Qmp, channel: Path) -> None:
    for end in (there, here):
        end.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
    here.command("migrate-incoming", uri=f"unix:{channel}")


__all__ = ["Passage", "QmpFailed", "begin_and_give_up", "migrate"]
