"""Differences: least, in an order that never refers to what isn't there, and leading from any state to any other."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.support.switches import mac
from vsm.model.state import Nic, Phase
from vsm.policy.difference import (
    RemovePolicy,
    RemovePort,
    RemoveUplink,
    SetPolicy,
    SetPort,
    SetSwitch,
    SetUplink,
    WantedChange,
    difference,
)
from vsm.policy.wanted import PolicySpec, PortSpec, SwitchSpec, UplinkSpec, Wanted

SWITCH = SwitchSpec("vsm", 1)


def policy(number: int, vlan: int = 10) -> PolicySpec:
    return PolicySpec(number, f"P{number}", vlan=vlan)


def port(number: int, policy_id: int = 1) -> PortSpec:
    return PortSpec(number, policy_id, mac(number), Nic(f"vm{number}"), 1, Phase.ACTIVE)


def wanted(
    policies: list[PolicySpec], ports: list[PortSpec], uplinks: list[UplinkSpec], switch: SwitchSpec = SWITCH
) -> Wanted:
    return Wanted(
        switch,
        {spec.id: spec for spec in policies},
        {spec.veth: spec for spec in ports},
        {spec.number: spec for spec in uplinks},
    )


def apply(held: Wanted | None, changes: list[WantedChange]) -> Wanted:
    """What a module holds after the changes; fails on a reference to a policy that it does not hold."""
    switch = held.switch if held else SwitchSpec("", 0)
    policies, ports, uplinks = (dict(held.policies), dict(held.ports), dict(held.uplinks)) if held else ({}, {}, {})
    for change in changes:
        match change:
            case SetSwitch(spec):
                switch = spec
            case SetPolicy(spec):
                policies[spec.id] = spec
            case SetPort(spec):
                ports[spec.veth] = spec
            case SetUplink(spec):
                uplinks[spec.number] = spec
            case RemovePort(number):
                del ports[number]
            case RemoveUplink(number):
                del uplinks[number]
            case RemovePolicy(number):
                del policies[number]
        used = {port.policy for port in ports.values()} | {uplink.policy for uplink in uplinks.values()}
        assert used <= {0, *policies}, f"{change} leaves a reference to nothing"
    return Wanted(switch, policies, ports, uplinks)


def test_from_nothing_it_goes_bottom_up() -> None:
    new = wanted([policy(1), policy(2)], [port(5, 2), port(1)], [UplinkSpec(1, 1)])
    assert difference(None, new) == [
        SetSwitch(SWITCH),
        SetPolicy(policy(1)),
        SetPolicy(policy(2)),
        SetUplink(UplinkSpec(1, 1)),
        SetPort(port(1)),
        SetPort(port(5, 2)),
    ]


def test_to_nothing_it_goes_top_down() -> None:
    old = wanted([policy(1)], [port(1)], [UplinkSpec(1, 1)])
    assert difference(old, wanted([], [], [])) == [RemovePort(1), RemoveUplink(1), RemovePolicy(1)]


def test_equal_is_nothing_to_do() -> None:
    new = wanted([policy(1)], [port(1)], [])
    assert difference(new, replace(new)) == []


def test_an_edited_policy_is_one_change_however_many_ports_use_it() -> None:
    ports = [port(n) for n in range(1, 100)]
    assert difference(wanted([policy(1)], ports, []), wanted([policy(1, 20)], ports, [])) == [SetPolicy(policy(1, 20))]


@st.composite
def states(draw: st.DrawFn) -> Wanted:
    numbers = draw(st.sets(st.integers(1, 4)))
    references = st.sampled_from([0, *sorted(numbers)])
    vlans = st.sampled_from([10, 20])
    return wanted(
        [policy(number, draw(vlans)) for number in sorted(numbers)],
        [port(number, draw(references)) for number in sorted(draw(st.sets(st.integers(1, 5))))],
        [UplinkSpec(number, draw(references)) for number in sorted(draw(st.sets(st.integers(1, 3))))],
        SwitchSpec(draw(st.sampled_from(["a", "b"])), 1),
    )


@given(st.none() | states(), states())
def test_any_state_leads_to_any_other(old: Wanted | None, new: Wanted) -> None:
    assert apply(old, difference(old, new)) == new
