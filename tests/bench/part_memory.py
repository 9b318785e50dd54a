"""Resident memory of a host's agent without ports and with 1,000 of them, plugged in over its own API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from tests.bench.results import Results
from tests.support.fabric import Fabric, Host, access_profile, home, tap, wire
from tests.support.netns import Lab, Namespace
from vem.datapath.choose import why_no_kernel

PORTS, MAX_PORTS = 1000, 1023
AT_ONCE = 32
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
        attach = partial(_attach, fabric, host)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(attach, range(PORTS)))
        results.add(f"memory.{engine}.1000_ports_mb", host.process.rss_bytes() / MEGABYTE, "MB")


def _attach(fabric: Fabric, host: Host, number: int) -> None:
    mac = f"02:00:00:02:{number >> 8:02x}:{number & 255:02x}"
    path = fabric.path
    plug = tap(f"tap{number}") if host.engine == "kernel" else wire(path / f"p{number}", path / f"g{number}")
    fabric.attach_forwarding(host, f"vm-{number}", mac=mac, profile=PROFILE, plug=plug)
