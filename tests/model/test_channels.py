"""Numbers of port-channels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvswitch.errors import Conflict
from tests.support.switches import state
from vsm.model import channels
from vsm.model.channels import channels_seen


def test_numbers_are_sticky() -> None:
    first = channels_seen(channels_seen(state(), 4, [4]), 3, [4])
    assert first.inventory.channels == {(4, 4): 1, (3, 4): 2}
    assert channels_seen(first, 3, []) is first and channels_seen(first, 3, [4]) is first


def test_numbers_of_profiles_and_hosts_that_are_gone_are_given_again() -> None:
    old = channels_seen(channels_seen(state(), 3, [4]), 4, [4])
    config = replace(old.config, slots={3: old.config.slots[3]})
    without = replace(old, config=config, inventory=replace(old.inventory, uplink_policies={(3, 1): 9}))
    assert channels_seen(without, 3, [9]).inventory.channels == {(3, 4): 1, (3, 9): 2}
    assert channels_seen(without, 4, [4]) is without and channels_seen(without, 3, [77]) is without


def test_there_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MAX_CHANNEL", 1)
    with pytest.raises(Conflict, match="all 1 numbers"):
        channels_seen(channels_seen(state(), 3, [4]), 4, [4])
