"""show version, clock, hostname, svs domain, running-config, terminal, cli history."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import dvswitch
from dvswitch.errors import NotFound
from dvswitch.vlan import VlanSet
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show.connections import push_status
from vsm.config.render import Detail, Scope, running_config
from vsm.model.interfaces import Management
from vsm.policy.ports import there


@dataclass(frozen=True, slots=True)
class VersionRow:
    """show version."""

    version: str = field(metadata={"key": "sys_ver_str"})
    image: str = field(metadata={"key": "kick_file_name"})
    chassis: str = field(metadata={"key": "chassis_id"})
    serial: str = field(metadata={"key": "proc_board_id"})
    hostname: str = field(metadata={"key": "host_name"})
    days: int = field(metadata={"key": "kern_uptm_days"})
    hours: int = field(metadata={"key": "kern_uptm_hrs"})
    minutes: int = field(metadata={"key": "kern_uptm_mins"})
    seconds: int = field(metadata={"key": "kern_uptm_secs"})


@dataclass(frozen=True, slots=True)
class DomainRow:
    """show svs domain."""

    domain_id: int
    mode: str
    status: str


@dataclass(frozen=True, slots=True)
class TextRow:
    """show clock, show hostname."""

    value: str


def show_version(view: View, _call: Call) -> Report:
    """Software, and for how long it has run."""
    minutes, seconds = divmod(int(view.runtime.uptime()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    version, config = dvswitch.__version__, view.state.config
    image, serial = f"dvswitch-{version}", serial_number(config.domain)
    row = VersionRow(version, image, "Nexus 1000V Chassis", serial, config.hostname, days, hours, minutes, seconds)
    return Report(version_text(row), top=row)


def serial_number(domain: int) -> str:
    """Of the switch: it has no hardware, so its domain stands for it."""
    return f"DVS{domain:04d}"


def version_text(row: VersionRow) -> str:
    """In the form of NX-OS, which clients go by: `cisco Nexus 1000V Chassis` names the command set, not a maker.

    Genie wants the name of the system on a line of its own, before `Software`.
    """
    return lines(
        "dvswitch, a distributed virtual switch for Linux hosts",
        "Commands and layouts as in",
        "Cisco Nexus Operating System (NX-OS) Software",
        "",
        "Software",
        f"  kickstart: version {row.version}",
        f"  system:    version {row.version}",
        f"  kickstart image file is: {row.image}",
        f"  system image file is:    {row.image}",
        "",
        "Hardware",
        f'  cisco {row.chassis} ("Virtual Supervisor Module")',
        f"  Processor Board ID {row.serial}",
        "",
        f"  Device name: {row.hostname}",
        "",
        f"Kernel uptime is {row.days} day(s), {row.hours} hour(s), {row.minutes} minute(s), {row.seconds} second(s)",
    )


def show_clock(view: View, _call: Call) -> Report:
    """The time, as 20:42:35.123 UTC Fri Nov 20 2026."""
    text = clock_text(view.now)
    return Report(lines(text), top=TextRow(text))


def clock_text(now: datetime) -> str:
    """NX-OS form of a time."""
    return f"{now:%H:%M:%S}.{now.microsecond // 1000:03d} {now:%Z %a %b %e %Y}"


def show_hostname(view: View, _call: Call) -> Report:
    """The name alone."""
    name = view.state.config.hostname
    return Report(lines(name), top=TextRow(name))


def show_svs_domain(view: View, _call: Call) -> Report:
    """The domain that hosts must belong to; they come over IP."""
    row = DomainRow(view.state.config.domain, "L3", push_status(view))
    text = lines(
        "SVS domain config:",
        f"  Domain id:    {row.domain_id}",
        "  Control vlan:  NA",
        "  Packet vlan:   NA",
        f"  L2/L3 Control mode: {row.mode}",
        f"  Status: {row.status}",
    )
    return Report(text, (Table("svs_domain", [row]),))


def show_running_config(view: View, call: Call) -> Report:
    """The running configuration, or a part of it."""
    return Report(running_config(view.state, view.now, _scope(view, call)))


def _scope(view: View, call: Call) -> Scope:
    detail = next((detail for detail in Detail if detail.value and call.has(detail.value)), Detail.SAID)
    if call.has("port-profile"):
        names = (call["profile"],) if call.get("profile") else ()
        for name in names:
            if name not in view.state.config.profiles:
                raise NotFound(f"port-profile {name}", "does not exist")
        return Scope(profiles=names, detail=detail)
    if call.has("interface"):
        interfaces = (Management(),) if call.has("mgmt0") else call.get("interfaces", ())
        for interface in interfaces:
            if not there(view.state, interface):
                raise NotFound(f"interface {interface.full}", "does not exist")
        return Scope(interfaces=tuple(interface.full for interface in interfaces), detail=detail)
    return Scope(vlans=call.get("vlans", VlanSet()) if call.has("vlan") else None, detail=detail)


def show_terminal(view: View, _call: Call) -> Report:
    """Settings of this session."""
    session = view.session
    return Report(
        lines(
            f"Length: {session.length} lines, Width: {session.width} columns",
            f"Session Timeout: {session.timeout} minutes",
        )
    )


def show_history(view: View, call: Call) -> Report:
    """The lines of this session, numbered."""
    entries = list(enumerate(view.session.history))
    if count := call.get("count"):
        entries = entries[-count:]
    return Report("".join(f"{number:>5}  {line}\n" for number, line in entries))
