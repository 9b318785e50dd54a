"""`mobility forward`: who says it, and what the two hosts of a move are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from dvswitch.mobility import parse_endpoint
from vsm.fabric.secret import with_secret
from vsm.model.migration import Move, MoveState
from vsm.model.settings import Settings
from vsm.model.state import Config, Inventory, Module, Nic, Phase, PortProfile, State, Veth
from vsm.policy.compile import wanted

THERE = "[fd00::2]:8474"


def moving(
    state: MoveState = MoveState.PAUSED,
    profile: int | None = 7,
    switch: int | None = None,
    own: int | None = None,
    target: str = THERE,
    generation: int = 2,
) -> State:
    """vEth 1 moves from module 3 to module 4."""
    web = PortProfile("web", settings=Settings(shutdown=False, mobility_forward=profile), enabled=True, policy_id=1)
    config = Config(
        profiles={"web": web},
        port_defaults=Settings(mobility_forward=switch),
        overrides={"Vethernet1": Settings(mobility_forward=own)} if own is not None else {},
    )
    veth = Veth(1, Nic("vm"), MacAddress.parse("02:00:00:00:00:01"), "web", slot=3, generation=1)
    modules = {3: Module(3, "a", mobility="192.0.2.1:8474"), 4: Module(4, "b", mobility=target)}
    moves = {1: Move(1, 3, 4, state, generation)}
    return with_secret(State(config, Inventory(modules=modules, veths={1: veth}, moves=moves)))


def test_both_hosts_have_the_same_key_and_the_source_is_told_where_the_target_listens() -> None:
    for where in (MoveState.PREPARED, MoveState.PAUSED, MoveState.ACTIVATED):
        state = moving(where)
        source, target = wanted(state, 3).ports[1].forward, wanted(state, 4).ports[1].forward
        assert source and target
        assert (source.peer, target.peer, source.seconds) == (THERE, "", 7)
        assert (source.id, source.key) == (target.id, target.key) and len(source.key) == 16


def test_no_two_moves_have_the_same_key_and_a_restart_does_not_change_it() -> None:
    state = moving()
    first, again = wanted(state, 3).ports[1].forward, wanted(replace(state, revision=9), 3).ports[1].forward
    later = replace(state, inventory=replace(state.inventory, moves=moving(generation=4).inventory.moves))
    other = wanted(later, 3).ports[1].forward
    stranger = wanted(moving(), 3).ports[1].forward
    assert first and again and other and stranger
    assert first == again
    assert len({first.key, other.key, stranger.key}) == 3


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"profile": None}, 0),
        ({"profile": None, "switch": 5}, 5),
        ({"profile": 0, "switch": 5}, 0),
        ({"profile": 8, "switch": 5}, 8),
        ({"profile": 8, "own": 9}, 9),
        ({"profile": 8, "own": 0}, 0),
        ({"profile": 8, "target": ""}, 0),
        ({"profile": 8, "state": MoveState.CANCELLED}, 0),
    ],
)
def test_who_says_it(said: dict[str, int], seconds: int) -> None:
    state = moving(**said)  # type: ignore[arg-type]
    if "own" in said:
        veth = replace(state.inventory.veths[1], policy_id=9)
        state = replace(state, inventory=replace(state.inventory, veths={1: veth}))
    forward = wanted(state, 3).ports[1].forward
    assert (forward.seconds if forward else 0) == seconds
    assert wanted(state, 3).ports[1].phase in (Phase.DRAINING, Phase.ACTIVE)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.1", ("192.0.2.1", 8474)),
        ("192.0.2.1:0", ("192.0.2.1", 0)),
        ("fd00::1", ("fd00::1", 8474)),
        ("[fd00::1]", ("fd00::1", 8474)),
        ("[fd00::1]:9", ("fd00::1", 9)),
    ],
)
def test_endpoints(text: str, endpoint: tuple[str, int]) -> None:
    assert parse_endpoint(text, 8474) == endpoint


@pytest.mark.parametrize("text", ["", "host", "0.0.0.0", "[::]:5", "192.0.2.1:65536", "192.0.2.1:x", "224.0.0.1"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_endpoint(text, 8474)
