"""How vEths use uplinks: show pinning, the teaming lines of show interface detail; and show storm-control."""

from __future__ import annotations

from dataclasses import dataclass, field

from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.tables.setting import yes
from vsm.model.interfaces import Ethernet, Vethernet
from vsm.model.settings import NO_PIN, ChannelMode, Settings
from vsm.policy.ports import port_settings


@dataclass(frozen=True, slots=True)
class PinningRow:
    """The uplink of a vEth; "-" = none, or not told."""

    port: str
    module: int
    wanted: str = field(metadata={"key": "vsm_sgid"})
    """`pinning id`."""
    actual: str = field(metadata={"key": "eff_sgid"})
    uplink: str
    name: str


@dataclass(frozen=True, slots=True)
class StormRow:
    """Limits of a vEth in frames a second; "-" = none."""

    port: str
    broadcast: str
    multicast: str
    unknown: str
    drops: int


def show_pinning(view: View, call: Call) -> Report:
    """vEths that are plugged in, and the uplink that each uses."""
    slot = call.get("slot")
    rows = []
    for number, veth in sorted(view.state.inventory.veths.items()):
        if veth.slot is None or slot not in (None, veth.slot):
            continue
        told = view.runtime.port(number)
        actual = told.pinned_uplink if told else 0
        rows.append(
            PinningRow(
                port=Vethernet(number).short,
                module=veth.slot,
                wanted=_group(port_settings(view.state, Vethernet(number).full).pin),
                actual=str(actual or "-"),
                uplink=Ethernet(veth.slot, actual).short if actual else "-",
                name=veth.nic.adapter,
            )
        )
    return Report(pinning_text(rows), (Table("pinning", rows),))


def _group(pin: int | None) -> str:
    return "-" if pin in (None, NO_PIN) else str(pin)


def pinning_text(rows: list[PinningRow]) -> str:
    """A line per vEth; the columns that a host's own table has, by port instead of LTL."""
    return lines(
        "Port         Mod  VSM_SGID  Eff_SGID  Uplink   Name",
        "-----------  ---  --------  --------  -------  --------------",
        *(
            f"{row.port:<11}  {row.module:<3}  {row.wanted:>8}  {row.actual:>8}  {row.uplink:<7}  {row.name}"
            for row in rows
        ),
    )


def show_storm_control(view: View, _call: Call) -> Report:
    """Limits of all vEths, and what they cost."""
    rows = []
    for number in sorted(view.state.inventory.veths):
        name = Vethernet(number).full
        holds = port_settings(view.state, name)
        rows.append(
            StormRow(
                port=Vethernet(number).short,
                broadcast=str(holds.storm_broadcast or "-"),
                multicast=str(holds.storm_multicast or "-"),
                unknown=str(holds.storm_unknown or "-"),
                drops=view.runtime.counters(name).drops_in.get("STORM", 0),
            )
        )
    return Report(storm_text(rows), (Table("storm_control", rows),))


def storm_text(rows: list[StormRow]) -> str:
    """A line per vEth."""
    return lines(
        "                     Frames a second",
        "Port         Broadcast  Multicast  Unknown    Drops",
        "-----------  ---------  ---------  ---------  ------------",
        *(f"{row.port:<11}  {row.broadcast:>9}  {row.multicast:>9}  {row.unknown:>9}  {row.drops:>12}" for row in rows),
    )


def teaming_lines(holds: Settings, uplink: bool) -> list[str]:
    """What show interface detail says of a port's use of uplinks, or of an uplink's bundle."""
    if uplink:
        channel = holds.channel or ChannelMode.NONE
        return [f"  Channel group mode is {channel.value}"] if channel is not ChannelMode.NONE else []
    method = holds.team_method.value if holds.team_method else ""
    return [
        f"  Teaming method is {method}, failure detection {'beacon' if holds.team_beacon else 'link'}, "
        f"failback {yes(holds.team_failback)}, notify switches {yes(holds.team_notify)}",
        f"  Uplinks active {_list(holds.team_active, 'auto')}, standby {_list(holds.team_standby, 'none')}, "
        f"unused {_list(holds.team_unused, 'none')}",
    ]


def _list(uplinks: tuple[int, ...] | None, nothing: str) -> str:
    return ",".join(map(str, uplinks or ())) or nothing
