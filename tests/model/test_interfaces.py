"""Names of interfaces, and what is said on them."""

from __future__ import annotations

import pytest

from dvswitch.errors import InvalidValue
from tests.support.switches import state
from vsm.model.interfaces import Ethernet, Interface, Vethernet, parse_interface, short_name
from vsm.model.overrides import describe, forget, override
from vsm.model.settings import NOTHING, Settings


@pytest.mark.parametrize(
    ("text", "interface"),
    [
        ("Vethernet5", Vethernet(5)),
        ("veth5", Vethernet(5)),
        ("VETH 5", Vethernet(5)),
        ("vet1048575", Vethernet(1048575)),
        ("Ethernet3/1", Ethernet(3, 1)),
        ("eth66/32", Ethernet(66, 32)),
        ("e 3/1", Ethernet(3, 1)),
    ],
)
def test_names_are_read(text: str, interface: Interface) -> None:
    assert parse_interface(text) == interface
    assert parse_interface(interface.full) == parse_interface(interface.short) == interface
    assert short_name(interface.full) == interface.short


@pytest.mark.parametrize(
    "text",
    ["", "5", "Veth", "Veth0", "Veth1048576", "Eth3", "Eth2/1", "Eth67/1", "Eth3/0", "Eth3/33", "vethx5", "Eth3/1x"],
)
def test_others_are_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidValue, match="interface"):
        parse_interface(text)


def test_interfaces_sort_by_number() -> None:
    names = ["Veth10", "Veth9", "Veth100"]
    assert sorted(names, key=parse_interface) == ["Veth9", "Veth10", "Veth100"]


def test_own_policies_come_and_go_and_are_never_reused() -> None:
    said = override(state(), "Vethernet1", Settings(access_vlan=20))
    assert said.inventory.veths[1].policy_id == 6
    said = override(said, "Vethernet1", Settings(access_vlan=10))
    assert said.inventory.veths[1].policy_id == 6, "it keeps its policy while it differs from the profile"
    unsaid = override(said, "Vethernet1", NOTHING)
    assert unsaid.inventory.veths[1].policy_id == 0 and unsaid.config == state().config
    again = override(unsaid, "Ethernet3/1", Settings(mtu=1600))
    assert again.inventory.uplink_policies == {(3, 1): 7} and again.inventory.next_policy_id == 8


def test_forgetting_leaves_no_trace() -> None:
    said = describe(override(state(), "Vethernet2", Settings(shutdown=False)), "Vethernet2", "text")
    gone = forget(said, "Vethernet2")
    assert "Vethernet2" not in {**gone.config.overrides, **gone.config.descriptions}
    assert gone.inventory.veths[2].policy_id == 0
    assert forget(gone, "Vethernet2") == gone
