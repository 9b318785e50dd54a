"""Hostile frames: what the kernel refuses before the pipeline sees it, and 100,000 random and mutated ones after."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.rig import Host, Switch, address
from tests.rows.backends_kernel import TapNic
from tests.rows.catalogue import ROWS
from tests.rows.row import check_accounts
from tests.rows.world import access, mac, sized, tag, trunk, uplink, vnic, world
from tests.support.netns import Lab
from tests.support.traffic import Receiver, Sender
from vem.datapath.apply import apply_image
from vem.datapath.engine import EngineError, Plug
from vem.datapath.image import Image
from vem.datapath.kernel import KernelEngine
from vem.datapath.kernel_trace import context

pytestmark = pytest.mark.kernel

TAPS = (11, 12, 13)
RANDOM_FRAMES = 56_000
"""Twice: through a tap, and by test runs."""
GROWTH = 5 << 20
WORLD = world(
    vnic(1, access(100)),
    vnic(2, access(100)),
    vnic(11, trunk("0-4094", learn=True, unknown_flood=True, forged_ok=True)),
    vnic(12, access(300, learn=True, unknown_flood=True, forged_ok=True)),
    uplink(13),
)


class Bench:
    """Guests 1 and 2 with Linux stacks; taps 11 to 13."""

    def __init__(self, lab: Lab, switch: Switch) -> None:
        self.host = Host(lab, "host", guests=(1, 2))
        self.host.introduce(1, 2)
        self.engine: KernelEngine = switch.open()
        self.host.plug(self.engine)
        self.taps = {lport: TapNic(self.host.where, f"tap{lport}") for lport in TAPS}
        for lport, tap in self.taps.items():
            self.host.where.up(tap.name)
            self.engine.plug(lport, Plug("tap", tap.name, self.host.where.name))
        apply_image(self.engine, Image(), WORLD)

    def drain(self) -> None:
        for tap in self.taps.values():
            while tap.read() is not None:
                pass


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Lab() as lab, Switch("frames") as switch:
        made = Bench(lab, switch)
        yield made
        for tap in made.taps.values():
            tap.close()


def short_frames() -> list[bytes]:
    """Those of the rows that the kernel engine never gets to see (S-002)."""
    found = [step.frame for row in ROWS if row.needs_short_frames for step in row.steps if len(step.frame) < 14]
    assert found
    return found


def test_the_kernel_refuses_frames_without_a_header(bench: Bench) -> None:
    for frame in short_frames():
        with pytest.raises(OSError, match=r"Invalid argument|\[Errno 22\]") as refused:
            bench.taps[11].write(frame)
        assert refused.value.errno == errno.EINVAL
        with pytest.raises(EngineError, match="kernel takes none"):
            bench.engine.test(11, frame)
        with pytest.raises(EngineError, match="Invalid argument"):
            bench.engine._programs.tracer().program.test_run(frame, context(11, frame, 0))
    assert bench.engine.counters([11])[11].rx_frames == 0


def test_the_kernel_swallows_frames_with_a_cut_off_tag(bench: Bench) -> None:
    cut = sized(60, mac(12), mac(11), tag(100))[:16]
    bench.taps[11].write(cut)
    assert bench.engine.counters([11])[11].rx_frames == 0
    assert bench.engine.test(11, cut).reason == "RUNT"


def random_frames(seed: int, count: int) -> Iterator[bytes]:
    """Half of them noise, half of them frames that mean something, with a few bytes changed."""
    chance = random.Random(seed)
    tags = [b"", tag(0, 5), tag(100), tag(300), tag(4095), tag(100) + tag(7), tag(100, tpid=0x88A8)]
    addresses = [mac(lport) for lport in (1, 2, *TAPS)] + [b"\xff" * 6, bytes.fromhex("0180c2000000"), bytes(6)]
    for number in range(count):
        length = chance.choice((14, 15, 17, 18, 22, 60, 64, 1514, 1518, chance.randrange(14, 1600)))
        if number % 2:
            yield chance.randbytes(length)
            continue
        frame = bytearray(chance.choice(addresses) + chance.choice(addresses) + chance.choice(tags))
        frame += chance.randbytes(max(0, length - len(frame)))
        for _ in range(chance.randrange(3)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        yield bytes(frame)


def kernel_complaints(since: float) -> list[str]:
    """Warnings and worse that the kernel logged after a time of the monotonic clock."""
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    found = []
    try:
        while True:
            try:
                head, _, text = os.read(log, 1 << 14).decode(errors="replace").partition(";")
            except BrokenPipeError:  # older lines were overwritten; the next read goes on with what is there
                continue
            microseconds = int(head.split(",")[2])
            if microseconds / 1e6 > since and any(
                word in text for word in ("WARNING:", "BUG:", "Oops", "general prot")
            ):
                found.append(text.strip())
    except BlockingIOError:
        return found
    finally:
        os.close(log)


def map_memory(engine: KernelEngine) -> int:
    """Bytes that the engine's maps hold, as the kernel counts them."""
    total = 0
    for table in (*engine._maps.values(), *engine._programs.kept.values()):
        lines = Path(f"/proc/self/fdinfo/{table.fd}").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("memlock"))
    return total


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_random_frames_do_no_harm(bench: Bench) -> None:
    started = time.clock_gettime(time.CLOCK_MONOTONIC)
    engine = bench.engine
    engine.test(11, bytes(64))
    maps, memory = map_memory(engine), resident()
    with (
        Receiver(bench.host.guests[2], address(2)) as receiver,
        Sender(bench.host.guests[1], address(2), rate=10_000, seconds=60) as sender,
    ):
        for number, frame in enumerate(random_frames(1, RANDOM_FRAMES)):
            bench.taps[TAPS[number % 3]].write(frame)
            if number % 200 == 0:
                bench.drain()
        for number, frame in enumerate(random_frames(2, RANDOM_FRAMES)):
            engine.test(TAPS[number % 3], frame, gso=1448 if number % 50 == 0 else 0)
        sender.stop()
        sent, received = sender.finish(), receiver.finish()
    assert (received.received, received.reordered, received.duplicates) == (sent.sent, 0, 0)
    counters = engine.counters()
    assert sum(counters[lport].rx_frames for lport in TAPS) >= 100_000, "not counting cut-off tags"
    check_accounts(counters)
    assert kernel_complaints(started) == []
    assert map_memory(engine) <= maps + GROWTH
    assert resident() < memory + GROWTH
    assert engine.image() == WORLD
