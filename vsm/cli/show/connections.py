"""show svs connections: hypervisor managers that the operator expects, and those that watch the port groups now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dvswitch.errors import NotFound
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.model.state import Connection
from vsm.observed import ManagerStatus
from vsm.policy.catalog import Catalog, catalog

NOT_PUSHED, PUSHING, PUSHED = (
    "Config not pushed to VC.",
    "Config push to VC in progress.",
    "Config push to VC successful.",
)
"""Words of `show svs domain`."""


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A manager."""

    name: str = field(metadata={"key": "conn_name"})
    address: str = field(metadata={"key": "remote_ip"})
    config: str = field(metadata={"key": "config_status"})
    operation: str = field(metadata={"key": "oper_status"})
    sync: str = field(metadata={"key": "sync_status"})
    version: str
    groups: int = field(metadata={"key": "port_groups"})


def show_connections(view: View, call: Call) -> Report:
    """Each manager with what is configured for it and how far it has the port groups."""
    wanted = call.get("connection", "")
    rows = [row for row in _rows(view) if wanted in ("", row.name)]
    if wanted and not rows:
        raise NotFound(f"svs connection {wanted}", "does not exist")
    return Report("\n".join(map(_text, rows)), (Table("svs_connections", rows),))


def push_status(view: View) -> str:
    """Whether all managers that watch have the port groups as they are."""
    managers, now = view.runtime.managers(), catalog(view.state.config)
    if not managers:
        return NOT_PUSHED
    return PUSHED if all(manager.told == now for manager in managers) else PUSHING


def _rows(view: View) -> Iterator[ConnectionRow]:
    now, configured = catalog(view.state.config), view.state.config.connections
    watching = view.runtime.managers()
    there = {manager.name for manager in watching}
    found = [(manager.name, manager) for manager in watching]
    found += [(name, None) for name in configured if name not in there]  # type: ignore[misc]
    for name, manager in sorted(found, key=lambda item: item[0]):
        yield _row(name, configured.get(name), manager, now)


def _row(name: str, said: Connection | None, manager: ManagerStatus | None, now: Catalog) -> ConnectionRow:
    config = "Not configured" if said is None else "Enabled" if said.enabled else "Disabled"
    if manager is None:
        return ConnectionRow(name, "-", config, "Disconnected", "-", "-", 0)
    sync = "Complete" if manager.told == now else "In progress"
    address, version = manager.address or "local", manager.version or "-"
    return ConnectionRow(name, address, config, "Connected", sync, version, len(manager.told or ()))


def _text(row: ConnectionRow) -> str:
    return lines(
        f"connection {row.name}:",
        f"    remote address: {row.address}",
        "    protocol: dvswitch grpc",
        f"    config status: {row.config}",
        f"    operational status: {row.operation}",
        f"    sync status: {row.sync}",
        f"    version: {row.version}",
        f"    port-groups: {row.groups}",
    )
