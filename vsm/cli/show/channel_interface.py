"""show interface port-channel N: members, state and the sum of the members' counters."""

from __future__ import annotations

from functools import reduce

from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table
from vsm.cli.show.channels import Channel, channel_of, speed_word, status
from vsm.cli.show.interfaces import NOMINAL_KBIT, InterfaceRow, counts, interface_text
from vsm.fabric.counters import add
from vsm.model.interfaces import Ethernet
from vsm.model.settings import PortMode
from vsm.runtime import Counters

NO_MAC = "0000.0000.0000"


def show_channel(view: View, call: Call) -> Report:
    """One port-channel in the form that clients parse."""
    channel = channel_of(view, call["channel"])
    row = channel_row(view, channel)
    return Report(channel_text(row, channel), (Table("interface", [row]),))


def channel_text(row: InterfaceRow, channel: Channel) -> str:
    """NX-OS block, with the members."""
    members = ", ".join(_ports(channel))
    told = f"Members in this channel: {members}" if members else "No members"
    return interface_text(row).replace("  RX\n", f"  {told}\n  RX\n", 1)


def channel_row(view: View, channel: Channel) -> InterfaceRow:
    """A port-channel as an interface."""
    state, reason = status(channel)
    up, module = state == "up", view.state.inventory.modules.get(channel.slot)
    return InterfaceRow(
        interface=channel.name,
        state=state,
        reason=reason,
        admin_state="down" if channel.settings.shutdown else "up",
        profile=channel.profile,
        owner="",
        adapter="",
        module=channel.slot,
        host=module.host_name if module else "",
        hardware="Port-Channel",
        mac=channel_mac(view, channel),
        description=view.state.config.descriptions.get(channel.name, ""),
        mtu=channel.settings.mtu or view.state.config.mtu,
        bandwidth=channel.speed * 1000 or NOMINAL_KBIT,
        mode=(channel.settings.mode or PortMode.ACCESS).value,
        duplex="full" if up else "auto",
        speed=f"{speed_word(channel.speed)[:-1]} Gb/s" if up and channel.speed >= 1000 else _slow(up, channel.speed),
        **counts(_total(view, channel)),
    )


def _slow(up: bool, megabits: int) -> str:
    return f"{megabits} Mb/s" if up and megabits else "auto-speed"


def _ports(channel: Channel) -> list[str]:
    return [Ethernet(channel.slot, member.number).short for member in channel.members]


def channel_mac(view: View, channel: Channel) -> str:
    """That of the first member."""
    for member in channel.members:
        uplink = view.state.inventory.uplinks.get((channel.slot, member.number))
        if uplink and uplink.mac:
            digits = uplink.mac.replace(":", "")
            return f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"
    return NO_MAC


def _total(view: View, channel: Channel) -> Counters:
    names = [Ethernet(channel.slot, member.number).full for member in channel.members]
    return reduce(add, (view.runtime.counters(name) for name in names), Counters())
