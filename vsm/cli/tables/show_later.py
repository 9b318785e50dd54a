"""Show commands about features that this switch has not yet: understood, and refused by name.

Like the configuration of the same features (vsm/cli/tables/later.py); that a list is empty would say too much here.
"""

from __future__ import annotations

from dvswitch.errors import Unavailable
from vsm.cli.command import Call, Command, Mode, Show, View
from vsm.cli.report import Report


def _refuse(what: str) -> Show:
    def show(_view: View, _call: Call) -> Report:
        raise Unavailable("", f"{what} is not supported yet")

    return show


_ROWS: tuple[tuple[str, str, str], ...] = (
    ("policy-map [<rest:text>]", "QoS policies", "policy-map"),
    ("class-map [<rest:text>]", "Classes of traffic", "class-map"),
    ("monitor [<rest:text>]", "Port mirroring", "monitor session"),
    ("flow [<rest:text>]", "NetFlow", "flow"),
    ("port-security [<rest:text>]", "Secure MAC addresses", "port-security"),
    ("ip dhcp snooping [<rest:text>]", "DHCP snooping", "ip dhcp snooping"),
    ("ip arp inspection [<rest:text>]", "ARP inspection", "ip arp inspection"),
    ("ip verify source [<rest:text>]", "IP source guard", "ip verify source"),
    ("vlan private-vlan [<rest:text>]", "Private vlans", "private-vlan"),
    ("bridge-domain [<rest:text>]", "Bridge domains", "bridge-domain"),
    ("snmp [<rest:text>]", "SNMP", "snmp"),
    ("system internal [<rest:text>]", "What the supervisor keeps inside", "system internal"),
)

ROWS: tuple[Command, ...] = tuple(
    Command(
        modes=(Mode.EXEC,),
        syntax=f"show {syntax}",
        help=f"{text}: not supported yet",
        show=_refuse(what),
        words={"arp": "ARP inspection", "dhcp": "DHCP snooping", "system": "The switch as a whole"},
    )
    for syntax, text, what in _ROWS
)
