"""What the last pass made of each NIC, for the next one to use again (compile.py).

Compiling is complete every time, but almost nothing differs from one pass to the next: of a thousand NICs one was
plugged in.  What a NIC's entries follow from is its key; while that is the same, so are they, and being the very same
objects they are cheap to compare wherever the difference of two Images is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

V = TypeVar("V")
T = TypeVar("T")
K = TypeVar("K")


@dataclass(slots=True)
class Remembered(Generic[V]):
    """Memory from one pass to the next; ``V``: what is kept of a NIC."""

    _nics: dict[int, tuple[tuple[object, ...], V]] = field(default_factory=dict)
    _values: dict[Hashable, object] = field(default_factory=dict)

    def same(self, name: Hashable, value: T) -> T:
        """The object that was ``name`` last time if it equals ``value``, which is remembered otherwise."""
        before = self._values.get(name)
        if type(before) is type(value) and before == value:
            return before
        self._values[name] = value
        return value

    def made(self, name: Hashable, key: K, make: Callable[[K], T]) -> T:
        """What ``make`` made of ``key``, the very same object as long as that is equal."""
        found = self._values.get(name)
        if not isinstance(found, tuple) or found[0] != key:
            found = self._values[name] = key, make(key)
        return cast("T", found[1])

    def get(self, lport: int, key: tuple[object, ...]) -> V | None:
        """What was made of a NIC, if all that it followed from is the same."""
        found = self._nics.get(lport)
        return found[1] if found is not None and found[0] == key else None

    def put(self, lport: int, key: tuple[object, ...], value: V) -> None:
        """For the next pass."""
        self._nics[lport] = key, value

    def keep_only(self, lports: Collection[int]) -> None:
        """Forget NICs that are gone."""
        for lport in self._nics.keys() - lports:
            del self._nics[lport]


__all__ = ["Remembered"]
