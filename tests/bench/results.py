"""What a benchmark run found: samples by key, ratios, bars; as JSON and as a table.

Keys are stable and documented in docs/bench.md.  Nothing here measures.
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FORM = 1
"""Version of the JSON form."""


SLICES = 5


def best(measure: Callable[[], float]) -> float:
    """The least of a few slices of a loop in memory: whatever else the machine does only adds to one."""
    return min(measure() for _ in range(SLICES))


@dataclass(frozen=True)
class Bar:
    """A promise about one figure."""

    key: str
    limit: float
    at_least: bool
    text: str

    def passed(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value < self.limit


BARS = (
    Bar("ratio.tcp.kernel_one_host.linux_bridge", 1.0, True, "TCP: kernel engine at least the Linux bridge"),
    Bar("ratio.small.kernel_one_host.linux_bridge", 1.15, True, "small packets: kernel engine at least 1.15 bridges"),
    Bar("ratio.tcp.kernel_all_on.direct_veth", 0.90, True, "TCP, all features on: at least 0.90 of a direct veth"),
    Bar("ratio.small.kernel_all_on.direct_veth", 0.85, True, "small, all features on: at least 0.85 of a direct veth"),
    Bar("ratio.small.kernel_all_on.linux_bridge", 1.2, True, "small, all features on: at least 1.2 bridges"),
    Bar("ratio.niv.tcp.hairpin.direct_veth", 0.80, True, "TCP by way of a VIS: at least 0.80 of a direct veth"),
    Bar("niv.edit_ms", 50, False, "an edit acts at a VIS, after the answer"),
    Bar("niv.edit_worst_ms", 100, False, "the same, the worst"),
    Bar("niv.edit_crowded_ms", 50, False, "an edit acts at a VIS with 200 more VIFs"),
    Bar("niv.edit_crowded_worst_ms", 100, False, "the same, the worst"),
    Bar("features.user.off.asked_once_ns", 2, False, "user engine, all features used once, not used any more"),
    Bar("features.user.off.asked_once_features", 1, False, "the same, features left in its code"),
    Bar("features.kernel.off.asked_once_ns", 2, False, "kernel engine, all features asked for once, not used any more"),
    Bar("features.kernel.off.asked_once_bytes", 1, False, "the same, in machine code"),
    Bar("engine.user.all_on_2000_macs_ns", 90, False, "user engine, all features on, 2,000 MACs"),
    Bar("engine.user.all_on_100000_macs_ns", 130, False, "user engine, all features on, 100,000 MACs"),
    Bar("control.profile_edit_ms", 500, False, "profile edit until 1,000 ports on 20 modules acknowledged"),
    Bar("ssh.prompt_median_ms", 10, False, "SSH prompt with 50 busy sessions and 60 modules, median"),
    Bar("ssh.prompt_p99_ms", 50, False, "the same, 99 of 100"),
    Bar("config.load_10000_lines_ms", 5000, False, "10,000 configuration lines loaded"),
    Bar("config.show_running_ms", 1000, False, "show running-config, 1,000 profiles and 10,000 vEths"),
    Bar("config.show_interface_json_ms", 1500, False, "show interface | json, 10,000 vEths"),
    Bar("silence.kernel.failover_own_ms", 150, False, "silence by failover, kernel engine"),
    Bar("silence.user.failover_own_ms", 150, False, "silence by failover, user engine"),
    Bar("migration.one_p99_ms", 20, False, "one vEth handed over, 99 of 100"),
    Bar("migration.of_50_p99_ms", 100, False, "each of 50 vEths handed over at once, 99 of 100"),
    Bar("memory.kernel.1000_ports_mb", 100, False, "agent with 1,000 ports, kernel engine"),
    Bar("memory.user.1000_ports_mb", 100, False, "agent with 1,000 ports, user engine"),
)


@dataclass
class Results:
    """Grows while the benchmark runs."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """Part -> why it was not measured."""

    def add(self, key: str, value: float, unit: str) -> None:
        self.samples.setdefault(key, []).append(value)
        self.units[key] = unit

    def skip(self, part: str, reason: str) -> None:
        self.skipped[part] = reason

    def median(self, key: str) -> float:
        return statistics.median(self.samples[key])

    def compare(self, kind: str, path: str, base: str) -> None:
        """Note ratio.<kind>.<path>.<base>: the median over the rounds of path / base within the round."""
        ours, theirs = self.samples.get(f"{kind}.{path}"), self.samples.get(f"{kind}.{base}")
        if ours and theirs:
            self.ratios[f"ratio.{kind}.{path}.{base}"] = statistics.median(
                a / b for a, b in zip(ours, theirs, strict=True) if b
            )

    def value(self, key: str) -> float | None:
        """A ratio, or the median of a measured figure; None when it was not measured."""
        if key in self.ratios:
            return self.ratios[key]
        return self.median(key) if key in self.samples else None

    def spread(self, key: str) -> tuple[float, ...]:
        """Least and greatest of a measured figure's samples, or the ends of its confidence interval, if it has one."""
        ends = [self.samples.get(key.removesuffix("_ns") + end) for end in ("_low_ns", "_high_ns")]
        if ends[0] and ends[1]:
            return ends[0][0], ends[1][0]
        values = self.samples.get(key)
        return (min(values), max(values)) if values and len(values) > 1 else ()

    def as_json(self) -> dict[str, Any]:
        return {
            "form": FORM,
            "machine": machine(),
            "figures": {key: self._figure(key) for key in self.samples},
            "ratios": {key: round(value, 3) for key, value in self.ratios.items()},
            "bars": [self._bar(bar) for bar in BARS],
            "skipped": self.skipped,
        }

    def _figure(self, key: str) -> dict[str, Any]:
        values = self.samples[key]
        return {
            "unit": self.units[key],
            "median": _rounded(self.median(key)),
            "min": _rounded(min(values)),
            "max": _rounded(max(values)),
            "samples": [_rounded(value) for value in values],
        }

    def _bar(self, bar: Bar) -> dict[str, Any]:
        value = self.value(bar.key)
        return {
            "key": bar.key,
            "text": bar.text,
            "limit": bar.limit,
            "sense": ">=" if bar.at_least else "<",
            "value": None if value is None else _rounded(value),
            "spread": [_rounded(end) for end in self.spread(bar.key)],
            "passed": None if value is None else bar.passed(value),
        }


