"""The agent's small cores: wanted state, numbers, announcements, ageing, uplink options, reconnect delays."""

from __future__ import annotations

import pytest

from dvswitch.digest import wanted_digest
from dvswitch.errors import InvalidValue, Unavailable
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from dvswitch.vlan import VlanSet
from tests.agent.supervisor import BASICS, policy, port
from vem.agent import ageing, announce
from vem.agent.convert import digest_of, plug_from, plug_to, snapshot_to, update_from
from vem.agent.lports import Numbers
from vem.agent.session import FIRST_DELAY, MAX_DELAY, reconnect_delay
from vem.agent.uplinks import check_numbers, parse_uplink
from vem.agent.wanted import HostMode, ModeKind, Nic, Staging, Tagging, Wanted, apply_update
from vem.datapath.engine import Plug
from vem.datapath.image import Image, LearnedMac, Policy, Port

MAC = MacAddress.parse("52:54:00:6b:3c:58")


def update(*changes: fabric.Change, revision: int = 1, **more: bool) -> fabric.Update:
    return fabric.Update(revision=revision, changes=changes, **{"commit": True, **more})


# --- wanted state -----------------------------------------------------------------------------------------------


def test_nothing_counts_before_the_commit() -> None:
    staging = Staging()
    assert not staging.take(update_from(update(policy(1, "web", 10), commit=False)))
    assert staging.committed.policies == {}
    assert staging.take(update_from(update(port(5, "web1"), revision=2)))
    assert set(staging.committed.policies) == {1} and set(staging.committed.ports) == {5}
    assert staging.committed.revision == 2


def test_a_snapshot_forgets_what_was_held_and_a_lost_session_what_was_staged() -> None:
    staging = Staging(apply_update(Wanted(), update_from(update(policy(1, "web", 10)))))
    staging.take(update_from(update(policy(2, "db", 20), snapshot=True, commit=False)))
    staging.forget_staged()
    assert set(staging.committed.policies) == {1}
    staging.take(update_from(update(policy(2, "db", 20), snapshot=True, revision=9)))
    assert set(staging.committed.policies) == {2}


def test_removals() -> None:
    wanted = apply_update(Wanted(), update_from(update(*BASICS, port(5, "web1"))))
    gone = [fabric.Change(remove_port=5), fabric.Change(remove_policy=1), fabric.Change(remove_uplink=1)]
    left = apply_update(wanted, update_from(update(*gone)))
    assert (left.ports, set(left.policies), left.uplinks) == ({}, {2, 9}, {})
    assert apply_update(left, update_from(update(*gone))) == left


def test_malformed_objects_are_refused_by_name_until_they_are_set_right() -> None:
    bad = [
        fabric.Change(set_policy=pb.Policy(id=1, profile="web", vlan=4095)),
        fabric.Change(set_port=pb.Port(veth=5, mac="01:00:5e:00:00:01")),
        fabric.Change(set_port=pb.Port(veth=6, mac="02:00:00:00:00:06", phase=7)),  # type: ignore[arg-type]
        policy(2, "db", 20),
    ]
    wanted = apply_update(Wanted(), update_from(update(*bad)))
    assert [refusal.object for refusal in wanted.refusals] == ["policy 1 (web)", "vethernet 5", "vethernet 6"]
    assert set(wanted.policies) == {2} and not wanted.ports
    assert digest_of(wanted) == ""
    right = [policy(1, "web", 10), port(5, "x"), fabric.Change(remove_port=6)]
    assert apply_update(wanted, update_from(update(*right))).refusals == ()


def test_digest_is_the_supervisors_whatever_it_said() -> None:
    changes = [*BASICS, port(5, "web1", announce=True)]
    wanted = apply_update(Wanted(), update_from(update(*changes)))
    policies = [change.set_policy for change in changes if change.HasField("set_policy")]
    expected = wanted_digest(changes[0].set_switch, policies, [changes[-1].set_port], [changes[4].set_uplink])
    assert digest_of(wanted) == expected
    assert apply_update(Wanted(), update_from(snapshot_to(wanted))) == wanted
    assert digest_of(Wanted()) == ""


