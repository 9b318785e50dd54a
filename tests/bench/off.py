"""What a feature costs the frames of those who don't use it: features.<engine>.off.*.

The same tables, which need no feature, by a program (kernel) or a build (user) that has one feature, and by one that
has none: many short slices in pairs, one right after the other and each as often first, so that whatever the machine
does meets both.  Where code comes to lie in memory makes a few nanoseconds either way for one and the same program; so
each comparison is made with several placements (a kernel program loaded anew, a library linked behind some padding).
The figure is the median over the placements of the median difference; `_low` and `_high` are the ends of its confidence
interval.  `none_again` compares none with none, and shows what the figures are worth.

Neither engine keeps a feature that nobody uses any more: `asked_once` is what is left when all of them were in use and
none is now, and what the bars are about.  The kernel engine has a program that is as small as before, byte by byte
(`asked_once_bytes`); the user engine is back at its smallest build (`asked_once_features`: how many are left in it).
The single features tell the cost until then, or while another one has them built in beside it: the user engine has few
builds to choose from, and `beside_*` is what a port that needs a larger one costs the frames of all others.
"""

from __future__ import annotations

import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from tests.bench.results import Results
from tests.bench.tables import FIRST_VNIC, access_image, mac_of
from tests.datapath.hostile import everything
from vem.datapath import feature_bits
from vem.datapath.apply import apply_image
from vem.datapath.compile import find_cc, user_command
from vem.datapath.engine import Plug
from vem.datapath.image import Image, Port
from vem.datapath.kernel import KernelEngine
from vem.datapath.kernel_trace import Tracer
from vem.datapath.user import UserEngine
from vem.datapath.watch import Capture

VNICS = 32
PAIRS = 60
"""For one placement."""
USER_FRAMES, KERNEL_RUNS = 2048, 1000
"""Of each slice: a tenth of a millisecond or two."""
LOADS, LOADS_OF_BARS = 2, 8
"""Of the kernel's programs, each round."""
PADDINGS = range(16, 80, 16)
"""Bytes before a library's code."""
AGAIN, ONCE = "none_again", "asked_once"
FEATURES: Mapping[str, int] = {AGAIN: feature_bits.NONE, **feature_bits.BITS}
OTHER = FIRST_VNIC + VNICS
BESIDE: Mapping[str, Port] = {
    "beside_uplink": Port(0, OTHER, mac_of(OTHER), uplink=True),
    "beside_lag": Port(0, OTHER, mac_of(OTHER), is_lag=True),
    "beside_mirror": Port(0, OTHER, mac_of(OTHER), mirror_rx=OTHER + 1),
}
"""A port that has nothing to do with the frames, but needs a larger build of the user engine's."""

Slice = Callable[[], float]


def paired(base: Slice, other: Slice) -> float:
    """How much more `other` takes: the median over the pairs."""
    found = []
    for number in range(PAIRS):
        if number % 2:
            first, second = base(), other()
        else:
            second, first = other(), base()
        found.append(second - first)
    return statistics.median(found)


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """The median, and its confidence interval, whatever the distribution: 95 % from six values on (with fewer, all)."""
    ordered = sorted(values)
    half, spread = len(ordered) / 2, 0.98 * math.sqrt(len(ordered))
    low, high = max(0, math.floor(half - spread)), min(len(ordered) - 1, math.ceil(half + spread) - 1)
    return statistics.median(ordered), ordered[low], ordered[high]


def _note(results: Results, engine: str, differences: Mapping[str, list[float]]) -> None:
    for name, values in differences.items():
        for suffix, value in zip(("", "_low", "_high"), median_interval(values), strict=True):
            results.add(f"features.{engine}.off.{name}{suffix}_ns", value, "ns/frame")


# --- user engine -------------------------------------------------------------------------------------------------


def user(results: Results, sample: bytes) -> None:
    """features.user.off.*: builds without any feature, and with each one alone (DVS_BUILT in src/user_batch.h); and the
    builds that there are, as other ports and times need them."""
    compiler = find_cc()
    if not compiler:
        results.skip("features.user.off", "no C compiler")
        return
    differences: dict[str, list[float]] = {name: [] for name in (ONCE, *FEATURES, *BESIDE)}
    with tempfile.TemporaryDirectory() as directory:
        whole = _compile(compiler, Path(directory, "whole"))
        objects = {
            name: _compile(compiler, Path(directory, name), f"-DDVS_BUILT={bits}") for name, bits in FEATURES.items()
        }
        for padding in PADDINGS:
            libraries = {name: _link(compiler, made, padding) for name, made in objects.items()}
            base = _link(compiler, objects[AGAIN], padding, "-base")
            _single_features(differences, libraries, base, sample)
            left = _as_needed(differences, _link(compiler, whole, padding), sample)
    results.add("features.user.off.asked_once_features", left, "features")
    _note(results, "user", differences)


