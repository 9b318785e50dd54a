"""show port-profile in its forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dvswitch.errors import NotFound
from vsm.cli.command import Call, View
from vsm.cli.report import RULE, Report, Table, lines
from vsm.cli.tables.settings import settings_lines
from vsm.model.cards import holder
from vsm.model.interfaces import Ethernet, Interface, Vethernet, parse_interface, short_name
from vsm.model.niv import Role
from vsm.model.settings import Settings
from vsm.model.state import Config, PortProfile, ProfileType, State
from vsm.policy.inherit import said
from vsm.policy.ports import interfaces, profile_of
from vsm.policy.quarantine import QUARANTINE, quarantine_cause, quarantined

_USAGE_RULE = "-" * 79


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """Everything about a profile."""

    name: str = field(metadata={"key": "profile_name"})
    type: str
    description: str = field(metadata={"key": "desc"})
    enabled: bool = field(metadata={"key": "status"})
    max_ports: int
    min_ports: int
    inherit: str
    config: tuple[str, ...] = field(metadata={"key": "profile_cfg"})
    evaluated: tuple[str, ...] = field(metadata={"key": "eval_cfg"})
    assigned: tuple[str, ...] = field(metadata={"key": "intf"})
    """Full names of interfaces."""
    port_group: str
    system_vlans: str = field(metadata={"key": "sys_vlans"})
    l3control: str = field(metadata={"key": "cap_l3control"})
    """yes or no, like the other capabilities: those to come are "no", as they can't be given."""
    binding: str = field(metadata={"key": "port_binding"})
    children: tuple[str, ...]
    iscsi: str = field(default="no", metadata={"key": "cap_iscsi_multipath"})
    vxlan: str = field(default="no", metadata={"key": "cap_vxlan"})
    vservice: str = field(default="no", metadata={"key": "cap_l3_vservice"})
    role: str = field(default="none", metadata={"key": "profile_role"})


@dataclass(frozen=True, slots=True)
class TypeRow:
    """Totals of one type of profile, below show port-profile brief."""

    type: str
    assigned: int
    total: int
    system: int
    """With system vlans."""
    parents: int
    children: int
    used: int


@dataclass(frozen=True, slots=True)
class UsageRow:
    """An assigned port and what is plugged into it."""

    profile: str
    port: str
    adapter: str
    owner: str


@dataclass(frozen=True, slots=True)
class SyncRow:
    """Whether a port has what its profile says."""

    interface: str
    profile: str
    status: str
    synced: bool
    errors: tuple[str, ...]
    recovery: tuple[str, ...]


def show_profiles(view: View, call: Call) -> Report:
    """All profiles, or the one named, in full."""
    name = call.get("profile")
    rows = [] if name in QUARANTINE else profile_rows(view.state, name)
    rows = [*quarantine_rows(view.state, name), *rows]
    return Report("\n".join(profile_text(row) for row in rows), (Table("port_profile", rows),))


def show_brief(view: View, _call: Call) -> Report:
    """A line per profile, and totals."""
    rows = profile_rows(view.state)
    totals = [_totals(kind, rows) for kind in ProfileType]
    rows = [*quarantine_rows(view.state), *rows]
    return Report(brief_text(rows, totals), (Table("port_profile", rows), Table("profile_type", totals)))


def show_usage(view: View, call: Call) -> Report:
    """Profiles with their interfaces."""
    rows = profile_rows(view.state, call.get("profile"))
    blocks = [lines(f"port-profile {row.name}", *(f" {name}" for name in row.assigned)) for row in rows]
    return Report("\n".join(blocks), (Table("port_profile", rows),))


@dataclass(frozen=True, slots=True)
class ExpandedRow:
    """What is said for a port: by its profile, the profile's parents and the interface itself."""

    profile: str
    interface: str
    lines: tuple[str, ...] = field(metadata={"key": "eval_cfg"})


def show_expanded(view: View, call: Call) -> Report:
    """Profiles with their interfaces, and what they come to on each."""
    config, rows = view.state.config, profile_rows(view.state, call.get("profile"))
    found = {
        row.name: [
            ExpandedRow(row.name, name, _expanded(config, row, config.overrides.get(name))) for name in row.assigned
        ]
        for row in rows
    }
    blocks = [
        lines(f"port-profile {name}")
        + "".join(lines(f" {one.interface}", *(f"  {line}" for line in one.lines)) for one in ports)
        for name, ports in found.items()
    ]
    return Report("\n".join(blocks), (Table("expanded", [one for ports in found.values() for one in ports]),))


