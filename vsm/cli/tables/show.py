"""Show commands: where each is rendered is in vsm/cli/show/."""

from __future__ import annotations

from vsm.cli.command import Command, Mode, Show
from vsm.cli.show import (
    about,
    allocation,
    channel_interface,
    channels,
    connections,
    counters,
    facts,
    interfaces,
    kept,
    lacp,
    logging,
    macs,
    management,
    modules,
    neighbors,
    niv,
    ports,
    processes,
    profiles,
    system,
    uplinks,
    users,
    virtual,
    vlans,
)

_ONE = "{vethernet <interfaces:veth> | ethernet <interfaces:port> | <interfaces:interface>}"
_SOME = "{vethernet <interfaces:veths> | ethernet <interfaces:ports> | <interfaces:interfaces>}"
_CONFIGURED = (
    "{vethernet <interfaces:veths> | ethernet <interfaces:ports> | port-channel <interfaces:channels> | mgmt0 "
    "| <interfaces:any-interfaces>}"
)
_ANY = f"[{_SOME[1:-1]}]"
_SPECIAL = {
    "vethernet": "Virtual ports",
    "ethernet": "Uplinks",
    "interface": "Of an interface",
    "module": "Of a module",
    "<slot>": "Slot of the module",
    "state": "State",
    "vlan": "Of a vlan",
}


def _source(number: int) -> str:
    return (
        f"{{running-config | startup-config | checkpoint <checkpoint{number}:checkpoint> | file <file{number}:file>}}"
    )


def _row(syntax: str, text: str, show: Show, **special: str) -> Command:
    words = {**_SPECIAL, **{word.replace("_", "-"): help_text for word, help_text in special.items()}}
    return Command(modes=(Mode.EXEC,), syntax=f"show {syntax}", help=text, show=show, words=words)