def test_a_mode_is_held_told_back_and_part_of_the_digest() -> None:
    niv = pb.Mode(kind=pb.Mode.NIV, tagging=pb.Mode.ETAG)
    before = apply_update(Wanted(), update_from(update(*BASICS)))
    wanted = apply_update(before, update_from(update(fabric.Change(set_mode=niv))))
    assert (wanted.mode.kind, wanted.mode.tagging) == (ModeKind.NIV, Tagging.ETAG)
    assert digest_of(wanted) != digest_of(before)
    assert apply_update(Wanted(), update_from(snapshot_to(wanted))) == wanted
    back = apply_update(wanted, update_from(update(fabric.Change(set_mode=pb.Mode()))))
    assert back.mode == HostMode() and digest_of(back) == digest_of(before)
    odd = apply_update(before, update_from(update(fabric.Change(set_mode=pb.Mode(kind=9)))))  # type: ignore[arg-type]
    assert [refusal.object for refusal in odd.refusals] == ["mode"] and odd.mode == HostMode()
    assert not apply_update(odd, update_from(update(fabric.Change(set_mode=niv)))).refusals


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Nic("a", 0), Nic("a", 0), True),
        (Nic("a", 0), Nic("a", 1), False),
        (Nic("a", 0), Nic("b", 0), False),
        (Nic("a", 0, "u"), Nic("renamed", 0, "u"), True),
        (Nic("a", 0, "u"), Nic("a", 0, "v"), False),
        (Nic("a", 0, "u"), Nic("a", 0), True),
        (Nic("", 0), Nic("", 0), False),
    ],
)
def test_who_a_nic_is(one: Nic, other: Nic, same: bool) -> None:
    assert one.same(other) is same and other.same(one) is same


def test_plugs_go_both_ways() -> None:
    plugs = [Plug("tap", "tap0"), Plug("veth", "v0", "ns1"), Plug("wire", local="unix:/a", remote="udp:127.0.0.1:5")]
    assert [plug_from(plug_to(plug)) for plug in plugs] == plugs
    with pytest.raises(InvalidValue, match="where the NIC is plugged in"):
        plug_from(pb.Plug())


# --- numbers ----------------------------------------------------------------------------------------------------


def test_numbers_are_stable_and_reused_last() -> None:
    numbers: Numbers[str] = Numbers(1, 3, "ports")
    assert [numbers.assign(owner) for owner in "abab"] == [1, 2, 1, 2]
    numbers.release("a")
    assert [numbers.assign("c"), numbers.assign("d")] == [3, 1]
    with pytest.raises(Unavailable, match="ports: all numbers are taken"):
        numbers.assign("e")


def test_a_reserved_number_changes_hands_without_becoming_free() -> None:
    numbers: Numbers[str] = Numbers(1, 3, "ports", {"orphan": 2})
    numbers.reserve("nic", 2)
    numbers.release("orphan")
    assert [numbers.assign("x"), numbers.assign("y"), numbers.get("nic")] == [1, 3, 2]
    numbers.keep_only(["nic"])
    assert numbers.owned() == {"nic": 2}


# --- announcements ----------------------------------------------------------------------------------------------


def test_rarp_bytes() -> None:
    r1 = bytes.fromhex(
        "ffffffffffff5254006b3c588035000108000604 0003 5254006b3c58 00000000 5254006b3c58 00000000".replace(" ", "")
    )
    assert announce.rarp(MAC) == r1.ljust(60, b"\0")
    r2 = announce.rarp(MAC, 100)
    assert len(r2) == 64 and r2[12:20].hex() == "8100006480350001"
    assert r2[:12] + r2[16:] == announce.rarp(MAC)


