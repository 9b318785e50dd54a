"""What an edit touches and cuts off, and what it must not cut off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvswitch.errors import Conflict
from dvswitch.vlan import VlanSet
from tests.support.switches import Terminal, state
from vsm.model.settings import PortMode, Settings
from vsm.model.state import State
from vsm.policy.guard import guard
from vsm.policy.impact import Impact, Loss, impact


def edit(*lines: str, start: State | None = None) -> tuple[State, State]:
    """The switch before and after these lines; all modules have uplinks."""
    terminal = Terminal(wired() if start is None else start)
    before = terminal.state
    assert terminal.configure(*lines).ok
    return before, terminal.state


def wired() -> State:
    start = state()
    uplinks = {key: replace(uplink, profile="UPLINK") for key, uplink in start.inventory.uplinks.items()}
    known = start.config.profiles
    profiles = {
        **known,
        "DB": replace(known["DB"], enabled=True),
        "WEB": replace(known["WEB"], port_group=None),  # published ones can't be taken away from their ports
    }
    config = replace(start.config, profiles=profiles)
    return replace(start, config=config, inventory=replace(start.inventory, uplinks=uplinks))


def vlans(*numbers: int) -> VlanSet:
    return VlanSet.of(numbers)


def test_nothing_is_nothing() -> None:
    assert impact(state(), state()) == Impact()
    assert impact(*edit("vlan 500", "port-profile NOBODY")) == Impact()
    assert impact(*edit("interface vethernet 1", "description other")) == Impact()


def test_an_edit_of_a_profile_touches_its_ports_on_their_modules() -> None:
    found = impact(*edit("port-profile WEB", "mac-learning enable"))
    assert found == Impact((3, 4), ("Vethernet1", "Vethernet3"))
    assert impact(*edit("interface vethernet 3", "mac-learning enable")) == Impact((4,), ("Vethernet3",))


def test_ports_that_are_shut_lose_everything() -> None:
    found = impact(*edit("interface vethernet 1", "shutdown"))
    assert found == Impact((3,), ("Vethernet1",), (Loss("Vethernet1", 3, vlans(10)),))
    found = impact(*edit("port-profile WEB", "no state enabled"))
    assert [loss.port for loss in found.losses] == ["Vethernet1", "Vethernet2", "Vethernet3"]


def test_another_vlan_is_a_loss_of_the_first() -> None:
    found = impact(*edit("port-profile WEB", "switchport access vlan 20"))
    assert found.losses == tuple(Loss(f"Vethernet{n}", s, vlans(10)) for n, s in ((1, 3), (2, 3), (3, 4)))


def test_uplinks_that_lose_a_vlan_cut_off_the_ports_behind_them() -> None:
    found = impact(*edit("port-profile UPLINK", "switchport trunk allowed vlan remove 10"))
    assert found.losses == (
        Loss("Ethernet3/1", 3, vlans(10)),
        Loss("Vethernet1", 3, vlans(10), uplinks=True),
        Loss("Vethernet2", 3, vlans(10), uplinks=True),
        Loss("Ethernet4/1", 4, vlans(10)),
        Loss("Vethernet3", 4, vlans(10), uplinks=True),
    )


def test_a_vlan_that_goes_takes_ports_and_uplinks_with_it() -> None:
    found = impact(*edit("no vlan 10"))
    assert {loss.port for loss in found.losses} == {
        "Ethernet3/1", "Ethernet4/1", "Vethernet1", "Vethernet2", "Vethernet3",
    }  # fmt: skip
    assert all(loss.vlans == vlans(10) for loss in found.losses)


# ---- the guard


def guarded(profile: str, **mark: object) -> State:
    """The switch with one profile that marks ports which must keep working."""
    start = wired()
    profiles = start.config.profiles
    profiles = {**profiles, profile: replace(profiles[profile], **mark)}  # type: ignore[arg-type]
    return replace(start, config=replace(start.config, profiles=profiles))


CUTS = [
    ("WEB", ("interface vethernet 3", "shutdown"), "Vethernet3"),
    ("WEB", ("port-profile WEB", "switchport access vlan 20"), "Vethernet1"),
    ("WEB", ("port-profile WEB", "no state enabled"), "Vethernet1"),
    ("WEB", ("port-profile UPLINK", "switchport trunk allowed vlan remove 10"), "Vethernet1"),
    ("WEB", ("port-profile UPLINK", "shutdown"), "Vethernet1"),
    ("WEB", ("no vlan 10",), "Vethernet1"),
    ("UPLINK", ("port-profile UPLINK", "switchport trunk allowed vlan 1,20"), "Ethernet3/1"),
    ("UPLINK", ("interface ethernet 4/1", "shutdown"), "Ethernet4/1"),
]


@pytest.mark.parametrize(("profile", "lines", "named"), CUTS)
@pytest.mark.parametrize("mark", [{"system_vlans": vlans(10)}, {"l3control": True}], ids=["system vlan", "l3control"])
def test_the_way_to_a_host_is_not_cut(
    profile: str, lines: tuple[str, ...], named: str, mark: dict[str, object]
) -> None:
    assert edit(*lines)[1] is not None, "without the mark it may be done"
    start = guarded(profile, **mark)
    terminal = Terminal(start)
    reply = terminal.configure(*lines)
    assert not reply.ok and terminal.state is start
    if "is not among its vlans" not in reply.output:  # a system vlan must be allowed in its own profile, to begin with
        assert reply.output.startswith(f"ERROR: interface {named}: would lose ")
        assert "which must keep working; use 'configure session' and 'commit force'" in reply.output


def test_other_vlans_may_go() -> None:
    terminal = Terminal(guarded("UPLINK", system_vlans=vlans(10)))
    assert terminal.configure("port-profile UPLINK", "switchport trunk allowed vlan remove 20").ok


@pytest.mark.parametrize(
    ("mark", "line"),
    [({"system_vlans": vlans(10)}, "no system vlan"), ({"l3control": True}, "no capability l3control")],
)
def test_the_mark_stays_while_ports_use_it(mark: dict[str, object], line: str) -> None:
    terminal = Terminal(guarded("WEB", **mark))
    assert "is in use and marks ports that must keep working" in terminal.configure("port-profile WEB", line).output
    unused = guarded("BASE", settings=Settings(mode=PortMode.ACCESS, access_vlan=10), **mark)
    assert Terminal(unused).configure("port-profile BASE", line).ok


def test_a_whole_configuration_is_guarded_too() -> None:
    terminal = Terminal(guarded("WEB", system_vlans=vlans(10)))
    text = terminal.run("show running-config").output
    terminal.files.write(
        "cut", text.replace("vlan 1,10,20,30\n", "vlan 1,20,30\n").replace("vlan 10\n  name web\n", "").encode()
    )
    for line in ("configure replace cut", "rollback running-config file cut"):
        assert "which must keep working" in terminal.run(line).output
        assert 10 in terminal.state.config.vlans
    assert terminal.run("configure replace cut force").ok
    assert 10 not in terminal.state.config.vlans


def test_system_vlans_must_be_carried() -> None:
    with pytest.raises(Conflict):
        guard(guarded("WEB", l3control=True), replace(wired(), config=replace(wired().config, profiles={})))
    reply = Terminal().configure("port-profile WEB", "system vlan 20")
    assert "system vlan 20 is not among its vlans" in reply.output
