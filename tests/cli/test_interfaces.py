"""`interface` of everything that has one: ranges as people write them, port-channels, mgmt0."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dvswitch.errors import DvsError
from tests.support.switches import Terminal, state, with_channels
from vsm.config.parse import replace_with
from vsm.config.render import config_text
from vsm.model.channels import channels_seen
from vsm.model.settings import ChannelMode, Settings
from vsm.model.state import State
from vsm.policy.compile import wanted

PO1 = "port-channel1"


def shut(state: State, slot: int) -> dict[int, bool]:
    return {number: spec.shutdown for number, spec in wanted(state, slot).uplinks.items()}


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("vethernet 1", ["Vethernet1"]),
        ("vethernet 1-2, 4", ["Vethernet1", "Vethernet2", "Vethernet4"]),
        ("vethernet 1 - 2 , vethernet 4", ["Vethernet1", "Vethernet2", "Vethernet4"]),
        ("vethernet 1-2,ethernet 3/1-2, po 1", ["Vethernet1", "Vethernet2", "Ethernet3/1", "Ethernet3/2", PO1]),
        ("ethernet 3/1,2,4/1", ["Ethernet3/1", "Ethernet3/2", "Ethernet4/1"]),
        ("ethernet 3/1, eth 4/1", ["Ethernet3/1", "Ethernet4/1"]),
        ("Veth1-2,4,Eth3/1", ["Vethernet1", "Vethernet2", "Vethernet4", "Ethernet3/1"]),
        ("port-channel 1,7", [PO1, "port-channel7"]),
        ("Po1", [PO1]),
        ("port-channel1", [PO1]),
        ("mgmt0", ["mgmt0"]),
        ("mgmt 0", ["mgmt0"]),
    ],
)
def test_ranges(said: str, names: list[str]) -> None:
    terminal = Terminal(with_channels())
    reply = terminal.configure(f"interface {said}", "description of them all")
    assert reply.ok and reply.prompt == f"vsm-a(config-if{'-range' if len(names) > 1 else ''})# "
    assert {name for name, text in terminal.state.config.descriptions.items() if text == "of them all"} == set(names)
    text = config_text(terminal.state)
    assert replace_with(text, terminal.state).state == terminal.state


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("vethernet 2-1", "Invalid range"),
        ("vethernet 1,,2", "Invalid interface format"),
        ("vethernet 1, bogus 3", "Invalid interface format"),
        ("ethernet 3", "Invalid interface format"),
        ("ethernet 2/1", "Invalid interface format"),
        ("port-channel 4097", "Invalid number, range is (1-4096)"),
        ("bogus1", "Invalid command"),
        ("port-channel 9", "interface port-channel9: does not exist; a port-channel appears when"),
        ("vethernet 1,77", "interface Vethernet77: does not exist"),
    ],
)
def test_ranges_that_are_none(said: str, told: str) -> None:
    terminal = Terminal(with_channels())
    reply = terminal.configure(f"interface {said}")
    assert not reply.ok and told in reply.output and reply.prompt == "vsm-a(config)# "


def test_a_port_channel_is_shut_down_on_all_its_members() -> None:
    terminal = Terminal(with_channels())
    assert not any(shut(terminal.state, 3).values())
    assert terminal.configure("interface port-channel 1", "shutdown", "description to the leaves").ok
    assert all(shut(terminal.state, 3).values()) and not any(shut(terminal.state, 4).values())
    shown = terminal.run("show running-config interface port-channel 1").output
    assert shown.endswith(
        "\ninterface port-channel1\n  inherit port-profile UPLINK\n  description to the leaves\n  shutdown\n"
    )
    brief = terminal.run("show port-channel brief").output
    assert "Po1          1       eth  trunk  down    Administratively down" in brief
    assert "Description: to the leaves" in terminal.run("show interface port-channel 1").output
    assert terminal.run("no shutdown").ok and not any(shut(terminal.state, 3).values())
    terminal.run("shutdown", "default interface port-channel 1")
    assert not any(shut(terminal.state, 3).values()) and PO1 not in terminal.state.config.descriptions


def test_a_port_channel_is_shut_down_as_long_as_it_is_one() -> None:
    """Uplinks whose profile does not bundle them any more are single."""
    terminal = Terminal(with_channels())
    terminal.configure("interface port-channel 1", "shutdown", "port-profile UPLINK", "no channel-group auto")
    assert not any(shut(terminal.state, 3).values())


def test_what_is_said_on_a_port_channel_goes_with_it() -> None:
    terminal = Terminal(with_channels())
    terminal.configure("interface port-channel 1,7", "shutdown", "description x")
    start = terminal.state
    gone = replace(start, config=replace(start.config, slots={3: start.config.slots[3]}))
    left = channels_seen(replace(gone, inventory=replace(gone.inventory, uplink_policies={(3, 1): 9})), 3, [9])
    assert PO1 in left.config.overrides and "port-channel7" not in {**left.config.overrides, **left.config.descriptions}
    veths = {number: veth for number, veth in start.inventory.veths.items() if veth.slot != 4}
    terminal.supervisor.transact(lambda _: replace(start, inventory=replace(start.inventory, veths=veths)))
    assert terminal.run("no vem 4").ok and "port-channel7" not in terminal.state.config.overrides


def test_a_text_may_name_a_port_channel_that_is_gone() -> None:
    text = config_text(with_channels()) + "interface port-channel9\n  shutdown\n"
    loaded = replace_with(text, with_channels())
    assert loaded.state == with_channels()
    assert loaded.remarks == ("interface port-channel9 is left out: its host does not make it any more",)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["interface po1", "switchport mode access"],
            "interface port-channel1: takes description and shutdown only; say it in port-profile UPLINK",
        ),
        (["interface po1", "channel-group auto mode on"], "takes description and shutdown only"),
        (["interface po1", "mtu 9000"], "takes description and shutdown only"),
        (["interface po1", "inherit port-profile WEB"], "is bound to port-profile UPLINK by its host"),
        (["interface po1", "ip address 192.0.2.1/24"], "can't have an IP address: the switch does not route"),
        (["interface po1", "vrf member management"], "can't be in vrf management; mgmt0 is in vrf management"),
        (["interface po1", "no switchport"], "can't be a routed port: the switch does not route"),
        (["no interface po1"], "Cannot remove interface port-channel1: its host makes it of uplinks"),
        (
            ["port-profile UPLINK", "shutdown", "interface po1", "no shutdown"],
            "interface port-channel1: is shut down by port-profile UPLINK; say 'no shutdown' there",
        ),
        (["interface mgmt0", "shutdown"], "interface mgmt0: belongs to the supervisor's host; configure it there"),
        (["interface mgmt0", "mtu 9000"], "interface mgmt0: belongs to the supervisor's host"),
        (["interface mgmt0", "switchport"], "interface mgmt0: belongs to the supervisor's host"),
        (
            ["interface mgmt0", "ip address 192.0.2.1/24"],
            "interface mgmt0: has the addresses of the supervisor's host; change them on that host",
        ),
        (["interface mgmt0", "no ip address"], "interface mgmt0: has the addresses of the supervisor's host"),
        (["interface mgmt0", "vrf member blue"], "interface mgmt0: can't be in vrf blue"),
        (["interface mgmt0", "no vrf member"], "interface mgmt0: can't leave vrf management"),
        (["interface mgmt0", "inherit port-profile WEB"], "interface mgmt0: takes no port-profile"),
        (["interface mgmt0", "vm mac 5254.0000.0009"], "the MAC address of a vNIC is set by its manager"),
        (["no interface mgmt0"], "Cannot remove interface mgmt0: it belongs to the supervisor's host"),
        (["interface control0"], "this interface is not supported yet"),
    ],
)
def test_what_would_have_no_effect_is_refused(lines: list[str], told: str) -> None:
    terminal = Terminal(with_channels())
    reply = terminal.configure(*lines)
    assert not reply.ok and reply.output.startswith("ERROR: ") and told in reply.output


def test_mgmt0_takes_what_is_true_anyway() -> None:
    terminal = Terminal()
    assert terminal.configure("interface mgmt0", "no shutdown", "vrf member management", "description to the lab").ok
    assert terminal.state.config.overrides == state().config.overrides
    shown = terminal.run("show running-config interface mgmt0").output
    assert shown.endswith("\ninterface mgmt0\n  description to the lab\n")
    terminal.run("default interface mgmt0")
    assert "mgmt0" not in terminal.state.config.descriptions


def test_settings_that_slip_in_are_found() -> None:
    """The check at the door does not rely on the rows."""
    from vsm.policy.check import check

    start = with_channels(ChannelMode.ON)
    for name, said in ((PO1, Settings(mtu=9000)), ("mgmt0", Settings(shutdown=True)), ("port-channel9", Settings())):
        overrides = {**start.config.overrides, name: said}
        with pytest.raises(DvsError, match=f"interface {name}"):
            check(replace(start, config=replace(start.config, overrides=overrides)))
