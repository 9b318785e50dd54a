"""Show commands about the supervisor's own machine, and about what the switch has not (vsm/cli/show/absent.py).

Those about the switch are in vsm/cli/tables/show.py.
"""

from __future__ import annotations

from vsm.cli.command import Command, Mode, Show
from vsm.cli.show import absent, facts, management, network, processes

_VRF = "[vrf {default | management | all}]"
_MGMT0 = "{mgmt0 | mgmt 0}"
_HELP = {
    "0": "Interface mgmt0",
    "vrf": "Instance of routing",
    "default": "Without any interface, as nothing is routed here",
    "management": "That of mgmt0",
    "all": "All of them",
    "ip": "IPv4 on mgmt0",
    "ipv6": "IPv6 on mgmt0",
    "interface": "Interfaces with addresses",
    "arp": "Neighbours",
    "detail": "In full",
    "license": "Licences: none is needed",
    "usage": "Use of licences",
    "host-id": "Identity of the switch",
    "access-lists": "Access lists: there are none yet",
    "mac": "Of MAC addresses",
    "status": "State",
    "memory": "Use of memory",
    "system": "The switch as a whole",
    "environment": "Fans, sensors and power supplies: those of the machine are its own affair",
    "power": "Power supplies",
}


def _row(syntax: str, text: str, show: Show, **special: str) -> Command:
    return Command(modes=(Mode.EXEC,), syntax=f"show {syntax}", help=text, show=show, words={**_HELP, **special})


MACHINE: tuple[Command, ...] = (
    _row("processes cpu", "Show how busy the supervisor's machine is", processes.show_cpu),
    _row("processes memory", "Show the memory of the supervisor", processes.show_memory),
    _row("vrf [default | management | all]", "Show instances of routing", network.show_vrf),
    _row("vrf [default | management | all] detail", "Show instances of routing in full", network.show_vrf_detail),
    _row(
        "vrf [default | management | all] interface",
        "Show which instance of routing interfaces belong to",
        network.show_vrf_interface,
    ),
    _row(f"ip interface {_VRF}", "Show interfaces with IPv4 addresses", network.show_ip_interface),
    _row(f"ip interface brief {_VRF}", "Show interfaces with IPv4 addresses, one a line", network.show_ip_brief),
    _row(f"ipv6 interface {_VRF}", "Show interfaces with IPv6 addresses", network.show_ipv6_interface),
    _row(f"ip arp {_VRF}", "Show who the supervisor's machine has talked to", network.show_arp),
    _row(f"ip route {_VRF} [<network:network>]", "Show the networks that the machine reaches", network.show_route),
    _row(f"interface {_MGMT0}", "Show the interface of the supervisor's machine", management.show_management),
    _row(f"interface {_MGMT0} brief", "Show it in a line", management.show_management_brief),
    _row("system redundancy status", "Show which supervisors there are", facts.show_redundancy),
    _row("privilege", "Show what the user of this session may do", facts.show_privilege),
    _row("license host-id", "Show the identity of the switch", facts.show_host_id),
)

ABSENT: tuple[Command, ...] = (
    _row("access-lists", "Show access lists: there are none yet", absent.show_access_lists),
    _row("{ip | ipv6 | mac} access-lists", "Show access lists of a kind: there are none yet", absent.show_access_lists),
    _row("environment", "Show fans, sensors and power supplies: none", absent.show_environment),
    _row("environment fan", "Show fans: none", absent.show_fan),
    _row("environment power", "Show power supplies: none", absent.show_power),
    _row("environment temperature", "Show sensors: none", absent.show_temperature),
    _row(
        "interface status err-disabled", "Show interfaces that shut themselves down: none", absent.show_error_disabled
    ),
    _row(
        "interface transceiver [details]",
        "Show transceivers: those of uplinks are known to their hosts only",
        absent.show_transceiver,
        interface="Interfaces",
    ),
    _row("license", "Show licences: none is needed", absent.show_license),
    _row("license usage", "Show the use of licences: none is needed", absent.show_license_usage),
    _row("ntp peers", "Show time servers: the machine has its own", absent.show_ntp_peers),
    _row("ntp peer-status", "Show what time servers say: the machine has its own", absent.show_ntp_peer_status),
    _row("spanning-tree", "Show spanning trees: the switch needs none", absent.show_spanning_tree),
)
"""Their answer is always the empty one."""
