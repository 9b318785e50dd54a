"""What `show ipv6 interface` says of mgmt0 beside its addresses (vsm/cli/show/network.py): programs (Genie) miss every
line of it that NX-OS has.  The switch forwards nothing of its own, so what is forwarded is 0."""

from __future__ import annotations

from vsm.machine import Machine


def lines6(machine: Machine) -> list[str]:
    """Lines for the NIC behind mgmt0; none if there is no such NIC."""
    nic = machine.management()
    if nic is None:
        return []
    count = machine.traffic6(nic.name)

    def of(out: str, taken: str, out_part: str = "", taken_part: str = "") -> str:
        """Forwarded/originated/consumed; a part that is counted in the whole is taken off."""
        originated = count.get(out, 0) - count.get(out_part, 0)
        return f"0/{max(0, originated)}/{max(0, count.get(taken, 0) - count.get(taken_part, 0))}"

    return [
        "  IPv6 virtual addresses configured: none",
        "  IPv6 multicast routing: disabled",
        "  IPv6 report link local: disabled",
        "  IPv6 Forwarding feature: disabled",
        f"  IPv6 MTU: {nic.mtu} (using link MTU)",
        "  IPv6 unicast reverse path forwarding: none",
        "  IPv6 load sharing: none",
        "  IPv6 interface statistics last reset: never",
        "  IPv6 interface RP-traffic statistics: (forwarded/originated/consumed)",
        f"    Unicast packets:      {of('Ip6OutRequests', 'Ip6InReceives', 'Ip6OutMcastPkts', 'Ip6InMcastPkts')}",
        f"    Unicast bytes:        {of('Ip6OutOctets', 'Ip6InOctets', 'Ip6OutMcastOctets', 'Ip6InMcastOctets')}",
        f"    Multicast packets:    {of('Ip6OutMcastPkts', 'Ip6InMcastPkts')}",
        f"    Multicast bytes:      {of('Ip6OutMcastOctets', 'Ip6InMcastOctets')}",
    ]
