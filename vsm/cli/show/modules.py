"""show module, its uptime, and show module vem: mapping, missing and counters."""

from __future__ import annotations

from dataclasses import dataclass, field

import dvswitch
from dvswitch.errors import NotFound
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show import niv
from vsm.model.state import MAX_VETH, Module, State
from vsm.observed import SessionCounts

SUPERVISOR_SLOT = 1
ABSENT = "powered-dn"
"""Clients drop rows whose status is a word that they don't know, such as "absent"."""
_TYPES = {"VEM": "Virtual Ethernet Module", "VIS": "Virtual Interface Switch"}


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """A line of the first table."""

    modinf: int
    ports: int
    modtype: str
    model: str
    status: str


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A line of the second table."""

    modwwn: int
    sw: str
    hw: str


@dataclass(frozen=True, slots=True)
class AddressRow:
    """A line of the third table: addresses of the host's uplinks."""

    modmac: int
    mac: str
    serialnum: str


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A line of the fourth table."""

    modsrv: int
    srvip: str
    srvuuid: str
    srvname: str


@dataclass(frozen=True, slots=True)
class MappingRow:
    """A line of show module vem mapping."""

    mod: int
    status: str
    uuid: str


def show_module(view: View, call: Call) -> Report:
    """All modules, or the one asked for, in four tables; and one of the modes where they are not all the default."""
    slots = _slots(view.state, call.get("slot"))
    if not slots:
        raise NotFound(f"module {call['slot']}", "does not exist")
    modules = [_module_row(view, slot) for slot in slots]
    seen = [view.state.inventory.modules[slot] for slot in slots if slot in view.state.inventory.modules]
    versions = [VersionRow(module.slot, module.version or "NA", _hardware(module)) for module in seen]
    if SUPERVISOR_SLOT in slots:
        versions.insert(0, VersionRow(SUPERVISOR_SLOT, dvswitch.__version__, "NA"))
    addresses = [AddressRow(module.slot, _addresses(view.state, module.slot), "NA") for module in seen]
    servers = [_server_row(view.state, slot) for slot in slots if slot != SUPERVISOR_SLOT]
    modes = niv.mode_rows(view, slots)
    text = _text(modules, versions, addresses, servers, niv.modes_text(modes))
    tables = (
        Table("modinfo", modules),
        Table("modwwninfo", versions),
        Table("modmacinfo", addresses),
        Table("modsrvinfo", servers),
        *([Table("modmodeinfo", modes)] if modes else []),
    )
    return Report(text, tables)


def show_mapping(view: View, _call: Call) -> Report:
    """Which host has which slot."""
    slots = [slot for slot in _slots(view.state, None) if slot != SUPERVISOR_SLOT]
    rows = [MappingRow(slot, _presence(view, slot), _uuid(view.state, slot)) for slot in slots]
    text = lines("Mod     Status          UUID", "---     -----------     ------------------------------------")
    text += lines(*(f"{row.mod:>3}     {row.status:<15} {row.uuid}" for row in rows))
    return Report(text, (Table("vemmapping", rows),))


def module_rows(view: View) -> list[ModuleRow]:
    """The first table of show module."""
    return [_module_row(view, slot) for slot in _slots(view.state, None)]


@dataclass(frozen=True, slots=True)
class UptimeRow:
    """How long a module has been as it is."""

    module: int
    status: str
    days: int
    hours: int
    minutes: int
    seconds: int


def show_uptime(view: View, call: Call) -> Report:
    """For how long modules have been connected, or not."""
    rows = [_uptime_row(view, slot) for slot in _slots(view.state, call.get("slot"))]
    text = "\n".join(
        lines(
            f"------ Module {row.module} -------",
            f"Module {row.status} for: "
            f"{row.days} days, {row.hours} hours, {row.minutes} minutes, {row.seconds} seconds",
        )
        for row in rows
        if row
    )
    found = [row for row in rows if row]
    if call.get("slot") and not found:
        raise NotFound(f"module {call['slot']}", "has not been seen since the supervisor started")
    return Report(text, (Table("module_uptime", found),))


def _uptime_row(view: View, slot: int) -> UptimeRow | None:
    """None: not seen since the supervisor started."""
    status = view.runtime.module(slot)
    if slot != SUPERVISOR_SLOT and status is None:
        return None
    age = view.now.timestamp() - status.since if status else view.runtime.uptime()
    minutes, seconds = divmod(max(0, int(age)), 60)
    hours, minutes = divmod(minutes, 60)
    word = "active" if status is None else "connected" if status.connected else "absent"
    return UptimeRow(slot, word, *divmod(hours, 24), minutes, seconds)


@dataclass(frozen=True, slots=True)
class MissingRow:
    """A host that has a slot, but no session."""

    mod: int
    uuid: str
    name: str


def show_missing(view: View, _call: Call) -> Report:
    """Hosts that should be there and are not."""
    rows = [
        MissingRow(slot, _uuid(view.state, slot), _server_row(view.state, slot).srvname)
        for slot in _slots(view.state, None)
        if slot != SUPERVISOR_SLOT and not _connected(view, slot)
    ]
    text = lines(
        "Mod     UUID                                   Server-Name",
        "---     ------------------------------------   --------------------",
        *(f"{row.mod:>3}     {row.uuid:<36}   {row.name}" for row in rows),
    )
    return Report(text, (Table("vemmissing", rows),))


@dataclass(frozen=True, slots=True)
class CountersRow:
    """What went between the supervisor and a host since the supervisor started."""

    mod: int
    in_messages: int = field(metadata={"key": "inmsgs"})
    out_messages: int = field(metadata={"key": "outmsgs"})
    in_beats: int = field(metadata={"key": "inhbeats"})
    out_beats: int = field(metadata={"key": "outhbeats"})
    inserted: int = field(metadata={"key": "inscnt"})
    removed: int = field(metadata={"key": "remcnt"})
    refused: int


def show_counters(view: View, _call: Call) -> Report:
    """Messages, heartbeats, arrivals and departures of hosts, and what they could not do."""
    slots = [slot for slot in _slots(view.state, None) if slot != SUPERVISOR_SLOT]
    rows = [_counters_row(slot, view.runtime.session_counts(slot)) for slot in slots]
    text = lines(
        "Mod      InMsgs     OutMsgs    InHBeats   OutHBeats  InsCnt  RemCnt  Refused",
        "---  ----------  ----------  ----------  ----------  ------  ------  -------",
        *(
            f"{row.mod:>3}  {row.in_messages:>10}  {row.out_messages:>10}  {row.in_beats:>10}  {row.out_beats:>10}"
            f"  {row.inserted:>6}  {row.removed:>6}  {row.refused:>7}"
            for row in rows
        ),
    )
    return Report(text, (Table("vemcounters", rows),))


def _counters_row(slot: int, seen: SessionCounts) -> CountersRow:
    return CountersRow(
        mod=slot,
        in_messages=seen.in_messages,
        out_messages=seen.out_messages,
        in_beats=seen.in_beats,
        out_beats=seen.out_beats,
        inserted=seen.inserted,
        removed=seen.removed,
        refused=seen.refused,
    )


def _slots(state: State, only: int | None) -> list[int]:
    slots = sorted({SUPERVISOR_SLOT, *state.config.slots, *state.inventory.modules})
    return slots if only is None else [slot for slot in slots if slot == only]


def _module_row(view: View, slot: int) -> ModuleRow:
    if slot == SUPERVISOR_SLOT:
        return ModuleRow(slot, 0, "Virtual Supervisor Module", "DVS-VSM", "active *")
    module = view.state.inventory.modules.get(slot)
    kind = _TYPES.get(module.type, module.type) if module else _TYPES["VEM"]
    ports = min(module.max_ports, MAX_VETH) if module else 0
    status = "ok" if _connected(view, slot) else ABSENT
    return ModuleRow(slot, ports, kind, _model(module), status)


def _model(module: Module | None) -> str:
    """Parsers (Genie) know a model by its capitals."""
    return f"DVS-{module.type}-{module.engine}".upper() if module and module.engine else "NA"


def _connected(view: View, slot: int) -> bool:
    status = view.runtime.module(slot)
    return status is not None and status.connected


def _presence(view: View, slot: int) -> str:
    return "powered-up" if _connected(view, slot) else "absent"


def _hardware(module: Module) -> str:
    return module.system or "NA"


def _addresses(state: State, slot: int) -> str:
    """Lowest and highest address of the host's uplinks."""
    macs = sorted(uplink.mac for uplink in state.inventory.uplinks.values() if uplink.slot == slot and uplink.mac)
    if not macs:
        return "NA"
    low, high = macs[0].replace(":", "-"), macs[-1].replace(":", "-")
    return f"{low} to {high}"


