"""Which VIFs share a copy: lists of a VIS by link, VLAN, flood and form; numbers stay, and run out without harm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.rows.rows_niv import L_LIST, VIS, L, M, P, vis
from tests.rows.world import access, trunk, vnic
from vem.datapath import vif_lists
from vem.datapath.engine import EngineError
from vem.datapath.groups import VifListNumbers
from vem.datapath.image import LIST_RECEIVER, VIF_LIST_MAX, Group, Image, Policy, Port
from vem.datapath.vif_lists import FIRST, Lists, VifList, lists_for, vif_lists_of, with_lists

V100 = access(100)
MORE = vis(vnic(6, trunk("100,200"), link=L, vif=10), vnic(7, V100, link=M, vif=9))


def test_who_gets_the_same_in_the_same_form_over_the_same_link() -> None:
    image, lists = vif_lists_of(MORE)
    assert set(lists.numbers) == {VifList(L, (1, 2)), VifList(L, (3, 6)), VifList(M, (4, 5, 7))}
    number = lists.numbers[VifList(L, (3, 6))]  # trunks: they get VLANs 100 and 200 with a tag
    assert image.members[200][-1] == LIST_RECEIVER + number and LIST_RECEIVER + number in image.members[100]
    plain = [lport for lport in image.members[100] if lport < LIST_RECEIVER]
    assert plain == [P] and len(image.members[100]) == 4
    assert image.vif_lists == {(found.link, number): found.members for found, number in lists.numbers.items()}
    assert lists.of_link(M) == {number: (4, 5, 7) for (link, number) in image.vif_lists if link == M}


@pytest.mark.parametrize(
    "odd",
    [
        vnic(2, V100, link=L, vif=7, blocked=True),
        vnic(2, V100, link=L, vif=7, link_up=False),
        vnic(2, V100, link=L, vif=7, mac_violation=True),
        vnic(2, V100, link=L, vif=7, mirror_tx=P),
        vnic(2, V100, link=L),
        vnic(2, V100, link=P, vif=7),
        vnic(2, access(100, promiscuous=True), link=L, vif=7),
    ],
)
def test_who_needs_a_look_of_its_own_is_on_no_list(odd: object) -> None:
    policies = {**VIS.policies, 99: odd.policy}  # type: ignore[attr-defined]
    ports = {**VIS.ports, 2: replace(odd.port, policy=99)}  # type: ignore[attr-defined]
    image, lists = vif_lists_of(replace(VIS, ports=ports, policies=policies))
    assert 2 in image.members[100]
    assert set(lists.numbers) == {VifList(M, (4, 5))}


def test_groups_and_unknown_unicast_have_lists_of_their_own() -> None:
    group = Group(100, b"\xef\0\0\1")
    image, lists = vif_lists_of(replace(VIS, groups={group: (1, 2, 4)}, unknown_members={100: (1, 2, P)}))
    assert [lport for lport in image.groups[group] if lport < LIST_RECEIVER] == [4]
    assert [lport for lport in image.unknown_members[100] if lport < LIST_RECEIVER] == [P]
    assert set(lists.numbers) == {VifList(L, (1, 2)), VifList(M, (4, 5))}
    assert (
        image.groups[group][-1] == image.unknown_members[100][-1] == LIST_RECEIVER + lists.numbers[VifList(L, (1, 2))]
    )


def test_a_number_never_changes_its_meaning_and_is_reused_last() -> None:
    _, first = vif_lists_of(MORE)
    _, second = vif_lists_of(VIS, first)
    assert first.numbers.items() & second.numbers.items() == {(VifList(L, (1, 2)), first.numbers[VifList(L, (1, 2))])}
    _, third = vif_lists_of(MORE, second, keep=first.numbers.values())
    assert second.numbers.items() & third.numbers.items()
    new = {number for found, number in third.numbers.items() if found not in second.numbers}
    assert new and not new & {*first.numbers.values(), *second.numbers.values()}


def test_without_numbers_there_are_single_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vif_lists, "VIF_LIST_MAX", FIRST + 1)
    image, lists = vif_lists_of(MORE)
    assert sorted(lists.numbers.values()) == [FIRST, FIRST + 1]
    both = [item for item in image.members[100] if item >= LIST_RECEIVER]
    singles = {item for item in image.members[100] if item < LIST_RECEIVER}
    assert singles.union(*(image.vif_lists[key] for key in image.vif_lists if LIST_RECEIVER + key[1] in both)) == {
        *MORE.members[100]
    }


def test_a_list_whose_members_are_not_all_receivers_is_left_out() -> None:
    image = with_lists(VIS, Lists({VifList(L, (1, 2, 77)): FIRST}))
    assert image.members == VIS.members and not image.vif_lists


CLOSED = {**MORE.ports, 7: replace(MORE.ports[7], blocked=True)}


@pytest.mark.parametrize(
    ("ports", "stays"),
    [
        (CLOSED, True),
        ({**MORE.ports, 7: replace(MORE.ports[7], mirror_tx=P)}, False),
        ({**MORE.ports, 7: replace(MORE.ports[7], link=L)}, False),
    ],
)
def test_a_list_is_used_until_its_host_knows_the_next_one(ports: dict[int, Port], stays: bool) -> None:
    """Nobody is named twice meanwhile, and who is closed is on it still: the datapath sees that."""
    before, known = vif_lists_of(MORE)
    image = with_lists(replace(MORE, ports=ports), known, before)
    shared = LIST_RECEIVER + known.numbers[VifList(M, (4, 5, 7))]
    assert (shared in image.members[100]) == stays
    assert stays or {4, 5, 7} <= set(image.members[100])
    closed = with_lists(replace(MORE, ports=ports), lists_for(replace(MORE, ports=ports), known), before)
    assert LIST_RECEIVER + known.numbers[VifList(M, (4, 5, 7))] not in closed.members[100]
    assert not stays or 7 in closed.members[100]


def test_vlans_with_the_same_vifs_cost_one_list() -> None:
    """The cost is that of what differs."""
    vlans = range(2, 4094)
    policies = {**MORE.policies, 99: trunk("2-4093")}
    ports = {**MORE.ports, **{lport: replace(MORE.ports[lport], policy=99) for lport in (3, 6)}}
    alike = dict.fromkeys(vlans, (3, 6, P))
    image, lists = vif_lists_of(replace(MORE, ports=ports, policies=policies, members=alike, unknown_members=alike))
    assert set(lists.numbers) == {VifList(L, (3, 6))}
    made = {id(found) for found in (*image.members.values(), *image.unknown_members.values())}
    assert len(image.members) == len(vlans) and len(made) == 2, (
        "VLAN 100, of which others get frames untagged, and the rest"
    )


def test_no_vifs_no_lists() -> None:
    assert lists_for(Image(policies={0: Policy()})) == Lists()


def test_tables_refer_to_lists_that_there_are_and_to_no_two_at_once() -> None:
    numbers = VifListNumbers({})
    numbers.take((L, L_LIST))
    assert numbers.to_image(numbers.to_table((1, LIST_RECEIVER + L_LIST))) == (1, LIST_RECEIVER + L_LIST)
    with pytest.raises(EngineError, match="there is none"):
        numbers.to_table((LIST_RECEIVER + VIF_LIST_MAX,))
    numbers.take((M, L_LIST))
    with pytest.raises(EngineError, match="several links"):
        numbers.to_table((LIST_RECEIVER + L_LIST,))
