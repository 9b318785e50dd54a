"""Teams, pins and load: tables of situations and what they come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from vem.datapath.image import Method
from vem.teaming.health import FLAP_DOWNS, FLAP_WINDOW, Health, HealthBook
from vem.teaming.load import Bytes, LoadWatch, Move, PortLoad, UplinkLoad
from vem.teaming.pinning import Pins, Place, by_method
from vem.teaming.team import Balance, Candidate, Channel, Choice, Rules, TeamMemory, choose


def uplinks(up: Iterable[int], down: Iterable[int] = (), channel: Channel = Channel.NONE) -> list[Candidate]:
    made = [Candidate(n, True, channel, 9) for n in up] + [Candidate(n, False, channel, 9) for n in down]
    return sorted(made, key=lambda candidate: candidate.number)


# --- teams ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "up", "down", "team"),
    [
        (Rules(), (1, 2, 3), (), (1, 2, 3)),  # S-244: whatever carries the VLAN
        (Rules(), (1, 3), (2,), (1, 3)),  # S-130: over the active ones, in order
        (Rules(active=(2, 1)), (1, 2, 3), (), (2, 1)),
        (Rules(active=(1,), standby=(2,)), (1, 2), (), (1,)),
        (Rules(active=(1,), standby=(2,)), (2,), (1,), (2,)),  # S-141
        (Rules(active=(1, 2), standby=(3, 4)), (2, 3, 4), (1,), (3, 2)),  # S-141: same slot
        (Rules(active=(1, 2), standby=(3, 4)), (2, 4), (1, 3), (4, 2)),
        (Rules(active=(1, 2), standby=(3,)), (3,), (1, 2), (3,)),
        (Rules(standby=(2,)), (1, 2, 3), (), (1, 3)),
        (Rules(unused=(1,)), (1, 2), (), (2,)),  # S-144
        (Rules(active=(1, 2), unused=(2,)), (1, 2), (), (1,)),  # S-144
        (Rules(active=(1,), unused=(2,)), (2,), (1,), ()),  # S-144: not even then
        (Rules(active=(5,)), (1, 2), (), ()),
        (Rules(active=(1,), standby=(2,)), (), (1, 2), ()),  # S-157
        (Rules(balance=Balance.EXPLICIT, active=(2, 1)), (1,), (2,), (1,)),  # S-137
    ],
)
def test_teams(rules: Rules, up: tuple[int, ...], down: tuple[int, ...], team: tuple[int, ...]) -> None:
    assert choose(rules, uplinks(up, down)).uplinks == team


def test_a_team_by_source_mac_without_failback_waits_for_the_next_failure() -> None:
    rules, memory = Rules(failback=False, balance=Balance.SOURCE_MAC), TeamMemory()
    steps = [((1, 2), ()), ((2,), (1,)), ((1, 2), ()), ((1,), (2,))]
    teams = [choose(rules, uplinks(up, down), memory).uplinks for up, down in steps]
    assert teams == [(1, 2), (2,), (2,), (1,)]  # S-143
    assert choose(rules, uplinks((1, 2, 3)), memory).uplinks == (1, 2, 3)  # another configuration


def test_with_failback_the_recovered_uplink_takes_its_slot_back() -> None:
    rules, memory = Rules(active=(1,), standby=(2,), balance=Balance.SOURCE_MAC), TeamMemory()
    teams = [choose(rules, uplinks(up, down), memory).uplinks for up, down in [((2,), (1,)), ((1, 2), ())]]
    assert teams == [(2,), (1,)]  # S-142


@pytest.mark.parametrize("channel", [Channel.ON, Channel.ACTIVE, Channel.PASSIVE])
def test_a_lag_is_one_uplink_with_all_of_its_members(channel: Channel) -> None:
    choice = choose(Rules(), uplinks((1, 2), (3,), channel))
    assert (choice.uplinks, choice.method) == ((1, 2), Method.IP_HASH)  # S-140
    mixed = [Candidate(1, True, Channel.NONE, 8), *uplinks((2, 3), channel=channel)]
    assert choose(Rules(), mixed).uplinks == (1,)
    assert choose(Rules(active=(2,), standby=(1,)), mixed).uplinks == (2,)
    assert choose(Rules(active=(2, 3), standby=(1,)), mixed[:1]).uplinks == (1,)


def test_hashing_without_a_lag_is_only_what_the_profile_says() -> None:
    """A LAG under the other policies is a misconfiguration that the switch does not make by itself (S-158)."""
    methods = {balance: choose(Rules(balance=balance), uplinks((1, 2))).method for balance in Balance}
    assert [balance for balance, method in methods.items() if method is Method.IP_HASH] == [Balance.IP_HASH]
    inherited = [Candidate(1, balance=Balance.SOURCE_MAC)]
    assert choose(Rules(), inherited).method is Method.SOURCE_MAC
    assert choose(Rules(balance=Balance.EXPLICIT), inherited).method is Method.EXPLICIT


# --- placing ports ----------------------------------------------------------------------------------------------


def test_port_id_modulo_the_number_of_active_uplinks() -> None:
    port_id = 50331657
    assert [by_method(port_id, Choice(tuple(range(1, n + 1)))) - 1 for n in (2, 3)] == [1, 0]  # S-130
    one_profile = choose(Rules(), uplinks((1, 2)))
    assert [by_method(port, one_profile) for port in (4, 5, 6)] == [1, 2, 1]  # S-131: by port, not by profile
    explicit = choose(Rules(balance=Balance.EXPLICIT), uplinks((1, 2)))
    assert [by_method(port, explicit) for port in (4, 5)] == [1, 1]  # S-137
    assert Pins().place(4, 4, Rules(), one_profile) == 0


def test_without_failback_ports_stay_and_new_ones_go_to_the_recovered_uplink() -> None:
    rules, pins = Rules(failback=False), Pins()
    both, one = choose(rules, uplinks((1, 2))), choose(rules, uplinks((2,), (1,)))
    assert [pins.place(veth, veth, rules, both) for veth in (4, 5)] == [1, 2]
    assert [pins.place(veth, veth, rules, one) for veth in (4, 5)] == [2, 2]
    assert [pins.place(veth, veth, rules, both) for veth in (4, 5)] == [2, 2]  # S-143: idle ...
    assert pins.place(6, 6, rules, both) == 1  # S-143: ... but for a newly connected port
    pins.keep_only([5, 6])
    assert pins.place(4, 4, rules, both) == 1  # S-143: power-cycled
    assert [pins.place(v, v, rules, choose(rules, uplinks((1,), (2,)))) for v in (5, 6)] == [1, 1]


def test_without_failback_a_standby_keeps_its_ports() -> None:
    rules, pins = Rules(active=(1,), standby=(2,), failback=False, balance=Balance.EXPLICIT), Pins()
    steps = [((1, 2), ()), ((2,), (1,)), ((1, 2), ()), ((1,), (2,))]
    assert [pins.place(5, 5, rules, choose(rules, uplinks(u, d))) for u, d in steps] == [1, 2, 2, 1]


def test_mac_pinning_goes_round_and_comes_back() -> None:
    rules, pins = Rules(), Pins()
    both = choose(rules, uplinks((1, 2), channel=Channel.MAC_PINNING))
    one = choose(rules, uplinks((2,), (1,), Channel.MAC_PINNING))
    veths = (40, 42, 44, 46)
    assert [pins.place(veth, veth, rules, both) for veth in veths] == [1, 2, 1, 2]
    assert [pins.place(veth, veth, rules, one) for veth in veths] == [2, 2, 2, 2]
    assert pins.place(48, 48, rules, one) == 2
    assert [pins.place(veth, veth, rules, both) for veth in (*veths, 48)] == [1, 2, 1, 2, 1]


def test_a_failed_sub_groups_ports_are_spread_over_the_others() -> None:
    rules, pins = Rules(), Pins()
    three = choose(rules, uplinks((1, 2, 3), channel=Channel.MAC_PINNING))
    for veth in range(6):
        pins.place(veth, veth, rules, three)
    two = choose(rules, uplinks((2, 3), (1,), Channel.MAC_PINNING))
    assert sorted(pins.place(veth, veth, rules, two) for veth in range(6)) == [2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(
    ("rules", "up", "place"),
    [
        (Rules(pin=3), (1, 2, 3), 3),
        (Rules(pin=3), (1, 2), 2),
        (Rules(pin=3, pin_backup=(1, 2)), (1, 2), 1),
        (Rules(pin=3, pin_backup=(1, 2)), (2,), 2),
        (Rules(pin=3, unused=(3,)), (1, 2, 3), 2),
    ],
)
@pytest.mark.parametrize("channel", [Channel.NONE, Channel.MAC_PINNING])
def test_pinning_id_with_backups(rules: Rules, up: tuple[int, ...], place: int, channel: Channel) -> None:
    pins, down = Pins(), {1, 2, 3} - set(up)
    assert pins.place(5, 5, rules, choose(rules, uplinks(up, down, channel))) == place
    everything = choose(rules, uplinks((1, 2, 3), channel=channel))
    assert pins.place(5, 5, rules, everything) == (2 if rules.unused else 3)


def test_relative_pinning_counts_sub_groups_by_place_from_zero() -> None:
    """By the order of the uplinks' numbers, whatever the order in the team."""
    for rules in (Rules(), Rules(active=(7, 4))):
        choice = choose(rules, uplinks((4, 7), channel=Channel.MAC_PINNING_RELATIVE))
        places = [Pins().place(5, 5, replace(rules, pin=pin), choice) for pin in (0, 1)]
        assert places == [4, 7]
        beyond = Pins().place(5, 5, replace(rules, pin=2, pin_backup=(1,)), choice)
        assert beyond == 7, "there is no third: the backup"


