"""Port-channels: what hosts make of their uplinks by `channel-group auto` (layouts of NX-OS).

A channel has one number for all its life (vsm/model/channels.py); the state of its members is what the module told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from dvswitch.errors import NotFound
from vsm.cli.command import Call, View
from vsm.cli.report import RULE, Report, Table, lines
from vsm.model.interfaces import Ethernet
from vsm.model.settings import ChannelMode, PortMode, Settings
from vsm.model.state import State
from vsm.observed import Member, MemberState
from vsm.policy.inherit import effective
from vsm.policy.ports import port_settings

SUMMARY_HEAD = (
    "Flags:  D - Down        P - Up in port-channel (members)",
    "        I - Individual  H - Hot-standby (LACP only)",
    "        s - Suspended   r - Module-removed",
    "        S - Switched    R - Routed",
    "        U - Up (port-channel)",
    RULE,
    "Group Port-       Type     Protocol  Member Ports",
    "      Channel",
    RULE,
)
MEMBERS_A_LINE = 3
_CONTINUED = " " * 37
_LACP_MODES = (ChannelMode.ACTIVE, ChannelMode.PASSIVE)


@dataclass(frozen=True, slots=True)
class Channel:
    """A port-channel, with all that is known of it."""

    number: int
    slot: int
    profile: str
    mode: ChannelMode
    settings: Settings
    members: tuple[Member, ...]
    told: bool
    """False: the module has not told of it since this supervisor started."""

    @property
    def up(self) -> list[Member]:
        """Members that carry its traffic."""
        return [member for member in self.members if member.state is MemberState.UP]

    @property
    def lacp(self) -> bool:
        """Whether LACP decides about members."""
        return self.mode in _LACP_MODES

    @property
    def pinning(self) -> bool:
        """Whether each member is a sub-group of its own."""
        return self.mode in (ChannelMode.MAC_PINNING, ChannelMode.MAC_PINNING_RELATIVE)

    @property
    def protocol(self) -> str:
        """In the words of show port-channel summary."""
        return "LACP" if self.lacp else "NONE"

    @property
    def name(self) -> str:
        """port-channel1."""
        return f"port-channel{self.number}"

    @property
    def speed(self) -> int:
        """Mbit/s of all members that are up."""
        return sum(member.speed for member in self.up)

    def flag(self, member: Member) -> str:
        """What show port-channel summary says of a member."""
        return member.state.value if self.told else "r"


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member in the summary."""

    port: str
    status: str = field(metadata={"key": "port-status"})


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A channel in the summary."""

    group: int
    name: str = field(metadata={"key": "port-channel"})
    layer: str
    status: str
    type: str
    protocol: str = field(metadata={"key": "prtcl"})
    members: Table


@dataclass(frozen=True, slots=True)
class BriefRow:
    """A channel in one line."""

    interface: str
    vlan: int
    type: str
    mode: str = field(metadata={"key": "portmode"})
    state: str
    reason: str = field(metadata={"key": "state_rsn_desc"})
    speed: str
    protocol: str = field(metadata={"key": "proto"})
    module: int
    profile: str


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """A member in the database."""

    channel: str = field(metadata={"key": "interface"})
    port: str
    mode: str
    status: str
    sub_group: str
    """"-" without MAC pinning."""
    ports: int
    ports_up: int


def channels(view: View) -> list[Channel]:
    """All port-channels, by number; those whose profile says `channel-group auto` no more are left out."""
    found = (_channel(view, *key, number) for key, number in view.state.inventory.channels.items())
    return sorted((channel for channel in found if channel), key=lambda channel: channel.number)


def channel_of(view: View, number: int) -> Channel:
    """One port-channel; NotFound if there is none of this number."""
    for channel in channels(view):
        if channel.number == number:
            return channel
    raise NotFound(f"interface port-channel{number}", "does not exist")


def _channel(view: View, slot: int, policy: int, number: int) -> Channel | None:
    owner = _owner(view.state, slot, policy)
    if owner is None:
        return None
    profile, settings = owner
    mode = settings.channel or ChannelMode.NONE
    own = view.state.config.overrides.get(f"port-channel{number}")
    settings = replace(settings, shutdown=True) if own and own.shutdown else settings
    status = view.runtime.channel(slot, policy)
    if mode is ChannelMode.NONE:
        return None
    members = status.members if status else tuple(_expected(view.state, slot, policy))
    return Channel(number, slot, profile, mode, settings, members, status is not None)


def _owner(state: State, slot: int, policy: int) -> tuple[str, Settings] | None:
    """The profile behind a policy, and what holds with it; None if there is none any more."""
    for profile in state.config.profiles.values():
        if profile.policy_id == policy:
            return profile.name, effective(state.config, profile.name)
    for (where, uplink), own in state.inventory.uplink_policies.items():
        found = state.inventory.uplinks.get((where, uplink))
        if (where, own) == (slot, policy) and found:
            return found.profile, port_settings(state, Ethernet(where, uplink).full)
    return None


def _expected(state: State, slot: int, policy: int) -> Iterator[Member]:
    """Members that a module had which has not told anything since this supervisor started."""
    for (where, number), uplink in sorted(state.inventory.uplinks.items()):
        profile = state.config.profiles.get(uplink.profile)
        own = state.inventory.uplink_policies.get((where, number), 0)
        if where == slot and profile and (own or profile.policy_id) == policy:
            yield Member(number, MemberState.DOWN)


# ---- show port-channel


def show_summary(view: View, _call: Call) -> Report:
    """Port-channels and their members, with flags."""
    rows = [_summary_row(channel) for channel in channels(view)]
    return Report(summary_text(rows), (Table("channel", rows),))


def _summary_row(channel: Channel) -> SummaryRow:
    members = [MemberRow(Ethernet(channel.slot, one.number).short, channel.flag(one)) for one in channel.members]
    status = "U" if channel.up and channel.told else "D"
    number = channel.number
    return SummaryRow(number, f"Po{number}", "S", status, "Eth", channel.protocol, Table("member", members))


def summary_text(rows: Sequence[SummaryRow]) -> str:
    """Legend, and a line for every three members."""
    text = list(SUMMARY_HEAD)
    for row in rows:
        name = f"{row.name}({row.layer}{row.status})"
        cells = [f"{member.port}({member.status})".ljust(13) for member in row.members.rows] or ["--"]
        groups = ["".join(cells[at : at + MEMBERS_A_LINE]) for at in range(0, len(cells), MEMBERS_A_LINE)]
        text.append(f"{row.group:<5} {name:<11} {row.type:<8} {row.protocol:<9} {groups[0]}")
        text += [_CONTINUED + group for group in groups[1:]]
    return lines(*text)


def show_brief(view: View, _call: Call) -> Report:
    """Port-channels, one a line."""
    rows = [_brief_row(channel) for channel in channels(view)]
    return Report(brief_text(rows), (Table("interface", rows),))


def _brief_row(channel: Channel) -> BriefRow:
    trunk = channel.settings.mode is PortMode.TRUNK
    vlan = channel.settings.native_vlan if trunk else channel.settings.access_vlan
    state, reason = status(channel)
    return BriefRow(
        interface=channel.name,
        vlan=max(vlan or 0, 0),
        type="eth",
        mode="trunk" if trunk else "access",
        state=state,
        reason=reason,
        speed=f"a-{speed_word(channel.speed)}(D)" if channel.speed else "auto(D)",
        protocol=channel.protocol.lower(),
        module=channel.slot,
        profile=channel.profile,
    )


def status(channel: Channel) -> tuple[str, str]:
    """ "up" or "down", and why."""
    if channel.settings.shutdown:
        return "down", "Administratively down"
    if not channel.told:
        return "down", "Module removed"
    return ("up", "none") if channel.up else ("down", "No operational members")


def speed_word(megabits: int) -> str:
    """10G, 2.5G or 100 (Mbit/s)."""
    return f"{megabits / 1000:g}G" if megabits >= 1000 else str(megabits)


def brief_text(rows: Sequence[BriefRow]) -> str:
    """The table of show interface brief."""
    return lines(
        RULE,
        "Port-channel VLAN    Type Mode   Status  Reason                    Speed   Protocol",
        "Interface",
        RULE,
        *(
            f"{row.interface.replace('port-channel', 'Po'):<12} {row.vlan or '--':<7} {row.type:<4} {row.mode:<6} "
            f"{row.state:<7} {row.reason:<24}  {row.speed:<8} {row.protocol}"
            for row in rows
        ),
    )


def show_database(view: View, _call: Call) -> Report:
    """Port-channels and how each member takes part."""
    found = channels(view)
    rows = [row for channel in found for row in _database_rows(channel)]
    return Report("".join(database_text(channel, _database_rows(channel)) for channel in found), (Table("port", rows),))


def _database_rows(channel: Channel) -> list[DatabaseRow]:
    mode = channel.mode.value.split()[0]
    return [
        DatabaseRow(
            channel=channel.name,
            port=Ethernet(channel.slot, member.number).full,
            mode=mode,
            status="up" if member.state is MemberState.UP else _WORDS[channel.flag(member)],
            sub_group=str(member.sub_group) if channel.pinning else "-",
            ports=len(channel.members),
            ports_up=len(channel.up),
        )
        for member in channel.members
    ]


_WORDS = {"D": "down", "s": "suspended", "I": "individual", "H": "hot-standby", "r": "module-removed", "P": "up"}


def database_text(channel: Channel, rows: Sequence[DatabaseRow]) -> str:
    """A block per channel; the first member that is up has a star."""
    first = next((row.port for row in rows if row.status == "up"), "")
    text = [channel.name, f"    {len(rows)} ports in total, {len(channel.up)} ports up"]
    text += [f"    First operational port is {first}"] if first else []
    text += [f"    Made by port-profile {channel.profile}, mode {channel.mode.value}, on module {channel.slot}"]
    for number, row in enumerate(rows):
        star = " *" if row.port == first else ""
        group = f" sub-group {row.sub_group}" if channel.pinning else ""
        head = "Ports:" if number == 0 else ""
        text.append(f"    {head:<8} {row.port:<15} [{row.mode:<7}] [{row.status}]{star}{group}")
    return lines(*text)
