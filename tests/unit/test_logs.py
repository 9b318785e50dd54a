"""What the daemons' logging costs them (proto/dvswitch/logs.py)."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("daemon", ["vsm.main", "vem.main", "physical.vis", "physical.dvs"])
def test_a_daemon_does_not_load_what_it_never_draws(daemon: str) -> None:
    pytest.importorskip("rich", reason="there is nothing to hide")
    code = f"import sys, {daemon}; sys.exit('rich' in sys.modules or 'structlog' not in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
