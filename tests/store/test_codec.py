"""Any State comes back from the store as it went in, saved at once or by differences."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.support.examples import many
from vsm.fabric.counters import Record
from vsm.model.archive import Archive
from vsm.model.state import Config, Inventory, State, Veth
from vsm.store.codec import decode, encode
from vsm.store.sqlite import SqliteStore

st.register_type_strategy(MacAddress, st.binary(min_size=6, max_size=6).map(MacAddress))
st.register_type_strategy(VlanSet, st.sets(st.integers(0, 4094), max_size=5).map(VlanSet.of))
st.register_type_strategy(float, st.floats(allow_nan=False))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
st.register_type_strategy(str, TEXT)
CONFIGS = st.from_type(Config)
INVENTORIES = st.from_type(Inventory)
STATES = st.builds(State, CONFIGS, INVENTORIES, st.integers(1, 2**40), st.from_type(Archive))


@given(st.one_of(CONFIGS, INVENTORIES, st.from_type(Record)))
@settings(max_examples=many(150))
def test_every_value_survives_json(value: Any) -> None:
    assert decode(type(value), json.loads(json.dumps(encode(value)))) == value


@pytest.mark.slow
@given(st.lists(STATES, min_size=1, max_size=4))
# Each example syncs files, so shrinking a failure would take minutes.
@settings(max_examples=many(20), phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_states_survive_the_store_from_any_to_any(states: list[State]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteStore(Path(directory) / "vsm.db")
        try:
            old = store.load()
            for new in states:
                store.save(old, new)
                assert store.load() == new
                old = new
        finally:
            store.close()


def test_a_fresh_store_holds_the_fresh_state_and_no_counters(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "vsm.db")
    assert store.load() == State() and store.load_counters() == {}
    store.close()


def test_counters_are_stored_and_forgotten(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "vsm.db")
    store.save_counters({"Vethernet1": {"a": 1}, "Vethernet2": {"b": 2}})
    store.save_counters({"Vethernet1": {"a": 5}}, gone=["Vethernet2"])
    store.close()
    again = SqliteStore(tmp_path / "vsm.db")
    assert again.load_counters() == {"Vethernet1": {"a": 5}}
    again.close()


@pytest.mark.parametrize("data", [{"number": "one"}, {"colour": 1}, 5, None, {"number": True}])
def test_what_is_no_veth_is_refused(data: Any) -> None:
    with pytest.raises(InvalidValue):
        decode(Veth, data)
