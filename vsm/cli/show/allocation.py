"""show mac allocation: which NIC has which MAC address, whether it runs or not."""

from __future__ import annotations

from dataclasses import dataclass

from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.model.macs import Entry, classify, registry


@dataclass(frozen=True, slots=True)
class AllocationRow:
    """An address and its NIC."""

    mac: str
    """Dotted."""
    origin: str
    """automatic, manual or duplicate."""
    range: str
    vm: str
    nic: int
    port: str
    """"" = no vEth yet."""
    module: str
    """"" = plugged in nowhere."""


@dataclass(frozen=True, slots=True)
class PoolRow:
    """Where automatic addresses come from."""

    prefix: str
    allocated: int
    """Automatic addresses in use."""


def show_allocation(view: View, _call: Call) -> Report:
    """The registry of addresses, by address."""
    entries = registry(view.state)
    rows = [_row(entry) for entry in entries]
    pool = PoolRow(view.state.config.mac_prefix, sum(entry.lease.automatic for entry in entries))
    return Report(allocation_text(pool, rows), (Table("mac_allocation", rows),), top=pool)


def allocation_text(pool: PoolRow, rows: list[AllocationRow]) -> str:
    """The pool, then a line per address."""
    return lines(
        f"Pool prefix {pool.prefix}, {pool.allocated} automatic addresses",
        "",
        "MAC Address     Type       Port         Mod  NIC  VM                        Range",
        "--------------  ---------  -----------  ---  ---  ------------------------  -------------------------",
        *(
            f"{row.mac}  {row.origin:<9}  {row.port or '-':<11}  {row.module or '-':<3}  {row.nic:<3}  "
            f"{row.vm[:24]:<24}  {row.range}"
            for row in rows
        ),
    )


def _row(entry: Entry) -> AllocationRow:
    lease = entry.lease
    origin = "duplicate" if lease.duplicate else "automatic" if lease.automatic else "manual"
    return AllocationRow(
        mac=lease.mac.dotted,
        origin=origin,
        range=classify(lease.mac).value,
        vm=lease.nic.vm,
        nic=lease.nic.index,
        port=f"Veth{entry.veth}" if entry.veth else "",
        module=str(entry.slot or ""),
    )
