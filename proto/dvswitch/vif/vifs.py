"""The VIFs of one link: who has which.

A VIF is stable for as long as its NIC has it.  One that was released is given to somebody else as late as possible,
so that a frame on its way does not reach the wrong guest.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dvswitch.errors import Unavailable
from dvswitch.vif.messages import FIRST_VIF, LAST_VIF


@dataclass(slots=True)
class Vifs:
    """VIFs 1..``last`` of the link that people know as ``label``."""

    label: str
    last: int = LAST_VIF
    owners: dict[int, str] = field(default_factory=dict)
    _released: deque[int] = field(default_factory=deque)
    _fresh: int = FIRST_VIF

    def take(self, owner: str, wished: int = 0) -> int:
        """One for ``owner``, the wished one if it can be; Unavailable when all are taken."""
        vif = wished if FIRST_VIF <= wished <= self.last and wished not in self.owners else self._free()
        self.owners[vif] = owner
        return vif

    def _free(self) -> int:
        while self._fresh <= self.last:
            self._fresh += 1
            if self._fresh - 1 not in self.owners and self._fresh - 1 not in self._released:
                return self._fresh - 1
        while self._released:
            if (vif := self._released.popleft()) not in self.owners:
                return vif
        raise Unavailable(
            f"link {self.label}", f"all its {self.last} VIFs are taken", "detach a NIC there, or use another uplink"
        )

    def give_back(self, vif: int) -> None:
        """Nobody has it any more; unknown ones are ignored."""
        if self.owners.pop(vif, None) is not None:
            self._released.append(vif)
