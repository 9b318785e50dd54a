"""`python -m tests.bench`: measure everything that can be measured here, print a table, write JSON.

Parts that need root, a kernel feature or a program that is not here are left out and named.  Bars are reported; they do
not decide the exit status.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench import (
    part_config,
    part_control,
    part_engines,
    part_features,
    part_memory,
    part_migration,
    part_niv,
    part_scale,
    part_silence,
    part_ssh,
    part_switching,
)
from tests.bench.results import Results, as_table

OUTPUT = Path("bench-results")


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float
    """Of one measurement of one path."""


QUICK, FULL = Effort(rounds=2, seconds=1), Effort(rounds=5, seconds=2)

Part = Callable[[Results, int, float], None]
PARTS: dict[str, Part] = {
    "switching": part_switching.measure,
    "engines": part_engines.measure,
    "features": part_features.measure,
    "control": part_control.measure,
    "ssh": part_ssh.measure,
    "config": part_config.measure,
    "migration": part_migration.measure,
    "niv": part_niv.measure,
    "silence": part_silence.measure,
    "memory": part_memory.measure,
    "scale": part_scale.measure,
}
QUICK_PARTS = [name for name in PARTS if name not in ("memory", "scale")]
"""Plugging in thousands of NICs takes minutes."""


def main() -> int:
    options = _options()
    effort = QUICK if options.quick else FULL
    rounds = options.rounds or effort.rounds
    results = Results()
    for name in options.parts or (QUICK_PARTS if options.quick else PARTS):
        print(f"bench: {name}", file=sys.stderr, flush=True)
        PARTS[name](results, rounds, effort.seconds)
    print(as_table(results))
    print(f"\nwritten to {_write(results, rounds)}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure this switch against others.")
    parser.add_argument(
        "parts",
        nargs="*",
        choices=[[], *PARTS],
        help=f"of {', '.join(PARTS)}; default: all, with --quick all but memory and scale",
    )
    parser.add_argument("--quick", action="store_true", help="short and rough: to see that it works")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 5; --quick: 2)")
    return parser.parse_args()


def _write(results: Results, rounds: int) -> Path:
    OUTPUT.mkdir(exist_ok=True)
    path = OUTPUT / time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
    text = json.dumps(results.as_json() | {"rounds": rounds}, indent=2) + "\n"
    path.write_text(text)
    (OUTPUT / "latest.json").write_text(text)
    return path


if __name__ == "__main__":
    sys.exit(main())