def _expanded(config: Config, row: ProfileRow, own: Settings | None) -> tuple[str, ...]:
    return tuple(settings_lines(said(config, row.name, own))) if own else row.evaluated


def show_virtual_usage(view: View, call: Call) -> Report:
    """Which VM or host uses which profile."""
    chosen = profile_rows(view.state, call.get("profile"))
    rows = [_usage(view.state, row.name, name) for row in chosen for name in row.assigned]
    return Report(usage_text(rows), (Table("profile_usage", rows),))


def show_sync_status(view: View, call: Call) -> Report:
    """Ports that are not, or not yet, as their profile says; with `interface`, that port in any case."""
    wanted: tuple[Interface, ...] | None = call.get("interfaces")
    there = set(interfaces(view.state))
    names = [port.full for port in wanted] if wanted else list(interfaces(view.state))
    for name in names:
        if name not in there:
            raise NotFound(f"interface {name}", "does not exist")
    rows = [_sync(view, name) for name in names]
    shown = rows if wanted else [row for row in rows if not row.synced]
    text = "\n".join(sync_text(row) for row in shown) or lines("All interfaces are in sync.")
    return Report(text, (Table("sync_status", shown),))


def profile_rows(state: State, name: str | None = None) -> list[ProfileRow]:
    """Rows of all profiles by name, or of one; NotFound if that does not exist."""
    if name is not None and name not in state.config.profiles:
        raise NotFound(f"port-profile {name}", "does not exist")
    names = sorted(state.config.profiles) if name is None else [name]
    # All at once: with thousands of ports and profiles, looking for the ports of each profile takes minutes.
    assigned: dict[str, list[str]] = {}
    for port in interfaces(state):
        assigned.setdefault(profile_of(state, port), []).append(port)
    heirs: dict[str, list[str]] = {}
    for other in sorted(state.config.profiles):
        heirs.setdefault(state.config.profiles[other].inherit, []).append(other)
    return [
        _profile_row(state, state.config.profiles[found], assigned.get(found, []), heirs.get(found, []))
        for found in names
    ]


def quarantine_rows(state: State, name: str | None = None) -> list[ProfileRow]:
    """The built-in profiles as far as something is in quarantine, or the one named in any case."""
    held = quarantined(state)
    shown = [profile for profile in QUARANTINE if profile == name or (name is None and held[profile])]
    rows = (_profile_row(state, QUARANTINE[profile], held[profile], ()) for profile in shown)
    return [replace(row, config=("shutdown",), evaluated=("shutdown",)) for row in rows]


def profile_text(row: ProfileRow) -> str:
    """The long form."""
    return lines(
        f"port-profile {row.name}",
        f" type: {row.type}",
        f" description: {row.description}",
        f" status: {'enabled' if row.enabled else 'disabled'}",
        f" max-ports: {row.max_ports}",
        f" min-ports: {row.min_ports}",
        f" inherit: {row.inherit}",
        " config attributes:",
        *(f"  {line}" for line in row.config),
        " evaluated config attributes:",
        *(f"  {line}" for line in row.evaluated),
        " assigned interfaces:",
        *(f"  {name}" for name in row.assigned),
        f" port-group: {row.port_group}",
        f" system vlans: {row.system_vlans}",
        f" capability l3control: {row.l3control}",
        f" capability iscsi-multipath: {row.iscsi}",
        f" capability vxlan: {row.vxlan}",
        f" capability l3-vservice: {row.vservice}",
        f" port-profile role: {row.role}",
        f" port-binding: {row.binding}",
    )


def brief_text(rows: Sequence[ProfileRow], totals: Sequence[TypeRow]) -> str:
    """Two tables: profiles, then totals by type."""
    text = lines(
        RULE,
        "Port                           Profile    Profile  Conf   Eval  Assigned  Child",
        "Profile                        Type       State    Items  Items    Intfs  Profs",
        RULE,
    )
    for row in rows:
        counts = f"{len(row.config):<5}  {len(row.evaluated):<5}    {len(row.assigned):<5}  {len(row.children)}"
        text += lines(f"{row.name:<30} {row.type:<9}  {int(row.enabled):<7}  {counts}")
    text += lines(
        RULE,
        "Profile            Assigned     Total       Sys  Parent     Child    UsedBy",
        "Type                  Intfs     Prfls     Prfls   Prfls     Prfls     Prfls",
        RULE,
    )
    for kind in totals:
        counts = f"{kind.assigned:>8}  {kind.total:>8}  {kind.system:>8}"
        text += lines(f"{kind.type:<17}  {counts}  {kind.parents:>6}  {kind.children:>8}  {kind.used:>8}")
    return text


