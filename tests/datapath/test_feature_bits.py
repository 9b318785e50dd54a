"""Tables never ask for what is not in the program: features follow from the configuration or port that needs them."""

from __future__ import annotations

import pytest

from dvswitch.mac import MacAddress
from vem.datapath import abi, feature_bits
from vem.datapath.image import Control, Method, Niv, Policy, Port, Storm, Tagging, Team

MAC = MacAddress(bytes.fromhex("020000000001"))


def test_the_list_is_that_of_the_header() -> None:
    assert sum(feature_bits.BITS.values()) == feature_bits.ALL == abi.CONSTANTS["DVS_FEATURES_ALL"]
    assert feature_bits.names(feature_bits.ALL) == list(feature_bits.BITS)
    assert feature_bits.names(feature_bits.NONE) == []


@pytest.mark.parametrize(
    ("control", "policy", "team", "wanted"),
    [
        (Control(), Policy(), Team(), []),
        (Control(), Policy(storm=Storm(unknown_unicast=1)), Team(), ["storm"]),
        (Control(), Policy(promiscuous=True), Team(), ["promiscuous"]),
        (Control(), Policy(learn=True, mac_limit=1), Team(), ["learn"]),
        (Control(snooping=True), Policy(), Team(), ["read_ip"]),
        (Control(), Policy(), Team((1,), Method.IP_HASH), ["read_ip", "uplink"]),
        (Control(), Policy(), Team((), Method.IP_HASH), ["read_ip"]),
        (Control(reverse_teaming=False), Policy(trunk=True), Team((1,)), ["uplink"]),
        (Control(niv=True), Policy(), Team(), ["niv"]),
        (Control(vepa=True), Policy(), Team((1,)), ["uplink", "niv"]),
    ],
)
def test_what_a_configuration_needs(control: Control, policy: Policy, team: Team, wanted: list[str]) -> None:
    features = feature_bits.of_config(control, [Policy(), policy], [Team(), team])
    assert features == feature_bits.bits(*wanted)


@pytest.mark.parametrize(
    ("port", "wanted"),
    [
        (None, []),
        (Port(0, 1, MAC), []),
        (Port(0, 1, MAC, uplink=True), ["uplink"]),
        (Port(0, 1, MAC, is_lag=True), ["lag"]),
        (Port(0, 1, MAC, lag=7), ["lag"]),
        (Port(0, 1, MAC, mirror_rx=7), ["mirror"]),
        (Port(0, 1, MAC, mirror_tx=7), ["mirror"]),
        (Port(0, 1, MAC, niv=Niv.BRIDGE), ["niv"]),
        (Port(0, 1, MAC, uplink=True, niv=Niv.EXTENDER, tagging=Tagging.ETAG), ["uplink", "niv"]),
        (Port(0, 1, MAC, link=7, vif=5), ["niv"]),
        (Port(0, 1, MAC, reflective=True), ["niv"]),
    ],
)
def test_what_a_port_needs(port: Port | None, wanted: list[str]) -> None:
    assert feature_bits.of_port(port) == feature_bits.bits(*wanted)