def test_as_an_uplinks_number_there_is_no_zero() -> None:
    choice = choose(Rules(), uplinks((1, 2), channel=Channel.MAC_PINNING))
    assert Pins().place(5, 5, Rules(pin=0, pin_backup=(2,)), choice) == 2


def test_a_lag_pins_nobody() -> None:
    choice = choose(Rules(), uplinks((1, 2), channel=Channel.ON))
    assert Pins({5: Place(1, 1)}).place(5, 5, Rules(pin=1), choice) == 0


# --- failure detection ------------------------------------------------------------------------------------------


def test_a_link_that_comes_back_has_to_stay_for_the_up_delay() -> None:
    health = Health()
    health.observe(True, 10.0)
    assert health.usable(10.0, 60.0)  # up when first seen
    health.observe(False, 11.0)
    assert not health.usable(11.0, 60.0)
    health.observe(True, 12.0)
    assert not health.usable(71.9, 60.0) and health.usable(72.0, 60.0)  # S-142
    assert health.due(12.0, 60.0) == 72.0 and health.due(72.0, 60.0) is None


def test_a_flapping_link_is_left_until_it_calms_down() -> None:
    book = HealthBook()
    book.observe([(1, True), (2, True)], 0.0)
    for flap in range(FLAP_DOWNS + 1):
        assert book.usable(flap * 0.5, 0.1) == {1, 2}  # S-145: sixty are borne
        book.observe([(1, False), (2, True)], flap * 0.5 + 0.1)
        book.observe([(1, True), (2, True)], flap * 0.5 + 0.2)
    end = FLAP_DOWNS * 0.5 + 0.5
    assert book.usable(end, 0.1) == {2}
    assert book.due(end, 0.1) == 0.1 + FLAP_WINDOW
    assert book.usable(0.1 + FLAP_WINDOW, 0.1) == {1, 2}
    book.observe([(1, True), (2, False)], end)
    assert book.usable(end, 0.1) == {1}  # better than none