def usage_text(rows: Sequence[UsageRow]) -> str:
    """A line per port; the profile is named on its first."""
    text = lines(_USAGE_RULE, "Port Profile               Port        Adapter        Owner", _USAGE_RULE)
    before = ""
    for row in rows:
        profile = row.profile if row.profile != before else ""
        if len(profile) > 26:
            text, profile = text + lines(profile), ""
        text += lines(f"{profile:<26} {row.port:<11} {row.adapter:<14} {row.owner}")
        before = row.profile
    return text


def sync_text(row: SyncRow) -> str:
    """A block per port."""
    text = lines(
        row.interface,
        f"  port-profile: {row.profile}",
        f"  interface status: {row.status}",
        f"  sync status: {'in sync' if row.synced else 'out of sync'}",
    )
    if row.errors:
        text += lines("  errors:", *(f"    {line}" for line in row.errors))
    if row.recovery:
        text += lines("  recovery steps:", *(f"    {line}" for line in row.recovery))
    return text


def _profile_row(state: State, profile: PortProfile, assigned: Sequence[str], heirs: Sequence[str]) -> ProfileRow:
    return ProfileRow(
        name=profile.name,
        type=profile.type.value.capitalize(),
        description=profile.description,
        enabled=profile.enabled,
        max_ports=profile.max_ports,
        min_ports=profile.min_ports,
        inherit=profile.inherit,
        config=tuple(settings_lines(profile.settings)),
        evaluated=tuple(settings_lines(said(state.config, profile.name))),
        assigned=tuple(assigned),
        port_group=profile.port_group or "",
        system_vlans=str(profile.system_vlans) or "none",
        l3control="yes" if profile.l3control else "no",
        binding="static",
        children=tuple(heirs),
    )


def _totals(kind: ProfileType, rows: Sequence[ProfileRow]) -> TypeRow:
    mine = [row for row in rows if row.type == kind.value.capitalize()]
    return TypeRow(
        type=kind.value.capitalize(),
        assigned=sum(len(row.assigned) for row in mine),
        total=len(mine),
        system=sum(1 for row in mine if row.system_vlans != "none"),
        parents=sum(1 for row in mine if row.children),
        children=sum(1 for row in mine if row.inherit),
        used=sum(1 for row in mine if row.assigned),
    )


def _usage(state: State, profile: str, name: str) -> UsageRow:
    adapter, owner = owner_of(state, name)
    return UsageRow(profile, short_name(name), adapter, owner)


def owner_of(state: State, name: str) -> tuple[str, str]:
    """(adapter, VM or host) of an interface."""
    interface = parse_interface(name)
    if isinstance(interface, Vethernet):
        nic = state.inventory.veths[interface.number].nic
        return nic.adapter, nic.vm
    module = state.inventory.modules.get(interface.slot)
    adapter = state.inventory.uplinks[interface.slot, interface.number].adapter
    return adapter, module.host_name if module else ""


def _sync(view: View, name: str) -> SyncRow:
    profile = profile_of(view.state, name)
    kind = ProfileType.VETHERNET if name.startswith("V") else ProfileType.ETHERNET
    cause = quarantine_cause(view.state.config, profile, kind)
    errors = [cause] if cause else []
    recovery = ["enable or create the port-profile, or assign another one"] if cause else []
    trouble = _module_trouble(view, name)
    if trouble:
        errors += trouble
        recovery.append("see 'show module'; the port is brought up to date when the module answers")
    status = "quarantine" if cause else "configured"
    return SyncRow(name, profile, status, not errors, tuple(errors), tuple(recovery))


def _module_trouble(view: View, name: str) -> list[str]:
    """Why the port's module does not have what it should."""
    slot, label = _place(view.state, name)
    if slot is None:
        return []
    of_card = label.startswith("veth") and holder(view.state, slot) is Role.CARD
    status = view.runtime.card(slot) if of_card else view.runtime.module(slot)
    if status is None or not status.connected:
        return [f"the card of module {slot} is absent" if of_card else f"module {slot} is absent"]
    refused = [f"module {slot} refused {subject}: {why}" for subject, why in status.refusals if subject == label]
    if not refused and status.acked_revision < status.sent_revision:
        return [f"module {slot} has not confirmed revision {status.sent_revision} yet"]
    return refused


def _place(state: State, name: str) -> tuple[int | None, str]:
    """(slot, what its module calls the port)."""
    interface = parse_interface(name)
    if isinstance(interface, Ethernet):
        return interface.slot, f"ethernet {interface.number}"
    veth = state.inventory.veths.get(interface.number)
    return (veth.slot if veth else None), f"vethernet {interface.number}"
