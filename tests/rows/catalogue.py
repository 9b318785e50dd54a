"""All rows."""

from __future__ import annotations

from tests.rows import rows_admission, rows_forwarding, rows_physical, rows_teaming, rows_vlan
from tests.rows.row import Row

ROWS: list[Row] = [
    *rows_admission.ROWS,
    *rows_vlan.ROWS,
    *rows_forwarding.ROWS,
    *rows_teaming.ROWS,
    *rows_physical.ROWS,
]
