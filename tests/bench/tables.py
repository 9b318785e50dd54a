"""The datapath tables that the engine benchmarks forward by."""

from __future__ import annotations

from dataclasses import replace

from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vem.datapath.image import Image, Policy, Port, Storm, Team

VLAN = 10
ACCESS, TRUNK = 1, 2
NO_TEAM, TEAM = 0, 1
UPLINK = 1
FIRST_VNIC = 2


def mac_of(number: int) -> MacAddress:
    """The MAC of vNIC `number`, 1.. ."""
    return MacAddress.parse(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}")


def access_image(macs: dict[int, MacAddress], uplink: bool = False) -> Image:
    """vNICs by lport, all in one access VLAN; with `uplink` lport 1 is a trunk that their team consists of."""
    ports = {lport: Port(ACCESS, lport, mac, port_id=lport) for lport, mac in macs.items()}
    policies = {ACCESS: Policy(vlan=VLAN, team=TEAM if uplink else NO_TEAM)}
    teams = {NO_TEAM: Team()}
    if uplink:
        ports[UPLINK] = Port(TRUNK, 1, mac_of(0xFF00), uplink=True)
        policies[TRUNK] = Policy(trunk=True, allowed=VlanSet.parse(str(VLAN)), team=TEAM)
        teams[TEAM] = Team((UPLINK,))
    return Image(
        ports=ports,
        policies=policies,
        teams=teams,
        static_macs={mac: lport for lport, mac in macs.items()},
        members={VLAN: tuple(sorted(macs))},
    )


SPY, SPY_VLAN = 1000, 11
GENEROUS = 10_000_000


def all_on(image: Image) -> Image:
    """The same, with every feature in use: learning with a limit, storm control, snooping, and a promiscuous port that
    listens in another VLAN."""
    spy = max(image.policies) + 1
    storm = Storm(GENEROUS, GENEROUS, GENEROUS)
    policies = {
        number: replace(policy, learn=not policy.trunk, mac_limit=0 if policy.trunk else 4096, storm=storm)
        for number, policy in image.policies.items()
    }
    return replace(
        image,
        control=replace(image.control, snooping=True),
        ports={**image.ports, SPY: Port(spy, SPY, mac_of(SPY), port_id=SPY)},
        policies={**policies, spy: Policy(vlan=SPY_VLAN, promiscuous=True)},
        members={**image.members, SPY_VLAN: (SPY,)},
        promiscuous_members={SPY_VLAN: (SPY,)},
    )
