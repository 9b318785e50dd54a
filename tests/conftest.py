"""What holds for every test: who is skipped and why, and that nothing is left behind.

A test marked `kernel` needs root, one marked `qemu` a guest image.  On a machine that ought to have both (CI=true and
root) a skipped kernel or qemu test counts as a failure: a green run there has really run them.  Only a reason that
begins with "not for" is good everywhere: that combination of parameters means nothing.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import grpc
import hypothesis
import pytest

from dvswitch import logs
from tests.kernel import rig
from tests.support import fabric, leftovers, netns
from tests.support.examples import many
from tests.support.processes import STOP_SECONDS

pytest_plugins = ["tests.coverage_rules", "tests.model_switch.figures", "tests.side_by_side"]
DEEP = ("kernel", "qemu")
NOT_FOR = "Skipped: not for "

# How long an example takes is a matter of the machine and of what else runs on it, not of what it shows; and how large
# the first ones are, or how many make no sense, is chance.  (A property that never gets one fails all the same.)
CHANCE = [
    hypothesis.HealthCheck.too_slow,
    hypothesis.HealthCheck.data_too_large,
    hypothesis.HealthCheck.filter_too_much,
]
hypothesis.settings.register_profile("dvswitch", deadline=None, max_examples=many(100), suppress_health_check=CHANCE)
hypothesis.settings.load_profile("dvswitch")
# As the daemons do.
logs.set_up("info")


def strict() -> bool:
    """Whether deep tests must run here."""
    return os.environ.get("CI") == "true" and os.geteuid() == 0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Clear what killed runs have left.

    Also keep gRPC's asynchronous part for the whole run.  Otherwise it ends with the last object that uses it, and
    waits for its own thread then; when that object was left over by a test and the garbage collector finds it, for
    ever.
    """
    leftovers.mark()
    if not hasattr(session.config, "workerinput"):
        leftovers.sweep()
    grpc.aio.init_grpc_aio()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell that starts a run in the background has it ignored, and so would every program that a test interrupts
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    skipped = pytest.mark.skip(reason="needs root: run `make test` as root")
    for item in items:
        if item.get_closest_marker("kernel"):
            item.add_marker(skipped)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and strict() and not hasattr(report, "wasxfail") and NOT_FOR not in str(report.longrepr):
        for name in DEEP:
            if item.get_closest_marker(name):
                report.outcome = "failed"
                report.longrepr = f"a {name} test was skipped on a machine that must run it: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No process of a run may leave a process, a namespace or a kernel datapath."""
    yield
    end = time.monotonic() + STOP_SECONDS
    while (children := leftovers.describe_children(os.getpid())) and time.monotonic() < end:
        time.sleep(0.1)  # what was told to end may wait for a processor to do it on
    spaces = sorted(path.name for path in Path(netns.RUN_NETNS).glob(f"{netns.PREFIX}{os.getpid()}-*"))
    assert not children, f"processes left behind: {children}"
    assert not spaces, f"namespaces left behind: {spaces}"
    assert not pinned(), f"datapaths left behind: {pinned()}"


def pinned() -> set[str]:
    """Switches of this run that the kernel engine still keeps; others may be anybody's."""
    hosts = {path.name for path in leftovers.PINS.glob("*")} & fabric.HOSTS
    return hosts | {path.name for path in rig.ROOT.glob(f"*-{os.getpid()}-*")}
