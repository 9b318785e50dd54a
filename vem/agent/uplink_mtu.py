"""The MTU of the NICs that uplinks are: enough for what the switch sends by them, never less than was found (S-243).

It is raised before the tables let larger frames pass, and lowered after they do so no more (datapath_side.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vem.datapath import kernel_nic
from vem.datapath.engine import EngineError, Plug


class UplinkMtus:
    """Which NICs were changed; calls block, so they belong on the engine's thread."""

    def __init__(
        self, read: Callable[[Plug], int] = kernel_nic.mtu, write: Callable[[Plug, int], None] = kernel_nic.set_mtu
    ) -> None:
        self._read, self._write = read, write
        self._found: dict[Plug, int] = {}
        self._now: dict[Plug, int] = {}

    def raise_to(self, wanted: Mapping[Plug, int]) -> list[EngineError]:
        """Raise those that are too small; returns what could not be done."""
        errors = []
        for plug, least in wanted.items():
            try:
                if plug not in self._found:
                    self._found[plug] = self._now[plug] = self._read(plug)
                if self._now[plug] < least:
                    self._set(plug, least)
            except EngineError as error:
                errors.append(error)
        return errors

    def lower_to(self, wanted: Mapping[Plug, int]) -> None:
        """Give the others back what is not needed any more; a NIC that is gone has nothing to be given."""
        for plug, found in list(self._found.items()):
            enough = max(found, wanted.get(plug, 0))
            try:
                if self._now[plug] > enough:
                    self._set(plug, enough)
            except EngineError:
                del self._found[plug], self._now[plug]
                continue
            if plug not in wanted:
                del self._found[plug], self._now[plug]

    def settled(self, wanted: Mapping[Plug, int]) -> bool:
        """Whether raise_to() and lower_to() would do nothing."""
        found, now = self._found, self._now
        return found.keys() == wanted.keys() and all(
            least <= now[plug] <= max(found[plug], least) for plug, least in wanted.items()
        )

    def _set(self, plug: Plug, value: int) -> None:
        self._write(plug, value)
        self._now[plug] = value
