"""The heart of the VSM: one State, changed by transactions that are durable before anyone is told.

Everything that changes something (CLI, manager API, module sessions, mobility) hands a pure function State -> State to
transact(); everything that must know (module sessions, event stream) subscribes.  The store is behind a small interface
so that the core can be tested without a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from vsm.model.state import State

Change = Callable[[State], State]
Listener = Callable[[State, State], None]


class Store(Protocol):
    """Where states are kept (vsm/store)."""

    def load(self) -> State:
        """The last committed state, or a fresh one."""
        ...

    def save(self, old: State, new: State) -> None:
        """Make ``new`` durable (on stable storage) before returning; StorageError leaves ``old`` in force."""
        ...


class Supervisor:
    """Holds the State.  Single-threaded: all calls come from the event loop's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._state = store.load()
        self._listeners: list[Listener] = []
        self._together = False
        self._saved: State | None = None
        """The last saved state, while there is a later one that is not."""

    @property
    def state(self) -> State:
        """What is committed now; within together() what is about to be."""
        return self._state

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(old, new)`` after every commit, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def transact(self, change: Change, *, later: bool = False) -> State:
        """Apply ``change``, store it, tell the listeners; returns the state in force.

        Whatever ``change`` raises, and StorageError, leave everything as it was.  ``later``: within together(), leave
        storing and telling to its end.
        """
        old = self._state
        new = change(old)
        if new == old:
            return old
        new = replace(new, revision=old.revision + 1)
        if later and self._together:
            self._saved = self._saved or old
            self._state = new
        else:
            self._commit(self._saved or old, new)
        return new

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is transacted within for later is stored by one save at the end, and told as one change.

        StorageError at the end: the state is again what it was at the last save, and nobody was told.
        """
        self._together = True
        try:
            yield
            if self._saved:
                self._commit(self._saved, self._state)
        finally:
            self._together = False
            if self._saved:
                self._state, self._saved = self._saved, None

    def _commit(self, old: State, new: State) -> None:
        self._store.save(old, new)
        self._saved, self._state = None, new
        for listener in tuple(self._listeners):
            listener(old, new)
