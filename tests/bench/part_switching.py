"""TCP and small-packet rates of every path, interleaved: one measurement of each path makes a round."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from tests.bench import ovs, rates
from tests.bench.paths import Path, direct_veth, linux_bridge, ovs_user
from tests.bench.results import Results
from tests.support.netns import Lab
from vem.datapath.choose import why_no_kernel

OURS = ("kernel_one_host", "kernel_all_on", "kernel_two_hosts")
SLICES = 4
OTHERS = ("direct_veth", "linux_bridge", "ovs_user")

Maker = Callable[[Lab], AbstractContextManager[Path]]


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill tcp.<path>, small.<path> and their ratios."""
    if reason := unavailable():
        results.skip("switching", reason)
        return
    with Lab() as lab, ExitStack() as stack:
        paths = [stack.enter_context(maker(lab)) for maker in _makers(results)]
        for path in paths:
            path.check()
        for _ in range(rounds):
            _round(results, paths, seconds)
    _compare(results)


def unavailable() -> str:
    """Why nothing can be measured between namespaces, or ""."""
    if os.geteuid():
        return "not root"
    absent = [name for name in ("ip", "ethtool", "iperf3") if not shutil.which(name)]
    return f"not installed: {', '.join(absent)}" if absent else ""


def _makers(results: Results) -> list[Maker]:
    makers: list[Maker] = [direct_veth, linux_bridge]
    if reason := ovs.unavailable():
        results.skip("ovs_user", reason)
    else:
        makers.append(ovs_user)
    return makers + _our_makers(results)


def _our_makers(results: Results) -> list[Maker]:
    if reason := why_no_kernel():
        results.skip("kernel engine", reason)
        return []
    from tests.bench.kernel import (
        kernel_all_on,
        kernel_one_host,
        kernel_two_hosts,
    )  # loads libbpf: only where it is wanted

    return [kernel_one_host, kernel_all_on, kernel_two_hosts]


def _round(results: Results, paths: list[Path], seconds: float) -> None:
    for path in paths:
        results.add(f"tcp.{path.name}", rates.tcp(path, seconds), "Gbit/s")
    for name, rate in _small_packets(paths, seconds).items():
        results.add(f"small.{name}", rate, "kpps")


def _small_packets(paths: list[Path], seconds: float) -> dict[str, float]:
    """Rates by path, each the mean of short slices, there and back again: what disturbs the machine hits all alike."""
    rates_of: dict[str, list[float]] = {path.name: [] for path in paths}
    for number in range(SLICES):
        for path in paths if number % 2 else reversed(paths):
            rates_of[path.name].append(rates.small_packets(path, seconds / SLICES))
    return {name: statistics.mean(measured) for name, measured in rates_of.items()}


def _compare(results: Results) -> None:
    for kind in ("tcp", "small"):
        for path in OURS:
            for base in OTHERS:
                results.compare(kind, path, base)
