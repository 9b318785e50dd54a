"""VLAN numbers and sets of them (S-054)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dvswitch.errors import InvalidValue

MIN_VLAN, MAX_VLAN = 1, 4094
_ITEM = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def check_vlan(vlan: int, subject: str = "vlan", lowest: int = MIN_VLAN) -> int:
    """Return ``vlan`` if it is in lowest..4094, else raise InvalidValue naming ``subject``."""
    if not lowest <= vlan <= MAX_VLAN:
        raise InvalidValue(subject, f"vlan {vlan} is out of range {lowest}-{MAX_VLAN}")
    return vlan


@dataclass(frozen=True, slots=True)
class VlanSet:
    """An immutable set of VLANs 0..4094, kept as a bit mask (bit v = VLAN v; 0 = untagged)."""

    mask: int = 0

    @classmethod
    def of(cls, vlans: Iterable[int]) -> VlanSet:
        """The set of these VLANs, each 0..4094."""
        mask = 0
        for vlan in vlans:
            mask |= 1 << check_vlan(vlan, lowest=0)
        return cls(mask)

    @classmethod
    def all(cls) -> VlanSet:
        """1-4094, what `switchport trunk allowed vlan all` means."""
        return cls(((1 << (MAX_VLAN + 1)) - 1) & ~1)

    @classmethod
    def parse(cls, text: str, subject: str = "vlan list", lowest: int = MIN_VLAN) -> VlanSet:
        """Read ``1,10-20``; overlaps merge; "" and "none" are empty; InvalidValue if malformed or out of range."""
        if text in ("", "none"):
            return cls()
        mask = 0
        for item in text.split(","):
            found = _ITEM.fullmatch(item.strip())
            if not found:
                raise InvalidValue(subject, f"'{item}' is not a vlan or a range", "write it as 1,10-20")
            low = check_vlan(int(found[1]), subject, lowest)
            high = check_vlan(int(found[2] or found[1]), subject, lowest)
            if low > high:
                raise InvalidValue(subject, f"range {item} runs backwards", f"write {high}-{low}")
            mask |= (1 << (high + 1)) - (1 << low)
        return cls(mask)

    def __contains__(self, vlan: int) -> bool:
        return vlan >= 0 and bool(self.mask >> vlan & 1)

    def __iter__(self) -> Iterator[int]:
        mask, vlan = self.mask, 0
        while mask:
            skip = (mask & -mask).bit_length() - 1
            vlan, mask = vlan + skip, mask >> skip
            yield vlan
            vlan, mask = vlan + 1, mask >> 1

    def __len__(self) -> int:
        return self.mask.bit_count()

    def __and__(self, other: VlanSet) -> VlanSet:
        return VlanSet(self.mask & other.mask)

    def __or__(self, other: VlanSet) -> VlanSet:
        return VlanSet(self.mask | other.mask)

    def __sub__(self, other: VlanSet) -> VlanSet:
        return VlanSet(self.mask & ~other.mask)

    def ranges(self) -> list[tuple[int, int]]:
        """Maximal runs, lowest first."""
        runs: list[tuple[int, int]] = []
        for vlan in self:
            if runs and runs[-1][1] == vlan - 1:
                runs[-1] = (runs[-1][0], vlan)
            else:
                runs.append((vlan, vlan))
        return runs

    def __str__(self) -> str:
        """NX-OS list text, "none" when empty; parse() reads it back."""
        return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in self.ranges()) or "none"
