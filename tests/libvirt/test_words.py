"""What libvirt says is understood: command lines, domains and networks; what is not is refused by name."""

from __future__ import annotations

import pytest

from dvswitch.errors import InvalidValue
from tests.libvirt import samples
from tests.libvirt.samples import IFACE, MAC, UUID
from vem.libvirt.commandline import AddPort, DelPort, FindBridge, GetId, ListStatistics, SetIds, parse
from vem.libvirt.domain import DomainNic, numbered, read_domain, read_network
from vem.libvirt.vsctl import PortData

IDS = {"attached-mac": MAC, "iface-id": IFACE, "vm-id": UUID, "ifname": "vnet0", "iface-status": "active"}


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (samples.add(), AddPort("br0", "vnet0", ("tag=10",), {**IDS, "port-profile": "web"})),
        (samples.add(profile=""), AddPort("br0", "vnet0", ("tag=10",), IDS)),
        (samples.delete(), DelPort("vnet0", True)),
        (["del-port", "br0", "vnet0"], DelPort("vnet0")),
        (samples.get_data(), GetId("vnet0", "PortData", True)),
        (samples.set_data("dvs1:x"), SetIds("vnet0", {"PortData": "dvs1:x"})),
        (samples.STATISTICS, ListStatistics("vnet0", True)),
        (["--timeout=5", "iface-to-br", "vnet0"], FindBridge("vnet0")),
    ],
)
def test_a_command_line(words: list[str], command: object) -> None:
    assert parse(words).commands == (command,)


def test_trunks_and_several_commands() -> None:
    trunk = ["vlan_mode=native-tagged", "tag=10", "trunk=10,20"]
    line = parse(["--timeout", "9", "--", "--may-exist", "add-port", "br0", "vnet0", *trunk, "--", "del-port", "vnet1"])
    assert line.timeout == 9
    assert line.commands == (AddPort("br0", "vnet0", tuple(trunk)), DelPort("vnet1"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (samples.QOS, "bandwidth: of an interface is not supported yet"),
        (samples.CLEAR_VLAN, "VLAN"),
        (["add-br", "br1"], "'add-br br1'"),
        (["--db=tcp:10.0.0.1:6640", "show"], "option '--db'"),
        (["add-port", "br0", "vnet0", "other_config:x=1"], "add-port with 'other_config:x=1'"),
        (["set", "Interface", "vnet0", "type=dpdk"], "column 'type'"),
        (["set", "Interface", "vnet0", "mtu_request"], "'mtu_request'"),
        (["get", "Interface", "vnet0", "name"], "column 'name'"),
        (["list", "Interface", "vnet0"], "'list Interface'"),
        (["--columns=statistics", "list", "Interface", "vnet0"], "statistics"),
        (["--timeout=soon", "del-port", "vnet0"], "time-out 'soon'"),
        (["--timeout=5"], "an empty command line"),
    ],
)
def test_what_is_not_done_is_refused_by_name(words: list[str], named: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        parse(words)
    assert named in str(raised.value)


def test_port_data_of_another_version_is_nobodys() -> None:
    assert PortData.read(str(PortData(5, 7))) == PortData(5, 7)
    assert PortData.read("dvs2:vethernet=5") is None


def test_a_domains_nics() -> None:
    network = read_network(samples.NETWORK)
    text = samples.domain(samples.interface(), samples.PLAIN, samples.OTHER, samples.DIRECT)
    domain = read_domain(text, {"n1k": network}.get)
    assert (domain.name, domain.uuid) == ("vm", UUID)
    assert [(nic.mac[-1], nic.position, nic.profile) for nic in domain.nics] == [
        ("1", 0, "web"),
        ("9", 1, ""),
        ("8", 2, ""),
        ("2", 3, "db"),
    ]


ALL = "<virtualport type='openvswitch'><parameters profileid='all'/></virtualport>"


@pytest.mark.parametrize(
    ("text", "group", "profile"),
    [
        (samples.NETWORK, "web", "web"),
        (samples.NETWORK, "", "db"),  # the default portgroup
        (f"<networkstatus>{samples.NETWORK}</networkstatus>", "web", "web"),
        (f"<network><name>n1k</name>{ALL}</network>", "x", "all"),
        ("<network><name>n1k</name><forward mode='nat'/></network>", "web", ""),
        (None, "web", "web"),  # nobody knows the network
    ],
)
def test_the_profile_of_a_portgroup(text: str | None, group: str, profile: str) -> None:
    network = read_network(text) if text else None
    domain = read_domain(samples.domain(samples.interface(group=group)), lambda name: network)
    assert domain.nics[0].profile == profile


@pytest.mark.parametrize("text", ["", "<domain>", "<domain><name>x</name></domain>", "<pool/>"])
def test_a_domain_that_is_none(text: str) -> None:
    with pytest.raises(InvalidValue):
        read_domain(text, lambda name: None)


def test_nics_keep_the_numbers_they_are_known_by() -> None:
    nics = [DomainNic("a", 0), DomainNic("b", 1), DomainNic("c", 2)]
    assert numbered(nics, {}) == {"a": 0, "b": 1, "c": 2}
    assert numbered(nics[:2], {"a": 2}) == {"a": 2, "b": 1}  # two were unplugged before "a"
    assert numbered(nics, {"a": 1}) == {"a": 1, "b": 2, "c": 3}