UP = Policy(trunk=True, vlan=1, allowed=VlanSet.parse("1,10,20-23"))


@pytest.mark.parametrize(
    ("policy_", "uplink_", "vlans"),
    [
        (Policy(vlan=10), UP, [10]),
        (Policy(vlan=1), UP, [0]),
        (Policy(vlan=99), UP, []),
        (Policy(trunk=True, vlan=1, allowed=VlanSet.parse("1,10,22,99")), UP, [0, 10, 22]),
        (Policy(vlan=10), Policy(vlan=10), [0]),
    ],
)
def test_announced_vlans(policy_: Policy, uplink_: Policy, vlans: list[int]) -> None:
    assert announce.announcements(MAC, policy_, uplink_) == [announce.rarp(MAC, vlan) for vlan in vlans]


def test_a_wide_trunk_is_announced_in_its_lowest_vlans() -> None:
    wide = Policy(trunk=True, allowed=VlanSet.all())
    assert len(announce.announcements(MAC, wide, wide)) == announce.MAX_VLANS


# --- ageing -----------------------------------------------------------------------------------------------------

LEARNING = Policy(vlan=10, learn=True)
LEARNED = LearnedMac(MAC, 10, 1, 5.0)
HOLDING = Image(ports={1: Port(1, 5, MAC)}, policies={1: LEARNING})


def test_age_limit() -> None:
    assert ageing.aged([LEARNED, LearnedMac(MAC, 11, 1, 300.0)], 300) == [LearnedMac(MAC, 11, 1, 300.0)]


@pytest.mark.parametrize(
    ("image", "gone"),
    [
        (HOLDING, False),
        (Image(), True),
        (Image(ports={1: Port(1, 5, MAC, blocked=True)}, policies={1: LEARNING}), True),
        (Image(ports={1: Port(1, 5, MAC)}, policies={1: Policy(vlan=20, learn=True)}), True),  # S-056
        (Image(ports={1: Port(1, 5, MAC)}, policies={1: Policy(vlan=10)}), True),
        (Image(ports=HOLDING.ports, policies=HOLDING.policies, static_macs={MAC: 1}), True),
    ],
)
def test_stale_entries(image: Image, gone: bool) -> None:
    assert bool(ageing.stale([LEARNED], image)) is gone
    assert ageing.may_leave_stale(HOLDING, image) is gone


# --- options and delays -----------------------------------------------------------------------------------------


def test_uplink_options() -> None:
    device = parse_uplink("2,profile=UPLINK,device=eth2,netns=h1")
    assert (device.number, device.profile, device.adapter) == (2, "UPLINK", "eth2")
    assert device.plug == Plug("raw", "eth2", "h1")
    wire = parse_uplink("1,wire=unix:/a>unix:/b,profile=U,adapter=eth9")
    assert wire.plug == Plug("wire", local="unix:/a", remote="unix:/b") and wire.adapter == "eth9"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0,profile=U,device=e",
        "33,profile=U,device=e",
        "1,device=e",
        "1,profile=U",
        "1,profile=U,speed=10",
        "1,profile=U,device=e,wire=unix:/a>unix:/b",
        "1,profile=U,wire=/a>/b",
        "1,profile=U,wire=unix:/a",
    ],
)
def test_bad_uplink_options_are_named(text: str) -> None:
    with pytest.raises(InvalidValue, match="uplink '" + text.split(",")[0]):
        parse_uplink(text)


def test_uplink_numbers_are_unique() -> None:
    with pytest.raises(InvalidValue, match="uplink 1: is configured twice"):
        check_numbers([parse_uplink("1,profile=U,device=a"), parse_uplink("1,profile=U,device=b")])


def test_reconnect_delays_grow_to_a_limit() -> None:
    assert reconnect_delay(0, 1.0) == FIRST_DELAY
    assert reconnect_delay(0, 0.0) == FIRST_DELAY / 2
    assert reconnect_delay(50, 1.0) == MAX_DELAY
