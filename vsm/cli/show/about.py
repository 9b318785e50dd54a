"""What the switch consists of and how it fares: show system uptime, svs neighbors, network-uplinks,
tech-support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from dvswitch.errors import Unavailable
from vsm.cli.command import Call, Show, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show import channels, logging, modules, ports, profiles, system, vlans
from vsm.cli.show.processes import show_resources
from vsm.cli.show.profiles import owner_of
from vsm.model.interfaces import Ethernet
from vsm.policy.quarantine import uplink_status

MAX_LINES = 500
"""Lines that one command may add to show tech-support."""
NOT_TOLD = "NA"


# ---- show system


@dataclass(frozen=True, slots=True)
class UptimeRow:
    """How long the supervisor has run."""

    start: str = field(metadata={"key": "sys_st_time"})
    days: int = field(metadata={"key": "sys_up_days"})
    hours: int = field(metadata={"key": "sys_up_hrs"})
    minutes: int = field(metadata={"key": "sys_up_mins"})
    seconds: int = field(metadata={"key": "sys_up_secs"})


def show_uptime(view: View, _call: Call) -> Report:
    """When the supervisor was started."""
    minutes, seconds = divmod(int(view.runtime.uptime()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    start = view.now - timedelta(seconds=int(view.runtime.uptime()))
    row = UptimeRow(f"{start:%a %b %e %H:%M:%S %Y}", days, hours, minutes, seconds)
    text = lines(
        f"System start time:          {row.start}",
        f"System uptime:              {days} days, {hours} hours, {minutes} minutes, {seconds} seconds",
    )
    return Report(text, top=row)


# ---- the fabric


@dataclass(frozen=True, slots=True)
class NeighborRow:
    """A module that has a session."""

    address: str = field(metadata={"key": "src_addr"})
    type: str
    domain: int = field(metadata={"key": "domain_id"})
    slot: int = field(metadata={"key": "node_id"})
    seconds: int = field(metadata={"key": "connected_secs"})


def show_svs_neighbors(view: View, _call: Call) -> Report:
    """Modules that have a session with the supervisor now, and for how long."""
    domain, now = view.state.config.domain, view.now.timestamp()
    rows = []
    for slot, module in sorted(view.state.inventory.modules.items()):
        status = view.runtime.module(slot)
        if status and status.connected:
            age = max(0, int(now - status.since))
            rows.append(NeighborRow(module.address or NOT_TOLD, module.type, domain, slot, age))
    text = lines(
        f"Active Domain ID: {domain}",
        "",
        "Src Address      Type  Domain-id  Node-id  Connected (Sec. ago)",
        "---------------  ----  ---------  -------  --------------------",
        *(f"{row.address:<15}  {row.type:<4}  {row.domain:<9}  {row.slot:<7}  {row.seconds}" for row in rows),
    )
    return Report(text, (Table("svs_neighbors", rows),))


@dataclass(frozen=True, slots=True)
class UplinkRow:
    """A host's way to the physical network."""

    port: str
    adapter: str
    module: int
    state: str
    reason: str = field(metadata={"key": "state_rsn_desc"})
    veths: int
    """vEths that use it now."""
    profile: str
    host: str


def show_uplinks(view: View, call: Call) -> Report:
    """Uplinks of all hosts or of one, and how many vEths use each."""
    slot = call.get("slot")
    pinned = _pinned(view)
    rows = [
        UplinkRow(
            port=Ethernet(*key).short,
            adapter=uplink.adapter,
            module=uplink.slot,
            state=uplink_status(view.state, uplink)[0],
            reason=uplink_status(view.state, uplink)[1],
            veths=pinned[key],
            profile=uplink.profile or "-",
            host=owner_of(view.state, Ethernet(*key).full)[1],
        )
        for key, uplink in sorted(view.state.inventory.uplinks.items())
        if slot in (None, uplink.slot)
    ]
    text = lines(
        "Port      Mod  Adapter         State  Reason                  Veths  Port-profile          Host",
        "--------  ---  --------------  -----  ----------------------  -----  --------------------  ------------------",
        *(
            f"{row.port:<8}  {row.module:<3}  {row.adapter or '-':<14}  {row.state:<5}  {row.reason:<22}  "
            f"{row.veths:>5}  {row.profile:<20}  {row.host}"
            for row in rows
        ),
    )
    return Report(text, (Table("network_uplinks", rows),))


def _pinned(view: View) -> Counter[tuple[int, int]]:
    """How many vEths each uplink carries, as modules told last."""
    found: Counter[tuple[int, int]] = Counter()
    for number, veth in view.state.inventory.veths.items():
        told = view.runtime.port(number)
        if veth.slot and told and told.pinned_uplink:
            found[veth.slot, told.pinned_uplink] += 1
    return found


# ---- show tech-support

_COLLECTED: Sequence[tuple[str, Show]] = (
    ("show version", system.show_version),
    ("show clock", system.show_clock),
    ("show system resources", show_resources),
    ("show svs domain", system.show_svs_domain),
    ("show svs neighbors", show_svs_neighbors),
    ("show module", modules.show_module),
    ("show module vem mapping", modules.show_mapping),
    ("show network-uplinks", show_uplinks),
    ("show port-channel summary", channels.show_summary),
    ("show port-profile brief", profiles.show_brief),
    ("show port-profile sync-status", profiles.show_sync_status),
    ("show vlan summary", vlans.show_vlan_summary),
    ("show interface brief", ports.show_brief),
    ("show logging logfile", logging.show_logging),
)


def show_tech_support(view: View, call: Call) -> Report:
    """What somebody needs who is to help: the outcome of other commands, each cut to MAX_LINES lines."""
    blank = Call(call.position, runtime=call.runtime)
    return Report("\n".join(_collected(title, show, view, blank) for title, show in _COLLECTED))


def _collected(title: str, show: Show, view: View, call: Call) -> str:
    try:
        told = show(view, call).text
    except Unavailable as problem:
        told = f"({problem})\n"
    return lines(f"`{title}`", *_cut(told.splitlines()))


def _cut(told: list[str]) -> Iterator[str]:
    yield from told[:MAX_LINES]
    if len(told) > MAX_LINES:
        yield f"({len(told) - MAX_LINES} more lines are left out)"