# --- load -------------------------------------------------------------------------------------------------------

SPEED = 1e9


def feed(loads: dict[int, tuple[int, float]], seconds: int, count: int = 2) -> list[tuple[int, Move]]:
    """Ports {veth: (uplink, part of SPEED)} that send for so long; the moves, with their second."""
    watch, done = LoadWatch(), []
    for second in range(seconds + 1):
        sent = {veth: Bytes(int(part * SPEED / 8 * second), 0) for veth, (_, part) in loads.items()}
        busy = {
            n: Bytes(0, sum(sent[veth].rx for veth, (uplink, _) in loads.items() if uplink == n))
            for n in range(1, count + 1)
        }
        ports = {v: PortLoad(sent[v], uplink, tuple(range(1, count + 1))) for v, (uplink, _) in loads.items()}
        moves = watch.observe(float(second), {n: UplinkLoad(busy[n], SPEED) for n in busy}, ports)
        done += [(second, move) for move in moves]
    return done


@pytest.mark.parametrize(
    ("loads", "moves"),
    [
        ({5: (1, 0.5), 6: (1, 0.3), 7: (2, 0.1)}, [(30, Move(5, 2))]),  # S-138
        ({5: (1, 0.4), 6: (1, 0.3), 7: (2, 0.1)}, []),  # 70 % is not busy
        ({5: (1, 0.5), 6: (1, 0.3), 7: (2, 0.4)}, [(30, Move(6, 2))]),  # S-139: 5 would exceed 75 %
        ({5: (1, 0.5), 6: (1, 0.3), 7: (2, 0.7)}, []),  # S-139: either would
        ({5: (1, 0.8)}, []),  # S-139: 80 % is too much for any
    ],
)
def test_load_based_moves(loads: dict[int, tuple[int, float]], moves: list[tuple[int, Move]]) -> None:
    assert feed(loads, 35) == moves
    assert feed(loads, 29) == []  # S-138: 30 s


def test_load_based_ports_start_by_port_id_and_stay_where_they_were_moved() -> None:
    rules, pins = Rules(balance=Balance.LOAD), Pins()
    both = choose(rules, uplinks((1, 2)))
    assert both.method is Method.PORT_ID
    assert [pins.place(veth, veth, rules, both) for veth in (4, 5)] == [1, 2]  # S-138
    pins.move(4, 2)
    assert pins.place(4, 4, rules, both) == 2
    assert pins.place(4, 4, rules, choose(rules, uplinks((1,), (2,)))) == 1
    assert pins.place(4, 4, rules, both) == 2
