"""Managers that watch the port groups: each is told the whole catalogue, then differences to what it was told before.

What waits for a slow watcher is never more than that difference: nothing is queued, and nobody waits for it.  What a
port group is: vsm/policy/catalog.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from dvswitch.errors import Conflict, InvalidValue
from vsm.fabric.runtime import FabricRuntime
from vsm.model.state import Config, State
from vsm.observed import ManagerStatus
from vsm.policy.catalog import Catalog, Difference, catalog, difference
from vsm.supervisor import Supervisor

MAX_WATCHERS = 64
_NAME = re.compile(r"[!-~]{1,80}")


@dataclass(frozen=True, slots=True)
class Update:
    """What a watcher is told."""

    snapshot: bool
    revision: int
    difference: Difference


class CatalogService:
    """Serves watchers.  Single-threaded, like the supervisor."""

    def __init__(self, supervisor: Supervisor, runtime: FabricRuntime) -> None:
        self._supervisor, self._runtime = supervisor, runtime
        self._seen: tuple[object, Catalog] = (None, {})

    async def watch(self, manager: ManagerStatus) -> AsyncGenerator[Update, None]:
        """The catalogue and its changes, until the caller ends it.

        InvalidValue for a name that is none; Conflict when the operator has closed the manager's connection, also later
        on, or when there are too many watchers.
        """
        if not _NAME.fullmatch(manager.name):
            raise InvalidValue("manager", "tells no name of 1-80 printable characters", "set manager")
        if len(self._runtime.watchers) >= MAX_WATCHERS:
            raise Conflict(f"manager {manager.name}", f"{MAX_WATCHERS} managers are watching already", "end one")
        changed, key = asyncio.Event(), object()
        changed.set()

        def look(old: State, new: State) -> None:
            if (old.config.profiles, old.config.connections) != (new.config.profiles, new.config.connections):
                changed.set()

        leave = self._supervisor.subscribe(look)
        self._runtime.watchers[key] = manager
        try:
            while await changed.wait():
                changed.clear()
                state, told = self._supervisor.state, self._runtime.watchers[key].told
                check_open(state.config, manager.name)
                now = self._catalog(state.config)
                steps = difference(told or {}, now)
                if told is None or steps:
                    yield Update(told is None, state.revision, steps)
                self._runtime.watchers[key] = replace(manager, told=now)
        finally:
            leave()
            del self._runtime.watchers[key]

    def _catalog(self, config: Config) -> Catalog:
        """catalog(), worked out once for all watchers."""
        profiles: object = config.profiles
        if self._seen[0] is not profiles:
            self._seen = (profiles, catalog(config))
        return self._seen[1]


def check_open(config: Config, manager: str) -> None:
    """Conflict if the operator has a connection for this manager and has not said `connect` there."""
    connection = config.connections.get(manager)
    if connection is not None and not connection.enabled:
        raise Conflict(f"svs connection {manager}", "is not enabled", "say 'connect' there")
