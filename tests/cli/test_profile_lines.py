"""Every line that a port-profile of a Nexus 1000V may have: it is accepted, shown and in effect, or refused by name.

The table follows the reference's grammar of port-profiles line by line; what is in effect is named by what modules,
managers or the switch's own rules make of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from dvswitch.vlan import VlanSet
from tests.support.switches import Terminal, with_channels
from vsm.model.settings import ChannelMode
from vsm.model.state import State
from vsm.policy.catalog import catalog
from vsm.policy.compile import wanted
from vsm.policy.guard import marked
from vsm.policy.inherit import effective

GUEST, UPLINK = "PLAIN", "PLAINUP"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is accepted."""

    text: str
    effect: Callable[[State], object]
    value: object
    shown: str = ""
    """In the running configuration; "" = as it is typed."""
    before: tuple[str, ...] = ()
    uplink: bool = False


def module(attribute: str) -> Callable[[State], object]:
    """What host 3 is told of the policy of the profile."""
    return lambda state: getattr(next(p for p in wanted(state, 3).policies.values() if p.profile == GUEST), attribute)


def uplinks(attribute: str) -> Callable[[State], object]:
    return lambda state: getattr(next(p for p in wanted(state, 3).policies.values() if p.profile == UPLINK), attribute)


def team(attribute: str) -> Callable[[State], object]:
    return lambda state: getattr(module("team")(state), attribute)


def profile(attribute: str) -> Callable[[State], object]:
    return lambda state: getattr(state.config.profiles[GUEST], attribute)


def groups(state: State) -> list[str]:
    """What managers are offered."""
    return [group.name for group in catalog(state.config).values() if group.profile == GUEST]


def sizes(state: State) -> tuple[int, int]:
    (group,) = (group for group in catalog(state.config).values() if group.profile == GUEST)
    return group.min_ports, group.max_ports


TRUNK = ("switchport mode trunk",)
ALLOWED = (*TRUNK, "switchport trunk allowed vlan 10,20")
NAMED = ("port-group",)
LINES = [
    Line("description web tier", profile("description"), "web tier"),
    Line("vmware port-group", groups, [GUEST], "port-group"),
    Line("vmware port-group PG", groups, ["PG"], "port-group PG"),
    Line("publish port-profile", groups, [GUEST], "port-group"),
    Line("port-group", groups, [GUEST]),
    Line("port-group PG", groups, ["PG"]),
    Line("inherit port-profile BASE", lambda state: effective(state.config, GUEST).shutdown, False),
    Line("switchport mode access", module("trunk"), False, before=TRUNK),
    Line("switchport mode trunk", module("trunk"), True),
    Line("switchport access vlan 20", module("vlan"), 20),
    Line("switchport trunk native vlan 20", module("vlan"), 20, before=TRUNK),
    Line("switchport trunk allowed vlan 10,20", module("allowed"), VlanSet.of([10, 20]), before=TRUNK),
    Line(
        "switchport trunk allowed vlan add 1",
        module("allowed"),
        VlanSet.of([1, 10, 20]),
        "switchport trunk allowed vlan 1,10,20",
        before=ALLOWED,
    ),
    Line(
        "switchport trunk allowed vlan remove 10",
        module("allowed"),
        VlanSet.of([20]),
        "switchport trunk allowed vlan 20",
        before=ALLOWED,
    ),
    Line(
        "switchport trunk allowed vlan except 10",
        module("allowed"),
        VlanSet.of([1, 20]),
        "switchport trunk allowed vlan 1-9,11-4094",
        before=TRUNK,
    ),
    Line("switchport trunk allowed vlan all", module("allowed"), VlanSet.of([1, 10, 20]), before=ALLOWED),
    Line("switchport trunk allowed vlan none", module("allowed"), VlanSet(), before=TRUNK),
    Line("pinning id 3", team("pin"), 3),
    Line("pinning id 3 backup 4,5", team("pin_backup"), (4, 5)),
    Line("pinning id 3 backup 4 5", team("pin_backup"), (4, 5), "pinning id 3 backup 4,5"),
    Line("system vlan 10", lambda state: marked(state.config.profiles[GUEST]), True, before=ALLOWED),
    Line("capability l3control", lambda state: marked(state.config.profiles[GUEST]), True),
    Line("max-ports 40", sizes, (1, 40), before=NAMED),
    Line("vmware max-ports 40", sizes, (1, 40), "max-ports 40", before=NAMED),
    Line("min-ports 2", sizes, (2, 32), before=NAMED),
    Line("no shutdown", module("shutdown"), False),
    Line("shutdown", module("shutdown"), True),
    Line("state enabled", module("blocked"), ("", ""), before=("no state enabled",)),
    *(
        Line(f"channel-group auto mode {mode.value}", uplinks("channel"), mode, uplink=True)
        for mode in ChannelMode
        if mode is not ChannelMode.NONE
    ),
    Line("channel-group auto", uplinks("channel"), ChannelMode.ON, "channel-group auto mode on", uplink=True),
    Line("mtu 9000", uplinks("mtu"), 9000, uplink=True),
]
REFUSED = [
    ("switchport mode private-vlan host", "private-vlan"),
    ("switchport mode private-vlan promiscuous", "private-vlan"),
    ("switchport mode private-vlan trunk promiscuous", "private-vlan"),
    ("switchport access bridge-domain BD", "bridge-domain"),
    ("switchport private-vlan host-association 100 101", "private-vlan"),
    ("switchport private-vlan mapping 100 101-102", "private-vlan"),
    ("switchport private-vlan mapping 100 add 103", "private-vlan"),
    ("switchport private-vlan mapping trunk 100 101", "private-vlan"),
    ("switchport private-vlan trunk allowed vlan 10", "private-vlan"),
    ("switchport port-security", "port-security"),
    ("switchport port-security maximum 4 vlan 3", "port-security"),
    ("switchport port-security mac-address sticky", "port-security"),
    ("switchport port-security mac-address 5254.0000.0001 vlan 3", "port-security"),
    ("switchport port-security violation restrict", "port-security"),
    ("switchport port-security aging time 5", "port-security"),
    ("switchport port-security aging type inactivity", "port-security"),
    ("channel-group auto mode on sub-group cdp", "sub-group"),
    ("channel-group auto mode on sub-group manual", "sub-group"),
    ("sub-group-id 3", "sub-group"),
    ("pinning control-vlan 3", "pinning of a vlan"),
    ("pinning packet-vlan 3", "pinning of a vlan"),
    ("ip port access-group A in", "port access-group"),
    ("ipv6 port access-group A out", "port access-group"),
    ("mac port access-group A in", "port access-group"),
    ("service-policy input P", "service-policy"),
    ("service-policy type qos output P no-stats", "service-policy"),
    ("service-policy type queuing output P", "service-policy"),
    ("ip flow monitor M input", "flow monitor"),
    ("ipv6 flow monitor M output", "flow monitor"),
    ("ip dhcp snooping trust", "ip dhcp snooping"),
    ("ip arp inspection trust", "ip arp inspection"),
    ("ip arp inspection limit rate 5", "ip arp inspection"),
    ("ip verify source dhcp-snooping-vlan", "ip verify source"),
    ("switchport uufb disable", "uufb"),
    ("capability iscsi-multipath", "capability iscsi-multipath"),
    ("capability vxlan", "capability vxlan"),
    ("capability l3-vservice", "capability l3-vservice"),
    ("port-binding static auto", "port-binding static auto"),
    ("port-binding static auto expand", "port-binding static auto"),
    ("port-binding dynamic", "port-binding other than static"),
    ("port-binding ephemeral", "port-binding other than static"),
    ("assign port-profile-role R", "port-profile-role"),
]
"""Lines, and what is said not to be supported yet."""