def _single_features(
    differences: dict[str, list[float]], libraries: Mapping[str, Path], base: Path, sample: bytes
) -> None:
    with ExitStack() as stack:
        slices = {name: _user_slice(_user_engine(stack, made), sample) for name, made in libraries.items()}
        none = _user_slice(_user_engine(stack, base), sample)
        for name, other in slices.items():
            differences[name].append(paired(none, other))


def _as_needed(differences: dict[str, list[float]], library: Path, sample: bytes) -> int:
    """By one library, where the engine chooses; returns how many features are left when none is used any more."""
    with ExitStack() as stack:
        none, once, beside = (_user_engine(stack, library) for _ in range(3))
        _use_everything_once(once)
        differences[ONCE].append(paired(_user_slice(none, sample), _user_slice(once, sample)))
        for name, port in BESIDE.items():
            beside.set_port(OTHER, port)
            differences[name].append(paired(_user_slice(none, sample), _user_slice(beside, sample)))
        return once.built_features().bit_count()


def _use_everything_once(engine: UserEngine) -> None:
    usual = engine.image()
    apply_image(engine, usual, everything())
    engine.set_port(OTHER, Port(0, OTHER, mac_of(OTHER), tunnel=True, is_lag=True))
    engine.capture(Capture())
    if engine.built_features() != feature_bits.ALL:
        raise AssertionError("these tables do not use everything")
    engine.capture(None)
    apply_image(engine, engine.image(), usual)


def _compile(compiler: str, directory: Path, *flags: str) -> list[str]:
    """Object files, but for traces: libraries share the little room that there is for their thread-local variables."""
    directory.mkdir()
    command = user_command(compiler, "-O2", *flags, "-c")
    subprocess.run([word for word in command if word != "-shared"], cwd=directory, check=True)
    return [str(path) for path in sorted(directory.glob("*.o")) if path.stem != "user_trace"]


def _link(compiler: str, objects: list[str], padding: int, suffix: str = "") -> Path:
    """A library of them, with so many bytes before its code."""
    directory = Path(objects[0]).parent
    before = directory / f"{padding}.s"
    before.write_text(f'.text\n.balign 64\n.skip {padding}, 0x90\n.section .note.GNU-stack,"",@progbits\n')
    target = directory / f"{padding}{suffix}.so"
    subprocess.run([compiler, "-shared", "-pthread", str(before), *objects, "-o", str(target)], check=True)
    return target


def _user_engine(stack: ExitStack, library: Path) -> UserEngine:
    engine = stack.enter_context(closing(UserEngine(library)))
    macs = {lport: mac_of(lport) for lport in range(FIRST_VNIC, FIRST_VNIC + VNICS)}
    for lport in macs:
        engine.plug(lport, Plug("memory"))
    apply_image(engine, Image(), access_image(macs))
    return engine


def _user_slice(engine: UserEngine, sample: bytes) -> Slice:
    frames = [sample] * USER_FRAMES
    return lambda: engine.bench(FIRST_VNIC, frames, 1)


# --- kernel engine -----------------------------------------------------------------------------------------------


def kernel(results: Results, rounds: int, sample: bytes) -> None:
    """features.kernel.off.*: programs without any feature, and with each one alone."""
    from tests.bench.kernel import kernel_switch
    from vem.datapath.kernel import SHED_SECONDS

    differences: dict[str, list[float]] = {name: [] for name in (ONCE, *FEATURES)}
    with kernel_switch("off") as engine:
        apply_image(engine, Image(), access_image({lport: mac_of(lport) for lport in range(2, 2 + VNICS)}))
        before = engine.code_bytes
        engine.need_all()
        for now in (0.0, SHED_SECONDS):
            engine.tidy(now)
        results.add("features.kernel.off.asked_once_bytes", engine.code_bytes - before, "bytes")
        for number in range(rounds * LOADS_OF_BARS):
            for name in differences:
                if name in (ONCE, AGAIN) or number % LOADS_OF_BARS < LOADS:
                    differences[name].append(_kernel_pairs(engine, FEATURES.get(name), number % 2, sample))
    _note(results, "kernel", differences)


def _kernel_pairs(engine: KernelEngine, features: int | None, swapped: int, sample: bytes) -> float:
    """One placement of a program with these features, or those on NICs, and of one with none."""
    wanted = [feature_bits.NONE, features]
    with ExitStack() as stack:
        loaded = [stack.enter_context(engine.loaded_for_tests(bits)) for bits in wanted[:: -1 if swapped else 1]]
        base, other = loaded[:: -1 if swapped else 1]
        return paired(_kernel_slice(base, sample), _kernel_slice(other, sample))


def _kernel_slice(tracer: Tracer, sample: bytes) -> Slice:
    """By this thread's processor time: the kernel's own figure is in whole nanoseconds, and has what others did in it.
    The system call about it is in both of a pair."""

    def slice_() -> float:
        before = time.thread_time_ns()
        tracer.test_ns(FIRST_VNIC, sample, KERNEL_RUNS)
        return (time.thread_time_ns() - before) / KERNEL_RUNS

    return slice_
