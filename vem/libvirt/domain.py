"""What the hook needs of libvirt's XML: a domain's NICs on Open vSwitch ports, and the profiles of a network.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from dvswitch.errors import InvalidValue

_OURS = "openvswitch"


@dataclass(frozen=True, slots=True)
class Network:
    """A libvirt network, as far as it puts NICs on Open vSwitch ports."""

    profile: str = ""
    """For NICs that name no portgroup that has one."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Portgroup -> profile, "" = the network's."""
    ours: bool = True
    default_group: str = ""

    def profile_of(self, group: str) -> str:
        """The profile that a NIC in that portgroup is put on."""
        return self.groups.get(group or self.default_group, "") or self.profile


@dataclass(frozen=True, slots=True)
class DomainNic:
    """One of a domain's interfaces."""

    mac: str
    position: int
    """Among all interfaces of the domain, from 0."""
    profile: str = ""
    """"" = it is not on a port of ours, or nothing says on which profile."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A virtual machine."""

    name: str
    uuid: str
    nics: tuple[DomainNic, ...]


def read_domain(text: str, network: Callable[[str], Network | None]) -> Domain:
    """A domain from its XML; ``network`` finds a network by name, None if nobody knows it.  InvalidValue."""
    root = _parsed(text, "domain")
    name, uuid = root.findtext("name", ""), root.findtext("uuid", "")
    if not name or not uuid:
        raise InvalidValue("domain", "has no name or no UUID")
    interfaces = root.findall("./devices/interface")
    nics = (_nic(interface, position, network) for position, interface in enumerate(interfaces))
    return Domain(name, uuid.lower(), tuple(nic for nic in nics if nic.mac))


def read_network(text: str) -> Network:
    """A network from its definition or its status file.  InvalidValue."""
    root = _parsed(text, "network")
    port = root.find("virtualport")
    groups = root.findall("portgroup")
    types = [
        found.get("type") for found in [port, *(group.find("virtualport") for group in groups)] if found is not None
    ]
    return Network(
        profile=_profile(root),
        groups={group.get("name", ""): _profile(group) for group in groups},
        ours=_OURS in types,
        default_group=next((group.get("name", "") for group in groups if group.get("default") == "yes"), ""),
    )


def numbered(nics: Sequence[DomainNic], known: Mapping[str, int]) -> dict[str, int]:
    """MAC -> number of the NIC: what the supervisor knows it by, else its position, or the next number that is free."""
    numbers = {nic.mac: known[nic.mac] for nic in nics if nic.mac in known}
    for nic in nics:
        if nic.mac not in numbers:
            number, taken = nic.position, set(numbers.values())
            while number in taken:
                number += 1
            numbers[nic.mac] = number
    return numbers


def _parsed(text: str, tag: str) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InvalidValue(f"{tag} XML", f"can't be read: {error}") from error
    found = root if root.tag == tag else root.find(f".//{tag}")
    if found is None:
        raise InvalidValue("XML", f"describes no {tag}")
    return found


def _nic(interface: ElementTree.Element, position: int, network: Callable[[str], Network | None]) -> DomainNic:
    element, source = interface.find("mac"), interface.find("source")
    mac = element.get("address", "").lower() if element is not None else ""
    port = interface.find("virtualport")
    if port is not None and port.get("type") not in (None, _OURS):
        return DomainNic(mac, position)
    profile = _profile(interface)
    if not profile and interface.get("type") == "network" and source is not None:
        profile = _by_network(network(source.get("network", "")), source.get("portgroup", ""))
    return DomainNic(mac, position, profile)


def _by_network(found: Network | None, group: str) -> str:
    """A network that nobody knows here: its portgroups are commonly named as their profiles."""
    if found is None:
        return group
    return found.profile_of(group) if found.ours else ""


def _profile(element: ElementTree.Element) -> str:
    parameters = element.find("./virtualport/parameters")
    return parameters.get("profileid", "") if parameters is not None else ""


__all__ = ["Domain", "DomainNic", "Network", "numbered", "read_domain", "read_network"]
