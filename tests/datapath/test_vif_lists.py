"""Which VIFs share a copy: lists of a VIS by link, VLAN, flood and form; numbers stay, and run out without harm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.rows.rows_niv import L_LIST, VIS, L, M, P, vis
from tests.rows.world import access, trunk, vnic
from vem.datapath import vif_lists
from vem.datapath.engine import EngineError
from vem.datapath.groups import VifListNumbers
from vem.datapath.image import LIST_RECEIVER, VIF_LIST_MAX, Group, Image, Policy
from vem.datapath.vif_lists import FIRST, Lists, Use, lists_for, vif_lists_of, with_lists

V100 = access(100)
MORE = vis(vnic(6, trunk("100,200"), link=L, vif=10), vnic(7, V100, link=M, vif=9))


def test_who_gets_the_same_in_the_same_form_over_the_same_link() -> None:
    image, lists = vif_lists_of(MORE)
    found = {(use.link, use.vlan, use.tagged): lists.members[use] for use in lists.numbers}
    assert found == {
        (L, 100, False): (1, 2),
        (L, 100, True): (3, 6),
        (L, 200, True): (3, 6),
        (M, 100, False): (4, 5, 7),
    }
    plain = [lport for lport in image.members[100] if lport < LIST_RECEIVER]
    assert plain == [P] and len(image.members[100]) == 4
    assert sorted(image.vif_lists.values()) == sorted(found.values())
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
    assert set(lists.members.values()) == {(4, 5)}


def test_groups_and_unknown_unicast_have_lists_of_their_own() -> None:
    group = Group(100, b"\xef\0\0\1")
    image, lists = vif_lists_of(replace(VIS, groups={group: (1, 2, 4)}, unknown_members={100: (1, 2, P)}))
    assert [lport for lport in image.groups[group] if lport < LIST_RECEIVER] == [4]
    assert [lport for lport in image.unknown_members[100] if lport < LIST_RECEIVER] == [P]
    floods = [use.flood for use in lists.numbers if use.link == L]
    assert sorted(map(str, floods)) == sorted(map(str, ["all", "unknown", group]))


def test_numbers_stay_with_their_use_and_are_reused_last() -> None:
    _, first = vif_lists_of(MORE)
    _, second = vif_lists_of(VIS, first)
    assert all(first.numbers[use] == number for use, number in second.numbers.items())
    _, third = vif_lists_of(MORE, second, keep=first.numbers.values())
    assert all(third.numbers[use] == number for use, number in second.numbers.items())
    new = {number for use, number in third.numbers.items() if use not in second.numbers}
    assert new and not new & set(first.numbers.values())


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
    use = Use(L, "all", 100, tagged=False)
    image = with_lists(VIS, Lists({use: FIRST}, {use: (1, 2, 77)}))
    assert image.members == VIS.members


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
