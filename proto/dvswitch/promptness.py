"""What a daemon asks of Python so that nobody waits for its interpreter: both daemons do it once they are up."""

from __future__ import annotations

import gc
import sys

SWITCH = 0.0005
"""Seconds that one thread keeps the interpreter while another wants it.  (Python's own 5 ms is long beside a reconcile
pass, whose steps on the engine's thread and on the event loop take turns.)"""
_THRESHOLDS = (5000, 20, 50)
"""Objects made until the youngest are looked through; Python's own 700 looks through all of them, for tens of
milliseconds, several times a minute."""


def be_prompt() -> None:
    """Take turns quickly; look for garbage less often, and never again in what there is now."""
    sys.setswitchinterval(SWITCH)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


__all__ = ["be_prompt"]
