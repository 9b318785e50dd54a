"""What a module should have: policies by reference, quarantine, VLANs that exist, overrides, moves."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

from dvswitch.lldp_agent import Mode
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from tests.support.switches import bare, mac, state, veth
from vsm.model.migration import Move, MoveState
from vsm.model.niv import Role
from vsm.model.overrides import override
from vsm.model.settings import NO_NATIVE, UNTAGGED, ChannelMode, PortMode, Settings, TeamMethod
from vsm.model.state import (
    Config,
    Inventory,
    Nic,
    Phase,
    PortProfile,
    State,
    Uplink,
    Veth,
    Vlan,
)
from vsm.policy import compile as compile_module
from vsm.policy.compile import wanted
from vsm.policy.difference import difference
from vsm.policy.wanted import PolicySpec, PortSpec, StormSpec, SwitchSpec, TeamSpec, UplinkSpec


def with_profile(start: State, name: str, **changes: object) -> State:
    profile = replace(start.config.profiles[name], **changes)  # type: ignore[arg-type]
    return replace(start, config=replace(start.config, profiles={**start.config.profiles, name: profile}))


def with_vlans(start: State, *vlans: Vlan) -> State:
    return replace(start, config=replace(start.config, vlans={vlan.id: vlan for vlan in vlans}))


def with_move(start: State, where: MoveState, slot: int = 3, generation: int = 2) -> State:
    """vEth 1 moves from slot 3 to slot 4."""
    moves = {1: Move(1, 3, 4, where, generation)}
    veths = {**start.inventory.veths, 1: replace(start.inventory.veths[1], slot=slot)}
    return replace(start, inventory=replace(start.inventory, veths=veths, moves=moves))


def test_one_host_in_full() -> None:
    found = wanted(state(), 3)
    assert found.switch == SwitchSpec("vsm-a", 100, 1500, False, cdp=Mode.BOTH)
    web = PolicySpec(2, "WEB", vlan=10, mac_limit=4096)
    assert {number: bare(spec) for number, spec in found.policies.items()} == {
        2: web,
        5: replace(web, id=5, mac_learning=True, unknown_flood=True, mac_limit=16),
        4: PolicySpec(4, "UPLINK", True, 1, VlanSet.of([1, 10, 20]), mac_limit=4096, mtu=9000),
    }
    assert found.ports == {
        1: PortSpec(1, 2, mac(1), Nic("vm01", 0, "vnet1"), 1, Phase.ACTIVE),
        2: PortSpec(2, 5, mac(2), Nic("vm02", 0, "vnet2"), 1, Phase.ACTIVE),
    }
    assert found.uplinks == {1: UplinkSpec(1, 4)}


def test_a_host_has_only_what_it_uses() -> None:
    found = wanted(state(), 4)
    assert set(found.ports) == {3, 4} and set(found.policies) == {2, 3}
    assert not wanted(state(), 60).policies


def test_a_disabled_profile_blocks_its_ports_by_one_policy() -> None:
    before, after = state(), with_profile(state(), "WEB", enabled=False)
    assert wanted(after, 3).policies[2].shutdown and wanted(after, 3).policies[5].shutdown
    assert wanted(after, 3).ports == wanted(before, 3).ports, "ports refer to the policy and don't change"


@pytest.mark.parametrize("profile", ["", "MISSING", "UPLINK"])
def test_a_veth_without_usable_profile_is_shut(profile: str) -> None:
    start = state()
    veths = {1: veth(1, profile)}
    port = wanted(replace(start, inventory=replace(start.inventory, veths=veths)), 3).ports[1]
    assert port.shutdown and port.policy == 0


@pytest.mark.parametrize("profile", ["", "MISSING", "WEB", "UPLINK"])
def test_an_uplink_without_usable_profile_has_no_policy(profile: str) -> None:
    start = with_profile(state(), "UPLINK", enabled=False)
    uplinks = {(3, 1): Uplink(3, 1, "eth2", profile, True)}
    found = wanted(replace(start, inventory=replace(start.inventory, uplinks=uplinks)), 3)
    assert found.uplinks == {1: UplinkSpec(1, 0, True)} and 4 not in found.policies


@pytest.mark.parametrize("vlan", [None, Vlan(10, active=False), Vlan(10, shutdown=True)])
def test_an_access_vlan_that_carries_nothing_blocks_the_port(vlan: Vlan | None) -> None:
    changed = with_vlans(state(), Vlan(1, "default"), *([vlan] if vlan else []))
    policy = wanted(changed, 3).policies[2]
    assert policy.shutdown and policy.vlan == 10


def test_a_trunk_is_limited_to_vlans_that_exist_and_are_active() -> None:
    changed = with_vlans(state(), Vlan(10), Vlan(20, active=False), Vlan(99, shutdown=True), Vlan(50))
    policy = wanted(changed, 3).policies[4]
    assert policy.allowed == VlanSet.of([10]) and not policy.shutdown


def test_a_trunk_for_guests() -> None:
    trunk = Settings(PortMode.TRUNK, native_vlan=20, allowed_vlans=VlanSet.all(), shutdown=False)
    policy = wanted(with_profile(state(), "WEB", settings=trunk), 3).policies[2]
    assert (policy.trunk, policy.vlan, policy.allowed) == (True, 20, VlanSet.of([1, 10, 20]))


@pytest.mark.parametrize(
    ("said", "vlan", "allowed", "shutdown"),
    [
        (Settings(PortMode.ACCESS, access_vlan=UNTAGGED), 0, [], False),
        (Settings(PortMode.TRUNK, native_vlan=UNTAGGED), 0, [0, 1, 10, 20], False),
        (Settings(PortMode.TRUNK, native_vlan=NO_NATIVE), 0, [1, 10, 20], False),
        (Settings(PortMode.TRUNK, native_vlan=UNTAGGED, allowed_vlans=VlanSet.of([10])), 0, [0, 10], False),
    ],
    ids=["external tagging S-030", "guest tagging S-036", "no untagged S-039", "restricted guest tagging S-037"],
)
def test_untagged_frames(said: Settings, vlan: int, allowed: list[int], shutdown: bool) -> None:
    policy = wanted(with_profile(state(), "WEB", settings=replace(said, shutdown=False)), 3).policies[2]
    assert (policy.vlan, policy.allowed, policy.shutdown) == (vlan, VlanSet.of(allowed), shutdown)


def test_ports_get_guards_and_team_and_uplinks_their_channel() -> None:
    said = Settings(
        promiscuous=True,
        mac_limit_allow=True,
        bpdu_guard=False,
        storm_multicast=7,
        team_method=TeamMethod.EXPLICIT,
        team_active=(2, 1),
        team_failback=False,
        pin=3,
        channel=ChannelMode.ACTIVE,
    )
    changed = override(override(state(), "Vethernet1", said), "Ethernet3/1", said)
    port, uplink = wanted(changed, 3).policies[6], wanted(changed, 3).policies[7]
    assert port.promiscuous and port.mac_limit_allow and port.bpdu and port.storm == StormSpec(multicast=7)
    assert port.team == TeamSpec(TeamMethod.EXPLICIT, active=(2, 1), failback=False, pin=3)
    assert port.channel is ChannelMode.NONE and uplink.channel is ChannelMode.ACTIVE
    assert (uplink.promiscuous, uplink.bpdu, uplink.storm, uplink.team) == (False, False, StormSpec(), TeamSpec())


def test_shutdown_on_the_interface_shuts_that_port_only() -> None:
    changed = override(state(), "Vethernet1", Settings(shutdown=True))
    assert {n: port.shutdown for n, port in wanted(changed, 3).ports.items()} == {1: True, 2: False}
    assert wanted(changed, 3).policies == wanted(state(), 3).policies
    changed = override(state(), "Ethernet3/1", Settings(shutdown=True))
    assert wanted(changed, 3).uplinks == {1: UplinkSpec(1, 4, True)}


def test_overrides_are_seen_by_that_port_only() -> None:
    changed = override(state(), "Vethernet1", Settings(access_vlan=20, forged_transmits=True))
    found = wanted(changed, 3)
    own = found.policies[found.ports[1].policy]
    assert (own.id, own.vlan, own.forged_transmits, own.profile) == (6, 20, True, "WEB")
    assert found.policies[5].vlan == 10
    changed = override(state(), "Ethernet3/1", Settings(mtu=1600))
    assert wanted(changed, 3).policies[6].mtu == 1600


def test_every_level_of_inheritance_reaches_the_policy() -> None:
    start = state()
    names = ["L1", "L2", "L3", "L4"]
    said = [
        Settings(shutdown=False),
        Settings(access_vlan=10),
        Settings(mac_changes=True),
        Settings(forged_transmits=True),
    ]
    profiles = {
        name: PortProfile(name, policy_id=n, inherit=names[n - 1] if n else "", settings=said[n], enabled=True)
        for n, name in enumerate(names)
    }
    config = replace(start.config, profiles=profiles)
    inventory = replace(start.inventory, veths={1: veth(1, "L4")})
    found = wanted(State(config, inventory), 3).policies
    assert {number: bare(spec) for number, spec in found.items()} == {
        3: PolicySpec(3, "L4", vlan=10, mac_changes=True, forged_transmits=True, mac_limit=4096)
    }


@pytest.mark.parametrize(
    ("where", "slot", "source", "target"),
    [
        (MoveState.PREPARED, 3, (Phase.ACTIVE, 1, False), (Phase.PREPARED, 2, False)),
        (MoveState.PAUSED, 3, (Phase.DRAINING, 1, False), (Phase.PREPARED, 2, False)),
        (MoveState.ACTIVATED, 3, (Phase.DRAINING, 1, False), (Phase.ACTIVE, 2, True)),
        (MoveState.ACTIVATED, 4, (Phase.DRAINING, 1, False), (Phase.ACTIVE, 2, True)),
        (MoveState.CANCELLED, 3, (Phase.ACTIVE, 2, True), None),
    ],
)
def test_both_ends_of_a_move(
    where: MoveState, slot: int, source: tuple[Phase, int, bool], target: tuple[Phase, int, bool] | None
) -> None:
    moving = with_move(state(), where, slot)
    for host, expected in ((3, source), (4, target)):
        port = wanted(moving, host).ports.get(1)
        assert (port and (port.phase, port.generation, port.announce)) == expected
        assert port is None or (port.policy == 2 and 2 in wanted(moving, host).policies)


def test_the_end_of_a_move_changes_nothing_on_the_target() -> None:
    moving = with_move(state(), MoveState.ACTIVATED, 4)
    done = replace(moving.inventory.veths[1], generation=2)
    veths = {**moving.inventory.veths, 1: done}
    after = replace(moving, inventory=replace(moving.inventory, veths=veths, moves={}))
    assert difference(wanted(moving, 4), wanted(after, 4)) == []
    assert 1 not in wanted(after, 3).ports


def _edits(dice: random.Random, now: State) -> State:
    """The next State: a vEth elsewhere, a step of its move, an uplink, or what hangs on uplinks."""
    inventory = now.inventory
    number, slot = dice.choice(list(inventory.veths)), dice.choice([3, 4])
    match dice.randrange(6):
        case 0:
            found = replace(inventory.veths[number], slot=dice.choice([None, slot]), generation=dice.randrange(1, 4))
            inventory = replace(inventory, veths={**inventory.veths, number: found})
        case 1:
            move = Move(number, slot, 7 - slot, dice.choice(list(MoveState)), dice.randrange(1, 4))
            inventory = replace(inventory, moves={**inventory.moves, number: move})
        case 2:
            inventory = replace(inventory, moves={})
        case 3:
            uplink = Uplink(slot, 1, "eth0", dice.choice(["UPLINK", "WEB", ""]), link_up=dice.choice([True, False]))
            inventory = replace(inventory, uplinks={**inventory.uplinks, (slot, 1): uplink})
        case 4:
            inventory = replace(inventory, uplink_policies={(slot, 1): dice.choice([0, 99])})
        case 5:
            return override(now, f"Ethernet{slot}/1", Settings(shutdown=dice.choice([True, None])))
    return replace(now, inventory=inventory)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_from_one_state_to_the_next_is_what_it_would_be_anew(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice, now = random.Random(seed), state()
    for _ in range(60):
        now = _edits(dice, now)
        kept = [wanted(now, slot, role) for slot in (3, 4) for role in (None, Role.HOST, Role.CARD)]
        with monkeypatch.context() as patch:
            patch.setattr(compile_module, "_latest", None)
            anew = [wanted(now, slot, role) for slot in (3, 4) for role in (None, Role.HOST, Role.CARD)]
        assert kept == anew


def test_a_thousand_ports_on_twenty_hosts_compile_quickly() -> None:
    profile = PortProfile("WEB", policy_id=1, settings=Settings(access_vlan=10, shutdown=False), enabled=True)
    veths = {n: Veth(n, Nic(f"vm{n}"), MacAddress(n.to_bytes(6, "big")), "WEB", 3 + n % 20) for n in range(1, 1001)}
    config = Config(profiles={"WEB": profile}, vlans={10: Vlan(10)})
    spent = []
    for _ in range(3):
        start = State(config, Inventory(veths=veths))
        before = time.process_time()
        assert sum(len(wanted(start, slot).ports) for slot in range(3, 23)) == 1000
        spent.append(time.process_time() - before)
    assert min(spent) < 0.05
