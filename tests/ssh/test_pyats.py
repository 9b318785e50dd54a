"""pyATS and Genie, unchanged, by the example program: in an environment of its own, which DVS_PYATS names.

pyATS pins what others need in other versions, so it is not installed with the rest.  To run this:

    python -m venv /tmp/pyats && /tmp/pyats/bin/pip install 'pyats[library]'
    DVS_PYATS=/tmp/pyats/bin/python python -m pytest tests/ssh/test_pyats.py
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from tests.ssh.rig import Rig
from tests.support.switches import PASSWORD

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "pyats_read.py"
PYTHON = os.environ.get("DVS_PYATS", "")
PATIENCE = 280.0


@pytest.mark.skipif(not PYTHON, reason="not for environments without pyATS: DVS_PYATS names a Python that has it")
async def test_the_example_reads_and_changes_a_switch(rig: Rig, tmp_path: Path) -> None:
    environ = {**os.environ, "PYATS_PASSWORD": PASSWORD, "HOME": str(tmp_path)}
    environ.pop("PYTHONPATH", None)
    child = await asyncio.create_subprocess_exec(
        *(PYTHON, str(EXAMPLE), "127.0.0.1", str(rig.port), "admin", "77"),
        env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            said = (await child.communicate())[0].decode()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 0, said
    assert "model Nexus 1000V" in said and "show interface: mgmt0, Ethernet3/1, Ethernet4/1, Vethernet1" in said
    assert "+vlan 77:" in said and "+ name from-pyats:" in said and "Copy complete." in said
    config = rig.supervisor.state.config
    assert 77 not in config.vlans and config.console_timeout == 0, "what pyATS says to every device took effect"
