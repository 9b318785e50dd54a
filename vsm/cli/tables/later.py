"""Commands that NX-OS has and this switch does not yet: understood, and refused, so that nobody relies on them.

Their `no` is true already: there is nothing to take back.
"""

from __future__ import annotations

import re

from vsm.cli.command import Command, Mode, unsupported

_OPTIONAL = re.compile(r"(?<!\[)<rest:text>")
"""What says how in a line is not needed to take it back."""
_PORTS = (Mode.PROFILE, Mode.INTERFACE)
_PROFILE = (Mode.PROFILE,)
_VLAN = (Mode.VLAN,)
_CONFIG = (Mode.CONFIG,)
_CONNECTION = (Mode.SVS_CONNECTION,)

_ROWS: tuple[tuple[tuple[Mode, ...], str, str, str], ...] = (
    (_PORTS, "switchport mode private-vlan <rest:text>", "Private-vlan role of the port", "private-vlan"),
    (_PORTS, "switchport private-vlan <rest:text>", "Private vlans of the port", "private-vlan"),
    (_PORTS, "switchport access bridge-domain <rest:text>", "Bridge domain of the port", "bridge-domain"),
    (_PORTS, "switchport port-security [<rest:text>]", "Secure MAC addresses", "port-security"),
    (_PORTS, "switchport uufb disable", "Receive unicast to unknown addresses", "uufb"),
    (_PORTS, "{ip | ipv6 | mac} port access-group <rest:text>", "Access list of the port", "port access-group"),
    (_PORTS, "{ip | ipv6} flow monitor <rest:text>", "NetFlow monitor of the port", "flow monitor"),
    (_PORTS, "ip dhcp snooping <rest:text>", "DHCP snooping on the port", "ip dhcp snooping"),
    (_PORTS, "ip arp inspection <rest:text>", "ARP inspection on the port", "ip arp inspection"),
    (_PORTS, "ip verify source <rest:text>", "IP source guard on the port", "ip verify source"),
    (_PORTS, "service-policy <rest:text>", "QoS policy of the port", "service-policy"),
    (_PORTS, "channel-group auto mode on sub-group <rest:text>", "Bundle uplinks by upstream switch", "sub-group"),
    (_PORTS, "channel-group <channel:1-4096> [<rest:text>]", "Bundle by number", "channel-group other than auto"),
    (_PORTS, "sub-group-id <rest:text>", "Number of the uplink's sub-group", "sub-group"),
    (
        _PORTS,
        "pinning {control-vlan | packet-vlan} <rest:text>",
        "Choice of the uplink for a vlan",
        "pinning of a vlan",
    ),
    (_PROFILE, "assign port-profile-role <rest:text>", "Who sees the profile", "port-profile-role"),
    (_PORTS, "lldp {transmit | receive}", "Find neighbours by LLDP, and be found", "LLDP of one uplink"),
    (_CONFIG, "cdp {advertise {v1 | v2} | format <rest:text>}", "What CDP says", "choosing what CDP says"),
    (_CONFIG, "lldp {reinit | tlv-select} <rest:text>", "What LLDP says", "choosing what LLDP says"),
    (_PORTS, "{speed | duplex} <rest:text>", "How the NIC transmits", "setting the NIC's speed or duplex"),
    (_VLAN, "ip igmp snooping [<rest:text>]", "Multicast groups of the vlan", "ip igmp snooping of one vlan"),
    (_PROFILE, "capability iscsi-multipath", "Ports of iSCSI initiators", "capability iscsi-multipath"),
    (_PROFILE, "capability vxlan", "Ports of tunnel endpoints", "capability vxlan"),
    (_PROFILE, "capability l3-vservice", "Ports of service nodes", "capability l3-vservice"),
    (
        _PROFILE,
        "port-binding {dynamic | ephemeral}",
        "When a port is bound to its NIC",
        "port-binding other than static",
    ),
    (_PROFILE, "port-binding static auto [expand]", "Grow max-ports as needed", "port-binding static auto"),
    (
        _CONFIG,
        "port-profile default port-binding {static auto [expand] | dynamic | ephemeral}",
        "Port-binding of new profiles",
        "port-binding other than static",
    ),
    (_CONFIG, "{ip | ipv6 | mac} access-list <rest:text>", "Access lists", "access-list"),
    (_CONFIG, "class-map <rest:text>", "Classes of traffic", "class-map"),
    (_CONFIG, "policy-map <rest:text>", "QoS policies", "policy-map"),
    (_CONFIG, "monitor session <rest:text>", "Port mirroring", "monitor session"),
    (_CONFIG, "flow {record | exporter | monitor} <rest:text>", "NetFlow", "flow"),
    (_CONFIG, "ip dhcp snooping [<rest:text>]", "DHCP snooping", "ip dhcp snooping"),
    (_CONFIG, "ip arp inspection <rest:text>", "ARP inspection", "ip arp inspection"),
    (_CONFIG, "uufb enable", "Block unicast to unknown addresses", "uufb"),
    (_CONFIG, "bridge-domain <rest:text>", "Bridge domains", "bridge-domain"),
    (_CONFIG, "resequence <rest:text>", "Numbers of access lists", "access-list"),
    (_CONFIG, "ip source binding <rest:text>", "Addresses of NICs", "ip verify source"),
    (_CONFIG, "errdisable recovery <rest:text>", "Return of disabled ports", "errdisable recovery"),
    (_CONFIG, "network-state tracking <rest:text>", "Probes of the network beyond uplinks", "network-state tracking"),
    (_CONFIG, "track network-state [<rest:text>]", "Probes of the network beyond uplinks", "network-state tracking"),
    (_CONFIG, "port-profile-role <rest:text>", "Who sees which profiles", "port-profile-role"),
    (_CONFIG, "role feature-group <rest:text>", "Names of several features", "a group of features"),
    (_CONFIG, "network-segment <rest:text>", "Networks of managers", "network-segment"),
    (
        _CONFIG,
        "vrf context <rest:text>",
        "Routes of the supervisor",
        "vrf context",
    ),
    (_CONFIG, "ip route <rest:text>", "Routes of the supervisor", "ip route"),
    (
        _CONFIG,
        "ip {domain-lookup | domain-name | domain-list | name-server} [<rest:text>]",
        "How the supervisor looks names up",
        "looking names up in another way than the supervisor's host",
    ),
    (
        _CONFIG,
        "ip {tacacs | radius} <rest:text>",
        "Where AAA is asked from",
        "choosing where AAA servers are asked from",
    ),
    (_CONFIG, "boot <rest:text>", "Image to start", "boot"),
    (_CONFIG, "vdc <rest:text>", "Virtual device contexts", "vdc"),
    (_CONFIG, "spanning-tree mode <rest:text>", "Spanning tree", "spanning-tree mode"),
    (_CONFIG, "vtp <rest:text>", "Vlans from other switches", "vtp"),
    (_CONFIG, "clock summer-time <rest:text>", "Time zone", "clock timezone"),
    (_CONFIG, "telnet server enable", "Logging in without encryption", "telnet"),
    (
        _CONFIG,
        "svs veth {auto-delete | auto-config-purge}",
        "What goes with a NIC that is gone",
        "svs veth auto-delete",
    ),
    (_CONFIG, "system redundancy role {primary | secondary}", "One of two supervisors", "a second supervisor"),
    (_CONFIG, "interface control0", "The supervisor's second interface", "this interface"),
    (_CONFIG, "port-channel load-balance <rest:text>", "Choice of a bundle's member", "port-channel load-balance"),
    (_CONNECTION, "protocol <rest:text>", "How the supervisor reaches the manager", "reaching out to managers"),
    (_CONNECTION, "remote <rest:text>", "Where the manager is", "reaching out to managers"),
    (_CONNECTION, "vmware dvs <rest:text>", "The switch as the manager knows it", "vmware dvs"),
    (_CONNECTION, "admin <rest:text>", "Who may administer at the manager", "admin user"),
    (_CONNECTION, "max-ports <rest:text>", "Ports of all of the manager's hosts", "max-ports of a connection"),
    (_CONFIG, "snmp-server <rest:text>", "SNMP", "snmp-server"),
    (_CONFIG, "ntp <rest:text>", "Time servers", "ntp"),
    (_CONFIG, "clock timezone <rest:text>", "Time zone", "clock timezone"),
    (_CONFIG, "logging {server | logfile | level | module | timestamp} [<rest:text>]", "Logs elsewhere", "logging"),
    (_CONFIG, "logging {console | monitor} [<rest:text>]", "Logs on terminals", "logging on terminals"),
)

"""Modes, syntax, help, and what is not supported yet."""


def _as_it_is(syntax: str, text: str) -> Command:
    return Command(modes=_CONFIG, syntax=syntax, help=text, edit=lambda state, _call: state)


TRUE_ANYWAY: tuple[Command, ...] = (
    _as_it_is("svs veth auto-setup", "Make a vEth for each NIC, as is always done"),
    _as_it_is("password strength-check", "Refuse weak passwords, as is always done"),
    _as_it_is("system redundancy role standalone", "One supervisor, as it is"),
)
"""Lines that say what holds in any case."""

ROWS: tuple[Command, ...] = tuple(
    Command(
        modes=modes,
        syntax=syntax,
        help=text,
        edit=unsupported(what),
        no=_OPTIONAL.sub("[<rest:text>]", syntax),
        undo=lambda state, _call: state,
    )
    for modes, syntax, text, what in _ROWS
)