ROWS: tuple[Command, ...] = (
    _row("cli history [<count:1-500>]", "Show the lines entered in this session", system.show_history),
    _row("aaa authentication", "Show how users are checked", users.show_aaa, authentication="Who somebody is"),
    _row("banner motd", "Show the text before a login", users.show_banner),
    _row("cdp neighbors", "Show who CDP found at the other end of uplinks", neighbors.show_cdp),
    _row("cdp neighbors detail", "Show who CDP found, in full", neighbors.show_cdp_detail, detail="In full"),
    _row("clock", "Show the time", system.show_clock),
    _row("feature", "Show features and whether they are switched on", users.show_features, feature="Features"),
    _row("hosts", "Show how names are looked up", facts.show_hosts, hosts="Names of other machines"),
    _row("inventory", "Show the parts of the switch", facts.show_inventory, inventory="Parts of the switch"),
    _row("hostname", "Show the name of the switch", system.show_hostname, hostname="Name of the switch"),
    _row("interface", "Show all interfaces", management.show_all, interface="Interfaces"),
    _row(f"interface {_SOME}", "Show interfaces", interfaces.show_interface, interface="Interfaces"),
    _row(
        f"interface {_SOME} detail",
        "Show interfaces, owner and place in full",
        interfaces.show_detail,
        interface="Interfaces",
    ),
    _row(f"interface {_ANY} brief", "Show interfaces, one a line", ports.show_brief),
    _row(f"interface {_ANY} status", "Show links of interfaces", ports.show_status, status="Link and vlan"),
    _row(f"interface {_ANY} description", "Show descriptions of interfaces", ports.show_description),
    _row(f"interface {_ANY} switchport", "Show how interfaces treat vlans", ports.show_switchport),
    _row(f"interface {_ANY} trunk", "Show interfaces that carry several vlans", ports.show_trunk),
    _row(f"interface {_ANY} mac-address", "Show addresses of interfaces", ports.show_mac_addresses),
    _row(f"interface {_ANY} snmp-ifindex", "Show numbers of interfaces", ports.show_index),
    _row(f"interface {_ANY} counters", "Show what interfaces sent and received", counters.show_counters),
    _row(f"interface {_ANY} counters detailed", "Show every counter of interfaces", counters.show_detailed),
    _row(f"interface {_ANY} counters errors", "Show frames that were no good", counters.show_errors),
    _row(
        "interface {port-channel <channel:1-4096> | <channel:channel>}",
        "Show a port-channel and the sum of its members' counters",
        channel_interface.show_channel,
        interface="Interfaces",
    ),
    _row(
        "interface virtual [vm <vm:word> | module <slot:3-66>]",
        "Show virtual ports and what is plugged into them",
        interfaces.show_virtual,
        interface="Interfaces",
        vm="Of a VM",
    ),
    _row(
        "interface virtual description",
        "Show descriptions of virtual ports",
        virtual.show_description,
        interface="Interfaces",
    ),
    _row(
        "interface virtual port-mapping",
        "Show virtual ports and what their NICs are called by the manager",
        virtual.show_port_mapping,
        interface="Interfaces",
        port_mapping="Ports of the hypervisor",
    ),
    _row(
        f"mac address-table [static | dynamic] "
        f"[vlan <vlan:vlan-id> | address <mac:mac> | interface {_ONE} | module <slot:3-66>]",
        "Show MAC addresses and the ports they are at",
        macs.show_mac_address_table,
        mac="MAC addresses",
    ),
    _row(
        "mac address-table count [static | dynamic] [vlan <vlan:vlan-id> | module <slot:3-66>]",
        "Show how many MAC addresses are known",
        macs.show_count,
        mac="MAC addresses",
        count="How many",
    ),
    _row("lacp counters", "Show the LACPDUs of each member of port-channels", lacp.show_counters),
    _row("lacp neighbor", "Show the partners of port-channels", lacp.show_neighbor),
    _row("lldp neighbors", "Show who LLDP found at the other end of uplinks", neighbors.show_lldp),
    _row("lldp neighbors detail", "Show who LLDP found, in full", neighbors.show_lldp_detail, detail="In full"),
    _row("mac address-table aging-time", "Show how long learned addresses are kept", macs.show_aging_time, mac="MAC"),
    _row("mac allocation", "Show which NIC has which MAC address", allocation.show_allocation, mac="MAC addresses"),
    _row("logging last <count:1-1000>", "Show what happened last", logging.show_logging),
    _row("logging [logfile]", "Show all that is known to have happened", logging.show_logging),
    _row(
        "network-uplinks [module <slot:3-66>]",
        "Show uplinks and how many vEthernets use each",
        about.show_uplinks,
    ),
    _row("niv [module <slot:3-66>]", "Show modules' ways to a VIS", niv.show_niv),
    _row("vif [module <slot:3-66>]", "Show NICs that are ports of a VIS", niv.show_vif),
    _row("pinning [module <slot:3-66>]", "Show which uplink each vEthernet uses", uplinks.show_pinning),
    _row("storm-control", "Show limits of flooded frames", uplinks.show_storm_control),
    _row("module [<slot:1-66>]", "Show modules: the supervisor and hosts", modules.show_module, module="Modules"),
    _row("module [<slot:1-66>] uptime", "Show how long modules have been there", modules.show_uptime, module="Modules"),
    _row(
        "module vem counters",
        "Show messages between hosts and the supervisor",
        modules.show_counters,
        module="Modules",
        vem="Hosts",
        counters="Messages and heartbeats",
    ),
    _row("module vem missing", "Show hosts that are not there", modules.show_missing, module="Modules", vem="Hosts"),
    _row("module vem mapping", "Show which host has which slot", modules.show_mapping, module="Modules", vem="Hosts"),
    _row("port-channel brief", "Show port-channels, one a line", channels.show_brief),
    _row("port-channel database", "Show port-channels and how members take part", channels.show_database),
    _row("port-channel summary", "Show port-channels, their members and flags", channels.show_summary),
    _row(
        "port-profile [name <profile:profile>]",
        "Show port-profiles in full",
        profiles.show_profiles,
        name="One port-profile",
    ),
    _row("port-profile brief", "Show port-profiles, one a line", profiles.show_brief),
    _row(
        "port-profile usage [name <profile:profile>]",
        "Show port-profiles and their interfaces",
        profiles.show_usage,
        name="One port-profile",
    ),
    _row(
        "port-profile expand-interface [name <profile:profile>]",
        "Show what port-profiles come to on each interface",
        profiles.show_expanded,
        name="One port-profile",
    ),
    _row(
        "port-profile virtual usage [name <profile:profile>]",
        "Show which VMs and hosts use port-profiles",
        profiles.show_virtual_usage,
        name="One port-profile",
    ),
    _row(
        f"port-profile sync-status [interface {_ONE}]",
        "Show interfaces that are not as their port-profile says",
        profiles.show_sync_status,
    ),
    _row(
        f"running-config [interface [{_CONFIGURED}] | port-profile [<profile:profile>] | vlan [<vlans:vlan-list>]] "
        "[all | expand-port-profile]",
        "Show the running configuration",
        system.show_running_config,
        all="With defaults",
        expand_port_profile="What port-profiles say, on each interface",
        interface="Interfaces only",
        port_profile="Port-profiles only",
        vlan="Vlans only",
    ),
    _row(
        "role [name <role:role-name>]",
        "Show roles and what they permit",
        users.show_roles,
        role="Roles",
        name="One role",
    ),
    _row("ssh key", "Show the key by which clients know the switch", users.show_ssh_key, ssh="SSH server", key="Key"),
    _row("ssh server", "Show whether and where users may log in", users.show_ssh_server, ssh="SSH server"),
    _row("running-config diff", "Show what differs from the saved configuration", kept.show_difference),
    _row("startup-config", "Show the saved configuration", kept.show_startup_config),
    _row("checkpoint [<name:checkpoint> | all]", "Show checkpoints", kept.show_checkpoints, checkpoint="Checkpoints"),
    _row("checkpoint summary", "Show who made which checkpoint when", kept.show_checkpoint_summary),
    _row(
        f"diff rollback-patch {_source(0)} {_source(1)}",
        "Show the lines that turn one configuration into another",
        kept.show_rollback_patch,
        checkpoint="A checkpoint",
    ),
    _row("file <file:file> [md5sum]", "Show a file", kept.show_file),
    Command(modes=(Mode.EXEC,), syntax="dir [bootflash: | <file:file>]", help="List files", show=kept.directory),
    _row(
        "svs connections [<connection:connection>]",
        "Show hypervisor managers and whether they have the port groups",
        connections.show_connections,
        connections="Hypervisor managers",
    ),
    _row("svs domain", "Show the domain that hosts belong to", system.show_svs_domain),
    _row("svs neighbors", "Show modules that are connected", about.show_svs_neighbors, neighbors="Modules"),
    _row("system resources", "Show load and memory of the supervisor's machine", processes.show_resources),
    _row("system uptime", "Show when the supervisor was started", about.show_uptime),
    _row("tech-support [svs]", "Show what somebody needs who is to help", about.show_tech_support),
    _row("terminal", "Show the settings of this session", system.show_terminal),
    _row("user-account [<user:user-name>]", "Show users and their roles", users.show_accounts),
    _row("users", "Show who is logged in", users.show_users),
    _row("version", "Show the software and for how long it has run", system.show_version),
    _row(
        "vlan [id <vlans:vlan-list> | name <name:word>]",
        "Show vlans and their ports",
        vlans.show_vlan,
        vlan="Vlans",
        id="Some vlans",
        name="One vlan",
    ),
    _row("vlan summary", "Show how many vlans there are", vlans.show_vlan_summary, vlan="Vlans"),
    _row("vlan brief", "Show vlans and their ports", vlans.show_vlan_brief, vlan="Vlans"),
)
