"""show ip igmp snooping groups: the groups that guests have joined, which each host keeps for itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vsm.cli.command import Call, Run, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show import asking

_ROW = re.compile(r"\s*(?P<vlan>\d+)\s+(?P<group>[\da-fA-F.:]+)\s+(?P<ports>\S.*?)\s*")
"""Of a host's own table (vem/agent/views.py)."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group and its members on one host."""

    vlan: int
    group: str
    module: int
    ports: tuple[str, ...]
    """As the host calls them."""


async def show_groups(view: View, call: Call, run: Run) -> Report:
    """Groups of all connected hosts, or in one vlan."""
    told = await asking.answers(asking.questions(view, ["show", "groups"]), run, "groups")
    found = [
        GroupRow(int(row["vlan"]), row["group"], slot, tuple(row["ports"].split(", ")))
        for slot, answer in told
        for row in map(_ROW.fullmatch, answer.splitlines())
        if row
    ]
    rows = sorted((row for row in found if call.get("vlan") in (None, row.vlan)), key=lambda row: (row.vlan, row.group))
    trouble = [line for _, answer in told for line in answer.splitlines() if line.startswith("(")]
    text = lines(
        "Vlan  Group Address                            Mod  Port list",
        "----  ---------------------------------------  ---  --------------------",
        *(f"{row.vlan:<4}  {row.group:<39}  {row.module:<3}  {', '.join(row.ports)}" for row in rows),
        *trouble,
    )
    return Report(text, (Table("igmp_snooping_groups", rows),))
