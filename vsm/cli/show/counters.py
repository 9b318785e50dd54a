"""show interface counters, counters detailed and counters errors: what each port has counted over every place it was.

Rates are not kept, so `counters brief` is not there.  Why frames were dropped is in show drops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vsm.cli.command import Call, View
from vsm.cli.report import RULE, Report, Table, lines
from vsm.cli.show.channel_interface import channel_row
from vsm.cli.show.channels import channels
from vsm.cli.show.interfaces import InterfaceRow, counts, named
from vsm.cli.show.management import management_row
from vsm.model.interfaces import parse_named

_WIDTH = 16


@dataclass(frozen=True, slots=True)
class Received:
    """A line of the tables of received frames."""

    interface: str = field(metadata={"key": "interface_rx"})
    octets: int = field(metadata={"key": "eth_inbytes"})
    unicast: int = field(metadata={"key": "eth_inucast"})
    multicast: int = field(metadata={"key": "eth_inmcast"})
    broadcast: int = field(metadata={"key": "eth_inbcast"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A line of the tables of sent frames."""

    interface: str = field(metadata={"key": "interface_tx"})
    octets: int = field(metadata={"key": "eth_outbytes"})
    unicast: int = field(metadata={"key": "eth_outucast"})
    multicast: int = field(metadata={"key": "eth_outmcast"})
    broadcast: int = field(metadata={"key": "eth_outbcast"})


@dataclass(frozen=True, slots=True)
class Errors:
    """Frames that were no good, or that nobody took."""

    interface: str
    sent: int = field(metadata={"key": "eth_xmit_err"})
    received: int = field(metadata={"key": "eth_rcv_err"})
    undersize: int = field(metadata={"key": "eth_undersize"})
    in_discards: int = field(metadata={"key": "eth_indisc"})
    out_discards: int = field(metadata={"key": "eth_outdisc"})


@dataclass(frozen=True, slots=True)
class Totals:
    """All counters of a port."""

    interface: str
    in_packets: int = field(metadata={"key": "eth_inpkts"})
    in_unicast: int = field(metadata={"key": "eth_inucast"})
    in_multicast: int = field(metadata={"key": "eth_inmcast"})
    in_broadcast: int = field(metadata={"key": "eth_inbcast"})
    in_bytes: int = field(metadata={"key": "eth_inbytes"})
    in_errors: int = field(metadata={"key": "eth_inerr"})
    in_runts: int = field(metadata={"key": "eth_runts"})
    in_discards: int = field(metadata={"key": "eth_indiscard"})
    out_packets: int = field(metadata={"key": "eth_outpkts"})
    out_unicast: int = field(metadata={"key": "eth_outucast"})
    out_multicast: int = field(metadata={"key": "eth_outmcast"})
    out_broadcast: int = field(metadata={"key": "eth_outbcast"})
    out_bytes: int = field(metadata={"key": "eth_outbytes"})
    out_errors: int = field(metadata={"key": "eth_outerr"})
    out_discards: int = field(metadata={"key": "eth_outdiscard"})
    out_flooded: int = field(metadata={"key": "eth_outflood"})


_TITLES = (
    ("Rx Packets", "in_packets"),
    ("Rx Unicast Packets", "in_unicast"),
    ("Rx Multicast Packets", "in_multicast"),
    ("Rx Broadcast Packets", "in_broadcast"),
    ("Rx Bytes", "in_bytes"),
    ("Rx Errors", "in_errors"),
    ("Rx Runts", "in_runts"),
    ("Rx Discards", "in_discards"),
    ("Tx Packets", "out_packets"),
    ("Tx Unicast Packets", "out_unicast"),
    ("Tx Multicast Packets", "out_multicast"),
    ("Tx Broadcast Packets", "out_broadcast"),
    ("Tx Flood Packets", "out_flooded"),
    ("Tx Bytes", "out_bytes"),
    ("Tx Errors", "out_errors"),
    ("Tx Discards", "out_discards"),
)


def show_counters(view: View, call: Call) -> Report:
    """Bytes and frames by kind, in both directions."""
    rows = totals(view, call)
    received = [Received(_short(r), r.in_bytes, r.in_unicast, r.in_multicast, r.in_broadcast) for r in rows]
    sent = [Sent(_short(r), r.out_bytes, r.out_unicast, r.out_multicast, r.out_broadcast) for r in rows]
    text = "\n".join((_way("In", received), _way("Out", sent)))
    return Report(text, (Table("rx_counters", received), Table("tx_counters", sent)))


def _way(way: str, rows: Sequence[Received | Sent]) -> str:
    return "\n".join(
        (
            _table(
                [f"{way}Octets", f"{way}UcastPkts"],
                [(row.interface, [row.octets, row.unicast]) for row in rows],
            ),
            _table(
                [f"{way}McastPkts", f"{way}BcastPkts"],
                [(row.interface, [row.multicast, row.broadcast]) for row in rows],
            ),
        )
    )


def show_errors(view: View, call: Call) -> Report:
    """Frames that were no good, and those that were dropped."""
    rows = [
        Errors(_short(r), r.out_errors, r.in_errors, r.in_runts, r.in_discards, r.out_discards)
        for r in totals(view, call)
    ]
    text = _table(
        ["Xmit-Err", "Rcv-Err", "UnderSize", "InDiscards", "OutDiscards"],
        [(row.interface, [row.sent, row.received, row.undersize, row.in_discards, row.out_discards]) for row in rows],
        width=12,
    )
    return Report(text, (Table("interface", rows),))


def show_detailed(view: View, call: Call) -> Report:
    """Every counter of each port."""
    rows = totals(view, call)
    text = "\n".join(
        lines(row.interface, *(f"  {title + ':':<25} {getattr(row, name):>20}" for title, name in _TITLES))
        for row in rows
    )
    return Report(text, (Table("interface", rows),))


def totals(view: View, call: Call) -> list[Totals]:
    """Of the ports that the command names; without names of all, mgmt0 first, port-channels last."""
    rows = [Totals(name, **counts(view.runtime.counters(name))) for name in named(view.state, call)]
    if call.get("interfaces"):
        return rows
    return [_of_row(management_row(view)), *rows, *(_of_row(channel_row(view, channel)) for channel in channels(view))]


def _of_row(row: InterfaceRow) -> Totals:
    return Totals(row.interface, **{name: getattr(row, name) for _, name in _TITLES})


def _short(row: Totals) -> str:
    name = row.interface
    return parse_named(name).short


def _table(titles: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]], width: int = _WIDTH) -> str:
    head = "Port       " + "".join(f"{title:>{width}}" for title in titles)
    body = [f"{name:<11}" + "".join(f" {value:>{width - 1}}" for value in values) for name, values in rows]
    return lines(RULE, head, RULE, *body)
