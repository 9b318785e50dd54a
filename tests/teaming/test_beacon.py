"""Beacon probing: frames, and verdicts over simulated networks."""

from __future__ import annotations

import pytest

from dvswitch.mac import MacAddress
from vem.teaming.beacon import Beacons, Probe, Probed, decode, encode, source_mac

HOST = bytes.fromhex("7f3c9a5e1d2b4c6f8a90112233445566")
B1 = bytes.fromhex(
    "ffffffffffff0a1b21aabb018100006488b5445653420101000000"
    "00002a7f3c9a5e1d2b4c6f8a901122334455660000000200640000"
    "00000171db502960"
)


def test_the_frame_of_the_format_description() -> None:
    probe = Probe(HOST, 2, 100, 42, 0x171DB502960)
    made = encode(MacAddress(bytes.fromhex("0a1b21aabb01")), probe, tagged=True)
    assert made[: len(B1)] == B1 and len(made) == 64
    assert decode(made[:12] + made[16:]) == probe
    for length in range(14 + 44):
        assert decode((made[:12] + made[16:])[:length]) is None


def simulate(count: int, islands: list[set[int]], seconds: int, unused: tuple[int, ...] = ()) -> Beacons:
    """Uplinks whose probes reach those of the same island; one second a step."""
    uplinks = tuple(n for n in range(1, count + 1) if n not in unused)
    beacons = Beacons(HOST)
    beacons.configure([Probed(uplinks, 100)], 0.0)
    for second in range(seconds):
        for sender, vlan, sequence in beacons.to_send(float(second)):
            probe = Probe(HOST, sender, vlan, sequence, 0)
            frame = encode(source_mac(HOST, sender), probe, tagged=False)
            for receiver in (n for island in islands if sender in island for n in island):
                beacons.receive(receiver, frame, float(second))
    return beacons


@pytest.mark.parametrize(
    ("count", "islands", "failed", "undecided"),
    [
        (3, [{1, 2, 3}], set(), set()),
        (3, [{1, 2}, {3}], {3}, set()),  # S-146
        (4, [{1, 2}, {3}, {4}], {3, 4}, set()),
        (4, [{1, 2}, {3, 4}], set(), set()),
        (2, [{1}, {2}], set(), {1, 2}),  # S-147
        (2, [{1, 2}], set(), set()),
        (3, [{1}, {2}, {3}], set(), {1, 2, 3}),  # S-147: nobody can tell
        (1, [{1}], set(), set()),
    ],
)
def test_verdicts(count: int, islands: list[set[int]], failed: set[int], undecided: set[int]) -> None:
    beacons = simulate(count, islands, 6)
    assert (beacons.failed(5.0), beacons.undecided(5.0)) == (failed, undecided)
    assert not beacons.failed(3.0)  # S-146: three intervals


def test_a_recovered_uplink_is_taken_back() -> None:
    beacons = simulate(3, [{1, 2}, {3}], 6)
    probe = encode(source_mac(HOST, 3), Probe(HOST, 3, 100, 7, 0), tagged=False)
    beacons.receive(1, probe, 5.5)
    assert beacons.failed(5.5) == set()


def test_what_is_no_sign_of_a_peer() -> None:
    beacons = simulate(3, [{1, 2}, {3}], 6)
    beacons.receive(3, encode(source_mac(HOST, 3), Probe(HOST, 3, 100, 7, 0), tagged=False), 5.5)  # its own echo
    beacons.receive(3, encode(source_mac(HOST, 1), Probe(bytes(16), 1, 100, 7, 0), tagged=False), 5.5)  # another host
    assert beacons.failed(5.5) == {3}


def test_once_a_second_in_every_vlan_but_a_hundred_at_most() -> None:
    beacons = Beacons(HOST)
    beacons.configure([Probed((1, 2), vlan) for vlan in range(1, 80)], 0.0)
    first = beacons.to_send(0.0)
    assert len(first) == 100 and first[:2] == [(1, 1, 1), (2, 1, 1)]  # S-146
    assert beacons.to_send(0.9) == [] and beacons.to_send(1.0) != []


def test_unused_uplinks_take_no_part() -> None:
    beacons = simulate(3, [{1, 2, 3}], 6, unused=(3,))
    assert {uplink for uplink, _, _ in beacons.to_send(6.0)} == {1, 2}  # S-151
