"""`dvs watch`: the stream of events on a terminal, over a restart of the supervisor too."""

from __future__ import annotations

import json
import select
import subprocess
import sys

import pytest

from tests.support.fabric import Fabric, access_profile, home

pytestmark = pytest.mark.slow


def started(fabric: Fabric, *arguments: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "physical.dvs", "watch", "--vsm", f"unix:{fabric.operator}", *arguments]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read(watch: subprocess.Popen[str]) -> str:
    assert watch.stdout is not None
    line = watch.stdout.readline()
    assert line, "it ended"
    return line


def configure_until_seen(fabric: Fabric, watch: subprocess.Popen[str]) -> None:
    """The watcher is there when it tells of something; VLANs are made until it does."""
    assert watch.stdout is not None
    for number in range(100, 300):
        fabric.configure(f"vlan {number}")
        if select.select([watch.stdout], [], [], 0.2)[0]:
            return
    raise AssertionError("it tells nothing")


def test_events_are_shown_as_they_happen_and_over_a_restart() -> None:
    with home() as path, Fabric(path) as fabric, started(fabric, "--json") as watch:
        try:
            configure_until_seen(fabric, watch)
            fabric.configure(access_profile("web", 10))
            while (event := json.loads(read(watch)))["object"] != "port-profile web":
                assert event["kind"] == "config"
            assert (event["kind"], event["what"]) == ("profile", "created")
            fabric.vsm.kill()
            fabric.start_vsm()
            while "started anew" not in read(watch):
                pass
            configure_until_seen(fabric, watch)
        finally:
            watch.terminate()


def test_kinds_are_chosen_and_checked() -> None:
    with home() as path, Fabric(path) as fabric:
        with started(fabric, "weather") as watch:
            told = watch.communicate(timeout=60)[0]
            assert told.startswith("vsm: event kind: 'weather' is unknown; choose from module, veth, ")
            assert watch.returncode == 1
        with started(fabric, "profile") as watch:
            try:
                for number in range(10, 200):
                    fabric.configure(access_profile(f"p{number}", number))
                    if number == 10:
                        continue
                    if select.select([watch.stdout], [], [], 0.2)[0]:
                        break
                assert " profile " in (line := read(watch)) and "port-profile p" in line
            finally:
                watch.terminate()
