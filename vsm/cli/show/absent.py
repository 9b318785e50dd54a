"""Show commands about what this switch has not, which clients ask for all the same: the empty answer of NX-OS.

Nothing here hides a feature: what these would list can't be configured (vsm/cli/tables/later.py) or does not exist
without hardware.  Commands about features to come that no client needs are refused (vsm/cli/tables/show_later.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show.interfaces import named
from vsm.model.interfaces import Ethernet, parse_interface

# ---- hardware: none but that of the machine, whose management looks after it

_FAN = (
    "Fan:",
    "------------------------------------------------------",
    "Fan             Model                Hw         Status",
    "------------------------------------------------------",
)
_TEMPERATURE = (
    "Temperature:",
    "--------------------------------------------------------------------",
    "Module   Sensor        MajorThresh   MinorThres   CurTemp     Status",
    "                       (Celsius)     (Celsius)    (Celsius)",
    "--------------------------------------------------------------------",
)
_POWER = (
    "Power Supply:",
    "Voltage: 0 Volts",
    "Power                              Actual        Total",
    "Supply    Model                    Output     Capacity    Status",
    "                                 (Watts )     (Watts )",
    "-------  -------------------  -----------  -----------  --------------",
)


@dataclass(frozen=True, slots=True)
class Inside:
    """A table within an object."""

    table: Table


_FANS, _SUPPLIES = (Inside(Table(name, (), always=True)) for name in ("faninfo", "psinfo"))
_SENSORS = Table("tempinfo", ())


@dataclass(frozen=True, slots=True)
class FanTop:
    """Where programs look for fans."""

    fandetails: Inside = _FANS


@dataclass(frozen=True, slots=True)
class PowerTop:
    """Where programs look for power supplies."""

    powersup: Inside = _SUPPLIES


@dataclass(frozen=True, slots=True)
class EnvironmentTop:
    """All of it."""

    fandetails: Inside = _FANS
    powersup: Inside = _SUPPLIES


def show_environment(_view: View, _call: Call) -> Report:
    """Power supplies, fans and sensors, in the order in which clients read them."""
    return Report(lines(*_POWER, "", *_FAN, "", *_TEMPERATURE), (_SENSORS,), EnvironmentTop())


def show_fan(_view: View, _call: Call) -> Report:
    """Fans."""
    return Report(lines(*_FAN), top=FanTop())


def show_temperature(_view: View, _call: Call) -> Report:
    """Sensors."""
    return Report(lines(*_TEMPERATURE), (_SENSORS,))


def show_power(_view: View, _call: Call) -> Report:
    """Power supplies."""
    return Report(lines(*_POWER), top=PowerTop())


@dataclass(frozen=True, slots=True)
class TransceiverRow:
    """A port without a transceiver that the switch knows of."""

    interface: str
    sfp: str


def show_transceiver(view: View, call: Call) -> Report:
    """Uplinks are NICs of their hosts, who know what is plugged into them."""
    ports = [name for name in named(view.state, call) if isinstance(parse_interface(name), Ethernet)]
    rows = [TransceiverRow(name, "not applicable") for name in ports]
    text = "\n".join(lines(row.interface, f"    transceiver is {row.sfp}") for row in rows)
    return Report(text, (Table("interface", rows),))


def show_error_disabled(_view: View, _call: Call) -> Report:
    """Nothing here shuts a port down by itself: what is wrong is dropped, and a bad profile quarantines the port."""
    rule = "-" * 80
    text = lines(rule, "Port          Name               Status         Reason", rule)
    return Report(text, (Table("interface", ()),))


# ---- time


def show_ntp_peers(_view: View, _call: Call) -> Report:
    """The machine's own time service keeps the time."""
    rule = "-" * 50
    text = lines(rule, "  Peer IP Address               Serv/Peer", rule)
    return Report(text, (Table("peers", ()),))


def show_ntp_peer_status(_view: View, _call: Call) -> Report:
    """Likewise."""
    text = lines(
        "Total peers : 0",
        "* - selected for sync, + -  peer mode(active),",
        "- - peer mode(passive), = - polled in client mode",
        "    remote               local              st  poll  reach   delay   vrf",
        "-------------------------------------------------------------------------",
    )
    return Report(text, (Table("peersstatus", ()),))


# ---- licences, access lists, spanning tree


def show_license(_view: View, _call: Call) -> Report:
    """Nothing here needs one."""
    return Report("", (Table("show_lic", ()),))


def show_license_usage(_view: View, _call: Call) -> Report:
    """Likewise."""
    rule = "-" * 80
    text = lines(
        "Feature                      Ins  Lic   Status Expiry Date Comments",
        "                                 Count",
        rule,
        rule,
    )
    return Report(text, (Table("show_lic_usage", ()),))


def show_access_lists(_view: View, _call: Call) -> Report:
    """There are none, since `ip access-list` is refused."""
    return Report("", (Table("ip_ipv6_mac", ()),))


def show_spanning_tree(_view: View, _call: Call) -> Report:
    """The switch never forwards from uplink to uplink (S-086): there are no loops to break (and no STP: S-022)."""
    return Report(lines("No spanning tree instance exists."), (Table("tree", ()),))
