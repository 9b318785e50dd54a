"""A port's entry is several words, written one by one beside frames under way: what they see in between."""

from __future__ import annotations

from typing import Any

import pytest

from dvswitch.mac import MacAddress
from tests.kernel.rig import Switch
from vem.datapath import abi
from vem.datapath.image import Port

pytestmark = pytest.mark.kernel
_BLOCKED, _MOVED, _FORWARD = (abi.CONSTANTS[f"DVS_PORT_{name}"] for name in ("BLOCKED", "MOVED", "FORWARD"))


class Watched:
    """The words of the port table; notes the flags of one port before each write."""

    def __init__(self, words: Any, entry: Any) -> None:
        self._words, self._entry = words, entry
        self.seen: list[int] = []

    def __getitem__(self, at: int) -> Any:
        return self._words[at]

    def __setitem__(self, at: int, value: int) -> None:
        self.seen.append(self._entry.flags)
        self._words[at] = value


def test_a_port_that_moves_away_is_never_just_blocked() -> None:
    """A frame that was on its way when the port closed would be dropped, though its receiver goes on elsewhere."""
    there = Port(1, 7, MacAddress.parse("02:00:00:00:00:01"), link_up=True)
    gone = Port(2, 7, there.mac, link_up=True, blocked=True, moved=True, forward=True)
    with Switch("entries") as switch:
        engine = switch.open()
        engine.set_port(3, there)
        tables: Any = engine._tables
        words = tables._port_words
        watched = tables._port_words = Watched(words, tables._ports[3])
        engine.set_port(3, gone)
        tables._port_words = words
        assert watched.seen, "it is written in words"
        for flags in watched.seen:
            assert flags & _BLOCKED and flags & _MOVED and flags & _FORWARD
