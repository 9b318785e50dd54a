"""Resident memory of a host's agent without ports and with 1,000 of them, plugged in over its own API."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from dvswitch.v1.types_pb2 import Plug
from tests.bench.results import Results
from tests.support.fabric import Fabric, access_profile, home, tap, wire
from tests.support.netns import Lab, Namespace
from vem.datapath.choose import why_no_kernel

PORTS, MAX_PORTS = 1000, 1023
PROFILE = "bench"
MEGABYTE = 1e6


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill memory.<engine>.*; memory does not vary enough to be worth several rounds."""
    _measure(results, "user", None)
    if reason := why_no_kernel():
        results.skip("memory.kernel", reason)
        return
    with Lab() as lab:
        _measure(results, "kernel", lab.namespace("host"))


def _measure(results: Results, engine: str, where: Namespace | None) -> None:
    with ExitStack() as stack:
        path = stack.enter_context(home())
        fabric = stack.enter_context(Fabric(path))
        fabric.configure(access_profile(PROFILE, 10) + f"max-ports {MAX_PORTS}")
        host = fabric.add_host("bench", engine, where=where)
        results.add(f"memory.{engine}.0_ports_mb", host.process.rss_bytes() / MEGABYTE, "MB")
        for number in range(PORTS):
            mac = f"02:00:00:02:{number >> 8:02x}:{number & 255:02x}"
            fabric.attach_forwarding(host, f"vm-{number}", mac=mac, profile=PROFILE, plug=_plug(engine, path, number))
        results.add(f"memory.{engine}.1000_ports_mb", host.process.rss_bytes() / MEGABYTE, "MB")


def _plug(engine: str, path: Path, number: int) -> Plug:
    return tap(f"tap{number}") if engine == "kernel" else wire(path / f"p{number}", path / f"g{number}")
