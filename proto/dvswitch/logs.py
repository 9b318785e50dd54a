"""How the daemons log: one line per event on standard error, and a plain traceback for what nobody foresaw.

Plain, because structlog's own choice is to draw every frame with its variables, which takes a daemon's event loop
seconds in which it answers nobody.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

from dvswitch.errors import InvalidValue


@contextlib.contextmanager
def _hidden(name: str) -> Iterator[None]:
    """A package is not found meanwhile, unless somebody has it already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


with _hidden("rich"):  # to draw such frames; where it is installed, loading it is a sixth of a daemon's start
    import structlog


def get_logger() -> Any:
    """Where a module logs; for modules that may be the first to log, before which rich has to be hidden."""
    return structlog.get_logger()


def set_up(level: str) -> None:
    """Log from ``level`` on ("debug", "info", "warning", "error"; case does not matter); InvalidValue for others."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise InvalidValue("option --log-level", f"'{level}' is unknown", "use debug, info, warning or error")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),  # what it is then: a test may have replaced it
    )
