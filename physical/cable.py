"""Cables of the machine room: two ends, each a pair of datagram addresses in one directory, that can be cut and mended.

End a receives on NAME.a and sends to NAME.to-b, which is a symbolic link to NAME.b; end b the other way round.  Cutting
takes the links away: the senders (light guests, the user engine, QEMU) name the address with every frame, so that
from that instant on their frames go nowhere, in both directions, whoever is plugged in or comes later.  Nothing
stands between the ends: an uncut cable costs nothing.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dvswitch.errors import InvalidValue
from physical.wire import Wire, WireEnd

ENDS = ("a", "b")


class Cable:
    """A cable called ``name`` in ``directory``; making one finds or lays it, uncut."""

    def __init__(self, directory: str | Path, name: str) -> None:
        self.directory = Path(directory)
        self.name = name
        if not name or "/" in name:
            raise InvalidValue(f"cable '{name}'", "can't be called so", "use letters, digits and dashes")
        self._wires = {end: self._wire(end, other) for end, other in (ENDS, ENDS[::-1])}
        self.mend()

    def end(self, which: str) -> Wire:
        """How to plug in at end "a" or "b"."""
        return self._wires[which]

    @property
    def is_cut(self) -> bool:
        """Whether frames are stopped in both directions."""
        return not any(link.is_symlink() for link in self._links())

    def cut(self) -> None:
        """Stop all frames; idempotent."""
        for link in self._links():
            with contextlib.suppress(FileNotFoundError):
                link.unlink()

    def mend(self) -> None:
        """Let frames pass; idempotent."""
        for end, link in zip(ENDS, self._links(), strict=True):
            with contextlib.suppress(FileExistsError):
                os.symlink(f"{self.name}.{end}", link)

    def lead(self, end: str, to: str) -> None:
        """Let frames from an end go to another socket of the directory ("": to the other end), unless the cable is cut.

        In one step: no frame finds no link.
        """
        other = ENDS[1 - ENDS.index(end)]
        link = Path(f"{self.directory / self.name}.to-{other}")
        if link.is_symlink():
            beside = link.with_name(f"{link.name}.new")
            os.symlink(to or f"{self.name}.{other}", beside)
            os.replace(beside, link)

    def remove(self) -> None:
        """Take the cable away, with what unplugged ends left behind."""
        self.cut()
        for wire in self._wires.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(wire.local.path)

    def _wire(self, end: str, other: str) -> Wire:
        base = self.directory / self.name
        return Wire(WireEnd.parse(f"unix:{base}.{end}"), WireEnd.parse(f"unix:{base}.to-{other}"))

    def _links(self) -> list[Path]:
        return [self.directory / f"{self.name}.to-{end}" for end in ENDS]