def _uuid(state: State, slot: int) -> str:
    bound, module = state.config.slots.get(slot), state.inventory.modules.get(slot)
    return bound.host_uuid if bound else module.host_uuid if module else "NA"


def _server_row(state: State, slot: int) -> ServerRow:
    module = state.inventory.modules.get(slot)
    address, name = (module.address, module.host_name) if module else ("", "")
    return ServerRow(slot, address or "NA", _uuid(state, slot), name or "NA")


def _text(
    modules: list[ModuleRow],
    versions: list[VersionRow],
    addresses: list[AddressRow],
    servers: list[ServerRow],
    modes: str,
) -> str:
    text = lines(
        "Mod  Ports  Module-Type                       Model               Status",
        "---  -----  --------------------------------  ------------------  ------------",
        *(f"{row.modinf:<3}  {row.ports:<5}  {row.modtype:<32}  {row.model:<18}  {row.status}" for row in modules),
        "",
        "Mod  Sw                  Hw",
        "---  ------------------  ------------------------------------------------",
        *(f"{row.modwwn:<3}  {row.sw:<18}  {row.hw}" for row in versions),
        "",
        "Mod  MAC-Address(es)                         Serial-Num",
        "---  --------------------------------------  ----------",
        *(f"{row.modmac:<3}  {row.mac:<38}  {row.serialnum}" for row in addresses),
        "",
        "Mod  Server-IP        Server-UUID                           Server-Name",
        "---  ---------------  ------------------------------------  --------------------",
        *(f"{row.modsrv:<3}  {row.srvip:<15}  {row.srvuuid:<36}  {row.srvname}" for row in servers),
    )
    text += modes
    local = any(row.modinf == SUPERVISOR_SLOT for row in modules)
    return text + (lines("", "* this terminal session") if local else "")
