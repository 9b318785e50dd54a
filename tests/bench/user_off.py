"""What a feature costs the frames of a user engine that does not use it.

The engine is built without any feature, and with each one alone (DVS_BUILT in src/packet.h); every build runs in a
process of its own, `python -m tests.bench.user_off FRAME`, which prints nanoseconds a frame.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.bench.results import Results
from tests.bench.tables import FIRST_VNIC, access_image, mac_of
from vem.datapath import kernel_features
from vem.datapath.apply import apply_image
from vem.datapath.compile import find_cc, user_command
from vem.datapath.engine import Plug
from vem.datapath.image import Image
from vem.datapath.native import LIBRARY_VARIABLE
from vem.datapath.user import UserEngine

VNICS = 32
FRAMES, REPEAT = 1024, 200


def measure(results: Results, rounds: int, sample: bytes) -> None:
    """Fill features.user.off.*."""
    compiler = find_cc()
    if not compiler:
        results.skip("features.user.off", "no C compiler")
        return
    features = {"none": kernel_features.NONE, **kernel_features.BITS}
    with tempfile.TemporaryDirectory() as directory:
        built = {name: _build(compiler, Path(directory, f"{name}.so"), bits) for name, bits in features.items()}
        for number in range(rounds):
            for name in built if number % 2 else reversed(built):
                results.add(f"features.user.off.{name}_ns", _run(built[name], sample), "ns/frame")


def _build(compiler: str, target: Path, features: int) -> Path:
    subprocess.run([*user_command(compiler, "-O2", f"-DDVS_BUILT={features}"), "-o", str(target)], check=True)
    return target


def _run(library: Path, sample: bytes) -> float:
    environment = {**os.environ, LIBRARY_VARIABLE: str(library)}
    argv = [sys.executable, "-m", "tests.bench.user_off", sample.hex()]
    return float(subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """One measurement, by the library that the environment names."""
    macs = {lport: mac_of(lport) for lport in range(FIRST_VNIC, FIRST_VNIC + VNICS)}
    with closing(UserEngine()) as engine:
        for lport in macs:
            engine.plug(lport, Plug("memory"))
        apply_image(engine, Image(), access_image(macs))
        frames = [bytes.fromhex(sys.argv[1])] * FRAMES
        print(min(engine.bench(FIRST_VNIC, frames, REPEAT) for _ in range(3)))


if __name__ == "__main__":
    main()