def switch() -> Terminal:
    """A guest's NIC and an uplink have profiles that say nothing but that they are in effect."""
    start = with_channels()
    terminal = Terminal(start)
    terminal.configure(
        f"port-profile {GUEST}", "state enabled", f"port-profile type ethernet {UPLINK}", "state enabled"
    )
    now = terminal.state
    veths = {**now.inventory.veths, 1: replace(now.inventory.veths[1], profile=GUEST)}
    found = {**now.inventory.uplinks, (3, 1): replace(now.inventory.uplinks[3, 1], profile=UPLINK)}
    inventory = replace(now.inventory, veths=veths, uplinks=found)
    terminal.supervisor.transact(lambda before: replace(before, inventory=inventory))
    return terminal


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.text)
def test_a_line_is_in_effect_and_shown(line: Line) -> None:
    terminal = switch()
    name = UPLINK if line.uplink else GUEST
    assert terminal.configure(f"port-profile {name}", *line.before, line.text).ok
    assert line.effect(terminal.state) == line.value
    shown = terminal.run(f"show running-config port-profile {name}").output.splitlines()
    assert f"  {line.shown or line.text}" in shown
    before = terminal.state
    assert terminal.run(line.text).ok and (terminal.state is before or " add " in line.text or " remove " in line.text)


@pytest.mark.parametrize(("line", "what"), REFUSED, ids=lambda value: str(value))
@pytest.mark.parametrize("name", [GUEST, UPLINK])
def test_a_line_is_refused_by_name_and_its_no_is_true(name: str, line: str, what: str) -> None:
    terminal = switch()
    before = terminal.configure(f"port-profile {name}") and terminal.state
    assert terminal.run(line).output == f"ERROR: port-profile {name}: {what} is not supported yet\n"
    assert terminal.run(f"no {line}").ok and terminal.state is before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("port-profile two words", "Invalid command"),
        (f"port-profile {'x' * 81}", "String exceeded max length of (80)"),
        (f"port-profile type ethernet {GUEST}", "is of type vethernet; the type is fixed at creation"),
        ("port-profile default port-binding static auto expand", "port-binding other than static is not supported yet"),
        ("port-profile default max-ports 0", "range is (1-10240)"),
    ],
)
def test_headers_that_are_none(line: str, told: str) -> None:
    reply = switch().configure(line)
    assert not reply.ok and told in reply.output


def test_defaults_of_profiles_to_come() -> None:
    terminal = switch()
    assert terminal.configure("port-profile default max-ports 40", "port-profile default port-binding static").ok
    terminal.run("port-profile LATER", "port-profile PLAIN")
    assert terminal.state.config.profiles["LATER"].max_ports == 40
    assert terminal.state.config.profiles[GUEST].max_ports == 32
    assert terminal.run("port-binding static").ok and terminal.run("no port-binding").ok, "as all ports are bound"
