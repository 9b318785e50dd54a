"""A private Open vSwitch with the user-space datapath, in a directory and a namespace of its own.

An Open vSwitch that the machine may run is neither used nor noticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.netns import CommandFailed, Namespace, run

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
START_SECONDS = 10.0


def unavailable() -> str:
    """Why Open vSwitch cannot be compared with here; "" when it can."""
    absent = [name for name in ("ovsdb-server", "ovs-vswitchd", "ovs-vsctl") if not shutil.which(name)]
    return f"not installed: {', '.join(absent)}" if absent or not SCHEMA.exists() else ""


@contextmanager
def private_ovs(where: Namespace, bridge: str, *ports: str) -> Iterator[None]:
    """Run one with a bridge of these ports."""
    with tempfile.TemporaryDirectory(prefix="dvt-ovs-") as name, ExitStack() as daemons:
        home = Path(name)
        run("ovsdb-tool", "create", f"{home}/conf.db", str(SCHEMA))
        remote = f"--remote=punix:{home}/db.sock"
        daemons.enter_context(
            _daemon(home, where, "ovsdb-server", f"{home}/conf.db", remote, f"--unixctl={home}/db.ctl")
        )
        _await(home / "db.sock")
        _control(home, "--no-wait", "init")
        daemons.enter_context(_daemon(home, where, "ovs-vswitchd", f"unix:{home}/db.sock", f"--unixctl={home}/sw.ctl"))
        _control(home, "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev")
        for port in ports:
            _control(home, "add-port", bridge, port)
        yield
        _control(home, "del-br", bridge)


def _control(home: Path, *argv: str) -> None:
    run("ovs-vsctl", f"--db=unix:{home}/db.sock", "--timeout=10", *argv)


@contextmanager
def _daemon(home: Path, where: Namespace, program: str, *argv: str) -> Iterator[None]:
    environment = dict(os.environ, OVS_RUNDIR=str(home), OVS_DBDIR=str(home), OVS_LOGDIR=str(home))
    command = where.command(program, *argv, f"--log-file={home}/{program}.log", "-vconsole:off")
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null, env=environment)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(path: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not path.exists():
        if time.monotonic() > end:
            raise CommandFailed(f"Open vSwitch did not start: no {path.name}")
        time.sleep(0.02)