def machine() -> dict[str, Any]:
    """What the figures depend on; no names."""
    return {
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "cpu": _cpu_model(),
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _rounded(value: float) -> float:
    return round(value, 3) if abs(value) < 1000 else round(value, 1)


# ---- the table


def as_table(results: Results) -> str:
    """Text for people: figures, ratios, bars, what was left out."""
    parts = [_figures(results), _ratios(results), _bars(results), _skipped(results)]
    return "\n\n".join(part for part in parts if part)


def _figures(results: Results) -> str:
    lines = [f"{'figure':<44}{'median':>12}{'min':>12}{'max':>12}  unit"]
    for key, values in results.samples.items():
        row = "".join(f"{_rounded(value):>12}" for value in (results.median(key), min(values), max(values)))
        lines.append(f"{key:<44}{row}  {results.units[key]}")
    return "\n".join(lines)


def _ratios(results: Results) -> str:
    if not results.ratios:
        return ""
    return "\n".join(["ratio (within a round)", *(f"{key:<60}{value:>8.2f}" for key, value in results.ratios.items())])


def _bars(results: Results) -> str:
    lines = ["bar"]
    for bar in BARS:
        value = results.value(bar.key)
        verdict = "not measured" if value is None else "pass" if bar.passed(value) else "FAIL"
        shown = "" if value is None else f"{value:.2f}"
        spread = " to ".join(f"{end:.2f}" for end in results.spread(bar.key))
        verdict += f" ({spread})" if spread else ""
        lines.append(f"{bar.text:<60}{'>=' if bar.at_least else '<':>3} {bar.limit:<7g}{shown:>9}  {verdict}")
    return "\n".join(lines + _machine(results))


def _machine(results: Results) -> list[str]:
    """How slow the machine was, by its own best: what to make of a bar in nanoseconds."""
    loops = {"machine.alu_ns": "calculating", "machine.chase_ns": "fetching"}
    said = [
        f"{word} {results.median(key) / min(results.samples[key]):.2f} times what it took at best"
        for key, word in loops.items()
        if key in results.samples
    ]
    return [f"the machine meanwhile: {', '.join(said)} (median; nothing above is corrected by it)"] if said else []


def _skipped(results: Results) -> str:
    if not results.skipped:
        return ""
    return "\n".join(["not measured", *(f"{part:<44}{reason}" for part, reason in results.skipped.items())])
