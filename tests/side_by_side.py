"""How tests are shared out among the processes that run them side by side (`-n auto`, as `make test` does).

Many tests wait more than they compute, so there are more processes than processors.  Each takes one unit after the
other; the tests of a unit run in order and in one process:

    tests that share a fixture of their module, for each parameter of that fixture
    a test marked qemu or slow that shares none
    the other tests of a file

Units that take long begin first, so that all processes end at about the same time; and one half of the processes
begins with the short ones, so that there is always one that waits beside one that computes.

    tests/conftest.py           what holds for every test, in every process
    tests/coverage_rules.py     gathers what the tests of all processes have shown
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

try:
    from xdist.scheduler import LoadScopeScheduling
except ImportError:  # it is not needed to run tests one by one
    LoadScopeScheduling = object

WEIGHTS = {"qemu": 400, "slow": 100, "kernel": 10}
"""What a test with such a marker takes, in tests without; the greatest counts."""
APART = ("qemu", "slow")
PLAN = "side-by-side-plan"
"""The file in which the first process tells the units: those who share out know nothing but names of tests."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Twice as many as processors; one more than those for tests that are fast, which hardly wait."""
    processors = len(os.sched_getaffinity(0))
    return processors + 1 if "not slow" in config.option.markexpr else 2 * processors


def weight(item: pytest.Item) -> int:
    """What it takes, roughly."""
    return max((amount for name, amount in WEIGHTS.items() if item.get_closest_marker(name)), default=1)


def unit(item: pytest.Item) -> str:
    """The unit of a test."""
    file = item.nodeid.partition("::")[0]
    if shared := list(_shared(item)):
        return f"{file} {' '.join(sorted(shared))}"
    return item.nodeid if any(item.get_closest_marker(name) for name in APART) else file


def _shared(item: pytest.Item) -> Iterable[str]:
    """The parameters of its module's fixtures; "shared" if they have none."""
    info = getattr(item, "_fixtureinfo", None)
    call = getattr(item, "callspec", None)
    for name, definitions in info.name2fixturedefs.items() if info else ():
        if definitions[-1].scope == "module":
            yield f"{name}={call.indices[name]}" if call and name in call.indices else "shared"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process of several: the longest units first."""
    given = getattr(config, "workerinput", None)
    if given is None:
        return
    units = {item.nodeid: unit(item) for item in items}
    weights: Counter[str] = Counter()
    for item in items:
        weights[units[item.nodeid]] += weight(item)
    items.sort(key=lambda item: (-weights[units[item.nodeid]], units[item.nodeid]))
    if given["workerid"] == "gw0":
        Path(given[PLAN]).write_text(json.dumps(units))


class Sharing(LoadScopeScheduling):  # type: ignore[misc, valid-type, unused-ignore]
    """Gives out the units of the plan in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: Any, plan: Path) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)
        self._plan = plan
        self._units: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        if not self._units:
            self._units = json.loads(self._plan.read_text())
        return self._units.get(nodeid, nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        """Every second process takes the shortest that are left."""
        if int(node.gateway.id.removeprefix("gw")) % 2:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


class Sharer:
    """Makes the plan's place known to the processes and shares out."""

    def __init__(self, plan: Path) -> None:
        self._plan = plan

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[PLAN] = str(self._plan)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Sharing:
        return Sharing(config, log, self._plan)


def pytest_configure(config: pytest.Config) -> None:
    """Only in the process that shares out."""
    if getattr(config.option, "tx", None) and not config.option.collectonly:
        place = tempfile.TemporaryDirectory(prefix="dvt-plan-")
        config.add_cleanup(place.cleanup)
        config.pluginmanager.register(Sharer(Path(place.name) / PLAN))
