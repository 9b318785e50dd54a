"""The tables made of a StatusReply: text out, in the manner of vemcmd.  The other views are in views.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dvswitch.v1 import manager_pb2 as manager


def status(reply: manager.StatusReply) -> str:
    """Who this host is and whether it is in touch."""
    rows = (
        ("Host UUID", reply.host_uuid),
        ("Slot", str(reply.slot or "-")),
        ("Version", reply.version),
        ("Engine", reply.engine),
        ("Headless mode", "Yes" if reply.headless else "No"),
        ("Revision applied", str(reply.revision)),
        ("Ports", str(len(reply.ports))),
        ("Memory", f"{reply.rss_bytes / 1e6:.1f} MB"),
    )
    return "".join(f"{name + ':':<18}{value}\n" for name, value in rows)


def ports(reply: manager.StatusReply) -> str:
    """One line per switch port."""
    header = ("LTL", "VSM Port", "State", "Pinned", "MAC Address", "VLANs", "Vem Port", "Rx", "Tx", "Drops")
    rows = [
        (
            str(port.lport),
            port.name,
            port.state,
            str(port.pinned_uplink or "-"),
            port.mac,
            port.vlan or "-",
            port.adapter or "-",
            str(port.counters.rx_frames),
            str(port.counters.tx_frames),
            str(sum(port.counters.drops_in.values()) + sum(port.counters.drops_out.values())),
        )
        for port in reply.ports
    ]
    return table(header, rows, right={0, 7, 8, 9})


def macs(reply: manager.StatusReply) -> str:
    """The MAC table."""
    header = ("Type", "MAC Address", "VLAN", "VSM Port", "Age")
    rows = [
        (
            "Static" if mac.is_static else "Dynamic",
            mac.mac,
            "all" if mac.is_static else str(mac.vlan),
            mac.port,
            "-" if mac.is_static else str(mac.age_s),
        )
        for mac in reply.macs
    ]
    return table(header, rows, right={4})


def lacp(reply: manager.StatusReply) -> str:
    """One line per uplink in a LAG."""
    header = ("Uplink", "Profile", "State", "Partner", "Key", "Port", "Sent", "Received", "Malformed")
    rows = [
        (
            f"Eth{reply.slot}/{port.uplink}",
            port.profile,
            port.state + (" (churning)" if port.churning else ""),
            port.partner,
            str(port.partner_key),
            str(port.partner_port),
            str(port.sent),
            str(port.received),
            str(port.malformed),
        )
        for port in reply.lacp
    ]
    return table(header, rows, right={4, 5, 6, 7, 8})


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: set[int]) -> str:
    """Columns as wide as their widest cell, two blanks apart; ``right``: columns set to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "".join(_line(line, widths, right) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: set[int]) -> str:
    padded = [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip() + "\n"
