"""What a frame costs the engines themselves: in memory, and the user engine over datagram wires."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from dvswitch.mac import MacAddress
from tests.bench import reference
from tests.bench.rates import cpus
from tests.bench.results import Results, best
from tests.bench.tables import FIRST_VNIC, access_image, mac_of
from tests.support.fabric import home
from tests.support.traffic import Receiver, send
from vem.datapath.apply import apply_image
from vem.datapath.choose import why_no_kernel
from vem.datapath.engine import EngineError, Plug
from vem.datapath.image import Image
from vem.datapath.user import UserEngine

VNICS = 200
FRAMES = 1024
SIZES = (64, 1514)
TEST_REPEAT = 40_000
ETHERTYPE = b"\x88\xb5"
WIRE_FRAME = 60


def measure(results: Results, rounds: int, seconds: float) -> None:
    """Fill engine.user.* and engine.kernel.*."""
    try:
        _user_in_memory(results, rounds)
        _user_over_wires(results, rounds, seconds)
    except EngineError as problem:
        results.skip("engine.user", str(problem))
    if reason := why_no_kernel():
        results.skip("engine.kernel", reason)
    else:
        _kernel_test_run(results, rounds)
        _kernel_open(results, rounds)


def frame(destination: MacAddress, source: MacAddress, size: int) -> bytes:
    """An untagged frame of `size` bytes."""
    return (destination.octets + source.octets + ETHERTYPE).ljust(size, b"\0")


def _vnics() -> dict[int, MacAddress]:
    return {lport: mac_of(lport) for lport in range(FIRST_VNIC, FIRST_VNIC + VNICS)}


def _user_in_memory(results: Results, rounds: int) -> None:
    """Pipeline and queues, no system calls: frames from one vNIC to all the others in turn."""
    macs = _vnics()
    with closing(UserEngine()) as engine:
        for lport in macs:
            engine.plug(lport, Plug("memory"))
        apply_image(engine, Image(), access_image(macs))
        others = [mac for lport, mac in macs.items() if lport != FIRST_VNIC]
        for _ in range(rounds):
            reference.note(results)
            for size in SIZES:
                frames = [frame(others[n % len(others)], macs[FIRST_VNIC], size) for n in range(FRAMES)]
                nanoseconds = best(lambda frames=frames: engine.bench(FIRST_VNIC, frames, 40))
                results.add(f"engine.user.memory_{size}_ns", nanoseconds, "ns/frame")
        _check_forwarded(engine.counters([FIRST_VNIC])[FIRST_VNIC].rx_forwarded)


def _check_forwarded(count: int) -> None:
    if not count:
        raise AssertionError("the benchmark's frames were not forwarded")


def _user_over_wires(results: Results, rounds: int, seconds: float) -> None:
    """Sender, engine and receiver as three threads of control, joined by unix datagram wires."""
    macs = {FIRST_VNIC: mac_of(1), FIRST_VNIC + 1: mac_of(2)}
    near, far = macs
    with home() as path, closing(UserEngine()) as engine:
        for lport in macs:
            plug = Plug("wire", local=f"unix:{path}/port.{lport}", remote=f"unix:{path}/guest.{lport}")
            engine.plug(lport, plug)
        apply_image(engine, Image(), access_image(macs))
        for _ in range(rounds):
            results.add("engine.user.wire_kpps", _wire_rate(path, macs[near], macs[far], near, far, seconds), "kpps")


def _wire_rate(path: Path, source: MacAddress, destination: MacAddress, near: int, far: int, seconds: float) -> float:
    sender, receiver = cpus()
    header = destination.octets + source.octets + ETHERTYPE
    guest = path / f"guest.{far}"
    guest.unlink(missing_ok=True)
    with Receiver(None, f"unix:{guest}", header_bytes=len(header), cpu=receiver) as counting:
        send(None, f"unix:{path}/port.{near}", seconds=seconds, size=WIRE_FRAME, header=header, cpu=sender)
        return counting.finish().rate / 1e3


def _kernel_test_run(results: Results, rounds: int) -> None:
    """BPF_PROG_TEST_RUN of the loaded program, one pair of vNICs of many."""
    from tests.bench.kernel import test_switch

    macs = _vnics()
    with test_switch(access_image(macs)) as engine:
        for _ in range(rounds):
            for size in SIZES:
                sample = frame(macs[FIRST_VNIC + 1], macs[FIRST_VNIC], size)
                nanoseconds = best(lambda sample=sample: engine.test_ns(FIRST_VNIC, sample, TEST_REPEAT))
                results.add(f"engine.kernel.test_run_{size}_ns", nanoseconds, "ns/frame")


def _kernel_open(results: Results, rounds: int) -> None:
    """Milliseconds from nothing to a kernel engine, and then to one whose program has every feature."""
    from tests.bench.kernel import kernel_switch

    for _ in range(rounds):
        started = time.perf_counter()
        with kernel_switch("open") as engine:
            opened = time.perf_counter()
            engine.need_all()
            results.add("engine.kernel.open_ms", (opened - started) * 1e3, "ms")
            results.add("engine.kernel.open_all_features_ms", (time.perf_counter() - started) * 1e3, "ms")
