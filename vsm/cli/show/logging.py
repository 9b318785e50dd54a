"""show logging: what happened on the switch since the supervisor started, the latest last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.runtime import LogLine

_SEVERITIES = {"duplicate_mac": 4, "mac_move": 4, "absent": 3}
"""By what happened; anything else is 6, informational."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """An event."""

    time: str
    kind: str
    what: str
    object: str
    text: str
    severity: int


def show_logging(view: View, call: Call) -> Report:
    """The last events, or all that are kept, one a line in the form of syslog."""
    events = view.runtime.recent()[-call.get("count", 0) :]
    text = "".join(log_line(event, view.state.config.hostname) for event in events)
    return Report(text, (Table("logging", [_row(event) for event in events]),))


def log_line(event: LogLine, hostname: str) -> str:
    """An event in the form of syslog, as `terminal monitor` shows it too."""
    row = _row(event)
    return lines(f"{row.time} {hostname} %{_mnemonic(row)}: {row.text}")


def _mnemonic(row: LogRow) -> str:
    return f"{row.kind}-{row.severity}-{row.what}".upper().replace(" ", "_")


def _row(event: LogLine) -> LogRow:
    time = datetime.fromtimestamp(event.time, UTC).strftime("%Y %b %e %H:%M:%S")
    severity = _SEVERITIES.get(event.what, 6)
    return LogRow(time, event.kind, event.what, event.object, event.text, severity)
