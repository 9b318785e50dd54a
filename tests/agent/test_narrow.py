"""Passes that go on from the one before come to what compiling everything comes to, over random histories of a host."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvswitch.vlan import VlanSet
from tests.agent.test_compile import BASE, UP, UPLINKS, WEB, mac, nic, veth
from vem.agent.compile import Compiled, Indexes, Orphans, compile_image, restrict
from vem.agent.narrow import Passes
from vem.agent.remembered import Remembered
from vem.agent.teams import Teaming
from vem.agent.wanted import Phase, Policy
from vem.datapath.image import Group, Image
from vem.teaming.team import Balance, Rules

POLICIES = {
    1: WEB,
    2: Policy(2, "trunk", trunk=True, vlan=1, allowed=VlanSet.parse("1,10,20"), promiscuous=True),
    3: Policy(3, "pinned", vlan=20, mac_learning=True, team=Rules(pin=1, pin_backup=(0, 2))),
    4: Policy(4, "load", vlan=10, mac_changes=True, team=Rules(balance=Balance.LOAD)),
    9: UP,
}
NUMBERS = range(1, 9)


class Host:
    """The inputs of its passes, and two that compile them: one narrowly where it can, one everything every time."""

    def __init__(self) -> None:
        ports = {number: veth(number, number % 4 + 1) for number in NUMBERS}
        self.wanted = replace(BASE, policies=dict(POLICIES), ports=ports)
        self.nics = {number: nic(number) for number in NUMBERS}
        self.uplinks = {uplink.number: uplink for uplink in UPLINKS}
        self.narrow, self.full = Teaming(), Teaming()
        self.indexes, self.full_indexes = Indexes(), Indexes()
        self.passes = Passes(self.indexes, self.narrow)
        self.memory: Remembered = Remembered()  # type: ignore[type-arg]

    def both(self, orphans: Orphans | None = None) -> tuple[Compiled, Compiled]:
        """What each of the two comes to."""
        nics, uplinks = list(self.nics.values()), list(self.uplinks.values())
        orphans = orphans or Orphans()
        one = self.passes.compile(self.wanted, nics, uplinks, orphans)
        other = compile_image(self.wanted, nics, uplinks, self.full_indexes, orphans, self.full, self.memory)
        return one, other

    def given(self) -> object:
        """All that a pass goes by."""
        return self.wanted, dict(self.nics), dict(self.uplinks)

    def port(self, number: int, **changes: object) -> None:
        """A wanted vEth changes, if there is one."""
        if number in self.wanted.ports:
            changed = replace(self.wanted.ports[number], **changes)  # type: ignore[arg-type]
            self.wanted = replace(self.wanted, ports={**self.wanted.ports, number: changed})

    def nic(self, number: int, **changes: object) -> None:
        """A NIC changes, if it is plugged in."""
        if number in self.nics:
            self.nics[number] = replace(self.nics[number], **changes)  # type: ignore[arg-type]


Step = Callable[[Host, random.Random, int], None]


def _phase(host: Host, dice: random.Random, number: int) -> None:
    host.port(number, phase=dice.choice(list(Phase)), generation=dice.randint(1, 4))


def _policy(host: Host, dice: random.Random, number: int) -> None:
    host.port(number, policy=dice.choice([1, 2, 3, 4, 77] if dice.random() < 0.1 else [1, 2, 3, 4]))


def _shut(host: Host, dice: random.Random, number: int) -> None:
    host.port(number, shutdown=dice.random() < 0.5)


def _link(host: Host, dice: random.Random, number: int) -> None:
    host.nic(number, link_up=dice.random() < 0.7)


def _balanced(host: Host, dice: random.Random, number: int) -> None:
    for teaming in (host.narrow, host.full):
        teaming.pins.move(number, 2)


def _groups(host: Host, dice: random.Random, number: int) -> None:
    for teaming in (host.narrow, host.full):
        teaming.groups = {Group(10, bytes([224, 0, 1, 5])): {number, 1}}


def _together(host: Host, dice: random.Random, number: int) -> None:
    for each in NUMBERS:
        _phase(host, dice, each)


def _same_mac(host: Host, dice: random.Random, number: int) -> None:
    other = dice.choice(NUMBERS)
    host.port(number, mac=mac(other))
    host.nic(number, mac=mac(other))


def _effective(host: Host, dice: random.Random, number: int) -> None:
    host.nic(number, effective=dice.choice([None, mac(99), mac(1)]))


def _come_and_go(host: Host, dice: random.Random, number: int) -> None:
    if number in host.nics:
        del host.nics[number]
    else:
        host.nics[number] = nic(number)


def _not_wanted(host: Host, dice: random.Random, number: int) -> None:
    ports = dict(host.wanted.ports)
    if ports.pop(number, None) is None:
        ports[number] = veth(number)
    host.wanted = replace(host.wanted, ports=ports)


def _unknown(host: Host, dice: random.Random, number: int) -> None:
    host.nic(number, veth=dice.choice([0, number]))


def _uplink(host: Host, dice: random.Random, number: int) -> None:
    which = dice.choice([1, 2])
    host.uplinks[which] = replace(host.uplinks[which], link_up=dice.random() < 0.6, usable=dice.random() < 0.8)


def _edit(host: Host, dice: random.Random, number: int) -> None:
    ident = dice.choice([1, 2, 3, 4, 9])
    edited = replace(host.wanted.policies[ident], shutdown=dice.random() < 0.2, bpdu=dice.random() < 0.5)
    host.wanted = replace(host.wanted, policies={**host.wanted.policies, ident: edited})


def _switch(host: Host, dice: random.Random, number: int) -> None:
    assert host.wanted.switch is not None
    host.wanted = replace(host.wanted, switch=replace(host.wanted.switch, mtu=dice.choice([1500, 9000])))


OFTEN: tuple[Step, ...] = (_phase, _policy, _shut, _link, _balanced, _together, _groups)
SELDOM: tuple[Step, ...] = (_same_mac, _effective, _come_and_go, _not_wanted, _unknown, _uplink, _edit, _switch)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_gone_on_from_comes_out_as_if_everything_were_compiled(seed: int) -> None:
    dice, host = random.Random(seed), Host()
    kept: list[tuple[Image, Image]] = []
    for turn in range(40):
        for _ in range(dice.randint(0, 2)):
            dice.choice(SELDOM if dice.random() < 0.15 else OFTEN)(host, dice, dice.choice(NUMBERS))
        one, other = host.both()
        assert one == other, (seed, turn)
        assert host.narrow.pins.places() == host.full.pins.places(), (seed, turn)
        assert host.indexes.policies.owned() == host.full_indexes.policies.owned()
        assert host.indexes.teams.owned() == host.full_indexes.teams.owned()
        kept.append((one.image, other.image))
    assert all(one == other for one, other in kept), f"{seed}: a later pass has changed what an earlier one had made"


@pytest.mark.parametrize("change", OFTEN, ids=lambda step: step.__name__)
def test_what_is_often_different_is_compiled_alone(change: Step) -> None:
    dice, host = random.Random(3), Host()
    host.both()
    change(host, dice, 5)
    one, other = host.both()
    assert one == other and host.passes.narrow == 1


@pytest.mark.parametrize("change", [step for step in SELDOM if step is not _unknown], ids=lambda step: step.__name__)
def test_whatever_else_is_different_has_everything_compiled(change: Step) -> None:
    dice, host = random.Random(4), Host()
    host.both()
    before = host.given()
    while host.given() == before:
        change(host, dice, 5)
    one, other = host.both()
    assert one == other and host.passes.narrow == 0


def test_nothing_is_gone_on_from_while_there_are_orphans_or_refusals() -> None:
    host = Host()
    image = host.both()[0].image
    orphans = restrict(image, {8})
    del host.nics[8]
    for _ in range(2):
        one, other = host.both(orphans)
        assert one == other
    host.port(5, phase=Phase.DRAINING)
    assert host.both(orphans)[0] == host.both(orphans)[1] and host.passes.narrow == 0
    host.port(6, mac=mac(7))
    host.nic(6, mac=mac(7))
    for phase in (Phase.ACTIVE, Phase.DRAINING):
        host.port(5, phase=phase)
        one, other = host.both()
        assert one == other and one.refusals and host.passes.narrow == 0
