"""Stores that earlier versions wrote still load, and mean what they meant."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from dvswitch.mac import MacAddress
from tests.support.switches import state
from vsm.model import macs
from vsm.model.overrides import override
from vsm.model.settings import DEFAULTS, Settings
from vsm.model.state import Nic
from vsm.policy.check import check
from vsm.policy.ports import port_settings
from vsm.store.sqlite import SqliteStore
from vsm.supervisor import Supervisor

OLD = Path(__file__).parent / "before_teams.sql"
"""The sample switch, as stored before there were teams, guards and a registry of addresses."""


def test_a_store_from_before_teams_loads_and_goes_on(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "vsm.db") as old:
        old.executescript(OLD.read_text())
    old.close()
    store = SqliteStore(tmp_path / "vsm.db")
    supervisor = Supervisor(store)
    # Limits were without their action then, nobody logged in, and hosts told of no modes.
    modules = {slot: replace(module, modes=()) for slot, module in state().inventory.modules.items()}
    inventory = replace(state().inventory, modules=modules)
    before = replace(state(), config=replace(state().config, users={}, roles={}), inventory=inventory)
    assert supervisor.state == override(before, "Vethernet2", Settings(mac_learning=True, mac_limit=16))
    check(supervisor.state)
    holds = port_settings(supervisor.state, "Vethernet2")
    assert holds.mac_limit == 16 and holds.mac_limit_allow is False and holds.team_method is DEFAULTS.team_method
    lease = macs.lease_of(supervisor.state, state().inventory.veths[5].nic)
    assert lease is not None and lease.mac == MacAddress.parse("52:54:00:00:00:05") and not lease.automatic
    nic = Nic("new", 0, "", "uuid-1")
    supervisor.transact(lambda now: macs.reserved(now, nic, MacAddress.parse("02:00:00:00:00:01")))
    saved = supervisor.state
    store.close()
    store = SqliteStore(tmp_path / "vsm.db")
    assert store.load() == saved
    store.close()
