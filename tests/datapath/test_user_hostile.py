"""Frames that nobody should send: 100,000 random and mutated ones, a full MAC table, and the same under sanitizers."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dvswitch.mac import MacAddress
from tests.datapath.hostile import hostile
from tests.datapath.switches import UnixEnd, number_of, numbered, user_engine
from tests.rows.row import check_accounts
from tests.rows.world import BROADCAST, access, frame, mac, sized, trunk, uplink, vnic
from vem.datapath.abi import MAX_MACS, SOURCES
from vem.datapath.compile import OUTPUT, SANITIZED_LIBRARY, build_user, find_cc
from vem.datapath.engine import EngineError, Plug
from vem.datapath.native import LIBRARY_VARIABLE
from vem.datapath.user import UserEngine

ROOT = Path(__file__).parents[2]
FRAMES = 100_000
SANITIZED = LIBRARY_VARIABLE in os.environ
LEARNING = access(100, learn=True, unknown_flood=True, forged_ok=True)
PORTS = (
    vnic(1, LEARNING),
    vnic(2, trunk("0,1,100", learn=True, forged_ok=True, unknown_flood=True)),
    vnic(3, access(999)),
    vnic(4, access(999)),
    vnic(5, access(0)),
    uplink(10, trunk("0-900")),
    uplink(11, trunk("1-900", native=1)),
)
TARGETS = (1, 2, 5, 10, 11)


@pytest.fixture
def engine() -> Iterator[UserEngine]:
    """All ports but 3 and 4 are memory ports."""
    with user_engine(*PORTS) as running:
        for lport in TARGETS:
            running.plug(lport, Plug("memory"))
        yield running


def attack(engine: UserEngine, count: int, seed: int) -> None:
    """Frames in at random ports; what comes out is thrown away."""
    randomness = random.Random(seed)
    for number in range(count):
        gso = randomness.choice((0, 0, 0, 1, 1448, 70000))
        engine.inject(randomness.choice(TARGETS), hostile(randomness), gso)
        if number % 500 == 0:
            for lport in TARGETS:
                while engine.take(lport) is not None:
                    pass


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.slow
def test_hostile_frames_cost_no_memory_and_disturb_no_other_port(engine: UserEngine) -> None:
    with TemporaryDirectory(prefix="dvs-", dir="/tmp") as room:
        near, far = UnixEnd(Path(room), "a"), UnixEnd(Path(room), "b")
        engine.plug(3, near.plug)
        engine.plug(4, far.plug)
        total, received = 5000, list[int]()
        attack(engine, FRAMES // 5, seed=1)  # touches every page of the MAC table, which is of fixed size
        pair = threading.Thread(target=_stream, args=(near, far, total, received))
        before = resident()
        pair.start()
        attack(engine, FRAMES, seed=2)
        pair.join()
        grown = resident() - before
        near.socket.close()
        far.socket.close()
    assert received == list(range(total))
    check_accounts(engine.counters())
    assert sum(port.rx_frames for port in engine.counters().values()) == FRAMES * 6 // 5 + total
    if not SANITIZED:
        assert grown < 5 << 20, f"grew by {grown} bytes"


def _stream(near: UnixEnd, far: UnixEnd, total: int, received: list[int], window: int = 20) -> None:
    for start in range(0, total, window):
        for number in range(start, start + window):
            near.send(numbered(4, 3, number))
        received += map(number_of, far.receive(window))


def test_a_dry_run_of_hostile_frames_tells_the_same_as_the_counters(engine: UserEngine) -> None:
    randomness = random.Random(3)
    for _ in range(3000):
        data = hostile(randomness)
        fate = engine.test(randomness.choice(TARGETS), data)
        assert bool(fate.reason) != bool(fate.copies)
        assert all(len(copy.frame) >= 14 for copy in fate.copies)
    check_accounts(engine.counters())


@pytest.mark.slow
def test_a_full_mac_table_refuses_and_forgetting_makes_room(engine: UserEngine) -> None:
    fixed = len(engine.image().static_macs)
    many = [MacAddress(b"\x06\0" + n.to_bytes(4, "big")) for n in range(MAX_MACS - fixed - 1)]
    engine.set_static_macs(dict.fromkeys(many, 5))
    engine.inject(1, frame(BROADCAST, mac(0x701)))
    engine.inject(1, frame(BROADCAST, mac(0x702)))
    engine.inject(1, frame(BROADCAST, mac(0x701)))
    assert engine.counters()[1].drops_in == {"MAC_LIMIT": 1}
    with pytest.raises(EngineError, match="no space"):
        engine.set_static_macs({MacAddress(b"\x0a\0\0\0\0\1"): 5})
    assert [str(entry.mac) for entry in engine.learned()] == [MacAddress(mac(0x701)).__str__()]
    engine.forget(engine.learned())
    assert engine.learned() == []
    engine.inject(1, frame(BROADCAST, mac(0x702)))
    assert len(engine.learned()) == 1
    engine.set_static_macs(dict.fromkeys(many))
    assert len(engine.image().static_macs) == fixed


def test_the_mac_table_behaves_like_a_dictionary(engine: UserEngine) -> None:
    """Insertions and removals in any order, with the collisions that come by themselves."""
    randomness = random.Random(4)
    start = dict(engine.image().static_macs)
    model: dict[MacAddress, int] = {}
    pool = [MacAddress(b"\x06" + randomness.randbytes(5)) for _ in range(3000)]
    for _ in range(20000):
        address = randomness.choice(pool)
        lport = randomness.choice((1, 2, 5, None))
        engine.set_static_macs({address: lport})
        if lport is None:
            model.pop(address, None)
        else:
            model[address] = lport
    assert engine.image().static_macs == start | model


def test_a_memory_port_that_nobody_reads_drops(engine: UserEngine) -> None:
    for _ in range(8200):
        engine.inject(1, sized(60, mac(2), mac(1)))
    counters = engine.counters()[2]
    assert (counters.tx_frames, counters.drops_out) == (8192, {"TX_ERROR": 8})


# --- sanitizers ----------------------------------------------------------------------------------------------------


HOSTILE = "datapath/test_hostile.py"


def _sanitizer_runtime() -> str:
    """The library to load before Python; "" where the compiler has none."""
    cc = find_cc()
    if not cc:
        return ""
    named = subprocess.run([cc, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    path = named.strip()
    return path if os.path.isabs(path) else ""


@pytest.mark.skipif(SANITIZED, reason="this is the sanitized run")
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ["rows", "datapath/test_user_wires.py", "datapath/test_user_hostile.py", HOSTILE])
def test_rows_wires_and_hostile_frames_under_sanitizers(part: str) -> None:
    runtime = _sanitizer_runtime()
    built = build_user(sanitize=True)
    if built.missing or not runtime:
        pytest.skip("the compiler has no sanitizers")
    assert built.ok, built.message
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
        LIBRARY_VARIABLE: str(OUTPUT / SANITIZED_LIBRARY),
    }
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not kernel", f"tests/{part}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert " passed" in run.stdout


@pytest.mark.slow
def test_hostile_superframes_under_sanitizers(tmp_path: Path) -> None:
    cc = find_cc()
    if not cc or not _sanitizer_runtime():
        pytest.skip("no C compiler with sanitizers")
    program = tmp_path / "fuzz"
    flags = ["-O1", "-g", "-Wall", "-Wextra", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    source = Path(__file__).parent / "offload_fuzz.c"
    subprocess.run([cc, *flags, f"-I{SOURCES}", str(source), "-o", str(program)], check=True, timeout=250)
    run = subprocess.run([str(program)], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
