"""The kernel engine's objects on the oldest kernel they are meant for: the distribution's (6.1 on Debian 12), in QEMU.

Its verifier refuses what newer ones accept, it has no tcx, and its helpers may differ: so all objects are loaded there,
and all packet rows are run, dry and between taps.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.kernel61.script import Question, play
from tests.rows.backend import delivered
from tests.rows.catalogue import ROWS
from tests.rows.row import Row, Step
from tests.vm.guest_image import GuestUnavailable, extra_modules, guest_image
from tests.vm.qemu import Guest
from vem.datapath.compile import OUTPUT
from vem.datapath.kernel_trace import decode

pytestmark = pytest.mark.qemu

SOURCE = Path(__file__).with_name("guest.c")
OBJECTS = sorted(OUTPUT.glob("*.bpf.o"))
KERNEL = "/tmp/kernel.bpf.o"


def compiled(where: Path) -> bytes:
    """guest.c as a static program."""
    target = where / "guest"
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler here")
    flags = ["-O2", "-Wall", "-static", "-o", str(target), str(SOURCE), "-lbpf", "-lelf", "-lz"]
    done = subprocess.run([compiler, *flags], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs static libbpf (libbpf-dev, libelf-dev, zlib1g-dev): {done.stderr[-500:]}")
    return target.read_bytes()


def suits(row: Row) -> bool:
    return "kernel" in row.engines and not row.needs_short_frames


# A test run tells of a tag's VLAN, not of the service tag that the mobility program gets: that is on the wire only.
DRY = [row for row in ROWS if suits(row) and not row.shows_service_tags]
LIVE = [row for row in ROWS if suits(row) and not row.needs_gso]


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    try:
        modules = extra_modules(guest_image())
    except GuestUnavailable as problem:
        pytest.skip(str(problem))
    files = {"bin/guest": compiled(tmp_path_factory.mktemp("guest"))}
    files |= {f"tmp/{path.name}": path.read_bytes() for path in OBJECTS}
    files |= {f"tmp/{number}-{name}": content for number, (name, content) in enumerate(modules.items())}
    files |= {f"tmp/{label}.play": script.encode() for label, script in scripts().items()}
    with Guest("oldest", [], files=files) as running:
        running.wait_ready()
        running.run("for module in /tmp/*.ko; do insmod $module; done")
        yield running


def scripts() -> dict[str, str]:
    dry, live = play(DRY, live=False)[0], play(LIVE, live=True)[0]
    return {"dry": "\n".join(dry) + "\n", "live": "\n".join(live) + "\n"}


def test_every_object_loads(guest: Guest) -> None:
    assert OBJECTS, "nothing is built: python -m vem.datapath.compile"
    print(guest.run("uname -r"))
    for path in OBJECTS:
        output = guest.run(f"guest load /tmp/{path.name} 2>&1")
        assert f"without features /tmp/{path.name}" in output and f"loaded /tmp/{path.name}" in output, output


def test_rows_run_dry(guest: Guest) -> None:
    _, questions = play(DRY, live=False)
    output = guest.run(f"guest play {KERNEL} < /tmp/dry.play 2>&1")
    traces = [line.split()[1] for line in output.splitlines() if line.startswith("trace ")]
    assert len(traces) == len(questions), output[-2000:]
    for question, trace in zip(questions, traces, strict=True):
        check_dry(question, bytes.fromhex(trace))


def check_dry(question: Question, trace: bytes) -> None:
    step = question.step
    fate = decode(step.frame, trace)
    assert fate.reason == step.drop, question
    assert sorted((copy.lport, copy.reason) for copy in fate.copies) == sorted(
        (copy.lport, copy.reason) for copy in step.copies
    )
    assert sorted(delivered(fate)) == leaving(step)


def leaving(step: Step) -> list[tuple[int, bytes]]:
    """By which port's NIC the step says that what leaves."""
    copies = [copy for copy in step.copies if not copy.reason and not copy.shared]
    return sorted((copy.link or copy.lport, copy.frame) for copy in copies)


def test_rows_run_between_taps(guest: Guest) -> None:
    _, questions = play(LIVE, live=True)
    output = guest.run(f"guest play {KERNEL} < /tmp/live.play 2>&1")
    answers = list(deliveries(output.splitlines()))
    assert len(answers) == len(questions), output[-2000:]
    for question, answer in zip(questions, answers, strict=True):
        assert sorted(answer) == leaving(question.step), question.step


def deliveries(lines: Sequence[str]) -> Iterator[list[tuple[int, bytes]]]:
    """What arrived, frame by frame that was sent."""
    arrived: list[tuple[int, bytes]] = []
    for line in lines:
        if line.startswith("frame tap"):
            _, name, frame = line.split()
            arrived.append((int(name.removeprefix("tap")), bytes.fromhex(frame)))
        elif line == "sent":
            yield arrived
            arrived = []
