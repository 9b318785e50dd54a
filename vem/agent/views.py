"""What `show ...` shows of the running host, for `vem show` there and `module vem N execute` on the supervisor.

The names are those of dvswitch.host_commands.  Tables made of a StatusReply are in show.py, the others here, in the
manner of vemcmd.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dvswitch import __version__
from dvswitch.v1 import manager_pb2 as manager
from vem.agent import show, status
from vem.agent.show import table
from vem.agent.view_mobility import mobility
from vem.agent.view_niv import niv
from vem.capture.text import counted_drops
from vem.datapath.image import Counters, Group, Image, Policy, Port
from vem.datapath.watch import LastDrop
from vem.teaming.pinning import Place

if TYPE_CHECKING:
    from vem.agent.agent import Agent

_NONE = "-"


@dataclass(frozen=True, slots=True)
class Sight:
    """The host at one moment."""

    agent: Agent
    reply: manager.StatusReply
    counters: dict[int, Counters]
    """By lport."""
    drops: list[LastDrop]
    now: float
    """time.monotonic()."""

    @property
    def image(self) -> Image:
        """The tables in force."""
        return self.agent.datapath.image

    def name(self, lport: int) -> str:
        """ "Veth5", "Eth3/1"; "lport40" for a NIC without a vEth."""
        name = status.port_name(self.agent, lport, self.image)
        return name if name != "-" else f"lport{lport}"

    def names(self, lports: Iterable[int]) -> str:
        """Of several ports, by lport."""
        return ", ".join(self.name(lport) for lport in sorted(lports)) or _NONE

    def uplink(self, number: int) -> str:
        """ "Eth3/1"; "-" for none."""
        return f"Eth{self.agent.holdings.slot}/{number}" if number else _NONE

    def ports(self) -> list[tuple[int, Port, Policy]]:
        """All ports by lport, with their policies."""
        found = sorted(self.image.ports.items())
        return [(lport, port, self.image.policies.get(port.policy, Policy(blocked=True))) for lport, port in found]


async def view(agent: Agent, name: str, now: float) -> str:
    """The text of a view (a key of host_commands.VIEWS); ``now`` is time.monotonic()."""
    reply = await status.status_of(agent, __version__, macs=name == "macs")
    counters = await agent.datapath.counters()
    drops = await agent.datapath.last_drops() if name == "drops" else []
    return _VIEWS[name](Sight(agent, reply, counters, drops, now))


def _card(sight: Sight) -> str:
    agent, reply = sight.agent, sight.reply
    holdings, switch = agent.holdings, agent.compiled.wanted.switch
    control = sight.image.control
    used = sum(not port.uplink for port in sight.image.ports.values())
    rows = (
        ("Card UUID", reply.host_uuid),
        ("Card name", agent.identity.name),
        ("Card slot", reply.slot or _NONE),
        ("Card domain", agent.identity.domain),
        ("Switch name", switch.name if switch else _NONE),
        ("Version", reply.version),
        ("System", agent.identity.system or _NONE),
        ("Engine", reply.engine),
        ("VSM address", agent.session.address),
        ("Headless mode", "Yes" if reply.headless else "No"),
        ("Revision applied", reply.revision),
        ("Uplinks", ", ".join(sight.uplink(number) for number in sorted(holdings.uplinks)) or _NONE),
        ("Max virtual ports", agent.identity.max_ports),
        ("Used virtual ports", used),
        ("MTU", control.mtu),
        ("MAC aging time", f"{agent.age_limit():g} s"),
        ("Uplink up-delay", f"{holdings.up_delay * 1000:g} ms"),
        ("Reverse teaming", "Yes" if control.reverse_teaming else "No"),
        ("Priority tags kept", "Yes" if control.keep_priority_tag else "No"),
        ("Mode", agent.compiled.wanted.mode.kind.name.lower()),
        ("Multicast snooping", "Yes" if control.snooping else "No"),
        ("Memory", f"{reply.rss_bytes / 1e6:.1f} MB"),
    )
    return "".join(f"{title + ':':<20}{value}\n" for title, value in rows)


def _port_vlans(sight: Sight) -> str:
    header = ("LTL", "VSM Port", "Mode", "Native VLAN", "State", "Configured VLANs", "Carried VLANs")
    rows = [
        (
            str(lport),
            sight.name(lport),
            "T" if policy.trunk else "A",
            str(policy.vlan or _NONE),
            "BLK" if port.blocked or policy.blocked or not port.link_up else "FWD",
            str(policy.allowed if policy.trunk else policy.vlan or "untagged"),
            _carried(port, policy),
        )
        for lport, port, policy in sight.ports()
    ]
    return table(header, rows, right={0, 3})


def _carried(port: Port, policy: Policy) -> str:
    return _NONE if port.blocked or policy.blocked or not port.link_up else str(policy.vlans())


def _uplinks(sight: Sight) -> str:
    header = ("LTL", "VSM Port", "Vem Port", "Profile", "NIC", "Link", "State", "VLANs", "Teams")
    choices = sight.agent.holdings.teaming.choices
    rows = []
    for number, uplink in sorted(sight.agent.holdings.uplinks.items()):
        port = sight.image.ports.get(uplink.lport)
        policy = sight.image.policies.get(port.policy) if port else None
        blocked = port is None or policy is None or port.blocked or policy.blocked or not port.link_up
        rows.append(
            (
                str(uplink.lport),
                sight.uplink(number),
                uplink.config.adapter,
                uplink.config.profile,
                "present" if uplink.present else "missing",
                "UP" if uplink.link_up else "DOWN",
                "BLK" if blocked else "FWD",
                str(policy.vlans()) if policy and not blocked else _NONE,
                str(sum(number in choice.uplinks for choice in choices.values())),
            )
        )
    return table(header, rows, right={0, 8})


def _teams(sight: Sight) -> str:
    header = ("Profile", "Method", "In use", "Spare", "Sub-groups", "Ports")
    rows = []
    policies, choices = sight.agent.compiled.wanted.policies, sight.agent.holdings.teaming.choices
    ports = list(sight.agent.compiled.wanted.ports.values())
    for ident, choice in sorted(choices.items()):
        users = [port for port in ports if port.policy == ident]
        if not users:
            continue
        lists = (choice.uplinks, choice.spare, choice.groups)
        method = choice.balance.name.lower().replace("_", "-")
        rows.append(
            (
                policies[ident].profile if ident in policies else _NONE,
                f"{method} (one link)" if choice.is_lag else "mac-pinning" if choice.groups else method,
                *(", ".join(map(sight.uplink, numbers)) or _NONE for numbers in lists),
                str(len(users)),
            )
        )
    return table(header, rows, right={5})


def _pinning(sight: Sight) -> str:
    header = ("LTL", "VSM Port", "Vem Port", "Profile", "Uplink", "Home", "Why")
    wanted, places = sight.agent.compiled.wanted, sight.agent.holdings.teaming.pins.places()
    adapters = {port.lport: port.adapter for port in sight.reply.ports}
    rows = []
    for lport, port, _ in sight.ports():
        held = wanted.ports.get(port.number)
        if port.uplink or held is None:
            continue
        place, policy = places.get(port.number), wanted.policies.get(held.policy)
        state = sight.agent.compiled.veths.get(port.number)
        rows.append(
            (
                str(lport),
                sight.name(lport),
                adapters.get(lport) or _NONE,
                policy.profile if policy else _NONE,
                sight.uplink(state.pinned_uplink if state else 0),
                sight.uplink(place.home if place else 0),
                _why(place, policy.team.balance.name if policy else ""),
            )
        )
    return table(header, rows, right={0})


def _why(place: Place | None, method: str) -> str:
    if place is None:
        return f"teaming method {method.lower().replace('_', '-')}" if method else _NONE
    return "pinned" if place.home == place.current else "pinned; home is not usable"


def _domains(sight: Sight) -> str:
    header = ("VLAN", "Ports", "Uplinks", "Unknown unicast to", "Promiscuous")
    image = sight.image
    uplinks = [(lport, policy) for lport, port, policy in sight.ports() if port.uplink and not policy.blocked]
    rows = [
        (
            str(vlan or "untagged"),
            sight.names(image.members.get(vlan, ())),
            sight.names(lport for lport, policy in uplinks if policy.carries(vlan)),
            sight.names(image.unknown_members.get(vlan, ())),
            sight.names(image.promiscuous_members.get(vlan, ())),
        )
        for vlan in sorted(image.members)
    ]
    return table(header, rows, right={0})


def _groups(sight: Sight) -> str:
    header = ("VLAN", "Group", "Members")
    rows = [
        (str(group.vlan), _address(group), sight.names(lports)) for group, lports in sorted(sight.image.groups.items())
    ]
    return table(header, rows, right={0})


def _address(group: Group) -> str:
    return str(ipaddress.ip_address(group.address))


def _counters(sight: Sight) -> str:
    rows = []
    for lport, _, _ in sight.ports():
        counts = sight.counters.get(lport, Counters())
        cells = [column(counts) for column in _COUNTER_COLUMNS.values()]
        rows.append((str(lport), sight.name(lport), *map(str, cells)))
    return table(("LTL", "VSM Port", *_COUNTER_COLUMNS), rows, right={0, *range(2, len(_COUNTER_COLUMNS) + 2)})


_COUNTER_COLUMNS: dict[str, Callable[[Counters], int]] = {
    "RxFrames": lambda counts: counts.rx_frames,
    "RxBytes": lambda counts: counts.rx_bytes,
    "RxMcast": lambda counts: counts.rx_multicast,
    "RxBcast": lambda counts: counts.rx_broadcast,
    "TxFrames": lambda counts: counts.tx_frames,
    "TxBytes": lambda counts: counts.tx_bytes,
    "TxMcast": lambda counts: counts.tx_multicast,
    "TxBcast": lambda counts: counts.tx_broadcast,
    "TxFlood": lambda counts: counts.tx_flooded,
    "RxDrop": lambda counts: sum(counts.drops_in.values()),
    "TxDrop": lambda counts: sum(counts.drops_out.values()),
    "MacMoves": lambda counts: counts.mac_moves,
}


def _drops(sight: Sight) -> str:
    return counted_drops(sight.counters, sight.drops, sight.name, sight.now)


_VIEWS: dict[str, Callable[[Sight], str]] = {
    "bd": _domains,
    "card": _card,
    "counters": _counters,
    "drops": _drops,
    "groups": _groups,
    "lacp": lambda sight: show.lacp(sight.reply),
    "macs": lambda sight: show.macs(sight.reply),
    "mobility": lambda sight: mobility(sight.agent.mobility.view()),
    "niv": lambda sight: niv(sight.agent.niv, sight.uplink, sight.name),
    "pinning": _pinning,
    "port": lambda sight: show.ports(sight.reply),
    "port vlans": _port_vlans,
    "teams": _teams,
    "uplinks": _uplinks,
}
