"""All rows."""

from __future__ import annotations

from tests.rows import (
    rows_admission,
    rows_forwarding,
    rows_groups,
    rows_methods,
    rows_mobility,
    rows_niv,
    rows_physical,
    rows_promiscuous,
    rows_teaming,
    rows_vlan,
)
from tests.rows.row import Row

_PARTS = (
    rows_admission,
    rows_vlan,
    rows_forwarding,
    rows_teaming,
    rows_methods,
    rows_physical,
    rows_promiscuous,
    rows_groups,
    rows_mobility,
    rows_niv,
)
ROWS: list[Row] = [row for part in _PARTS for row in part.ROWS]
